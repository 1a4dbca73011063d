"""Downloads from a server of the tests' own that behaves as real ones do, and as they do on bad days."""

from __future__ import annotations

import errno
import hashlib
import os
import socket
import threading
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from cganzoo.data import download
from cganzoo.data.download import fetch, parse_checksum, verify
from cganzoo.errors import DataError
from cganzoo.specs import Archive

pytestmark = pytest.mark.usefixtures("cache")

CONTENT = bytes(range(256)) * 4000  # 1,024,000 bytes
MD5 = "md5:" + hashlib.md5(CONTENT).hexdigest()
SHA256 = "sha256:" + hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture(autouse=True)
def _serve(server: Any) -> None:
    server.files["set.tar.gz"] = CONTENT


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "PAUSE", 0.0)


def archive(server: Any, checksum: str = MD5, size: int | None = len(CONTENT), path: str = "set.tar.gz") -> Archive:
    return Archive(url=server.url(path), checksum=checksum, size=size)


@pytest.mark.parametrize("checksum", [MD5, SHA256, SHA256[:15], SHA256.upper().replace("SHA256", "sha256")])
@pytest.mark.parametrize("size", [None, len(CONTENT)])
def test_a_file_is_fetched_once_and_verified(server: Any, tmp_path: Path, checksum: str, size: int | None) -> None:
    seen: list[tuple[int, int]] = []
    wanted = archive(server, checksum, size)
    place = fetch(wanted, tmp_path / "new" / "folder", lambda *progress: seen.append(progress))
    assert place == tmp_path / "new" / "folder" / "set.tar.gz"
    assert place.read_bytes() == CONTENT
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert seen == sorted(seen)
    assert fetch(wanted, place.parent) == place
    assert len(server.asked) == 1
    assert [path.name for path in place.parent.iterdir() if not path.name.startswith(".")] == ["set.tar.gz"]


@pytest.mark.parametrize("checksum", ["md5:" + "0" * 32, "sha256:" + "0" * 64, SHA256[:14] + "00"])
def test_a_wrong_checksum_is_told_and_nothing_is_kept(server: Any, tmp_path: Path, checksum: str) -> None:
    with pytest.raises(DataError) as told:
        fetch(archive(server, checksum), tmp_path)
    algorithm, _, expected = checksum.partition(":")
    found = hashlib.new(algorithm, CONTENT).hexdigest()[: len(expected)]
    for part in (server.url("set.tar.gz"), expected, found, "set data.root"):
        assert part in str(told.value)
    assert [path for path in tmp_path.iterdir() if "lock" not in path.name] == []


@pytest.mark.parametrize("checksum", ["md5:abc", "sha1:" + "0" * 40, "0" * 32, "sha256:1234567", "md5:" + "g" * 32, ""])
def test_what_is_no_checksum(checksum: str) -> None:
    with pytest.raises(DataError, match="is no checksum"):
        parse_checksum(checksum)


def test_a_dropped_connection_goes_on_where_it_stopped(server: Any, tmp_path: Path) -> None:
    server.close_after = [1000, 5000, 300_000]
    assert fetch(archive(server), tmp_path).read_bytes() == CONTENT
    assert server.asked == [None, "bytes=1000-", "bytes=6000-", "bytes=306000-"]


def test_a_slow_but_steady_trickle_gets_there(server: Any, tmp_path: Path) -> None:
    server.close_after = [50_000] * 20
    assert fetch(archive(server), tmp_path).read_bytes() == CONTENT


def test_a_server_that_goes_on_elsewhere_is_asked_for_the_whole(server: Any, tmp_path: Path) -> None:
    (tmp_path / "set.tar.gz.part").write_bytes(CONTENT[:1000])
    server.off_by = [24]
    assert fetch(archive(server), tmp_path).read_bytes() == CONTENT
    assert server.asked == ["bytes=1000-", None]


