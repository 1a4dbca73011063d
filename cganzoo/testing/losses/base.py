"""What the checks of a loss share: a loss with each choice of its options, batches for it, and comparisons."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, TypeVar
from unittest import SkipTest

import torch
from torch import Tensor

from cganzoo.objective import Batch, Networks, Objective, Terms
from cganzoo.specs import BuildContext, LossSpec
from cganzoo.testing.conformance import build_context, built, schedulable
from cganzoo.testing.modules import buffers_restored as buffers_restored
from cganzoo.testing.modules import gradients as gradients
from cganzoo.testing.randomness import seeded, untouched
from cganzoo.testing.toys import FEATURE_DIM, GAN, LATENT_DIM, ToyGenerator, ToyTrunk
from cganzoo.testing.variants import Variant, VariantChecks
from cganzoo.testing.variants import each_variant as each_variant
from cganzoo.testing.variants import over as over
from cganzoo.train.networks import StepNetworks

CLASSES = 3
CLASS_COUNTS = (1, 2, 10, 200)
SIZE = 6  # samples of a batch, unless a check needs another number
IMAGE = (1, 8, 8)
SEEDS = range(4)
"""Seeds of batches of which at least one has to give a gradient: that of a hinge is zero for some samples."""
METHODS = ("discriminator_loss", "generator_loss")
FIELDS = ("images", "labels", "features", "latents")  # of a batch
TOLERANCE = 1e-9
"""Relative and absolute tolerance of comparisons in float64."""

Losses = Mapping[str, Tensor]  # the value of each loss, a scalar, by the name of its method


@dataclass(frozen=True)
class Loss(Variant):
    """A loss with one choice of its options, built for the toy networks, and random batches for it."""

    spec: LossSpec[Any]
    classes: int = CLASSES

    @property
    def context(self) -> BuildContext:
        """The context in which the loss is built."""
        return build_context(self.classes, IMAGE[1], IMAGE[0], feature_dim=FEATURE_DIM)

    @cached_property
    def objective(self) -> Objective:
        """The loss as a module; :func:`dataclasses.replace` gives a new one."""
        with seeded(self.seed):
            return built(self.spec.build(self.config, self.context), Objective).to(self.dtype)

    def gan(self, *, autocast: bool = False, dtype: torch.dtype = torch.float32) -> GAN:
        """A new instance of the loss with the toy networks."""
        loss = replace(self, dtype=dtype)
        return GAN(*loss.toys(), loss.objective, autocast=autocast)

    def toys(self, device: str = "cpu") -> tuple[ToyGenerator, ToyTrunk]:
        """The toy networks, the same in each call."""
        conditional = self.spec.conditioning(self.config) != "unconditional"
        with seeded(0):
            generator, trunk = ToyGenerator(self.classes, conditional=conditional), ToyTrunk()
        return generator.to(device, self.dtype), trunk.to(device, self.dtype)

    @cached_property
    def networks(self) -> dict[str, StepNetworks]:
        """The toy networks as each of the two losses gets them, by method: the other player is frozen."""
        return self.networks_on("cpu")

    def networks_on(self, device: str) -> dict[str, StepNetworks]:
        """:attr:`networks` on a device; the loss itself is not moved."""
        steps = {}
        for method in METHODS:
            generator, trunk = self.toys(device)
            of_generator = method == "generator_loss"
            (trunk if of_generator else generator).requires_grad_(False)
            trained = [generator] if of_generator else [trunk, self.objective]
            steps[method] = StepNetworks(generator, trunk, self.objective, (), trained, lambda like: nullcontext())
        return steps

    def batches(self, size: int = SIZE, seed: int = 0, *, scale: float = 1.0) -> tuple[Batch, Batch]:
        """A real and a fake batch of random features; the real one has ``min(size, classes)`` classes.

        If the loss uses image gradients, images require them, and the features depend on the images.
        """
        random = torch.Generator().manual_seed(seed)

        def batch(labels: Tensor) -> Batch:
            features = scale * torch.randn(size, FEATURE_DIM, generator=random, dtype=torch.float64)
            images = (2 * torch.rand(size, *IMAGE, generator=random, dtype=torch.float64) - 1).to(self.dtype)
            images.requires_grad_(self.objective.uses_image_gradients)
            return with_features(Batch(images, labels, features), features.to(self.dtype))

        labels = torch.arange(size) % self.classes
        real, fake = batch(labels), batch(labels if self.objective.fake_labels == "paired" else labels.flip(0))
        return real, replace(fake, latents=latents(size, random, self.dtype))

    def terms(self, real: Batch, fake: Batch) -> dict[str, Terms]:
        """The terms of both losses, by method."""
        calls = self.calls(real, fake)
        return {method: calls[method]() for method in METHODS}

    def totals(self, real: Batch, fake: Batch) -> Losses:
        """The values of both losses. Random numbers that a loss draws are the same in each call."""
        with seeded(0):
            return {method: total(terms) for method, terms in self.terms(real, fake).items()}

    def values(self, real: Batch, fake: Batch) -> Losses:
        """:meth:`totals` without gradient; the buffers of the loss are restored afterwards."""
        with buffers_restored(self.objective):
            return {method: loss.detach() for method, loss in self.totals(real, fake).items()}

    def calls(
        self, real: Batch, fake: Batch, networks: Mapping[str, Networks] | None = None
    ) -> dict[str, Callable[[], Any]]:
        """Everything that the engine may call, by name; ``networks``, by method, are used instead of the toys."""
        used = real if self.objective.uses_real_in_generator_loss else None

        def more(method: str) -> dict[str, Any]:
            return {"networks": (networks or self.networks)[method]} if self.objective.uses_networks else {}

        return {
            "discriminator_loss": lambda: self.objective.discriminator_loss(real, fake, **more("discriminator_loss")),
            "generator_loss": lambda: self.objective.generator_loss(fake, used, **more("generator_loss")),
            "score": lambda: score_of(self.objective, fake),
        }

    def discriminator_loss(self, real: Batch, fake: Batch) -> Tensor:
        """The value of the discriminator's loss, a scalar."""
        return total(self.calls(real, fake)["discriminator_loss"]())

    @property
    def heads(self) -> dict[str, Tensor]:
        """The parameters that are not fixed, by name."""
        return {name: head for name, head in self.objective.named_parameters() if head.requires_grad}

    def check_finite(self, real: Batch, fake: Batch, where: str) -> None:
        """Check that the terms, and their gradients in features and heads, are finite."""
        leaves = [real.features, fake.features, *self.heads.values()]
        leaves += [batch.images for batch in (real, fake) if batch.images.requires_grad]
        with buffers_restored(self.objective):
            for method, terms in self.terms(real, fake).items():
                for name, term in terms.items():
                    assert term.isfinite().all(), f"{method}, {name} is {term.tolist()}: {where}"
                found = gradients(total(terms), leaves)
                finite = all(gradient.isfinite().all() for gradient in found)
                assert finite, f"{method} is finite, but has a gradient that is not finite: {where}"


