"""A function in two processes that talk to each other, as ``torchrun`` would start them."""

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

RANKS = 2
PATIENCE = 120.0  # seconds until a pair that hangs is ended


def in_two_processes(function: Callable[..., Any], *arguments: Any) -> list[Any]:
    """Call ``function(rank, *arguments)`` in two processes with a gloo process group; what each returned.

    Args:
        function: of a module, so that a new process finds it by its name.
        arguments: of plain values, tensors or classes of modules; what it returns likewise.

    Raises:
        AssertionError: one of them raised, or did not end; the traceback there is its cause.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        context = _context()
        pair = [
            context.Process(target=_work, args=(rank, str(folder), function, arguments), daemon=True)
            for rank in range(RANKS)
        ]
        for process in pair:
            process.start()
        for process in pair:
            process.join(PATIENCE)
        for process in pair:
            if process.is_alive():
                process.kill()
                process.join()
        for file in sorted(folder.glob("failure-*")):
            sentence, trace = json.loads(file.read_text(encoding="utf-8"))
            raise AssertionError(f"in two processes: {sentence}") from RuntimeError(trace)
        codes = [process.exitcode for process in pair]
        assert codes == [0] * RANKS, f"in two processes: they ended with {codes}, or not within {PATIENCE:g} s"
        return [torch.load(folder / f"result-{rank}", weights_only=True) for rank in range(RANKS)]


def _context() -> Any:
    """Clean processes: torch's threads and a fork do not go together. A fork server imports torch once for all."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["cganzoo.train.engine", "torch.distributed", "torch.nn.parallel", "torch._dynamo"])
    return context


def _work(rank: int, folder: str, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    import torch.distributed as distributed

    loopback = "lo0" if sys.platform == "darwin" else "lo"
    if sys.platform != "win32":  # the machine's own name need not resolve
        os.environ.setdefault("GLOO_SOCKET_IFNAME", loopback)
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore", "Grad strides")  # of DistributedDataParallel: a matter of speed alone
    try:
        distributed.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=RANKS)
        torch.save(function(rank, *arguments), Path(folder) / f"result-{rank}")
        distributed.barrier()
        distributed.destroy_process_group()
    except BaseException as error:
        lines = str(error).splitlines() or [""]
        sentence = str(error) if isinstance(error, AssertionError) else f"raised {type(error).__name__}: {lines[0]}"
        told = json.dumps([sentence, traceback.format_exc()])
        (Path(folder) / f"failure-{rank}").write_text(told, encoding="utf-8")
        os._exit(1)  # without waiting for the other one, which may wait for this one