def test_a_server_without_ranges_starts_over(server: Any, tmp_path: Path) -> None:
    server.ranges = False
    server.close_after = [400_000, 300_000]
    assert fetch(archive(server), tmp_path).read_bytes() == CONTENT
    assert len(server.asked) == 3


@pytest.mark.parametrize("ranges", [True, False])
def test_a_server_that_never_sends_the_whole_file(server: Any, tmp_path: Path, ranges: bool) -> None:
    server.ranges = ranges
    server.close_after = [300_000] + [0 if ranges else 300_000] * 20
    with pytest.raises(DataError, match=r"ended after 300,000 of 1,024,000 bytes; try again later, or get the file"):
        fetch(archive(server), tmp_path)
    assert len(server.asked) == download.PATIENCE
    assert (tmp_path / "set.tar.gz.part").stat().st_size == 300_000, "the next call resumes here"


def test_an_early_end_is_noticed_by_the_known_size_alone(server: Any, tmp_path: Path) -> None:
    server.tells_length = False
    server.close_after = [300_000]
    assert fetch(archive(server), tmp_path).read_bytes() == CONTENT


def test_a_download_that_was_killed_is_taken_up(server: Any, tmp_path: Path) -> None:
    (tmp_path / "set.tar.gz.part").write_bytes(CONTENT[:700_000])
    assert fetch(archive(server), tmp_path).read_bytes() == CONTENT
    assert server.asked == ["bytes=700000-"]


@pytest.mark.parametrize("size", [None, len(CONTENT)])
def test_a_download_that_was_killed_before_it_was_verified(server: Any, tmp_path: Path, size: int | None) -> None:
    (tmp_path / "set.tar.gz.part").write_bytes(CONTENT)
    assert fetch(archive(server, size=size), tmp_path).read_bytes() == CONTENT
    assert server.asked == ([] if size else [f"bytes={len(CONTENT)}-"])


@pytest.mark.parametrize("size", [None, len(CONTENT)])
def test_a_part_that_is_too_long_is_thrown_away(server: Any, tmp_path: Path, size: int | None) -> None:
    (tmp_path / "set.tar.gz.part").write_bytes(b"x" * 2_000_000)
    assert fetch(archive(server, size=size), tmp_path).read_bytes() == CONTENT


def test_a_part_of_another_file_is_caught_by_the_checksum_and_the_next_call_gets_it(
    server: Any, tmp_path: Path
) -> None:
    (tmp_path / "set.tar.gz.part").write_bytes(b"x" * 1000)
    with pytest.raises(DataError, match="is not the expected file"):
        fetch(archive(server), tmp_path)
    assert fetch(archive(server), tmp_path).read_bytes() == CONTENT


def test_another_length_is_told_before_the_download(server: Any, tmp_path: Path) -> None:
    server.files["set.tar.gz"] = b"<html>Please log in</html>"
    with pytest.raises(DataError, match="is not the expected file: it has 26 bytes, not 1,024,000; get the file"):
        fetch(archive(server), tmp_path)
    assert not (tmp_path / "set.tar.gz").exists()


def test_a_file_that_exists_is_verified_each_time(server: Any, tmp_path: Path) -> None:
    place = tmp_path / "set.tar.gz"
    place.write_bytes(CONTENT)
    for checksum in (MD5, SHA256):
        assert fetch(archive(server, checksum), tmp_path) == place
    assert server.asked == []
    place.write_bytes(CONTENT[:-1] + b"?")
    with pytest.raises(DataError, match="remove it to have it downloaded"):
        fetch(archive(server), tmp_path)
    assert place.exists(), "a user's file is never removed"


