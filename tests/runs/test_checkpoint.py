"""Checkpoints: a full disk, a kill or a damaged file never costs the last good one."""

from __future__ import annotations

import copy
import errno
import io
import os
import random
import zipfile
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
    assert sentence.startswith(f"{newest}: is damaged, or not a checkpoint: ")
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


# --- damage -----------------------------------------------------------------------------------------------------------


def same(one: Any, other: Any) -> bool:
    """Equal to the bit, through dicts."""
    if isinstance(one, torch.Tensor):
        return isinstance(other, torch.Tensor) and one.dtype == other.dtype and torch.equal(one, other)
    if isinstance(one, dict):
        return isinstance(other, dict) and one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    return bool(one == other)


FULL_STATE: dict[str, Any] = {
    "training_digest": "ab" * 8,
    "step": 7,
    "position": 56,
    "seconds": 1.5,
    "modules": {"generator": {"weight": torch.arange(300.0), "bias": torch.ones(3)}},
    "optimizers": {"generator": {"state": {}, "param_groups": []}},
    "random": torch.zeros(16, dtype=torch.uint8),
    "random_cuda": None,
    "terms": {"real": torch.ones(2)},
}


@pytest.mark.parametrize("older", [False, True])
def test_a_flipped_bit_is_noticed_or_changes_nothing(tmp_path: Path, older: bool) -> None:
    """Of any version: the checksums are those of the zip archive that ``torch.save`` writes."""
    path = checkpoint.path_of(tmp_path, 7)
    if older:
        torch.save({"recipe" if key == "training_digest" else key: value for key, value in FULL_STATE.items()}, path)
    else:
        checkpoint.save(tmp_path, FULL_STATE, 1)
    whole, chance, refused = path.read_bytes(), random.Random(13), 0
    for position in sorted(chance.sample(range(len(whole)), 200)):
        damaged = bytearray(whole)
        damaged[position] ^= 1 << chance.randrange(8)
        path.write_bytes(damaged)
        try:
            found = checkpoint.load(path)
        except RunError:
            refused += 1
        else:
            assert same(found, FULL_STATE), position
    assert refused > 100
    path.write_bytes(whole)
    assert same(checkpoint.load(path), FULL_STATE)


def test_a_checksum_is_written_even_where_torch_is_told_to_write_none(tmp_path: Path) -> None:
    torch.serialization.set_crc32_options(False)
    try:
        path = checkpoint.save(tmp_path, FULL_STATE, 1)
        assert not torch.serialization.get_crc32_options()
    finally:
        torch.serialization.set_crc32_options(True)
    assert same(checkpoint.load(path), FULL_STATE)


def without(key: str) -> Any:
    return {name: value for name, value in FULL_STATE.items() if name != key}


OTHER_STATES: dict[str, Any] = {
    "list": [1, 2],
    "number": 3,
    "tensor": torch.ones(3),
    "none": None,
    "no step": without("step"),
    **{
        f"{key} {number}": {**FULL_STATE, key: value}
        for key, values in {
            "step": [True, -1, 1.0, "7", None, 1 << 70, torch.ones(())],
            "position": [-1, "x", 1 << 70],
            "seconds": [float("nan"), -1.0, "x"],
            "training_digest": [None, 5],
            "modules": [None, [], {"generator": 3}, {"generator": {3: torch.ones(1)}}, {3: {}}],
            "optimizers": [[], {"generator": 1}],
            "random": [None, torch.ones(3), torch.zeros((), dtype=torch.uint8), "x"],
            "random_cuda": [3],
            "terms": [[], {"real": 1.0}, {"real": torch.ones(())}],
        }.items()
        for number, value in enumerate(values)
    },
}


@pytest.mark.parametrize("how", OTHER_STATES)
def test_another_shape_is_refused(tmp_path: Path, how: str) -> None:
    path = checkpoint.path_of(tmp_path, 7)
    torch.save(copy.deepcopy(OTHER_STATES[how]), path)
    with pytest.raises(RunError) as caught:
        checkpoint.load(path)
    assert str(caught.value).startswith(f"{path}: is damaged, or not a checkpoint: it")
    assert "\n" not in str(caught.value)


