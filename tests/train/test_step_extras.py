"""What the steps give to losses, regularizers and augmentations: gradients of images, latents, the networks."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from own_extras import Adaptive, AddOne, Both, Double
from step_game import Game, N, slopes
from torch import Tensor
from torch.func import functional_call

from cganzoo.augmentation import Augmentation
from cganzoo.objective import Batch, Networks, Terms
from cganzoo.regularizer import Regularizer
from cganzoo.train.regularizers import Weighted

both_players = pytest.mark.parametrize("player", ["discriminator", "generator"])


# --- gradients of images ----------------------------------------------------------------------------------------------


@both_players
@pytest.mark.parametrize("statistics", [False, True])
@pytest.mark.parametrize("of_regularizer", [False, True])
def test_the_score_can_be_differentiated_by_the_images_of_both_batches(
    player: str, statistics: bool, of_regularizer: bool
) -> None:
    found: dict[str, Tensor] = {}

    def look(player: str, real: Batch, fake: Batch, networks: Networks) -> None:
        assert real.images.is_leaf
        assert real.images.requires_grad
        assert fake.images.is_leaf == (player == "discriminator")
        found.update(real=slopes(real, networks), fake=slopes(fake, networks))

    class Looks(Regularizer):
        uses_image_gradients = uses_real_in_generator_loss = True

        def discriminator_penalty(self, real: Batch, fake: Batch, networks: Networks) -> Terms:
            return look("discriminator", real, fake, networks) or {}

        def generator_penalty(self, fake: Batch, networks: Networks, real: Batch | None = None) -> Terms:
            assert real is not None
            return look("generator", real, fake, networks) or {}

    if of_regularizer:
        game = Game(statistics=statistics, regularizers=[Weighted(Looks(), "looks")])
    else:
        game = Game(look, statistics=statistics)
        game.objective.uses_image_gradients = True
    before = game.images.clone()
    game.step(player)
    for name, images, labels in (("real", game.images, game.labels), ("fake", game.fakes(), game.fake_labels)):

        def score(images: Tensor, labels: Tensor = labels) -> Tensor:
            return game.objective.score(game.trunk(images), labels).sum()

        expected = torch.autograd.functional.jacobian(score, images)
        torch.testing.assert_close(found[name], expected)
        moved = torch.zeros_like(images)
        moved[1, 0, 2, 3] = 1e-5
        with torch.no_grad():
            numeric = (score(images + moved) - score(images - moved)) / 2e-5
        torch.testing.assert_close(found[name][1, 0, 2, 3], numeric, rtol=1e-6, atol=1e-8)
    assert torch.equal(game.images, before)
    assert not game.images.requires_grad, "the batch itself is left as it is"


def test_a_gradient_penalty_trains_trunk_and_heads_by_its_second_derivative() -> None:
    """Against finite differences of the penalty by each weight."""

    def look(player: str, real: Batch, fake: Batch, networks: Networks) -> Terms:
        return {"slope": slopes(real, networks, create_graph=True).square().sum((1, 2, 3)).mean()}

    game = Game(look)
    game.objective.uses_image_gradients = True
    with_penalty = game.step("discriminator")
    gradients = {name: weight.grad for name, weight in game.trunk.named_parameters()}
    game.objective.look = lambda *_: {}
    game.step("discriminator")
    own = {name: gradients[name] - weight.grad for name, weight in game.trunk.named_parameters()}  # type: ignore[operator]

    def penalty() -> Tensor:
        def score(images: Tensor) -> Tensor:
            return game.objective.score(game.trunk(images), game.labels).sum()

        return torch.autograd.functional.jacobian(score, game.images).square().sum((1, 2, 3)).mean()

    torch.testing.assert_close(with_penalty["slope"], penalty())
    for name, weight in game.trunk.named_parameters():
        for index in (0, weight.numel() - 1):
            values = []
            for change in (1e-5, -1e-5):
                with torch.no_grad():
                    weight.view(-1)[index] += change
                values.append(penalty())
                with torch.no_grad():
                    weight.view(-1)[index] -= change
            numeric = (values[0] - values[1]) / 2e-5
            torch.testing.assert_close(own[name].view(-1)[index], numeric, rtol=1e-5, atol=1e-8)


def test_images_require_no_gradient_unless_somebody_needs_it() -> None:
    def look(player: str, real: Batch, fake: Batch, networks: Networks) -> None:
        assert not real.images.requires_grad
        assert fake.images.requires_grad == (player == "generator")

    class OfDiscriminator(Regularizer):
        uses_image_gradients = True

        def discriminator_penalty(self, real: Batch, fake: Batch, networks: Networks) -> Terms:
            return {}

    lazy = Weighted(OfDiscriminator(), "lazy", every=2)
    assert [lazy.is_due("discriminator", update) for update in range(4)] == [True, False, True, False]
    assert not any(lazy.is_due("generator", update) for update in range(4)), "it has no penalty of the generator"
    game = Game(look, regularizers=[lazy])
    due = (lazy.is_due("discriminator", 1),)
    game.step("discriminator", due)
    game.step("generator")
    assert len(game.trunk.seen) == 3, "one pass for the discriminator's batches, one each for the generator's"
    game.trunk.seen.clear()
    game.objective.look = lambda *_: {}
    game.step("discriminator", (lazy.is_due("discriminator", 2),))
    assert list(map(len, game.trunk.seen)) == [N, N], "a slope of real images is not paid for fakes"


# --- latents and the networks -----------------------------------------------------------------------------------------


@both_players
def test_latents_are_those_of_the_fakes(player: str) -> None:
    shown: list[Any] = []

    def look(player: str, real: Batch, fake: Batch, networks: Networks) -> None:
        shown.append((real.latents, fake.latents))
        torch.testing.assert_close(networks.images(fake.latents, fake.labels), fake.images)  # type: ignore[arg-type]

    game = Game(look)
    game.step(player)
    ((real, fake),) = shown
    assert real is None
    assert fake is game.z


@both_players
@pytest.mark.parametrize("statistics", [False, True])
def test_the_networks_give_what_the_players_give(player: str, statistics: bool) -> None:
    def look(player: str, real: Batch, fake: Batch, networks: Networks) -> None:
        other = real.images.detach() / 2
        torch.testing.assert_close(networks.features(real.images), real.features)
        torch.testing.assert_close(networks.features(other), game.trunk(other))
        torch.testing.assert_close(networks.score_of(fake), game.objective.score(fake.features, fake.labels))
        expected = game.objective.score(game.trunk(other), real.labels)
        torch.testing.assert_close(networks.score(other, real.labels), expected)
        torch.testing.assert_close(networks.images(-game.z, real.labels), game.generator(-game.z, real.labels))
        assert networks.augmented(other) is other
        own = {"discriminator": game.critic, "generator": list(game.generator.parameters())}[player]
        assert [id(weight) for _, weight in networks.parameters()] == list(map(id, own))
        calls.append(player)

    calls: list[str] = []
    game = Game(look, statistics=statistics)
    game.step(player)
    assert calls == [player]


@both_players
def test_through_the_networks_only_the_player_of_the_step_is_trained(player: str) -> None:
    """The score of new images trains one player, and its gradient reaches latents and images."""
    inputs: dict[str, Tensor] = {}

    def look(player: str, real: Batch, fake: Batch, networks: Networks) -> Terms:
        inputs["z"] = game.z.clone().requires_grad_()
        made = networks.images(inputs["z"], game.fake_labels)
        inputs["images"] = made.detach().clone().requires_grad_()
        terms = {"made": networks.score(made, game.fake_labels).mean()}
        return terms | {"given": networks.score(inputs["images"], game.fake_labels).mean()}

    game = Game(look)
    game.step(player)
    assert all(tensor.grad is not None and tensor.grad.any() for tensor in inputs.values())
    trained = {"discriminator": game.critic, "generator": list(game.generator.parameters())}
    for name, weights in trained.items():
        assert all((weight.grad is not None) == (name == player) for weight in weights), name
    assert all(weight.requires_grad for weights in trained.values() for weight in weights), "frozen in the step only"

    # The gradient of latents is that of the whole chain.
    game.objective.look = lambda *_: {}

    def chain(z: Tensor) -> Tensor:
        return game.objective.score(game.trunk(game.generator(z, game.fake_labels)), game.fake_labels).mean()

    torch.testing.assert_close(inputs["z"].grad, torch.autograd.functional.jacobian(chain, game.z))


def test_the_generator_learns_from_images_that_a_loss_makes_in_its_own_step() -> None:
    """As a diversity term does: its gradient is that of the images as a function of the weights."""

    def look(player: str, real: Batch, fake: Batch, networks: Networks) -> Terms:
        return {"other": networks.images(-game.z, game.fake_labels).pow(3).mean()}

    game = Game(look)
    game.step("generator")
    gradient = game.generator.linear.weight.grad
    game.objective.look = lambda *_: {}
    game.step("generator")
    assert gradient is not None
    assert game.generator.linear.weight.grad is not None

    def other(weight: Tensor) -> Tensor:
        weights = {"linear.weight": weight, "linear.bias": game.generator.linear.bias}
        made: Tensor = functional_call(game.generator, weights, (-game.z, game.fake_labels))
        return made.pow(3).mean()

    expected = torch.autograd.functional.jacobian(other, game.generator.linear.weight.detach())
    torch.testing.assert_close(gradient - game.generator.linear.weight.grad, expected)


@both_players
def test_under_autocast_the_networks_work_in_bfloat16_and_return_float32(player: str) -> None:
    inside: list[torch.dtype] = []

    def look(player: str, real: Batch, fake: Batch, networks: Networks) -> Terms:
        inside.clear()
        images = networks.images(-game.z, game.fake_labels)
        features, scores = networks.features(images), networks.score(images, game.fake_labels)
        assert {images.dtype, features.dtype, scores.dtype, networks.score_of(real).dtype} == {torch.float32}
        slope = slopes(real, networks, create_graph=True)
        assert slope.dtype == torch.float32
        calls.append(player)
        return {"slope": slope.square().mean(), "made": scores.mean()}

    calls: list[str] = []
    game = Game(look, autocast=True)
    game.objective.uses_image_gradients = True
    for network in (game.generator, game.trunk):
        network.linear.register_forward_hook(lambda module, inputs, output: inside.append(output.dtype))
    terms = game.step(player)
    assert calls == [player]
    assert set(inside) == {torch.bfloat16}
    assert all(term.isfinite() for term in terms.values())
    own = game.generator.linear.weight if player == "generator" else game.trunk.linear.weight
    assert own.grad is not None
    assert own.grad.any()


# --- augmentations ----------------------------------------------------------------------------------------------------


def test_augmentations_change_all_images_once_before_the_trunk_in_the_order_of_the_recipe() -> None:
    context: Any = None
    for order in ([Double, AddOne], [AddOne, Double]):
        augmentations: list[Augmentation] = [kind(context) for kind in order]
        change = {Double: lambda x: 2 * x, AddOne: lambda x: x + 1}
        batches: dict[str, Batch] = {}

        def look(
            player: str, real: Batch, fake: Batch, networks: Networks, batches: dict[str, Batch] = batches
        ) -> None:
            batches.update(real=real, fake=fake)

        game = Game(look, augmentations=augmentations)
        for player in ("discriminator", "generator"):
            game.trunk.seen.clear()
            game.step(player)
            for name, images in (("real", game.images), ("fake", game.fakes())):
                expected = change[order[1]](change[order[0]](images))
                torch.testing.assert_close(batches[name].images, expected)
                torch.testing.assert_close(batches[name].features, game.trunk(expected))
            assert sum(map(len, game.trunk.seen[:-2])) == 2 * N, "once"
        second = game.steps["discriminator"].networks.augmented(game.images)
        torch.testing.assert_close(second, change[order[1]](change[order[0]](game.images)))


def test_the_generator_learns_through_the_augmentations() -> None:
    plain, doubled = Game(), Game(augmentations=[Double(None)])  # type: ignore[arg-type]
    plain.step("generator")
    with torch.no_grad():
        doubled.trunk.linear.weight /= 2  # which undoes the augmentation
    doubled.step("generator")
    bias = doubled.generator.linear.bias.grad
    assert bias is not None
    torch.testing.assert_close(bias, plain.generator.linear.bias.grad)


@pytest.mark.parametrize("parts", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_compiled_step_computes_what_the_eager_one_does(parts: int) -> None:
    """Lazy regularizers and an augmentation that observes, too."""
    found = []
    for compiled in (False, True):
        augmentation, regularizer = Adaptive(None), Weighted(Both(None), "both", every=2)  # type: ignore[arg-type]
        game = Game(augmentations=[augmentation], regularizers=[regularizer], parts=parts)
        if compiled:
            for step in game.steps.values():
                step.compile(backend="eager", dynamic=False)
        torch.manual_seed(1)
        terms = []
        for number in range(4):
            for player in game.steps:
                terms.append(game.step(player, parts=parts, due=(regularizer.is_due(player, number),)))
        found.append((terms, [weight.grad for weight in game.critic], augmentation.get_buffer("strength")))
        assert [len(scores) for scores in augmentation.observed] == [N] * 4
    torch._dynamo.reset()
    torch.testing.assert_close(found[1], found[0])
