"""Which errors mean that memory ran out, and how much there is."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from cganzoo._util import memory
from cganzoo._util.memory import described, is_out_of_memory, memory_limit, what_ran_out

REAL: dict[str, Callable[[], object]] = {
    "torch, CPU": lambda: torch.empty(10**16),
    "torch, product of sizes": lambda: nn.Conv2d(10**12, 10**12, 3),
    "torch, beyond 64 bits": lambda: torch.zeros(10**19),
    "torch, far beyond 64 bits": lambda: torch.arange(10**30),
    "torch, a bound of 64 bits": lambda: torch.arange(10**19),
    "numpy": lambda: np.empty(10**16),
    "numpy, beyond 64 bits": lambda: np.empty(10**19),
    "numpy, a range": lambda: np.arange(10**19),
    "Python": lambda: bytearray(10**16),
    "Python, beyond 64 bits": lambda: bytearray(10**19),
}
WRITTEN = [
    "CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0 has a total capacity of 79.11 GiB of which ...",
    "CUDA error: out of memory",
    "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
    "cuDNN error: CUDNN_STATUS_ALLOC_FAILED",
    "MPS backend out of memory (MPS allocated: 5 GB, other allocations: 2 GB, max allowed: 9 GB).",
    "[enforce fail at alloc_cpu.cpp:72] data. DefaultCPUAllocator: not enough memory: you tried to allocate 8 bytes.",
    "std::bad_alloc",
]


@pytest.mark.parametrize("fails", REAL.values(), ids=REAL)
def test_memory_errors_of_this_machine_are_recognised(fails: Callable[[], object]) -> None:
    with pytest.raises(Exception) as caught:  # noqa: PT011 - each library has its own
        fails()
    assert is_out_of_memory(caught.value), caught.value
    assert "\n" not in what_ran_out(caught.value)


@pytest.mark.parametrize("text", WRITTEN)
def test_memory_errors_of_other_machines_are_recognised(text: str) -> None:
    assert is_out_of_memory(RuntimeError(text))
    assert what_ran_out(RuntimeError(text)).startswith("out of memory")


def test_cudas_error_is_recognised_by_its_class() -> None:
    assert is_out_of_memory(torch.cuda.OutOfMemoryError("any text"))


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("mat1 and mat2 shapes cannot be multiplied (4x3 and 2x5)"),
        TypeError("'int' object is not iterable"),
        ValueError("could not convert string to float: 'memory'"),
        KeyError("out of memory"),
        KeyboardInterrupt(),
    ],
)
def test_other_errors_are_not(error: BaseException) -> None:
    assert not is_out_of_memory(error)


def test_a_message_says_how_much_was_requested() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(10**16, dtype=torch.uint8)
    assert what_ran_out(caught.value) == "out of memory: 10.0 PB were requested at once"
    assert what_ran_out(RuntimeError(WRITTEN[0])) == "out of memory: 20.00 GiB were requested at once"
    with pytest.raises(MemoryError) as short:
        np.empty(10**16)
    assert "71.1 PiB" in what_ran_out(short.value)
    assert what_ran_out(MemoryError()) == "out of memory"


def test_the_limit_is_at_most_the_machines_memory() -> None:
    limit = memory_limit()
    machine = memory._machine()
    assert limit is None or machine is None or 0 < limit <= machine


def test_ulimit_lowers_the_limit() -> None:
    program = """
import resource
from cganzoo._util.memory import memory_limit
resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30))
print(memory_limit())
"""
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert int(shown.stdout) <= 3 << 30, shown.stderr


@pytest.mark.parametrize("file", ["memory.max", "memory/memory.limit_in_bytes"])
def test_a_container_lowers_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str) -> None:
    (tmp_path / "memory").mkdir()
    monkeypatch.setattr(memory, "CGROUPS", tmp_path)
    monkeypatch.setattr(memory, "_swap", lambda: 0)
    before = memory_limit()
    for none in ("max\n", f"{2**63 - 4096}\n"):
        (tmp_path / file).write_text(none)
        assert memory_limit() == before
    (tmp_path / file).write_text("1000000\n")
    assert memory_limit() == 1000000


def test_reading_the_limit_imports_no_torch() -> None:
    program = "import sys; from cganzoo._util import memory; memory.memory_limit(); print('torch' in sys.modules)"
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert re.fullmatch(r"False\s*", shown.stdout)


def test_an_error_is_described_by_what_ran_out_or_by_its_type() -> None:
    ran_out = RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8000000000 bytes.")
    assert described(ran_out) == "out of memory: 8.0 GB were requested at once"
    assert described(KeyError("x")) == "KeyError: 'x'"
