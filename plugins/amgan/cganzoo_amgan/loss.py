"""AM-GAN: one softmax over K real classes and one fake class; the generator's target is one real class."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cganzoo import BuildContext
from cganzoo.objective import Batch, Objective, Terms

from .config import AMGANConfig


class AMGAN(Objective):
    """Maximise the probability of one real class among K + 1 classes (arXiv:1703.02000, eq. 14 and 15)."""

    def __init__(self, config: AMGANConfig, context: BuildContext) -> None:
        super().__init__()
        self.classes, self.labeling = context.num_classes, config.labeling
        self.logits = nn.Linear(context.features, self.classes + 1)

    def discriminator_loss(self, real: Batch, fake: Batch) -> Terms:
        """Cross-entropy of the class on real samples, and of class K (fake) on fakes."""
        fake_class = torch.full_like(fake.labels, self.classes)
        return {
            "real": F.cross_entropy(self.logits(real.features), real.labels),
            "fake": F.cross_entropy(self.logits(fake.features), fake_class),
        }

    def generator_loss(self, fake: Batch, real: Batch | None = None) -> Terms:
        """Cross-entropy of the target class on fakes."""
        logits = self.logits(fake.features)
        return {"activation": F.cross_entropy(logits, self.target(logits, fake.labels))}

    def target(self, logits: Tensor, labels: Tensor) -> Tensor:
        """The target class (N,) of each sample, always a real class, from logits (N, K + 1) and labels (N,)."""
        return labels if self.labeling == "predefined" else logits[:, :-1].argmax(1)

    def score(self, features: Tensor, labels: Tensor) -> Tensor:
        """Log-odds (N,) of the target class against the fake class, from features (N, D) and labels (N,)."""
        logits: Tensor = self.logits(features)
        return logits.gather(1, self.target(logits, labels)[:, None])[:, 0] - logits[:, -1]
