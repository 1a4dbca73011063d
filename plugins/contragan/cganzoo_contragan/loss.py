"""ContraGAN: a real/fake loss, and a contrastive loss that uses the classes of the samples (2C)."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from cganzoo import BuildContext
from cganzoo.functional import (
    adversarial_fake,
    adversarial_generator,
    adversarial_real,
    conditional_contrastive,
    realness,
)
from cganzoo.objective import Batch, Objective, Terms

from .config import ContraGANConfig


class ContraGAN(Objective):
    """Real/fake loss and 2C: on real samples for the discriminator, on fakes for the generator (arXiv:2006.12681)."""

    relational = True

    weight: float | Tensor
    temperature: float | Tensor

    def __init__(self, config: ContraGANConfig, context: BuildContext) -> None:
        super().__init__()
        self.rule = config.adversarial
        self.realness = nn.Linear(context.features, 1)
        self.embedding = nn.Linear(context.features, config.embedding_dim)
        self.proxies = nn.Embedding(context.num_classes, config.embedding_dim)
        nn.init.orthogonal_(self.proxies.weight)  # unit length, and as far apart as possible
        self.hold(weight=config.weight, temperature=config.temperature)

    def discriminator_loss(self, real: Batch, fake: Batch) -> Terms:
        """See :class:`~cganzoo.objective.Objective`."""
        return {
            "real": adversarial_real(self.rule, self.output(real.features)),
            "fake": adversarial_fake(self.rule, self.output(fake.features)),
            "contrastive_real": self.weight * self.contrastive(real),
        }

    def generator_loss(self, fake: Batch, real: Batch | None = None) -> Terms:
        """See :class:`~cganzoo.objective.Objective`."""
        return {
            "adversarial": adversarial_generator(self.rule, self.output(fake.features)),
            "contrastive_fake": self.weight * self.contrastive(fake),
        }

    def contrastive(self, batch: Batch) -> Tensor:
        """2C loss of a batch, a scalar."""
        embeddings = F.normalize(self.embedding(batch.features), dim=1)
        proxies = F.normalize(self.proxies(batch.labels), dim=1)
        return conditional_contrastive(embeddings, proxies, batch.labels, self.temperature)

    def output(self, features: Tensor) -> Tensor:
        """The output (N,) of the real/fake head."""
        output: Tensor = self.realness(features)
        return output.squeeze(1)

    def score(self, features: Tensor, labels: Tensor) -> Tensor:
        """The real/fake score (N,); it does not depend on the class."""
        return realness(self.rule, self.output(features))
