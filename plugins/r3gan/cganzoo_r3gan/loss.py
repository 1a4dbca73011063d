"""R3GAN: the relativistic pairing loss; the score is the inner product of the features and a class embedding."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from cganzoo import BuildContext
from cganzoo.objective import Batch, Objective, Terms

from .config import R3GANConfig


class R3GAN(Objective):
    """The discriminator raises the score of a real image above that of a fake of its class; the generator the opposite.

    Section 2 of arXiv:2501.05441. It needs gradient penalties on real and fake images: the regularizers ``r1`` and
    ``r2``.
    """

    uses_real_in_generator_loss = True
    fake_labels = "paired"

    def __init__(self, config: R3GANConfig, context: BuildContext) -> None:
        super().__init__()
        self.embedding = nn.Embedding(context.num_classes, context.features)
        nn.init.normal_(self.embedding.weight, std=context.features**-0.5)  # a score is about as large as a feature

    def discriminator_loss(self, real: Batch, fake: Batch) -> Terms:
        """f(D(G(z), y) - D(x, y)) with f(t) = log(1 + e^t)."""
        return {"relativistic": F.softplus(self._scores(fake) - self._scores(real)).mean()}

    def generator_loss(self, fake: Batch, real: Batch | None = None) -> Terms:
        """The same with real and fake exchanged."""
        assert real is not None
        return {"relativistic": F.softplus(self._scores(real) - self._scores(fake)).mean()}

    def _scores(self, batch: Batch) -> Tensor:
        return self.score(batch.features, batch.labels)

    def score(self, features: Tensor, labels: Tensor) -> Tensor:
        """D(x, y) = <e_y, phi(x)>: features (N, D) and labels (N,) to (N,)."""
        class_embedding: Tensor = self.embedding(labels)
        return (class_embedding * features).sum(1)
