"""Each loss trains its own player, and leaves the other one unchanged."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.autograd import backward

from cganzoo.objective import Batch
from cganzoo.testing.conformance import check_equal
from cganzoo.train.steps import frozen

from .base import FIELDS, SEEDS, Loss, LossChecks, buffers_restored, each_variant, gan_inputs, gradients, total


class LossGradients(LossChecks):
    """Gradients of both losses."""

    @each_variant
    def test_discriminator_loss_reaches_every_head(self, loss: Loss) -> None:
        """The discriminator's loss has a gradient in every parameter of the loss that is not fixed."""
        heads = loss.heads
        sizes = dict.fromkeys(heads, 0.0)
        for seed in SEEDS:
            value = total(loss.objective.discriminator_loss(*loss.batches(seed=seed)))
            used = heads and value.requires_grad
            found = torch.autograd.grad(value, list(heads.values()), allow_unused=True) if used else [None] * len(heads)
            for name, gradient in zip(heads, found, strict=True):
                assert gradient is not None, f"discriminator_loss does not use {name}; use it, or make it a buffer"
                assert gradient.isfinite().all(), f"discriminator_loss has a gradient in {name} that is not finite"
                sizes[name] += gradient.abs().sum().item()
        # The gradient of a bias may be zero: the score of a real minus that of a fake does not depend on it.
        idle = [name for name, size in sizes.items() if size == 0 and heads[name].ndim > 1]
        assert not idle, f"the gradient of discriminator_loss in {', '.join(idle)} is always zero; use it, or remove it"

    @each_variant
    def test_discriminator_loss_reaches_the_trunk(self, loss: Loss) -> None:
        """The discriminator's loss has a gradient in the features of real and of fake samples."""
        sizes = {"real": 0.0, "fake": 0.0}
        for seed in SEEDS:
            real, fake = loss.batches(seed=seed)
            value = total(loss.objective.discriminator_loss(real, fake))
            for side, gradient in zip(sizes, gradients(value, [real.features, fake.features]), strict=True):
                sizes[side] += gradient.abs().sum().item()
        for side, size in sizes.items():
            assert size > 0, f"discriminator_loss has no gradient in {side}.features; a loss needs no detach()"

    @each_variant
    def test_generator_loss_reaches_the_generator(self, loss: Loss) -> None:
        """The generator's loss has a gradient in every parameter of the generator."""
        gan = loss.gan()
        parameters = dict(gan.generator.named_parameters())
        sizes = dict.fromkeys(parameters, 0.0)
        for seed in SEEDS:
            with frozen(gan.discriminator_parameters):
                value = gan.generator_loss(*gan_inputs(gan, seed=seed))
            for name, gradient in zip(parameters, gradients(value, list(parameters.values())), strict=True):
                assert gradient.isfinite().all(), f"generator_loss has a gradient in {name} that is not finite"
                sizes[name] += gradient.abs().sum().item()
        idle = ", ".join(name for name, size in sizes.items() if size == 0)
        assert not idle, f"generator_loss has no gradient in the generator's {idle}; do not detach fake.features"

    @each_variant
    def test_generator_loss_leaves_the_discriminator_alone(self, loss: Loss) -> None:
        """The generator's loss does not change trunk and heads: no gradient, no new value, still frozen."""
        gan = loss.gan()
        with (
            frozen(gan.discriminator_parameters),
            _unchanged("generator_loss", {"the trunk's": gan.trunk, "the loss's": gan.objective}),
        ):
            value = gan.generator_loss(*gan_inputs(gan))
            if value.requires_grad:
                backward(value)

    @each_variant
    def test_discriminator_loss_changes_no_weight(self, loss: Loss) -> None:
        """The discriminator's loss does not change the generator, and changes no weight: the optimizer does that."""
        gan = loss.gan()
        with _unchanged("discriminator_loss", {"the generator's": gan.generator}):
            with _unchanged("discriminator_loss", {"the trunk's": gan.trunk, "the loss's": gan.objective}):
                value = gan.discriminator_loss(*gan_inputs(gan))
            backward(value)

    @each_variant
    def test_every_term_teaches(self, loss: Loss) -> None:
        """Each term depends on features, heads or, for the generator, images; or it is zero."""
        found: dict[tuple[str, str], list[tuple[bool, bool]]] = {}
        for seed in SEEDS:
            real, fake = loss.batches(seed=seed)
            images = fake.images.requires_grad_() * 1  # a term of the generator's loss may depend on images only
            fake = Batch(images, fake.labels, fake.features)
            leaves = {
                "discriminator_loss": [real.features, fake.features, *loss.heads.values()],
                "generator_loss": [fake.features, images],
            }
            with buffers_restored(loss.objective):
                for method, terms in loss.terms(real, fake).items():
                    for name, term in terms.items():
                        facts = _depends(term, leaves[method]), bool(term.any())
                        found.setdefault((method, name), []).append(facts)
        for (method, name), by_seed in found.items():
            depends, nonzero = map(any, zip(*by_seed, strict=True))
            assert depends or not nonzero, f"{method}, {name} has no gradient; remove a term that is only for the log"

    @each_variant
    def test_inputs_are_left_alone(self, loss: Loss) -> None:
        """Neither loss, nor the score, changes images, labels or features in place."""
        real, fake = loss.batches()
        sides = {"real": real, "fake": fake}
        given = {f"{side}.{part}": getattr(batch, part) for side, batch in sides.items() for part in FIELDS}
        before = {name: value.detach().clone() for name, value in given.items()}
        for method, call in loss.calls(real, fake).items():
            call()
            check_equal(given, before, f"is changed in place by {method}; compute a new tensor (no relu_(), mul_())")


def _depends(term: Tensor, leaves: Sequence[Tensor]) -> bool:
    """Whether a term has a gradient, which may be zero, in one of ``leaves``."""
    if not term.requires_grad:
        return False
    found = torch.autograd.grad(term.sum(), leaves, retain_graph=True, allow_unused=True)
    return any(gradient is not None for gradient in found)


@contextmanager
def _unchanged(method: str, modules: Mapping[str, nn.Module]) -> Iterator[None]:
    """Check that parameters get no gradient and no new value, and that ``requires_grad`` does not change."""
    before = [
        (f"{owner} {name}", parameter, parameter.detach().clone(), parameter._version, parameter.requires_grad)
        for owner, module in modules.items()
        for name, parameter in module.named_parameters()
    ]
    yield
    for name, parameter, value, version, requires_grad in before:
        assert parameter.grad is None, f"{method} leaves a gradient in {name}; do not call backward()"
        # A clamp, for example, changes no small weights, but only in a test are all weights small.
        unchanged = torch.equal(parameter, value) and parameter._version == version
        assert unchanged, f"{method} writes to {name} in place; only the optimizer may change it"
        same = parameter.requires_grad == requires_grad
        assert same, f"{method} changes requires_grad of {name}; do not set it, the engine freezes and unfreezes"
