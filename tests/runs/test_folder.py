"""The run folder: one recipe, one process, nothing lost."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cganzoo.errors import RunError
from cganzoo.recipe.resolve import Resolved
from cganzoo.runs.folder import RunFolder, find_run
from cganzoo.runs.manifest import Images, Manifest

Resolver = Callable[..., Resolved]


@pytest.fixture
def folder(tmp_path: Path, resolved: Resolver) -> RunFolder:
    """A run of the tiny recipe that has just begun."""
    made = RunFolder(tmp_path / "tiny" / "seed-0")
    with made.claimed():
        made.begin(resolved(), fresh=False)
    return made


def refuse(*_: Any, **__: Any) -> Any:
    raise OSError(errno.ENOSPC, "No space left on device")


def write_step(folder: RunFolder, step: int) -> None:
    with folder.update_manifest() as manifest:
        manifest.step = step


def told(action: Callable[[], object]) -> str:
    """The sentence of the RunError that ``action`` raises."""
    with pytest.raises(RunError) as caught:
        action()
    assert caught.value.exit_code == 2
    assert "\n" not in str(caught.value)
    return str(caught.value)


# --- one process ----------------------------------------------------------------------------------------------------

HOLD = """
import sys
from pathlib import Path
from cganzoo.runs.folder import RunFolder
with RunFolder(Path(sys.argv[1])).claimed():
    print("held", flush=True)
    sys.stdin.readline()
