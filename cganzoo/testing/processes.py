"""Runs a function in two processes with a process group, like ``torchrun``."""

from __future__ import annotations

import json
import multiprocessing
import os
import sys
import tempfile
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from cganzoo.registry import Component, load_plugins

from .conformance import only

RANKS = 2
TIMEOUT = 120.0  # seconds after which a process that hangs is killed


def in_two_processes(function: Callable[..., Any], *arguments: Any) -> list[Any]:
    """Call ``function(rank, *arguments)`` in two processes with a gloo process group; return both results.

    The function is at the top level of a module, so that a new process finds it; arguments and results are plain
    values and tensors. If a process raises or does not end, this raises an AssertionError, caused by its traceback.
    """
    with tempfile.TemporaryDirectory() as name:
        folder, context = Path(name), _context()
        tasks = [(rank, folder, function, arguments) for rank in range(RANKS)]
        started = [context.Process(target=_work, args=task, daemon=True) for task in tasks]
        for process in started:
            process.start()
        for process in started:
            process.join(TIMEOUT)
        for process in started:
            if process.is_alive():
                process.kill()
                process.join()
        for file in sorted(folder.glob("failure-*")):
            message, trace = json.loads(file.read_text(encoding="utf-8"))
            raise AssertionError(f"in two processes: {message}") from RuntimeError(trace)
        codes = [process.exitcode for process in started]
        assert codes == [0] * RANKS, f"in two processes: exit codes {codes}, or no end within {TIMEOUT:g} s"
        return [torch.load(folder / f"result-{rank}", weights_only=True) for rank in range(RANKS)]


def component_in_a_process(distribution: str, kind: str, name: str) -> Component:
    """The component in a new process, which loads no other distribution."""
    return load_plugins(only(distribution)).get(kind, name)


def _context() -> Any:
    """Start clean processes, as torch's threads do not survive a fork. A fork server imports torch only once."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["cganzoo.train.engine", "torch.distributed", "torch.nn.parallel", "torch._dynamo"])
    return context


def _work(rank: int, folder: Path, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    import torch.distributed as distributed

    if sys.platform != "win32":  # the machine's own name may not resolve
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo0" if sys.platform == "darwin" else "lo")
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore", "Grad strides")  # of DistributedDataParallel, about speed only
    try:
        distributed.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=RANKS)
        torch.save(function(rank, *arguments), folder / f"result-{rank}")
        distributed.barrier()
        distributed.destroy_process_group()
    except BaseException as error:
        first = (str(error).splitlines() or [""])[0]
        message = str(error) if isinstance(error, AssertionError) else f"raised {type(error).__name__}: {first}"
        failure = json.dumps([message, traceback.format_exc()])
        (folder / f"failure-{rank}").write_text(failure, encoding="utf-8")
        os._exit(1)  # without waiting for the other process, which may wait for this one
