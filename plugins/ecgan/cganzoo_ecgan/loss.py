"""ECGAN: one head of K logits f is used as conditional score, as unconditional energy and as classifier."""

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

from .config import ECGANConfig


class ECGAN(Objective):
    """Energy-based conditional GAN (arXiv:2111.01035): f_y is log p(x | y), h = logsumexp f is log p(x)."""

    alpha: float | Tensor
    lambda_clf: float | Tensor

    def __init__(self, config: ECGANConfig, context: BuildContext) -> None:
        super().__init__()
        self.rule, self.combine = config.adversarial, config.combine
        self.logits = nn.Linear(context.features, context.num_classes)
        self.hold(alpha=config.alpha, lambda_clf=config.lambda_clf)

    def discriminator_loss(self, real: Batch, fake: Batch) -> Terms:
        """L_d1 + alpha L_d2 + lambda_clf L_clf: conditional loss, unconditional loss, classifier on real samples."""
        f_real, f_fake = self.logits(real.features), self.logits(fake.features)
        terms = {
            "real": adversarial_real(self.rule, self.score_of(f_real, real.labels)),
            "fake": adversarial_fake(self.rule, self.score_of(f_fake, fake.labels)),
            "class_real": self.lambda_clf * F.cross_entropy(f_real, real.labels),
        }
        if self.combine == "losses":
            terms["unconditional_real"] = self.alpha * adversarial_real(self.rule, f_real.logsumexp(1))
            terms["unconditional_fake"] = self.alpha * adversarial_fake(self.rule, f_fake.logsumexp(1))
        return terms

    def generator_loss(self, fake: Batch, real: Batch | None = None) -> Terms:
        """L_g1 + alpha L_g2, without a class term."""
        f = self.logits(fake.features)
        terms = {"adversarial": adversarial_generator(self.rule, self.score_of(f, fake.labels))}
        if self.combine == "losses":
            terms["unconditional"] = self.alpha * adversarial_generator(self.rule, f.logsumexp(1))
        return terms

    def score_of(self, f: Tensor, labels: Tensor) -> Tensor:
        """f_y, or f_y + alpha h if logits are combined: logits (N, K) and labels (N,) to (N,)."""
        f_y = f.gather(1, labels[:, None]).squeeze(1)
        return f_y + self.alpha * f.logsumexp(1) if self.combine == "logits" else f_y

    def score(self, features: Tensor, labels: Tensor) -> Tensor:
        """Score of each sample given its class: features (N, D) and labels (N,) to (N,)."""
        return realness(self.rule, self.score_of(self.logits(features), labels))


class ContrastiveECGAN(ECGAN):
    """ECGAN with a contrastive loss between samples, which replaces the entropy term (E)."""

    relational = True

    lambda_c: float | Tensor
    temperature: float | Tensor

    def __init__(self, config: ECGANConfig, context: BuildContext) -> None:
        super().__init__(config, context)
        self.embedding = nn.Linear(context.features, config.embedding_dim)
        self.proxies = nn.Embedding(context.num_classes, config.embedding_dim)
        nn.init.orthogonal_(self.proxies.weight)  # unit length, and as far apart as possible
        self.hold(lambda_c=config.lambda_c, temperature=config.temperature)

    def discriminator_loss(self, real: Batch, fake: Batch) -> Terms:
        """ECGAN's terms + lambda_c L_C on real samples."""
        return {**super().discriminator_loss(real, fake), "contrastive_real": self.lambda_c * self.contrastive(real)}

    def generator_loss(self, fake: Batch, real: Batch | None = None) -> Terms:
        """ECGAN's terms + lambda_c L_C on fakes."""
        return {**super().generator_loss(fake, real), "contrastive_fake": self.lambda_c * self.contrastive(fake)}

    def contrastive(self, batch: Batch) -> Tensor:
        """L_C of a batch, a scalar."""
        embeddings = F.normalize(self.embedding(batch.features), dim=1)
        proxies = F.normalize(self.proxies(batch.labels), dim=1)
        return conditional_contrastive(embeddings, proxies, batch.labels, self.temperature)


def build(config: ECGANConfig, context: BuildContext) -> ECGAN:
    """ECGAN, or :class:`ContrastiveECGAN` if ``lambda_c`` is not 0."""
    return ContrastiveECGAN(config, context) if config.lambda_c != 0 else ECGAN(config, context)
