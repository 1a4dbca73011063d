"""Functions that several losses share."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from .config import AdversarialRule


def adversarial_real(rule: AdversarialRule, score: Tensor) -> Tensor:
    """The discriminator's loss on the scores (N,) of real samples; a scalar."""
    if rule == "hinge":
        return F.relu(1 - score).mean()
    if rule == "logistic":
        return F.softplus(-score).mean()
    if rule == "least_squares":
        return (score - 1).square().mean() / 2
    return -score.mean()


def adversarial_fake(rule: AdversarialRule, score: Tensor) -> Tensor:
    """The discriminator's loss on the scores (N,) of fake samples; a scalar."""
    if rule == "hinge":
        return F.relu(1 + score).mean()
    if rule == "logistic":
        return F.softplus(score).mean()
    if rule == "least_squares":
        return score.square().mean() / 2
    return score.mean()


def adversarial_generator(rule: AdversarialRule, score: Tensor) -> Tensor:
    """The generator's loss on the scores (N,) of its samples; a scalar. ``logistic`` is the non-saturating form."""
    if rule == "logistic":
        return F.softplus(-score).mean()
    if rule == "least_squares":
        return (score - 1).square().mean() / 2
    return -score.mean()


def realness(rule: AdversarialRule, output: Tensor) -> Tensor:
    """The score (N,) of outputs (N,) that a rule trains: positive if a sample is more likely real than fake.

    The targets of ``least_squares`` are 1 and 0, so 1/2 is subtracted. ``wasserstein`` trains differences only: the
    zero of its score has no meaning.
    """
    return output - 0.5 if rule == "least_squares" else output


def conditional_contrastive(embeddings: Tensor, proxies: Tensor, labels: Tensor, temperature: float | Tensor) -> Tensor:
    """The conditional contrastive (2C) loss of arXiv:2006.12681, eq. 8; a scalar.

    It attracts each sample to the proxy and the samples of its class, and repels it from all other samples.

    Args:
        embeddings: (N, E), unit length.
        proxies: (N, E), unit length; the proxy of each sample's class.
        labels: (N,) int64.
        temperature: divides the cosines; above 0.
    """
    to_proxy = (embeddings * proxies).sum(1, keepdim=True) / temperature
    diagonal = torch.eye(len(labels), dtype=torch.bool, device=labels.device)
    to_others = (embeddings @ embeddings.T / temperature).masked_fill(diagonal, float("-inf"))
    other_class = labels[:, None] != labels[None, :]
    to_own_class = to_others.masked_fill(other_class, float("-inf"))
    pulled = torch.cat([to_proxy, to_own_class], 1).logsumexp(1)
    pushed = torch.cat([to_proxy, to_others], 1).logsumexp(1)
    return (pushed - pulled).mean()
