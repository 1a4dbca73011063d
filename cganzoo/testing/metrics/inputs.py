"""A metric does not change its inputs, and it scores or refuses unusual evaluations."""

from __future__ import annotations

import copy
import gc
import weakref
from collections.abc import Mapping
from typing import Any
from unittest import SkipTest

import numpy as np
import torch
from torch import Tensor

from cganzoo.data.batches import to_pixels
from cganzoo.data.cache import ImageSet
from cganzoo.evaluate.evaluation import Evaluator
from cganzoo.extractor import Extractor
from cganzoo.metric import Evaluated, Metric
from cganzoo.needs import Counts, Needs
from cganzoo.specs import NAME
from cganzoo.testing.conformance import check_equal

from .scores import MetricScores, Scores, context, unless_refused
from .synthetic import World, cut, taken, tensors

MOST_IMAGES = 5000
"""Samples or real images above which the least numbers are not searched."""


class MetricConformance(MetricScores):
    """The checks of a metric, on small synthetic images. Subclass it with the ``name`` of a metric."""

    kind = "metric"
    number_of_checks = 34

    def test_inference_mode(self) -> None:
        """The metric gives the same scores in inference mode, which the host uses."""
        with torch.inference_mode():
            metric = self.build()
            metric.update_reference(copy.deepcopy(self.reference))
            with torch.inference_mode(False), torch.enable_grad():  # as the host calls it
                metric.update_generator(*self.generator())
            metric.update(copy.deepcopy(self.samples))
            scores = dict(metric.compute())
        self.check_same(scores, self.expected(), "in torch.inference_mode")

    def test_batches_are_left_alone(self) -> None:
        """The batches, which all metrics share, are not changed."""
        given = {"reference": copy.deepcopy(self.reference), "samples": copy.deepcopy(self.samples)}
        self.feed([given["reference"]], [given["samples"]]).compute()
        for what, batch in given.items():
            problem = f"of the {what} are changed in place; use a copy"
            check_equal(tensors(batch), tensors(getattr(self, what)), problem)

    def test_generator_is_left_alone(self) -> None:
        """The generator's weights, mode and gradients are not changed."""
        if type(self.build()).update_generator is Metric.update_generator:
            raise SkipTest("the metric does not use the generator")
        given = generator, z, _ = self.generator()
        parameters = list(generator.parameters())
        for parameter in parameters[::2]:
            parameter.requires_grad_(False)
        weights = {name: tensor.clone() for name, tensor in generator.state_dict().items()}
        trained = [parameter.requires_grad for parameter in parameters]
        self.feed([self.reference], [self.samples], given=given).compute()
        check_equal(generator.state_dict(), weights, "of the generator is changed by update_generator; use a copy")
        in_training = any(module.training for module in generator.modules())
        assert not in_training, "update_generator changes the generator's mode; do not call train()"
        unchanged = [parameter.requires_grad for parameter in parameters] == trained
        assert unchanged, "update_generator changes requires_grad of the generator's weights; use torch.autograd.grad"
        with_gradient = any(parameter.grad is not None for parameter in parameters)
        assert not with_gradient, "update_generator leaves gradients in the weights; use torch.autograd.grad"
        assert torch.equal(z, self.generator()[1]), "update_generator changes the noise in place; clone it first"

    def test_nothing_it_was_shown_outlives_it(self) -> None:
        """When the metric is deleted, the memory of the generator and the images is released."""
        generator, z, labels = self.generator()
        reference, samples = copy.deepcopy(self.reference), copy.deepcopy(self.samples)
        given: dict[str, list[object]] = {
            "the generator": [generator, *generator.parameters()],
            "real images": list(tensors(reference).values()),
            "samples": list(tensors(samples).values()),
        }
        alive = {what: [weakref.ref(item) for item in items] for what, items in given.items()}
        metric = self.feed([reference], [samples], given=(generator, z, labels))
        metric.compute()
        del metric, generator, reference, samples, given
        for what, references in alive.items():
            if any(reference() is not None for reference in references):
                gc.collect()  # slow, and needed only for reference cycles
            released = all(reference() is None for reference in references)
            assert released, f"{what} stay in memory after the metric is deleted; keep them only in the instance"

    # --- unusual evaluations ----------------------------------------------------------------------------------------

    def test_unlabelled_samples(self) -> None:
        """Samples of an unconditional generator, which have no labels, are scored or refused."""
        batch = Evaluated(self.samples.images, None, self.samples.features, self.samples.logits)
        self._check_accepted(self.world(), "samples without labels", [batch])

    def test_extractor_without_logits(self) -> None:
        """An extractor without classes is accepted or refused."""
        self._check_accepted(self.world(num_logits=0), "an extractor without logits")

    def test_extractor_of_other_classes(self) -> None:
        """An extractor whose classes are not those of the set is accepted or refused."""
        self._check_accepted(self.world(num_logits=self.num_classes + 3), "an extractor with other classes")

    def test_few_samples(self) -> None:
        """An evaluation with no sample, or with one sample, is scored or refused."""
        self._check_accepted(self.world(), "0 samples", [])
        self._check_accepted(self.world(), "1 samples", [taken(self.samples, torch.arange(1))])

    def test_real_images_in_the_place_of_samples(self) -> None:
        """Real images in the place of samples, without a generator, are scored or refused."""
        self._check_accepted(self.world(), "real images in place of samples", generator=False)

    def test_any_number_of_classes(self) -> None:
        """One class only, or more classes than images per class, are scored or refused."""
        for classes in (1, 23):
            self._check_accepted(self.world(num_classes=classes), f"{classes} classes")

    def test_gray_images(self) -> None:
        """Images of one channel are scored or refused."""
        self._check_accepted(self.world(channels=1), "images of one channel")

    def test_more_features_than_images(self) -> None:
        """An extractor with more features than there are images is accepted or refused."""
        world = self.world(feature_dim=3 * self.count)
        self._check_accepted(world, f"{world.feature_dim} features of {self.count} images")

    def test_needs_are_enough(self) -> None:
        """An evaluation that has exactly what the metric needs, and no more, is scored; the spec's ``needs`` say what.

        The host refuses an evaluation that has less before the training, and trusts that one that has as much can be
        scored after it.
        """
        needs = self.spec.needs(self.config())
        assert isinstance(needs, Needs), f"needs returns {type(needs).__name__}; return a cganzoo.Needs"
        classes = max(self.num_classes, needs.classes)
        size = needs.image_size if needs.image_size > 1 else self.image_size
        world = self.world(num_classes=classes, image_size=size)
        samples = max(1, needs.samples, classes * needs.samples_per_class)
        real = max(1, needs.real_images, classes * needs.real_images_per_class)
        if max(samples, real) > MOST_IMAGES:
            raise SkipTest(f"it needs more than {MOST_IMAGES} images; set options that need fewer")
        while (lacks := needs.unmet(_counts(world, samples, real))) and max(samples, real) < MOST_IMAGES:
            # What `check` needs is not known, so both numbers are raised until it accepts them.
            assert "\n" not in lacks, f"the reason that check returns must be one line, but is {lacks!r}"
            samples, real = samples + 1, real + 1
        assert lacks is None, f"with {samples} samples and {real} real images, the metric still needs {lacks}"
        what = f"{samples} sample{'s'[: samples != 1]} and {real} real image{'s'[: real != 1]} of {classes} classes"
        advice = "set the least numbers in the spec: needs=lambda config: Needs(samples=2)"
        metric = self.build(world)
        try:
            scores = self.feed([world.draw(real, seed=0)], [world.draw(samples, seed=1)], metric=metric, world=world)
            found = scores.compute()
        except Exception as error:
            problem = f"the metric's needs allow {what}, but then {type(error).__name__}: {error}"
            raise AssertionError(f"{problem}; {advice}") from error
        self.check_outputs(found, f"for {what}, which its needs allow")
        first = self.spec.outputs[0].name
        assert found[first] is not None, f'the metric\'s needs allow {what}, but then "{first}" is None; {advice}'

    def _check_accepted(
        self, world: World, what: str, samples: list[Evaluated] | None = None, *, generator: bool = True
    ) -> None:
        """The scores are valid, or refused with a message of one line."""
        samples = [world.draw(self.count, seed=1)] if samples is None else samples
        reference = [world.draw(self.count + 4, seed=0)]

        def compute() -> Scores:
            return self.feed(reference, samples, generator=generator, world=world).compute()

        scores = unless_refused(compute, what)
        if scores is not None:
            self.check_outputs(scores, f"for {what}")

    # --- in the host ------------------------------------------------------------------------------------------------

    def test_pictures(self) -> None:
        """The pictures of the metric, if it has any, are (C, H, W) in [-1, 1]."""
        metric = self.feed(cut(self.reference, [15]), [self.samples])
        metric.compute()
        count = len(self.reference.features)

        def recall(positions: Tensor) -> Tensor:
            assert positions.dtype == torch.int64 and positions.ndim == 1, "recall takes positions (N,) int64"  # noqa: PT018
            inside = ((positions >= 0) & (positions < count)).all()
            assert inside, f"recall takes positions in the reference images, from 0 to {count - 1}"
            return self.reference.images[positions]

        pictures = metric.pictures(recall)
        if not pictures:
            raise SkipTest("the metric has no pictures")
        for name, picture in pictures.items():
            valid = isinstance(name, str) and NAME.fullmatch(name)
            assert valid, f"the picture's name {name!r} becomes a file name; use lower snake case"
            shape = tuple(picture.shape)
            assert len(shape) == 3 and shape[0] in (1, 3), f'"{name}" is {shape}; make it (1 or 3, H, W)'  # noqa: PT018
            low, high = float(picture.min()), float(picture.max())
            assert -1 <= low <= high <= 1, f'"{name}" has values from {low:g} to {high:g}; scale them to [-1, 1]'

    def test_evaluation(self) -> None:
        """The metric works in an evaluation of the host, with scores, scores of real images, and pictures."""
        split = self.spec.reference
        assert split in ("train", "test"), f'reference = "{split}": there is no such split; write "train" or "test"'
        world = self.world()
        splits = {"train": _image_set("train", self.reference), "test": _image_set("test", world.draw(self.count, 4))}
        evaluator = Evaluator(
            splits=splits,
            extractor=_RandomProjections(world),
            metrics=[(self.spec, self.config())],
            context=context(world),
            device=torch.device("cpu"),
            batch_size=11,
        )
        batches = [(part.images, part.labels) for part in cut(self.samples, [17])]
        generator, z, labels = self.generator()
        evaluation = evaluator.evaluate(batches, self.count, sampling={}, generator=generator, noise=(z, labels))
        for failed in (evaluation.failures, evaluation.real_failures):
            assert not failed, f"in an evaluation of the host, the metric fails: {failed[self.spec.name]}"
        for row in (evaluation.scores, evaluation.real_test, evaluation.real_halves):
            self.check_outputs(row, "in an evaluation")