def test_what_is_no_regular_file_is_not_opened(tmp_path: Path) -> None:
    save(tmp_path, 1)
    checkpoint.path_of(tmp_path, 2).mkdir()
    os.mkfifo(checkpoint.path_of(tmp_path, 3))
    checkpoint.path_of(tmp_path, 4).symlink_to(tmp_path / "nothing")
    checkpoint.path_of(tmp_path, 5).symlink_to("/dev/zero")
    found, damaged = checkpoint.newest(tmp_path)
    assert found is not None
    assert found["step"] == 1
    assert len(damaged) == 4
    assert all(": cannot be read: " in message for message in damaged)


def test_too_little_memory_is_not_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The resumed run would continue from an older checkpoint, and remove this one."""
    save(tmp_path, 1, 2)

    def fail(*arguments: Any, **named: Any) -> Any:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes.")

    monkeypatch.setattr(torch, "load", fail)
    with pytest.raises(RuntimeError, match="can't allocate memory"):
        checkpoint.newest(tmp_path)


def test_a_compressed_archive_is_refused_before_it_is_expanded(tmp_path: Path) -> None:
    path = checkpoint.path_of(tmp_path, 1)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", bytes(10_000_000))
    with pytest.raises(RunError, match="a part is compressed"):
        checkpoint.load(path)


# --- names ------------------------------------------------------------------------------------------------------------


def test_a_name_may_be_padded_in_another_way_but_is_a_number(tmp_path: Path) -> None:
    checkpoint.save(tmp_path, state(30), 1).rename(tmp_path / "step-30.pt")
    for name in ("step-1234567890123.pt", "step-\u0661.pt", "step-.pt", "step-1.pt.part", "Step-1.pt"):
        (tmp_path / name).touch()
    assert checkpoint.files(tmp_path) == {30: tmp_path / "step-30.pt"}
    assert newest_step(tmp_path) == 30
    assert checkpoint.kept(tmp_path) == "the checkpoint of step 30 is kept"
    save(tmp_path, 40, keep=1)
    assert checkpoint.files(tmp_path) == {40: tmp_path / "step-00000040.pt"}, "the older one is removed by its own name"


def test_a_checkpoint_that_was_renamed_to_another_step_is_passed_over(tmp_path: Path) -> None:
    copy_of = checkpoint.save(tmp_path, state(20), 1)
    (tmp_path / "step-999999999999.pt").write_bytes(copy_of.read_bytes())
    found, damaged = checkpoint.newest(tmp_path)
    assert found is not None
    assert found["step"] == 20
    assert damaged == [
        f"{tmp_path / 'step-999999999999.pt'}: is damaged, or was renamed: it holds step 20, so step-00000020.pt would "
        "be its name"
    ]
    assert checkpoint.kept(tmp_path) == "the checkpoint of step 20 is kept"


def test_what_cannot_be_replaced_costs_no_checkpoint_and_is_named(tmp_path: Path) -> None:
    save(tmp_path, 1)
    checkpoint.path_of(tmp_path, 2).mkdir()
    with pytest.raises(RunError) as caught:
        save(tmp_path, 2)
    assert str(caught.value) == (
        f"{checkpoint.path_of(tmp_path, 2)}: saving failed: Is a directory; the checkpoint of step 1 is kept; "
        "remove the cause, then run the same command again"
    )
    with pytest.raises(RunError, match="cannot be removed: Is a directory; the checkpoint of step 1 is kept"):
        save(tmp_path, 1)


def test_of_all_damaged_checkpoints_none_is_kept_and_of_those_memory_cannot_hold_all_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(tmp_path, 1, 2)
    truncate(checkpoint.path_of(tmp_path, 2))
    assert checkpoint.kept(tmp_path) == "the checkpoint of step 1 is kept"
    monkeypatch.setattr(torch, "load", lambda *arguments, **named: (_ for _ in ()).throw(MemoryError()))
    assert checkpoint.kept(tmp_path) == "the checkpoint of step 1 is kept"
    truncate(checkpoint.path_of(tmp_path, 1))
    assert checkpoint.kept(tmp_path) == "there is no earlier checkpoint"
