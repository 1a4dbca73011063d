"""Checkpoints: a full disk, a kill or a damaged file never costs the last good one."""

from __future__ import annotations

import errno
import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from cganzoo.errors import RunError
from cganzoo.runs import checkpoint


def state(step: int) -> dict[str, Any]:
    return {"step": step, "weights": torch.full((1000,), float(step)), "nested": {"none": None, "rate": 0.5}}


def save(folder: Path, *steps: int, keep: int = 2) -> None:
    for step in steps:
        checkpoint.save(folder, state(step), keep)


def newest_step(folder: Path) -> int:
    found, _ = checkpoint.newest(folder)
    assert found is not None
    assert torch.equal(found["weights"], torch.full((1000,), float(found["step"])))
    return int(found["step"])


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    path = checkpoint.save(tmp_path, state(7), 2)
    assert path == checkpoint.path_of(tmp_path, 7) == tmp_path / "step-00000007.pt"
    loaded = checkpoint.load(path)
    assert torch.equal(loaded.pop("weights"), torch.full((1000,), 7.0))
    assert loaded == {"step": 7, "nested": {"none": None, "rate": 0.5}}


def test_a_checkpoint_of_0_1_calls_the_training_digest_recipe(tmp_path: Path) -> None:
    path = checkpoint.save(tmp_path, {"step": 7, "recipe": "ab" * 8}, 2)
    assert checkpoint.load(path) == {"step": 7, "training_digest": "ab" * 8}


def test_the_newest_few_are_kept(tmp_path: Path) -> None:
    (tmp_path / "step-best.pt").touch()
    save(tmp_path, 9, 10, 100_000_000, keep=2)
    assert checkpoint.steps(tmp_path) == [10, 100_000_000], "by number, not by name"
    assert (tmp_path / "step-best.pt").exists(), "not ours"


def test_nothing_there_is_no_checkpoint(tmp_path: Path) -> None:
    assert checkpoint.newest(tmp_path) == (None, [])
    assert checkpoint.newest(tmp_path / "nowhere") == (None, [])


class FullError(OSError):
    def __init__(self) -> None:
        super().__init__(errno.ENOSPC, os.strerror(errno.ENOSPC))


def refuse(*_: Any, **__: Any) -> Any:
    raise FullError


class HalfFile(io.BytesIO):
    """Takes half of what is written, onto the disk, then finds it full."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path

    def write(self, data: Any) -> int:
        with open(self.path, "wb") as file:
            file.write(bytes(data)[: len(data) // 2])
        raise FullError


FULL: dict[str, Callable[[pytest.MonkeyPatch], None]] = {
    "opening": lambda patch: patch.setattr(Path, "open", refuse),
    "writing": lambda patch: patch.setattr(Path, "open", lambda self, mode: HalfFile(self)),
    "flushing": lambda patch: patch.setattr(os, "fsync", refuse),
    "renaming": lambda patch: patch.setattr(os, "replace", refuse),
}


@pytest.mark.parametrize("when", FULL)
def test_a_full_disk_keeps_the_last_good_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: str) -> None:
    save(tmp_path, 1, 2)
    with monkeypatch.context() as patch:
        FULL[when](patch)
        with pytest.raises(RunError) as caught:
            save(tmp_path, 3, keep=1)
    assert str(caught.value) == (
        f"{tmp_path / 'step-00000003.pt'}: saving failed: No space left on device; the checkpoint of step 2 is kept; "
        "make room, then run the same command again"
    )
    assert caught.value.exit_code == 2
    assert sorted(os.listdir(tmp_path)) == ["step-00000001.pt", "step-00000002.pt"]
    assert newest_step(tmp_path) == 2


def test_a_full_disk_at_the_first_checkpoint_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(RunError, match="there is no earlier checkpoint"):
        save(tmp_path, 1)


def test_a_kill_while_writing_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(tmp_path, 1)
    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", refuse)
        patch.setattr(Path, "unlink", lambda *_, **__: None)  # a kill cleans nothing up
        with pytest.raises(RunError):
            save(tmp_path, 2)
    assert len(os.listdir(tmp_path)) == 2, "what was being written is there"
    assert newest_step(tmp_path) == 1
    save(tmp_path, 2)
    assert sorted(os.listdir(tmp_path)) == ["step-00000001.pt", "step-00000002.pt"]


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-500])


class Evil:
    """Runs a program when unpickled."""

    def __reduce__(self) -> Any:
        return os.mkdir, ("pwned",)


DAMAGE: dict[str, Callable[[Path], object]] = {
    "truncated": truncate,
    "empty": lambda path: path.write_bytes(b""),
    "text": lambda path: path.write_text("no checkpoint"),
    "program": lambda path: torch.save({"step": 3, "weights": Evil()}, path),
}


@pytest.mark.parametrize("how", DAMAGE)
def test_a_damaged_one_is_passed_over_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    monkeypatch.chdir(tmp_path)
    save(tmp_path, 1, 2, 3, keep=3)
    newest = checkpoint.path_of(tmp_path, 3)
    DAMAGE[how](newest)
    found, damaged = checkpoint.newest(tmp_path)
    assert found is not None
    assert found["step"] == 2
    (sentence,) = damaged
    assert sentence.startswith(f"{newest}: is no readable checkpoint (")
    assert not (tmp_path / "pwned").exists(), "nothing in a file is run"
    with pytest.raises(RunError):
        checkpoint.load(newest)


@pytest.mark.parametrize("keep", [1, 2])
def test_a_damaged_one_does_not_crowd_out_the_good_ones(tmp_path: Path, keep: int) -> None:
    save(tmp_path, 1, 2, keep=2)
    truncate(checkpoint.path_of(tmp_path, 2))
    save(tmp_path, 2 - 1, keep=keep)
    assert newest_step(tmp_path) == 1, "the run went on from step 1 and saved before step 2"


def test_all_damaged_is_told_for_each(tmp_path: Path) -> None:
    save(tmp_path, 1, 2)
    for step in (1, 2):
        truncate(checkpoint.path_of(tmp_path, step))
    found, damaged = checkpoint.newest(tmp_path)
    assert found is None
    assert [sentence.partition(":")[0] for sentence in damaged] == [
        str(checkpoint.path_of(tmp_path, step)) for step in (2, 1)
    ]
