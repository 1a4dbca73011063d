"""Memory: which errors mean that it ran out, and how much this process can have. Imports no torch."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path

from rich.filesize import decimal

CGROUPS = Path("/sys/fs/cgroup")
"""Where Linux shows the limits of containers."""

UNLIMITED = 1 << 60  # bytes; cgroups of version 1 write a number above it for "no limit"

_RAN_OUT = re.compile(
    r"out of memory|not enough memory|can(no|')t allocate memory|bad_?alloc|ALLOC_FAILED|Invalid buffer size",
    re.IGNORECASE,
)
"""Messages of torch, CUDA, cuBLAS, cuDNN, Metal and the system."""

_TOO_LARGE = re.compile(
    r"Storage size calculation overflowed|Overflow when unpacking long|numel: integer multiplication overflow"
    r"|int too (big|large) to convert|cannot fit 'int' into an index-sized integer|int64_t without overflow"
    r"|Maximum allowed (size|dimension) exceeded|array is too big"
)
"""Messages of torch, numpy and Python about a size that no memory could hold."""

_AMOUNT = re.compile(r"allocate (\d+) bytes|allocate ([\d.]+ ?[KMGTPE]?i?B)\b")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether ``error`` means that memory ran out, or that a size is beyond every memory.

    Torch raises ``RuntimeError`` for the first and also ``TypeError`` for the second, so the message decides. The CUDA
    error ``OutOfMemoryError`` is a ``RuntimeError``, too.
    """
    if isinstance(error, MemoryError) or any(base.__name__ == "OutOfMemoryError" for base in type(error).__mro__):
        return True
    if not isinstance(error, (RuntimeError, TypeError, ValueError, OverflowError)):
        return False
    return bool(_RAN_OUT.search(str(error)) or _TOO_LARGE.search(str(error)))


def what_ran_out(error: BaseException) -> str:
    """``out of memory: 16 TB were requested at once``, from an error for which :func:`is_out_of_memory` is true."""
    text = str(error)
    if _TOO_LARGE.search(text):
        return "a size is larger than any memory"
    if amount := _AMOUNT.search(text):
        return f"out of memory: {decimal(int(amount[1])) if amount[1] else amount[2]} were requested at once"
    return "out of memory"


def described(error: BaseException) -> str:
    """An error that is not cganzoo's own, in a message: what ran out, or its type and text."""
    return what_ran_out(error) if is_out_of_memory(error) else f"{type(error).__name__}: {error}"


def memory_limit() -> int | None:
    """Bytes that this process can have at most: of the machine with its swap space, of its container, of ``ulimit``.

    ``None`` where the system does not say.
    """
    limits = [machine] if (machine := _machine()) else []
    limits += _of_containers(_swap())
    with suppress(ImportError, OSError):
        import resource  # not on Windows

        for which in (resource.RLIMIT_AS, resource.RLIMIT_DATA):
            soft, _ = resource.getrlimit(which)
            if soft != resource.RLIM_INFINITY:
                limits.append(soft)
    return min(limits, default=None)


def _machine() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") + _swap()
    except (AttributeError, ValueError, OSError):  # Windows has no sysconf
        return None


def _swap() -> int:
    with suppress(OSError, StopIteration, ValueError, IndexError):
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        return int(next(line for line in lines if line.startswith("SwapTotal:")).split()[1]) * 1024
    return 0


def _of_containers(swap: int) -> list[int]:
    """The limits of this process's cgroup and of those around it, in either version of cgroups."""
    folders = {CGROUPS, CGROUPS / "memory"}
    with suppress(OSError, ValueError):
        for line in Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines():
            _, controllers, path = line.split(":", 2)
            root = CGROUPS if not controllers else CGROUPS / "memory"
            own = root / path.lstrip("/")
            if not controllers or "memory" in controllers.split(","):
                folders |= {own, *(parent for parent in own.parents if root in parent.parents)}
    found = []
    for file in (folder / name for folder in folders for name in ("memory.max", "memory.limit_in_bytes")):
        with suppress(OSError, ValueError):  # no such file, or "max"
            limit = int(file.read_text(encoding="ascii"))
            found += [limit + swap] if limit < UNLIMITED else []
    return found
