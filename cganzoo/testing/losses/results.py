"""A loss gives the same results as its naive formula, in other precisions, on another device and when compiled."""

from __future__ import annotations

from dataclasses import replace
from unittest import SkipTest

import torch

from cganzoo.objective import Batch, Objective, Terms
from cganzoo.testing.conformance import explained
from cganzoo.testing.randomness import seeded

from . import base
from .base import METHODS, SEEDS, TOLERANCE, Loss, LossChecks, buffers_restored, gradients, with_features

CASES = [(classes, size, seed) for classes in (1, 2, 7, 200) for size in (1, 6) for seed in (0, 1)]
"""(classes, batch size, seed): one class, more classes than samples, a single sample."""


def random_batch(
    classes: int,
    size: int,
    seed: int,
    feature_dim: int = 5,
    image: tuple[int, int, int] = (1, 8, 8),
    *,
    image_gradients: bool = False,
) -> Batch:
    """Random labels (size,), features (size, feature_dim), and images (size, C, H, W) in [-1, 1] of shape ``image``.

    Features and images are float64 and require gradients. The features depend on the images only with
    ``image_gradients``, for a loss that differentiates with respect to images.
    """
    random = torch.Generator().manual_seed(seed)
    features = 2 * torch.randn(size, feature_dim, generator=random, dtype=torch.float64)
    labels = torch.randint(classes, (size,), generator=random)
    images = 2 * torch.rand(size, *image, generator=random, dtype=torch.float64) - 1
    batch = Batch(images.requires_grad_(), labels, features.requires_grad_())
    return with_features(batch, features) if image_gradients else batch


def assert_same(objective: Objective, ours: Terms, naive: Terms, *batches: Batch) -> None:
    """Check that two sets of terms have equal values by name, and their sums equal gradients.

    The gradients are those in the features and images of ``batches``, and in the heads.

    Raises:
        AssertionError: they differ by more than :data:`TOLERANCE`.
    """
    torch.testing.assert_close(dict(ours), dict(naive), rtol=TOLERANCE, atol=TOLERANCE)
    heads = [parameter for parameter in objective.parameters() if parameter.requires_grad]
    leaves = [*(leaf for batch in batches for leaf in (batch.features, batch.images) if leaf.requires_grad), *heads]
    mine, theirs = (gradients(base.total(terms), leaves) for terms in (ours, naive))
    for one, two in zip(mine, theirs, strict=True):
        if not torch.allclose(one, two, rtol=TOLERANCE, atol=TOLERANCE):  # faster than assert_close, which explains
            torch.testing.assert_close(mine, theirs, rtol=TOLERANCE, atol=TOLERANCE)


