"""Real images: their rows of scores, and what is kept of them in the cache."""

from __future__ import annotations

import dataclasses
import re
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from evaluating import (
    COUNT,
    DISTANCE,
    REAL,
    SAMPLING,
    TEST,
    Linear,
    MeanDistance,
    Scale,
    evaluate,
    evaluator,
    features_of,
    real_images,
    samples,
    spec,
    test_images,
)

from cganzoo import BuildContext, Config, MetricSpec
from cganzoo.errors import CganzooError, DamageWarning, DataError, RunError
from cganzoo.evaluate.evaluation import Scores
from cganzoo.evaluate.reference import CHECKSUMS
from cganzoo.metric import Evaluated, Metric


def test_real_halves_score_one_half_against_the_other() -> None:
    result = evaluate(seed=5)
    order = np.random.default_rng(5).permutation(REAL)
    first, second = order[:15], order[15:30]  # of 31
    features = features_of(real_images().images)
    expected = (features[first].mean(0) - features[second].mean(0)).norm().item()
    assert result.real_halves["distance"] == pytest.approx(expected, rel=1e-5)
    assert (result.real_halves["sample_count"], result.real_halves["real_count"]) == (15, 15)
    assert result.protocol["real_halves"] == {"samples": 15, "reference": 15, "seed": 5}


def test_features_and_scores_of_real_images_are_computed_once() -> None:
    extractor, built = Linear(), []

    def build(config: Scale, context: BuildContext) -> Metric:
        built.append(context)
        return MeanDistance(config)

    counted = dataclasses.replace(DISTANCE, build=build)
    many = evaluator(counted, extractor=extractor)
    first = many.evaluate(samples(), COUNT, sampling=SAMPLING)
    second = many.evaluate(samples(), COUNT, sampling=SAMPLING)
    assert extractor.images == REAL + TEST + 2 * COUNT
    assert len(built) == 4
    assert second == first
    other = many.evaluate(samples(seed=2), COUNT, sampling=SAMPLING)
    assert other.scores["distance"] != first.scores["distance"]
    assert other.real_halves == first.real_halves


def needs(count: int) -> MetricSpec[Any]:
    class Needs(Metric):
        seen = 0

        def update(self, batch: Evaluated) -> None:
            self.seen += len(batch.images)

        def compute(self) -> Scores:
            if self.seen < count:
                raise CganzooError("too few samples")
            return {"needs": 1.0}

    return spec("needs", lambda config, context: Needs(), "needs")


def test_too_few_samples_is_a_failure_and_too_small_halves_are_none() -> None:
    result = evaluate(needs(18))
    assert (result.scores, result.real_halves, result.real_test) == ({"needs": 1.0}, {"needs": None}, {"needs": None})
    assert (result.failures, result.real_failures) == ({}, {})
    result = evaluate(needs(21))
    assert (result.scores, result.failures) == ({"needs": None}, {"needs": "too few samples"})


def test_the_test_row_scores_test_images_against_the_training_images() -> None:
    result = evaluate()
    expected = (features_of(real_images().images).mean(0) - features_of(test_images().images).mean(0)).norm().item()
    assert result.real_test["distance"] == pytest.approx(expected, rel=1e-5)
    assert (result.real_test["sample_count"], result.real_test["real_count"]) == (TEST, REAL)


def test_without_test_images_the_test_row_is_empty() -> None:
    result = evaluate(splits={"train": real_images()})
    assert result.real_test == {"distance": None, "real_count": None, "sample_count": None}
    assert result.real_halves["distance"] is not None
    assert result.protocol["real_test"] is None


def test_a_metric_may_be_measured_against_the_test_images() -> None:
    against_test = dataclasses.replace(DISTANCE, reference="test")
    result = evaluate(against_test)
    assert (result.scores["real_count"], result.scores["sample_count"]) == (TEST, COUNT)
    assert (result.real_halves["real_count"], result.real_halves["sample_count"]) == (TEST, 15)
    assert set(result.real_test.values()) == {None}
    evaluator(against_test).check()
    with pytest.raises(DataError, match='"mean_distance" is measured against test images'):
        evaluator(against_test, splits={"train": real_images()}).check()


def test_features_and_real_scores_are_kept_for_every_later_run(tmp_path: Path) -> None:
    first = evaluate(cache=tmp_path)
    extractor, built = Linear(), []

    def build(config: Scale, context: BuildContext) -> Metric:
        built.append(config)
        return MeanDistance(config)

    counted = dataclasses.replace(DISTANCE, build=build)
    again = evaluate(counted, extractor=extractor, cache=tmp_path)
    assert again == first
    assert extractor.images == COUNT
    assert len(built) == 1


