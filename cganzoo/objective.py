"""What a loss plugin subclasses: the Objective owns its heads on the trunk's features, and the two losses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Protocol

import torch
from torch import Tensor, nn

from .config import Schedule, value_at

Terms = Mapping[str, Tensor]
"""Named scalar tensors, already weighted. Their sum is minimised; each is logged by its name."""


@dataclass(frozen=True)
class Batch:
    """Images with what the discriminator saw in them.

    Attributes:
        images: (N, C, H, W), in [-1, 1].
        labels: (N,) int64: the class of a real image; the class that a fake was asked for. An unconditional
            generator was not told these labels.
        features: (N, D), the trunk's output for ``images``.
    """

    images: Tensor
    labels: Tensor
    features: Tensor


class Objective(nn.Module):
    """A loss: the heads it needs on the trunk's features, and the two losses on them.

    The engine adds the head's parameters to the discriminator's optimizer. It calls :meth:`discriminator_loss` with
    fakes that carry no gradient to the generator, and :meth:`generator_loss` with the discriminator frozen, so a loss
    needs no ``detach`` to keep the two players apart.

    Class attributes:
        uses_real_in_generator_loss: the generator's loss needs a real batch; it is then passed as ``real``.
        fake_labels: ``"sampled"``, classes of fakes drawn uniformly, or ``"paired"``, those of the real batch.
        relational: the loss compares samples of the batch with each other, so a batch must not be cut in pieces.
    """

    uses_real_in_generator_loss: ClassVar[bool] = False
    fake_labels: ClassVar[Literal["sampled", "paired"]] = "sampled"
    relational: ClassVar[bool] = False

    def __init__(self) -> None:
        super().__init__()
        self._schedules: dict[str, Schedule] = {}

    def discriminator_loss(self, real: Batch, fake: Batch) -> Terms:
        """What the trunk and the heads minimise."""
        raise NotImplementedError

    def generator_loss(self, fake: Batch, real: Batch | None = None) -> Terms:
        """What the generator minimises. ``real`` is given when ``uses_real_in_generator_loss``."""
        raise NotImplementedError

    def score(self, features: Tensor, labels: Tensor) -> Tensor:
        """How real each sample looks as a member of its class: (N, D), (N,) to (N,). Optional."""
        raise NotImplementedError(f"{type(self).__name__} defines no realness score")

    def hold(self, **scalars: float | Schedule) -> None:
        """Set each hyper-parameter as an attribute: a number stays one, a schedule becomes a scalar that moves.

        ``self.hold(temperature=config.temperature)`` makes ``self.temperature`` right at every step. A scheduled
        value is a 0-dimensional buffer, so a compiled step sees it change without being compiled again.
        """
        for name, scalar in scalars.items():
            if isinstance(scalar, Schedule):
                self.register_buffer(name, torch.tensor(scalar.start), persistent=False)
                self._schedules[name] = scalar
            else:
                setattr(self, name, scalar)

    def advance(self, step: int, total_steps: int) -> None:
        """Move the scheduled hyper-parameters to ``step``; the engine calls this before each step."""
        for name, schedule in self._schedules.items():
            self.get_buffer(name).fill_(value_at(schedule, step, total_steps))


class Reference(Protocol):
    """A loss's formula written naively, as in its paper, for the tests; a module with these two functions is one.

    ``heads`` are the parameters and buffers of the :class:`Objective` by name; ``config`` is its options. The terms
    must be called as the objective calls them.
    """

    def discriminator_loss(self, heads: Mapping[str, Tensor], real: Batch, fake: Batch, config: Any) -> Terms:
        """What :meth:`Objective.discriminator_loss` must equal."""

    def generator_loss(self, heads: Mapping[str, Tensor], fake: Batch, config: Any, real: Batch | None = None) -> Terms:
        """What :meth:`Objective.generator_loss` must equal."""
