"""Reference of the regularizers: the formulas of the papers, one sample at a time; the tests compare the rest with it.

D is a score of one image (C, H, W) and its class, and G makes one image of one latent and a class. Random numbers are
arguments: one of each sample.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import torch
from torch import Tensor

D = Callable[[Tensor, Tensor], Tensor]
G = Callable[[Tensor, Tensor], Tensor]
Pairs = Iterable[tuple[Tensor, Tensor]]
"""Images with classes, or latents with classes."""


def mean(values: Iterable[Tensor]) -> Tensor:
    """The mean of scalars."""
    values = list(values)
    return torch.stack(values).sum() / len(values)


def squared_norm(x: Tensor) -> Tensor:
    """|x|^2 of a tensor of any shape."""
    return (x * x).sum()


def gradient(d: D, x: Tensor, y: Tensor) -> Tensor:
    """The gradient of D at one image, of its shape."""
    x = x.detach().requires_grad_()
    (slopes,) = torch.autograd.grad(d(x, y), x, create_graph=True)
    return slopes


def half_squared_slope(d: D, batch: Pairs) -> Tensor:
    """arXiv:1801.04406, eq. 9 (real images) and 10 (fakes): E |grad D(x)|^2 / 2."""
    return mean(squared_norm(gradient(d, x, y)) / 2 for x, y in batch)


def distance_from_slope(d: D, points: Pairs, slope: float) -> Tensor:
    """E (|grad D(x)| - slope)^2."""
    return mean((squared_norm(gradient(d, x, y)).sqrt() - slope) ** 2 for x, y in points)


def between(real: Tensor, fake: Tensor, shares: Tensor) -> Iterator[Tensor]:
    """arXiv:1704.00028, algorithm 1: e x + (1 - e) G(z), with e of U(0, 1) for each pair."""
    for x, other, e in zip(real, fake, shares.flatten(), strict=True):
        yield e * x + (1 - e) * other


def near(real: Tensor, uniform: Tensor, shares: Tensor, noise: float) -> Iterator[Tensor]:
    """Points of arXiv:1705.07215 as in the authors' code: x + a (noise std(x) u), with u of U(0, 1) for each pixel."""
    deviation = ((real - real.mean()) ** 2).sum().div(real.numel() - 1).sqrt()
    for x, u, a in zip(real, uniform, shares.flatten(), strict=True):
        yield x + a * (noise * deviation * u)


def view(image: Tensor, down: int, right: int, mirrored: bool) -> Tensor:
    """An image (C, H, W) moved by whole pixels, with repeated edges, and mirrored then; pixel by pixel."""
    _, height, width = image.shape
    result = torch.empty_like(image)
    for row in range(height):
        for column in range(width):
            to = width - 1 - column if mirrored else column
            from_row, from_column = min(max(row - down, 0), height - 1), min(max(column - right, 0), width - 1)
            result[:, row, to] = image[:, from_row, from_column]
    return result


def consistency(d: D, batch: Pairs, views: Iterable[Tensor]) -> Tensor:
    """arXiv:1910.12027: E |D(x) - D(T(x))|^2; D may also give the features of the trunk."""
    return mean(squared_norm(d(x, y) - d(other, y)) for (x, y), other in zip(batch, views, strict=True))


def latent_consistency(d: D, g: G, latents: Pairs, noises: Tensor) -> Tensor:
    """arXiv:2002.04724, algorithm 2, of the discriminator: E |D(G(z)) - D(G(T(z)))|^2."""
    pairs = zip(latents, noises, strict=True)
    return mean(squared_norm(d(g(z, y), y) - d(g(z + noise, y), y)) for (z, y), noise in pairs)


def latent_diversity(g: G, latents: Pairs, noises: Tensor) -> Tensor:
    """arXiv:2002.04724, algorithm 2, of the generator: -E |G(z) - G(T(z))|^2, per pixel."""
    pairs = zip(latents, noises, strict=True)
    return -mean(squared_norm(g(z, y) - g(z + noise, y)) / g(z, y).numel() for (z, y), noise in pairs)


def moving_average(means: list[Tensor], decay: float) -> Tensor:
    """The mean of the means of all batches until now, of which the one s batches ago counts decay^s."""
    weights = [decay**s for s in range(len(means))]
    total = sum((weight * value for weight, value in zip(weights, reversed(means), strict=True)), torch.zeros(()))
    return total / sum(weights)


def lecam(of_real: Tensor, of_fake: Tensor, real_average: Tensor, fake_average: Tensor, *, one_sided: bool) -> Tensor:
    """arXiv:2104.03310, R_LC: E (D(x) - a_F)^2 + E (D(G(z)) - a_R)^2, of scores (N,) and averages."""
    real = [s - fake_average for s in of_real if not one_sided or s > fake_average]
    fake = [s - real_average for s in of_fake if not one_sided or s < real_average]
    zero = of_real.sum() * 0
    return sum((d**2 for d in real), zero) / len(of_real) + sum((d**2 for d in fake), zero) / len(of_fake)


def orthogonal(matrices: Iterable[Tensor]) -> Tensor:
    """arXiv:1809.11096, section 3.1: the sum of |W^T W * (1 - I)|^2, where the columns of W are the filters."""
    total = torch.zeros(())
    for weight in matrices:
        for i, one in enumerate(weight):
            for j, other in enumerate(weight):
                if i != j:
                    total = total + (one * other).sum() ** 2
    return total
