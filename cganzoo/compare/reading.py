"""What a run folder says of a run: its state, its scores at each step, its loss terms. No torch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any

from . import checked
from .checked import DamagedError
from .plan import Cell, State

Scores = Mapping[str, float | None]
NEEDED = ("step", "scores", "protocol")


@dataclass(frozen=True, eq=False)
class Run:
    """One run as its folder has it.

    Attributes:
        cell: its place in the matrix.
        state: how far it is; never ``"new"``.
        manifest: as it was written, checked.
        scores: by step.
        terms: loss terms by step.
        speed: images a second, and seconds of training so far, by step.
    """

    cell: Cell
    state: State
    manifest: Mapping[str, Any]
    scores: Mapping[int, Scores]
    terms: Mapping[int, Mapping[str, float]]
    speed: Mapping[int, tuple[float, float]]

    @property
    def last(self) -> Scores | None:
        """The scores of the last checkpoint; ``None`` of a run that did not finish."""
        return None if self.last_step is None else self.scores[self.last_step]

    @property
    def last_step(self) -> int | None:
        """The step of :attr:`last`. An evaluation on the way is none of it, however late."""
        step: int | None = self.manifest.get("step")
        return step if self.state == "finished" and step in self.scores else None

    def best_step(self, score: str, higher_is_better: bool) -> int | None:
        """The step at which a finished run scored best; of equals, the first."""
        known = {step: scores[score] for step, scores in self.scores.items() if scores.get(score) is not None}
        if self.state != "finished" or not known:
            return None
        sign = -1 if higher_is_better else 1
        return min(known, key=lambda step: (sign * (known[step] or 0.0), step))

    @property
    def images_per_second(self) -> float | None:
        """Median over the run's log."""
        return median(speed for speed, _ in self.speed.values()) if self.speed else None

    def seconds_at(self, step: int) -> float | None:
        """Training time until a step, evaluations not counted."""
        known = [seconds for at, (_, seconds) in self.speed.items() if at <= step]
        return max(known) if known else None


def read(cell: Cell, state: State) -> Run:
    """A run's records.

    Raises:
        DamagedError: what is there cannot be understood: it is damaged, or another version wrote it.
    """
    folder = cell.folder
    manifest = checked.manifest(folder)
    scores: dict[int, Scores] = {}
    terms: dict[int, Mapping[str, float]] = {}
    speed: dict[int, tuple[float, float]] = {}
    try:
        for record in folder.records():
            step = int(record["step"])
            if "scores" in record:
                scores[step] = _numbers(record["scores"])
            if "terms" in record:
                numbers = _numbers(record["terms"])
                terms[step] = {name: value for name, value in numbers.items() if value is not None}
                speed[step] = (float(record["images_per_second"]), float(record["seconds"]))
    except (OSError, UnicodeDecodeError) as error:
        raise DamagedError(f"metrics.jsonl cannot be read ({error})") from error
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DamagedError(
            f"metrics.jsonl is damaged, or another version wrote it ({type(error).__name__}: {error})"
        ) from error
    if not cell.method.values.get("metrics"):
        scores = {}  # of an earlier evaluation, perhaps: nobody asks for them
    elif state == "finished":
        for key in NEEDED:
            if not manifest.get(key):
                raise DamagedError(
                    f"is finished, but its manifest.json has no {key} of the last step, so it was not scored, or by an "
                    "older cganzoo; run its recipe again"
                )
        scores[manifest["step"]] = _numbers(manifest["scores"])
    return Run(cell, state, manifest, scores, terms, speed)


def _numbers(scores: Mapping[str, Any]) -> Scores:
    return {
        name: float(value) if value is not None and math.isfinite(value) else None for name, value in scores.items()
    }
