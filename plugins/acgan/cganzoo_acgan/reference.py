"""Reference of the AC-GAN family: the formulas, one sample at a time; the tests compare ``loss.py`` with it."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from cganzoo import value_at
from cganzoo.objective import Batch
from cganzoo.testing.adversarial import naive_fake, naive_generator, naive_real

from .config import ACGANConfig, GANConfig, GANStarConfig

Heads = Mapping[str, Tensor]


def scores(batch: Batch, heads: Heads) -> list[Tensor]:
    """The real/fake logit of each sample; its sigmoid is D_r(x)."""
    return [(heads["realness.weight"] @ x + heads["realness.bias"])[0] for x in batch.features]


def classify(x: Tensor, heads: Heads) -> Tensor:
    """C(x): the K class probabilities of one feature vector (D,)."""
    powers = torch.exp(heads["classifier.weight"] @ x + heads["classifier.bias"])
    return powers / powers.sum()


def target(x: Tensor, y: int, heads: Heads, labeling: str) -> int:
    """Target class of a fake."""
    probabilities = classify(x, heads).tolist()
    return y if labeling == "predefined" else probabilities.index(max(probabilities))


def class_fake(heads: Heads, fake: Batch, labeling: str) -> Tensor:
    """E_G[H(u(y), C(x))]."""
    pairs = zip(fake.features, fake.labels.tolist(), strict=True)
    losses = [-torch.log(classify(x, heads)[target(x, y, heads, labeling)]) for x, y in pairs]
    return torch.stack(losses).mean()


class Formula:
    """The formulas of one loss of the family, by its name; schedules are evaluated at step 0."""

    def __init__(self, name: str) -> None:
        self.name = name

    def discriminator_loss(self, heads: Heads, real: Batch, fake: Batch, config: GANConfig) -> dict[str, Tensor]:
        """arXiv:1703.02000: eq. 1 (GAN), eq. 8 and 9 (AC-GAN*), section 2.2 (AC-GAN), eq. 20 (AC-GAN*+)."""
        terms = {
            "real": naive_real(config.adversarial, scores(real, heads)),
            "fake": naive_fake(config.adversarial, scores(fake, heads)),
        }
        if isinstance(config, (GANStarConfig, ACGANConfig)):
            weight = value_at(config.discriminator_class_weight, 0, 1)
            pairs = zip(real.features, real.labels.tolist(), strict=True)
            losses = [-torch.log(classify(x, heads)[y]) for x, y in pairs]
            terms["class_real"] = weight * torch.stack(losses).mean()
            if self.name == "acgan" and isinstance(config, ACGANConfig):
                terms["class_fake"] = weight * class_fake(heads, fake, config.labeling)
            if self.name == "acgan_star_plus":
                uniform = 1 / len(heads["classifier.bias"])
                losses = [-(uniform * torch.log(classify(x, heads))).sum() for x in fake.features]
                terms["undecided"] = weight * torch.stack(losses).mean()
        return terms

    def generator_loss(
        self, heads: Heads, fake: Batch, config: GANConfig, real: Batch | None = None
    ) -> dict[str, Tensor]:
        """arXiv:1703.02000: -log D_r for all losses; eq. 6 and 7 add the class term of the AC-GANs."""
        terms = {"adversarial": naive_generator(config.adversarial, scores(fake, heads))}
        if isinstance(config, ACGANConfig):
            weight = value_at(config.generator_class_weight, 0, 1)
            terms["class_fake"] = weight * class_fake(heads, fake, config.labeling)
        return terms
