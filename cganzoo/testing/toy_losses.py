"""The smallest losses that a regularizer can be combined with, which differ in what the engine does for them."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cganzoo.objective import Batch, Objective, Terms


class ToyLogistic(Objective):
    """The logistic loss with the score s(x, y) = w.x + e_y.x, of a trunk's features x (Miyato and Koyama, 2018)."""

    def __init__(self, num_classes: int, feature_dim: int) -> None:
        super().__init__()
        self.realness = nn.Linear(feature_dim, 1)
        self.classes = nn.Linear(feature_dim, num_classes, bias=False)

    def discriminator_loss(self, real: Batch, fake: Batch) -> Terms:
        """See :class:`cganzoo.objective.Objective`."""
        real_scores, fake_scores = (self.score(batch.features, batch.labels) for batch in (real, fake))
        return {"real": F.softplus(-real_scores).mean(), "fake": F.softplus(fake_scores).mean()}

    def generator_loss(self, fake: Batch, real: Batch | None = None) -> Terms:
        """See :class:`cganzoo.objective.Objective`."""
        return {"adversarial": F.softplus(-self.score(fake.features, fake.labels)).mean()}

    def score(self, features: Tensor, labels: Tensor) -> Tensor:
        """See :class:`cganzoo.objective.Objective`."""
        own = self.classes(features).gather(1, labels[:, None])
        score: Tensor = (self.realness(features) + own).squeeze(1)
        return score


class ToyPaired(ToyLogistic):
    """The relativistic loss of pairs of a real image and a fake of its class (Jolicoeur-Martineau, 2019)."""

    uses_real_in_generator_loss = True
    fake_labels = "paired"

    def discriminator_loss(self, real: Batch, fake: Batch) -> Terms:
        """See :class:`cganzoo.objective.Objective`."""
        return {"relativistic": F.softplus(self._gap(fake, real)).mean()}

    def generator_loss(self, fake: Batch, real: Batch | None = None) -> Terms:
        """See :class:`cganzoo.objective.Objective`."""
        assert real is not None
        return {"relativistic": F.softplus(self._gap(real, fake)).mean()}

    def _gap(self, one: Batch, other: Batch) -> Tensor:
        return self.score(one.features, one.labels) - self.score(other.features, other.labels)


class ToyWithoutScore(Objective):
    """A classifier with one more class, for fakes (Salimans et al., 2016). It defines no score."""

    def __init__(self, num_classes: int, feature_dim: int) -> None:
        super().__init__()
        self.classes = nn.Linear(feature_dim, num_classes + 1)

    def discriminator_loss(self, real: Batch, fake: Batch) -> Terms:
        """See :class:`cganzoo.objective.Objective`."""
        last = torch.full_like(fake.labels, self.classes.out_features - 1)
        real_loss = F.cross_entropy(self.classes(real.features), real.labels)
        return {"real": real_loss, "fake": F.cross_entropy(self.classes(fake.features), last)}

    def generator_loss(self, fake: Batch, real: Batch | None = None) -> Terms:
        """See :class:`cganzoo.objective.Objective`."""
        return {"adversarial": F.cross_entropy(self.classes(fake.features), fake.labels)}
