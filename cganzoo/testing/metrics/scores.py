"""The scores of a metric: declared, known, and independent of order, batches and other instances."""

from __future__ import annotations

import functools
import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, ClassVar
from unittest import SkipTest

import torch
from torch import Tensor

from cganzoo.errors import CganzooError
from cganzoo.metric import Evaluated, Metric
from cganzoo.networks import Generator
from cganzoo.specs import BuildContext
from cganzoo.testing.conformance import Conformance, build_context, built, explained
from cganzoo.testing.randomness import seeded, untouched
from cganzoo.testing.toys import ToyGenerator

from .synthetic import KnownScores, World, cut, taken

Scores = Mapping[str, float | None]


class MetricScores(Conformance):
    """The checks of a metric's scores, and what all checks of a metric share.

    Class attributes, in addition to those of :class:`Conformance`:
        num_classes: of the synthetic images.
        image_size: in pixels; raise it for a metric that needs larger images.
        channels: 1 or 3.
        feature_dim: D of the extractor.
        count: samples; there are a few more real images.
        tolerance: relative, of scores that should be equal except for rounding; lower it for a metric in float64.
        known_values: cases with known scores.
    """

    num_classes: ClassVar[int] = 4
    image_size: ClassVar[int] = 16
    channels: ClassVar[int] = 3
    feature_dim: ClassVar[int] = 8
    count: ClassVar[int] = 40
    tolerance: ClassVar[float] = 1e-5
    known_values: ClassVar[Sequence[KnownScores]] = ()

    def world(self, **changes: int) -> World:
        """The distribution of the real images."""
        names = ("num_classes", "image_size", "channels", "feature_dim")
        sizes = {name: getattr(self, name) for name in names} | changes
        return World(**{"num_logits": sizes["num_classes"], **sizes})

    def wrong_samples(self) -> Evaluated:
        """Samples that a metric should score worse than real images: all samples are the same image.

        Override it for a metric that prefers such samples.
        """
        return self.world().collapse(self.count, seed=3)

    @cached_property
    def reference(self) -> Evaluated:
        """Real images."""
        return self.world().draw(self.count + 4, seed=0)

    @cached_property
    def samples(self) -> Evaluated:
        """Samples of an ideal generator: other images of the same distribution."""
        return self.world().draw(self.count, seed=1)

    def generator(self, world: World | None = None) -> tuple[Generator, Tensor, Tensor]:
        """A generator, for metrics that use it, noise (N, L) and labels (N,); the samples do not come from it."""
        world = world or self.world()
        with seeded(0):
            generator = ToyGenerator(world.num_classes, world.image_size, world.channels).eval()
        z = torch.randn(self.count, ToyGenerator.latent_dim, generator=torch.Generator().manual_seed(0))
        return generator, z, torch.arange(self.count) % world.num_classes

    def build(self, world: World | None = None, **options: Any) -> Metric:
        """The metric, built for these images."""
        world = world or self.world()
        return built(self.spec.build(self.config(**options), context(world)), Metric)  # type: ignore[type-abstract]

    def feed(
        self,
        reference: Sequence[Evaluated],
        samples: Sequence[Evaluated],
        *,
        metric: Metric | None = None,
        generator: bool = True,
        given: tuple[Generator, Tensor, Tensor] | None = None,
        world: World | None = None,
    ) -> Metric:
        """Give an evaluation to a metric, by default a new one, in the host's order; ``given``: generator and noise."""
        metric = self.build(world) if metric is None else metric
        for batch in reference:
            metric.update_reference(batch)
        if generator:
            metric.update_generator(*(given or self.generator(world)))
        for batch in samples:
            metric.update(batch)
        return metric

    def score(self, reference: Evaluated | None = None, samples: Evaluated | None = None) -> Scores:
        """The scores of a new metric for one batch of each."""
        return dict(self.feed([reference or self.reference], [samples or self.samples]).compute())

    @classmethod
    @functools.cache
    def expected(cls) -> Scores:
        """The scores of :attr:`samples`; computed once for each class, as a metric may be slow."""
        return cls().score()

    # --- comparing --------------------------------------------------------------------------------------------------

    def check_outputs(self, scores: Scores, when: str) -> None:
        """Check that the scores are the declared outputs, and each score is None or a finite number in its range."""
        declared = sorted(output.name for output in self.spec.outputs)
        assert sorted(scores) == declared, f"{when}, it reports {sorted(scores)}; its spec declares {declared}"
        for name, value in scores.items():
            kind = type(value).__name__
            assert value is None or isinstance(value, (int, float)), f'{when}, "{name}" is a {kind}; report a float'
            assert value is None or math.isfinite(value), f'{when}, "{name}" is {value}; report None if it is undefined'
        for output in self.spec.outputs:
            value, slack = scores[output.name], self.tolerance
            low, high = output.low, output.high
            above = value is None or low is None or value >= low - slack * max(1.0, abs(low))
            below = value is None or high is None or value <= high + slack * max(1.0, abs(high))
            problem = f'{when}, "{output.name}" is {value}, outside its range'
            assert above, f"{problem}: low = {low:g}; change the score, or low in the spec"
            assert below, f"{problem}: high = {high:g}; change the score, or high in the spec"

    def check_same(self, found: Scores | None, expected: Scores | None, when: str, *, estimates: bool = False) -> None:
        """Scores are equal except for rounding and, with ``estimates``, ``order_tolerance``. ``None`` means refused."""
        if found is None or expected is None:
            assert found is expected, f"one of two equal evaluations is scored and the other one refused, {when}"
            return
        for output in self.spec.outputs:
            ours, theirs = found[output.name], expected[output.name]
            tolerance = max(self.tolerance, output.order_tolerance if estimates else 0.0)
            equal = close(ours, theirs, tolerance, self.tolerance * 1e-2)
            assert equal, f'"{output.name}" is {theirs}, but {ours} {when}'

    # --- the checks ---------------------------------------------------------------------------------------------------

    def test_outputs_are_those_declared(self) -> None:
        """The metric reports exactly the outputs of its spec: finite numbers or None. The first output is a number."""
        names = [output.name for output in self.spec.outputs]
        assert len(names) == len(set(names)), f"two outputs have the same name: {', '.join(names)}"
        scores = self.expected()
        self.check_outputs(scores, "for ordinary samples")
        problem = f'"{names[0]}", the first output, is None for real images as samples'
        assert scores[names[0]] is not None, f"{problem}; set num_classes, image_size, feature_dim or count"

    def test_known_values(self) -> None:
        """The metric gives the known scores."""
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
        """Samples of the real distribution score at least as well as collapsed samples; in the first output, better."""
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
        """The metric gives no warning when it is built, is updated and computes its scores."""
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
        """Two merged metrics, each with half of the images, give the same scores as one metric with all images."""
        self._needs_merge()
        (one, two), (three, four) = cut(self.reference, [15]), cut(self.samples, [13])
        for owner in (0, 1):
            first = self.feed([one], [three], generator=owner == 0)
            first.merge(self.feed([two], [four], generator=owner == 1))
            when = f"merged from two parts, of which the {('first', 'second')[owner]} got the generator"
            self.check_same(first.compute(), self.expected(), when, estimates=True)

    def test_merging_with_nothing_changes_nothing(self) -> None:
        """Merging with a metric that received no images, in both directions, changes no score."""
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
            raise SkipTest("even without merging, samples without labels fail; see unlabelled_samples") from error
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
        assert first == second, f"the scores are {first} and then {second} for the same images; seed all random numbers"

    def test_asked_twice_it_answers_the_same(self) -> None:
        """A second call of ``compute`` gives the same scores."""
        metric = self.feed([self.reference], [self.samples])
        first = dict(metric.compute())
        with explained("a second call of compute", "compute must not change what the metric was fed"):
            second = dict(metric.compute())
        self.check_same(second, first, "when compute is called a second time; let it work on copies of what it was fed")

    def test_instances_are_independent(self) -> None:
        """Images that are given to one instance of the metric do not change the scores of another instance."""
        others, wrong = self.world().draw(self.count, seed=2), self.wrong_samples()
        one, two = self.build(), self.build()
        one.update_reference(self.reference)
        two.update_reference(others)
        for metric in (one, two):
            metric.update_generator(*self.generator())
        one.update(self.samples)
        two.update(wrong)
        when = "fed at the same time as another instance; keep images in the instance, not in the module or the class"
        for metric, expected in ((one, self.expected()), (two, self.score(others, wrong))):
            self.check_same(metric.compute(), expected, when)


def context(world: World) -> BuildContext:
    """The context in which a metric of these images is built."""
    own, dim = world.num_logits == world.num_classes, world.feature_dim
    return build_context(world.num_classes, world.image_size, world.channels, feature_dim=dim, own_classes=own)


def close(found: float | None, expected: float | None, relative: float, absolute: float) -> bool:
    """Whether two scores are equal; None equals None only."""
    if found is None or expected is None:
        return found is expected
    return math.isclose(found, expected, rel_tol=relative, abs_tol=absolute)


def unless_refused(compute: Callable[[], Scores], what: str) -> Scores | None:
    """The scores, or ``None`` if the metric refuses the images with a message of one line."""
    try:
        return compute()
    except CganzooError as refusal:
        message = str(refusal)
        assert message and "\n" not in message, f"the error for {what} must be one line, but is {message!r}"  # noqa: PT018
        return None
    except Exception as error:
        advice = "report None for an output that is not defined, or raise a CganzooError that says what to change"
        raise AssertionError(f"{what}: {type(error).__name__}: {error}; {advice}") from error