def gan_inputs(gan: GAN, size: int = SIZE, seed: int = 0) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Real images and labels, noise and labels of fakes, for :class:`~cganzoo.testing.toys.GAN`."""
    random = torch.Generator().manual_seed(seed)
    dtype = next(gan.trunk.parameters()).dtype
    labels = torch.arange(size) % CLASSES
    images = 2 * torch.rand(size, *IMAGE, generator=random, dtype=torch.float64).to(dtype) - 1
    z = latents(size, random, dtype)
    return images, labels, z, labels if gan.objective.fake_labels == "paired" else labels.flip(0)


# --- checks of each variant -----------------------------------------------------------------------------------------


class LossChecks(VariantChecks):
    """Base of the classes that check a loss."""

    def each(self) -> Iterator[Loss]:
        """The loss with each choice of options."""
        for config, label in self.chosen():
            yield Loss(self.spec, config, label)

    def other_numbers(self) -> Iterator[Loss]:
        """The loss with one weight, temperature or the like changed, where the options allow it."""
        defaults = self.config()
        for option in schedulable(self.spec.config):
            number = getattr(defaults, option)
            for other in (number / 2, number + 0.5) if isinstance(number, float) else (0.5,):
                if other != number:
                    with contextlib.suppress(ValueError):
                        yield Loss(self.spec, self.config(**{option: other}), f"{option}={other:g}")
                        break


Self = TypeVar("Self", bound=LossChecks)


def each_repeatable_variant(check: Callable[[Self, Loss], None]) -> Callable[[Self], None]:
    """The same for a check that compares two calls, with the same numbers from the global random number generators.

    A loss that draws random numbers without ``stochastic`` skips it instead of failing.
    """

    @functools.wraps(check)
    def check_one(self: Self, loss: Loss) -> None:
        try:
            check(self, loss)
        except AssertionError:
            if draws_random_numbers(loss) and not loss.objective.stochastic:
                raise SkipTest("the losses draw random numbers: see no_global_random_numbers") from None
            raise

    return each_variant(check_one)


@contextmanager
def unless_stochastic(loss: Loss) -> Iterator[None]:
    """For a comparison of two batches: skip it instead of failing if samples get other random numbers in the other."""
    try:
        yield
    except AssertionError:
        if loss.objective.stochastic and draws_random_numbers(loss):
            raise SkipTest("stochastic = True: a sample gets other random numbers in another batch") from None
        raise


def draws_random_numbers(loss: Loss) -> bool:
    """Whether computing the losses changes the state of a global random number generator."""
    loss = replace(loss)
    try:
        batches = loss.batches()
    except Exception:  # it cannot be built, which another check reports
        return False
    try:
        with seeded(0), untouched("it"):
            loss.terms(*batches)
    except Exception as error:  # another check reports an error of the loss itself
        return isinstance(error, AssertionError)
    return False


# --- helpers --------------------------------------------------------------------------------------------------------


def total(terms: Terms) -> Tensor:
    """The sum of the terms, which a player minimises."""
    return torch.stack(list(terms.values())).sum()


def score_of(objective: Objective, batch: Batch) -> Tensor | None:
    """The score of a batch, if the loss defines one."""
    try:
        return objective.score(batch.features, batch.labels)
    except NotImplementedError:
        return None


def with_features(batch: Batch, features: Tensor) -> Batch:
    """The batch with other features, which are not a leaf of the graph, like the output of a trunk.

    If its images require gradients, they are new leaves, and the features depend on them.
    """
    features = features.detach().requires_grad_() * 1
    if not batch.images.requires_grad:
        return replace(batch, features=features)
    images = batch.images.detach().requires_grad_()
    return replace(batch, images=images, features=features + zeros_of(images, features.shape[1]))


def zeros_of(images: Tensor, width: int) -> Tensor:
    """Zeros (N, width) with a gradient in images (N, C, H, W), like features of a smooth trunk: tanh of linear maps."""
    pixels = images.flatten(1)
    numbers = torch.arange(pixels.shape[1] * width, device=images.device, dtype=images.dtype)
    outputs = torch.tanh(pixels @ numbers.cos().view(-1, width) / pixels.shape[1] ** 0.5)
    return outputs - outputs.detach()


def latents(size: int, random: torch.Generator, dtype: torch.dtype) -> Tensor:
    """Noise (size, LATENT_DIM) for the toy generator."""
    return torch.randn(size, LATENT_DIM, generator=random, dtype=torch.float64).to(dtype)


def subset(batch: Batch, index: Tensor | slice) -> Batch:
    """Some samples of a batch, or all in another order."""
    images = batch.images.detach()[index].requires_grad_(batch.images.requires_grad)
    noise = None if batch.latents is None else batch.latents[index]
    return with_features(Batch(images, batch.labels[index], batch.features, noise), batch.features[index])


def check_close(one: Tensor, two: Tensor, problem: str, tolerance: float = TOLERANCE) -> None:
    """Check that two results are equal, up to a relative and an absolute tolerance."""
    if not torch.allclose(one, two, rtol=tolerance, atol=tolerance):
        raise AssertionError(f"{problem} (off by {(one - two).abs().max().item():.3g})")


def check_losses_close(one: Losses, two: Losses, problem: str, tolerance: float = TOLERANCE) -> None:
    """Check that both losses are equal. A message is the name of the method and ``problem``."""
    for method in METHODS:
        check_close(one[method], two[method], f"{method} {problem}", tolerance)
