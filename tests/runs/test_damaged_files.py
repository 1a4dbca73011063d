"""Files of a run that are of another kind, or hold something else: one message each, and nothing is removed."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from cganzoo.errors import RunError
from cganzoo.recipe.resolve import Resolved
from cganzoo.runs import checkpoint
from cganzoo.runs.folder import RunFolder, find_run

Resolver = Callable[..., Resolved]


@pytest.fixture
def folder(tmp_path: Path, resolved: Resolver) -> RunFolder:
    """A run of the tiny recipe that has just begun."""
    made = RunFolder(tmp_path / "tiny" / "seed-0")
    made.path.mkdir(parents=True)
    made.begin(resolved(), fresh=False)
    return made


def told(action: Callable[[], object]) -> str:
    """The message of the RunError that ``action`` raises."""
    with pytest.raises(RunError) as caught:
        action()
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("content", "reason"), [(b"\xff\n", "byte 0 is not UTF-8 text"), (bytes(20 << 20), "it has more than")]
)
def test_a_recipe_that_is_no_text_is_damaged(folder: RunFolder, content: bytes, reason: str) -> None:
    folder.recipe_file.write_bytes(content)
    assert told(folder.recipe).startswith(f"{folder.recipe_file}: is damaged: {reason}")


@pytest.mark.parametrize("file", ["recipe_file", "manifest_file"])
@pytest.mark.parametrize("kind", ["folder", "pipe", "device"])
def test_what_is_no_regular_file_is_not_read(folder: RunFolder, file: str, kind: str) -> None:
    path: Path = getattr(folder, file)
    path.unlink(missing_ok=True)
    {"folder": path.mkdir, "pipe": lambda: os.mkfifo(path), "device": lambda: path.symlink_to("/dev/zero")}[kind]()
    read = folder.recipe if file == "recipe_file" else folder.manifest
    assert told(read).startswith(f"{path}: cannot be read: ")


GOOD = [{"step": 1, "terms": {"real": 0.5}}, {"step": 2, "scores": {"fid": None}}]
BAD: list[bytes] = [
    b'{"step": 3, "terms": {"re',
    b"\xff\xfe",
    b"\x00" * 50,
    b"[1, 2]",
    b"null",
    b"",
    b'{"terms": {}}',
    b'{"step": "4"}',
    b'{"step": true}',
    b'{"step": -1}',
    b'{"step": 9007199254740993}',
    b'{"step": 5, "scores": {"fid": "x"}}',
    b'{"step": 5, "scores": {"fid": true}}',
    b'{"step": 5, "scores": [1]}',
    b'{"step": 5, "scores": null}',
    b'{"step": 5, "terms": {"real": {}}}',
    b'{"step": 5, "terms": {"real": 1}, "seconds": "x", "images_per_second": 1}',
    b'{"step": 5, "terms": {"real": 1}, "seconds": 1, "images_per_second": []}',
    b"[" * 100_000,
    b"9" * 10_000,
    b'{"step": 5, "text": "' + b"x" * (9 << 20) + b'"}',
]


def test_lines_without_a_record_are_left_out_and_counted(folder: RunFolder) -> None:
    lines = [json.dumps(record).encode() for record in GOOD]
    folder.metrics_file.write_bytes(b"\n".join([lines[0], *BAD, lines[1], b'{"step": 6, "ter']))
    assert folder.records() == GOOD
    assert folder.damaged_lines() == len(BAD), "an incomplete last line is what a kill leaves"


@pytest.mark.parametrize("kind", ["folder", "pipe"])
def test_records_that_are_no_regular_file_are_not_zero_records(folder: RunFolder, kind: str) -> None:
    folder.metrics_file.unlink(missing_ok=True)
    assert folder.records() == []
    {"folder": folder.metrics_file.mkdir, "pipe": lambda: os.mkfifo(folder.metrics_file)}[kind]()
    for read in (folder.records, folder.damaged_lines):
        assert told(read) == f"{folder.metrics_file}: cannot be read: it is not a regular file"
    assert told(lambda: folder.append({"step": 1})).startswith(f"{folder.metrics_file}: saving failed: ")


def test_checkpoints_on_a_disk_that_is_not_there_are_not_a_run_without_checkpoints(
    folder: RunFolder, resolved: Resolver
) -> None:
    """Else the records of the run would be removed, and the run would start over."""
    folder.append(GOOD[0])
    folder.checkpoints.rmdir()
    for other in (lambda: folder.checkpoints.symlink_to("/no/such/disk"), folder.checkpoints.touch):
        other()
        for action in (
            lambda: folder.check_same_recipe(resolved()),
            lambda: folder.begin(resolved(), fresh=False),
            lambda: checkpoint.newest(folder.checkpoints),
        ):
            assert told(action).startswith(f"{folder.checkpoints}: cannot be read: ")
        assert folder.records() == GOOD[:1]
        folder.checkpoints.unlink()


@pytest.mark.parametrize("name", ["samples", "checkpoints"])
def test_a_file_in_the_place_of_a_folder_is_named_before_anything_is_removed(
    folder: RunFolder, resolved: Resolver, name: str
) -> None:
    folder.append(GOOD[0])
    place = folder.path / name
    place.rmdir()
    place.touch()
    assert told(lambda: folder.begin(resolved(), fresh=True)) == f"{place}: is a file, but must be a folder; remove it"
    assert "remove" in told(lambda: folder.begin(resolved(), fresh=False))
    assert folder.records() == GOOD[:1]


def test_a_checkpoint_that_could_not_be_replaced_is_refused_before_the_training(
    folder: RunFolder, resolved: Resolver
) -> None:
    for number, make in enumerate((Path.mkdir, os.mkfifo, lambda path: path.symlink_to("/no/such"))):
        file = folder.checkpoints / f"step-{number}.pt"
        make(file)
        assert told(lambda: folder.check_same_recipe(resolved())) == f"{file}: is no regular file; remove it"
        file.rmdir() if file.is_dir() else file.unlink()


def test_a_copy_under_the_name_of_a_later_step_is_no_reason_for_more_steps(
    folder: RunFolder, resolved: Resolver
) -> None:
    for step in (2, 999999999999):
        (folder.checkpoints / f"step-{step}.pt").touch()
    folder.check_same_recipe(resolved("train.steps=3", "train.horizon=20"))
    assert "write train.steps = 2 or more" in told(lambda: folder.check_same_recipe(resolved("train.steps=1")))


def test_a_recipe_that_is_no_regular_file_is_not_a_missing_one(folder: RunFolder, resolved: Resolver) -> None:
    (folder.checkpoints / "step-1.pt").touch()
    folder.recipe_file.unlink()
    os.mkfifo(folder.recipe_file)
    message = f"{folder.recipe_file}: is no regular file; remove it, and put back a copy of the file"
    for action in (
        lambda: find_run(folder.path),
        lambda: find_run(folder.path.parent.parent),
        lambda: folder.check_same_recipe(resolved()),
    ):
        assert told(action) == message


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo, lambda path: path.write_bytes(b"\xff"), Path.touch])
def test_a_damaged_manifest_is_no_reason_to_delete_the_checkpoints(
    folder: RunFolder, make: Callable[[Path], object]
) -> None:
    make(folder.manifest_file)
    message = told(folder.manifest)
    assert message.endswith(
        "put back a copy of the file, or remove it and run the recipe again: the training continues from its "
        "checkpoints, and writes the file anew"
    )
    assert "--fresh" not in message


def test_a_run_is_found_in_deep_folders_but_not_through_links(tmp_path: Path) -> None:
    deep = tmp_path.joinpath(*["a"] * 20)
    (deep / "checkpoints").mkdir(parents=True)
    (deep / "recipe.toml").touch()
    os.symlink(tmp_path, tmp_path / "a" / "again")
    assert find_run(tmp_path).path == deep
    below = deep
    for _ in range(100):
        below = below / "b"
    below.mkdir(parents=True)
    (deep / "recipe.toml").unlink()
    assert told(lambda: find_run(tmp_path)).endswith("holds no run (a folder with recipe.toml and checkpoints/)")
    assert told(lambda: find_run(tmp_path / "none")).endswith("no such run folder")
    (tmp_path / "file").touch()
    assert told(lambda: find_run(tmp_path / "file")).endswith("is a file, not a run folder")
