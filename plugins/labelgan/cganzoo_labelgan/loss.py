"""LabelGAN: K real classes and one fake class in a single softmax; the generator may answer with any real class."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cganzoo import BuildContext
from cganzoo.objective import Batch, Objective, Terms

from .config import LabelGANConfig


class LabelGAN(Objective):
    """The discriminator has K + 1 classes, the generator leaves the last one (arXiv:1703.02000, eq. 2 to 5)."""

    def __init__(self, config: LabelGANConfig, context: BuildContext) -> None:
        super().__init__()
        self.classes = context.num_classes
        self.logits = nn.Linear(context.features, self.classes + 1)

    def discriminator_loss(self, real: Batch, fake: Batch) -> Terms:
        """Classify real samples as their class, and fakes as class K."""
        fake_class = torch.full_like(fake.labels, self.classes)
        return {
            "real": F.cross_entropy(self.logits(real.features), real.labels),
            "fake": F.cross_entropy(self.logits(fake.features), fake_class),
        }

    def generator_loss(self, fake: Batch, real: Batch | None = None) -> Terms:
        """-log D_r, where D_r is the probability of all real classes together."""
        return {"adversarial": F.softplus(-self.score(fake.features, fake.labels)).mean()}

    def score(self, features: Tensor, labels: Tensor) -> Tensor:
        """Log-odds of all real classes together against the fake class: D_r is its sigmoid."""
        logits: Tensor = self.logits(features)
        return logits[:, :-1].logsumexp(1) - logits[:, -1]
