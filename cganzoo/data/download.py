"""Downloads: a file is fetched once, resumed if it was interrupted, and verified by its checksum.

Bytes are written to ``<name>.part``, which is renamed when the checksum is right: an incomplete file is never used.
"""

from __future__ import annotations

import hashlib
import http.client
import re
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn
from urllib.parse import urlsplit

from cganzoo._util.files import lock, write_whole
from cganzoo._version import __version__
from cganzoo.console.reporter import Progress
from cganzoo.errors import DataError
from cganzoo.specs import Archive

PART = ".part"
TIMEOUT = 30.0  # seconds without a byte
PATIENCE = 5  # connections in a row that brought no new bytes
PAUSE = 1.0  # seconds before the second attempt; doubled before each further one
BLOCK = 1 << 18  # bytes

CHECKSUM = re.compile(r"(md5):([0-9a-f]{32})|(sha256):([0-9a-f]{8,64})", re.IGNORECASE)


def fetch(
    archive: Archive,
    folder: Path,
    progress: Progress | None = None,
    *,
    mirror: str | None = None,
    advice: str = "get the file by other means and set data.root to it",
) -> Path:
    """Return ``folder / archive.filename``. Download the file if it does not exist, and always verify its checksum.

    An interrupted download is resumed, in this call or the next call. If several processes need the file, one process
    downloads it.

    Args:
        progress: called with the bytes so far and the total bytes; the total is 0 if the server does not report it.
        mirror: address of the same file, used instead of ``archive.url``.
        advice: what else the user can do, for messages.

    Raises:
        DataError: the file cannot be downloaded or written, or the new or existing file is not the expected file.
    """
    url, place = mirror or archive.url, folder / archive.filename
    algorithm, digits = parse_checksum(archive.checksum)

    def check(file: Path, named: object, then: str) -> None:
        found = _digest(file, algorithm)[: len(digits)]
        if found != digits:
            raise DataError(f"{named}: is not the expected file: its {algorithm} is {found}, not {digits}; {then}")

    try:
        folder.mkdir(parents=True, exist_ok=True)
        with lock(place):
            if place.exists():
                check(place, place, "remove it to have it downloaded, or set data.root to it to use it as it is")
                _keep_checksum(place, algorithm, digits)
                return place
            part = place.with_name(place.name + PART)
            _Transfer(url, part, archive.size, progress, advice).run()
            try:
                check(part, url, f"it was removed; try again, or {advice}")
            except DataError:
                part.unlink()
                raise
            part.replace(place)
            _keep_checksum(place, algorithm, digits)
            return place
    except OSError as error:
        raise DataError(
            f"{url}: cannot be kept in {folder}: {error.strerror or error}; make room, set CGANZOO_CACHE to another "
            f"folder, or {advice}"
        ) from error


def _checksum_file(place: Path) -> Path:
    """The small hidden file with the checksum of a downloaded file, to verify it later."""
    return place.with_name(f".{place.name}.checksum")


def _keep_checksum(place: Path, algorithm: str, digits: str) -> None:
    write_whole(_checksum_file(place), f"{algorithm}:{digits}\n")


def verify(place: Path) -> None:
    """Verify a file that :func:`fetch` downloaded. A file that came here by other means has no known checksum.

    Raises:
        DataError: the file is not the one that was downloaded.
    """
    try:
        text = _checksum_file(place).read_text(encoding="utf-8").strip()
        algorithm, digits = parse_checksum(text)
        found = _digest(place, algorithm)[: len(digits)]
    except (
        OSError,
        UnicodeDecodeError,
        DataError,
    ):  # no checksum, or a damaged one; reading the file reports its error
        return
    if found != digits:
        raise DataError(
            f"{place}: is damaged since it was downloaded: its {algorithm} is {found}, not {digits}; remove it to have "
            "it downloaded again"
        )


def _digest(path: Path, algorithm: str) -> str:
    digest = hashlib.new(algorithm, usedforsecurity=False)
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()


def parse_checksum(text: str) -> tuple[str, str]:
    """Algorithm and lower-case hexadecimal digits of ``"md5:<digits>"`` or ``"sha256:<digits>"``."""
    match = CHECKSUM.fullmatch(text)
    if match is None:
        raise DataError(f'"{text}" is no checksum; write "md5:" and 32 hexadecimal digits, or "sha256:" and 8 to 64')
    algorithm, digits = (part.lower() for part in match.groups() if part is not None)
    return algorithm, digits


