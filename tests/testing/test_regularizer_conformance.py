"""The checks of regularizers: each planted fault is caught by the check meant for it, and correct ones pass all."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import SkipTest

import planted_faults
import pytest

from cganzoo.testing import Conformance, Outcome, RegularizerConformance, run
from cganzoo.testing.conformance import checks

FOLDER = Path(__file__).parents[1] / "fixtures" / "faulty_plugins" / "regularizers"

SLOW = {
    "registering_imports_no_torch",
    "every_term_teaches",
    "any_number_of_classes",
    "trains_in_bfloat16",
    "trains_with_any_loss",
    "schedules",
}
"""Checks that only correct regularizers run, and the faults that they find."""

HIDDEN_STATE = {"same_call_same_penalty", "instances_are_independent", "state_goes_round", "order_of_samples"}

# Each fault, the check that is meant for it, and the other checks that must fail with it.
FAULTS: dict[str, tuple[str, set[str]]] = {
    "arrays_of_terms": ("terms_are_named_scalars", set()),
    "bfloat16_terms": ("terms_are_named_scalars", {"runs_in_float64"}),
    "other_names": ("terms_are_named_scalars", set()),
    "names_by_batch": ("terms_are_named_scalars", set()),
    "no_term": ("terms_are_named_scalars", set()),
    "detached": ("every_term_teaches", set()),
    "detached_generator": ("every_term_teaches", set()),
    "two_classes_at_least": ("any_number_of_classes", {"batch_of_one"}),
    "first_class_only": ("missing_classes", set()),
    "two_samples_at_least": ("batch_of_one", set()),
    "one_size_only": ("any_image", set()),
    "divides_by_contrast": ("flat_images", set()),
    "one_at_a_time": ("batch_statistics", set()),
    "float32_only": ("runs_in_float64", {"relational_is_true"}),
    "log_of_a_difference": ("trains_in_bfloat16", set()),
    "waits": ("runs_on_any_device", set()),
    "left_behind": ("runs_on_any_device", set()),
    "own_weights": ("has_no_parameters", set()),
    "calls_backward": ("discriminator_penalty_leaves_the_generator_alone", set()),
    "clips_weights": (
        "discriminator_penalty_leaves_the_generator_alone",
        {*HIDDEN_STATE, "relational_is_true"},
    ),
    "unfreezes": ("generator_penalty_leaves_the_discriminator_alone", set()),
    "clamps_images": ("inputs_are_left_alone", set()),
    "first_sample_first": ("order_of_samples", set()),
    "secretly_relational": ("relational_is_true", set()),
    "sums": ("relational_is_true", set()),
    "needlessly_relational": ("relational_is_true", set()),
    "random_sums": ("relational_is_true", set()),
    "relational_sums": ("batch_is_averaged", set()),
    "secret_image_gradients": ("uses_image_gradients_is_true", set()),
    "needless_image_gradients": ("uses_image_gradients_is_true", set()),
    "secret_real": ("uses_real_in_generator_loss_is_true", set()),
    "needless_real": ("uses_real_in_generator_loss_is_true", set()),
    "secret_score": ("uses_score_is_true", set()),
    "needless_score": ("uses_score_is_true", set()),
    "secretly_stochastic": ("stochastic_is_true", set()),
    "needlessly_stochastic": ("stochastic_is_true", set()),
    "numpy_draw": ("stochastic_is_true", set()),
    "knows_one_loss": ("trains_with_any_loss", set()),
    "counts_calls": ("same_call_same_penalty", {*HIDDEN_STATE, "attributes_stay", "relational_is_true"}),
    "warms_up": ("attributes_stay", set()),
    "keeps_graph": ("buffers_hold_no_graph", set()),
    "shared_classes": ("instances_are_independent", set()),
    "numpy_buffer": ("build_is_seeded", set()),
    "unsaved_average": ("state_goes_round", HIDDEN_STATE),
    "deaf_to_schedules": ("schedules", set()),
}

# The regularizers without a fault, and the checks that do not apply to them.
SOUND: dict[str, set[str]] = {
    "sound": {"batch_is_averaged"},
    "slope": {"batch_is_averaged"},
    "between": {"batch_is_averaged", "order_of_samples"},
    "averages": set(),
    "orthogonal": {"batch_is_averaged"},
    "matches": set(),
    "second_view": {"batch_is_averaged"},
    "path_length": {"batch_is_averaged", "order_of_samples"},
    "by_choice": {"batch_is_averaged"},
}


@pytest.fixture(scope="module", autouse=True)
def _installed() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", [*sys.path, str(FOLDER)])
        yield
    for module in [name for name in sys.modules if name.startswith("cganzoo_faulty_regularizers")]:
        del sys.modules[module]


def outcomes(name: str, left_out: set[str] = frozenset()) -> dict[str, Outcome]:  # type: ignore[assignment]
    """The results of the checks of a regularizer, by check; those left out are skipped."""

    def skip(self: Conformance) -> None:
        raise SkipTest("left out")

    body: dict[str, Any] = {f"test_{check}": skip for check in left_out}
    kit = type("Check", (RegularizerConformance,), {"name": f"cganzoo-faulty-regularizers/{name}", **body})
    return {outcome.check: outcome for outcome in run(kit) if outcome.check not in left_out}


@pytest.mark.parametrize(("name", "whole"), planted_faults.cases(FAULTS))
def test_a_fault_is_caught_by_the_check_meant_for_it(name: str, whole: bool) -> None:
    meant, others = FAULTS[name]
    found = outcomes(name, (SLOW if whole else set(checks(RegularizerConformance))) - {meant, *others})
    failed = {check: outcome.message for check, outcome in found.items() if outcome.status == "failed"}
    assert set(failed) == {meant} | others, failed
    assert len(failed[meant]) > 20
    assert not failed[meant].startswith("raised"), "the check meant for a fault explains it"


@pytest.mark.parametrize("name", SOUND)
@pytest.mark.parametrize(
    "left_out", [pytest.param(SLOW, id="quick"), pytest.param(set(), marks=pytest.mark.slow, id="all")]
)
def test_a_sound_regularizer_passes_every_check(name: str, left_out: set[str]) -> None:
    found = outcomes(name, left_out)
    assert {check: outcome.message for check, outcome in found.items() if outcome.status == "failed"} == {}
    assert {check for check, outcome in found.items() if outcome.status == "skipped"} == SOUND[name]
    assert len(found) == RegularizerConformance.number_of_checks - len(left_out)


def test_there_is_a_fault_for_each_check(record_property: Callable[[str, object], None]) -> None:
    """The checks of all kinds are tested elsewhere."""
    from cganzoo_faulty_regularizers import FAULTS as INSTALLED

    assert set(INSTALLED) == {*FAULTS, *SOUND}
    own = set(checks(RegularizerConformance)) - set(checks(Conformance))
    assert own - {meant for meant, _ in FAULTS.values()} == set()
    record_property("planted faults", f"regularizers: {len(FAULTS)}, for {len(own)} checks")
    assert len(FAULTS) == 45


@pytest.mark.parametrize(
    ("name", "check", "message"),
    [
        ("secret_image_gradients", "uses_image_gradients_is_true", "; set uses_image_gradients = True"),
        ("secret_real", "uses_real_in_generator_loss_is_true", "; set uses_real_in_generator_loss = True"),
        ("secret_score", "uses_score_is_true", "; set uses_score = True"),
        ("secretly_stochastic", "stochastic_is_true", "; set stochastic = True"),
        ("needless_score", "uses_score_is_true", "uses_score = True, but the penalties do not need it; remove it"),
    ],
)
def test_a_message_names_the_flag_to_set(name: str, check: str, message: str) -> None:
    found = outcomes(name, set(checks(RegularizerConformance)) - {check})
    assert message in found[check].message
