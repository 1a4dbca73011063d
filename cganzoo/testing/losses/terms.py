"""The terms of a loss have names, shapes and values that the engine can use, for all kinds of batches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from unittest import SkipTest

import torch
from torch import Tensor

from cganzoo.objective import Objective
from cganzoo.specs import NAME

from .base import CLASS_COUNTS, CLASSES, SEEDS, SIZE, Loss, LossChecks, each_variant, subset, total, with_features

LARGE = 1e3
"""How many times larger the features of a diverged discriminator are."""


class LossTerms(LossChecks):
    """Terms and finite values."""

    @each_variant
    def test_terms_are_named_scalars(self, loss: Loss) -> None:
        """Both losses give named float32 scalars, the same names for every batch."""
        built = type(loss.objective).__name__
        assert isinstance(loss.objective, Objective), f"build returns {built}, not an Objective"
        names: dict[str, list[str]] = {}
        for size in (SIZE, 2):
            for method, terms in loss.terms(*loss.batches(size)).items():
                assert isinstance(terms, Mapping), f"{method} returns {type(terms).__name__}; return a dict of terms"
                assert terms, f"{method} returns no term; return at least one"
                for name, term in terms.items():
                    assert isinstance(name, str), f"{method} names a term {name!r}; a name must be a string"
                    assert NAME.fullmatch(name), f"{method} names a term {name!r}; use lower snake case"
                    what = f"{method}, {name}"
                    assert isinstance(term, Tensor), f"{what} is {type(term).__name__}; return a tensor"
                    assert term.shape == (), f"{what} has shape {tuple(term.shape)}; reduce it to a scalar"
                    assert term.dtype == torch.float32, f"{what} is {term.dtype}; compute it in the features' dtype"
                assert names.setdefault(method, list(terms)) == list(terms), (
                    f"{method} names its terms {list(terms)} for one batch and {names[method]} for another"
                )

    @each_variant
    def test_any_number_of_classes(self, loss: Loss) -> None:
        """Losses and gradients are finite with 1, 2, 10 and 200 classes."""
        for classes in CLASS_COUNTS:
            loss = replace(loss, classes=classes)
            loss.check_finite(*loss.batches(), f"num_classes = {classes}, batch of {SIZE}")

    @each_variant
    def test_missing_classes(self, loss: Loss) -> None:
        """Losses and gradients are finite if classes are missing from a batch."""
        loss = replace(loss, classes=4)
        real, fake = loss.batches()
        for of_real, of_fake in ((0, 0), (3, 3), (0, 3), (2, 1)):
            of_fake = of_real if loss.objective.fake_labels == "paired" else of_fake
            one, two = (torch.full((SIZE,), label) for label in (of_real, of_fake))
            what = f"all real samples of class {of_real}, all fake samples of class {of_fake}, of 4 classes"
            loss.check_finite(replace(real, labels=one), replace(fake, labels=two), what)

    @each_variant
    def test_batch_of_one(self, loss: Loss) -> None:
        """Losses and gradients are finite for a single sample."""
        for classes in (1, CLASSES):
            loss = replace(loss, classes=classes)
            loss.check_finite(*loss.batches(size=1), f"num_classes = {classes}, batch of 1")

    @each_variant
    def test_batches_of_different_size(self, loss: Loss) -> None:
        """The discriminator's loss accepts more fake than real samples."""
        if loss.objective.fake_labels == "paired":
            raise SkipTest("its fakes are paired with real samples")
        real, fake = loss.batches(2 * SIZE)
        value = total(loss.objective.discriminator_loss(subset(real, slice(SIZE)), fake))
        assert value.isfinite(), f"discriminator_loss is {value.item()} for {SIZE} real and {2 * SIZE} fake samples"

    @each_variant
    def test_large_features(self, loss: Loss) -> None:
        """Losses and gradients stay finite for features a thousand times larger than usual."""
        loss = replace(loss, classes=10)
        for seed in SEEDS:
            loss.check_finite(*loss.batches(seed=seed, scale=LARGE), f"features around {LARGE:g}")

    @each_variant
    def test_degenerate_features(self, loss: Loss) -> None:
        """Losses and gradients stay finite if all features are zero, or all samples are equal."""
        real, fake = loss.batches()
        same = real.features[:1].expand_as(real.features)
        for features, what in ((torch.zeros_like(same), "all features zero"), (same, "all samples equal")):
            loss.check_finite(with_features(real, features), with_features(fake, features), what)
