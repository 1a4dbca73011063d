"""The two training steps as modules: everything differentiable happens in their ``forward``.

Each registers only what it trains and holds the other player by an unregistered reference, so that compiling,
autocasting or wrapping one step concerns one object and the parameters it updates.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from cganzoo.networks import Discriminator, Generator
from cganzoo.objective import Batch, Objective, Terms

Loss = tuple[Tensor, dict[str, Tensor]]
"""The scalar to differentiate, and its terms by name without gradient, for the log."""


@contextmanager
def frozen(parameters: Iterable[nn.Parameter]) -> Iterator[None]:
    """Compute no gradient of ``parameters`` in the block, because the generator's step must not change them."""
    parameters = [parameter for parameter in parameters if parameter.requires_grad]
    for parameter in parameters:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in parameters:
            parameter.requires_grad_(True)


def update(
    step: nn.Module, optimizer: Optimizer, *inputs: Tensor, freeze: Iterable[nn.Parameter] = ()
) -> dict[str, Tensor]:
    """One update of one player: loss, gradients, optimizer step. Never waits for the device.

    Args:
        step: a :class:`DiscriminatorStep` or :class:`GeneratorStep`, wrapped or not.
        optimizer: of that player.
        inputs: arguments of ``step``.
        freeze: the other player's parameters, which get no gradient. Needed for the generator's step only.
    """
    optimizer.zero_grad(set_to_none=True)
    with frozen(freeze):
        loss, terms = step(*inputs)
        loss.backward()
    optimizer.step()
    result: dict[str, Tensor] = terms
    return result


class _Step(nn.Module):
    trains: ClassVar[tuple[str, ...]]

    generator: Generator
    trunk: Discriminator
    objective: Objective

    def __init__(
        self, generator: Generator, trunk: Discriminator, objective: Objective, *, autocast: bool = False
    ) -> None:
        super().__init__()
        self.autocast = autocast
        for name, module in (("generator", generator), ("trunk", trunk), ("objective", objective)):
            if name in self.trains:
                setattr(self, name, module)
            else:  # an attribute that parameters(), state_dict() and train() do not see
                self.__dict__[name] = module

    def _networks(self, images: Tensor) -> AbstractContextManager[Any]:
        """The autocast context of the networks. The objective always runs in float32, the dtype of its features."""
        return torch.autocast(images.device.type, torch.bfloat16, enabled=self.autocast)


class DiscriminatorStep(_Step):
    """One loss of trunk and objective, on a real batch and on fresh fakes."""

    trains = ("trunk", "objective")

    def forward(self, images: Tensor, labels: Tensor, z: Tensor, fake_labels: Tensor) -> Loss:
        """The loss for real images (N, C, H, W) in [-1, 1], their labels (N,), noise (M, L), and fakes' labels (M,)."""
        with self._networks(images):
            with torch.no_grad():
                fakes = _full(self.generator(z, fake_labels), z)
            if self.trunk.batch_statistics:
                real_features, fake_features = self.trunk(images), self.trunk(fakes)
            else:
                both = self.trunk(torch.cat([images, fakes]))
                real_features, fake_features = both[: len(images)], both[len(images) :]
        real = Batch(images, labels, _full(real_features, images))
        fake = Batch(fakes, fake_labels, _full(fake_features, images))
        return _total(self.objective.discriminator_loss(real, fake))


class GeneratorStep(_Step):
    """The generator's loss. The caller freezes trunk and objective, so that only the generator is differentiated."""

    trains = ("generator",)

    def forward(
        self, z: Tensor, fake_labels: Tensor, images: Tensor | None = None, labels: Tensor | None = None
    ) -> Loss:
        """The loss for noise (N, L), fakes' labels (N,), and a real batch if the objective needs a real batch."""
        real = None
        with self._networks(z):
            fakes = _full(self.generator(z, fake_labels), z)
            features = self.trunk(fakes)
            if images is not None and labels is not None:
                real = Batch(images, labels, _full(self.trunk(images), images))
        return _total(self.objective.generator_loss(Batch(fakes, fake_labels, _full(features, z)), real))


def _full(output: Tensor, like: Tensor) -> Tensor:
    """A network's output in the precision of its step's inputs: losses are too coarse in bfloat16."""
    return output.to(like.dtype)


def _total(terms: Terms) -> Loss:
    return torch.stack(list(terms.values())).sum(), {name: term.detach() for name, term in terms.items()}
