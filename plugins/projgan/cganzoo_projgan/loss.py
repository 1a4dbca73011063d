"""ProjGAN: the score is an unconditional term plus the inner product of the features and a class embedding."""

from __future__ import annotations

from torch import Tensor, nn

from cganzoo import BuildContext
from cganzoo.functional import adversarial_fake, adversarial_generator, adversarial_real, realness
from cganzoo.objective import Batch, Objective, Terms

from .config import ProjGANConfig


class ProjGAN(Objective):
    """Projection discriminator: psi(phi(x)) + w <e_y, phi(x)> (arXiv:1802.05637, where w is 1)."""

    class_weight: float | Tensor

    def __init__(self, config: ProjGANConfig, context: BuildContext) -> None:
        super().__init__()
        self.rule = config.adversarial
        self.hold(class_weight=config.class_weight)
        self.psi = nn.Linear(context.features, 1)
        self.embedding = nn.Embedding(context.num_classes, context.features)
        nn.init.xavier_uniform_(self.embedding.weight)  # with nn.Embedding's default N(0, 1), this term is too large

    def discriminator_loss(self, real: Batch, fake: Batch) -> Terms:
        """See :class:`~cganzoo.objective.Objective`."""
        return {
            "real": adversarial_real(self.rule, self.output(real.features, real.labels)),
            "fake": adversarial_fake(self.rule, self.output(fake.features, fake.labels)),
        }

    def generator_loss(self, fake: Batch, real: Batch | None = None) -> Terms:
        """See :class:`~cganzoo.objective.Objective`."""
        return {"adversarial": adversarial_generator(self.rule, self.output(fake.features, fake.labels))}

    def output(self, features: Tensor, labels: Tensor) -> Tensor:
        """s(x, y): features (N, D) and labels (N,) to (N,)."""
        unconditional: Tensor = self.psi(features).squeeze(1)
        class_embedding: Tensor = self.embedding(labels)
        return unconditional + self.class_weight * (class_embedding * features).sum(1)

    def score(self, features: Tensor, labels: Tensor) -> Tensor:
        """Score of each sample given its class: features (N, D) and labels (N,) to (N,)."""
        return realness(self.rule, self.output(features, labels))
