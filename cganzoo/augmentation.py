"""Base class of augmentations: random changes of all images that the discriminator sees in training."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from .scheduled import Scheduled


class Augmentation(Scheduled):
    """A random, differentiable change of images, applied to real and fake images before the trunk, in both steps.

    Random numbers come from torch's global generator, anew for each sample and each call. An augmentation has no
    parameters. Its buffers are saved in checkpoints.
    """

    def forward(self, images: Tensor) -> Tensor:
        """Change images (N, C, H, W), for which the range [-1, 1] is usual, to images of the same shape and type."""
        raise NotImplementedError

    def observe(self, scores: Tensor) -> None:
        """Receive the loss's scores (N,) of the real images after each loss of the discriminator, without gradient.

        For an augmentation that adapts its strength. Override it to change buffers only, and never wait for the device:
        no ``item()``. A loss without a score is refused if this method is overridden.
        """

    def logged(self) -> Mapping[str, Tensor]:
        """Scalar tensors to log by name, such as a probability that adapts. Override it; names begin with its own."""
        return {}
