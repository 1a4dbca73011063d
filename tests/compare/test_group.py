"""Group files: what they set, and messages about mistakes in them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from comparing import Command, compare

from cganzoo.compare import fairness, report_files
from cganzoo.compare.group import read_group
from cganzoo.compare.matrix import build_matrix
from cganzoo.errors import RecipeError, RunError
from cganzoo.recipe import bundled

WHOLE_SETTINGS = ("paper/reacgan_cifar10", "paper/ecgan_cifar10", "paper/ecgan_tinyimagenet64")
"""Groups of methods that each have the networks and the training of their authors."""


@pytest.mark.parametrize("name", bundled.groups())
def test_every_group_resolves_and_is_fair(name: str):
    matrix = build_matrix([name], seeds=None, overrides=[], out=Path("nowhere"))
    assert len(matrix.methods) >= 4
    assert fairness.planned_conflicts(matrix.methods) == {}
    allowed = {"generator.conditional", "discriminator.extra_conv"}
    if name not in WHOLE_SETTINGS:
        assert {d["key"] for d in fairness.differences(matrix.methods) if not d["expected"]} <= allowed
    header = (bundled.folder() / f"{name}.toml").read_text()
    assert f"cganzoo compare recipes/{name}.toml" in header


def test_a_group_sets_names_and_publishes(tmp_path: Path, recipes: dict[str, Path]):
    file = tmp_path / "group.toml"
    file.write_text(
        'title = "Two"\nseeds = [3]\nset = ["train.steps=9"]\n'
        '[published]\nsource = "a paper"\ndifference = "all"\n'
        '[[methods]]\nrecipe = "first.toml"\nlabel = "One"\npublished = { fid = 2.0 }\n'
        '[[methods]]\nrecipe = "first.toml"\nname = "other"\nset = ["train.steps=8"]\n'
    )
    matrix = build_matrix([str(file)], seeds=None, overrides=[], out=None)
    assert [(method.label, method.values["train"]["steps"]) for method in matrix.methods] == [("One", 9), ("other", 8)]
    assert [cell.folder.path for cell in matrix.cells] == [
        Path("runs/group/first/seed-3"),
        Path("runs/group/other/seed-3"),
    ]
    wins = build_matrix([str(file)], seeds=[5], overrides=["train.steps=7"], out=None)
    assert {method.values["train"]["steps"] for method in wins.methods} == {7}
    assert read_group(str(recipes["first"])) is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('title = "x"\nmethods = []\n', "there is no method"),
        ('title = "x"\n[[methods]]\nrecipe = "amgan_digits"\nlabl = "y"\n', 'did you mean "label"'),
        ('title = "x"\n[[methods]]\nrecipe = "nothere"\n', "no such recipe"),
        ('title = "x"\n[[methods]]\nrecipe = "amgan_digits"\n[[methods]]\nrecipe = "amgan_digits"\n', 'another "name"'),
        (
            'title = "x"\n[[methods]]\nrecipe = "amgan_digits"\npublished = {fid = 1.0}\n',
            "add [published] with their source",
        ),
        ('title = "x"\nset = ["train.seed=1"]\n[[methods]]\nrecipe = "amgan_digits"\n', "seeds = [0, 1, 2]"),
        ('title = "x"\nset = ["loss.foo=1"]\n[[methods]]\nrecipe = "amgan_digits"\n', "amgan_digits: --set loss.foo"),
        ('title = "x"\n[[methods]]\nrecipe = "amgan_digits"\nlabel = "a\\nb"\n', "methods.0.label"),
    ],
)
def test_a_mistake_in_a_group_is_one_message(text: str, message: str, tmp_path: Path):
    file = tmp_path / "group.toml"
    file.write_text(text)
    with pytest.raises(RecipeError, match=re.escape(message)) as caught:
        build_matrix([str(file)], seeds=None, overrides=[], out=None)
    assert "group.toml" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_unknown_score_to_rank_by_is_reported_before_training(
    command: Command, recipes: dict[str, Path], tmp_path: Path
):
    file = tmp_path / "group.toml"
    file.write_text('title = "x"\nrank_by = "fidd"\n[[methods]]\nrecipe = "first.toml"\n')
    ended = compare(command, tmp_path / "out", file)
    assert ended.code == 2
    assert 'group.toml: rank_by: "fidd" is not a score of these recipes; choose one of "fid"' in ended.err
    assert not (tmp_path / "out").exists()


def test_a_published_value_of_an_unknown_score_is_reported(command: Command, recipes: dict[str, Path], tmp_path: Path):
    file = tmp_path / "group.toml"
    file.write_text(
        'title = "x"\n[published]\nsource = "a"\ndifference = "b"\n'
        '[[methods]]\nrecipe = "first.toml"\npublished = { fidd = 1.0 }\n'
    )
    ended = compare(command, tmp_path / "out", file)
    assert ended.code == 2
    assert 'group.toml: first: published: "fidd" is not a score of these recipes' in ended.err


def test_a_file_that_cannot_be_written_is_reported(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="choose another --out"):
        report_files.save(tmp_path / "file" / "table.md", "")
