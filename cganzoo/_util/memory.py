"""The most memory that a run used."""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path

import torch

STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def forget_peak(device: torch.device) -> None:
    """Start a new measurement, if the system can: Linux for the process, CUDA for its device."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    with suppress(OSError):
        CLEAR.write_text("5")  # proc(5): resets the "high water mark" of resident memory


def peak(device: torch.device) -> dict[str, int]:
    """Most bytes used since :func:`forget_peak`: ``"process"``, resident memory, and ``"device"``, allocated on a GPU.

    Numbers that the system does not report are left out. If the mark cannot be reset, it counts from the start of the
    process.
    """
    found = {}
    resident = _resident()
    if resident is not None:
        found["process"] = resident
    if device.type == "cuda":
        found["device"] = torch.cuda.max_memory_allocated(device)
    return found


def _resident() -> int | None:
    with suppress(OSError, StopIteration, ValueError):
        line = next(line for line in STATUS.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024
    try:
        import resource
    except ImportError:  # Windows
        return None
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024