@pytest.mark.parametrize("change", ["train", "test", "extractor", "seed", "options", "version"])
def test_cached_scores_of_real_images_are_of_one_protocol(tmp_path: Path, change: str) -> None:
    class Other(Linear):
        def protocol(self) -> Mapping[str, Any]:
            return {"kind": "linear", "weights": "def"}

    evaluate(cache=tmp_path)
    built: list[Config] = []

    def build(config: Scale, context: BuildContext) -> Metric:
        built.append(config)
        return MeanDistance(config)

    splits = {"train": real_images(), "test": test_images()}
    if change in splits:
        splits[change] = dataclasses.replace(splits[change], fingerprint="other")
    changes: dict[str, Any] = {
        "extractor": {"extractor": Other()},
        "seed": {"seed": 1},
        "options": {"options": Scale(scale=2.0)},
        "version": {"versions": {"mean_distance": "2"}},
    }.get(change, {"splits": splits})
    counted = dataclasses.replace(DISTANCE, build=build)
    evaluate(counted, cache=tmp_path, **changes)
    assert len(built) == 3


def flipped(content: bytes) -> bytes:
    """One bit is another."""
    place = len(content) // 2
    return content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "flipped bit": flipped,
    "nothing": lambda content: b"",
    "text": lambda content: b"{",
    "deep": lambda content: b"[" * 100_000,
    "half": lambda content: content[: len(content) // 2],
    "not UTF-8": lambda content: b"\xff" * 100,
}


@pytest.mark.parametrize("how", DAMAGE)
@pytest.mark.parametrize("files", ["real-scores/*.json", "features/*/features.npy", "features/*/logits.npy"])
def test_damaged_scores_and_features_are_computed_again(tmp_path: Path, files: str, how: str) -> None:
    first = evaluate(cache=tmp_path)
    for file in (tmp_path / "real-scores").iterdir():
        if not files.startswith("real"):  # they would be used without the features
            file.unlink()
    damaged = list(tmp_path.glob(files))
    assert damaged
    for file in damaged:
        file.write_bytes(DAMAGE[how](file.read_bytes()))
    with pytest.warns(DamageWarning, match="is damaged") as told:
        assert evaluate(cache=tmp_path) == first
    assert len(told) == len(damaged)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert evaluate(cache=tmp_path) == first, "they were made again"


def test_a_changed_number_in_the_scores_of_real_images_is_noticed(tmp_path: Path) -> None:
    first = evaluate(cache=tmp_path)
    for file in (tmp_path / "real-scores").iterdir():
        file.write_text(re.sub(r'"distance": (\d)', '"distance": 7', file.read_text()))
    with pytest.warns(DamageWarning, match="its checksum is wrong"):
        assert evaluate(cache=tmp_path) == first


def test_features_of_0_1_have_no_checksums(tmp_path: Path) -> None:
    first = evaluate(cache=tmp_path)
    for file in (tmp_path / "features").glob(f"*/{CHECKSUMS}"):
        file.unlink()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert evaluate(cache=tmp_path) == first


def test_damaged_features_in_a_cache_that_cannot_be_written_are_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    evaluate(cache=tmp_path)
    for file in (tmp_path / "features").glob("*/features.npy"):
        file.write_bytes(b"nothing")

    def refuse(*arguments: Any) -> Any:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.warns(DamageWarning), pytest.raises(RunError, match="features cannot be kept here: Permission denied"):
        evaluate(cache=tmp_path)


def test_leftovers_of_a_killed_process_are_removed(tmp_path: Path) -> None:
    first = evaluate(cache=tmp_path)
    for place in list((tmp_path / "features").iterdir()):
        place.rename(place.with_name(f".{place.name}-0123abcd.part"))
    for file in (tmp_path / "real-scores").iterdir():
        file.unlink()
    assert evaluate(cache=tmp_path) == first
    assert not [path for path in (tmp_path / "features").iterdir() if path.name.startswith(".")]


def test_real_images_that_no_metric_uses_are_not_read() -> None:
    class Unreadable(np.ndarray):
        def __getitem__(self, key: Any) -> Any:
            raise AssertionError("the pixels were read")

    many = evaluator()
    expected = many.evaluate(samples(), COUNT, sampling=SAMPLING)
    for features in many._features.values():
        features.data = dataclasses.replace(features.data, images=features.data.images.view(Unreadable))
    assert many.evaluate(samples(), COUNT, sampling=SAMPLING) == expected
