"""Drawing images from a trained generator: the same seed gives the same images."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from cganzoo.networks import Generator

STANDING_BATCHES, STANDING_BATCH_SIZE = 20, 100
BATCH_STATISTICS = f"standing ({STANDING_BATCHES} x {STANDING_BATCH_SIZE})"
"""How batch normalisation is evaluated unless a recipe says otherwise; part of the fingerprint of a score."""


def ready_to_sample(generator: Generator, num_classes: int) -> Generator:
    """A copy in evaluation mode whose batch normalisation has standing statistics.

    The running statistics of averaged weights belong to other weights. So they are measured again on new noise with a
    fixed seed ("standing statistics" of arXiv:1809.11096, appendix).
    """
    ready = copy.deepcopy(generator).eval()
    if norms := batch_norms(ready):
        momenta = [norm.momentum for norm in norms]
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # a plain mean over the batches
            norm.train()
        with torch.inference_mode():
            for z, labels in noise(
                ready, STANDING_BATCHES * STANDING_BATCH_SIZE, STANDING_BATCH_SIZE, num_classes, seed=0
            ):
                ready(z, labels)
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
            norm.eval()
    return ready


def batch_norms(generator: Generator) -> list[nn.modules.batchnorm._BatchNorm]:
    """The modules that normalise a batch, and have running statistics."""
    norms = [module for module in generator.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    return [norm for norm in norms if norm.running_mean is not None]


def noise(
    generator: Generator,
    count: int,
    batch_size: int,
    num_classes: int,
    *,
    seed: int,
    classes: Sequence[int] | None = None,
) -> Iterator[tuple[Tensor, Tensor]]:
    """Batches of noise (N, L) and labels (N,) on the generator's device.

    The labels are ``classes`` (default: all) in turn, so that each is equally frequent. The noise comes from a random
    generator on the CPU, so that every device draws the same images.
    """
    device = next(generator.parameters()).device
    random = torch.Generator().manual_seed(seed)
    turn = torch.tensor(range(num_classes) if classes is None else classes)
    # Drawn at once, so that the images do not depend on the batch size.
    z = generator.sample_latent(count, torch.device("cpu"), random)
    labels = turn[torch.arange(count) % len(turn)]
    for start in range(0, count, batch_size):
        part = slice(start, start + batch_size)
        yield z[part].to(device), labels[part].to(device)


@torch.inference_mode()
def samples(
    generator: Generator,
    count: int,
    batch_size: int,
    num_classes: int,
    *,
    seed: int,
    classes: Sequence[int] | None = None,
) -> Iterator[tuple[Tensor, Tensor | None]]:
    """Batches of images (N, C, H, W) in [-1, 1] and their requested classes (N,).

    ``generator`` comes from :func:`ready_to_sample`. The classes are ``None`` if the generator is unconditional.
    """
    for z, labels in noise(generator, count, batch_size, num_classes, seed=seed, classes=classes):
        yield generator(z, labels).float(), labels if generator.conditional else None