def test_a_mirror_gives_the_file_its_own_name(server: Any, tmp_path: Path) -> None:
    official = Archive(url="http://127.0.0.1:1/official.tgz", checksum=MD5, size=len(CONTENT))
    assert fetch(official, tmp_path, mirror=server.url("moved/set.tar.gz")) == tmp_path / "official.tgz"
    assert (tmp_path / "official.tgz").read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("missing", "HTTP 404 Not Found"),
        ("busy", "HTTP 503 Service Unavailable"),
        ("to-file", "HTTP 302"),
        ("to-ftp", "unknown url type: ftp"),
    ],
)
def test_what_the_server_will_not_give(server: Any, tmp_path: Path, path: str, reason: str) -> None:
    with pytest.raises(DataError, match=f"{server.url(path)}: cannot be downloaded: {reason}.*set data.root") as told:
        fetch(archive(server, path=path), tmp_path)
    assert "\n" not in str(told.value)
    assert len(server.asked) == 1
    assert list(tmp_path.glob("[!.]*")) == []


@pytest.mark.parametrize("url", ["file:///etc/hostname", "ftp://127.0.0.1/x", "/etc/hostname"])
def test_only_http_is_spoken(tmp_path: Path, url: str) -> None:
    with pytest.raises(DataError, match="is not an http or https address"):
        fetch(Archive(url=url, checksum=MD5), tmp_path)


@pytest.mark.parametrize("host", ["127.0.0.1", "no such host"])
def test_a_server_that_is_not_there_is_told_at_once(tmp_path: Path, host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download.time, "sleep", lambda seconds: pytest.fail("it waited"))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(DataError, match=f"http://{host}:{port}/x: cannot be downloaded: .*; try again later, or weep"):
        fetch(Archive(url=f"http://{host}:{port}/x", checksum=MD5), tmp_path, advice="weep")


def test_a_silent_server(server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server.wait = threading.Event()
    monkeypatch.setattr(download, "TIMEOUT", 0.05)
    with pytest.raises(DataError, match=r"no data arrived for 0\.05 seconds"):
        fetch(archive(server), tmp_path)
    server.wait.set()


def test_a_full_disk(server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: object, answer: object) -> bytes:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(download._Transfer, "_receive", lambda *arguments: full(*arguments[:2]))
    with pytest.raises(
        DataError, match=f"{server.url('set.tar.gz')}: cannot be kept in .*No space left.*make room.*data.root"
    ):
        fetch(archive(server), tmp_path)


def test_a_folder_that_cannot_be_made(server: Any, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="cannot be kept in"):
        fetch(archive(server), tmp_path / "file" / "folder")


@pytest.mark.parametrize("error", [OSError(errno.ENOLCK, "No locks available"), NotImplementedError("no flock")])
def test_where_there_are_no_locks_it_is_fetched_without(
    server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def refuse(self: FileLock) -> None:
        raise error

    monkeypatch.setattr(FileLock, "acquire", refuse)
    assert fetch(archive(server), tmp_path).read_bytes() == CONTENT


def test_two_that_want_the_same_file_download_it_once(server: Any, tmp_path: Path) -> None:
    server.wait = threading.Event()
    places: list[Path] = []
    threads = [threading.Thread(target=lambda: places.append(fetch(archive(server), tmp_path))) for _ in range(3)]
    for thread in threads:
        thread.start()
    server.wait.set()
    for thread in threads:
        thread.join()
    assert places == [tmp_path / "set.tar.gz"] * 3
    assert places[0].read_bytes() == CONTENT
    assert len(server.asked) == 1


def test_a_download_that_is_damaged_later_is_named(server: Any, tmp_path: Path) -> None:
    server.files["set.zip"] = b"content"
    digits = hashlib.sha256(b"content").hexdigest()
    place = fetch(Archive(url=server.url("set.zip"), checksum=f"sha256:{digits}"), tmp_path)
    verify(place)
    place.write_bytes(b"contend")
    with pytest.raises(
        DataError, match=r"set\.zip: is damaged since it was downloaded: its sha256 is .*; remove it to"
    ):
        verify(place)
    for text in (b"nonsense", b"\xff"):
        (tmp_path / ".set.zip.checksum").write_bytes(text)
        verify(place)
    (tmp_path / ".set.zip.checksum").unlink()
    verify(place)
