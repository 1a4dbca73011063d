"""What the checks of a regularizer share: a regularizer in the two steps of toy networks, and its terms there."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from cganzoo.augmentation import Augmentation
from cganzoo.networks import Discriminator
from cganzoo.objective import Batch, Networks, Objective, Terms
from cganzoo.regularizer import Regularizer
from cganzoo.specs import BuildContext, RegularizerSpec
from cganzoo.testing.conformance import build_context, built, explained
from cganzoo.testing.modules import buffers_restored, gradients
from cganzoo.testing.randomness import seeded
from cganzoo.testing.toy_losses import ToyLogistic
from cganzoo.testing.toys import FEATURE_DIM, LATENT_DIM, ToyGenerator, ToyTrunk
from cganzoo.testing.variants import Variant, VariantChecks
from cganzoo.train.freeze import frozen
from cganzoo.train.regularizers import Weighted
from cganzoo.train.steps import DiscriminatorStep, GeneratorStep

CLASSES = 3
CLASS_COUNTS = (1, 2, 10, 200)
SIZE = 6  # samples of a batch, unless a check needs another number
IMAGE = (1, 8, 8)
SEEDS = range(3)
"""Seeds of batches of which at least one has to give a gradient: a penalty may be zero for some samples."""
TOLERANCE = 1e-9
"""Relative and absolute tolerance of comparisons in float64."""

PLAYERS = {"discriminator_penalty": "discriminator", "generator_penalty": "generator"}
"""The player that each method trains."""

IMAGE_GRADIENTS, REAL = "uses_image_gradients", "uses_real_in_generator_loss"
GIVEN = (IMAGE_GRADIENTS, REAL)
"""Flags without which the engine gives a regularizer less."""

Inputs = tuple[Tensor, Tensor, Tensor, Tensor]


class Mirror(Augmentation):
    """The augmentation of the steps here: it draws no random numbers, so that only the regularizer may draw some."""

    calls = 0

    def forward(self, images: Tensor) -> Tensor:
        """Images that are mirrored, and a little weaker."""
        self.calls += 1
        return 0.9 * images.flip(-1)


class NormalizedTrunk(ToyTrunk):
    """A trunk whose features depend on the other samples of the batch."""

    batch_statistics = True

    def __init__(self, image_size: int = 8, channels: int = 1) -> None:
        super().__init__(image_size, channels)
        self.norm = nn.BatchNorm1d(FEATURE_DIM)

    def forward(self, images: Tensor) -> Tensor:
        """Images (N, C, H, W) to features (N, FEATURE_DIM)."""
        features: Tensor = self.norm(super().forward(images))
        return features


class Watched(Regularizer):
    """A regularizer whose terms are kept here with their graphs, and not added to the loss.

    Args:
        regularizer: the one that computes them.
        given: flags that are declared for it, whatever it declares.
        augmentation: that of the steps.
    """

    def __init__(self, regularizer: Regularizer, given: frozenset[str], augmentation: Mirror) -> None:
        super().__init__()
        self.regularizer, self.augmentation = regularizer, augmentation
        self.uses_image_gradients = IMAGE_GRADIENTS in given
        self.uses_real_in_generator_loss = REAL in given
        self.terms: dict[str, Terms] = {}
        self.augments = False
        self.changed_inputs: list[str] = []

    def discriminator_penalty(self, real: Batch, fake: Batch, networks: Networks) -> Terms:
        """See :class:`cganzoo.regularizer.Regularizer`."""
        return self._keep("discriminator_penalty", {"real": real, "fake": fake}, real, fake, networks)

    def generator_penalty(self, fake: Batch, networks: Networks, real: Batch | None = None) -> Terms:
        """See :class:`cganzoo.regularizer.Regularizer`."""
        sides = {"fake": fake} if real is None else {"fake": fake, "real": real}
        return self._keep("generator_penalty", sides, fake, networks, real)

    def _keep(self, method: str, sides: Mapping[str, Batch], *arguments: Any) -> Terms:
        fields = ("images", "labels", "features", "latents")
        parts = {f"{side}.{field}": getattr(batch, field) for side, batch in sides.items() for field in fields}
        before = {name: part.detach().clone() for name, part in parts.items() if part is not None}
        calls = self.augmentation.calls
        self.terms[method] = getattr(self.regularizer, method)(*arguments)
        self.augments |= self.augmentation.calls > calls
        if not any(part.is_meta for part in before.values()):
            changed = [name for name, part in before.items() if not torch.equal(part, parts[name])]
            self.changed_inputs += [f"{method} changes {name}" for name in changed]
        return {}


class Game:
    """A regularizer in the two steps of toy networks, as in training; only its own terms are kept."""

    def __init__(
        self,
        case: Penalty,
        *,
        objective: type[ToyLogistic] = ToyLogistic,
        trunk: type[ToyTrunk] = ToyTrunk,
        autocast: bool = False,
        given: frozenset[str] | None = None,
    ) -> None:
        self.case = case
        channels, size, _ = case.image
        with seeded(0):
            self.generator = ToyGenerator(case.classes, size, channels).to(case.dtype)
            self.trunk: Discriminator = trunk(size, channels).to(case.dtype)
            self.objective: Objective = objective(case.classes, FEATURE_DIM).to(case.dtype)
        self.augmentation = Mirror()
        self.watched = Watched(case.regularizer, case.given if given is None else given, self.augmentation)
        extras: dict[str, Any] = {"regularizers": [Weighted(self.watched, "watched")], "autocast": autocast}
        networks = self.generator, self.trunk, self.objective
        self.steps = {
            "discriminator_penalty": DiscriminatorStep(*networks, augmentations=[self.augmentation], **extras),
            "generator_penalty": GeneratorStep(*networks, augmentations=[self.augmentation], **extras),
        }

    @property
    def discriminator(self) -> dict[str, nn.Parameter]:
        """The parameters of trunk and heads, by name."""
        modules = {"trunk": self.trunk, "loss": self.objective}
        return {f"{owner}.{name}": p for owner, module in modules.items() for name, p in module.named_parameters()}

    def trained(self, method: str) -> list[nn.Parameter]:
        """The parameters that a penalty trains."""
        return list((self.discriminator if method == "discriminator_penalty" else self.others(method)).values())

    def others(self, method: str) -> dict[str, nn.Parameter]:
        """The generator's parameters, by name."""
        return {f"generator.{name}": parameter for name, parameter in self.generator.named_parameters()}

    def inputs(self, size: int = SIZE, seed: int = 0) -> Inputs:
        """Real images and labels, noise and labels of fakes; the real ones have ``min(size, classes)`` classes."""
        random = torch.Generator().manual_seed(seed)
        labels = torch.arange(size) % self.case.classes
        images = 2 * torch.rand(size, *self.case.image, generator=random, dtype=torch.float64) - 1
        z = torch.randn(size, LATENT_DIM, generator=random, dtype=torch.float64)
        paired = self.objective.fake_labels == "paired"
        return images.to(self.case.dtype), labels, z.to(self.case.dtype), labels if paired else labels.flip(0)

    def step(self, method: str, inputs: Inputs) -> Terms:
        """The terms of one penalty, with their graphs."""
        images, labels, z, fake_labels = inputs
        if method == "discriminator_penalty":
            self.steps[method](images, labels, z, fake_labels)
        else:
            with frozen(self.discriminator.values()):
                real = (images, labels) if REAL in self.case.given or self._gives_real() else (None, None)
                self.steps[method](z, fake_labels, *real)
        return self.watched.terms[method]

    def _gives_real(self) -> bool:
        return self.objective.uses_real_in_generator_loss

    def terms(self, inputs: Inputs) -> dict[str, Terms]:
        """The terms of both penalties, by method."""
        return {method: self.step(method, inputs) for method in PLAYERS}

    def values(self, inputs: Inputs, seed: int = 0, methods: Iterable[str] = tuple(PLAYERS)) -> dict[str, Tensor]:
        """The sum of each penalty's terms, without gradient. Random numbers depend on ``seed`` only.

        The buffers of the regularizer are restored afterwards.
        """
        with seeded(seed), buffers_restored(self.case.regularizer):
            return {method: total(self.step(method, inputs)).detach() for method in methods}

    def check_finite(self, inputs: Inputs, where: str) -> None:
        """Check that the terms, and their gradients in the player that they train, are finite."""
        with seeded(0), buffers_restored(self.case.regularizer):
            with explained(f"for {where}, it"):
                both = self.terms(inputs)
            for method, terms in both.items():
                for name, term in terms.items():
                    assert term.isfinite().all(), f"{method}, {name} is {term.tolist()}: {where}"
                    finite = all(found.isfinite().all() for found in gradients(term, self.trained(method)))
                    assert finite, f"{method}, {name} is finite, but has a gradient that is not finite: {where}"


