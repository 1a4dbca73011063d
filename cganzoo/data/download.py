"""Downloads: a file fetched once, whole, and known to be the right one.

What has arrived lies in ``<name>.part`` beside its place until its checksum is known to be right, so a download that
broke off, by a dropped connection or a kill, goes on where it stopped, and no half of a file is ever taken for it.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from cganzoo._util.files import write_whole
from cganzoo._util.once import lock
from cganzoo._version import __version__
from cganzoo.errors import DataError
from cganzoo.specs import Archive

Progress = Callable[[int, int], None]
"""Called with (bytes so far, bytes in all); 0 in all where the server does not tell."""

PART = ".part"
TIMEOUT = 30.0  # seconds without a byte
PATIENCE = 5  # dropped connections in a row that brought nothing new
PAUSE = 1.0  # seconds before the first new attempt; twice that before each further one
BLOCK = 1 << 18  # bytes

CHECKSUM = re.compile(r"(md5):([0-9a-f]{32})|(sha256):([0-9a-f]{8,64})", re.IGNORECASE)

BY_OTHER_MEANS = "get the file by other means and set data.root to it"


class _BrokenError(Exception):
    """A transfer that ended early; the text says how.

    Attributes:
        answered: whether the server had agreed to send the file, so that another try is likely to help.
    """

    def __init__(self, reason: object, *, answered: bool) -> None:
        super().__init__(str(reason))
        self.answered = answered


def fetch(
    archive: Archive,
    folder: Path,
    progress: Progress | None = None,
    *,
    mirror: str | None = None,
    advice: str = BY_OTHER_MEANS,
) -> Path:
    """``folder / archive.filename``, downloaded now if it is not there yet.

    A broken download goes on where it stopped, in this call or the next. Two processes that want the same file
    download it once. A file that was verified is not read again until its size or date changes.

    Args:
        archive: what to fetch.
        folder: where to keep it; made if need be.
        progress: called with bytes as they arrive.
        mirror: where to get the same file from instead of ``archive.url``.
        advice: what else a user can do, for messages.

    Raises:
        DataError: it cannot be downloaded or written, or what came (or lies there already) is another file.
    """
    url, place = mirror or archive.url, folder / archive.filename
    algorithm, digits = parse_checksum(archive.checksum)
    if _is_stamped(place, archive.checksum):
        return place
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with lock(place):
            if _is_stamped(place, archive.checksum):  # another process was first
                return place
            if place.exists():
                found = _digest(place, algorithm)
                if not found.startswith(digits):
                    raise DataError(
                        f"{place}: is not the expected file: its {algorithm} is {_short(found, digits)}, not {digits}; "
                        "remove it to have it downloaded, or set data.root to it to use it as it is"
                    )
            else:
                part = place.with_name(place.name + PART)
                _Transfer(url, part, archive.size, progress, advice).run()
                found = _digest(part, algorithm)
                if not found.startswith(digits):
                    part.unlink()
                    raise DataError(
                        f"{url}: is not the expected file: its {algorithm} is {_short(found, digits)}, not {digits}; "
                        f"what came was removed; try again, or {advice}"
                    )
                part.replace(place)
            _stamp(place, archive.checksum)
    except OSError as error:
        raise DataError(
            f"{url}: cannot be kept in {folder}: {error.strerror or error}; make room, set CGANZOO_CACHE to another "
            f"folder, or {advice}"
        ) from error
    return place


def parse_checksum(text: str) -> tuple[str, str]:
    """Algorithm and lower-case hexadecimal digits of ``"md5:<digits>"`` or ``"sha256:<digits>"``.

    Raises:
        DataError: it is neither.
    """
    match = CHECKSUM.fullmatch(text)
    if match is None:
        raise DataError(f'"{text}" is no checksum; write "md5:" and 32 hexadecimal digits, or "sha256:" and 8 to 64')
    algorithm, digits = (part.lower() for part in match.groups() if part is not None)
    return algorithm, digits


# --- transfer -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Transfer:
    """One download to ``part``, over as many connections as it takes."""

    url: str
    part: Path
    size: int | None
    progress: Progress | None
    advice: str

    def run(self) -> None:
        """Fill ``part`` up, taking up dropped connections for as long as they bring something new."""
        if urlsplit(self.url).scheme not in ("http", "https"):
            raise self._error("it is no http or https address")
        best, drops, answered = self._length(), 0, False
        while True:
            try:
                return self._continue()
            except _BrokenError as broken:
                answered = answered or broken.answered
                length = self._length()
                best, drops = (length, 1) if length > best else (best, drops + 1)
                # A server that cannot be reached at all is told at once; one that was reached gets its chances.
                if not answered or drops >= PATIENCE:
                    raise self._error(str(broken)) from broken
                time.sleep(PAUSE * 2 ** (drops - 1))

    def _continue(self) -> None:
        """One connection: append to ``part``, or fill it anew where the server does not go on from there."""
        start = self._length()
        if start and start == self.size:
            return  # whole, but not verified yet
        try:
            answer = self._open(start)
        except urllib.error.HTTPError as error:
            with error:
                self._refused(error, start)
            return
        with answer:
            if start and not _goes_on_from(start, answer):
                start = self._start_over()
                if answer.status == http.client.PARTIAL_CONTENT:
                    raise _BrokenError("the server sent another part than was asked for", answered=True)
            told = answer.headers.get("Content-Length")
            total = start + int(told) if told and told.isdecimal() else None
            if None not in (total, self.size) and total != self.size:
                raise DataError(
                    f"{self.url}: is not the expected file: it has {total:,} bytes, not {self.size:,}; {self.advice}"
                )
            self._receive(answer, start, total or self.size or 0)

    def _open(self, start: int) -> http.client.HTTPResponse:
        headers = {"User-Agent": f"cganzoo/{__version__}", "Accept-Encoding": "identity"}
        if start:
            headers["Range"] = f"bytes={start}-"
        try:
            answer = _opener().open(urllib.request.Request(self.url, headers=headers), timeout=TIMEOUT)
        except urllib.error.HTTPError:
            raise
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise _BrokenError(_reason(error), answered=False) from error
        assert isinstance(answer, http.client.HTTPResponse)
        return answer

    def _refused(self, error: urllib.error.HTTPError, start: int) -> None:
        """Deal with an error status; returns if ``part`` is whole after all."""
        if error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE and start:
            if error.headers.get("Content-Range") == f"bytes */{start}":
                return
            self._start_over()  # longer than the file: a part of another one
            raise _BrokenError("what had come so far does not belong to this file", answered=True) from error
        status = f"HTTP {error.code} {error.reason}"
        if error.code >= http.client.INTERNAL_SERVER_ERROR:
            raise _BrokenError(status, answered=False) from error
        raise self._error(status) from error

    def _receive(self, answer: http.client.HTTPResponse, done: int, total: int) -> None:
        with self.part.open("ab") as file:
            while block := self._block(answer):
                file.write(block)
                done += len(block)
                if self.progress:
                    self.progress(done, total)
        if done < total:
            raise _BrokenError(f"the connection ended after {done:,} of {total:,} bytes", answered=True)

    def _block(self, answer: http.client.HTTPResponse) -> bytes:
        try:
            return answer.read1(BLOCK)
        except (OSError, http.client.HTTPException) as error:
            raise _BrokenError(_reason(error), answered=True) from error

    def _length(self) -> int:
        return self.part.stat().st_size if self.part.exists() else 0

    def _start_over(self) -> int:
        self.part.unlink(missing_ok=True)
        return 0

    def _error(self, reason: str) -> DataError:
        return DataError(f"{self.url}: cannot be downloaded: {reason}; try again later, or {self.advice}")


def _goes_on_from(start: int, answer: http.client.HTTPResponse) -> bool:
    told = answer.headers.get("Content-Range", "")
    return answer.status == http.client.PARTIAL_CONTENT and told.startswith(f"bytes {start}-")


def _reason(error: Exception) -> str:
    """What went wrong, without Python's wrapping."""
    inner = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(inner, TimeoutError):
        return f"nothing came for {TIMEOUT:g} seconds"
    if isinstance(inner, http.client.IncompleteRead):
        return "the connection ended early"
    return (inner.strerror if isinstance(inner, OSError) else None) or str(inner) or type(inner).__name__


