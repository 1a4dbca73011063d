"""The terms of a loss have names, shapes and values that the engine can use, for all kinds of batches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from unittest import SkipTest

import torch
from torch import Tensor

from cganzoo.objective import Objective
from cganzoo.specs import NAME

from .base import (
    CLASS_COUNTS,
    CLASSES,
    SEEDS,
    SIZE,
    LossChecks,
    Variant,
    check_finite,
    class_count,
    each_variant,
    losses,
    subset,
    total,
    with_features,
)

LARGE = 1e3
"""How many times larger the features of a diverged discriminator are."""


class LossTerms(LossChecks):
    """Terms and finite values."""

    @each_variant
    def test_terms_are_named_scalars(self, variant: Variant) -> None:
        """Both losses give named float32 scalars, the same names for every batch."""
        objective = variant.objective()
        assert isinstance(objective, Objective), f"build returns {type(objective).__name__}, not an Objective"
        names: dict[str, list[str]] = {}
        for size in (SIZE, 2):
            for method, terms in losses(objective, *variant.batches(objective, size=size)).items():
                assert isinstance(terms, Mapping), f"{method} returns {type(terms).__name__}; return a dict of terms"
                assert terms, f"{method} returns no term; return at least one"
                for name, term in terms.items():
                    assert isinstance(name, str), f"{method} names a term {name!r}; a name must be a string"
                    assert NAME.fullmatch(name), (
                        f"{method} names a term {name!r}; use lower case letters, digits and underscores"
                    )
                    assert isinstance(term, Tensor), f"{method}, {name} is {type(term).__name__}; return a tensor"
                    assert term.shape == (), f"{method}, {name} has shape {tuple(term.shape)}; reduce it to a scalar"
                    assert term.dtype == torch.float32, (
                        f"{method}, {name} is {term.dtype} from float32 features; compute it in the features' dtype"
                    )
                assert names.setdefault(method, list(terms)) == list(terms), (
                    f"{method} names its terms {list(terms)} for one batch and {names[method]} for another; use the "
                    "same names for all batches"
                )

    @each_variant
    def test_any_number_of_classes(self, variant: Variant) -> None:
        """Losses and gradients are finite with 1, 2, 10 and 200 classes."""
        for classes in CLASS_COUNTS:
            objective = variant.objective(classes)
            check_finite(objective, *variant.batches(objective, classes), f"{class_count(classes)}, batch of {SIZE}")

    @each_variant
    def test_missing_classes(self, variant: Variant) -> None:
        """Losses and gradients are finite if classes are missing from a batch."""
        objective = variant.objective(4)
        real, fake = variant.batches(objective, 4)
        for of_real, of_fake in ((0, 0), (3, 3), (0, 3), (2, 1)):
            of_fake = of_real if objective.fake_labels == "paired" else of_fake
            one, two = (torch.full((SIZE,), label) for label in (of_real, of_fake))
            what = f"all real samples of class {of_real}, all fake samples of class {of_fake}, of 4 classes"
            check_finite(objective, replace(real, labels=one), replace(fake, labels=two), what)

    @each_variant
    def test_batch_of_one(self, variant: Variant) -> None:
        """Losses and gradients are finite for a single sample."""
        for classes in (1, CLASSES):
            objective = variant.objective(classes)
            batches = variant.batches(objective, classes, size=1)
            check_finite(objective, *batches, f"{class_count(classes)}, batch of 1")

    @each_variant
    def test_batches_of_different_size(self, variant: Variant) -> None:
        """The discriminator's loss accepts more fake than real samples."""
        objective = variant.objective()
        if objective.fake_labels == "paired":
            raise SkipTest("its fakes are paired with real samples")
        real, fake = variant.batches(objective, size=2 * SIZE)
        loss = total(objective.discriminator_loss(subset(real, slice(SIZE)), fake))
        assert loss.isfinite(), f"discriminator_loss is {loss.item()} for {SIZE} real and {2 * SIZE} fake samples"

    @each_variant
    def test_large_features(self, variant: Variant) -> None:
        """Losses and gradients stay finite for features a thousand times larger than usual."""
        objective = variant.objective(10)
        for seed in SEEDS:
            batches = variant.batches(objective, 10, seed=seed, scale=LARGE)
            check_finite(objective, *batches, f"features around {LARGE:g}")

    @each_variant
    def test_degenerate_features(self, variant: Variant) -> None:
        """Losses and gradients stay finite if all features are zero, or all samples are equal."""
        objective = variant.objective()
        real, fake = variant.batches(objective)
        same = real.features[:1].expand_as(real.features)
        for features, what in ((torch.zeros_like(same), "all features zero"), (same, "all samples equal")):
            check_finite(objective, with_features(real, features), with_features(fake, features), what)
