"""A loss compared with its formula, written naively: same terms and same gradients in float64."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from unittest import SkipTest

import torch

from cganzoo.objective import Batch, Objective, Terms
from cganzoo.testing.conformance import schedulable

from .base import TOLERANCE, Loss, LossChecks, buffers_restored, over

CASES = [(classes, size, seed) for classes in (1, 2, 7, 200) for size in (1, 6) for seed in (0, 1)]
"""(classes, batch size, seed): one class, more classes than samples, a single sample."""


def random_batch(classes: int, size: int, seed: int, feature_dim: int = 5) -> Batch:
    """Random labels (size,) and float64 features (size, feature_dim) that require gradients; images are empty."""
    random = torch.Generator().manual_seed(seed)
    features = 2 * torch.randn(size, feature_dim, generator=random, dtype=torch.float64)
    return Batch(torch.empty(size, 0), torch.randint(classes, (size,), generator=random), features.requires_grad_())


def assert_same(objective: Objective, ours: Terms, naive: Terms, *batches: Batch) -> None:
    """Two sets of terms are equal, name by name, and so are the gradients of their sums in features and heads.

    Raises:
        AssertionError: they differ by more than :data:`TOLERANCE`.
    """
    torch.testing.assert_close(dict(ours), dict(naive), rtol=TOLERANCE, atol=TOLERANCE)
    heads = [parameter for parameter in objective.parameters() if parameter.requires_grad]
    leaves = [*(batch.features for batch in batches), *heads]
    mine, theirs = (
        torch.autograd.grad(torch.stack(list(terms.values())).sum(), leaves, allow_unused=True, materialize_grads=True)
        for terms in (ours, naive)
    )
    for one, two in zip(mine, theirs, strict=True):
        if not torch.allclose(one, two, rtol=TOLERANCE, atol=TOLERANCE):  # faster than assert_close, which explains
            torch.testing.assert_close(mine, theirs, rtol=TOLERANCE, atol=TOLERANCE)


class LossReference(LossChecks):
    """The author's reference."""

    def test_equals_its_reference(self) -> None:
        """Terms and gradients equal the author's reference in float64, for many numbers of classes and batch sizes."""
        if self.spec.reference is None:
            raise SkipTest("the loss has no reference: LossSpec(reference=...)")
        assert self.spec.reference(self.config()) is not None, "the reference must cover the default options"
        over([*self.each(), *self._other_numbers()], self._equals)

    def _other_numbers(self) -> Iterator[Loss]:
        """The loss with one weight, temperature or the like changed, where the options allow it."""
        defaults = self.config()
        for option in schedulable(self.spec.config):
            number = getattr(defaults, option)
            for other in (number / 2, number + 0.5) if isinstance(number, float) else (0.5,):
                if other != number:
                    with contextlib.suppress(ValueError):
                        yield Loss(self.spec, self.config(**{option: other}), f"{option}={other:g}")
                        break

    def _equals(self, loss: Loss) -> None:
        formula = loss.spec.reference(loss.config) if loss.spec.reference is not None else None
        if formula is None:
            raise SkipTest("the reference does not cover these options")
        for classes, size, seed in CASES:
            objective = replace(loss, classes=classes, seed=seed, dtype=torch.float64).objective
            heads = {**dict(objective.named_parameters()), **dict(objective.named_buffers())}
            real, fake = random_batch(classes, size, seed), random_batch(classes, size, seed + 9)
            if objective.fake_labels == "paired":
                fake = replace(fake, labels=real.labels)
            used = real if objective.uses_real_in_generator_loss else None
            method = "discriminator_loss"
            try:
                with buffers_restored(objective):
                    ours = objective.discriminator_loss(real, fake)
                    naive = formula.discriminator_loss(heads, real, fake, loss.config)
                    assert_same(objective, ours, naive, real, fake)
                method = "generator_loss"
                with buffers_restored(objective):
                    ours = objective.generator_loss(fake, used)
                    assert_same(objective, ours, formula.generator_loss(heads, fake, loss.config, used), fake)
            except AssertionError as error:
                case = f"num_classes = {classes}, batch of {size}, seed {seed}"
                raise AssertionError(f"{method} differs from the reference ({case}): {error}") from error
