"""The two step modules: which player each one moves, what the trunk is shown, and in which precision."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from cganzoo.networks import Discriminator, Generator
from cganzoo.objective import Batch, Objective, Terms
from cganzoo.train.steps import DiscriminatorStep, GeneratorStep, update

N, CLASSES, SIZE = 6, 3, 4


class LinearGenerator(Generator):
    latent_dim, conditional = 5, True

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(5 + CLASSES, SIZE * SIZE)

    def forward(self, z: Tensor, labels: Tensor) -> Tensor:
        told = nn.functional.one_hot(labels, CLASSES).to(z.dtype)
        out: Tensor = self.linear(torch.cat([z, told], 1))
        return out.tanh().view(-1, 1, SIZE, SIZE)


class LinearTrunk(Discriminator):
    feature_dim = 7

    def __init__(self, batch_statistics: bool = False) -> None:
        super().__init__()
        self.batch_statistics = batch_statistics
        self.linear = nn.Linear(SIZE * SIZE, 7)
        self.passes: list[Tensor] = []

    def forward(self, images: Tensor) -> Tensor:
        self.passes.append(images.detach())
        features: Tensor = self.linear(images.flatten(1))
        return features - features.mean(0) if self.batch_statistics else features


class Recorder(Objective):
    """A hinge-free critic that keeps what it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(7, CLASSES)
        self.seen: dict[str, Batch] = {}
        self.precision: list[torch.dtype] = []

    def score(self, features: Tensor, labels: Tensor) -> Tensor:
        logits: Tensor = self.head(features)
        self.precision.append(logits.dtype)
        return logits.gather(1, labels[:, None])[:, 0]

    def discriminator_loss(self, real: Batch, fake: Batch) -> Terms:
        self.seen = {"real": real, "fake": fake}
        return {
            "real": -self.score(real.features, real.labels).mean(),
            "fake": self.score(fake.features, fake.labels).square().mean(),
        }

    def generator_loss(self, fake: Batch, real: Batch | None = None) -> Terms:
        self.seen = {"fake": fake} | ({} if real is None else {"real": real})
        terms = {"adversarial": -self.score(fake.features, fake.labels).mean()}
        return terms if real is None else terms | {"relative": self.score(real.features, real.labels).mean()}


class Game:
    """Two players and a batch for each step."""

    def __init__(self, *, batch_statistics: bool = False, autocast: bool = False) -> None:
        torch.manual_seed(0)
        self.generator, self.trunk, self.objective = LinearGenerator(), LinearTrunk(batch_statistics), Recorder()
        players = (self.generator, self.trunk, self.objective)
        self.discriminator_step = DiscriminatorStep(*players, autocast=autocast)
        self.generator_step = GeneratorStep(*players, autocast=autocast)
        self.images, self.labels = torch.rand(N, 1, SIZE, SIZE) * 2 - 1, torch.arange(N) % CLASSES
        self.z, self.fake_labels = torch.randn(N, 5), torch.arange(N).flip(0) % CLASSES

    def discriminator(self) -> Any:
        return self.discriminator_step(self.images, self.labels, self.z, self.fake_labels)

    def freeze(self) -> None:
        """What the engine does around the generator's step."""
        for module in (self.trunk, self.objective):
            module.requires_grad_(False)


def gradients(module: nn.Module) -> list[bool]:
    return [parameter.grad is not None and bool(parameter.grad.any()) for parameter in module.parameters()]


def test_the_discriminators_loss_moves_trunk_and_heads_only() -> None:
    game = Game()
    game.discriminator()[0].backward()
    assert all(gradients(game.trunk))
    assert all(gradients(game.objective))
    assert all(parameter.grad is None for parameter in game.generator.parameters())


@pytest.mark.parametrize("with_real", [False, True])
def test_the_generators_loss_moves_the_generator_only(with_real: bool) -> None:
    game = Game()
    game.freeze()
    real = (game.images, game.labels) if with_real else ()
    game.objective.uses_real_in_generator_loss = with_real
    game.generator_step(game.z, game.fake_labels, *real)[0].backward()
    assert all(gradients(game.generator))
    assert all(parameter.grad is None for module in (game.trunk, game.objective) for parameter in module.parameters())
    assert game.objective.seen.keys() == ({"fake", "real"} if with_real else {"fake"})


