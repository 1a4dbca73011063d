"""Base class of losses: an Objective has heads on the trunk's features, and computes the two losses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Protocol

import torch
from torch import Tensor, nn

from .config import Schedule, value_at

Terms = Mapping[str, Tensor]
"""Scalar tensors by name, already weighted. Their sum is minimised, and each is logged under its name."""


@dataclass(frozen=True)
class Batch:
    """Images with their labels and features.

    Attributes:
        images: (N, C, H, W), in [-1, 1].
        labels: (N,) int64: the class of a real image, or the class requested for a fake one. An unconditional
            generator does not use them.
        features: (N, D), the trunk's output for ``images``.
    """

    images: Tensor
    labels: Tensor
    features: Tensor


class Objective(nn.Module):
    """A loss: its heads on the trunk's features, and the losses of discriminator and generator.

    The engine adds the heads' parameters to the discriminator's optimizer. It calls :meth:`discriminator_loss` with
    fakes that pass no gradient to the generator, and :meth:`generator_loss` with the discriminator frozen, so a loss
    need not call ``detach``.

    Class attributes:
        uses_real_in_generator_loss: :meth:`generator_loss` needs a real batch, and receives it as ``real``.
        fake_labels: labels of the fakes: ``"sampled"`` (drawn uniformly) or ``"paired"`` (those of the real batch).
        relational: the loss compares samples of the batch with each other, so a batch must not be split.
    """

    uses_real_in_generator_loss: ClassVar[bool] = False
    fake_labels: ClassVar[Literal["sampled", "paired"]] = "sampled"
    relational: ClassVar[bool] = False

    def __init__(self) -> None:
        super().__init__()
        self._schedules: dict[str, Schedule] = {}

    def discriminator_loss(self, real: Batch, fake: Batch) -> Terms:
        """The terms that the trunk and the heads minimise."""
        raise NotImplementedError

    def generator_loss(self, fake: Batch, real: Batch | None = None) -> Terms:
        """The terms that the generator minimises. ``real`` is given if ``uses_real_in_generator_loss``."""
        raise NotImplementedError

    def score(self, features: Tensor, labels: Tensor) -> Tensor:
        """How real each sample looks as a member of its class, (N,), from features (N, D) and labels (N,). Optional."""
        raise NotImplementedError(f"{type(self).__name__} defines no realness score")

    def hold(self, **scalars: float | Schedule) -> None:
        """Set each hyper-parameter as an attribute that has the right value at every step.

        After ``self.hold(temperature=config.temperature)``, use ``self.temperature``. A number stays a number. A
        schedule becomes a 0-dimensional buffer, so a compiled step sees new values without being compiled again.
        """
        for name, scalar in scalars.items():
            if isinstance(scalar, Schedule):
                self.register_buffer(name, torch.tensor(scalar.start), persistent=False)
                self._schedules[name] = scalar
            else:
                setattr(self, name, scalar)

    def advance(self, step: int, total_steps: int) -> None:
        """Set the scheduled hyper-parameters to their values at ``step``; the engine calls this before each step."""
        for name, schedule in self._schedules.items():
            self.get_buffer(name).fill_(value_at(schedule, step, total_steps))


class Reference(Protocol):
    """A loss's formula written plainly, as in its paper, for the tests: a module with these two functions.

    ``heads`` are the parameters and buffers of the :class:`Objective` by name, ``config`` its options. A formula may
    use the images of the batches, too. The terms must have the same names as the objective's.
    """

    def discriminator_loss(self, heads: Mapping[str, Tensor], real: Batch, fake: Batch, config: Any) -> Terms:
        """The expected result of :meth:`Objective.discriminator_loss`."""

    def generator_loss(self, heads: Mapping[str, Tensor], fake: Batch, config: Any, real: Batch | None = None) -> Terms:
        """The expected result of :meth:`Objective.generator_loss`."""
