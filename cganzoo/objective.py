"""Base class of losses: an Objective has heads on the trunk's features, and computes the two losses."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from torch import Tensor, nn

from .scheduled import Scheduled

Terms = Mapping[str, Tensor]
"""Scalar tensors by name, already weighted. Their sum is minimised, and each is logged under its name."""


@dataclass(frozen=True)
class Batch:
    """Images with their labels and features.

    Attributes:
        images: (N, C, H, W), in [-1, 1], as the trunk saw them: after the augmentations of the recipe, if it has any.
        labels: (N,) int64: the class of a real image, or the class requested for a fake one. An unconditional
            generator does not use them.
        features: (N, D), the trunk's output for ``images``.
        latents: (N, L), the noise that fakes were made from; ``None`` for real images.
    """

    images: Tensor
    labels: Tensor
    features: Tensor
    latents: Tensor | None = None


class Networks(Protocol):
    """The networks of a training step, for second views of images and for new samples.

    It is the same in the step of the discriminator and in that of the generator. Only the player of the step is
    trained: no gradient reaches the parameters of the other one, but gradients pass through both to images and latents.
    The networks work in the precision of the step, and everything that is returned is in that of the batches. A trunk
    whose features depend on the other samples sees each call as a batch of its own.
    """

    def features(self, images: Tensor) -> Tensor:
        """The trunk's features (N, D) of images (N, C, H, W), which are not augmented here."""

    def score(self, images: Tensor, labels: Tensor) -> Tensor:
        """How real images (N, C, H, W) look as members of their classes (N,): (N,), by the loss's ``score``."""

    def score_of(self, batch: Batch) -> Tensor:
        """The score (N,) of a batch, from the features that it has: no second pass of the trunk."""

    def images(self, latents: Tensor, labels: Tensor) -> Tensor:
        """The generator's images (N, C, H, W), not augmented, for latents (N, L) and labels (N,)."""

    def mapped(self, latents: Tensor, labels: Tensor) -> Tensor:
        """The codes (N, ..., D) that the generator makes images from; the latents themselves for most generators."""

    def synthesized(self, codes: Tensor, labels: Tensor) -> Tensor:
        """The generator's images (N, C, H, W), not augmented, for such codes and the same labels."""

    def augmented(self, images: Tensor) -> Tensor:
        """Images with the recipe's augmentations, drawn anew: as the trunk sees them in the step."""

    def parameters(self) -> Iterator[tuple[str, nn.Parameter]]:
        """Names and parameters of the player that the step trains: trunk and heads, or the generator."""


@dataclass(frozen=True)
class ParameterGroup:
    """Parameters of a loss that are trained with a learning rate of their own.

    Attributes:
        parameters: some parameters of the loss.
        lr_factor: factor of the discriminator's learning rate, at every step.
    """

    parameters: Iterable[nn.Parameter]
    lr_factor: float = 1.0


class Objective(Scheduled):
    """A loss: its heads on the trunk's features, and the losses of discriminator and generator.

    The engine adds the heads' parameters to the discriminator's optimizer. It calls :meth:`discriminator_loss` with
    fakes that pass no gradient to the generator, and :meth:`generator_loss` with the discriminator frozen, so a loss
    need not call ``detach``.

    Attributes:
        uses_real_in_generator_loss: :meth:`generator_loss` needs a real batch, and receives it as ``real``.
        fake_labels: labels of the fakes: ``"sampled"`` (drawn by the engine) or ``"paired"`` (those of the real batch).
        relational: the loss compares samples of the batch with each other, so a batch must not be split.
        uses_image_gradients: the loss differentiates features with respect to ``images``, which then require gradients;
            or with respect to points of its own, by the :class:`Networks`.
        uses_networks: both losses get the :class:`Networks` of the step, as the keyword argument ``networks``.
        stochastic: the losses draw random numbers, from torch's global generator only; a checkpoint keeps its state.

    The class declares its attributes, or sets them in ``__init__`` if the options decide them.
    """

    uses_real_in_generator_loss: bool = False
    fake_labels: Literal["sampled", "paired"] = "sampled"
    relational: bool = False
    uses_image_gradients: bool = False
    uses_networks: bool = False
    stochastic: bool = False

    def discriminator_loss(self, real: Batch, fake: Batch) -> Terms:
        """The terms that the trunk and the heads minimise.

        With ``uses_networks``, override it with one more parameter: ``networks: Networks | None = None``.
        """
        raise NotImplementedError

    def generator_loss(self, fake: Batch, real: Batch | None = None) -> Terms:
        """The terms that the generator minimises. ``real`` is given if ``uses_real_in_generator_loss``.

        With ``uses_networks``, override it with one more parameter: ``networks: Networks | None = None``.
        """
        raise NotImplementedError

    def score(self, features: Tensor, labels: Tensor) -> Tensor:
        """How real each sample looks as a member of its class, (N,), from features (N, D) and labels (N,).

        Positive for samples that are more likely real than fake: where the paper gives a probability, its log-odds. A
        loss without a score cannot be combined with regularizers and augmentations that need one.
        """
        raise NotImplementedError(f"{type(self).__name__} defines no realness score")

    def parameter_groups(self) -> Iterable[ParameterGroup]:
        """The heads' parameters in groups with learning rates of their own. Override it to change the rates."""
        return [ParameterGroup(list(self.parameters()))]


class Reference(Protocol):
    """A loss's formula written plainly, as in its paper, for the tests: a module with these two functions.

    ``heads`` are the parameters and buffers of the :class:`Objective` by name, ``config`` its options. A formula may
    use the images of the batches, too. The terms must have the same names as the objective's. For a loss with
    ``uses_networks``, both functions get ``networks``, too.
    """

    def discriminator_loss(self, heads: Mapping[str, Tensor], real: Batch, fake: Batch, config: Any) -> Terms:
        """The expected result of :meth:`Objective.discriminator_loss`."""

    def generator_loss(self, heads: Mapping[str, Tensor], fake: Batch, config: Any, real: Batch | None = None) -> Terms:
        """The expected result of :meth:`Objective.generator_loss`."""
