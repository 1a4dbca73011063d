"""The loss's terms are what the engine can use, whatever the batch."""

from __future__ import annotations

from collections.abc import Mapping
from unittest import SkipTest

import torch
from torch import Tensor

from cganzoo.objective import Objective
from cganzoo.specs import NAME

from .checks import CLASS_COUNTS, LARGE, SEEDS, LossChecks, check_finite, count_of_classes, each_variant
from .trial import CLASSES, SIZE, Trial, losses, rows, total, with_features, with_labels


class LossValues(LossChecks):
    """Values and gradients."""

    @each_variant
    def test_terms_are_named_scalars(self, trial: Trial) -> None:
        """Both losses give named float32 scalars, the same names for every batch."""
        objective = trial.objective()
        assert isinstance(objective, Objective), f"build returns {type(objective).__name__}, not an Objective"
        names: dict[str, list[str]] = {}
        for size in (SIZE, 2):
            for method, terms in losses(objective, *trial.batches(objective, size=size)).items():
                assert isinstance(terms, Mapping), f"{method} returns {type(terms).__name__}; return a dict of terms"
                assert terms, f"{method} returns no term; a player needs at least one"
                for name, term in terms.items():
                    assert isinstance(name, str), f"{method} names a term {name!r}; names are strings"
                    assert NAME.fullmatch(name), (
                        f"{method} names a term {name!r}; names are lower case letters, digits and underscores"
                    )
                    assert isinstance(term, Tensor), f"{method}, {name}: {type(term).__name__} where a tensor belongs"
                    assert term.shape == (), f"{method}, {name}: shape {tuple(term.shape)}; reduce it to a scalar"
                    assert term.dtype == torch.float32, (
                        f"{method}, {name}: {term.dtype} from float32 features; compute it in the features' precision"
                    )
                assert names.setdefault(method, list(terms)) == list(terms), (
                    f"{method} names its terms {list(terms)} for one batch and {names[method]} for another"
                )

    @each_variant
    def test_any_number_of_classes(self, trial: Trial) -> None:
        """Losses and gradients are finite with 1, 2, 10 and 200 classes."""
        for classes in CLASS_COUNTS:
            objective = trial.objective(classes)
            check_finite(objective, *trial.batches(objective, classes), f"{count_of_classes(classes)}, batch of {SIZE}")

    @each_variant
    def test_missing_classes(self, trial: Trial) -> None:
        """Losses and gradients are finite where classes are missing from a batch."""
        objective = trial.objective(4)
        paired = objective.fake_labels == "paired"
        real, fake = trial.batches(objective, 4)
        for ours, theirs in ((0, 0), (3, 3), (0, 3), (2, 1)):
            labels = [torch.full((SIZE,), label) for label in (ours, ours if paired else theirs)]
            what = f"every real sample of class {ours} and every fake one of class {labels[1][0]} of 4"
            check_finite(objective, with_labels(real, labels[0]), with_labels(fake, labels[1]), what)

    @each_variant
    def test_batch_of_one(self, trial: Trial) -> None:
        """Losses and gradients are finite for a single sample."""
        for classes in (1, CLASSES):
            objective = trial.objective(classes)
            check_finite(
                objective, *trial.batches(objective, classes, size=1), f"{count_of_classes(classes)}, batch of 1"
            )

    @each_variant
    def test_batches_of_different_size(self, trial: Trial) -> None:
        """The discriminator's loss takes more fakes than real samples."""
        objective = trial.objective()
        if objective.fake_labels == "paired":
            raise SkipTest("its fakes are paired with real samples")
        real, fake = trial.batches(objective, size=2 * SIZE)
        loss = total(objective.discriminator_loss(rows(real, slice(SIZE)), fake))
        assert loss.isfinite(), f"discriminator_loss is {loss.item()} for {SIZE} real and {2 * SIZE} fake samples"

    @each_variant
    def test_large_features(self, trial: Trial) -> None:
        """Losses and gradients stay finite for features a thousand times as large as usual."""
        objective = trial.objective(10)
        for seed in SEEDS:
            check_finite(objective, *trial.batches(objective, 10, seed=seed, scale=LARGE), f"features around {LARGE:g}")

    @each_variant
    def test_degenerate_features(self, trial: Trial) -> None:
        """Losses and gradients stay finite where all features are zero, or all samples equal."""
        objective = trial.objective()
        real, fake = trial.batches(objective)
        same = real.features[:1].expand_as(real.features)
        for features, what in ((torch.zeros_like(same), "all features zero"), (same, "all samples equal")):
            check_finite(objective, with_features(real, features), with_features(fake, features), what)
