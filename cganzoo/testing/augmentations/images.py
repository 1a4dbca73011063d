"""The images that an augmentation returns: which shapes, how they are drawn, and their gradients."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from unittest import SkipTest

import torch
from torch import Tensor

from cganzoo.augmentation import Augmentation
from cganzoo.errors import CganzooError
from cganzoo.testing.conformance import built, explained
from cganzoo.testing.networks.base import check_slopes, projected, slopes
from cganzoo.testing.randomness import seeded, untouched
from cganzoo.testing.variants import each_variant

from .base import SEEDS, SIZE, AugmentationChecks, Augmented, drawn, exact, needs_change

IMAGES = ((1, 8, 8), (3, 8, 8), (3, 32, 32), (3, 7, 7), (1, 36, 36))
"""Shapes of images: each works, or is refused when the augmentation is built."""
COPIES = 16
OUTSIDE = 1.5
"""Images in [-1, 1] that an augmentation changed may be outside of it, so an augmentation must accept such images."""


class AugmentationImages(AugmentationChecks):
    """Images."""

    @each_variant
    def test_any_image(self, case: Augmented) -> None:
        """Gray and RGB images of any size keep shape and type, and stay finite; or their size is refused in build."""
        for image in IMAGES:
            of_size = replace(case, image=image)
            channels, size, _ = image
            try:
                augmentation = of_size.new()
            except CganzooError as refusal:
                message = str(refusal)
                assert len(message.splitlines()) == 1, f"the error for images {image} must be one line: {message}"
                named = str(size) in message or str(channels) in message
                assert named, f"the error for images {image} must name their size or channels: {message}"
                continue
            built(augmentation, Augmentation)
            with explained(f"for images {image}, it", "refuse them with a CganzooError in build if they cannot work"):
                augmentation = of_size.augmentation
                found = augmentation(of_size.images())
            self._check(found, of_size.images(), f"for images {image}")

    @each_variant
    def test_any_batch_size(self, case: Augmented) -> None:
        """Batches of 1, 2 and 5 images work."""
        for size in (1, 2, 5):
            images = case.images(size)
            with explained(f"a batch of {size}"):
                found = case.augmentation(images)
            self._check(found, images, f"for a batch of {size}")

    def _check(self, found: Tensor, images: Tensor, where: str) -> None:
        assert isinstance(found, Tensor), f"{where}, it returns {type(found).__name__}; return the images"
        shape = f"{where}, it returns images {tuple(found.shape)}; they must stay (N, C, H, W) = {tuple(images.shape)}"
        assert found.shape == images.shape, shape
        advice = "create tensors with the dtype of the images"
        assert found.dtype == images.dtype, f"{where}, {images.dtype} becomes {found.dtype}; {advice}"
        assert found.isfinite().all(), f"{where}, a pixel is not finite"

    @each_variant
    def test_extreme_images(self, case: Augmented) -> None:
        """Images of one colour, and pixels outside [-1, 1], stay finite, with finite gradients."""
        images = case.images()
        flat = {f"images of {value:g}": torch.full_like(images, value) for value in (-1.0, 0.0, 1.0)}
        for what, extreme in {**flat, f"pixels up to {OUTSIDE:g}": OUTSIDE * images}.items():
            leaf = extreme.clone().requires_grad_()
            found = drawn(case.augmentation, leaf)
            assert found.isfinite().all(), f"{what} become images that are not finite"
            if found.requires_grad:
                (gradient,) = torch.autograd.grad(projected(found), leaf)
                assert gradient.isfinite().all(), f"the gradient at {what} is not finite; avoid a root of zero"

    @each_variant
    def test_inputs_are_left_alone(self, case: Augmented) -> None:
        """The images that it gets are not changed in place."""
        for seed in SEEDS:
            images = case.images()
            drawn(case.augmentation, images, seed)
            assert torch.equal(images, case.images()), "the images are changed in place; compute new ones"

    # --- random numbers -----------------------------------------------------------------------------------------------

    def test_changes_images(self) -> None:
        """With its default options it changes images, at some step of the run or after high scores of real images."""
        case = next(self.each())
        changed = any(case.changed(case.augmentation, seed) for seed in SEEDS)
        assert changed, "with its defaults, it changes no image; let the defaults be those of the paper"

    @each_variant
    def test_draws_anew(self, case: Augmented) -> None:
        """Each call draws new random numbers: two calls with the same images differ."""
        needs_change(case)
        images = case.images()
        with seeded(0):
            calls = [case.augmentation(images) for _ in SEEDS]
        same = all(torch.equal(calls[0], other) for other in calls[1:])
        assert not same, "every call changes an image in the same way; draw random numbers in forward"

    @each_variant
    def test_samples_draw_their_own(self, case: Augmented) -> None:
        """Each image of a batch is changed in its own way."""
        needs_change(case)
        images = case.images(1).repeat(COPIES, 1, 1, 1)
        same = True
        for seed in SEEDS:
            found = drawn(case.augmentation, images, seed)
            same = same and bool((found == found[:1]).all())
        assert not same, f"{COPIES} equal images are changed in the same way; draw a number for each of the N images"

    @each_variant
    def test_samples_are_independent(self, case: Augmented) -> None:
        """The change of an image does not depend on the other images of its batch."""
        case = exact(case)
        images, others = case.images(), case.images(seed=1)
        for own in (slice(0, 1), slice(3, SIZE)):
            mixed = others.clone()
            mixed[own] = images[own]
            for seed in SEEDS:
                one, two = (drawn(case.augmentation, batch, seed)[own] for batch in (images, mixed))
                problem = "an image is changed in another way if the other images of its batch are different"
                assert torch.allclose(one, two, rtol=1e-9, atol=1e-9), f"{problem}; compute each from itself only"

    @each_variant
    def test_only_torch_random_numbers(self, case: Augmented) -> None:
        """Random numbers are drawn from torch's global generator only, whose seed decides the result."""
        images = case.images()
        for seed in SEEDS:
            with seeded(seed):
                with untouched("it", allowed="torch's"):
                    one = case.augmentation(images.clone())
                torch.default_generator.manual_seed(seed)
                two = case.augmentation(images.clone())
            advice = "draw from torch's global generator only"
            assert torch.equal(one, two), f"the same torch seed changes the same images in two ways; {advice}"

    def test_identity(self) -> None:
        """With the options of ``identity``, it changes no image."""
        if self.spec.identity is None:
            raise SkipTest("it names no options that change no image: AugmentationSpec(identity=...)")
        config = self.config(**self.spec.identity)
        case = exact(Augmented(self.spec, config, image=self.image()))
        for seed in SEEDS:
            images = case.images(seed=seed)
            difference = float((drawn(case.new(), images, seed) - images).abs().max())
            problem = f"with the options of identity, {dict(self.spec.identity)}, a pixel changes by {difference:.3g}"
            assert difference <= 1e-9, f"{problem}; correct identity, or the strength 0"

    # --- gradients ----------------------------------------------------------------------------------------------------

    @each_variant
    def test_gradients_reach_every_image(self, case: Augmented) -> None:
        """A gradient reaches every image of a batch, in every channel."""
        reached = torch.zeros(SIZE, case.image[0])
        for seed in SEEDS:
            images = case.images().requires_grad_()
            found = drawn(case.augmentation, images, seed)
            advice = "the generator is trained through it; use no detach(), torch.no_grad() or whole numbers"
            assert found.requires_grad, f"no gradient reaches the images; {advice}"
            (gradient,) = torch.autograd.grad(projected(found), images, allow_unused=True, materialize_grads=True)
            assert gradient.isfinite().all(), "a gradient of the images is not finite"
            reached += gradient.abs().sum((2, 3))
        assert reached.min() > 0, "a channel of an image never gets a gradient; let each output depend on its image"

    @each_variant
    def test_gradients_are_the_slopes(self, case: Augmented) -> None:
        """Gradients are equal to finite differences: none is cut off on its way."""
        advice = "remove detach() and torch.no_grad() from forward, or correct its backward"
        self._compare(case, lambda changed, images: projected(changed.tanh()), "the images that it returns", advice)

    @each_variant
    def test_second_order_gradients(self, case: Augmented) -> None:
        """A gradient penalty works through it: the gradient in the images has a correct gradient itself."""

        def penalty(changed: Tensor, images: Tensor) -> Tensor:
            value = projected(changed.tanh())
            (gradient,) = torch.autograd.grad(value, images, create_graph=True)
            return gradient.square().sum()

        self._compare(case, penalty, "a gradient penalty", "use only operations with second derivatives")

    def _compare(self, case: Augmented, value: Callable[[Tensor, Tensor], Tensor], what: str, advice: str) -> None:
        case = exact(case)
        for seed in SEEDS[:3]:
            images = case.images(4).requires_grad_()

            def of_images(images: Tensor = images, seed: int = seed) -> Tensor:
                changed = drawn(case.augmentation, images, seed)
                if not changed.requires_grad:
                    raise SkipTest("no gradient reaches the images: see gradients_reach_every_image")
                return value(changed, images)

            with explained(f"the gradient of {what}", advice):
                found = slopes(of_images, [images])
            check_slopes(found, f"a small move of the images changes {what}", advice)

    # --- precision, memory format and device --------------------------------------------------------------------------

    @each_variant
    def test_float64(self, case: Augmented) -> None:
        """Images in float64 stay float64."""
        case = exact(case)
        with explained("in float64 it", "create tensors with the dtype of the images"):
            found = case.augmentation(case.images())
        assert found.dtype == torch.float64, f"float64 images become {found.dtype}; do not change the type"

    @each_variant
    def test_channels_last(self, case: Augmented) -> None:
        """Images in the memory format channels_last, which recipes may use, are accepted."""
        images = case.images()
        with explained("in channels_last it", "use reshape instead of view"):
            found = drawn(case.augmentation, images.contiguous(memory_format=torch.channels_last))
        self._check(found, images, "in channels_last")

    @each_variant
    def test_runs_on_any_device(self, case: Augmented) -> None:
        """It works on the device of its images, and copies no value to the CPU."""
        images = case.images().to("meta")
        augmentation = case.augmentation.to("meta")
        advice = "create tensors on the device of the images, register buffers, and read no tensor's value"
        with explained("on another device it", advice):  # the meta device has no values, and represents all others
            found = augmentation(images)
        assert found.is_meta, f"on another device the images are still on the CPU; {advice}"
