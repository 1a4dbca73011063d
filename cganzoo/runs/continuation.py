"""Whether a recipe may continue the run that a folder holds: the same values, perhaps with more steps. No torch."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from cganzoo._util.text import shortened
from cganzoo.config import Config, Schedule
from cganzoo.recipe.digests import training_values
from cganzoo.recipe.resolve import Resolved
from cganzoo.registry.kinds import KINDS

START_OVER = "choose another --out, or --fresh to start over"


def obstacle(resolved: Resolved, stored: Mapping[str, Any], reached: int, *, places: bool) -> str | None:
    """Why this recipe cannot continue a run with the ``stored`` values; ``None`` if it can.

    ``places``: whether the place of the images must be the same, because their fingerprint is not known.

    Scoring, bookkeeping and the place of the images may differ. So may ``train.steps``, if no schedule had another
    value in the ``reached`` steps that are done.
    """
    there, here = (training_values(resolved.identity(values, places=places)) for values in (stored, None))
    for train in (there["train"], here["train"]):
        train.pop("init", None)  # its hash says more
    weights = [train.pop("init_sha256", None) for train in (there["train"], here["train"])]
    lengths = [(train.pop("steps"), train.pop("horizon", None)) for train in (there["train"], here["train"])]
    if differing := list(_differences(there, here)):
        shown = "; ".join(differing[:3]) + (f"; and {len(differing) - 3} more" if len(differing) > 3 else "")
        return f"holds a run of another recipe ({shown}); {START_OVER}"
    if weights[0] != weights[1]:
        return _other_weights(stored["train"].get("init"), *weights)
    (old_steps, old_horizon), (steps, horizon) = lengths
    if steps < reached and steps != old_steps:
        return (
            f"has reached step {reached}, so train.steps = {steps} is too few; write train.steps = {reached} or more, "
            f"or {START_OVER}"
        )
    before, now = old_horizon or old_steps, horizon or steps
    if before != now and (key := _changed_schedule(resolved, before, now, reached)):
        changed = "train.horizon" if horizon else "train.steps"
        return (
            f"{changed} = {now} would change the schedule {key} in the {reached} steps that are done, because it "
            f"followed a run of {before} steps; write train.horizon = {before} to keep the schedule, or {START_OVER}"
        )
    return None


def _other_weights(init: str | None, before: str | None, now: str | None) -> str:
    if before is None:
        return f"began without initial weights; remove train.init to continue it, or {START_OVER}"
    if now is None:
        return f'began from the initial weights train.init = "{init}"; write that to continue it, or {START_OVER}'
    return (
        f"began from other initial weights, with the SHA-256 {before}; name their file in train.init, or write "
        f'train.init_sha256 = "{before}" if they are gone, to continue it, or {START_OVER}'
    )


def other_horizon(resolved: Resolved, stored: Mapping[str, Any]) -> int | None:
    """The steps that the schedules of the ``stored`` recipe follow, if this recipe's follow another number."""
    before = stored["train"].get("horizon") or stored["train"]["steps"]
    return None if before == resolved.recipe.sections.train.schedule_steps else before


def _differences(there: Any, here: Any, key: str = "") -> Iterator[str]:
    if isinstance(there, dict) and isinstance(here, dict):
        for name in sorted({*there, *here}):
            yield from _differences(there.get(name), here.get(name), f"{key}.{name}" if key else name)
    elif there != here:
        one, other = ("absent" if value is None else shortened(json.dumps(value)) for value in (there, here))
        yield f"{key} is {one} there, {other} here"


def _changed_schedule(resolved: Resolved, before: int, now: int, reached: int) -> str | None:
    """The key of the first schedule whose value in one of the ``reached`` steps depends on the change of horizon."""
    for key, schedule in _schedules(resolved):
        done = range(reached if schedule.follows_the_run else 0)
        if any(schedule.at(step, before) != schedule.at(step, now) for step in done):
            return key
    return None


def _schedules(resolved: Resolved) -> Iterator[tuple[str, Schedule]]:
    """Every schedule of the recipe, with its key."""
    yield from _within(resolved.recipe.sections.optimizer, "optimizer")
    yield from _within(resolved.recipe.sections.train, "train")
    for kind in KINDS.values():
        if kind.decides == "weights":
            for index, chosen in enumerate(resolved.components[kind.name]):
                for table in (chosen.table, chosen.config):
                    yield from _within(table, kind.recipe_table + (f".{index}" if kind.many else ""))


def _within(value: Any, key: str) -> Iterator[tuple[str, Schedule]]:
    if isinstance(value, Schedule):
        yield key, value
    elif isinstance(value, Config):
        for name, info in type(value).model_fields.items():
            yield from _within(getattr(value, name), f"{key}.{info.alias or name}")
    elif isinstance(value, (list, tuple)):
        for index, one in enumerate(value):
            yield from _within(one, f"{key}.{index}")
    elif isinstance(value, dict):
        for name, one in value.items():
            yield from _within(one, f"{key}.{name}")
