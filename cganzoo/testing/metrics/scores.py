"""The scores of a metric: declared, known, and independent of order, batches and other instances."""

from __future__ import annotations

import warnings
from unittest import SkipTest

import torch

from cganzoo.metric import Evaluated, Metric
from cganzoo.testing.conformance import explained
from cganzoo.testing.randomness import seeded, untouched

from .base import MetricChecks, Scores, close, unless_refused
from .synthetic import World, cut, taken


class MetricScores(MetricChecks):
    """Scores."""

    def test_outputs_are_those_declared(self) -> None:
        """It reports exactly the spec's outputs, each a finite number or None; the first one is a number."""
        names = [output.name for output in self.spec.outputs]
        assert len(names) == len(set(names)), f"two outputs have the same name: {', '.join(names)}"
        scores = self.expected()
        self.check_outputs(scores, "for ordinary samples")
        problem = f'"{names[0]}", the first output, is None for real images as samples'
        assert scores[names[0]] is not None, f"{problem}; set num_classes, image_size, feature_dim or count"

    def test_known_values(self) -> None:
        """It gives the known scores."""
        if not self.known_values:
            raise SkipTest("no known_values are given")
        for number, case in enumerate(self.known_values):
            images, labels = case.samples.images, case.samples.labels
            most = 0 if labels is None else int(labels.max()) + 1
            classes = case.samples.logits.shape[1] or max(self.num_classes, most)
            world = World(classes, images.shape[-1], images.shape[1], case.samples.features.shape[1], classes)
            metric = self.build(world, **case.options)
            self.feed([case.reference] if case.reference else [], [case.samples], metric=metric, generator=False)
            scores = metric.compute()
            for name, expected in case.scores.items():
                what = f"known_values[{number}]: {name}"
                assert name in scores, f"{what} is not reported by the metric"
                equal = close(scores[name], expected, case.tolerance, case.tolerance)
                assert equal, f"{what} should be {expected}, but is {scores[name]}"

    def test_better_samples_score_better(self) -> None:
        """Samples of the real distribution score at least as well as collapsed ones; in the first output, better."""
        directed = [output for output in self.spec.outputs if output.higher_is_better is not None]
        if not directed:
            raise SkipTest("no output has a direction")
        good, bad = self.expected(), self.score(samples=self.wrong_samples())
        for output in directed:
            ours, theirs = good[output.name], bad[output.name]
            if ours is None or theirs is None:
                continue
            sign = 1 if output.higher_is_better else -1
            both = f'"{output.name}" is {ours:g} for samples of the real distribution and {theirs:g} for collapsed ones'
            advice = "change higher_is_better, or override wrong_samples if samples that are all one image should win"
            assert sign * (ours - theirs) >= 0, f"{both}, which is better; {advice}"
            assert output is not self.spec.outputs[0] or ours != theirs, f"{both}: the first output does not rank them"

    def test_no_warning_reaches_the_user(self) -> None:
        """It gives no warning when it is built, fed and computed."""
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            try:
                self.score()
            except Warning as warning:
                raise AssertionError(f"warns: {type(warning).__name__}: {warning}; avoid it, or catch it") from warning

    def test_batches_may_be_cut_anywhere(self) -> None:
        """The scores do not depend on how the images are divided into batches."""
        metric = self.feed(cut(self.reference, [1, 22, 7]), cut(self.samples, [13, 1, 9]))
        when = "in other batches; keep sums and counts of images rather than means of batches"
        self.check_same(metric.compute(), self.expected(), when)

    def test_order_does_not_matter(self) -> None:
        """The scores do not depend on the order of the images."""
        random = torch.Generator().manual_seed(1)
        # As many real images as samples: of a larger set a metric may use a subset, chosen by position.
        reference = self.world().draw(self.count, seed=0)
        shuffled = [taken(batch, torch.randperm(self.count, generator=random)) for batch in (reference, self.samples)]
        when = "with the images in another order; if it draws at random, set order_tolerance"
        self.check_same(self.score(*shuffled), self.score(reference), when, estimates=True)

    # --- merging ----------------------------------------------------------------------------------------------------

    def test_merging_gives_the_whole(self) -> None:
        """Two merged metrics, each fed half of the images, score like one that was fed all."""
        self._needs_merge()
        (one, two), (three, four) = cut(self.reference, [15]), cut(self.samples, [13])
        for owner in (0, 1):
            first = self.feed([one], [three], generator=owner == 0)
            first.merge(self.feed([two], [four], generator=owner == 1))
            when = f"merged from two parts, of which the {('first', 'second')[owner]} got the generator"
            self.check_same(first.compute(), self.expected(), when, estimates=True)

    def test_merging_with_nothing_changes_nothing(self) -> None:
        """Merging with a metric that was fed nothing, in both directions, changes no score."""
        self._needs_merge()
        first, second = self.feed([self.reference], [self.samples]), self.build()
        second.merge(self.feed([self.reference], [self.samples]))
        first.merge(self.build())
        self.check_same(first.compute(), self.expected(), "after merging an empty metric", estimates=True)
        self.check_same(second.compute(), self.expected(), "merged into an empty metric", estimates=True)

    def test_merging_unlabelled_samples(self) -> None:
        """Merging also works for samples without labels."""
        self._needs_merge()
        unlabelled = Evaluated(self.samples.images, None, self.samples.features, self.samples.logits)

        def merged() -> Scores:
            metric = self.build()
            metric.merge(self.feed([self.reference], [unlabelled]))
            return metric.compute()

        try:
            alone = unless_refused(lambda: self.score(samples=unlabelled), "samples without labels")
        except AssertionError as error:
            raise SkipTest("samples without labels fail without merging; see unlabelled_samples") from error
        when = "for samples without labels, merged into an empty metric"
        self.check_same(unless_refused(merged, when), alone, when, estimates=True)

    def _needs_merge(self) -> None:
        metric = type(self.build())
        if metric.merge is Metric.merge:
            raise SkipTest(f"{metric.__name__} has no merge, so several processes cannot share its images")

    # --- repeating --------------------------------------------------------------------------------------------------

    def test_global_random_state_is_left_alone(self) -> None:
        """The global random number generators are neither used nor changed."""
        with seeded(1), untouched("the metric"):
            first = self.score()
        with seeded(2):
            second = self.score()
        self.check_same(second, first, "with another seed of the global random number generators; seed one of its own")

    def test_it_is_deterministic(self) -> None:
        """The same images give the same scores, bit for bit."""
        with seeded(1):
            first = self.score()
        with seeded(1):
            second = self.score()
        for name, value in first.items():
            problem = f'"{name}" is {value} and then {second[name]} for the same images'
            assert second[name] == value, f"{problem}; seed all random numbers"

    def test_asked_twice_it_answers_the_same(self) -> None:
        """A second call of ``compute`` gives the same scores."""
        metric = self.feed([self.reference], [self.samples])
        first = dict(metric.compute())
        with explained("a second call of compute", "compute must not change what the metric was fed"):
            second = dict(metric.compute())
        self.check_same(second, first, "when compute is called a second time; let it work on copies of what it was fed")

    def test_instances_are_independent(self) -> None:
        """Images given to one instance do not influence another."""
        others, wrong = self.world().draw(self.count, seed=2), self.wrong_samples()
        one, two = self.build(), self.build()
        one.update_reference(self.reference)
        two.update_reference(others)
        for metric in (one, two):
            metric.update_generator(*self.generator())
        one.update(self.samples)
        two.update(wrong)
        expected = self.expected(), self.score(others, wrong)
        when = "fed at the same time as another instance; keep images in the instance, not in the module or the class"
        self.check_same(one.compute(), expected[0], when)
        self.check_same(two.compute(), expected[1], when)
