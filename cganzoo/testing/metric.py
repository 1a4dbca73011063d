"""What the zoo asks of every metric."""

from __future__ import annotations

import copy
import gc
import math
import warnings
import weakref
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, ClassVar
from unittest import SkipTest

import numpy as np
import torch
from torch import Tensor

from cganzoo.data.batches import to_pixels
from cganzoo.data.cache import ImageSet
from cganzoo.errors import CganzooError
from cganzoo.evaluate.evaluation import Evaluator
from cganzoo.extractor import Extractor
from cganzoo.metric import Evaluated, Metric
from cganzoo.networks import Generator
from cganzoo.specs import NAME, BuildContext

from .conformance import Conformance
from .evaluated import KnownScores, World, copied, cut, taken, tensors, unlabelled
from .randomness import seeded, untouched
from .toys import ToyGenerator

Scores = dict[str, float | None]


class MetricConformance(Conformance):
    """The checks of a metric, on a small world of synthetic images.

    Class attributes, beside :class:`Conformance`'s:
        num_classes: of the world.
        image_size: in pixels; raise it for a metric that needs larger images.
        channels: 1 or 3.
        feature_dim: D of the extractor.
        count: samples; there are a few more real images.
        tolerance: relative, of scores that should be equal but for rounding; lower it for a metric in float64.
        known_values: cases whose scores are known.
    """

    kind = "metric"
    number_of_checks = 33
    num_classes: ClassVar[int] = 4
    image_size: ClassVar[int] = 16
    channels: ClassVar[int] = 3
    feature_dim: ClassVar[int] = 8
    count: ClassVar[int] = 40
    tolerance: ClassVar[float] = 1e-5
    known_values: ClassVar[Sequence[KnownScores]] = ()
    _expected: ClassVar[Scores]

    def world(self, **changes: int) -> World:
        """The distribution of the real images."""
        sizes = {
            "num_classes": self.num_classes,
            "image_size": self.image_size,
            "channels": self.channels,
            "feature_dim": self.feature_dim,
        }
        sizes |= changes
        return World(**{"num_logits": sizes["num_classes"], **sizes})

    def wrong_samples(self) -> Evaluated:
        """Samples that any score finds worse than real images: one and the same, wherever it matters.

        Override it for a metric that such samples please.
        """
        return self.world().collapse(self.count, seed=3)

    # --- making and feeding one -------------------------------------------------------------------------------------

    @cached_property
    def reference(self) -> Evaluated:
        """Real images."""
        return self.world().draw(self.count + 4, seed=0)

    @cached_property
    def samples(self) -> Evaluated:
        """Samples of a generator that is as good as can be, and has not seen the real images."""
        return self.world().draw(self.count, seed=1)

    def generator(self, world: World | None = None) -> Generator:
        """A generator, for metrics that look at it; what it makes has nothing to do with the samples."""
        world = world or self.world()
        with seeded(0):
            return ToyGenerator(world.num_classes, world.image_size, world.channels).eval()

    def noise(self, world: World | None = None) -> tuple[Tensor, Tensor]:
        """Noise (N, L) and labels (N,) for it."""
        z = torch.randn(self.count, ToyGenerator.latent_dim, generator=torch.Generator().manual_seed(0))
        return z, torch.arange(self.count) % (world or self.world()).num_classes

    def build(self, world: World | None = None, **options: Any) -> Metric:
        """The metric, for a world."""
        world = world or self.world()
        context = BuildContext(
            num_classes=world.num_classes,
            image_size=world.image_size,
            image_channels=world.channels,
            feature_dim=world.feature_dim,
            class_names=tuple(f"class {label}" for label in range(world.num_classes)),
            own_classes=world.num_logits == world.num_classes,
        )
        metric = self.spec.build(self.config(**options), context)
        assert isinstance(metric, Metric), (
            f"build returns a {type(metric).__name__}; return a subclass of cganzoo.metric.Metric"
        )
        return metric

    def feed(
        self,
        metric: Metric,
        reference: Sequence[Evaluated],
        samples: Sequence[Evaluated],
        *,
        generator: bool = True,
        world: World | None = None,
    ) -> Metric:
        """Show a metric an evaluation, in the host's order; returns it."""
        for batch in reference:
            metric.update_reference(batch)
        if generator:
            metric.update_generator(self.generator(world), *self.noise(world))
        for batch in samples:
            metric.update(batch)
        return metric

    def score(self, reference: Evaluated | None = None, samples: Evaluated | None = None) -> Scores:
        """What a new metric says of an evaluation of one batch each."""
        metric = self.feed(self.build(), [reference or self.reference], [samples or self.samples])
        return dict(metric.compute())

    def expected(self) -> Scores:
        """What it says of the world's samples; asked once for all checks of a class, as a metric may take its time."""
        cls = type(self)
        if "_expected" not in vars(cls):
            cls._expected = self.score()
        return cls._expected

    # --- outputs ----------------------------------------------------------------------------------------------------

    def test_outputs_are_those_declared(self) -> None:
        """It reports exactly the spec's outputs, each a finite number or None, and its headline is a number."""
        names = [output.name for output in self.spec.outputs]
        assert len(names) == len(set(names)), f"two outputs have the same name: {', '.join(names)}"
        scores = self.expected()
        self._check_outputs(scores, "of ordinary samples")
        assert scores[names[0]] is not None, (
            f'"{names[0]}" is None for samples of the real distribution, so there is nothing to rank by; if the metric '
            "needs other sizes, set num_classes, image_size, feature_dim or count"
        )

    def test_known_values(self) -> None:
        """It gives the scores that are known."""
        if not self.known_values:
            raise SkipTest("no known_values are given")
        for number, case in enumerate(self.known_values):
            images, labels, logits = case.samples.images, case.samples.labels, case.samples.logits
            largest = 0 if labels is None else int(labels.max())
            classes = logits.shape[1] or max(self.num_classes, largest + 1)
            world = World(
                num_classes=classes,
                image_size=images.shape[-1],
                channels=images.shape[1],
                feature_dim=case.samples.features.shape[1],
                num_logits=classes,
            )
            metric = self.build(world, **case.options)
            self.feed(metric, [case.reference] if case.reference else [], [case.samples], generator=False)
            scores = dict(metric.compute())
            for name, expected in case.scores.items():
                assert name in scores, f'known_values[{number}] has a score "{name}", which the metric does not report'
                assert _close(scores[name], expected, case.tolerance, case.tolerance), (
                    f"known_values[{number}]: {name} should be {expected}, but is {scores[name]}"
                )

    def test_better_samples_score_better(self) -> None:
        """Samples of the real distribution score no worse than collapsed ones; by the headline, better."""
        directed = [output for output in self.spec.outputs if output.higher_is_better is not None]
        if not directed:
            raise SkipTest("no output has a direction")
        good, bad = self.expected(), self.score(samples=self.wrong_samples())
        for output in directed:
            ours, theirs = good[output.name], bad[output.name]
            if ours is None or theirs is None:
                continue
            sign = 1 if output.higher_is_better else -1
            told = f'"{output.name}" is {ours:g} for samples of the real distribution and {theirs:g} for collapsed ones'
            assert sign * (ours - theirs) >= 0, (
                f"{told}, which is better by its higher_is_better; turn that round, or, if it rightly likes samples "
                "that are all one image, override wrong_samples"
            )
            assert output is not self.spec.outputs[0] or ours != theirs, f"{told}: the headline tells nothing"

    def test_no_warning_reaches_the_user(self) -> None:
        """Nothing is warned of while it is built, fed and asked."""
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            try:
                self.score()
            except Warning as warning:
                raise AssertionError(
                    f"warns the user: {type(warning).__name__}: {warning}; mend what it is about, or catch it"
                ) from warning

    # --- what the scores may depend on ------------------------------------------------------------------------------

    def test_batches_may_be_cut_anywhere(self) -> None:
        """The scores do not depend on how the images are cut into batches."""
        metric = self.feed(self.build(), cut(self.reference, [1, 22, 7]), cut(self.samples, [13, 1, 9]))
        told = "fed in other batches; keep sums and counts of images rather than means of batches"
        self._check_same(metric.compute(), self.expected(), told)

    def test_order_does_not_matter(self) -> None:
        """The scores do not depend on the order of the images."""
        random = torch.Generator().manual_seed(1)
        # As many real images as samples: of a larger side a metric may draw a subset, by position.
        reference = self.world().draw(self.count, seed=0)
        shuffled = [taken(batch, torch.randperm(self.count, generator=random)) for batch in (reference, self.samples)]
        told = "with the images in another order; if it draws at random, say how far it may move with order_tolerance"
        self._check_same(self.score(*shuffled), self.score(reference), told, estimates=True)

    def test_merging_gives_the_whole(self) -> None:
        """Two metrics that saw half of the images each, merged, score as one that saw all."""
        self._needs_merge()
        (one, two), (three, four) = cut(self.reference, [15]), cut(self.samples, [13])
        for shown in (0, 1):
            first = self.feed(self.build(), [one], [three], generator=shown == 0)
            second = self.feed(self.build(), [two], [four], generator=shown == 1)
            first.merge(second)
            told = f"merged of two parts, of which the {'second' if shown else 'first'} was shown the generator"
            self._check_same(first.compute(), self.expected(), told, estimates=True)

    def test_merging_with_nothing_changes_nothing(self) -> None:
        """A metric that was fed nothing, merged with one that was, on either side, changes nothing."""
        self._needs_merge()
        first = self.feed(self.build(), [self.reference], [self.samples])
        first.merge(self.build())
        self._check_same(first.compute(), self.expected(), "merged with one that was fed nothing", estimates=True)
        second = self.build()
        second.merge(self.feed(self.build(), [self.reference], [self.samples]))
        self._check_same(second.compute(), self.expected(), "merged into one that was fed nothing", estimates=True)

    def test_merging_unlabelled_samples(self) -> None:
        """What a part knows of samples without labels is merged, too."""
        self._needs_merge()

        def fed() -> Metric:
            return self.feed(self.build(), [self.reference], [unlabelled(self.samples)])

        def merged() -> Mapping[str, float | None]:
            metric = self.build()
            metric.merge(fed())
            return metric.compute()

        try:
            alone = _unless_refused(lambda: fed().compute(), "samples without labels")
        except AssertionError as error:
            raise SkipTest("samples without labels fail by themselves; another check says so") from error
        told = "for samples without labels, merged into one that was fed nothing"
        self._check_same(_unless_refused(merged, told), alone, told, estimates=True)

    def test_global_random_state_is_left_alone(self) -> None:
        """The generators of random numbers that all share are neither used nor moved."""
        with seeded(1), untouched("the metric"):
            first = self.score()
        with seeded(2):
            second = self.score()
        self._check_same(second, first, "with another seed of the global random number generators; seed one of its own")

    def test_it_is_deterministic(self) -> None:
        """The same images give the same bits."""
        with seeded(1):
            first = self.score()
        with seeded(1):
            second = self.score()
        for name, value in first.items():
            assert second[name] == value, (
                f'"{name}" is {value} and then {second[name]} for the same images; seed whatever is drawn'
            )

    def test_asked_twice_it_answers_the_same(self) -> None:
        """Asked a second time, it gives the same scores: ``compute`` leaves what it was fed as it is."""
        metric = self.feed(self.build(), [self.reference], [self.samples])
        first = dict(metric.compute())
        try:
            second = dict(metric.compute())
        except Exception as error:
            raise AssertionError(
                f"asked a second time it raises {type(error).__name__}: {error}; let compute leave what it was fed"
            ) from error
        told = "when compute is called a second time; let it work on copies of what it was fed"
        self._check_same(second, first, told)

    def test_instances_are_independent(self) -> None:
        """What one instance was fed does not show in another."""
        others = self.world().draw(self.count, seed=2)
        one, two = self.build(), self.build()
        for metric, batch in ((one, self.reference), (two, others)):
            metric.update_reference(batch)
        for metric in (one, two):
            metric.update_generator(self.generator(), *self.noise())
        for metric, batch in ((one, self.samples), (two, self.wrong_samples())):
            metric.update(batch)
        told = "fed beside another instance; keep what it is fed in the instance, not in the module or the class"
        expected = self.expected(), self.score(others, self.wrong_samples())
        self._check_same(one.compute(), expected[0], told)
        self._check_same(two.compute(), expected[1], told)

    # --- what it is given -------------------------------------------------------------------------------------------

    def test_inference_mode(self) -> None:
        """It works in inference mode, in which the host scores, and gives the same there."""
        with torch.inference_mode():
            metric = self.build()
            metric.update_reference(copied(self.reference))
            with torch.inference_mode(False), torch.enable_grad():  # as the host calls it
                metric.update_generator(self.generator(), *self.noise())
            metric.update(copied(self.samples))
            inside = dict(metric.compute())
        self._check_same(inside, self.expected(), "in torch.inference_mode")

    def test_batches_are_left_alone(self) -> None:
        """The batches, which all metrics are given, are not changed."""
        reference, samples = copied(self.reference), copied(self.samples)
        self.feed(self.build(), [reference], [samples]).compute()
        for what, batch, original in (
            ("reference", reference, self.reference),
            ("samples", samples, self.samples),
        ):
            for name, tensor in tensors(original).items():
                assert torch.equal(tensors(batch)[name], tensor), (
                    f"the {name} of the {what} are changed in place, and every other metric is given the same tensor; "
                    "work on a copy"
                )

    def test_generator_is_left_alone(self) -> None:
        """The generator's weights, mode and gradients are as they were."""
        if type(self.build()).update_generator is Metric.update_generator:
            raise SkipTest("the metric does not look at the generator")
        generator = self.generator()
        for parameter in list(generator.parameters())[::2]:
            parameter.requires_grad_(False)
        weights = {name: tensor.clone() for name, tensor in generator.state_dict().items()}
        asked = [parameter.requires_grad for parameter in generator.parameters()]
        modes = [module.training for module in generator.modules()]
        z, labels = self.noise()
        metric = self.build()
        metric.update_reference(self.reference)
        metric.update_generator(generator, z, labels)
        metric.update(self.samples)
        metric.compute()
        for name, tensor in generator.state_dict().items():
            assert torch.equal(tensor, weights[name]), f"update_generator changes the generator's {name}"
        assert [module.training for module in generator.modules()] == modes, (
            "update_generator changes the generator's mode; it comes in evaluation mode, so leave train and eval alone"
        )
        assert [parameter.requires_grad for parameter in generator.parameters()] == asked, (
            "update_generator changes requires_grad of the generator's weights; ask torch.autograd.grad for the "
            "gradients you want"
        )
        assert all(parameter.grad is None for parameter in generator.parameters()), (
            "update_generator leaves gradients in the generator's weights; use torch.autograd.grad, not backward"
        )
        assert torch.equal(z, self.noise()[0]), "update_generator changes the noise in place; clone it first"

    def test_nothing_it_was_shown_outlives_it(self) -> None:
        """Once the metric is gone, so are the generator and the images that it was shown: memory does not fill up."""
        generator = copy.deepcopy(self.generator())
        reference, samples = copied(self.reference), copied(self.samples)
        shown: dict[str, list[object]] = {
            "the generator": [generator, *generator.parameters()],
            "real images": list(tensors(reference).values()),
            "samples": list(tensors(samples).values()),
        }
        alive = {what: [weakref.ref(thing) for thing in things] for what, things in shown.items()}
        metric = self.build()
        metric.update_reference(reference)
        metric.update_generator(generator, *self.noise())
        metric.update(samples)
        metric.compute()
        del metric, generator, reference, samples, shown
        gc.collect()
        for what, references in alive.items():
            assert all(reference() is None for reference in references), (
                f"{what} that it was shown are still there when the metric itself is gone, and every evaluation of a "
                "run adds some; keep what it is shown in the instance, not in the module, the class or a cache"
            )

    def test_unlabelled_samples(self) -> None:
        """Samples of an unconditional generator, which were asked for by no class, are scored or refused."""
        self._check_answer(self.world(), "samples without labels", samples=unlabelled(self.samples))

    def test_extractor_without_logits(self) -> None:
        """An extractor that tells no classes apart is put up with, or refused."""
        self._check_answer(self.world(num_logits=0), "an extractor without logits")

    def test_extractor_of_other_classes(self) -> None:
        """An extractor whose classes are not the set's is put up with, or refused."""
        self._check_answer(self.world(num_logits=self.num_classes + 3), "an extractor with other classes than the set")

    def test_few_samples(self) -> None:
        """No sample, and a single one, are scored or refused."""
        for count in (0, 1):
            few = taken(self.samples, torch.arange(count)) if count else None
            self._check_answer(self.world(), f"{count} samples", samples=few, none=not count)

    def test_real_images_in_the_place_of_samples(self) -> None:
        """The rows of real images, for which there is no generator, are scored or refused."""
        self._check_answer(self.world(), "real images in the place of samples", generator=False)

    def test_any_number_of_classes(self) -> None:
        """One class, and more classes than a class has images, are scored or refused."""
        for classes in (1, 23):
            self._check_answer(self.world(num_classes=classes), f"{classes} classes")

    def test_gray_images(self) -> None:
        """Images of one channel are scored or refused."""
        self._check_answer(self.world(channels=1), "images of one channel")

    def test_more_features_than_images(self) -> None:
        """An extractor with more features than there are images is put up with, or refused."""
        world = self.world(feature_dim=3 * self.count)
        self._check_answer(world, f"{world.feature_dim} features of {self.count} images")

    # --- in the host ------------------------------------------------------------------------------------------------

    def test_pictures(self) -> None:
        """What it shows beside its scores are pictures (C, H, W) in [-1, 1]."""
        metric = self.feed(self.build(), cut(self.reference, [15]), [self.samples])
        metric.compute()
        count = len(self.reference.features)

        def recall(positions: Tensor) -> Tensor:
            assert positions.dtype == torch.int64 and positions.ndim == 1, "recall takes positions (N,) int64"  # noqa: PT018
            assert ((positions >= 0) & (positions < count)).all(), (
                f"recall is asked for positions outside 0 to {count - 1}, of the reference images it was fed"
            )
            return self.reference.images[positions]

        pictures = metric.pictures(recall)
        if not pictures:
            raise SkipTest("the metric shows no pictures")
        for name, picture in pictures.items():
            assert isinstance(name, str) and NAME.fullmatch(name), (  # noqa: PT018
                f"the picture's name {name!r} is not lower snake case, and it becomes a file's name"
            )
            shape = tuple(picture.shape)
            assert len(shape) == 3 and shape[0] in (1, 3), f'"{name}" is {shape}, not (1 or 3, H, W)'  # noqa: PT018
            low, high = float(picture.min()), float(picture.max())
            assert -1 <= low <= high <= 1, f'"{name}" has values from {low:g} to {high:g}, not in [-1, 1]'

    def test_evaluation(self) -> None:
        """The host evaluates with it: scores, rows of real images, and pictures."""
        assert self.spec.reference in ("train", "test"), (
            f'reference = "{self.spec.reference}": there is no such split; write "train" or "test"'
        )
        world = self.world()
        splits = {"train": _image_set("train", self.reference), "test": _image_set("test", world.draw(self.count, 4))}
        evaluator = Evaluator(
            splits=splits,
            extractor=_Extractor(world),
            metrics=[(self.spec, self.config())],
            context=BuildContext(
                num_classes=world.num_classes,
                image_size=world.image_size,
                image_channels=world.channels,
                class_names=splits["train"].class_names,
            ),
            device=torch.device("cpu"),
            batch_size=11,
        )
        samples = [(part.images, part.labels) for part in cut(self.samples, [17])]
        evaluation = evaluator.evaluate(
            samples, self.count, sampling={}, generator=self.generator(), noise=self.noise()
        )
        for row in (evaluation.scores, evaluation.real_test, evaluation.real_halves):
            self._check_outputs(row, "in an evaluation")

    # --- comparing --------------------------------------------------------------------------------------------------

    def _needs_merge(self) -> None:
        metric = type(self.build())
        if metric.merge is Metric.merge:
            raise SkipTest(f"{metric.__name__} has no merge, so its images cannot be shared among processes")

    def _check_outputs(self, scores: Mapping[str, float | None], told: str) -> None:
        declared = [output.name for output in self.spec.outputs]
        assert set(scores) == set(declared), (
            f"{told}, it reports {sorted(scores)}, but its spec declares {sorted(declared)}; make them the same"
        )
        for name, value in scores.items():
            assert value is None or isinstance(value, (int, float)), (
                f'{told}, "{name}" is a {type(value).__name__}; report a float or None'
            )
            assert value is None or math.isfinite(value), (
                f'{told}, "{name}" is {value}; report None where it is not defined'
            )

    def _check_same(
        self,
        found: Mapping[str, float | None] | None,
        expected: Mapping[str, float | None] | None,
        told: str,
        *,
        estimates: bool = False,
    ) -> None:
        """Equal but for rounding; with ``estimates``, but for the outputs' ``order_tolerance``, too. None: refused."""
        if found is None or expected is None:
            assert found is expected, f"it is scored one time and refused the other, {told}"
            return
        for output in self.spec.outputs:
            ours, theirs = found[output.name], expected[output.name]
            tolerance = max(self.tolerance, output.order_tolerance if estimates else 0.0)
            assert _close(ours, theirs, tolerance, self.tolerance * 1e-2), (
                f'"{output.name}" is {theirs}, and {ours} {told}'
            )

    def _check_answer(
        self,
        world: World,
        told: str,
        *,
        samples: Evaluated | None = None,
        none: bool = False,
        generator: bool = True,
    ) -> None:
        """The scores of a world are valid, or refused with a sentence."""
        given = [] if none else [samples or world.draw(self.count, seed=1)]
        reference = world.draw(self.count + 4, seed=0)

        def answer() -> Mapping[str, float | None]:
            return self.feed(self.build(world), [reference], given, generator=generator, world=world).compute()

        scores = _unless_refused(answer, told)
        if scores is not None:
            self._check_outputs(scores, f"for {told}")


