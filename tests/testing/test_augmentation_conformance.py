"""The checks of augmentations: each planted fault is caught by the check meant for it, and correct ones pass all."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import SkipTest

import planted_faults
import pytest

from cganzoo.testing import AugmentationConformance, Conformance, Outcome, run
from cganzoo.testing.conformance import checks

FOLDER = Path(__file__).parents[1] / "fixtures" / "faulty_plugins" / "augmentations"

LEFT_OUT = {"registering_imports_no_torch"}
"""Checks that only correct augmentations run: they are slow."""

GRADIENTS = {"gradients_are_the_slopes", "second_order_gradients"}
OBSERVE = {"observe_changes_buffers_only", "observe_accepts_any_scores", "observe_never_waits"}

# Each fault, the check that is meant for it, and the other checks that must fail with it.
FAULTS: dict[str, tuple[str, set[str]]] = {
    "crops": ("any_image", {"any_batch_size", "channels_last", "trains"}),
    "wants_even_sizes": ("any_image", set()),
    "wants_even_batches": ("any_batch_size", {"trains"}),
    "divides_by_contrast": ("extreme_images", set()),
    "in_place": ("inputs_are_left_alone", GRADIENTS),
    "does_nothing": ("changes_images", {"schedules"}),
    "draws_once": ("draws_anew", set()),
    "one_draw_for_all": ("samples_draw_their_own", set()),
    "mixes": ("samples_are_independent", set()),
    "python_random": ("only_torch_random_numbers", set()),
    "numpy_random": ("only_torch_random_numbers", set()),
    "not_the_identity": ("identity", set()),
    "detaches": ("gradients_reach_every_image", {"trains"}),
    "first_channel_only": ("gradients_reach_every_image", set()),
    "wrong_slope": ("gradients_are_the_slopes", GRADIENTS),
    "first_order_only": ("second_order_gradients", set()),
    "float32_only": ("float64", GRADIENTS),
    "wants_contiguous": ("channels_last", set()),
    "waits": ("runs_on_any_device", set()),
    "own_weights": ("has_no_parameters", set()),
    "counts_calls": ("forward_changes_no_state", set()),
    "counts_in_a_buffer": ("forward_changes_no_state", set()),
    "keeps_scores": ("observe_changes_buffers_only", set()),
    "variance_of_scores": ("observe_accepts_any_scores", {"trains"}),
    "observes_on_the_cpu": ("observe_never_waits", set()),
    "shared_state": ("instances_are_independent", {"schedules"}),
    "numpy_buffer": ("build_is_seeded", set()),
    "unsaved_state": ("state_goes_round", {"schedules"}),
    "deaf_to_schedules": ("schedules", set()),
    "underflows_in_bfloat16": ("trains", set()),
}

# The augmentations without a fault, and the checks that do not apply to them.
SOUND: dict[str, set[str]] = {
    "sound": OBSERVE,
    "adaptive": {"identity"},
    "erasing": OBSERVE,
    "gray_only": OBSERVE | {"identity"},
}


@pytest.fixture(scope="module", autouse=True)
def _installed() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", [*sys.path, str(FOLDER)])
        yield
    for module in [name for name in sys.modules if name.startswith("cganzoo_faulty_augmentations")]:
        del sys.modules[module]


def outcomes(name: str, left_out: set[str] = frozenset()) -> dict[str, Outcome]:  # type: ignore[assignment]
    """The results of the checks of an augmentation, by check; those left out are skipped."""

    def skip(self: Conformance) -> None:
        raise SkipTest("left out")

    body: dict[str, Any] = {f"test_{check}": skip for check in left_out}
    kit = type("Check", (AugmentationConformance,), {"name": f"cganzoo-faulty-augmentations/{name}", **body})
    return {outcome.check: outcome for outcome in run(kit) if outcome.check not in left_out}


@pytest.mark.parametrize(("name", "whole"), planted_faults.cases(FAULTS))
@pytest.mark.filterwarnings("ignore:std")
def test_a_fault_is_caught_by_the_check_meant_for_it(name: str, whole: bool) -> None:
    meant, others = FAULTS[name]
    found = outcomes(name, LEFT_OUT if whole else set(checks(AugmentationConformance)) - {meant, *others})
    failed = {check: outcome.message for check, outcome in found.items() if outcome.status == "failed"}
    assert set(failed) == {meant} | others, failed
    assert len(failed[meant]) > 20
    assert not failed[meant].startswith("raised"), "the check meant for a fault explains it"


@pytest.mark.parametrize("name", SOUND)
def test_a_sound_augmentation_passes_every_check(name: str) -> None:
    found = outcomes(name)
    assert {check: outcome.message for check, outcome in found.items() if outcome.status == "failed"} == {}
    assert {check for check, outcome in found.items() if outcome.status == "skipped"} == SOUND[name]
    assert len(found) == AugmentationConformance.number_of_checks


def test_there_is_a_fault_for_each_check(record_property: Callable[[str, object], None]) -> None:
    """The checks of all kinds are tested elsewhere."""
    from cganzoo_faulty_augmentations import FAULTS as INSTALLED

    assert set(INSTALLED) == {*FAULTS, *SOUND}
    own = set(checks(AugmentationConformance)) - set(checks(Conformance))
    assert own - {meant for meant, _ in FAULTS.values()} == set()
    record_property("planted faults", f"augmentations: {len(FAULTS)}, for {len(own)} checks")
    assert len(FAULTS) == 30


def test_a_shape_that_is_not_refused_is_used() -> None:
    kit = type("Kit", (AugmentationConformance,), {"name": "cganzoo-faulty-augmentations/gray_only"})
    assert kit.image() == (1, 12, 12)
