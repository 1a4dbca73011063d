"""LabelGAN: one softmax over K real classes and one fake class; the generator's samples may have any real class."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cganzoo import BuildContext
from cganzoo.objective import Batch, Objective, Terms

from .config import LabelGANConfig


class LabelGAN(Objective):
    """K + 1 classes in the discriminator; the generator avoids the fake class (arXiv:1703.02000, eq. 2 to 5)."""

    def __init__(self, config: LabelGANConfig, context: BuildContext) -> None:
        super().__init__()
        self.classes = context.num_classes
        self.logits = nn.Linear(context.features, self.classes + 1)

    def discriminator_loss(self, real: Batch, fake: Batch) -> Terms:
        """Cross-entropy of the class on real samples, and of class K (fake) on fakes."""
        fake_class = torch.full_like(fake.labels, self.classes)
        return {
            "real": F.cross_entropy(self.logits(real.features), real.labels),
            "fake": F.cross_entropy(self.logits(fake.features), fake_class),
        }

    def generator_loss(self, fake: Batch, real: Batch | None = None) -> Terms:
        """-log D_r, where D_r is the sum of the probabilities of the real classes."""
        return {"adversarial": F.softplus(-self.score(fake.features, fake.labels)).mean()}

    def score(self, features: Tensor, labels: Tensor) -> Tensor:
        """Log-odds (N,) of real against fake; its sigmoid is D_r."""
        logits: Tensor = self.logits(features)
        return logits[:, :-1].logsumexp(1) - logits[:, -1]
