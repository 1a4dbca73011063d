"""The regularizers of a run: each with its weight, its interval, and the names of its terms in the log."""

from __future__ import annotations

from collections.abc import Iterable

from torch import Tensor

from cganzoo.config import Schedule
from cganzoo.objective import Batch, Networks, Terms
from cganzoo.regularizer import Regularizer
from cganzoo.scheduled import Scheduled

CLASH = "_regularizer"
"""Ending of the name of a term that another term has, too."""


class Weighted(Scheduled):
    """A regularizer with its weight and its interval.

    Args:
        name: of the component.
        number: how many regularizers of this name the recipe has before this one.
        weight: factor of its terms.
        every: it is computed at each k-th update of a player, with k times the weight.
    """

    weight: float | Tensor

    def __init__(
        self, regularizer: Regularizer, name: str, number: int = 0, *, weight: float | Schedule = 1.0, every: int = 1
    ) -> None:
        super().__init__()
        self.regularizer, self.name, self.every = regularizer, name, every
        self._suffix = f"_{number + 1}" if number else ""
        self._penalizes = {
            "discriminator": type(regularizer).discriminator_penalty is not Regularizer.discriminator_penalty,
            "generator": type(regularizer).generator_penalty is not Regularizer.generator_penalty,
        }
        self.hold(weight=weight)

    def advance(self, step: int, total_steps: int) -> None:
        """See :class:`Scheduled`."""
        super().advance(step, total_steps)
        self.regularizer.advance(step, total_steps)

    def is_due(self, player: str, update: int) -> bool:
        """Whether it has a penalty that is computed in this update of a player, counted from 0."""
        return self._penalizes[player] and update % self.every == 0

    def of_discriminator(self, real: Batch, fake: Batch, networks: Networks) -> Terms:
        """The weighted terms of the discriminator, by their names in the log."""
        return self._weighted(self.regularizer.discriminator_penalty(real, fake, networks))

    def of_generator(self, fake: Batch, networks: Networks, real: Batch | None) -> Terms:
        """The weighted terms of the generator, by their names in the log."""
        given = real if self.regularizer.uses_real_in_generator_loss else None
        return self._weighted(self.regularizer.generator_penalty(fake, networks, given))

    def _weighted(self, terms: Terms) -> Terms:
        return {self.label(name): self.weight * term for name, term in terms.items()}

    def label(self, term: str) -> str:
        """The name of a term in the log."""
        named = term if f"{term}_".startswith(f"{self.name}_") else f"{self.name}_{term}"
        return f"{named}{self._suffix}"

    def match(self, label: str) -> int:
        """How many letters of a name in the log are its own: 0 if it is not the name of one of its terms."""
        rest = label.removeprefix(self.name).removesuffix(CLASH)
        own = label.startswith(self.name) and rest[:1] in ("", "_") and rest.endswith(self._suffix)
        return len(self.name) + len(self._suffix) if own else 0


def merged(terms: Terms, due: Iterable[tuple[Weighted, Terms]]) -> tuple[dict[str, Tensor], list[Tensor]]:
    """All terms by name for the log, and those to sum for the gradient, where a lazy term counts several times."""
    logged, summed = dict(terms), list(terms.values())
    for weighted, more in due:
        for name, term in more.items():
            while name in logged:
                name += CLASH
            logged[name] = term
            summed.append(term if weighted.every == 1 else weighted.every * term)
    return logged, summed
