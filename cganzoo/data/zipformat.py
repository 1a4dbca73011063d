"""The parts of the zip format that reading a data set needs: the archive's directory, and one member's bytes.

The standard library's ``zipfile`` makes an object of 20 fields for each member and reads under one lock: a second at
each start, and half the speed, for an archive of 100,000 images. Here, the directory can be had as raw bytes (which
name a set's whole content: every name, size and checksum) without reading it, and members are read from many threads.

Source: PKWARE, APPNOTE.TXT - .ZIP File Format Specification, 6.3.10 (section numbers below are its).
"""

from __future__ import annotations

import stat
import struct
import zlib
from collections.abc import Callable
from typing import BinaryIO, NamedTuple

STORED, DEFLATED = 0, 8

_END = struct.Struct("<4s4H2LH")  # 4.3.16
_END_64 = struct.Struct("<4sQ2H2L4Q")  # 4.3.14
_LOCATOR_64 = struct.Struct("<4sLQL")  # 4.3.15
_ENTRY = struct.Struct("<4s6H3L5H2L")  # 4.3.12
_LOCAL = struct.Struct("<4s5H3L2H")  # 4.3.7

_ENCRYPTED, _UTF_8 = 1, 1 << 11  # 4.4.4


class ZipError(ValueError):
    """What is wrong with an archive or a member: the end of a sentence that begins with its name."""


class Member(NamedTuple):
    """Where a file lies in the archive.

    Attributes:
        offset: of its local header, from the start of the file.
        packed: bytes that it takes in the archive.
        size: bytes that it has.
        crc: CRC-32 of those.
        method: of compression (4.4.5).
        encrypted: whether a password is needed.
    """

    offset: int
    packed: int
    size: int
    crc: int
    method: int
    encrypted: bool


class Directory(NamedTuple):
    """The archive's list of members, not read yet.

    Attributes:
        raw: its bytes.
        shift: what is to be added to every offset in it: the length of whatever stands before the archive.
    """

    raw: bytes
    shift: int


def read_directory(file: BinaryIO) -> Directory:
    """Find the central directory from the end of an archive.

    Raises:
        ZipError: it is no zip archive, or not a whole one.
    """
    length = file.seek(0, 2)
    file.seek(max(0, length - _END.size - 0xFFFF))  # a comment of up to 65,535 bytes may follow the end record
    tail = file.read()
    at = tail.rfind(b"PK\5\6")
    if at < 0 or len(tail) - at < _END.size:
        file.seek(0)
        if file.read(4) == b"PK\3\4":
            raise ZipError("is cut short: the end of the zip archive is missing; copy or download it again")
        raise ZipError("is not a zip archive; name one, or an unpacked folder")
    end = length - len(tail) + at
    _, _, _, _, _, size, offset, _ = _END.unpack_from(tail, at)
    if 0xFFFFFFFF in (size, offset) or tail[at - _LOCATOR_64.size : at].startswith(b"PK\6\7"):
        end, size, offset = _end_64(file, end)
    start = end - size
    if start < 0 or start < offset:
        raise ZipError("is damaged: its directory does not lie where its end says; copy or download it again")
    file.seek(start)
    return Directory(file.read(size), start - offset)


def _end_64(file: BinaryIO, end: int) -> tuple[int, int, int]:
    """The same for archives of more than 4 GiB or 65,535 members: end, size and offset of the directory."""
    try:
        file.seek(end - _LOCATOR_64.size)
        signature, _, at, _ = _LOCATOR_64.unpack(file.read(_LOCATOR_64.size))
        file.seek(at)
        record = _END_64.unpack(file.read(_END_64.size))
    except (OSError, ValueError, struct.error, OverflowError):
        signature, record = b"", (b"",)
    if signature != b"PK\6\7" or record[0] != b"PK\6\6":
        raise ZipError("is damaged: its end cannot be read; copy or download it again")
    return at, record[8], record[9]


