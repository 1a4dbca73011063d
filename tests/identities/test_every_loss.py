"""Every installed loss on every installed trunk, through the step modules that training uses."""

from __future__ import annotations

from itertools import product

import pytest
import torch
from torch import Tensor, nn

from cganzoo import BuildContext
from cganzoo.config import parse
from cganzoo.networks import Discriminator, Generator
from cganzoo.objective import Objective
from cganzoo.registry import Component, load_plugins
from cganzoo.testing.conformance import choices
from cganzoo.train.steps import DiscriminatorStep, GeneratorStep

REGISTRY = load_plugins()
LOSSES = REGISTRY.components("loss")
SIZE, BATCH = 8, 6


class PlainTrunk(Discriminator):
    """A trunk of no plugin: without batch statistics, with another feature dimension."""

    feature_dim = 5

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(SIZE * SIZE, self.feature_dim)

    def forward(self, images: Tensor) -> Tensor:
        return self.linear(images.flatten(1)).relu()


def context(num_classes: int, feature_dim: int | None = None) -> BuildContext:
    return BuildContext(num_classes=num_classes, image_size=SIZE, image_channels=1, feature_dim=feature_dim)


def trunks() -> dict[str, type[Discriminator] | Component]:
    return {"plain": PlainTrunk} | {c.full_name: c for c in REGISTRY.components("discriminator")}


def build_trunk(name: str, num_classes: int) -> Discriminator:
    made = trunks()[name]
    if isinstance(made, Component):
        return made.spec.build(parse(made.spec.config, dict(made.spec.small)), context(num_classes))
    return made()


def build_generator(loss: Component, config: object, num_classes: int) -> Generator:
    (generator,) = (c for c in REGISTRY.components("generator") if c.name == "dcgan")
    conditional = loss.spec.conditioning(config) != "unconditional"
    return generator.spec.build(
        parse(generator.spec.config, {"width": 4, "latent_dim": 6, "conditional": conditional}), context(num_classes)
    )


VARIANTS = [(loss, options) for loss in LOSSES for options in choices(loss.spec.config)]
IDS = [f"{loss.name}{''.join(f'-{k}={v}' for k, v in options.items())}" for loss, options in VARIANTS]


def build_all(variant: tuple[Component, dict[str, object]], trunk_name: str, num_classes: int):
    torch.manual_seed(0)
    loss, options = variant
    config = parse(loss.spec.config, options)
    generator = build_generator(loss, config, num_classes)
    trunk = build_trunk(trunk_name, num_classes)
    objective: Objective = loss.spec.build(config, context(num_classes, trunk.feature_dim))
    return generator, trunk, objective


def batch(generator: Generator, num_classes: int, size: int = BATCH):
    images = torch.rand(size, 1, SIZE, SIZE) * 2 - 1
    labels = torch.arange(size) % max(1, num_classes - 1)  # from 2 classes on, the last one is missing
    z = torch.randn(size, generator.latent_dim)
    fake_labels = torch.randint(num_classes, (size,))
    return images, labels, z, fake_labels


def run_steps(generator: Generator, trunk: Discriminator, objective: Objective, num_classes: int, autocast: bool):
    """Both losses, as the engine calls them."""
    images, labels, z, fake_labels = batch(generator, num_classes)
    d_loss, d_terms = DiscriminatorStep(generator, trunk, objective, autocast=autocast)(images, labels, z, fake_labels)
    real = (images, labels) if objective.uses_real_in_generator_loss else ()
    g_loss, g_terms = GeneratorStep(generator, trunk, objective, autocast=autocast)(z, fake_labels, *real)
    return d_loss, d_terms, g_loss, g_terms


@pytest.mark.smoke
def test_there_are_losses_and_variants_to_test():
    assert len(LOSSES) >= 11
    assert len(VARIANTS) >= 40
    assert len(trunks()) >= 2


def cases() -> list[object]:
    """Every loss on every trunk, with 1, 2 and 200 classes. By default on the plain trunk and on one of the others."""
    found: list[object] = []
    names = [name for name in trunks() if name != "plain"]
    for (number, variant), (place, classes) in product(enumerate(VARIANTS), enumerate((1, 2, 200))):
        for trunk_name in trunks():
            chosen = trunk_name in ("plain", names[(number + place) % len(names)])
            case = f"{IDS[number]}-{trunk_name}-{classes}"
            found.append(pytest.param(variant, trunk_name, classes, id=case, marks=() if chosen else pytest.mark.slow))
    return found


@pytest.mark.parametrize(("variant", "trunk_name", "num_classes"), cases())
def test_runs_on_every_trunk(variant, trunk_name: str, num_classes: int):
    networks = build_all(variant, trunk_name, num_classes)
    for autocast in (False, True):
        d_loss, d_terms, g_loss, g_terms = run_steps(*networks, num_classes, autocast)
        for loss, terms in ((d_loss, d_terms), (g_loss, g_terms)):
            assert loss.shape == ()
            assert loss.dtype == torch.float32
            assert loss.isfinite()
            assert torch.allclose(loss, sum(terms.values()))
            assert all(not term.requires_grad for term in terms.values())
