"""Checks of a component with each choice of its options."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, TypeVar
from unittest import SkipTest

import torch
from torch import Tensor

from .conformance import Conformance, choices, schedulable
from .hints import hint
from .modules import check_all_close
from .randomness import seeded

TOTAL_STEPS = 10
"""Length of the run in which schedules are checked."""


@dataclass(frozen=True)
class Variant:
    """A component with one choice of its options, and how it is built.

    Attributes:
        spec: the component's specification.
        config: the options.
        label: the options that are not the defaults, for messages: ``labeling="dynamic"``.
        seed: of torch, when it is built.
        dtype: of the component and its inputs.
    """

    spec: Any
    config: Any
    label: str = ""
    seed: int = 0
    dtype: torch.dtype = torch.float32

    @property
    def prefix(self) -> str:
        """How a message about this variant begins."""
        return f"with {self.label}: " if self.label else ""


V = TypeVar("V", bound=Variant)


class VariantChecks(Conformance):
    """Base of the classes that check a component with each choice of its options.

    Class attributes:
        variants: choices of options to check, where ``{}`` means the defaults. They are added to ``options``. If not
            set: the defaults, and each other value of each option that has named values or is true or false.
    """

    variants: ClassVar[Sequence[Mapping[str, Any]] | None] = None

    def each(self) -> Iterator[Any]:
        """The component with each choice of options: a :class:`Variant`."""
        raise NotImplementedError

    def chosen(self) -> Iterator[tuple[Any, str]]:
        """Each choice of options with its label; one that contradicts ``options`` is left out."""
        for options in choices(self.spec.config) if self.variants is None else self.variants:
            try:
                config = self.config(**options)
            except ValueError:
                if self.variants is not None or not options:
                    raise
                continue
            yield config, describe(options)


Self = TypeVar("Self", bound=VariantChecks)


def describe(options: Mapping[str, Any]) -> str:
    """Options as a message names them: ``labeling="dynamic"``."""
    quoted = {name: f'"{value}"' if isinstance(value, str) else value for name, value in options.items()}
    return ", ".join(f"{name}={value}" for name, value in quoted.items())


def over(variants: Iterable[V], check: Callable[[V], None]) -> None:
    """Run a check on every variant; a failure names the options. Skipped if all were skipped.

    Each check gets the same numbers from the global random number generators, which a component may use.
    """
    skipped: list[SkipTest | None] = []
    for variant in variants:
        try:
            with seeded(0):
                check(variant)
            skipped.append(None)
        except SkipTest as skip:
            skipped.append(skip)
        except AssertionError as error:
            raise AssertionError(variant.prefix + str(error)) from error
        except Exception as error:
            raise AssertionError(f"{variant.prefix}raised {type(error).__name__}: {error}{hint(error)}") from error
    if skipped and skipped[0] is not None and None not in skipped:
        raise skipped[0]


def each_variant(check: Callable[[Self, Any], None]) -> Callable[[Self], None]:
    """Turn a check of one variant into a check of the component with each choice of options."""

    @functools.wraps(check)
    def check_all(self: Self) -> None:
        over(self.each(), functools.partial(check, self))

    del check_all.__wrapped__  # pytest would look for fixtures in its signature
    return check_all


# --- schedules --------------------------------------------------------------------------------------------------------


def check_schedules(checks: VariantChecks, results: Callable[[Any, int], Mapping[str, Tensor]], what: str) -> None:
    """Check that each option that accepts a schedule follows it: at each step, it has the results of that number.

    Args:
        results: what a new instance of a variant computes at a step of a run of :data:`TOTAL_STEPS`.
        what: the name of the results in messages, in the plural.
    """
    options = schedulable(checks.spec.config)
    if not options:
        raise SkipTest("no option accepts a schedule")
    for option in options:
        followed = [_follows(checks, variant, option, results, what) for variant in checks.each()]
        assert set(followed) != {None}, f"option {option} accepts a schedule, but refuses all that were tried"
        problem = f"option {option} accepts a schedule, but the {what} do not change with it"
        assert any(followed), f"{problem}; use self.hold({option}=config.{option}), which sets self.{option}"


def _follows(
    checks: VariantChecks,
    variant: Variant,
    option: str,
    results: Callable[[Any, int], Mapping[str, Tensor]],
    what: str,
) -> bool | None:
    """Whether the results change with the option's schedule; ``None`` if no schedule is accepted."""
    chosen = variant.config.model_dump(mode="json", by_alias=True, exclude_unset=True)
    default = getattr(variant.config, option)
    start = default if isinstance(default, float) else 0.5
    for end in (start / 2, start + 0.5):
        if end == start:
            continue
        plans = [{"from": start, "to": end, "steps": TOTAL_STEPS}, start, (start + end) / 2]
        try:
            configs = [checks.config(**{**chosen, option: plan}) for plan in plans]
            scheduled, *fixed = (replace(variant, config=config, dtype=torch.float64) for config in configs)
            found = [results(scheduled, step) for step in (0, TOTAL_STEPS // 2)]
            expected = [results(number, 0) for number in fixed]
        except ValueError:
            continue
        for step, one, other in zip((0, TOTAL_STEPS // 2), found, expected, strict=True):
            problem = f"at step {step} of a schedule of {option} differs from that for the number at that step"
            check_all_close(one, other, f"{problem}; use self.hold({option}=config.{option})", 1e-6, variant.prefix)
        return any(not torch.equal(found[0][name], found[1][name]) for name in found[0])
    return None