class _BrokenError(Exception):
    """A transfer ended early. With ``answered``, the server had agreed to send the file, so a new attempt may help."""

    def __init__(self, reason: str, *, answered: bool) -> None:
        super().__init__(reason)
        self.answered = answered


@dataclass(frozen=True)
class _Transfer:
    """One download to ``part``, over one or more connections."""

    url: str
    part: Path
    size: int | None
    progress: Progress | None
    advice: str

    def run(self) -> None:
        """Complete ``part``; connect again after an interruption, as long as each attempt brings new bytes."""
        if urlsplit(self.url).scheme not in ("http", "https"):
            raise self._error("it is not an http or https address")
        best, drops, answered = self._length(), 0, False
        while True:
            try:
                return self._continue()
            except _BrokenError as broken:
                answered = answered or broken.answered
                length = self._length()
                best, drops = (length, 1) if length > best else (best, drops + 1)
                # A server that was never reached is reported at once; one that was reached is tried several times.
                if not answered or drops >= PATIENCE:
                    raise self._error(str(broken)) from broken
                time.sleep(PAUSE * 2 ** (drops - 1))

    def _continue(self) -> None:
        """Append to ``part`` over one connection, or write ``part`` anew if the server cannot continue a download."""
        start = self._length()
        if start and start == self.size:
            return  # complete, but not verified yet
        headers = {"User-Agent": f"cganzoo/{__version__}", "Accept-Encoding": "identity"}
        if start:
            headers["Range"] = f"bytes={start}-"
        try:
            request = urllib.request.Request(self.url, headers=headers)
            answer = urllib.request.build_opener(_WithoutFTP).open(request, timeout=TIMEOUT)
        except urllib.error.HTTPError as error:
            with error:
                return self._refused(error, start)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise _BrokenError(_reason(error), answered=False) from error
        assert isinstance(answer, http.client.HTTPResponse)
        with answer:
            resumed = answer.status == http.client.PARTIAL_CONTENT
            if start and not (resumed and answer.headers.get("Content-Range", "").startswith(f"bytes {start}-")):
                self.part.unlink()
                start = 0
                if resumed:
                    raise _BrokenError("the server did not send the requested part", answered=True)
            total = None if answer.length is None else start + answer.length
            if total is not None and self.size not in (None, total):
                raise DataError(
                    f"{self.url}: is not the expected file: it has {total:,} bytes, not {self.size:,}; {self.advice}"
                )
            self._receive(answer, start, total or self.size or 0)

    def _refused(self, error: urllib.error.HTTPError, start: int) -> None:
        """Raise the error of an HTTP status, but return if the status means that ``part`` is complete."""
        if error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE and start:
            if error.headers.get("Content-Range") == f"bytes */{start}":
                return
            self.part.unlink()  # longer than the file, so it is part of another one
            raise _BrokenError("the part that existed does not belong to this file", answered=True) from error
        status = f"HTTP {error.code} {error.reason}"
        if error.code >= http.client.INTERNAL_SERVER_ERROR:
            raise _BrokenError(status, answered=False) from error
        raise self._error(status) from error

    def _receive(self, answer: http.client.HTTPResponse, done: int, total: int) -> None:
        with self.part.open("ab") as file:
            while True:
                try:
                    block = answer.read1(BLOCK)
                except (OSError, http.client.HTTPException) as error:
                    raise _BrokenError(_reason(error), answered=True) from error
                if not block:
                    break
                file.write(block)
                done += len(block)
                if self.progress:
                    self.progress(done, total)
        if done < total:
            raise _BrokenError(f"the connection ended after {done:,} of {total:,} bytes", answered=True)

    def _length(self) -> int:
        return self.part.stat().st_size if self.part.exists() else 0

    def _error(self, reason: str) -> DataError:
        return DataError(f"{self.url}: cannot be downloaded: {reason}; try again later, or {self.advice}")


def _reason(error: Exception) -> str:
    """The cause, without Python's class names and wrapping."""
    inner = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(inner, TimeoutError):
        return f"no data arrived for {TIMEOUT:g} seconds"
    if isinstance(inner, http.client.IncompleteRead):
        return "the connection ended early"
    return (inner.strerror if isinstance(inner, OSError) else None) or str(inner) or type(inner).__name__


class _WithoutFTP(urllib.request.FTPHandler):
    """Refuses redirects to FTP, the only other protocol to which urllib follows a redirect."""

    def ftp_open(self, req: urllib.request.Request) -> NoReturn:
        raise urllib.error.URLError("unknown url type: ftp")
