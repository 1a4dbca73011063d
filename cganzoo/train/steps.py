"""The two training steps as modules: everything differentiable happens in their ``forward``.

Each registers only what it trains and holds the other player by an unregistered reference, so that compiling,
autocasting or wrapping one step concerns one object and the parameters it updates.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from itertools import chain, count
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from cganzoo.augmentation import Augmentation
from cganzoo.networks import Discriminator, Generator
from cganzoo.objective import Batch, Objective, Terms

from .freeze import frozen
from .networks import StepNetworks
from .regularizers import Weighted, merged

Loss = tuple[Tensor, dict[str, Tensor]]
"""The scalar to differentiate, and for the log: its terms by name without gradient, and what augmentations log."""


def update(
    step: nn.Module, optimizer: Optimizer, *inputs: Any, freeze: Iterable[nn.Parameter] = (), parts: int = 1
) -> dict[str, Tensor]:
    """One update of one player: loss, gradients, optimizer step. Never waits for the device.

    Args:
        step: a :class:`DiscriminatorStep` or :class:`GeneratorStep`, wrapped or not.
        optimizer: of that player.
        inputs: arguments of ``step``.
        freeze: the other player's parameters, which get no gradient. Needed for the generator's step, and for the
            discriminator's if a loss or a regularizer may use the networks.
        parts: parts of the batch whose gradients are computed one after the other and averaged. It divides the number
            of samples.
    """
    optimizer.zero_grad(set_to_none=True)
    found: list[dict[str, Tensor]] = []
    with frozen(freeze):
        for part in _split(inputs, parts):
            loss, terms = step(*part)
            (loss if parts == 1 else loss / parts).backward()
            found.append(terms)
    optimizer.step()
    if parts == 1:
        return found[0]
    return {name: torch.stack([terms[name] for terms in found]).mean() for name in found[0]}


def _split(inputs: Sequence[Any], parts: int) -> Iterable[Sequence[Any]]:
    """The inputs of each part of a batch: tensors are divided, other values are the same for all."""
    if parts == 1:
        return [inputs]
    return zip(*(one.chunk(parts) if isinstance(one, Tensor) else [one] * parts for one in inputs), strict=True)


class _Step(nn.Module):
    player: ClassVar[str]
    trains: ClassVar[tuple[str, ...]]

    generator: Generator
    trunk: Discriminator
    objective: Objective

    def __init__(
        self,
        generator: Generator,
        trunk: Discriminator,
        objective: Objective,
        *,
        regularizers: Sequence[Weighted] = (),
        augmentations: Sequence[Augmentation] = (),
        autocast: bool = False,
        parts: int = 1,
    ) -> None:
        super().__init__()
        self.autocast, self.parts = autocast, parts
        modules: dict[str, nn.Module] = {"generator": generator, "trunk": trunk, "objective": objective}
        for name, module in modules.items():
            if name in self.trains:
                setattr(self, name, module)
            else:  # an attribute that parameters(), state_dict() and train() do not see
                self.__dict__[name] = module
        self.regularizers, self.augmentations = tuple(regularizers), tuple(augmentations)  # nor do they see these
        self._observers = [one for one in self.augmentations if observes(one)]
        self._scores: list[Tensor] = []  # of the parts of this batch
        trained = [modules[name] for name in self.trains]
        self.networks = StepNetworks(generator, trunk, objective, self.augmentations, trained, self._autocast)

    def _autocast(self, images: Tensor) -> AbstractContextManager[Any]:
        """The autocast context of the networks. The objective always runs in float32, the dtype of its features."""
        return torch.autocast(images.device.type, torch.bfloat16) if self.autocast else nullcontext()

    def _due(self, due: tuple[bool, ...] | None) -> list[Weighted]:
        """The regularizers to compute; all that penalise this player if ``due`` is ``None``."""
        if due is None:
            return [one for one in self.regularizers if one.is_due(self.player, 0)]
        return [one for one, computed in zip(self.regularizers, due, strict=True) if computed]

    def _uses_image_gradients(self, due: list[Weighted]) -> bool:
        return self.objective.uses_image_gradients or any(one.regularizer.uses_image_gradients for one in due)

    def _more(self) -> dict[str, Any]:
        """Further arguments of the objective's losses."""
        return {"networks": self.networks} if self.objective.uses_networks else {}


