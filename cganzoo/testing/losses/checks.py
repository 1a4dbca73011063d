"""What the checks of a loss are made of."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, TypeVar
from unittest import SkipTest

import torch
from torch import Tensor

from cganzoo.objective import Batch, Objective
from cganzoo.testing.conformance import Conformance
from cganzoo.testing.formula import TOLERANCE
from cganzoo.testing.randomness import seeded, untouched
from cganzoo.testing.variants import variants

from .trial import Trial, described, gradients, kept, losses, total, trainable

SEEDS = range(4)
"""Batches over which something has to be nonzero at least once: a hinge is flat here and there."""

CLASS_COUNTS = (1, 2, 10, 200)

LARGE = 1e3
"""Features of a discriminator that has run away are this many times larger than usual ones."""

PLAYERS = ("discriminator_loss", "generator_loss")
"""The methods of a loss, by which messages name the players."""


def over(trials: Iterable[Trial], check: Callable[[Trial], None]) -> None:
    """Make a check of every trial; what it says names the options. Skipped if it was skipped for all."""
    skipped: list[SkipTest | None] = []
    for trial in trials:
        prefix = f"with {trial.told}: " if trial.told else ""
        try:
            check(trial)
            skipped.append(None)
        except SkipTest as skip:
            skipped.append(skip)
        except AssertionError as error:
            raise AssertionError(prefix + str(error)) from error
        except Exception as error:
            raise AssertionError(f"{prefix}raised {type(error).__name__}: {error}") from error
    if skipped and skipped[0] is not None and None not in skipped:
        raise skipped[0]


Self = TypeVar("Self", bound="LossChecks")


def each_variant(check: Callable[[Self, Trial], None]) -> Callable[[Self], None]:
    """A check that is made for every choice of the loss's options."""

    def every(self: Self) -> None:
        over(self.trials(), lambda trial: check(self, trial))

    # Not functools.wraps: pytest would see the wrapped signature, and look for a fixture "trial".
    every.__name__, every.__qualname__, every.__doc__ = check.__name__, check.__qualname__, check.__doc__
    return every


class LossChecks(Conformance):
    """Base of the classes that check a loss: its choices of options.

    Class attributes:
        variants: choices of options to check, the defaults being ``{}``; unless given, the defaults and each other
            choice of each option that has named ones. They go on top of ``options``.
    """

    variants: ClassVar[Sequence[Mapping[str, Any]] | None] = None

    def trials(self) -> Iterator[Trial]:
        """The loss with each choice of options; one that contradicts ``options`` is left out."""
        chosen = variants(self.spec.config) if self.variants is None else self.variants
        for options in chosen:
            try:
                config = self.config(**options)
            except ValueError:
                if self.variants is not None or not options:
                    raise
                continue
            yield Trial(self.spec, config, described(options))


def of_steady_losses(check: Callable[[Self, Trial], None]) -> Callable[[Self, Trial], None]:
    """A check that compares calls; where it fails for a loss that draws random numbers, another one says so."""

    def compare(self: Self, trial: Trial) -> None:
        try:
            check(self, trial)
        except AssertionError:
            if draws(trial):
                raise SkipTest("the losses draw random numbers: see no_global_random_numbers") from None
            raise

    compare.__name__, compare.__qualname__, compare.__doc__ = check.__name__, check.__qualname__, check.__doc__
    return compare


def draws(trial: Trial) -> bool:
    """Whether computing the losses moves a random number generator that all share."""
    objective = trial.objective()
    try:
        with seeded(0), untouched("it"):
            losses(objective, *trial.batches(objective))
    except AssertionError:
        return True
    except Exception:  # another check says so
        return False
    return False


def check_finite(objective: Objective, real: Batch, fake: Batch, where: str) -> None:
    """Both losses' terms, and their gradients in features and heads, are finite."""
    heads = trainable(objective)
    with kept(objective):
        for method, terms in losses(objective, real, fake).items():
            for name, term in terms.items():
                assert term.isfinite().all(), f"{method}, {name} is {term.tolist()}: {where}"
            leaves = [real.features, fake.features, *heads]
            finite = all(gradient.isfinite().all() for gradient in gradients(total(terms), leaves))
            assert finite, f"{method} is finite, but has a gradient that is not: {where}"


def check_close(one: Tensor, two: Tensor, problem: str, tolerance: float = TOLERANCE) -> None:
    """Two results are equal, to a tolerance that is relative and absolute."""
    if not torch.allclose(one, two, rtol=tolerance, atol=tolerance):
        raise AssertionError(f"{problem} (off by {(one - two).abs().max().item():.3g})")


def count_of_classes(count: int) -> str:
    """A number of classes in words."""
    return "1 class" if count == 1 else f"{count} classes"


def score_of(objective: Objective, batch: Batch) -> Tensor | None:
    """The score of a batch, where the loss defines one."""
    try:
        return objective.score(batch.features, batch.labels)
    except NotImplementedError:
        return None


def calls(objective: Objective, real: Batch, fake: Batch) -> dict[str, Callable[[], object]]:
    """Everything that the engine may call, by name."""
    used = real if objective.uses_real_in_generator_loss else None
    return {
        "discriminator_loss": lambda: objective.discriminator_loss(real, fake),
        "generator_loss": lambda: objective.generator_loss(fake, used),
        "score": lambda: score_of(objective, fake),
    }
