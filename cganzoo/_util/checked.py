"""Reading files that may be damaged or of another kind: regular files only, bounded, their checksums compared.

Torch is imported when it is needed.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import stat
import zipfile
import zlib
from pathlib import Path
from typing import IO, Any

from .memory import is_out_of_memory

BLOCK = 1 << 20


class DamagedFileError(ValueError):
    """A file whose content is not what was written; the text is the reason."""


def open_regular(path: Path) -> IO[bytes]:
    """Open a regular file for reading: a pipe or a device, which may never end, is an ``OSError``, as is a folder."""
    # Without O_NONBLOCK, opening a pipe waits for a program that writes to it.
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise OSError(None, "it is not a regular file", str(path))
        return os.fdopen(handle, "rb")
    except BaseException:
        os.close(handle)
        raise


def read_text(path: Path, most: int) -> str:
    """The text of a UTF-8 file of up to ``most`` bytes.

    Raises:
        OSError: the file cannot be read, or is no regular file.
        DamagedFileError: it is longer, or not UTF-8.
    """
    with open_regular(path) as file:
        data = file.read(most + 1)
    if len(data) > most:
        raise DamagedFileError(f"it has more than {most:,} bytes")
    try:
        return data.decode("utf-8-sig")  # editors on Windows may write a byte-order mark
    except UnicodeDecodeError as error:
        raise DamagedFileError(f"byte {error.start:,} is not UTF-8 text") from error


def load_torch(path: Path, *, older: bool = False) -> Any:
    """What ``torch.save`` wrote to ``path``, on the CPU: tensors and plain values; nothing in the file is executed.

    Torch does not compare the CRC-32 that the zip archive has of each of its members, so it is done here. This takes
    about a third of the time of loading, and also protects the files of older versions. With ``older``, files in the
    format before torch 1.6 are accepted, too: they have no checksums.

    Raises:
        OSError: the file cannot be read, or is no regular file.
        DamagedFileError: it is damaged, or not what ``torch.save`` writes.
        MemoryError, RuntimeError: out of memory.
    """
    import torch

    with open_regular(path) as file:
        if not older or zipfile.is_zipfile(file):
            _compare_checksums(file)
        file.seek(0)
        try:
            return torch.load(file, map_location="cpu", weights_only=True)
        except Exception as error:  # of torch, pickle or the system
            if is_out_of_memory(error) or _of_system(error):
                raise
            raise DamagedFileError(f"it holds more than tensors and plain values ({type(error).__name__})") from error


def load_safetensors(path: Path) -> tuple[dict[str, str], dict[str, Any]]:
    """The metadata and the tensors of a safetensors file, on the CPU.

    Raises:
        OSError: the file cannot be read, or is no regular file.
        safetensors.SafetensorError: it is damaged, or no safetensors file.
    """
    import safetensors

    with open_regular(path) as file:
        # Safetensors takes only names in UTF-8, so it gets another name of the open file.
        number = Path("/dev/fd", str(file.fileno()))
        with safetensors.safe_open(number if number.exists() else path, "pt") as opened:
            tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118 (not a dict)
            return opened.metadata() or {}, tensors


def _compare_checksums(file: IO[bytes]) -> None:
    """Raise :class:`DamagedFileError` unless ``file`` is a zip archive whose members have the right CRC-32."""
    try:
        with zipfile.ZipFile(file) as archive:
            names = archive.namelist()
            if len(set(names)) < len(names):
                raise DamagedFileError("two of its parts have the same name")
            if any(member.compress_type != zipfile.ZIP_STORED for member in archive.infolist()):
                raise DamagedFileError("a part is compressed, which torch.save does not do")
            damaged = archive.testzip()
    except DamagedFileError:
        raise
    except Exception as error:  # zipfile raises different errors for different damage
        if _of_system(error):
            raise
        raise DamagedFileError("it is incomplete, or not what torch.save writes") from error
    if damaged is not None:
        raise DamagedFileError("a checksum in it is wrong")


def _of_system(error: Exception) -> bool:
    """Whether the disk failed; a damaged archive can also make its reader seek to a negative position."""
    return isinstance(error, OSError) and error.errno != errno.EINVAL


def file_checksum(path: Path) -> str:
    """CRC-32 and size of a file: enough to notice damage, and faster than reading the file from most disks."""
    value = size = 0
    with open_regular(path) as file:
        while block := file.read(BLOCK):
            value, size = zlib.crc32(block, value), size + len(block)
    return f"crc32:{value:08x}, {size} bytes"


def json_checksum(values: Any) -> str:
    """SHA-256 of JSON values."""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()
