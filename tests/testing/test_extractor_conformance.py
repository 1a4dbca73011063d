"""The kit's checks of extractors: sound ones pass, and each planted fault is found by the check for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from cganzoo import Config, ExtractorSpec
from cganzoo.extractor import Extractor, weights_hash
from cganzoo.testing import ExtractorConformance, conformance, run


class TestClassifier(ExtractorConformance):
    """The host's classifier, trained for two steps."""

    name = "classifier"
    options = {"width": 2, "steps": 2, "batch_size": 8}  # noqa: RUF012


class FilterConfig(Config):
    centred: bool = False


class Sound(Extractor):
    """Fixed filters and the mean over positions."""

    feature_dim, num_classes, own_classes = 4, 2, True

    def __init__(self, config: FilterConfig, context: Any) -> None:
        super().__init__()
        self.config = config
        shape = (6, context.image_channels, 5, 5)
        self.filters = nn.Parameter(torch.randn(shape, generator=torch.Generator().manual_seed(0)))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        images = images - images.mean((2, 3), keepdim=True) if self.config.centred else images
        found = nn.functional.conv2d(images, self.filters).relu().mean((2, 3))
        return found[:, :4], found[:, 4:]

    def protocol(self) -> dict[str, Any]:
        return {"weights": weights_hash(self), "centred": self.config.centred}

    def description(self) -> str:
        return "filters"


def check(extractor: type) -> type[ExtractorConformance]:
    spec = ExtractorSpec(name="filters", summary="Fixed filters", config=FilterConfig, build=extractor)
    return type("Check", (ExtractorConformance,), {"name": "filters", "spec": spec})


OWN = [
    name for name in conformance.checks(ExtractorConformance) if name not in conformance.checks(conformance.Conformance)
]


@pytest.mark.parametrize("name", OWN)
def test_a_sound_extractor_passes(name: str) -> None:
    getattr(check(Sound)(), f"test_{name}")()


class WrongDim(Sound):
    feature_dim = 5


class Nan(Sound):
    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        features, logits = super().forward(images)
        return features / 0 * 0, logits


class TooManyClasses(Sound):
    feature_dim, num_classes = 3, 3

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        features, logits = super().forward(images)
        return features[:, :3], torch.cat([features[:, 3:], logits], 1)


class Constant(Sound):
    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        features, logits = super().forward(images)
        return torch.ones_like(features), logits


class OfTheBatch(Sound):
    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        return super().forward(images - images.mean(0))


class Noisy(Sound):
    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        return super().forward(images + torch.randn_like(images))


class Unseeded(Sound):
    def __init__(self, config: FilterConfig, context: Any) -> None:
        super().__init__(config, context)
        self.filters.data = torch.randn(self.filters.shape)


class InPlace(Sound):
    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        return super().forward(images.clamp_(-0.5, 0.5))


class NoProtocol(Sound):
    def protocol(self) -> dict[str, Any]:
        return {}


class TensorProtocol(Sound):
    def protocol(self) -> dict[str, Any]:
        return {"sizes": (1, 2)}  # a tuple comes back as a list


class SameProtocol(Sound):
    def protocol(self) -> dict[str, Any]:
        return {"weights": weights_hash(self)}


class Verse(Sound):
    def description(self) -> str:
        return "filters\nand more"


@pytest.mark.parametrize(
    ("faulty", "found_by", "message"),
    [
        (WrongDim, "shapes", r"promise \(12, 5\)"),
        (Nan, "shapes", "a feature is not finite"),
        (TooManyClasses, "own_classes", "of 3 classes where the set has 2"),
        (Constant, "images_make_a_difference", "same features"),
        (OfTheBatch, "each_image_alone", "the features of an image differ"),
        (Noisy, "the_same_every_time", "a second call"),
        (Noisy, "draws_no_random_numbers", "calling the extractor uses torch's"),
        (Unseeded, "built_again_it_is_the_same_network", "built again, the network gives other features"),
        (Unseeded, "draws_no_random_numbers", "building the extractor uses torch's"),
        (InPlace, "leaves_images_alone", "in place"),
        (NoProtocol, "protocol", "is empty"),
        (TensorProtocol, "protocol", "not plain JSON"),
        (SameProtocol, "protocol_identifies_the_features", r"with \{'centred': True\} the features differ"),
        (Verse, "description", "several lines"),
        (lambda config, context: nn.Identity(), "shapes", "build returns Identity"),
    ],
)
def test_a_planted_fault_is_found(faulty: Callable[..., Any], found_by: str, message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        getattr(check(faulty)(), f"test_{found_by}")()


def test_without_its_weights_the_checks_are_skipped() -> None:
    class Check(ExtractorConformance):
        name = "inception"
        options = {"weights": "/no/such/file.pth"}  # noqa: RUF012

    outcomes = {outcome.check: outcome for outcome in run(Check)}
    assert outcomes["shapes"].status == "skipped"
    assert "no such file" in outcomes["shapes"].message
    assert all(outcome.status in ("passed", "skipped") for outcome in outcomes.values())
