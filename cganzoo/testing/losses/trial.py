"""One loss with one choice of options, tried on batches of random features and on the toy networks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from cganzoo.objective import Batch, Objective, Terms
from cganzoo.specs import BuildContext, LossSpec
from cganzoo.testing.randomness import seeded
from cganzoo.testing.toys import FEATURE_DIM, LATENT_DIM, ToyGenerator, ToyTrunk
from cganzoo.train.steps import DiscriminatorStep, GeneratorStep, frozen

CLASSES = 3
SIZE = 6
"""Samples of a batch, unless a check says otherwise."""

IMAGE = (1, 8, 8)


@dataclass(frozen=True)
class Trial:
    """A loss under test.

    Attributes:
        spec: the loss.
        config: its options.
        told: the options that are not the usual ones, for messages; empty for none.
    """

    spec: LossSpec[Any]
    config: Any
    told: str = ""

    def objective(self, classes: int = CLASSES, seed: int = 0, dtype: torch.dtype = torch.float32) -> Objective:
        """The loss, built for the toy trunk's features."""
        with seeded(seed):
            return self.spec.build(self.config, context(classes)).to(dtype)

    def batches(
        self,
        objective: Objective,
        classes: int = CLASSES,
        size: int = SIZE,
        seed: int = 0,
        *,
        scale: float = 1.0,
        dtype: torch.dtype = torch.float32,
    ) -> tuple[Batch, Batch]:
        """A real and a fake batch of random features; the real one has every class that there is room for."""
        random = torch.Generator().manual_seed(seed)

        def batch(labels: Tensor) -> Batch:
            features = scale * torch.randn(size, FEATURE_DIM, generator=random, dtype=torch.float64)
            images = 2 * torch.rand(size, *IMAGE, generator=random, dtype=torch.float64) - 1
            return with_features(Batch(images.to(dtype), labels, features), features.to(dtype))

        labels = torch.arange(size) % classes
        return batch(labels), batch(labels if objective.fake_labels == "paired" else labels.flip(0))

    def game(self, classes: int = CLASSES, *, autocast: bool = False, dtype: torch.dtype = torch.float32) -> Game:
        """The loss between the toy networks."""
        conditional = self.spec.conditioning(self.config) != "unconditional"
        with seeded(0):
            generator, trunk = ToyGenerator(classes, conditional=conditional), ToyTrunk()
        return Game(generator.to(dtype), trunk.to(dtype), self.objective(classes, dtype=dtype), autocast)


class Game:
    """Two players and their steps, called as the engine calls them."""

    def __init__(self, generator: ToyGenerator, trunk: ToyTrunk, objective: Objective, autocast: bool = False) -> None:
        self.generator, self.trunk, self.objective = generator, trunk, objective
        self.discriminator_step: nn.Module = DiscriminatorStep(generator, trunk, objective, autocast=autocast)
        self.generator_step: nn.Module = GeneratorStep(generator, trunk, objective, autocast=autocast)

    @property
    def discriminator_parameters(self) -> list[nn.Parameter]:
        """What the discriminator's optimizer moves; a head may rightly be fixed."""
        return [*self.trunk.parameters(), *trainable(self.objective)]

    @contextmanager
    def discriminator_frozen(self) -> Iterator[None]:
        """As the engine does around the generator's step."""
        with frozen(self.discriminator_parameters):
            yield

    def inputs(self, classes: int = CLASSES, size: int = SIZE, seed: int = 0) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Real images and labels, noise and labels of fakes."""
        random = torch.Generator().manual_seed(seed)
        dtype = self.generator.hidden.weight.dtype
        labels = torch.arange(size) % classes
        return (
            2 * torch.rand(size, *IMAGE, generator=random, dtype=torch.float64).to(dtype) - 1,
            labels,
            torch.randn(size, LATENT_DIM, generator=random, dtype=torch.float64).to(dtype),
            labels if self.objective.fake_labels == "paired" else labels.flip(0),
        )

    def discriminator_loss(self, images: Tensor, labels: Tensor, z: Tensor, fake_labels: Tensor) -> Tensor:
        """The discriminator's loss."""
        loss: Tensor = self.discriminator_step(images, labels, z, fake_labels)[0]
        return loss

    def generator_loss(self, images: Tensor, labels: Tensor, z: Tensor, fake_labels: Tensor) -> Tensor:
        """The generator's loss; the caller freezes the discriminator, see :meth:`discriminator_frozen`."""
        real = (images, labels) if self.objective.uses_real_in_generator_loss else ()
        loss: Tensor = self.generator_step(z, fake_labels, *real)[0]
        return loss


def context(classes: int) -> BuildContext:
    """What a loss is told about the toy networks' images."""
    return BuildContext(
        num_classes=classes,
        image_size=IMAGE[1],
        image_channels=IMAGE[0],
        feature_dim=FEATURE_DIM,
        class_names=tuple(f"class {label}" for label in range(classes)),
    )


def losses(objective: Objective, real: Batch, fake: Batch) -> dict[str, Terms]:
    """The terms of both losses, by the methods that give them."""
    return {
        "discriminator_loss": objective.discriminator_loss(real, fake),
        "generator_loss": objective.generator_loss(fake, real if objective.uses_real_in_generator_loss else None),
    }


def totals(objective: Objective, real: Batch, fake: Batch) -> dict[str, Tensor]:
    """What the two players minimise; should a loss draw random numbers, they are always the same."""
    with seeded(0):
        return {method: total(terms) for method, terms in losses(objective, real, fake).items()}


def total(terms: Terms) -> Tensor:
    """What a player minimises."""
    return torch.stack(list(terms.values())).sum()


def trainable(objective: Objective) -> list[nn.Parameter]:
    """The heads' parameters that are not fixed."""
    return [parameter for parameter in objective.parameters() if parameter.requires_grad]


def gradients(loss: Tensor, leaves: Sequence[Tensor], *, retain_graph: bool = False) -> tuple[Tensor, ...]:
    """Gradients in ``leaves``; zeros where the loss does not depend on them."""
    if not loss.requires_grad:
        return tuple(torch.zeros_like(leaf) for leaf in leaves)
    return torch.autograd.grad(loss, leaves, retain_graph=retain_graph, allow_unused=True, materialize_grads=True)


def with_features(batch: Batch, features: Tensor) -> Batch:
    """The batch with other features, which are no leaf of the graph, as a trunk's output is none."""
    return Batch(batch.images, batch.labels, features.detach().requires_grad_() * 1)


def rows(batch: Batch, index: Tensor | slice) -> Batch:
    """Some samples of a batch, or all in another order."""
    return with_features(Batch(batch.images[index], batch.labels[index], batch.features), batch.features[index])


def with_labels(batch: Batch, labels: Tensor) -> Batch:
    """The batch under other labels."""
    return Batch(batch.images, labels, batch.features)


@contextmanager
def kept(objective: Objective) -> Iterator[Objective]:
    """The buffers that a checkpoint holds are put back afterwards: a loss may change those, but nothing else."""
    state = objective.state_dict()
    saved = [(buffer, buffer.clone()) for name, buffer in objective.named_buffers() if name in state]
    try:
        yield objective
    finally:
        for buffer, value in saved:
            if not torch.equal(buffer, value):
                buffer.copy_(value)


def described(options: Mapping[str, Any]) -> str:
    """Options as a message names them: ``labeling="dynamic"``."""
    return ", ".join(
        f'{name}="{value}"' if isinstance(value, str) else f"{name}={value}" for name, value in options.items()
    )
