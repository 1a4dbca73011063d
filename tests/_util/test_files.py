"""Folders that are made once: complete or not there, by one of several processes, without a trace of killed ones."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from cganzoo._util import files
from cganzoo._util.files import LEFTOVER_AGE, TEMPORARY, lock, make_folder_once


def fill(folder: Path) -> None:
    (folder / "inner").mkdir()
    (folder / "inner" / "file").write_text("content")


def refuse(*_: object) -> None:
    raise AssertionError("must not be called")


def content(folder: Path) -> str:
    return (folder / "inner" / "file").read_text()


def temporary_folder(folder: Path, *, age: float, file_age: float) -> Path:
    """What a killed process left, of these ages in seconds."""
    folder.mkdir(parents=True)
    (folder / "file").write_text("incomplete")
    for path, seconds in ((folder / "file", file_age), (folder, age)):
        os.utime(path, (time.time() - seconds,) * 2)
    return folder


def test_a_folder_is_made_once(tmp_path: Path) -> None:
    place = tmp_path / "new" / "set"
    assert make_folder_once(place, fill) == place
    assert content(place) == "content"
    assert make_folder_once(place, refuse) == place
    assert list(place.parent.iterdir()) == [place], "neither a lock nor a temporary folder is left"


def test_the_users_umask_decides_who_may_read_it(tmp_path: Path) -> None:
    make_folder_once(tmp_path / "set", fill)
    (tmp_path / "usual").mkdir()
    assert (tmp_path / "set").stat().st_mode == (tmp_path / "usual").stat().st_mode


def test_a_folder_that_exists_needs_no_lock_and_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cache that others filled may be read-only."""
    make_folder_once(tmp_path / "set", fill)
    for owner, name in ((FileLock, "acquire"), (Path, "mkdir")):
        monkeypatch.setattr(owner, name, refuse)
    make_folder_once(tmp_path / "set", refuse)


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()])
def test_what_fill_raises_is_raised_and_nothing_is_left(tmp_path: Path, error: BaseException) -> None:
    def fail(folder: Path) -> None:
        fill(folder)
        raise error

    with pytest.raises(type(error)):
        make_folder_once(tmp_path / "set", fail)
    assert list(tmp_path.iterdir()) == []
    assert content(make_folder_once(tmp_path / "set", fill)) == "content"


def test_a_file_in_its_place_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "set").touch()
    with pytest.raises(OSError):  # noqa: PT011 - the system's own words
        make_folder_once(tmp_path / "set", fill)
    assert list(tmp_path.iterdir()) == [tmp_path / "set"]


# --- killed processes -----------------------------------------------------------------------------------------------


def test_what_a_killed_process_left_is_never_used_and_is_removed_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class KilledError(BaseException):
        pass

    def killed(temporary: Path, folder: Path) -> None:
        assert content(temporary) == "content", "killed at the last moment"
        raise KilledError

    with monkeypatch.context() as patch:
        patch.setattr(files, "_rename", killed)
        patch.setattr(shutil, "rmtree", lambda *_, **__: None)  # a kill cleans nothing up
        with pytest.raises(KilledError):
            make_folder_once(tmp_path / "set", fill)
    (left,) = tmp_path.iterdir()
    match = TEMPORARY.fullmatch(left.name)
    assert match is not None
    assert match[1] == "set"
    make_folder_once(tmp_path / "set", fill)
    assert list(tmp_path.iterdir()) == [tmp_path / "set"]


def test_temporary_folders_of_others_are_removed_after_a_day(tmp_path: Path) -> None:
    recent, old = LEFTOVER_AGE - 3600, LEFTOVER_AGE + 3600
    stale = temporary_folder(tmp_path / ".other-0123abcd.part", age=old, file_age=old)
    kept = [
        temporary_folder(tmp_path / ".other-01234567.part", age=recent, file_age=recent),
        temporary_folder(tmp_path / ".other-89abcdef.part", age=old, file_age=recent),
        temporary_folder(tmp_path / "other", age=old, file_age=old),
        temporary_folder(tmp_path / ".unknown-document", age=old, file_age=old),
    ]
    make_folder_once(tmp_path / "set", fill)
    assert not stale.exists()
    assert sorted(tmp_path.iterdir()) == sorted([*kept, tmp_path / "set"])


# --- several at once ------------------------------------------------------------------------------------------------


def make_together(folder: Path, fill: Any, count: int) -> None:
    threads = [threading.Thread(target=make_folder_once, args=(folder, fill)) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert content(folder) == "content"
    assert list(folder.parent.iterdir()) == [folder]


def test_of_threads_that_want_it_at_once_one_makes_it(tmp_path: Path) -> None:
    calls: list[Path] = []

    def slow(folder: Path) -> None:
        calls.append(folder)
        time.sleep(0.2)
        fill(folder)

    make_together(tmp_path / "set", slow, 4)
    assert len(calls) == 1


@pytest.mark.parametrize("error", [OSError(errno.ENOLCK, "No locks available"), NotImplementedError("no flock")])
def test_without_locks_all_make_it_in_folders_of_their_own_and_one_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def no_lock(self: FileLock) -> None:
        raise error

    monkeypatch.setattr(FileLock, "acquire", no_lock)
    calls: list[Path] = []
    together = threading.Barrier(4)

    def at_once(folder: Path) -> None:
        calls.append(folder)
        together.wait(30)
        fill(folder)

    make_together(tmp_path / "set", at_once, 4)
    assert len(set(calls)) == 4


MAKE = """
import sys, time
from pathlib import Path
from cganzoo._util.files import make_folder_once

def fill(folder):
    print("filling", flush=True)
    time.sleep(0.5)
    (folder / "file").write_text("content")

print("ready", flush=True)
sys.stdin.readline()
make_folder_once(Path(sys.argv[1]), fill)
"""


def test_of_processes_that_want_it_at_once_one_makes_it(tmp_path: Path) -> None:
    command = [sys.executable, "-c", MAKE, str(tmp_path / "set")]
    processes = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    assert sorted(process.communicate(timeout=60)[0] for process in processes) == ["", "filling\n"]
    assert [entry.name for entry in tmp_path.iterdir()] == ["set"]


def test_a_lock_is_held_by_one_at_a_time(tmp_path: Path) -> None:
    inside: list[int] = []
    most: list[int] = []

    def hold() -> None:
        with lock(tmp_path / "file") as held:
            assert held
            inside.append(1)
            most.append(len(inside))
            time.sleep(0.01)
            inside.pop()

    threads = [threading.Thread(target=hold) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert most == [1] * 4
    assert list(tmp_path.iterdir()) == []
