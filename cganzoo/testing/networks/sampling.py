"""The checks of what a generator offers for sampling: codes, truncation, and images between classes."""

from __future__ import annotations

import math
from typing import Any
from unittest import SkipTest

import torch
from torch import Tensor
from torch.nn import functional as F

from cganzoo.errors import CganzooError
from cganzoo.networks import Generator
from cganzoo.testing.conformance import explained

from .base import BATCH, double, projected, same
from .common import NetworkConformance

VISIBLE = 1e-6
"""Two images are different if a pixel differs by more than this; pixels are in [-1, 1], and float64."""

UNBOUNDED = 100.0
"""A bound that no noise reaches."""


class SamplingConformance(NetworkConformance):
    """The checks of what a generator offers for sampling."""

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