def _image_set(split: str, batch: Evaluated) -> ImageSet:
    assert batch.labels is not None
    labels = batch.labels.numpy()
    names = tuple(f"class {label}" for label in range(int(labels.max()) + 1))
    return ImageSet(np.asarray(to_pixels(batch.images)), labels, names, split, fingerprint=split)


def _counts(world: World, samples: int, real: int) -> Counts:
    """What the host knows of an evaluation of this world."""
    classes = world.num_classes
    return Counts(
        samples=samples,
        conditional=True,
        image_size=world.image_size,
        class_names=tuple(f"class {label}" for label in range(classes)),
        real_images_per_class=tuple(len(range(label, real, classes)) for label in range(classes)),
        feature_dim=world.feature_dim,
        predicted_classes=world.num_logits,
        own_classes=world.num_logits == classes,
    )


class _RandomProjections(Extractor):
    """Random projections of the pixels."""

    own_classes = True

    def __init__(self, world: World) -> None:
        super().__init__()
        self.feature_dim, self.num_classes = world.feature_dim, world.num_classes
        pixels, random = world.channels * world.image_size**2, torch.Generator().manual_seed(0)
        self.register_buffer("axes", torch.randn(pixels, world.feature_dim + world.num_classes, generator=random))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        outputs = images.flatten(1) @ self.get_buffer("axes") / images.shape[-1]
        return outputs[:, : self.feature_dim], outputs[:, self.feature_dim :]

    def protocol(self) -> Mapping[str, Any]:
        return {"kind": self.description()}

    def description(self) -> str:
        return "random projections"