class DiscriminatorStep(_Step):
    """One loss of trunk and objective, on a real batch and on fresh fakes."""

    player, trains = "discriminator", ("trunk", "objective")

    def forward(
        self, images: Tensor, labels: Tensor, z: Tensor, fake_labels: Tensor, due: tuple[bool, ...] | None = None
    ) -> Loss:
        """The loss for real images (N, C, H, W) in [-1, 1], their labels (N,), noise (M, L), and fakes' labels (M,).

        ``due`` says for each regularizer whether it is computed now; ``None``: all are.
        """
        regularizers, augmented = self._due(due), self.networks.augmented
        with torch.no_grad():
            with self._autocast(images):
                fakes = _full(self.generator(z, fake_labels), z)
            images, fakes = augmented(images), augmented(fakes)
        apart = self.trunk.batch_statistics
        if self._uses_image_gradients(regularizers):
            apart = True  # a gradient of the scores of some images passes the trunk for these images only
            images, fakes = images.detach().requires_grad_(), fakes.requires_grad_()
        with self._autocast(images):
            if apart:
                real_features, fake_features = self.trunk(images), self.trunk(fakes)
            else:
                both = self.trunk(torch.cat([images, fakes]))
                real_features, fake_features = both[: len(images)], both[len(images) :]
        real = Batch(images, labels, _full(real_features, images))
        fake = Batch(fakes, fake_labels, _full(fake_features, images), z)
        terms = self.objective.discriminator_loss(real, fake, **self._more())
        penalties = [(one, one.of_discriminator(real, fake, self.networks)) for one in regularizers]
        total, logged = _total(terms, penalties)
        for augmentation in self.augmentations:  # as they were for the images of this step
            for name, value in augmentation.logged().items():
                logged[_free(name, logged)] = value.detach().clone()
        self._let_observe(real)
        return total, logged

    @torch.no_grad()
    def _let_observe(self, real: Batch) -> None:
        """Give the augmentations the scores of the real batch, when all parts of it are known."""
        if not self._observers:
            return
        self._scores.append(self.networks.score_of(real))
        if len(self._scores) == self.parts:
            scores, self._scores = torch.cat(self._scores), []
            for augmentation in self._observers:
                augmentation.observe(scores)


class GeneratorStep(_Step):
    """The generator's loss. The caller freezes trunk and objective, so that only the generator is differentiated."""

    player, trains = "generator", ("generator",)

    def forward(
        self,
        z: Tensor,
        fake_labels: Tensor,
        images: Tensor | None = None,
        labels: Tensor | None = None,
        due: tuple[bool, ...] | None = None,
    ) -> Loss:
        """The loss for noise (N, L), fakes' labels (N,), and a real batch if the objective needs a real batch.

        ``due`` says for each regularizer whether it is computed now; ``None``: all are.
        """
        regularizers, real = self._due(due), None
        with self._autocast(z):
            fakes = _full(self.generator(z, fake_labels), z)
        fakes = self.networks.augmented(fakes)
        with self._autocast(z):
            features = self.trunk(fakes)
        if images is not None and labels is not None:
            with torch.no_grad():
                images = self.networks.augmented(images)
            if self._uses_image_gradients(regularizers):
                images = images.detach().requires_grad_()
            with self._autocast(z):
                real = Batch(images, labels, _full(self.trunk(images), images))
        fake = Batch(fakes, fake_labels, _full(features, z), z)
        used = real if self.objective.uses_real_in_generator_loss else None
        terms = self.objective.generator_loss(fake, used, **self._more())
        return _total(terms, [(one, one.of_generator(fake, self.networks, real)) for one in regularizers])


def observes(augmentation: Augmentation) -> bool:
    """Whether an augmentation uses the scores of real images."""
    return type(augmentation).observe is not Augmentation.observe


def _free(name: str, taken: Container[str]) -> str:
    """A name for the log: with a number if another term or augmentation has it."""
    numbered = (f"{name}_{number}" for number in count(2))
    return next(one for one in chain([name], numbered) if one not in taken)


def _full(output: Tensor, like: Tensor) -> Tensor:
    """A network's output in the precision of its step's inputs: losses are too coarse in bfloat16."""
    return output.to(like.dtype)


def _total(terms: Terms, penalties: Sequence[tuple[Weighted, Terms]] = ()) -> Loss:
    logged, summed = merged(terms, penalties)
    return torch.stack(summed).sum(), {name: term.detach() for name, term in logged.items()}
