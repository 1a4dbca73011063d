"""Conformance checks that every feature extractor must pass."""

from __future__ import annotations

import atexit
import json
import shutil
import tempfile
from contextlib import nullcontext
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar
from unittest import SkipTest

import numpy as np
import torch
from torch import Tensor

from cganzoo.data.batches import to_unit
from cganzoo.data.cache import ImageSet
from cganzoo.errors import DataError, RunError
from cganzoo.extractor import Extractor
from cganzoo.specs import ExtractorContext

from .conformance import Conformance, build_context, built, choices
from .randomness import seeded, untouched

COUNT = 12  # images of a batch
TOLERANCE = 1e-3  # of features, relative to the largest: kernels differ with the size of a batch


def extractor_context(*, num_classes: int = 2, image_size: int = 32, image_channels: int = 3) -> ExtractorContext:
    """A context on the CPU with a small random data set, and an empty folder as the cache."""
    context = build_context(num_classes, image_size, image_channels)
    shape, labels = (40, image_channels, image_size, image_size), np.arange(40) % num_classes
    splits = {}
    for seed, name in enumerate(("train", "test")):
        pixels = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
        splits[name] = ImageSet(pixels, labels, context.class_names, name, f"random {name}")
    cache = Path(tempfile.mkdtemp(prefix="cganzoo-check-"))
    atexit.register(shutil.rmtree, cache, ignore_errors=True)
    return ExtractorContext(
        **vars(context),
        splits=splits,
        device=torch.device("cpu"),
        cache=cache,
        stage=lambda what, **options: nullcontext(lambda done, total: None),
    )


class ExtractorConformance(Conformance):
    """The checks of an extractor. If its weights are not on this machine, the checks are skipped with the reason.

    Class attributes, besides those of :class:`Conformance`:
        image_size: side of the images, in pixels.
        image_channels: 1 or 3, each is tried.
    """

    kind = "extractor"
    number_of_checks = 17
    image_size: ClassVar[int] = 32
    image_channels: ClassVar[tuple[int, ...]] = (1, 3)

    def build(self, channels: int | None = None, **options: Any) -> Extractor:
        """A new instance of the extractor, prepared as the host does it."""
        context = extractor_context(image_size=self.image_size, image_channels=channels or max(self.image_channels))
        try:
            extractor = self.spec.build(self.config(**options), context)
        except (DataError, RunError) as error:
            raise SkipTest(f"cannot be built on this machine: {error}") from error
        return built(extractor, Extractor).eval()

    @cached_property
    def extractor(self) -> Extractor:
        """The extractor."""
        return self.build()

    def images(self, channels: int | None = None) -> Tensor:
        """Random images of 8 bits, (COUNT, C, H, W) in [-1, 1]."""
        shape = (COUNT, channels or max(self.image_channels), self.image_size, self.image_size)
        return to_unit(torch.randint(256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(0)))

    def outputs(self, images: Tensor, extractor: Extractor | None = None) -> tuple[Tensor, Tensor]:
        """Features and logits, as the host computes them."""
        extractor = extractor or self.extractor  # built outside inference mode: it may have to be trained first
        with torch.inference_mode():
            features, logits = extractor(images)
        return features, logits

    def test_shapes(self) -> None:
        """Images (N, C, H, W) become finite features (N, feature_dim) and logits (N, num_classes)."""
        for channels in self.image_channels:
            extractor = self.build(channels)
            features, logits = self.outputs(self.images(channels), extractor)
            expected = (COUNT, extractor.feature_dim), (COUNT, extractor.num_classes)
            found = tuple(features.shape), tuple(logits.shape)
            problem = f"features and logits are {found[0]} and {found[1]}"
            assert found == expected, f"{problem}; feature_dim and num_classes promise {expected[0]} and {expected[1]}"
            for name, values in (("feature", features), ("logit", logits)):
                assert values.is_floating_point(), f"a {name} has the type {values.dtype}; return floats"
                assert values.isfinite().all(), f"a {name} is not finite"

    def test_own_classes(self) -> None:
        """If ``own_classes`` is true, the number of logits is the number of classes of the data set."""
        count = self.extractor.num_classes
        right = count == 2 or not self.extractor.own_classes
        assert right, f"own_classes is True, but the logits are of {count} classes where the set has 2"

    def test_images_make_a_difference(self) -> None:
        """Different images have different features."""
        features, _ = self.outputs(self.images())
        assert (features - features[0]).abs().amax() > 0, "all images have the same features"

    def test_each_image_alone(self) -> None:
        """The features of an image do not depend on the other images of its batch."""
        images = self.images()
        together, alone = self.outputs(images), [self.outputs(image[None]) for image in images]
        for name, whole, parts in zip(("features", "logits"), together, zip(*alone, strict=True), strict=True):
            _assert_close(torch.cat(parts), whole, f"the {name} of an image differ when it comes alone")

    def test_the_same_every_time(self) -> None:
        """A second call gives the same features, bit for bit."""
        first, second = self.outputs(self.images()), self.outputs(self.images())
        assert all(map(torch.equal, first, second)), "a second call on the same images gives other outputs"

    def test_built_again_it_is_the_same_network(self) -> None:
        """A second build gives the same network, so no weight depends on the state of a random number generator."""
        first = self.outputs(self.images(), self.build())
        with seeded(123):
            second = self.outputs(self.images(), self.build())
        for name, one, other in zip(("features", "logits"), first, second, strict=True):
            _assert_close(other, one, f"built again, the network gives other {name}; fix its weights by a seed or file")

    def test_draws_no_random_numbers(self) -> None:
        """Building and calling the extractor do not change the state of the random number generators of a run."""
        with untouched("building the extractor"):
            extractor = self.build()
        with untouched("calling the extractor"):
            self.outputs(self.images(), extractor)

    def test_leaves_images_alone(self) -> None:
        """The extractor does not change its input images, because the metrics also use them."""
        images = self.images()
        self.outputs(images)
        assert torch.equal(images, self.images()), "the extractor changes its input in place"

    def test_protocol(self) -> None:
        """The protocol is plain JSON, not empty, and the same for the same network."""
        protocol = dict(self.extractor.protocol())
        assert protocol, "protocol() is empty; it identifies the network, for example by weights_hash(self)"
        plain = json.loads(json.dumps(protocol, allow_nan=False))
        assert plain == protocol, f"protocol() is not plain JSON: {protocol!r} is read back as {plain!r}"
        again = dict(self.build().protocol())
        assert again == protocol, f"built again, protocol() is {again!r} instead of {protocol!r}"

    def test_protocol_identifies_the_features(self) -> None:
        """Options that change the features change the protocol: scores of the two must not be compared."""
        images, (features, _) = self.images(), self.outputs(self.images())
        for options in choices(self.spec.config)[1:]:
            other = self.build(**options)
            found, _ = self.outputs(images, other)
            if found.shape != features.shape or not torch.equal(found, features):
                same = dict(other.protocol()) == dict(self.extractor.protocol())
                assert not same, f"with {options} the features differ, but protocol() does not"

    def test_description(self) -> None:
        """The description is one line."""
        text = self.extractor.description()
        assert isinstance(text, str), f"description() is a {type(text).__name__}; return one line of text"
        assert text.strip(), "description() is empty; return one line of text"
        assert "\n" not in text, f"description() has several lines: {text!r}"


def _assert_close(found: Tensor, expected: Tensor, what: str) -> None:
    if expected.numel():
        difference = ((found - expected).abs().amax() / expected.abs().amax().clamp(min=1e-12)).item()
        assert difference < TOLERANCE, f"{what}: by {difference:.1e} of the largest"
