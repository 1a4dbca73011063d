"""Builds and trains the missing runs, one after another. No finished run is lost after an interrupt or a failure."""

from __future__ import annotations

import gc
import traceback
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

import torch

from cganzoo._util.memory import described
from cganzoo.console.reporter import Reporter
from cganzoo.data.cache import ImageSet
from cganzoo.errors import CganzooError, DivergenceError
from cganzoo.recipe.resolve import Resolved
from cganzoo.runs.folder import BusyError
from cganzoo.session.dataset import load_data
from cganzoo.session.run import Session
from cganzoo.train.build import build_networks
from cganzoo.train.stop import Stop

from .matrix import Cell, Matrix, Method
from .read import State, States


class Display(Protocol):
    """Shows the states of the runs."""

    def update(self, cell: Cell, state: str, message: str = "") -> None:
        """Show the new state of a run."""

    def reporter(self, cell: Cell) -> Reporter:
        """What shows the progress of the run."""


def train_missing(
    matrix: Matrix, states: States, device: torch.device, stop: Stop, display: Display, *, fresh: bool
) -> bool:
    """Train every run that has not ended, and update its state. The first seed of all methods is trained first.

    A run that fails is reported and skipped. A run that diverges is a result. A damaged run is not changed. Returns
    whether the user pressed Ctrl+C between two runs, or while a run started.
    """
    for cell, message in states.errors.items():
        display.update(cell, "failed", message)
    waiting = [
        cell
        for cell in matrix.cells
        if cell.resolved and cell not in states.errors and states.of[cell] not in ("finished", "diverged")
    ]
    # A comparison that is stopped early then has every method in it.
    seeds = list(dict.fromkeys(cell.seed for cell in matrix.cells))
    for cell in sorted(waiting, key=lambda cell: seeds.index(cell.seed)):
        if stop.requested:
            break
        try:
            states.of[cell] = "unfinished"  # until _train returns; Ctrl+C may come before
            display.update(cell, "running")
            states.of[cell], error = _train(cell, device, stop, display.reporter(cell), fresh)
            if error and states.of[cell] != "diverged":
                states.errors[cell] = error
            display.update(cell, states.of[cell], error)
            gc.collect()  # networks have reference cycles, and the next run needs their memory
            torch.compiler.reset()
        except KeyboardInterrupt:
            return True
    return False


def _train(cell: Cell, device: torch.device, stop: Stop, reporter: Reporter, fresh: bool) -> tuple[State, str]:
    """Train one run; returns its state and its error."""
    assert cell.resolved is not None
    try:
        with cell.folder.claimed():
            reporter.log_file = cell.folder.log_file
            try:
                finished = Session(cell.resolved, cell.folder, reporter, device).run(stop, fresh=fresh)
                return ("finished" if finished else "unfinished"), ""
            except DivergenceError as error:
                reporter.log(f"error: {error}")
                return "diverged", str(error)
            except Exception as error:  # a plugin may raise anything; the other runs do not depend on it
                known = isinstance(error, CganzooError)
                message = _message(error) + ("" if known else f" ({cell.folder.log_file})")
                reporter.log(f"error: {message}" if known else traceback.format_exc())
                with suppress(CganzooError), cell.folder.update_manifest() as manifest:  # the disk may be full
                    manifest.status, manifest.error = "failed", message
                return "failed", message
    except BusyError as error:
        return "unfinished", str(error)
    except CganzooError as error:  # the folder cannot be written
        return "failed", str(error)


# --- before training ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Untrained:
    """What is known about a method before its training."""

    parameters: dict[str, int]  # as in a manifest; empty if a plugin fails to build a network
    images: str  # fingerprint of the training images


def build_untrained(methods: Sequence[Method], reporter: Reporter) -> tuple[dict[str, Untrained], dict[str, str]]:
    """Build the networks of methods that are trained here, and find their images; by the method's name.

    Packs a data set that is not in the cache. Also returns, by the method's name, why a method cannot be trained: its
    images cannot be read, or its networks do not fit them. The other methods do not depend on it.
    """
    sets: dict[str, ImageSet | str] = {}
    found, refused = dict[str, Untrained](), dict[str, str]()
    for method in methods:
        if method.resolved is None:
            continue
        data = repr(method.values["data"])
        if data not in sets:
            try:
                sets[data] = load_data(method.resolved, reporter)["train"]
            except Exception as error:
                sets[data] = _message(error)
        images = sets[data]
        if isinstance(images, str):
            refused[method.name] = images
            continue
        try:
            parameters = _parameters(method.resolved, images.class_names)
        except CganzooError as error:
            refused[method.name] = str(error)
            continue
        except Exception:  # a plugin's error fails the run later with the same message, and only that run
            parameters = {}
        found[method.name] = Untrained(parameters, images.fingerprint)
    return found, refused


def _message(error: Exception) -> str:
    return str(error) if isinstance(error, CganzooError) else described(error)


def _parameters(resolved: Resolved, class_names: tuple[str, ...]) -> dict[str, int]:
    with torch.random.fork_rng(devices=[]):
        return build_networks(resolved, class_names).parameter_counts()
