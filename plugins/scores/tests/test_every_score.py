"""What all scores promise beyond the conformance kit's checks, which are in test_conformance.py."""

from __future__ import annotations

from typing import Any

import cganzoo_scores
import pytest
import torch

from cganzoo.errors import CganzooError

SPECS = {spec.name: spec for spec in cganzoo_scores.cganzoo_metrics()}
OF_FEATURES = ["fid", "kid", "prdc", "nearest_neighbours", "intra_fid", "intra_class_vendi"]
OF_CLASSES = ["class_accuracy", "cas", "intra_fid"]


def defined(scores: dict[str, float | None]) -> dict[str, float]:
    return {name: value for name, value in scores.items() if value is not None}


def test_output_names_are_of_one_score_each() -> None:
    names = [output.name for spec in SPECS.values() for output in spec.outputs]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("name", OF_CLASSES)
def test_scores_of_classes_are_undefined_if_none_was_requested(name: str, score: Any, evaluated: Any) -> None:
    assert not defined(score(name, evaluated(0, 40), evaluated(1, 30, labelled=False)))


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("inception_score", 0),
        ("inception_score", 2),
        ("am_score", 0),
        ("fid", 1),
        ("kid", 1),
        ("prdc", 5),
        ("intra_fid", 0),
        ("intra_fid", 9),
        ("cas", 0),
        ("nearest_neighbours", 0),
    ],
)
def test_too_few_samples_is_one_message(name: str, count: int, score: Any, evaluated: Any) -> None:
    options = {"splits": 3} if count == 2 else {}
    with pytest.raises(CganzooError, match=r"raise evaluation\.samples"):
        score(name, evaluated(0, 10), [evaluated(1, count)] if count else [], **options)


@pytest.mark.parametrize("name", OF_FEATURES)
@pytest.mark.parametrize("value", [torch.nan, torch.inf])
@pytest.mark.parametrize("side", ["real", "samples"])
def test_features_that_are_not_finite_are_one_message(
    name: str, value: float, side: str, score: Any, evaluated: Any
) -> None:
    real, samples = evaluated(0, 40), evaluated(1, 30)
    (real if side == "real" else samples).features[3, 2] = value
    with pytest.raises(CganzooError, match=rf"{name}.*features that are not finite"):
        score(name, real, samples)


@pytest.mark.parametrize("name", ["inception_score", "am_score", "class_accuracy"])
def test_logits_that_are_not_finite_are_one_message(name: str, score: Any, evaluated: Any) -> None:
    samples = evaluated(1, 30)
    samples.logits[3, 2] = torch.nan
    with pytest.raises(CganzooError, match=rf"{name}.*logits that are not finite"):
        score(name, evaluated(0, 40), samples)


@pytest.mark.parametrize(
    ("name", "labelled"),
    [
        ("inception_score", True),
        ("am_score", True),
        ("class_accuracy", True),
        ("intra_class_msssim", False),
        ("intra_class_vendi", False),
    ],
)
def test_an_extractor_without_classes_is_one_message(
    name: str, labelled: bool, score: Any, evaluated: Any, take: Any
) -> None:
    real, samples = (take(batch, logits=torch.zeros(30, 0)) for batch in (evaluated(0, 30), evaluated(1, 30)))
    if not labelled:
        samples.labels = None
    with pytest.raises(
        CganzooError, match=f'{name} needs class predictions, and the extractor has none; .*"inception"'
    ):
        score(name, real, samples)


@pytest.mark.parametrize("name", sorted(set(SPECS) - {"inception_score", "am_score", "class_accuracy"}))
def test_other_scores_need_no_classes_of_the_extractor(name: str, score: Any, evaluated: Any, take: Any) -> None:
    real, samples = (take(batch, logits=torch.zeros(30, 0)) for batch in (evaluated(0, 30), evaluated(1, 30)))
    assert score(name, real, samples) == score(name, evaluated(0, 30), evaluated(1, 30))


@pytest.mark.parametrize("name", OF_FEATURES)
@pytest.mark.parametrize("scale", [1e-12, 1.0, 1e12])
def test_degenerate_features_give_numbers(name: str, scale: float, score: Any, of_features: Any) -> None:
    constant = of_features(torch.full((20, 8), 0.3) * scale)
    random = torch.Generator().manual_seed(0)
    wide = of_features(torch.randn(20, 64, generator=random).relu() * scale)
    twice = of_features(wide.features[torch.arange(20) // 2])
    for real, samples in ((constant, constant), (wide, twice), (twice, wide), (twice, twice)):
        scores = score(name, real, samples)
        # How near training images are to each other says nothing where each comes twice.
        wanted = {"kid_std"} if name != "nearest_neighbours" or real is wide else set()
        assert all(value is None or abs(value) < float("inf") for value in scores.values())
        assert all(scores[key] is not None for key in wanted & set(scores))


@pytest.mark.parametrize(
    ("name", "power"), [("fid", 2), ("intra_fid", 2), ("prdc", 0), ("nearest_neighbours", 0), ("intra_class_vendi", 0)]
)
@pytest.mark.parametrize("scale", [2.0**-40, 2.0**40])
def test_the_scale_of_features_matters_as_it_should(
    name: str, power: int, scale: float, score: Any, evaluated: Any, take: Any
) -> None:
    real, samples = evaluated(0, 40), evaluated(1, 30)
    scaled = [take(batch, features=batch.features * scale) for batch in (real, samples)]
    expected = {key: value * scale**power for key, value in score(name, real, samples).items()}
    assert score(name, *scaled) == pytest.approx(expected, rel=1e-6)
