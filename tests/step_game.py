"""A small game of two players in float64, whose loss calls a function of the test in each step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from cganzoo.networks import Discriminator, Generator
from cganzoo.objective import Batch, Networks, Objective, Terms
from cganzoo.train.steps import DiscriminatorStep, GeneratorStep, update

N, CLASSES, SIZE = 6, 3, 4
Look = Callable[..., Any]


class SmoothGenerator(Generator):
    latent_dim, conditional = 5, True

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(5 + CLASSES, SIZE * SIZE)

    def forward(self, z: Tensor, labels: Tensor) -> Tensor:
        one_hot = nn.functional.one_hot(labels, CLASSES).to(z.dtype)
        out: Tensor = self.linear(torch.cat([z, one_hot], 1))
        return out.tanh().view(-1, 1, SIZE, SIZE)


class SmoothTrunk(Discriminator):
    feature_dim = 7

    def __init__(self, batch_statistics: bool = False) -> None:
        super().__init__()
        self.batch_statistics = batch_statistics
        self.linear = nn.Linear(SIZE * SIZE, 7)
        self.seen: list[Tensor] = []

    def forward(self, images: Tensor) -> Tensor:
        self.seen.append(images.detach().clone())
        features: Tensor = self.linear(images.flatten(1))
        features = nn.functional.softplus(features)
        return features - features.mean(0) if self.batch_statistics else features


class Looking(Objective):
    """A critic that calls a function of the test in each loss."""

    uses_real_in_generator_loss = True
    uses_networks = True

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(7, CLASSES)
        self.look: Look = lambda player, real, fake, networks: {}

    def score(self, features: Tensor, labels: Tensor) -> Tensor:
        scores: Tensor = self.head(features).gather(1, labels[:, None])[:, 0]
        return scores

    def discriminator_loss(self, real: Batch, fake: Batch, networks: Networks | None = None) -> Terms:
        score = self.score(fake.features, fake.labels).mean() - self.score(real.features, real.labels).mean()
        return {"score": score, **(self.look("discriminator", real, fake, networks) or {})}

    def generator_loss(self, fake: Batch, real: Batch | None = None, networks: Networks | None = None) -> Terms:
        score = -self.score(fake.features, fake.labels).mean()
        return {"score": score, **(self.look("generator", real, fake, networks) or {})}


class Game:
    """Two players, a batch, and the two steps in float64."""

    def __init__(self, look: Look | None = None, *, statistics: bool = False, autocast: bool = False, **extras: Any):
        torch.manual_seed(0)
        self.generator, self.trunk, self.objective = SmoothGenerator(), SmoothTrunk(statistics), Looking()
        dtype = torch.float32 if autocast else torch.float64
        for player in (self.generator, self.trunk, self.objective):
            player.to(dtype)
        if look is not None:
            self.objective.look = look
        players = (self.generator, self.trunk, self.objective)
        self.steps: dict[str, Any] = {
            "discriminator": DiscriminatorStep(*players, autocast=autocast, **extras),
            "generator": GeneratorStep(*players, autocast=autocast, **extras),
        }
        self.images, self.labels = torch.rand(N, 1, SIZE, SIZE, dtype=dtype) * 2 - 1, torch.arange(N) % CLASSES
        self.z, self.fake_labels = torch.randn(N, 5, dtype=dtype), torch.arange(N).flip(0) % CLASSES
        self.critic = [*self.trunk.parameters(), *self.objective.parameters()]

    def step(self, player: str, due: tuple[bool, ...] | None = None, **options: Any) -> dict[str, Tensor]:
        """One update at rate 0, so that only gradients are left behind."""
        real, fake = (self.images, self.labels), (self.z, self.fake_labels)
        own = list(self.generator.parameters()) if player == "generator" else self.critic
        for weight in (*self.generator.parameters(), *self.critic):
            weight.grad = None
        inputs = (*real, *fake, due) if player == "discriminator" else (*fake, *real, due)
        freeze = self.critic if player == "generator" else ()
        return update(self.steps[player], torch.optim.SGD(own, 0.0), *inputs, freeze=freeze, **options)

    def fakes(self) -> Tensor:
        images: Tensor = self.generator(self.z, self.fake_labels).detach()
        return images


def slopes(batch: Batch, networks: Networks, *, create_graph: bool = False) -> Tensor:
    (slope,) = torch.autograd.grad(
        networks.score_of(batch).sum(), batch.images, create_graph=create_graph, retain_graph=True
    )
    return slope
