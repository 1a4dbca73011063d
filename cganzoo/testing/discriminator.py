"""The checks of a discriminator trunk."""

from __future__ import annotations

from typing import Any
from unittest import SkipTest

import torch
from torch import Tensor

from cganzoo.specs import BuildContext

from .network import (
    BATCH,
    Inputs,
    NetworkConformance,
    agree,
    double,
    first_lines,
    positive_int,
    projected,
    slopes,
    tensors,
)

ALIKE = 1e-9
"""How far features may be apart, in float64, to count as equal."""


class DiscriminatorConformance(NetworkConformance):
    """Subclass it with the ``name`` of a discriminator; see :class:`~cganzoo.testing.conformance.Conformance`.

    The networks are built with the default options unless ``options`` says otherwise, on small batches.
    """

    kind = "discriminator"
    number_of_checks = 36

    def inputs(self, network: Any, count: int = BATCH, *, seed: int = 0, context: BuildContext | None = None) -> Inputs:
        """Images (count, C, H, W) in [-1, 1]."""
        context = context or self.context()
        shape = count, context.image_channels, context.image_size, context.image_size
        return (2 * torch.rand(shape, generator=torch.Generator().manual_seed(seed)) - 1,)

    def check_output(self, output: Tensor, count: int, context: BuildContext, network: Any) -> None:
        """Features: their shape, and finite values."""
        dim = network.feature_dim
        assert positive_int(dim), f"feature_dim is {dim!r}; it must be a positive int"
        assert tuple(output.shape) == (count, dim), (
            f"features are {tuple(output.shape)}; they must be (N, feature_dim) = {(count, dim)}"
        )
        assert output.isfinite().all(), "features are not finite"

    def features(self, network: Any, images: Tensor) -> Tensor:
        """Features of float64 images, without gradient; what is random in training is drawn alike each time."""
        torch.manual_seed(11)
        with torch.no_grad():
            features: Tensor = network(images.double())
        return features

    # --- the checks -------------------------------------------------------------------------------------------------

    def test_knows_nothing_of_classes(self) -> None:
        """It takes images alone, and is the same network for any number of classes."""
        few, many = self.build(self.context(2)), self.build(self.context(200))
        (images,) = self.inputs(few)
        try:
            few.eval()(images)
        except TypeError as error:
            raise AssertionError(
                f"called with images alone it raises: {error}; labels belong to the loss, which owns the heads"
            ) from error
        state, other = tensors(few), tensors(many)
        assert {name: tensor.shape for name, tensor in state.items()} == {
            name: tensor.shape for name, tensor in other.items()
        }, "its weights depend on the number of classes; a trunk knows nothing of classes"
        assert few.feature_dim == many.feature_dim, "feature_dim depends on the number of classes"
        self.assert_same_network(few, many, "its features depend on the number of classes")

    def test_images_change_the_features(self) -> None:
        """Other images have other features."""
        network = self.used()
        (images,) = self.inputs(network)
        features = self.features(network, images)
        apart = (features[:, None] - features[None]).abs().amax(2)[~torch.eye(BATCH, dtype=torch.bool)]
        assert apart.min() > ALIKE, "two images have the same features"

    def test_extreme_images(self) -> None:
        """Black, white and grey images have finite features and gradients."""
        network = self.build()
        (images,) = self.inputs(network)
        with torch.no_grad():
            network.initialize(images)
        for name, value in (("black", -1.0), ("white", 1.0), ("grey", 0.0)):
            flat = torch.full_like(images, value).requires_grad_()
            features = network(flat)
            assert features.isfinite().all(), f"features of {name} images are not finite"
            (gradient,) = torch.autograd.grad(projected(features), flat, allow_unused=True)
            assert gradient is not None, "no gradient reaches the images"
            assert gradient.isfinite().all(), f"the gradient at {name} images is not finite"

    def test_gradients_reach_the_images(self) -> None:
        """With the trunk frozen, as in the generator's step, a gradient reaches every image in every channel."""
        network = self.used().train().requires_grad_(False)
        (images,) = double(self.inputs(network))
        features = network(images.requires_grad_())
        advice = "the generator learns from it alone: leave out detach() and torch.no_grad()"
        assert features.requires_grad, f"with the trunk frozen, no gradient reaches the images; {advice}"
        (gradient,) = torch.autograd.grad(projected(features), images)
        assert gradient.isfinite().all(), "the gradient of the images is not finite"
        assert gradient.abs().amax((2, 3)).min() > 0, f"a channel of an image gets no gradient; {advice}"

    def test_second_order_gradients(self) -> None:
        """A gradient penalty can be trained: the gradient of the images has gradients of its own."""
        network = self.used()
        (images,) = double(self.inputs(network, 2))
        images.requires_grad_()
        trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
        if not trained:
            raise SkipTest("no parameter of it is trained")

        def penalty() -> Tensor:
            scores = projected(network(images).tanh())
            (gradient,) = torch.autograd.grad(scores, images, create_graph=True)
            return gradient.square().sum()

        try:
            told, seen = slopes(penalty, trained)
        except RuntimeError as error:
            raise AssertionError(f"no gradient penalty can be trained: {first_lines(error)}") from error
        self.needs_determinism()
        assert agree(told, seen), (
            f"moving the weights changes a gradient penalty at the rate {seen:.6g}, but its gradients say {told:.6g}: "
            "a backward on the way cannot be differentiated itself"
        )

    def test_two_passes_before_one_backward(self) -> None:
        """Real and fake images may pass one after the other before gradients are taken."""
        network = self.build()
        (real,), (fake,) = self.inputs(network), self.inputs(network, seed=1)
        try:
            torch.autograd.backward(projected(network(real)) - projected(network(fake)))
        except RuntimeError as error:
            raise AssertionError(
                f"two passes and one backward raise: {first_lines(error)}; a second pass must not change in place what "
                "the first one's gradient needs"
            ) from error

    def test_batch_statistics_is_true(self) -> None:
        """In training mode an image's features depend on the rest of its batch exactly if ``batch_statistics``."""
        network = self.used()
        assert isinstance(network.batch_statistics, bool), (
            f"batch_statistics is {network.batch_statistics!r}; it must be a bool"
        )
        state = {name: tensor.clone() for name, tensor in tensors(network).items()}
        own, others = (self.inputs(network, 4, seed=seed)[0] for seed in (0, 1))
        seen = []
        # Own images at the same places and the same random draws, so that only the others' pixels can tell.
        for rest in (own.flip(0) / 2, others):
            network.load_state_dict(state, strict=False)  # running averages and power iterations move in training
            seen.append(self.features(network.train(), torch.cat([own, rest]))[: len(own)])
        away = float((seen[0] - seen[1]).abs().max())
        if network.batch_statistics:
            assert away > ALIKE, (
                "batch_statistics = True, but features do not depend on the rest of the batch; set it to False: real "
                "and fake images then share a pass, which is faster"
            )
        else:
            assert away <= ALIKE, (
                f"batch_statistics = False, but a feature moves by {away:.2g} with the rest of the batch; set it to "
                "True: real and fake images then pass apart"
            )

    def test_batch_does_not_matter_in_use(self) -> None:
        """Without batch statistics, features in evaluation mode do not depend on the batch; a batch of one works."""
        network = self.used()
        if network.batch_statistics:
            raise SkipTest("batch_statistics = True")
        (images,) = self.inputs(network, 6)
        whole = self.features(network, images)
        for part in (slice(0, 1), slice(3, 6)):
            away = float((self.features(network, images[part]) - whole[part]).abs().max())
            self.needs_determinism()
            assert away <= ALIKE, (
                f"in evaluation mode a feature moves by {away:.2g} when the rest of the batch is left out"
            )