def test_an_update_changes_one_player_only() -> None:
    game = Game()
    discriminator = [*game.trunk.parameters(), *game.objective.parameters()]
    generator = list(game.generator.parameters())
    fixed = discriminator[0].requires_grad_(False)

    def changed(update: Callable[[], object]) -> tuple[list[bool], list[bool]]:
        players = discriminator[1:], generator
        before = [[parameter.detach().clone() for parameter in player] for player in players]
        update()
        one, two = (
            [not torch.equal(*pair) for pair in zip(player, old, strict=True)]
            for player, old in zip(players, before, strict=True)
        )
        return one, two

    inputs = game.images, game.labels, game.z, game.fake_labels
    optimizer = torch.optim.SGD(discriminator[1:], 0.1)
    one, two = changed(lambda: update(game.discriminator_step, optimizer, *inputs))
    assert (all(one), any(two)) == (True, False)
    optimizer = torch.optim.SGD(generator, 0.1)
    gradients_before = [parameter.grad for parameter in discriminator]
    one, two = changed(lambda: update(game.generator_step, optimizer, game.z, game.fake_labels, freeze=discriminator))
    assert (any(one), all(two)) == (False, True)
    assert all(parameter.grad is old for parameter, old in zip(discriminator, gradients_before, strict=True))
    assert [id(parameter) for parameter in discriminator if not parameter.requires_grad] == [id(fixed)]


def test_a_step_registers_what_it_trains_and_nothing_else() -> None:
    game = Game()
    trained = {id(parameter) for module in (game.trunk, game.objective) for parameter in module.parameters()}
    assert {id(parameter) for parameter in game.discriminator_step.parameters()} == trained
    assert {id(parameter) for parameter in game.generator_step.parameters()} == {
        id(parameter) for parameter in game.generator.parameters()
    }
    game.discriminator_step.eval()
    assert game.generator.training, "train() of one step leaves the other player alone"


@pytest.mark.parametrize("batch_statistics", [False, True])
def test_batch_statistics_see_real_and_fake_apart_other_trunks_together(batch_statistics: bool) -> None:
    game = Game(batch_statistics=batch_statistics)
    game.discriminator()
    fakes = game.generator(game.z, game.fake_labels).detach()
    expected = [game.images, fakes] if batch_statistics else [torch.cat([game.images, fakes])]
    torch.testing.assert_close(game.trunk.passes, expected)
    for name, images in (("real", game.images), ("fake", fakes)):
        torch.testing.assert_close(game.objective.seen[name].features, game.trunk(images))


def test_the_objective_gets_images_labels_and_features_that_belong_together() -> None:
    game = Game()
    loss, terms = game.discriminator()
    real, fake = game.objective.seen["real"], game.objective.seen["fake"]
    assert real.images is game.images
    assert (real.labels is game.labels, fake.labels is game.fake_labels) == (True, True)
    torch.testing.assert_close(fake.images, game.generator(game.z, game.fake_labels).detach())
    torch.testing.assert_close(loss, terms["real"] + terms["fake"])
    assert not any(term.requires_grad for term in terms.values())


def test_fakes_may_be_more_than_reals() -> None:
    game = Game()
    game.discriminator_step(game.images[:2], game.labels[:2], game.z, game.fake_labels)
    assert (len(game.objective.seen["real"].features), len(game.objective.seen["fake"].features)) == (2, N)


def test_autocast_runs_the_networks_in_bfloat16_and_the_objective_in_float32() -> None:
    game = Game(autocast=True)
    inside = []
    for network in (game.generator, game.trunk):
        network.linear.register_forward_hook(lambda module, inputs, output: inside.append(output.dtype))
    losses = [game.discriminator()[0], game.generator_step(game.z, game.fake_labels, game.images, game.labels)[0]]
    assert set(inside) == {torch.bfloat16}
    assert set(game.objective.precision) == {torch.float32}
    for batch in game.objective.seen.values():
        assert (batch.images.dtype, batch.features.dtype) == (torch.float32, torch.float32)
    exact = Game()
    expected = [
        exact.discriminator()[0],
        exact.generator_step(exact.z, exact.fake_labels, exact.images, exact.labels)[0],
    ]
    for loss, reference in zip(losses, expected, strict=True):
        assert loss.dtype == torch.float32
        assert loss != reference
        torch.testing.assert_close(loss, reference, rtol=0.05, atol=0.02)


def test_steps_run_in_float64_for_tests_of_gradients() -> None:
    game = Game()
    for module in (game.generator, game.trunk, game.objective):
        module.double()
    loss, _ = game.discriminator_step(game.images.double(), game.labels, game.z.double(), game.fake_labels)
    assert loss.dtype == torch.float64
