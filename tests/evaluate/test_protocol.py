"""Fingerprints: equal if two scores are comparable."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import pytest
from evaluating import (
    CLASSES,
    COUNT,
    DISTANCE,
    HAS_LABELS,
    REAL,
    SAMPLING,
    Linear,
    Scale,
    evaluate,
    evaluator,
    real_images,
    samples,
    test_images,
)

from cganzoo import BuildContext
from cganzoo.evaluate.protocol import common_fingerprint, fingerprint, with_fingerprints


def test_a_protocol_has_a_fingerprint_of_all_and_one_of_each_metric() -> None:
    protocol = evaluate(DISTANCE, HAS_LABELS).protocol
    content = {key: value for key, value in protocol.items() if key not in ("fingerprint", "fingerprints")}
    assert protocol["fingerprint"] == fingerprint(content)
    assert protocol["fingerprints"] == {
        "mean_distance": fingerprint({**content, "metrics": {"mean_distance": {"scale": 1.0}}}),
        "has_labels": fingerprint({**content, "metrics": {"has_labels": {}}}),
    }
    assert content["extractor"] == {"kind": "linear", "weights": "abc"}
    assert content["reference"] == {"split": "train", "count": REAL, "fingerprint": "real 0"}
    assert content["samples"] == {"count": COUNT, **SAMPLING}
    assert content["metrics"] == {"mean_distance": {"scale": 1.0}, "has_labels": {}}


def test_another_metric_changes_no_fingerprint_of_a_score() -> None:
    alone, both = evaluate(DISTANCE).protocol, evaluate(DISTANCE, HAS_LABELS).protocol
    assert both["fingerprints"]["mean_distance"] == alone["fingerprints"]["mean_distance"]
    assert both["fingerprints"]["has_labels"] == evaluate(HAS_LABELS).protocol["fingerprints"]["has_labels"]
    assert both["fingerprint"] != alone["fingerprint"]
    assert common_fingerprint(both) == common_fingerprint(alone)
    assert alone["fingerprints"]["mean_distance"] == alone["fingerprint"], "of a single metric, they are the same"


def test_the_options_of_a_metric_change_its_own_fingerprint_only() -> None:
    usual, scaled = evaluate(DISTANCE, HAS_LABELS).protocol, evaluate(DISTANCE, options=Scale(scale=2.0)).protocol
    assert scaled["fingerprints"]["mean_distance"] != usual["fingerprints"]["mean_distance"]
    changed = {**usual, "metrics": {**usual["metrics"], "mean_distance": {"scale": 2.0}}}
    assert with_fingerprints(changed)["fingerprints"] == {
        "mean_distance": scaled["fingerprints"]["mean_distance"],
        "has_labels": usual["fingerprints"]["has_labels"],
    }
    assert common_fingerprint(changed) == common_fingerprint(usual)


class Other(Linear):
    def protocol(self) -> Mapping[str, Any]:
        return {"kind": "linear", "weights": "def"}


CHANGES: dict[str, dict[str, Any]] = {
    "extractor": {"extractor": Other()},
    "data": {"splits": {"train": dataclasses.replace(real_images(), fingerprint="real 1"), "test": test_images()}},
    "test data": {"splits": {"train": real_images(), "test": dataclasses.replace(test_images(), fingerprint="test 1")}},
    "halves": {"seed": 1},
    "size": {"context": BuildContext(num_classes=CLASSES, image_size=16, image_channels=1)},
}


@pytest.mark.parametrize("change", [*CHANGES, "count", *SAMPLING])
def test_everything_else_changes_each_fingerprint(change: str) -> None:
    usual = evaluate(DISTANCE, HAS_LABELS).protocol
    if change == "count":
        images, labels = next(samples(batch_size=COUNT - 1))
        changed = evaluator(DISTANCE, HAS_LABELS).evaluate([(images, labels)], COUNT - 1, sampling=SAMPLING).protocol
    elif change in SAMPLING:
        sampling = {**SAMPLING, change: "other"}
        changed = evaluator(DISTANCE, HAS_LABELS).evaluate(samples(), COUNT, sampling=sampling).protocol
    else:
        changed = evaluate(DISTANCE, HAS_LABELS, **CHANGES[change]).protocol
    assert changed["fingerprint"] != usual["fingerprint"]
    assert common_fingerprint(changed) != common_fingerprint(usual)
    for metric in ("mean_distance", "has_labels"):
        assert changed["fingerprints"][metric] != usual["fingerprints"][metric]


def test_fingerprints_of_a_run_of_cganzoo_0_1_are_derived_from_its_protocol() -> None:
    protocol = evaluate(DISTANCE, HAS_LABELS).protocol
    old = {key: value for key, value in protocol.items() if key != "fingerprints"}
    assert with_fingerprints(old) == protocol
