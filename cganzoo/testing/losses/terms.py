"""The terms of a loss: usable for all kinds of batches, and dependent on inputs, weights and buffers only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from unittest import SkipTest

import torch
from torch import Tensor
from torch.autograd import backward

from cganzoo.objective import Objective
from cganzoo.specs import NAME
from cganzoo.testing.conformance import built, check_equal, explained, load_from_checkpoint
from cganzoo.testing.modules import attributes, check_attributes
from cganzoo.testing.randomness import seeded, untouched

from . import base
from .base import CLASSES, SEEDS, SIZE, Loss, LossChecks, each_repeatable_variant, each_variant, subset, total

LARGE = 1e3
"""How many times larger the features of a diverged discriminator are."""

UNSAVED = "no checkpoint saves that state; make it a buffer, or a schedule if it follows the step"


class LossTerms(LossChecks):
    """Terms and state."""

    @each_variant
    def test_terms_are_named_scalars(self, loss: Loss) -> None:
        """Both losses give named float32 scalars, the same names for every batch."""
        built(loss.objective, Objective)
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
                before = names.setdefault(method, list(terms))
                assert before == list(terms), f"{method} has the terms {before} and, for another batch, {list(terms)}"

    @each_variant
    def test_any_number_of_classes(self, loss: Loss) -> None:
        """Losses and gradients are finite with 1, 2, 10 and 200 classes."""
        for classes in base.CLASS_COUNTS:
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
        value = loss.discriminator_loss(subset(real, slice(SIZE)), fake)
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
            loss.check_finite(base.with_features(real, features), base.with_features(fake, features), what)

    # --- no global or hidden state ------------------------------------------------------------------------------------

    @each_variant
    def test_no_global_random_numbers(self, loss: Loss) -> None:
        """The losses use no global random number generator, except, with ``stochastic``, torch's."""
        batches, stochastic = loss.batches(), loss.objective.stochastic
        dropout = "computing the losses (or a dropout in a head)"
        advice = "draw no random numbers, or set stochastic = True and draw them from torch's generator"
        results = []
        for seed in (1, 1, 2):
            with seeded(seed), base.buffers_restored(loss.objective):
                if stochastic:
                    torch.default_generator.manual_seed(0)
                with untouched(dropout, "torch's" if stochastic else "", advice):
                    both = loss.terms(*batches)
            results.append({method: total(terms) for method, terms in both.items()})
        one, again, other = results
        for method in one:
            # If equal seeds give different losses, there is another cause, which another check reports.
            independent = one[method].equal(other[method]) or not one[method].equal(again[method])
            assert independent, f"{method} depends on the seed of a global generator; {advice}"

    @each_repeatable_variant
    def test_same_call_same_loss(self, loss: Loss) -> None:
        """A second call with the same batch and weights gives the same losses, bit for bit."""
        batches = loss.batches()
        first, *others = (loss.values(*batches) for _ in range(3))
        for again in others:
            check_equal(again, first, f"changes when it is called again with the same batch: {UNSAVED}")

    @each_variant
    def test_attributes_stay(self, loss: Loss) -> None:
        """Computing the losses changes no attribute: nothing is counted, collected or stored there."""
        batches = loss.batches()
        loss.totals(*batches)  # the first call may create an attribute once
        before = attributes(loss.objective)
        loss.totals(*batches)
        check_attributes(loss.objective, before, "computing the losses", UNSAVED)

    @each_repeatable_variant
    def test_instances_are_independent(self, loss: Loss) -> None:
        """Building and using a second loss with other classes changes nothing in the first."""
        batches = loss.batches()
        before = loss.values(*batches)
        other = replace(loss, classes=7, seed=1)
        backward(list(other.totals(*other.batches()).values()))
        hint = "keep the state of one loss in attributes of self, not of the class or the module"
        with explained("after a second loss with other classes was built, the first one", hint):
            after = loss.values(*batches)
        check_equal(after, before, f"changes when a second loss with other classes is built and used: {hint}")

    @each_variant
    def test_seed_decides_the_heads(self, loss: Loss) -> None:
        """The same torch seed builds the same heads, for any state of the other random number generators."""
        states = []
        for seed in (1, 2):
            with seeded(seed):
                torch.manual_seed(0)
                states.append(loss.spec.build(loss.config, loss.context).state_dict())
        one, two = states
        assert one.keys() == two.keys(), "the same torch seed builds other parameters the second time"
        for name, value in one.items():
            same = torch.equal(value, two[name]) if isinstance(value, Tensor) else value == two[name]
            assert same, f"the same torch seed builds a different {name}: initialise it with torch's functions only"

    @each_repeatable_variant
    def test_state_goes_round(self, loss: Loss) -> None:
        """A loss that was used, saved, and loaded into another instance gives the same losses."""
        again = replace(loss, seed=1)
        for seed in SEEDS:
            loss.totals(*loss.batches(seed=seed))
        load_from_checkpoint(again.objective, loss.objective)
        found, expected = (one.values(*loss.batches(seed=9)) for one in (again, loss))
        check_equal(found, expected, "is different after saving and loading: keep all state in parameters and buffers")