def _opener() -> urllib.request.OpenerDirector:
    """urllib's, without the handlers that read local files or speak FTP, which a redirect could lead to."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler,
        urllib.request.UnknownHandler,
        urllib.request.HTTPHandler,
        urllib.request.HTTPSHandler,
        urllib.request.HTTPDefaultErrorHandler,
        urllib.request.HTTPRedirectHandler,
        urllib.request.HTTPErrorProcessor,
    ):
        opener.add_handler(handler())
    return opener


# --- what is already there ------------------------------------------------------------------------------------------


def _digest(path: Path, algorithm: str) -> str:
    digest = hashlib.new(algorithm, usedforsecurity=False)
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()


def _short(found: str, digits: str) -> str:
    return found[: len(digits)]


def _stamp_file(place: Path) -> Path:
    return place.with_name(f".{place.name}.verified")


def _stamp_for(place: Path, checksum: str) -> dict[str, object]:
    status = place.stat()
    return {"checksum": checksum, "size": status.st_size, "mtime_ns": status.st_mtime_ns}


def _stamp(place: Path, checksum: str) -> None:
    """Note that the file is the right one, so that it need not be read again to know."""
    write_whole(_stamp_file(place), json.dumps(_stamp_for(place, checksum)))


def _is_stamped(place: Path, checksum: str) -> bool:
    try:
        return bool(json.loads(_stamp_file(place).read_text(encoding="utf-8")) == _stamp_for(place, checksum))
    except (OSError, ValueError):
        return False
