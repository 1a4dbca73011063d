"""The device of a run: choosing it, naming it, its deterministic kernels, and the most memory that was used on it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import torch

from cganzoo._util.text import listed, one_line
from cganzoo.errors import RunError

STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def pick_device(name: str) -> torch.device:
    """The device of this name; ``"auto"`` is the GPU if there is one, else the CPU."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        # "meta" makes tensors without values, and torch reads the index in "cpu:1000" as another number.
        works = torch.ones(1, device=device).item() == 1 and (device.type != "cpu" or name in ("cpu", "cpu:0"))
    except Exception as error:  # torch raises another type for each kind of device
        raise _unavailable(name) from error
    if not works:
        raise _unavailable(name)
    return device


def _unavailable(name: str) -> RunError:
    count = torch.cuda.device_count()
    there = ['"auto"', '"cpu"', *(f'"cuda:{index}"' for index in range(count))]
    return RunError(f"--device {one_line(name)}: is not available here; write {listed(there)}")


def device_name(device: torch.device) -> str:
    """For people: the name of the GPU, or how many threads the CPU uses."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    if device.type != "cpu":
        return str(device)
    threads = torch.get_num_threads()
    return f"CPU, {threads} thread{'s' if threads > 1 else ''}"


@contextmanager
def reproducible(device: torch.device) -> Iterator[None]:
    """Use deterministic kernels inside the block, so that a machine gives the same bits on every run."""
    if device.type != "cuda":
        yield
        return
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    before = torch.are_deterministic_algorithms_enabled(), torch.backends.cudnn.benchmark
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.backends.cudnn.benchmark = False
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before[0])
        torch.backends.cudnn.benchmark = before[1]


def reset_peak_memory(device: torch.device) -> None:
    """Measure the peak from here on, where the system allows it: the process's on Linux, the device's on CUDA."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    with suppress(OSError):
        CLEAR.write_text("5")  # proc(5): resets the "high water mark" of resident memory


def peak_memory(device: torch.device) -> dict[str, int]:
    """Most bytes held since :func:`reset_peak_memory`: ``"process"``, resident, and ``"device"``, allocated on a GPU.

    A number that the system does not give is left out. Where no reset is possible, the peak is that of the process.
    """
    resident = _peak_resident_bytes()
    found = {} if resident is None else {"process": resident}
    if device.type == "cuda":
        found["device"] = torch.cuda.max_memory_allocated(device)
    return found


def _peak_resident_bytes() -> int | None:
    with suppress(OSError, StopIteration, ValueError):
        line = next(line for line in STATUS.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024
    try:
        import resource
    except ImportError:  # Windows
        return None
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024
