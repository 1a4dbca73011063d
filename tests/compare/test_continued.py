"""Comparisons of runs that were moved, extended, or begun from other weights."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from comparing import PLUGINS, SCORED, Command, cells, compare, scores_of
from continuing import CONSTANT

from cganzoo.cli.main import main
from cganzoo.compare.fairness import differences
from cganzoo.compare.matrix import Matrix, build_matrix
from cganzoo.runs.folder import RunFolder


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory, tiny: str) -> Path:
    file = tmp_path_factory.mktemp("recipe") / "mine.toml"
    text = tiny.replace(PLUGINS, 'plugins = ["cganzoo-amgan", "cganzoo-dcgan", "cganzoo-scores"]')
    file.write_text(text.replace("steps = 20", "steps = 3") + SCORED)
    return file


@pytest.fixture(scope="module")
def finished(recipe: Path) -> Path:
    """A run of three steps."""
    out = recipe.parent / "runs"
    with pytest.raises(SystemExit) as ended:
        main(["run", str(recipe), "--set", CONSTANT, "--out", str(out), "--device", "cpu"])
    assert not ended.value.code
    return out


def copies(finished: Path, place: Path, *keys: str, images: tuple[str, str] = ("same", "same")) -> Matrix:
    """The run twice, with seeds 0 and 1, with these keys in the recipe of each, and fingerprints of images."""
    for seed, (key, fingerprint) in enumerate(zip(keys, images, strict=True)):
        run = RunFolder(Path(shutil.copytree(finished / "mine" / "seed-0", place / f"seed-{seed}")))
        table, _, line = key.partition(".")
        text = run.recipe_file.read_text().replace("seed = 0\ndiscriminator", f"seed = {seed}\ndiscriminator")
        assert f"seed = {seed}\ndiscriminator" in text
        run.recipe_file.write_text(text.replace(f"[{table}]\n", f"[{table}]\n{line}\n"))
        with run.update_manifest() as manifest:
            manifest.seed, manifest.data.fingerprint = seed, fingerprint
    return build_matrix([str(place)], seeds=None, overrides=[], out=None)


def test_replicas_may_have_their_images_in_other_places(finished: Path, tmp_path: Path):
    matrix = copies(finished, tmp_path, 'data.root = "/a"', 'data.root = "b.zip"')
    assert len(matrix.methods) == 1
    assert [cell.seed for cell in matrix.cells] == [0, 1]


@pytest.mark.parametrize("roots", [("/a", "/b"), ("/a", "/a")])
def test_runs_on_other_images_are_no_replicas(finished: Path, tmp_path: Path, roots: tuple[str, str]):
    lines = [f'data.root = "{root}"' for root in roots]
    assert len(copies(finished, tmp_path, *lines, images=("one", "other")).methods) == 2


def init(path: str, digit: str) -> str:
    return f'train.init = "{path}"\ninit_sha256 = "{digit * 64}"'


def test_other_initial_weights_are_other_conditions(finished: Path, tmp_path: Path):
    matrix = copies(finished, tmp_path, init("a.pt", "0"), init("a.pt", "1"))
    assert len(matrix.methods) == 2
    (found,) = differences(matrix.methods)
    assert found["key"] == "train.init_sha256"
    assert not found["expected"]


def test_the_same_initial_weights_may_have_another_name(finished: Path, tmp_path: Path):
    assert len(copies(finished, tmp_path, init("a.pt", "0"), init("/b/a.pt", "0")).methods) == 1


def test_more_steps_continue_the_runs_of_a_comparison(command: Command, recipe: Path, finished: Path, tmp_path: Path):
    out = Path(shutil.copytree(finished, tmp_path / "runs"))
    arguments = (recipe, "--seeds", "0", "--set", CONSTANT)
    assert compare(command, out, *arguments).code == 0
    short = cells(out)
    ended = compare(command, out, *arguments, "--set", "train.steps=5")
    assert ended.code == 0, ended.err
    run = RunFolder(out / "mine" / "seed-0")
    assert [(call.from_step, call.steps) for call in run.manifest().calls] == [(0, 3), (3, 5)]
    assert cells(out) != short
    evaluation = run.manifest().evaluation
    assert evaluation is not None
    assert f"{evaluation.scores['fid']:.6g}"[:5] in str(scores_of(out)), "the scores of the last step"
    refused = compare(command, out, *arguments, "--set", "train.steps=4")
    assert refused.code == 2
    assert "has reached step 5, so train.steps = 4 is too few" in " ".join(refused.err.split())


def test_initial_weights_that_are_missing_are_named(command: Command, recipe: Path, tmp_path: Path):
    ended = compare(command, tmp_path / "out", recipe, "--seeds", "0", "--set", f"train.init={tmp_path / 'no.pt'}")
    assert ended.code == 2
    assert "--set train.init: " in ended.err
    assert "no such file or folder" in " ".join(ended.err.split())
