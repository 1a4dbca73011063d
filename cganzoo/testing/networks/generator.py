"""The checks of a generator."""

from __future__ import annotations

import math
from typing import Any
from unittest import SkipTest

import torch
from torch import Tensor
from torch.nn import functional as F

from cganzoo.errors import CganzooError
from cganzoo.networks import Generator
from cganzoo.specs import BuildContext
from cganzoo.testing.conformance import explained
from cganzoo.testing.randomness import untouched

from .base import BATCH, Inputs, check_positive_int, double, projected, same, smallest_difference
from .common import NetworkConformance

VISIBLE = 1e-6
"""Two images are different if a pixel differs by more than this; pixels are in [-1, 1], and float64."""

UNBOUNDED = 100.0
"""A truncation that no noise reaches."""

LABELS = {10: tuple(range(10)), 200: (0, 1, 2, 10, 64, 100, 128, 199)}
"""Number of classes to the labels that are compared; of 200, those that a remainder or a bound may confuse."""


class GeneratorConformance(NetworkConformance):
    """The checks of a generator. Subclass it with the ``name`` of one; set ``options`` to make it small."""

    kind = "generator"
    number_of_checks = 39

    def inputs(self, network: Any, count: int = BATCH, *, seed: int = 0, context: BuildContext | None = None) -> Inputs:
        """Noise (count, latent_dim) and labels (count,)."""
        random = torch.Generator().manual_seed(seed)
        z = network.sample_latent(count, torch.device("cpu"), random)
        return z, torch.randint((context or self.context()).num_classes, (count,), generator=random)

    def check_output(self, output: Tensor, count: int, context: BuildContext, network: Any) -> None:
        """Images have the right shape, and finite pixels in [-1, 1]."""
        shape = (count, context.image_channels, context.image_size, context.image_size)
        assert tuple(output.shape) == shape, f"images are {tuple(output.shape)}; they must be (N, C, H, W) = {shape}"
        assert output.isfinite().all(), "pixels are not finite"
        largest = float(output.detach().abs().max())
        assert largest <= 1, f"a pixel is {largest:.3g} from 0; pixels must be in [-1, 1], so end with tanh or clamp"

    def images(self, network: Any, z: Tensor, labels: Tensor) -> Tensor:
        """Images of float64 noise, without gradient."""
        with torch.no_grad():
            images: Tensor = network(z.double(), labels)
        return images

    def test_range_holds_after_training(self) -> None:
        """Pixels stay in [-1, 1] for all weights."""
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
            with explained(f"with {classes} classes it"):
                network = self.build(context)
                z, _ = self.inputs(network, context=context)
                output = network(z, torch.tensor([0, classes - 1] * (BATCH // 2)))
            self.check_output(output, BATCH, context, network)

    def test_latent(self) -> None:
        """``latent_dim`` is the length of the noise that ``sample_latent`` draws, from the generator it gets."""
        network = self.build()
        length = network.latent_dim
        check_positive_int("latent_dim", length)
        device = torch.device("cpu")
        with untouched("sample_latent with a torch.Generator"):
            one = network.sample_latent(5, device, torch.Generator().manual_seed(3))
        two = network.sample_latent(5, device, torch.Generator().manual_seed(3))
        other = network.sample_latent(5, device, torch.Generator().manual_seed(4))
        shape = tuple(one.shape)
        assert shape == (5, length), f"sample_latent(5, ...) returns {shape}, not (5, latent_dim) = (5, {length})"
        assert one.dtype == torch.float32, f"sample_latent returns {one.dtype}; it must be float32"
        assert torch.equal(one, two), "sample_latent returns other noise for a torch.Generator of the same seed"
        assert not torch.equal(one, other), "sample_latent returns the same noise for a torch.Generator of another seed"
        shape = tuple(network.sample_latent(2, device).shape)
        assert shape == (2, length), f"sample_latent(2, device) returns {shape}, not {(2, length)}"

    def test_noise_changes_the_image(self) -> None:
        """Different noise gives different images."""
        network = self.used()
        z, _ = self.inputs(network, 6)
        difference = smallest_difference(self.images(network, z, torch.zeros(6, dtype=torch.int64)))
        assert difference > VISIBLE, "two images of different noise are equal: the generator ignores the noise"

    def test_conditional_is_what_the_spec_says(self) -> None:
        """The built generator is conditional if the specification says so."""
        declared, built = self.spec.conditional(self.config()), self.build().conditional
        found = f"conditional is {declared!r} in the specification and {built!r} in the generator"
        assert {type(declared), type(built)} == {bool}, f"{found}; it must be a bool"
        assert declared == built, f"{found}; make them equal"

    def test_labels_change_the_image_if_conditional(self) -> None:
        """Labels change every image of a conditional generator, and none of an unconditional one."""
        network = self.used()
        z, _ = self.inputs(network)
        one, two = (self.images(network, z, torch.full((BATCH,), label)) for label in (0, 1))
        change = (one - two).abs().amax((1, 2, 3))
        if network.conditional:
            assert change.min() > VISIBLE, "the generator is conditional, but ignores its labels; use them in forward"
        else:
            self.needs_determinism()
            assert change.max() == 0, "labels change the images; set conditional = True, or do not use the labels"

    def test_every_class_has_its_image(self) -> None:
        """With the same noise, a conditional generator makes a different image for each of 10 or 200 classes."""
        for classes, labels in LABELS.items():
            context = self.context(classes)
            network = self.used(context)
            if not network.conditional:
                raise SkipTest("it is unconditional")
            z, _ = self.inputs(network, 1, context=context)
            images = self.images(network, z.expand(len(labels), -1), torch.tensor(labels))
            names = ", ".join(map(str, labels))
            different = smallest_difference(images) > VISIBLE
            assert different, f"of {classes} classes, two of the labels {names} give the same image; use every label"

    # --- sampling: codes, truncation and images between classes -------------------------------------------------------

    def test_mapped_and_synthesized(self) -> None:
        """In evaluation mode, ``synthesized(mapped(z, labels), labels)`` gives the images of ``forward``."""
        self.needs_determinism()
        network = self.used()
        z, labels = double(self.inputs(network))
        with torch.no_grad():
            codes = network.mapped(z, labels)
            assert len(codes) == BATCH, f"mapped gives {len(codes)} codes for {BATCH} vectors of noise; give one each"
            with explained("synthesized, with the codes of mapped,"):
                images = network.synthesized(codes, labels)
            problem = "synthesized(mapped(z, labels), labels) does not give the images of forward"
            advice = "let forward call both, and override both or none"
            assert images.shape == (forward := network(z, labels)).shape, f"{problem}; {advice}"
            assert same(forward, images, 1e-9), f"{problem}; {advice}"

    def test_truncation(self) -> None:
        """``truncated`` gives less variety the smaller the truncation is, or says in one message that it cannot."""
        self.needs_determinism()
        network = self.used()
        z, labels = self.inputs(network, 8)[0].double(), torch.zeros(8, dtype=torch.int64)
        try:
            images = self.truncated(network, z, labels, 0.5)
        except CganzooError as refusal:
            if type(network).sample_latent is not Generator.sample_latent:
                raise SkipTest("its noise cannot be truncated") from refusal
            raise AssertionError(f"truncated refuses the usual normal noise: {refusal}") from refusal
        self.check_output(images, 8, self.context(), network)
        advice = "see the documentation of Generator.truncated"
        least, most = (variety(self.truncated(network, z, labels, bound)) for bound in (0.0, 1.0))
        if most < VISIBLE:
            raise SkipTest("noise hardly changes its images; see noise_changes_the_image")
        problem = f"of equal class, images differ by {least:.3g} with truncation 0, and by {most:.3g} with 1"
        assert least < 0.5 * most, f"{problem}; truncation must make them similar; {advice}"
        if type(network).truncated is Generator.truncated:
            far = self.truncated(network, z, labels, UNBOUNDED)
            torch.manual_seed(0)
            with torch.no_grad():
                whole = network.synthesized(network.mapped(z, labels), labels)
            assert same(whole, far, 1e-6), f"with truncation {UNBOUNDED:g}, which no noise reaches, images change"
        for bound in (-1.0, math.nan):
            try:
                self.truncated(network, z, labels, bound)
            except CganzooError:
                continue
            except Exception as error:
                raise AssertionError(f"truncation {bound} raises {type(error).__name__}, not a CganzooError") from error
            raise AssertionError(f"truncation {bound} gives images; raise a CganzooError; {advice}")

    def truncated(self, network: Any, z: Tensor, labels: Tensor, truncation: float) -> Tensor:
        """Truncated images, without gradient; the same for the same arguments unless the network draws in use."""
        torch.manual_seed(0)
        with torch.no_grad():
            images: Tensor = network.truncated(z, labels, truncation)
        return images

    def test_mixed_classes(self) -> None:
        """With ``mixes_classes``, weights of the classes may replace labels: one and zeros give the same image."""
        network = self.used()
        declared = network.mixes_classes
        assert isinstance(declared, bool), f"mixes_classes is {declared!r}; it must be a bool"
        if not declared:
            raise SkipTest("mixes_classes = False")
        if not network.conditional:
            raise SkipTest("it is unconditional")
        self.needs_determinism()
        classes = self.context().num_classes
        z = self.inputs(network)[0].double()
        labels = torch.arange(BATCH)
        one, two = (F.one_hot(some, classes).double() for some in (labels, (labels + 1) % classes))
        half = ((one + two) / 2).requires_grad_()
        advice = "use cganzoo.networks.class_weights and a linear layer, or set mixes_classes = False"
        with explained("with weights of the classes (N, K) it", advice):
            first, between, last = (network(z, weights) for weights in (one, half, two))
        assert same(network(z, labels), first, 1e-9), f"weights of one and zeros change the images of labels; {advice}"
        for end in (first, last):
            distances = (between - end).abs().amax((1, 2, 3))
            problem = "half of one class and half of another gives the image of one of them"
            assert distances.min() > VISIBLE, f"{problem}; {advice}"
        for weights, images in ((half, between), (one.requires_grad_(), network(z, one))):
            (slopes,) = torch.autograd.grad(projected(images), weights)
            assert slopes.isfinite().all(), "the gradient in the weights of the classes is not finite"


def variety(images: Tensor) -> float:
    """The root mean square distance of pixels from their mean over the images."""
    return float(images.std(0, correction=0).square().mean().sqrt())
