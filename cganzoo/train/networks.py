"""The networks of a training step, as losses and regularizers may use them: :class:`cganzoo.objective.Networks`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any

from torch import Tensor, nn

from cganzoo.augmentation import Augmentation
from cganzoo.networks import Discriminator, Generator
from cganzoo.objective import Batch, Objective

from .freeze import frozen


class StepNetworks:
    """Implements :class:`cganzoo.objective.Networks`.

    Args:
        trained: the modules that the step trains. The generator is frozen here if it is not one of them; trunk and
            heads are frozen by the caller of the generator's step.
        autocast: makes the context in which the networks work, for inputs like a tensor.
    """

    def __init__(
        self,
        generator: Generator,
        trunk: Discriminator,
        objective: Objective,
        augmentations: Sequence[Augmentation],
        trained: Sequence[nn.Module],
        autocast: Callable[[Tensor], AbstractContextManager[Any]],
    ) -> None:
        self._generator, self._trunk, self._objective = generator, trunk, objective
        self._augmentations, self._trained, self._autocast = augmentations, trained, autocast

    def features(self, images: Tensor) -> Tensor:
        """See :class:`cganzoo.objective.Networks`."""
        with self._autocast(images):
            features: Tensor = self._trunk(images)
        return features.to(images.dtype)

    def score(self, images: Tensor, labels: Tensor) -> Tensor:
        """See :class:`cganzoo.objective.Networks`."""
        return self._objective.score(self.features(images), labels)

    def score_of(self, batch: Batch) -> Tensor:
        """See :class:`cganzoo.objective.Networks`."""
        return self._objective.score(batch.features, batch.labels)

    def images(self, latents: Tensor, labels: Tensor) -> Tensor:
        """See :class:`cganzoo.objective.Networks`."""
        return self._generated(self._generator, latents, labels)

    def mapped(self, latents: Tensor, labels: Tensor) -> Tensor:
        """See :class:`cganzoo.objective.Networks`."""
        return self._generated(self._generator.mapped, latents, labels)

    def synthesized(self, codes: Tensor, labels: Tensor) -> Tensor:
        """See :class:`cganzoo.objective.Networks`."""
        return self._generated(self._generator.synthesized, codes, labels)

    def _generated(self, function: Callable[..., Tensor], inputs: Tensor, labels: Tensor) -> Tensor:
        other = () if self._generator in self._trained else self._generator.parameters()
        # A graph keeps what required a gradient when it was made, so the parameters need not stay frozen.
        with frozen(other), self._autocast(inputs):
            return function(inputs, labels).to(inputs.dtype)

    def augmented(self, images: Tensor) -> Tensor:
        """See :class:`cganzoo.objective.Networks`."""
        for augmentation in self._augmentations:
            images = augmentation(images)
        return images

    def parameters(self) -> Iterator[tuple[str, nn.Parameter]]:
        """See :class:`cganzoo.objective.Networks`."""
        for module in self._trained:
            yield from module.named_parameters()
