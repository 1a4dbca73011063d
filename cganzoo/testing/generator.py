"""The checks of a generator."""

from __future__ import annotations

from typing import Any
from unittest import SkipTest

import torch
from torch import Tensor

from cganzoo.specs import BuildContext

from .network import BATCH, Inputs, NetworkConformance, double, positive_int
from .randomness import untouched

VISIBLE = 1e-6
"""How far two images must be apart, somewhere, to count as different; pixels are in [-1, 1], and float64."""

TRIED_LABELS = {10: tuple(range(10)), 200: (0, 1, 2, 10, 64, 100, 128, 199)}
"""Number of classes to the labels that are compared: of few, all; of many, some that a remainder or bound makes one."""


class GeneratorConformance(NetworkConformance):
    """Subclass it with the ``name`` of a generator; see :class:`~cganzoo.testing.conformance.Conformance`.

    The networks are built with the default options unless ``options`` says otherwise, on small batches.
    """

    kind = "generator"
    number_of_checks = 36

    def inputs(self, network: Any, count: int = BATCH, *, seed: int = 0, context: BuildContext | None = None) -> Inputs:
        """Noise (count, latent_dim) and labels (count,)."""
        random = torch.Generator().manual_seed(seed)
        z = network.sample_latent(count, torch.device("cpu"), random)
        return z, torch.randint((context or self.context()).num_classes, (count,), generator=random)

    def check_output(self, output: Tensor, count: int, context: BuildContext, network: Any) -> None:
        """Images: their shape, and finite pixels in [-1, 1]."""
        shape = (count, context.image_channels, context.image_size, context.image_size)
        assert tuple(output.shape) == shape, f"images are {tuple(output.shape)}; they must be (N, C, H, W) = {shape}"
        assert output.isfinite().all(), "pixels are not finite"
        reach = float(output.detach().abs().max())
        assert reach <= 1, f"a pixel is {reach:.3g} from 0; pixels lie in [-1, 1], so end with tanh or clamp"

    def images(self, network: Any, z: Tensor, labels: Tensor) -> Tensor:
        """Images of float64 noise, without gradient."""
        with torch.no_grad():
            images: Tensor = network(z.double(), labels)
        return images

    # --- the checks -------------------------------------------------------------------------------------------------

    def test_range_holds_after_training(self) -> None:
        """Pixels stay in [-1, 1] whatever the weights become."""
        network = self.used()
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.mul_(3)
            output = network(*double(self.inputs(network)))
        self.check_output(output, BATCH, self.context(), network)

    def test_every_number_of_classes(self) -> None:
        """1, 2, 10 and 200 classes work, from the first label to the last."""
        for classes in (1, 2, 10, 200):
            context = self.context(classes)
            try:
                network = self.build(context)
                z, _ = self.inputs(network, context=context)
                output = network(z, torch.tensor([0, classes - 1] * (BATCH // 2)))
            except (RuntimeError, IndexError, ValueError, ZeroDivisionError) as error:
                raise AssertionError(f"with {classes} classes it raises {type(error).__name__}: {error}") from error
            self.check_output(output, BATCH, context, network)

    def test_latent(self) -> None:
        """``latent_dim`` is the length of the noise that ``sample_latent`` draws, from the generator it is given."""
        network = self.build()
        length = network.latent_dim
        assert positive_int(length), f"latent_dim is {length!r}; it must be a positive int"
        device = torch.device("cpu")
        with untouched("sample_latent, given a torch.Generator,"):
            one = network.sample_latent(5, device, torch.Generator().manual_seed(3))
        two = network.sample_latent(5, device, torch.Generator().manual_seed(3))
        other = network.sample_latent(5, device, torch.Generator().manual_seed(4))
        assert tuple(one.shape) == (5, length), (
            f"sample_latent(5, ...) gives {tuple(one.shape)}, not (5, latent_dim) = (5, {length})"
        )
        assert one.dtype == torch.float32, f"sample_latent gives {one.dtype}, not float32"
        assert torch.equal(one, two), "sample_latent does not repeat itself for a torch.Generator of the same seed"
        assert not torch.equal(one, other), "sample_latent gives the same for a torch.Generator of another seed"
        assert tuple(network.sample_latent(2, device).shape) == (2, length), "sample_latent needs a torch.Generator"

    def test_noise_changes_the_image(self) -> None:
        """Other noise gives another image."""
        network = self.used()
        z, _ = self.inputs(network, 6)
        nearest = closest(self.images(network, z, torch.zeros(6, dtype=torch.int64)))
        assert nearest > VISIBLE, "two images of different noise are the same: the noise is ignored"

    def test_conditional_is_what_the_spec_says(self) -> None:
        """The built generator is conditional where the specification says so."""
        promised, built = self.spec.conditional(self.config()), self.build().conditional
        assert {type(promised), type(built)} == {bool}, (
            f"conditional must be a bool; the specification says {promised!r}, the generator {built!r}"
        )
        assert promised == built, (
            f"GeneratorSpec.conditional says {promised}, but the built generator's attribute says {built}; "
            "a recipe's loss is matched with the former"
        )

    def test_labels_change_the_image_if_conditional(self) -> None:
        """Labels change every image of a conditional generator, and none of an unconditional one."""
        network = self.used()
        z, _ = self.inputs(network)
        one, two = (self.images(network, z, torch.full((BATCH,), label)) for label in (0, 1))
        moved = (one - two).abs().amax((1, 2, 3))
        if network.conditional:
            assert moved.min() > VISIBLE, "the generator says that it is conditional, but ignores its labels"
        else:
            self.needs_determinism()
            assert moved.max() == 0, (
                "the generator says that it is unconditional, but its labels change the images; set conditional = True "
                "or leave the labels alone"
            )

    def test_every_class_has_its_image(self) -> None:
        """A conditional generator makes another image of the same noise for each class, of few classes and of many."""
        for classes, labels in TRIED_LABELS.items():
            context = self.context(classes)
            network = self.used(context)
            if not network.conditional:
                raise SkipTest("it is unconditional")
            z, _ = self.inputs(network, 1, context=context)
            nearest = closest(self.images(network, z.expand(len(labels), -1), torch.tensor(labels)))
            assert nearest > VISIBLE, (
                f"of {classes} classes, two of {', '.join(map(str, labels))} give the same image of the same noise"
            )

    def test_batch_does_not_matter_in_use(self) -> None:
        """In evaluation mode an image does not depend on the rest of its batch; a batch of one works."""
        network = self.used()
        z, labels = self.inputs(network, 6)
        whole = self.images(network, z, labels)
        for part in (slice(0, 1), slice(3, 6)):
            away = float((self.images(network, z[part], labels[part]) - whole[part]).abs().max())
            self.needs_determinism()
            assert away <= 1e-9, (
                f"in evaluation mode a pixel moves by {away:.2g} when the rest of the batch is left out; "
                "normalise by running statistics there"
            )


def closest(images: Tensor) -> float:
    """Largest difference of a pixel between those two of the images that differ least."""
    pixels = images.flatten(1)
    distances = (pixels[:, None] - pixels[None]).abs().amax(2)
    return float(distances[~torch.eye(len(images), dtype=torch.bool)].min())
