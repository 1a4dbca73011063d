"""The AC-GAN family written naively, one sample at a time, under the logistic rule: what the tests compare with."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from cganzoo.objective import Batch

Heads = Mapping[str, Tensor]


def probability_real(x: Tensor, heads: Heads) -> Tensor:
    """D_r(x) of one feature vector (D,)."""
    logit = (heads["realness.weight"] @ x + heads["realness.bias"])[0]
    return 1 / (1 + torch.exp(-logit))


def classify(x: Tensor, heads: Heads) -> Tensor:
    """C(x): the K class probabilities of one feature vector (D,)."""
    powers = torch.exp(heads["classifier.weight"] @ x + heads["classifier.bias"])
    return powers / powers.sum()


def target(x: Tensor, y: int, heads: Heads, labeling: str) -> int:
    """The class that a fake is pushed to."""
    probabilities = classify(x, heads).tolist()
    return y if labeling == "predefined" else probabilities.index(max(probabilities))


def class_fake(heads: Heads, fake: Batch, labeling: str) -> Tensor:
    """E_G[H(u(y), C(x))]."""
    pairs = zip(fake.features, fake.labels.tolist(), strict=True)
    losses = [-torch.log(classify(x, heads)[target(x, y, heads, labeling)]) for x, y in pairs]
    return torch.stack(losses).mean()


def discriminator_loss(
    name: str, heads: Heads, real: Batch, fake: Batch, class_weight: float = 1.0, labeling: str = "predefined"
) -> dict[str, Tensor]:
    """arXiv:1703.02000: eq. 1 (GAN), eq. 8 and 9 (AC-GAN*), section 2.2 (AC-GAN), eq. 20 (AC-GAN*+)."""
    terms = {
        "real": torch.stack([-torch.log(probability_real(x, heads)) for x in real.features]).mean(),
        "fake": torch.stack([-torch.log(1 - probability_real(x, heads)) for x in fake.features]).mean(),
    }
    if name != "gan":
        pairs = zip(real.features, real.labels.tolist(), strict=True)
        losses = [-torch.log(classify(x, heads)[y]) for x, y in pairs]
        terms["class_real"] = class_weight * torch.stack(losses).mean()
    if name == "acgan":
        terms["class_fake"] = class_weight * class_fake(heads, fake, labeling)
    if name == "acgan_star_plus":
        uniform = 1 / len(heads["classifier.bias"])
        losses = [-(uniform * torch.log(classify(x, heads))).sum() for x in fake.features]
        terms["undecided"] = class_weight * torch.stack(losses).mean()
    return terms


def generator_loss(
    name: str, heads: Heads, fake: Batch, class_weight: float = 1.0, labeling: str = "predefined"
) -> dict[str, Tensor]:
    """arXiv:1703.02000: -log D_r for all; eq. 6 and 7 add the class term of the AC-GANs."""
    terms = {"adversarial": torch.stack([-torch.log(probability_real(x, heads)) for x in fake.features]).mean()}
    if name.startswith("acgan"):
        terms["class_fake"] = class_weight * class_fake(heads, fake, labeling)
    return terms