"""


def test_a_second_process_is_told_and_may_follow_the_first_however_it_ends(folder: RunFolder) -> None:
    for kill in (False, True):
        holder = subprocess.Popen(
            [sys.executable, "-c", HOLD, str(folder.path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(RunError) as caught, folder.claimed():
            pytest.fail("claimed twice")
        assert str(caught.value) == (
            f"{folder.path}: another cganzoo is running here; wait for it, or choose another --out"
        )
        if kill:
            holder.kill()
        holder.communicate("end\n" if not kill else None, timeout=30)
        with folder.claimed():
            pass


def test_a_claim_ends_when_the_work_in_it_fails(folder: RunFolder) -> None:
    with pytest.raises(ZeroDivisionError), folder.claimed():
        raise ZeroDivisionError
    with folder.claimed():
        pass


def test_a_place_that_cannot_be_a_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    def claim() -> None:
        with RunFolder(tmp_path / "file" / "seed-0").claimed():
            pytest.fail("claimed")

    assert told(claim).endswith("; choose another --out")


# --- one recipe -----------------------------------------------------------------------------------------------------


def test_the_same_recipe_may_come_back(folder: RunFolder, resolved: Resolver) -> None:
    before = folder.recipe_file.read_bytes()
    (folder.checkpoints / "step-00000001.pt").touch()
    for same in (resolved("train.ema_decay=0.999"), resolved(text=folder.recipe_file.read_text())):
        folder.check_same_recipe(same)
        folder.begin(same, fresh=False)
    assert folder.recipe_file.read_bytes() == before
    assert (folder.checkpoints / "step-00000001.pt").exists()
    assert folder.recipe().name == "tiny"
    assert folder.recipe().sections.train == resolved().recipe.sections.train


def test_the_values_of_the_stored_recipe_are_those_of_the_resolved_one(folder: RunFolder, resolved: Resolver) -> None:
    for overrides in (
        (),
        ("optimizer.generator.lr={from=1, to=0}", "evaluation.extractor={name='classifier', width=8}"),
    ):
        folder.begin(resolved(*overrides), fresh=True)
        assert folder.recipe_values() == resolved(*overrides).values()


def test_another_recipe_is_named_by_what_differs(folder: RunFolder, resolved: Resolver) -> None:
    (folder.checkpoints / "step-00000001.pt").touch()
    other = resolved("train.seed=21", "optimizer.generator.lr={from=1, to=0}")
    assert told(lambda: folder.check_same_recipe(other)) == (
        f"{folder.path}: holds a run of another recipe (optimizer.generator.lr is 0.0004 there, "
        '{"curve": "linear", "from": 1.0, "to"... here; train.seed is 0 there, 21 here); '
        "choose another --out, or --fresh to start over"
    )
    many = {"train.ema_decay": 0.5, "train.seed": 1, "train.batch_size": 1, "train.discriminator_steps": 2}
    assert "; and 1 more)" in told(lambda: folder.check_same_recipe(resolved(*(f"{k}={v}" for k, v in many.items()))))


def test_scoring_and_bookkeeping_may_change_on_the_way(folder: RunFolder, resolved: Resolver) -> None:
    checkpoint = folder.checkpoints / "step-00000001.pt"
    checkpoint.touch()
    other = resolved("train.log_every=3", "evaluation.extractor={name='classifier', width=8}", "evaluation.samples=9")
    folder.check_same_recipe(other)
    folder.begin(other, fresh=False)
    assert folder.recipe().sections.evaluation.samples == 9
    assert checkpoint.exists()


def test_scores_of_another_evaluation_are_retired(folder: RunFolder, resolved: Resolver) -> None:
    (folder.checkpoints / "step-00000001.pt").touch()
    scored = {"step": 1, "scores": {"fid": 2.0}}
    for record in ({"step": 1, "terms": {"real": 0.5}}, scored):
        folder.append(record)
    folder.begin(resolved("train.log_every=3"), fresh=False)
    assert folder.records()[1] == scored
    folder.begin(resolved("evaluation.samples=9"), fresh=False)
    assert folder.records() == [{"step": 1, "terms": {"real": 0.5}}, {"step": 1, "retired_scores": {"fid": 2.0}}]


def test_a_start_that_came_to_nothing_owns_nothing(folder: RunFolder, resolved: Resolver) -> None:
    folder.append({"step": 3})
    folder.check_same_recipe(resolved("train.steps=99"))
    folder.begin(resolved("train.steps=99"), fresh=False)
    assert folder.recipe().sections.train.steps == 99
    assert folder.records() == []


def test_other_images_are_refused(folder: RunFolder) -> None:
    folder.check_same_images("anything")  # a run that has not begun
    (folder.checkpoints / "step-00000001.pt").touch()
    with folder.update_manifest() as manifest:
        manifest.data = Images(fingerprint="mine")
    folder.check_same_images("mine")
    assert "the images are not those that this run began with" in told(lambda: folder.check_same_images("theirs"))


def test_checkpoints_without_a_recipe_are_not_taken_over(folder: RunFolder, resolved: Resolver) -> None:
    (folder.checkpoints / "step-00000001.pt").touch()
    folder.recipe_file.unlink()
    assert told(lambda: folder.check_same_recipe(resolved())) == (
        f"{folder.path}: holds checkpoints but no recipe.toml; choose another --out, or --fresh"
    )
    assert told(folder.recipe) == (
        f"{folder.recipe_file}: cannot be read: No such file or directory; this run folder is incomplete"
    )


def test_fresh_removes_what_is_the_runs_and_leaves_the_rest(folder: RunFolder, resolved: Resolver) -> None:
    mine = [
        folder.manifest_file,
        folder.metrics_file,
        folder.log_file,
        folder.extractor_file,
        folder.checkpoints / "step-00000001.pt",
        folder.checkpoints / ".step-00000002.pt.part",
        folder.samples / "step-00000001.png",
        folder.path / ".manifest.json.part",
    ]
    others = [folder.path / "notes.txt", folder.checkpoints / "best.pt", folder.samples / "favourite.png"]
    for file in [*mine, *others]:
        file.touch()
    folder.begin(resolved("train.steps=99"), fresh=True)
    assert not any(file.exists() for file in mine)
    assert all(file.exists() for file in others)
    assert folder.recipe().sections.train.steps == 99


# --- the small files ------------------------------------------------------------------------------------------------


def test_a_change_of_the_manifest_keeps_the_other_fields(folder: RunFolder) -> None:
    assert folder.manifest() == Manifest()
    write_step(folder, 1)
    with folder.update_manifest() as manifest:
        manifest.device = "CPU"
    write_step(folder, 2)
    assert folder.manifest() == Manifest(step=2, device="CPU")


def test_a_block_that_fails_leaves_the_manifest_as_it_was(folder: RunFolder) -> None:
    write_step(folder, 1)
    with pytest.raises(ZeroDivisionError), folder.update_manifest() as manifest:
        manifest.step, manifest.device = 2, str(1 // 0)
    assert folder.manifest() == Manifest(step=1)


def test_records_of_steps_that_will_be_taken_again_are_forgotten(folder: RunFolder) -> None:
    for step in (10, 20, 30, 40):
        folder.append({"step": step, "terms": {"real": 0.5}})
    with folder.metrics_file.open("a") as file:
        file.write('{"step": 50, "ter')  # a kill while writing
    assert [record["step"] for record in folder.records()] == [10, 20, 30, 40]
    folder.drop_records_after(20)
    folder.append({"step": 30})
    lines = folder.metrics_file.read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [10, 20, 30]
    folder.drop_records_after(0)
    assert folder.records() == []


def test_a_run_without_records_has_none(tmp_path: Path) -> None:
    assert RunFolder(tmp_path).records() == []


@pytest.mark.parametrize("what", ["manifest", "record", "forget", "recipe"])
def test_a_full_disk_is_told_and_what_was_there_stays(
    folder: RunFolder, resolved: Resolver, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    write_step(folder, 1)
    folder.append({"step": 1})
    before = {file: file.read_bytes() for file in (folder.manifest_file, folder.metrics_file)}
    other = RunFolder(folder.path.parent / "seed-1")
    other.path.mkdir()
    actions: dict[str, tuple[Path, Callable[[], object]]] = {
        "manifest": (folder.manifest_file, lambda: write_step(folder, 2)),
        "record": (folder.metrics_file, lambda: folder.append({"step": 2})),
        "forget": (folder.metrics_file, lambda: folder.drop_records_after(0)),
        "recipe": (other.path, lambda: other.begin(resolved(), fresh=False)),
    }
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", refuse)
        if what == "record":
            patch.setattr(Path, "open", refuse)
        place, action = actions[what]
        sentence = told(action)
    assert sentence.startswith(f"{place}: ")
    assert "No space left on device" in sentence
    assert {file: file.read_bytes() for file in before} == before
    assert not list(folder.path.rglob(".*.part"))
    assert not other.recipe_file.exists()


# --- finding a run --------------------------------------------------------------------------------------------------


def test_a_run_is_found_by_itself_and_from_above(folder: RunFolder, tmp_path: Path, resolved: Resolver) -> None:
    (tmp_path / "recipe.toml").mkdir()  # a folder of that name is no run
    for place in (folder.path, str(folder.path), folder.path.parent, tmp_path):
        assert find_run(place).path == folder.path
    other = RunFolder(folder.path.parent / "seed-1")
    other.path.mkdir()
    other.begin(resolved("train.seed=1"), fresh=False)
    assert told(lambda: find_run(tmp_path)) == f"{tmp_path}: holds 2 runs; name one of {folder.path}, {other.path}"
    assert find_run(other.path).path == other.path


def test_where_there_is_no_run_it_is_told(tmp_path: Path) -> None:
    nowhere = tmp_path / "nowhere"
    assert told(lambda: find_run(nowhere)) == f"{nowhere}: no such run folder"
    (tmp_path / "recipes").mkdir()
    (tmp_path / "recipes" / "recipe.toml").touch()
    assert told(lambda: find_run(tmp_path)) == f"{tmp_path}: holds no run (a folder with recipe.toml and checkpoints/)"


def test_only_a_few_of_many_runs_are_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for seed in range(7):
        place = tmp_path / f"seed-{seed}"
        (place / "checkpoints").mkdir(parents=True)
        (place / "recipe.toml").touch()
    sentence = told(lambda: find_run(tmp_path))
    assert sentence.startswith(f"{tmp_path}: holds 7 runs; name one of {tmp_path / 'seed-0'}, ")
    assert sentence.endswith(f"{os.sep}seed-4, ...")