@dataclass(frozen=True)
class Penalty(Variant):
    """A regularizer with one choice of its options, built for toy networks.

    Attributes:
        given: what the engine gives it in the checks of other things: what it declares, and what it needs.
    """

    spec: RegularizerSpec[Any]
    classes: int = CLASSES
    image: tuple[int, int, int] = IMAGE
    given: frozenset[str] = frozenset(GIVEN)

    @property
    def context(self) -> BuildContext:
        """The context in which the regularizer is built."""
        return build_context(self.classes, self.image[1], self.image[0], feature_dim=FEATURE_DIM)

    @cached_property
    def regularizer(self) -> Regularizer:
        """The regularizer as a module; :func:`dataclasses.replace` gives a new one."""
        with seeded(self.seed):
            return built(self.spec.build(self.config, self.context), Regularizer).to(self.dtype)

    def results(self, inputs: Inputs, given: frozenset[str]) -> dict[str, Tensor] | Exception:
        """The values of a new instance that is given only what these flags promise, or the error that it raises."""
        try:
            return Game(replace(self, given=given), given=given).values(inputs)
        except Exception as error:
            return error

    @cached_property
    def needed(self) -> dict[str, str]:
        """The flags of :data:`GIVEN` that it needs, each with what is wrong without it."""
        exact = replace(self, dtype=torch.float64)
        inputs = Game(exact).inputs()
        everything = frozenset(GIVEN)
        whole = exact.results(inputs, everything)
        found: dict[str, str] = {}
        if isinstance(whole, Exception):  # other checks report it
            return found
        for flag in GIVEN:
            without = exact.results(inputs, everything - {flag})
            if isinstance(without, Exception):
                found[flag] = f"it raises {type(without).__name__}: {without}"
            elif not all(torch.allclose(without[name], whole[name], equal_nan=True) for name in whole):
                found[flag] = "its penalties have other values"
        return found