def parse_directory(directory: Directory) -> dict[str, Member]:
    """The members by name; names of folders end in a slash.

    Raises:
        ZipError: the directory is damaged, or a member has a name or a kind that points out of the archive.
    """
    members: dict[str, Member] = {}
    raw, at = directory.raw, 0
    while at < len(raw):
        try:
            (
                signature,
                _, _, flags, method, _, _,
                crc, packed, size,
                name_length, extra_length, comment_length, _, _,
                attributes, offset,
            ) = _ENTRY.unpack_from(raw, at)  # fmt: skip
        except struct.error:
            signature = b""
        if signature != b"PK\1\2":
            raise ZipError("is damaged: its directory cannot be read; copy or download it again")
        at += _ENTRY.size
        name = _name(raw[at : at + name_length], flags)
        at += name_length
        if 0xFFFFFFFF in (size, packed, offset):
            size, packed, offset = _sizes_64(raw[at : at + extra_length], size, packed, offset)
        at += extra_length + comment_length
        if stat.S_ISLNK(attributes >> 16):
            raise ZipError(f'holds the symbolic link "{name}", and links are not followed; pack the files themselves')
        if name.startswith("/") or name[1:3] == ":/" or ".." in name.split("/"):
            raise ZipError(f'holds the member "{name}", which points out of the archive; do not trust this file')
        members[name] = Member(offset + directory.shift, packed, size, crc, method, bool(flags & _ENCRYPTED))
    return members


def _name(raw: bytes, flags: int) -> str:
    try:
        name = raw.decode()  # some archivers write UTF-8 and do not say so
    except UnicodeDecodeError:
        name = raw.decode("utf-8" if flags & _UTF_8 else "cp437", "backslashreplace")
    return name.replace("\\", "/")  # some write the separators of their system


def _sizes_64(extra: bytes, size: int, packed: int, offset: int) -> tuple[int, int, int]:
    """Of a member too large or too far for 32 bits: those of the three that do not fit stand in a field (4.5.3)."""
    values = [size, packed, offset]
    at = 0
    while at + 4 <= len(extra):
        kind, length = struct.unpack_from("<2H", extra, at)
        if kind == 1:
            field = extra[at + 4 : at + 4 + length]
            wide = [number for (number,) in struct.iter_unpack("<Q", field[: len(field) // 8 * 8])]
            return tuple(wide.pop(0) if value == 0xFFFFFFFF and wide else value for value in values)  # type: ignore[return-value]
        at += 4 + length
    return size, packed, offset


def read_member(member: Member, name: str, read: Callable[[int, int], bytes]) -> bytes:
    """The file's bytes, their checksum verified.

    Args:
        member: where it lies.
        name: of the member, as the directory gives it.
        read: ``read(length, offset)``: bytes of the archive.

    Raises:
        ZipError: the member is damaged, encrypted, or compressed by a method other than deflate.
    """
    if member.encrypted:
        raise ZipError("is encrypted; pack the archive anew without a password")
    if member.method not in (STORED, DEFLATED):
        raise ZipError(f"is compressed by a method not read here (number {member.method}); pack it anew with deflate")
    # The local header repeats the name, and its extra field may have another length than the directory's.
    guess = _LOCAL.size + len(name.encode("utf-8", "replace")) + 64 + member.packed
    block = read(guess, member.offset)
    damaged = ZipError("is damaged in the archive; copy or download that again")
    if len(block) < _LOCAL.size or not block.startswith(b"PK\3\4"):
        raise damaged
    *_, name_length, extra_length = _LOCAL.unpack_from(block)
    start = _LOCAL.size + name_length + extra_length
    data = block[start : start + member.packed]
    if len(data) < member.packed:
        data = read(member.packed, member.offset + start)
    if member.method == DEFLATED:
        try:
            # No more than stated is unpacked, however much a crafted member would give.
            data = zlib.decompressobj(-zlib.MAX_WBITS).decompress(data, member.size or 1)
        except zlib.error:
            raise damaged from None
    if len(data) != member.size or zlib.crc32(data) != member.crc:
        raise damaged
    return data
