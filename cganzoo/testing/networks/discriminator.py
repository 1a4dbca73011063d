"""The checks of a discriminator trunk."""

from __future__ import annotations

from typing import Any
from unittest import SkipTest

import torch
from torch import Tensor

from cganzoo.specs import BuildContext
from cganzoo.testing.conformance import explained

from . import base
from .base import BATCH, Inputs, double, projected, smallest_difference, tensors
from .common import NetworkConformance

EQUAL = 1e-9
"""Features are equal if they differ by at most this, in float64."""


class DiscriminatorConformance(NetworkConformance):
    """The checks of a discriminator. Subclass it with the ``name`` of one; set ``options`` to make it small."""

    kind = "discriminator"
    number_of_checks = 36

    def inputs(self, network: Any, count: int = BATCH, *, seed: int = 0, context: BuildContext | None = None) -> Inputs:
        """Images (count, C, H, W) in [-1, 1]."""
        context = context or self.context()
        shape = count, context.image_channels, context.image_size, context.image_size
        return (2 * torch.rand(shape, generator=torch.Generator().manual_seed(seed)) - 1,)

    def check_output(self, output: Tensor, count: int, context: BuildContext, network: Any) -> None:
        """Features have the right shape, and are finite."""
        base.check_positive_int("feature_dim", network.feature_dim)
        found, expected = tuple(output.shape), (count, network.feature_dim)
        assert found == expected, f"features are {found}; they must be (N, feature_dim) = {expected}"
        assert output.isfinite().all(), "features are not finite"

    def features(self, network: Any, images: Tensor) -> Tensor:
        """The trunk's features for float64 images. No gradient is recorded, and each call uses the same random seed."""
        torch.manual_seed(11)
        with torch.no_grad():
            features: Tensor = network(images.double())
        return features

    def test_knows_nothing_of_classes(self) -> None:
        """The trunk takes only images, and is the same network for any number of classes."""
        few, many = self.build(self.context(2)), self.build(self.context(200))
        (images,) = self.inputs(few)
        with explained("called with images only, it", "labels belong to the loss, which has the heads"):
            few.eval()(images)
        one, two = ({name: tensor.shape for name, tensor in tensors(trunk).items()} for trunk in (few, many))
        advice = "a trunk must not use context.num_classes"
        assert one == two, f"its weights depend on the number of classes; {advice}"
        assert few.feature_dim == many.feature_dim, f"feature_dim depends on the number of classes; {advice}"
        self.assert_same_network(few, many, f"its features depend on the number of classes; {advice}")

    def test_images_change_the_features(self) -> None:
        """Different images have different features."""
        network = self.used()
        features = self.features(network, *self.inputs(network))
        assert smallest_difference(features) > EQUAL, "two images have the same features; use the images in forward"

    def test_extreme_images(self) -> None:
        """Black, white and grey images have finite features and gradients."""
        network = self.build()
        (images,) = self.inputs(network)
        with torch.no_grad():
            network.initialize(images)
        for name, value in (("black", -1.0), ("white", 1.0), ("grey", 0.0)):
            flat = torch.full_like(images, value).requires_grad_()
            features = network(flat)
            assert features.isfinite().all(), f"features of {name} images are not finite; avoid a division by zero"
            (gradient,) = torch.autograd.grad(projected(features), flat, allow_unused=True)
            assert gradient is not None, "no gradient reaches the images; use no detach() and no torch.no_grad()"
            assert gradient.isfinite().all(), f"the gradient at {name} images is not finite; avoid a root of zero"

    def test_gradients_reach_the_images(self) -> None:
        """With the trunk frozen, as in the generator's step, a gradient reaches every image in every channel."""
        network = self.used().train().requires_grad_(False)
        (images,) = double(self.inputs(network))
        features = network(images.requires_grad_())
        advice = "the generator is trained by it only; use no detach() and no torch.no_grad()"
        assert features.requires_grad, f"with the trunk frozen, no gradient reaches the images; {advice}"
        (gradient,) = torch.autograd.grad(projected(features), images)
        assert gradient.isfinite().all(), "the gradient of the images is not finite"
        assert gradient.abs().amax((2, 3)).min() > 0, f"a channel of an image gets no gradient; {advice}"

    def test_second_order_gradients(self) -> None:
        """A gradient penalty can be trained: the gradient with respect to the images has a gradient itself."""
        network = self.used()
        (images,) = double(self.inputs(network, 2))
        images.requires_grad_()
        parameters = list(base.trained(network).values())
        if not parameters:
            raise SkipTest(base.NONE_TRAINED)

        def penalty() -> Tensor:
            scores = projected(network(images).tanh())
            (gradient,) = torch.autograd.grad(scores, images, create_graph=True)
            return gradient.square().sum()

        with explained("training a gradient penalty", "use only operations with second derivatives"):
            found = base.slopes(penalty, parameters)
        self.needs_determinism()
        base.check_slopes(found, "a small move of the weights changes a penalty", "make backward differentiable")

    def test_two_passes_before_one_backward(self) -> None:
        """Real and fake images may pass separately before one backward."""
        network = self.build()
        (real,), (fake,) = self.differentiable(network), self.differentiable(network, seed=1)
        with explained("one backward of two passes", "change no tensor in place that an earlier pass needs"):
            torch.autograd.backward(projected(network(real)) - projected(network(fake)))

    def test_batch_statistics_is_true(self) -> None:
        """In training mode an image's features depend on the rest of its batch if and only if ``batch_statistics``."""
        network = self.used()
        declared = network.batch_statistics
        assert isinstance(declared, bool), f"batch_statistics is {declared!r}; it must be a bool"
        state = tensors(network)
        own, others = (self.inputs(network, 4, seed=seed)[0] for seed in (0, 1))
        found = []
        # Only the pixels of the other images differ: the own ones have the same positions and random draws.
        for rest in (own.flip(0) / 2, others):
            network.load_state_dict(state, strict=False)  # running averages and power iterations change in training
            found.append(self.features(network.train(), torch.cat([own, rest]))[: len(own)])
        difference = float((found[0] - found[1]).abs().max())
        problem = f"a feature changes by {difference:.2g} with the rest of the batch"
        assert declared == (difference > EQUAL), f"{problem}; set batch_statistics = {not declared}"