def _unless_refused(answer: Callable[[], Mapping[str, float | None]], told: str) -> Mapping[str, float | None] | None:
    try:
        return answer()
    except CganzooError as refusal:
        sentence = str(refusal)
        assert sentence and "\n" not in sentence, f"the error for {told} is not one sentence: {sentence!r}"  # noqa: PT018
        return None
    except Exception as error:
        raise AssertionError(
            f"{told}: {type(error).__name__}: {error}; report None for an output that is not defined here, or raise a "
            "CganzooError whose sentence says what to change"
        ) from error


def _close(found: float | None, expected: float | None, relative: float, absolute: float) -> bool:
    if found is None or expected is None:
        return found is expected
    return math.isclose(found, expected, rel_tol=relative, abs_tol=absolute)


def _image_set(split: str, batch: Evaluated) -> ImageSet:
    assert batch.labels is not None
    labels = batch.labels.numpy()
    names = tuple(f"class {label}" for label in range(int(labels.max()) + 1))
    return ImageSet(np.asarray(to_pixels(batch.images)), labels, names, split, fingerprint=split)


class _Extractor(Extractor):
    """Random projections of the pixels."""

    own_classes = True

    def __init__(self, world: World) -> None:
        super().__init__()
        self.feature_dim, self.num_classes = world.feature_dim, world.num_classes
        random = torch.Generator().manual_seed(0)
        pixels = world.channels * world.image_size**2
        self.register_buffer("axes", torch.randn(pixels, world.feature_dim + world.num_classes, generator=random))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        seen = images.flatten(1) @ self.get_buffer("axes") / images.shape[-1]
        return seen[:, : self.feature_dim], seen[:, self.feature_dim :]

    def protocol(self) -> Mapping[str, Any]:
        return {"kind": "random projections"}

    def description(self) -> str:
        return "random projections"
