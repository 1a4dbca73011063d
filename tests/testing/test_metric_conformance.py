"""The checks of metrics: each planted fault is caught by the check meant for it, and by no other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import SkipTest

import planted_faults
import pytest

from cganzoo.testing import Conformance, KnownScores, MetricConformance, evaluated_batch
from cganzoo.testing.conformance import checks, run

FOLDER = Path(__file__).parents[1] / "fixtures" / "faulty_plugins" / "metrics"
CHECKS = 34

# All checks of unusual evaluations find a score that is never valid.
ANSWERS = {
    "unlabelled_samples",
    "extractor_without_logits",
    "extractor_of_other_classes",
    "few_samples",
    "real_images_in_the_place_of_samples",
    "any_number_of_classes",
    "gray_images",
    "more_features_than_images",
    "needs_are_enough",
}
FAULTS: dict[str, tuple[str, set[str]]] = {
    "depends_on_the_order": ("order_does_not_matter", set()),
    "averages_averages": ("batches_may_be_cut_anywhere", set()),
    "wrong_direction": ("better_samples_score_better", set()),
    "unknown_split": ("evaluation", set()),
    "undeclared_output": ("outputs_are_those_declared", {*ANSWERS, "evaluation"}),
    "out_of_range": ("outputs_are_those_declared", {*ANSWERS, "evaluation"}),
    "output_missing_without_labels": ("unlabelled_samples", set()),
    "tensor_as_output": ("outputs_are_those_declared", {*ANSWERS, "better_samples_score_better", "known_values"}),
    "wrong_formula": ("known_values", set()),
    "moves_the_global_generator": ("global_random_state_is_left_alone", set()),
    "reseeds_the_global_generator": ("global_random_state_is_left_alone", set()),
    "follows_the_global_seed": ("global_random_state_is_left_alone", set()),
    "draws_unseeded": ("it_is_deterministic", set()),
    "changes_its_sums_when_asked": ("asked_twice_it_answers_the_same", set()),
    "empties_its_sums_when_asked": ("asked_twice_it_answers_the_same", set()),
    "changes_features": ("batches_are_left_alone", set()),
    "shares_state": ("instances_are_independent", {"nothing_it_was_shown_outlives_it"}),
    "crashes_without_labels": ("unlabelled_samples", set()),
    "crashes_without_logits": ("extractor_without_logits", set()),
    "takes_logits_for_classes": ("extractor_of_other_classes", set()),
    "crashes_without_samples": ("few_samples", set()),
    "nan_of_one_sample": ("few_samples", {"needs_are_enough"}),
    "needs_the_generator": ("real_images_in_the_place_of_samples", {"evaluation", "known_values"}),
    "crashes_on_one_class": ("any_number_of_classes", set()),
    "needs_color": ("gray_images", set()),
    "needs_more_images_than_features": ("more_features_than_images", {"needs_are_enough"}),
    "needs_more_than_it_says": ("needs_are_enough", set()),
    "needs_of_another_type": ("needs_are_enough", set()),
    "merges_means": ("merging_gives_the_whole", set()),
    "merges_nothing_badly": ("merging_with_nothing_changes_nothing", set()),
    "merges_labelled_samples_alone": ("merging_unlabelled_samples", set()),
    "puts_the_generator_into_training": ("generator_is_left_alone", set()),
    "leaves_gradients": ("generator_is_left_alone", set()),
    "needs_gradients": ("inference_mode", {"evaluation"}),
    "keeps_every_generator": ("nothing_it_was_shown_outlives_it", set()),
    "keeps_what_the_generator_made": ("nothing_it_was_shown_outlives_it", set()),
    "keeps_every_real_image": ("nothing_it_was_shown_outlives_it", set()),
    "warns": ("no_warning_reaches_the_user", set()),
    "picture_of_bytes": ("pictures", set()),
}
"""Component to the check that is meant for its fault, and the other checks that must fail with it."""


class Faultless(MetricConformance):
    """The base of all faulty metrics."""

    name = "faultless"
    known_values = (
        KnownScores(
            reference=evaluated_batch(features=[[0, 1], [2, 3]], labels=[0, 1]),
            samples=evaluated_batch(features=[[4, 2], [4, 2]], labels=[0, 1], logits=[[1, 0], [0, 1]]),
            scores={"mean_distance": 9.0, "mean_slope": None},
        ),
    )


@pytest.fixture(autouse=True, scope="module")
def _installed() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(FOLDER)
        yield


def failures(name: str, left_out: set[str]) -> dict[str, str]:
    """The messages of the checks that fail, by check; those left out are skipped."""

    def skip(self: Conformance) -> None:
        raise SkipTest("left out")

    body: dict[str, Any] = {f"test_{check}": skip for check in left_out}
    conformance = type(f"Test{name}", (Faultless,), {"name": name, **body})
    return {outcome.check: outcome.message for outcome in run(conformance) if outcome.status == "failed"}


def test_a_faultless_metric_passes_every_check() -> None:
    outcomes = list(run(Faultless))
    assert {outcome.check: outcome.message for outcome in outcomes if outcome.status != "passed"} == {}
    assert len(outcomes) == CHECKS == MetricConformance.number_of_checks


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("name", "whole"), planted_faults.cases(FAULTS))
def test_a_fault_is_caught_by_the_check_meant_for_it(name: str, whole: bool) -> None:
    check, others = FAULTS[name]
    found = failures(name, set() if whole else set(checks(MetricConformance)) - {check, *others})
    assert check in found
    assert set(found) == {check, *others}
    assert len(found[check]) > 40, "a message that says what is wrong and what to do"


def test_every_planted_fault_is_in_the_table_and_every_check_has_one(
    record_property: Callable[[str, object], None],
) -> None:
    from cganzoo_faulty_metrics import OF_THE_CODE, OF_THE_SPEC

    assert set(FAULTS) == {*OF_THE_CODE, *OF_THE_SPEC}
    assert set(checks(MetricConformance)) - set(checks(Conformance)) == {check for check, _ in FAULTS.values()}
    record_property("planted faults", f"metrics: {len(FAULTS)}, for {CHECKS} checks")


# --- the kit itself -------------------------------------------------------------------------------------------------


def test_checks_that_do_not_apply_are_skipped_with_a_reason() -> None:
    class Bare(MetricConformance):
        name = "averages_averages"

    skipped = {outcome.check: outcome.message for outcome in run(Bare) if outcome.status == "skipped"}
    no_merge = "averages_averages has no merge, so several processes cannot share its images"
    assert skipped == {
        "known_values": "no known_values are given",
        "merging_gives_the_whole": no_merge,
        "merging_with_nothing_changes_nothing": no_merge,
        "merging_unlabelled_samples": no_merge,
    }


def test_parts_of_a_batch_must_be_of_one_length() -> None:
    with pytest.raises(ValueError, match="as many of each"):
        evaluated_batch(features=[[1.0], [2.0]], labels=[0])
    with pytest.raises(ValueError, match="give images, labels"):
        evaluated_batch()
