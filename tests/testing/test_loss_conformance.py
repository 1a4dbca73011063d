"""The checks of losses: each planted fault is caught by the check meant for it, and a correct loss passes all."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import planted_faults
import pytest

from cganzoo.testing import LossConformance, conformance
from cganzoo.testing.conformance import Outcome, checks

FOLDER = Path(__file__).parents[1] / "fixtures" / "faulty_plugins" / "losses"

SLOW = {"two_processes", "compiles_whole", "learns"}
"""Checks that only correct losses run, and the faults that are meant for them."""

ALL = set(checks(LossConformance))

QUICK = ALL - SLOW - {"registering_imports_no_torch", "no_check_is_missing"}  # these are the same for all losses

NOT_OF_THE_LOSSES = {
    *("options_are_described", "schema_is_valid", "options_survive_a_recipe", "unknown_option_is_refused"),
    *("seed_decides_the_heads", "parameter_groups", "stochastic_is_true", "score"),
    *("batch_is_averaged", "equals_its_reference"),
}
"""Checks that pass, or are skipped, for a loss whose two functions raise an error."""

BOTH_FAIL = QUICK - NOT_OF_THE_LOSSES - {"uses_image_gradients_is_true", "uses_networks_is_true"}

ONE_FAILS = BOTH_FAIL - {"generator_loss_reaches_the_generator", "generator_loss_leaves_the_discriminator_alone"}

# Each fault, the check that is meant for it, and the other checks that must fail with it.
FAULTS: dict[str, tuple[str, set[str]]] = {
    "arrays_of_terms": (
        "terms_are_named_scalars",
        {"relational_is_true", "conditioning_is_true", "real_images_are_right"},
    ),
    "bfloat16_terms": ("terms_are_named_scalars", {"runs_in_float64", "trains_in_bfloat16"}),
    "names_by_batch": ("terms_are_named_scalars", set()),
    "two_classes_at_least": ("any_number_of_classes", {"batch_of_one", "score"}),
    "own_class_only": ("missing_classes", {"any_number_of_classes", "batch_of_one"}),
    "two_samples_at_least": ("batch_of_one", set()),
    "faulty_choice": ("batch_of_one", set()),
    "pairs_only": ("batches_of_different_size", set()),
    "naive_logistic": ("large_features", set()),
    "root_of_zero": ("degenerate_features", set()),
    "pole_at_one": ("rounded_features", set()),
    "detached_fakes": ("discriminator_loss_reaches_the_trunk", set()),
    "detached_generator": ("generator_loss_reaches_the_generator", {"every_term_teaches"}),
    "unused_head": ("discriminator_loss_reaches_every_head", set()),
    "dead_head": ("discriminator_loss_reaches_every_head", set()),
    "unfreezes": ("generator_loss_leaves_the_discriminator_alone", set()),
    "clips_large_weights": ("discriminator_loss_changes_no_weight", set()),
    "clips_weights": ("discriminator_loss_changes_no_weight", set()),
    "calls_backward": ("discriminator_loss_changes_no_weight", set()),
    "clamps_images": ("inputs_are_left_alone", set()),
    "first_sample_first": ("order_of_samples", set()),
    "secretly_relational": ("relational_is_true", set()),
    "sums": ("relational_is_true", set()),
    "averages_by_class": ("relational_is_true", set()),
    "secretly_conditional": ("conditioning_is_true", set()),
    "secretly_unconditional": ("conditioning_is_true", {"real_images_are_right"}),
    "deaf_to_schedules": ("schedules", set()),
    "score_of_batch": ("score", set()),
    "score_of_columns": ("score", set()),
    "torch_noise": ("no_global_random_numbers", set()),
    "numpy_draw": ("no_global_random_numbers", set()),
    "counts_calls": (
        "same_call_same_loss",
        {
            "order_of_samples",
            "relational_is_true",
            "schedules",
            "instances_are_independent",
            "state_goes_round",
            "attributes_stay",
        },
    ),
    "shared_classes": ("instances_are_independent", set()),
    "numpy_heads": ("seed_decides_the_heads", set()),
    "unsaved_projection": ("state_goes_round", set()),
    "unloadable_state": ("state_goes_round", set()),
    "other_formula": ("equals_its_reference", set()),
    "float32_only": ("runs_in_float64", {"relational_is_true"}),
    "waits": ("runs_on_any_device", set()),
    "left_behind": ("runs_on_any_device", set()),
    "prints": ("compiles_whole", set()),
    "follows_rank": ("two_processes", set()),
    "keeps_graph": ("attributes_stay", set()),
    "collects": ("attributes_stay", set()),
    "warms_up": ("attributes_stay", set()),
    "odd_names": ("terms_are_named_scalars", set()),
    "logs_accuracy": ("every_term_teaches", set()),
    "classes_of_batch": ("relational_is_true", set()),
    "needlessly_relational": ("relational_is_true", set()),
    "relational_sums": ("batch_is_averaged", set()),
    "drops_out": ("no_global_random_numbers", set()),
    "flipped_sign": ("learns", {"real_images_are_right"}),
    "maximises_class_loss": ("real_images_are_right", set()),
    "next_class": ("real_images_are_right", set()),
    "learns_classes_of_fakes": ("conditioning_is_true", {"real_images_are_right"}),
    "negated_score": ("real_images_are_right", set()),
    "undeclared_image_gradients": ("uses_image_gradients_is_true", ONE_FAILS),
    "needless_image_gradients": ("uses_image_gradients_is_true", set()),
    "penalty_without_graph": ("every_term_teaches", set()),
    "undeclared_networks": ("uses_networks_is_true", ONE_FAILS),
    "needless_networks": ("uses_networks_is_true", set()),
    "networks_not_accepted": ("uses_networks_is_true", BOTH_FAIL),
    "needlessly_stochastic": ("stochastic_is_true", set()),
    "stochastic_in_numpy": ("no_global_random_numbers", set()),
    "noisy_and_counts": (
        "same_call_same_loss",
        {"schedules", "instances_are_independent", "state_goes_round", "attributes_stay"},
    ),
    "forgotten_group": ("parameter_groups", {"real_images_are_right"}),
    "repeated_group": ("parameter_groups", {"real_images_are_right"}),
    "stopped_group": ("parameter_groups", set()),
    "score_as_probability": ("real_images_are_right", set()),
    "undescribed_option": ("options_are_described", set()),
    "open_options": ("unknown_option_is_refused", {"schema_is_valid"}),
    "growing_option": ("options_survive_a_recipe", set()),
    "heavy_config": ("registering_imports_no_torch", set()),
}

# The losses without a fault, and the checks that do not apply to them.
SOUND: dict[str, set[str]] = {
    "sound": {"batch_is_averaged"},
    "fixed_classifier": {"batch_is_averaged", "equals_its_reference"},
    "running_mean": {"equals_its_reference"},
    "contrasts": {"equals_its_reference"},
}

SOUND_WITH_FLAGS: dict[str, set[str]] = {
    "noisy": {"batch_is_averaged", "equals_its_reference", "order_of_samples", "relational_is_true"},
    "views": {"batch_is_averaged", "equals_its_reference"},
    "path_lengths": {"batch_is_averaged", "equals_its_reference"},
}
"""The same for losses that use what only a flag allows; without the slow checks, which test_stranger_losses runs."""


@pytest.fixture(scope="module", autouse=True)
def _installed() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", [*sys.path, str(FOLDER)])
        yield
    for module in [name for name in sys.modules if name.startswith(("cganzoo_faulty_losses", "cganzoo_heavy_loss"))]:
        del sys.modules[module]


def outcomes(name: str, wanted: set[str], monkeypatch: pytest.MonkeyPatch, **attributes: Any) -> dict[str, Outcome]:
    """The results of the wanted checks of a loss, by check."""
    monkeypatch.setattr(conformance, "checks", lambda cls: [check for check in checks(cls) if check in wanted])
    found = conformance.run(type("Faulty", (LossConformance,), {"name": name, **attributes}))
    return {outcome.check: outcome for outcome in found}


@pytest.mark.parametrize(("name", "whole"), planted_faults.cases(FAULTS))
def test_a_fault_is_caught_by_the_check_meant_for_it(name: str, whole: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    meant, others = FAULTS[name]
    found = outcomes(name, {meant, *others, *(QUICK if whole else ())}, monkeypatch)
    failed = {check: outcome.message for check, outcome in found.items() if outcome.status == "failed"}
    assert meant in failed, f"{meant} passed"
    assert set(failed) == {meant} | others, failed
    print(f"{name}: {failed[meant]}")
    assert len(failed[meant]) > 20, "a message that says what is wrong"


@pytest.mark.parametrize("name", SOUND)
@pytest.mark.parametrize(
    "wanted", [pytest.param(QUICK, id="quick"), pytest.param(ALL, marks=pytest.mark.slow, id="all")]
)
def test_a_sound_loss_passes_every_check(name: str, wanted: set[str], monkeypatch: pytest.MonkeyPatch) -> None:
    found = outcomes(f"cganzoo-faulty-losses/{name}", wanted, monkeypatch)
    assert {check: outcome.message for check, outcome in found.items() if outcome.status == "failed"} == {}
    skipped = {check for check, outcome in found.items() if outcome.status == "skipped"}
    assert skipped == SOUND[name]
    assert len(found) == len(wanted)
    assert len(ALL) == LossConformance.number_of_checks == 45


@pytest.mark.parametrize("name", SOUND_WITH_FLAGS)
def test_a_sound_loss_with_flags_passes(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    found = outcomes(f"cganzoo-faulty-losses/{name}", QUICK, monkeypatch)
    assert {check: outcome.message for check, outcome in found.items() if outcome.status == "failed"} == {}
    assert {check for check, outcome in found.items() if outcome.status == "skipped"} == SOUND_WITH_FLAGS[name]


def test_the_number_of_faults(record_property: Callable[[str, object], None]) -> None:
    record_property("planted faults", f"losses: {len(FAULTS)}, for {LossConformance.number_of_checks} checks")


def test_there_is_a_fault_for_each_check() -> None:
    """Except those of the kit itself, and those that fail with another one."""
    without = ALL - {meant for meant, _ in FAULTS.values()}
    assert without == {"no_check_is_missing", "any_number_of_classes", "trains_in_bfloat16", "schema_is_valid"} - {
        meant for meant, _ in FAULTS.values()
    }
    assert len(FAULTS) == 73


def test_a_message_names_the_options(monkeypatch: pytest.MonkeyPatch) -> None:
    found = outcomes("faulty_choice", {"batch_of_one"}, monkeypatch)
    assert found["batch_of_one"].message.startswith('with spread="unbiased": generator_loss, spread is nan')


def test_an_author_may_choose_the_variants(monkeypatch: pytest.MonkeyPatch) -> None:
    found = outcomes("faulty_choice", {"batch_of_one"}, monkeypatch, variants=[{}])
    assert found["batch_of_one"].status == "passed"


def test_options_of_the_class_are_in_every_variant(monkeypatch: pytest.MonkeyPatch) -> None:
    found = outcomes("faulty_choice", {"batch_of_one"}, monkeypatch, variants=[{}], options={"spread": "unbiased"})
    assert found["batch_of_one"].status == "failed"


def test_an_unused_head_fails_in_two_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    found = outcomes("unused_head", {"two_processes"}, monkeypatch)
    message = found["two_processes"].message
    assert "no gradient for forgotten.weight, forgotten.bias of the loss" in message
    assert "Traceback" not in message, "the traceback is the cause of the error"
    assert "\n" not in message


def test_only_one_check_reports_random_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = {*SLOW, "order_of_samples", "no_global_random_numbers"}  # the others: see FAULTS
    found = outcomes("drops_out", wanted, monkeypatch)
    assert [check for check, outcome in found.items() if outcome.status == "failed"] == ["no_global_random_numbers"]
    assert found["order_of_samples"].message == "the losses draw random numbers: see no_global_random_numbers"


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("undeclared_image_gradients", "set uses_image_gradients = True, so that the images require gradients"),
        ("undeclared_networks", "set uses_networks = True"),
        ("networks_not_accepted", "both losses need the parameter `networks: Networks | None = None`"),
    ],
)
def test_a_message_names_the_flag_to_set(name: str, advice: str, monkeypatch: pytest.MonkeyPatch) -> None:
    meant = FAULTS[name][0]
    found = outcomes(name, {meant, "batch_of_one"}, monkeypatch)
    assert advice in found[meant].message
    if name != "undeclared_networks":  # whose error may also come from a missing real batch
        assert advice in found["batch_of_one"].message
