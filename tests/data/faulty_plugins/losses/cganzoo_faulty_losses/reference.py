"""The sound loss written naively."""

from __future__ import annotations

import torch

from cganzoo.testing.adversarial import naive_fake, naive_generator, naive_real


def scores(batch, heads):
    return [(heads["realness.weight"] @ x + heads["realness.bias"])[0] for x in batch.features]


def class_term(batch, heads):
    losses = []
    for x, y in zip(batch.features, batch.labels.tolist(), strict=True):
        powers = torch.exp(heads["classifier.weight"] @ x + heads["classifier.bias"])
        losses.append(-torch.log(powers[y] / powers.sum()))
    return torch.stack(losses).mean()


def discriminator_loss(heads, real, fake, config):
    return {
        "real": naive_real("logistic", scores(real, heads)),
        "fake": naive_fake("logistic", scores(fake, heads)),
        "class": config.weight * class_term(real, heads),
    }


def generator_loss(heads, fake, config, real=None):
    return {
        "adversarial": naive_generator("logistic", scores(fake, heads)),
        "class": config.weight * class_term(fake, heads),
    }
