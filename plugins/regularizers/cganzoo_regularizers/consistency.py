"""The discriminator shall see no difference between an image and its mirrored and moved view."""

from __future__ import annotations

from torch import Tensor

from cganzoo import BuildContext
from cganzoo.objective import Batch, Networks, Terms
from cganzoo.regularizer import Regularizer

from .config import BCRConfig, CRConfig
from .views import in_pixels, second_view


class CR(Regularizer):
    """Consistency regularization of real images: E |D(x) - D(T(x))|^2 (arXiv:1910.12027)."""

    stochastic = True

    def __init__(self, config: CRConfig, context: BuildContext) -> None:
        super().__init__()
        self.flip, self.shift = config.flip, in_pixels(config.shift, context.image_size)
        self.uses_score = config.of == "score"

    def discriminator_penalty(self, real: Batch, fake: Batch, networks: Networks) -> Terms:
        """See :class:`cganzoo.regularizer.Regularizer`."""
        return {"cr": self.difference(real, networks)}

    def difference(self, batch: Batch, networks: Networks) -> Tensor:
        """E |D(x) - D(T(x))|^2, a scalar; D is the score of the loss, or the features of the trunk."""
        view = second_view(batch.images.detach(), flip=self.flip, shift=self.shift)
        if self.uses_score:
            return (networks.score_of(batch) - networks.score(view, batch.labels)).square().mean()
        return (batch.features - networks.features(view)).square().sum(1).mean()


class BCR(CR):
    """Balanced consistency regularization: of real images and of fakes (arXiv:2002.04724, algorithm 1)."""

    fake_factor: float | Tensor

    def __init__(self, config: BCRConfig, context: BuildContext) -> None:
        super().__init__(config, context)
        self.hold(fake_factor=config.fake_factor)

    def discriminator_penalty(self, real: Batch, fake: Batch, networks: Networks) -> Terms:
        """See :class:`cganzoo.regularizer.Regularizer`."""
        return {
            "bcr_real": self.difference(real, networks),
            "bcr_fake": self.fake_factor * self.difference(fake, networks),
        }
