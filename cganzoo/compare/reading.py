"""What a run folder says of a run: its state, its scores at each step, its loss terms. No torch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any

from cganzoo.errors import RunError

from .plan import Cell, State

Scores = Mapping[str, float | None]
NEEDED = ("scores", "protocol")


@dataclass(frozen=True, eq=False)
class Run:
    """One run as its folder has it.

    Attributes:
        cell: its place in the matrix.
        state: how far it is; never ``"new"``.
        manifest: as it was written.
        scores: by step; of a finished run, the last step is that of :attr:`last`.
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
        return self.scores[max(self.scores)] if self.state == "finished" and self.scores else None

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
        RunError: what is there cannot be understood: it is damaged, or another version wrote it.
    """
    folder = cell.folder
    manifest = folder.manifest()
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
        if state == "finished" and manifest.get("scores"):
            if missing := [key for key in NEEDED if key not in manifest]:
                raise RunError(
                    f'{folder.path}: its manifest has no "{missing[0]}", so an older cganzoo scored it; '
                    "run its recipe again with --fresh"
                )
            scores[int(manifest["step"])] = _numbers(manifest["scores"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise RunError(
            f"{folder.path}: metrics.jsonl or manifest.json is damaged, or another version wrote it "
            f"({type(error).__name__}: {error})"
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise RunError(f"{folder.metrics_file}: cannot be read ({error})") from error
    return Run(cell, state, manifest, scores, terms, speed)


def _numbers(scores: Mapping[str, Any]) -> Scores:
    return {
        name: float(value) if value is not None and math.isfinite(value) else None for name, value in scores.items()
    }