class LossResults(LossChecks):
    """Results."""

    def test_equals_its_reference(self) -> None:
        """Terms and gradients equal the author's reference in float64, for many numbers of classes and batch sizes."""
        if self.spec.reference is None:
            raise SkipTest("the loss has no reference: LossSpec(reference=...)")
        assert self.spec.reference(self.config()) is not None, "the reference must cover the default options"
        base.over([*self.each(), *self.other_numbers()], self._equals)

    def _equals(self, loss: Loss) -> None:
        formula = loss.spec.reference(loss.config) if loss.spec.reference is not None else None
        if formula is None:
            raise SkipTest("the reference does not cover these options")
        for classes, size, seed in CASES:
            variant = replace(loss, classes=classes, seed=seed, dtype=torch.float64)
            objective = variant.objective
            heads = {**dict(objective.named_parameters()), **dict(objective.named_buffers())}
            linked = objective.uses_image_gradients
            real, fake = (random_batch(classes, size, seed + more, image_gradients=linked) for more in (0, 9))
            random = torch.Generator().manual_seed(seed)
            fake = replace(fake, latents=base.latents(size, random, torch.float64))
            if objective.fake_labels == "paired":
                fake = replace(fake, labels=real.labels)
            used = real if objective.uses_real_in_generator_loss else None
            inputs = {"discriminator_loss": (real, fake, loss.config), "generator_loss": (fake, loss.config, used)}
            try:
                for method, call in variant.calls(real, fake).items():
                    if method not in inputs:
                        continue
                    more = {"networks": variant.networks[method]} if objective.uses_networks else {}
                    with buffers_restored(objective):
                        with seeded(0):
                            ours = call()
                        with seeded(0):
                            naive = getattr(formula, method)(heads, *inputs[method], **more)
                        assert_same(objective, ours, naive, *(real, fake) if method == METHODS[0] else (fake,))
            except AssertionError as error:
                case = f"num_classes = {classes}, batch of {size}, seed {seed}"
                raise AssertionError(f"{method} differs from the reference ({case}): {error}") from error

    # --- precision, device and compiler -------------------------------------------------------------------------------

    @base.each_variant
    def test_runs_in_float64(self, loss: Loss) -> None:
        """From float64 features the losses are float64, and close to those in float32."""
        results = {}
        for dtype in (torch.float32, torch.float64):
            loss = replace(loss, dtype=dtype)
            results[dtype] = loss.values(*loss.batches())
        for method, exact in results[torch.float64].items():
            assert exact.dtype == torch.float64, f"{method} is {exact.dtype}: create tensors with the features' dtype"
            if loss.objective.stochastic:  # the same seed gives other random numbers in another precision
                continue
            base.check_close(results[torch.float32][method].double(), exact, f"{method} differs in float32", 1e-3)

    @base.each_variant
    def test_rounded_features(self, loss: Loss) -> None:
        """Features rounded to bfloat16 give finite losses and gradients, close to those of exact features."""
        for scale in (0.3, 1.0, 5.0):
            batches = loss.batches(scale=scale)
            for squash, what in ((lambda x: x, f"features of size {scale:g}"), (torch.tanh, "features in [-1, 1]")):
                exact = [with_features(batch, squash(batch.features)) for batch in batches]
                rounded = [with_features(batch, batch.features.bfloat16().float()) for batch in exact]
                loss.check_finite(rounded[0], rounded[1], f"{what} rounded to bfloat16")
                problem = f"of {what} changes too much when bfloat16 rounds them"
                base.check_losses_close(loss.values(*rounded), loss.values(*exact), problem, 0.05)

    @base.each_variant
    def test_trains_in_bfloat16(self, loss: Loss) -> None:
        """With networks in bfloat16, losses are finite, float32, and close to those in full precision."""
        full, low = loss.gan(), loss.gan(autocast=True)
        for seed in SEEDS:
            inputs = base.gan_inputs(full, seed=seed)
            for method in METHODS:
                results = []
                for gan in (full, low):
                    with seeded(seed):
                        results.append(getattr(gan, method)(*inputs))
                wanted, found = results
                assert found.dtype == torch.float32, f"with networks in bfloat16, {method} is {found.dtype}"
                assert found.isfinite(), f"with networks in bfloat16, {method} is {found.item()}"
                for gradient in gradients(found, low.players[method.removesuffix("_loss")]):
                    assert gradient.isfinite().all(), f"a gradient of {method} in bfloat16 is not finite"
                base.check_close(found, wanted, f"with networks in bfloat16, {method} is very different", 0.05)

    @base.each_variant
    def test_runs_on_any_device(self, loss: Loss) -> None:
        """The losses work on the device of their inputs, and copy no value to the CPU."""
        real, fake = (_on_meta(batch) for batch in loss.batches())
        loss.objective.to("meta")  # has no values: a tensor on the CPU, or reading a value, is an error
        advice = "create tensors on the device of the features, register buffers, and read no tensor's value"
        for method, call in loss.calls(real, fake, loss.networks_on("meta")).items():
            with explained(f"on another device {method}", advice):
                call()

    @base.each_repeatable_variant
    def test_compiles_whole(self, loss: Loss) -> None:
        """``torch.compile(fullgraph=True)`` compiles both losses without a graph break, with the same results."""
        import torch._dynamo

        if loss.objective.uses_image_gradients:
            raise SkipTest("uses_image_gradients = True: a compiled step cannot differentiate in its forward pass")

        def both(real: Batch, fake: Batch) -> dict[str, torch.Tensor]:
            return {method: base.total(terms) for method, terms in loss.terms(real, fake).items()}

        torch._dynamo.reset()
        compiled = torch.compile(both, backend="eager", fullgraph=True, dynamic=False)
        try:
            for seed in (0, 1):
                batches = loss.batches(seed=seed)
                with buffers_restored(loss.objective), seeded(seed):
                    wanted = both(*batches)
                advice = "use only tensor operations, or set uses_image_gradients = True if the losses differentiate"
                with buffers_restored(loss.objective), seeded(seed), explained("torch.compile(fullgraph=True)", advice):
                    found = compiled(*batches)
                base.check_losses_close(found, wanted, "differs when it is compiled", 1e-5)
        finally:
            torch._dynamo.reset()


def _on_meta(batch: Batch) -> Batch:
    """The batch on a device without values."""
    images, labels, features = (part.detach().to("meta") for part in (batch.images, batch.labels, batch.features))
    latents = None if batch.latents is None else batch.latents.to("meta")
    images.requires_grad_(batch.images.requires_grad)
    return with_features(Batch(images, labels, features, latents), features)
