"""What all scores promise."""

from __future__ import annotations

import json
import warnings
from typing import Any

import cganzoo_scores
import pytest
import torch

from cganzoo.errors import CganzooError
from cganzoo.metric import Evaluated

SPECS = {spec.name: spec for spec in cganzoo_scores.cganzoo_metrics()}
ON_SUBSETS: dict[str, dict[str, Any]] = {
    "inception_score": {"splits": 4},
    "kid": {"subset_size": 10, "subsets": 5},
    "prdc": {"max_images": 12, "nearest_k": 3},
    "nearest_neighbours": {"samples": 20},
}
CASES = [*((name, {}) for name in SPECS), *ON_SUBSETS.items()]
OF_FEATURES = ["fid", "kid", "prdc", "nearest_neighbours", "intra_fid", "intra_class_vendi"]
OF_CLASSES = ["class_accuracy", "cas", "intra_fid"]


def cut(take: Any, batch: Evaluated, *sizes: int) -> list[Evaluated]:
    return [take(batch, indices) for indices in torch.split(torch.arange(len(batch.features)), list(sizes))]


def defined(scores: dict[str, float | None]) -> dict[str, float]:
    return {name: value for name, value in scores.items() if value is not None}


@pytest.mark.parametrize("name", SPECS)
@pytest.mark.parametrize("labelled", [True, False])
def test_outputs_are_those_declared_and_valid_json(name: str, labelled: bool, score: Any, evaluated: Any) -> None:
    scores = score(name, evaluated(0, 40), evaluated(1, 30, labelled=labelled))
    assert set(scores) == {output.name for output in SPECS[name].outputs}
    assert json.loads(json.dumps(scores, allow_nan=False)) == scores


def test_output_names_are_of_one_score_each() -> None:
    names = [output.name for spec in SPECS.values() for output in spec.outputs]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("name", OF_CLASSES)
def test_scores_of_classes_are_undefined_where_none_was_asked_for(name: str, score: Any, evaluated: Any) -> None:
    assert not defined(score(name, evaluated(0, 40), evaluated(1, 30, labelled=False)))


@pytest.mark.parametrize(("name", "options"), CASES)
def test_batches_may_be_cut_anywhere(name: str, options: dict[str, Any], score: Any, evaluated: Any, take: Any) -> None:
    real, samples = evaluated(0, 40, shift=0.5), evaluated(1, 30)
    whole = score(name, real, samples, **options)
    parts = score(name, cut(take, real, 1, 22, 17), cut(take, samples, 13, 16, 1), **options)
    assert defined(parts) == pytest.approx(defined(whole), rel=1e-12)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("inception_score", {"bootstrap": 0}),
        ("am_score", {"bootstrap": 0}),
        ("fid", {}),
        ("kid", {"subset_size": 30}),
        ("prdc", {}),
        ("class_accuracy", {}),
        ("intra_fid", {}),
        ("intra_class_vendi", {}),
    ],
)
def test_order_does_not_matter(name: str, options: dict[str, Any], score: Any, evaluated: Any, take: Any) -> None:
    real, samples = evaluated(0, 30, shift=0.5), evaluated(1, 30)
    shuffled = torch.randperm(30, generator=torch.Generator().manual_seed(2))
    expected = score(name, real, samples, **options)
    scores = score(name, take(real, shuffled), take(samples, shuffled), **options)
    assert defined(scores) == pytest.approx(defined(expected), rel=1e-9)


@pytest.mark.parametrize(("name", "options"), CASES)
def test_global_randomness_is_left_alone_and_not_used(
    name: str, options: dict[str, Any], score: Any, evaluated: Any
) -> None:
    real, samples = evaluated(0, 40), evaluated(1, 30)
    torch.manual_seed(0)
    before = torch.get_rng_state()
    first = score(name, real, samples, **options)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(1)
    assert score(name, real, samples, **options) == first


@pytest.mark.parametrize("name", SPECS)
def test_no_warning_reaches_the_user(name: str, score: Any, evaluated: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        score(name, evaluated(0, 40), evaluated(1, 30))


@pytest.mark.parametrize("name", SPECS)
def test_works_in_inference_mode_where_the_host_scores(name: str, score: Any, evaluated: Any) -> None:
    outside = score(name, evaluated(0, 40), evaluated(1, 30))
    with torch.inference_mode():
        assert score(name, evaluated(0, 40), evaluated(1, 30)) == outside


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
def test_too_few_samples_is_one_sentence(name: str, count: int, score: Any, evaluated: Any) -> None:
    options = {"splits": 3} if count == 2 else {}
    with pytest.raises(CganzooError, match=r"raise evaluation\.samples"):
        score(name, evaluated(0, 10), [evaluated(1, count)] if count else [], **options)


@pytest.mark.parametrize("name", OF_FEATURES)
@pytest.mark.parametrize("value", [torch.nan, torch.inf])
@pytest.mark.parametrize("side", ["real", "samples"])
def test_features_that_are_not_finite_are_one_sentence(
    name: str, value: float, side: str, score: Any, evaluated: Any
) -> None:
    real, samples = evaluated(0, 40), evaluated(1, 30)
    (real if side == "real" else samples).features[3, 2] = value
    with pytest.raises(CganzooError, match=rf"{name}.*features that are not finite"):
        score(name, real, samples)


@pytest.mark.parametrize("name", ["inception_score", "am_score", "class_accuracy"])
def test_logits_that_are_not_finite_are_one_sentence(name: str, score: Any, evaluated: Any) -> None:
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
def test_an_extractor_without_classes_is_one_sentence(
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