class RegularizerChecks(VariantChecks):
    """Base of the classes that check a regularizer."""

    @classmethod
    @functools.cache
    def _cases(cls) -> Sequence[Penalty]:
        kit = cls()
        cases = []
        for config, label in kit.chosen():
            case = Penalty(kit.spec, config, label)
            try:
                declared = frozenset(flag for flag in GIVEN if getattr(case.regularizer, flag))
                given = declared | frozenset(case.needed)
            except Exception:  # it cannot be built, which other checks report
                given = frozenset(GIVEN)
            cases.append(replace(case, given=given))
        return cases

    def each(self) -> Iterator[Penalty]:
        """A new instance for each choice of options."""
        return map(replace, self._cases())


def total(terms: Terms) -> Tensor:
    """The sum of the terms, unweighted; 0 if there are none."""
    return torch.stack(list(terms.values())).sum() if terms else torch.zeros(())


def draws(case: Penalty) -> bool:
    """Whether the regularizer itself draws from torch's global generator: not the augmentations that it calls."""
    game = Game(replace(case))
    inputs = game.inputs()
    with seeded(0), buffers_restored(game.case.regularizer):
        before = torch.get_rng_state()
        game.terms(inputs)
        return not torch.equal(before, torch.get_rng_state())


def part(inputs: Inputs, index: Tensor | slice) -> Inputs:
    """Some samples of the inputs, or all in another order."""
    images, labels, z, fake_labels = inputs
    return images[index], labels[index], z[index], fake_labels[index]
