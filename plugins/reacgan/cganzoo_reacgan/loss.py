"""ReACGAN: AC-GAN with a classifier on the unit hypersphere and a cross-entropy between samples (D2D-CE)."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cganzoo import BuildContext
from cganzoo.functional import adversarial_fake, adversarial_generator, adversarial_real, realness
from cganzoo.objective import Batch, Objective, Terms

from .config import ReACGANConfig


def d2d_ce(
    embeddings: Tensor,
    proxies: Tensor,
    labels: Tensor,
    *,
    margin_positive: float | Tensor,
    margin_negative: float | Tensor,
    temperature: float | Tensor,
    form: Literal["paper", "released"] = "paper",
) -> Tensor:
    """Data-to-data cross-entropy (arXiv:2111.01118); a scalar.

    The loss pulls each sample to the proxy of its class until their cosine is ``margin_positive``, and pushes it away
    from each sample of another class while their cosine is above ``margin_negative``.

    Args:
        embeddings: (N, E), unit length.
        proxies: (N, E), unit length: the proxy of each sample's class.
        labels: (N,) int64.
        margin_positive: cosine, m_p.
        margin_negative: cosine, m_n.
        temperature: divisor of the cosines; above 0.
        form: ``"released"`` subtracts the largest similarity of a row from the negatives of this row, but not from the
            positive. The authors' code subtracts it for numerical stability, but does not add it again later. This
            multiplies the negatives by exp(-max).
    """
    positive = -F.relu(margin_positive - (embeddings * proxies).sum(1, keepdim=True)) / temperature
    similarity = (embeddings @ embeddings.T - margin_negative) / temperature
    negative = F.relu(similarity)
    if form == "released":
        itself = torch.eye(len(labels), dtype=torch.bool, device=labels.device)
        negative = negative - similarity.detach().masked_fill(itself, float("-inf")).amax(1, keepdim=True)
    same_class = labels[:, None] == labels[None, :]
    negative = negative.masked_fill(same_class, float("-inf"))
    return (torch.cat([positive, negative], 1).logsumexp(1) - positive.squeeze(1)).mean()


class ReACGAN(Objective):
    """Real/fake loss and D2D-CE: on real samples for the discriminator, on fakes for the generator."""

    relational = True

    weight: float | Tensor
    temperature: float | Tensor
    margin_positive: float | Tensor
    margin_negative: float | Tensor

    def __init__(self, config: ReACGANConfig, context: BuildContext) -> None:
        super().__init__()
        self.rule, self.form = config.adversarial, config.form
        self.realness = nn.Linear(context.features, 1)
        self.embedding = nn.Linear(context.features, config.embedding_dim)
        self.proxies = nn.Embedding(context.num_classes, config.embedding_dim)
        nn.init.orthogonal_(self.proxies.weight)  # unit length, and as far apart as possible
        self.hold(weight=config.weight, temperature=config.temperature, margin_positive=config.margin_positive)
        self.tied_margins = config.margin_negative is None
        if config.margin_negative is not None:
            self.hold(margin_negative=config.margin_negative)

    def discriminator_loss(self, real: Batch, fake: Batch) -> Terms:
        """See :class:`~cganzoo.objective.Objective`."""
        return {
            "real": adversarial_real(self.rule, self.output(real.features)),
            "fake": adversarial_fake(self.rule, self.output(fake.features)),
            "d2d_ce_real": self.weight * self.d2d_ce(real),
        }

    def generator_loss(self, fake: Batch, real: Batch | None = None) -> Terms:
        """See :class:`~cganzoo.objective.Objective`."""
        return {
            "adversarial": adversarial_generator(self.rule, self.output(fake.features)),
            "d2d_ce_fake": self.weight * self.d2d_ce(fake),
        }

    def d2d_ce(self, batch: Batch) -> Tensor:
        """D2D-CE of a batch, a scalar."""
        return d2d_ce(
            F.normalize(self.embedding(batch.features), dim=1),
            F.normalize(self.proxies(batch.labels), dim=1),
            batch.labels,
            margin_positive=self.margin_positive,
            margin_negative=1 - self.margin_positive if self.tied_margins else self.margin_negative,
            temperature=self.temperature,
            form=self.form,
        )

    def output(self, features: Tensor) -> Tensor:
        """The output (N,) of the real/fake head."""
        output: Tensor = self.realness(features)
        return output.squeeze(1)

    def score(self, features: Tensor, labels: Tensor) -> Tensor:
        """The real/fake score (N,); it does not depend on the class."""
        return realness(self.rule, self.output(features))
