"""The checks of networks: each planted fault is caught by the check meant for it, and by no other.

If other checks must fail with it, they are listed.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import SkipTest

import planted_faults
import pytest

from cganzoo.testing import Conformance, DiscriminatorConformance, GeneratorConformance, Outcome, run
from cganzoo.testing.conformance import checks

FOLDER = Path(__file__).parents[1] / "fixtures" / "faulty_plugins"

GENERATORS = {
    "ignores_labels": ("labels_change_the_image_if_conditional", "every_class_has_its_image"),
    "hides_that_it_is_conditional": ("labels_change_the_image_if_conditional",),
    "disagrees_with_its_spec": ("conditional_is_what_the_spec_says",),
    "two_classes_alike": ("every_class_has_its_image",),
    "labels_modulo_ten": ("every_class_has_its_image",),
    "clamps_labels": ("every_class_has_its_image",),
    "ignores_noise": ("noise_changes_the_image",),
    "leaves_the_range": ("range_holds_after_training",),
    "breaks_with_one_class": ("every_number_of_classes",),
    "unused_parameter": ("gradients_reach_every_parameter", "two_processes"),
    "cuts_a_gradient": ("gradients_are_the_slopes",),
    "batch_statistics_in_use": ("batch_does_not_matter_in_use",),
    "draws_in_use": ("use_is_deterministic",),
    "noise_in_use": ("use_is_deterministic",),
    "unconditional_noise_in_use": ("use_is_deterministic",),
    "python_random_in_training": ("training_is_seeded", "compiles_to_one_graph"),
    "counts_in_use": ("use_changes_nothing",),
    "cannot_be_copied": ("deep_copy",),
    "copy_uses_the_original": ("deep_copy",),
    "shares_a_counter": ("instances_are_apart", "training_is_seeded", "compiles_to_one_graph"),
    "weights_outside_state_dict": ("state_dict_is_whole", "safetensors_round_trip"),
    "tied_weights": ("safetensors_round_trip",),
    "graph_break": ("compiles_to_one_graph",),
    "graph_break_in_training": ("compiles_to_one_graph",),
    "float32_only": ("float64",),
    "wants_contiguous": ("channels_last",),
    "underflows_in_bfloat16": ("bfloat16_autocast",),
    "constant_on_the_cpu": ("other_devices",),
    "builds_any_size": ("other_image_sizes_are_refused",),
    "breaks_on_odd_sizes": ("other_image_sizes_are_refused",),
    "initialized_by_numpy": ("build_is_seeded", "training_is_seeded", "instances_are_apart"),
    "clamps_its_input": ("inputs_are_left_alone", "gradients_are_the_slopes"),
    "initialize_ends_training": ("initialize_leaves_things_finite",),
    "latent_without_seed": ("latent",),
    "wants_even_batches": ("any_batch_size",),
    "infinite_gradient": (
        "batch_in_training",
        "gradients_reach_every_parameter",
        "gradients_are_the_slopes",
        "bfloat16_autocast",
    ),
    "maps_twice": ("mapped_and_synthesized",),
    "fewer_codes": ("mapped_and_synthesized",),
    "truncates_nothing": ("truncation",),
    "truncates_with_any_number": ("truncation",),
    "truncated_images_leave_the_range": ("truncation",),
    "picks_the_heaviest_class": ("mixed_classes",),
    "adds_up_weights_of_classes": ("mixed_classes",),
    "root_of_the_weights_of_classes": ("mixed_classes",),
}
"""Each fault: the check meant for it, and the others that must fail with it."""

DISCRIMINATORS = {
    "wrong_feature_dim": (
        "every_image_size",
        "other_image_sizes_are_refused",
        "batch_in_training",
        "any_batch_size",
        "initialize_leaves_things_finite",
        "bfloat16_autocast",
    ),
    "hides_batch_statistics": ("batch_statistics_is_true",),
    "claims_batch_statistics": ("batch_statistics_is_true",),
    "features_by_class": ("knows_nothing_of_classes",),
    "detaches_images": (
        "gradients_reach_the_images",
        "gradients_are_the_slopes",
        "extreme_images",
        "second_order_gradients",
    ),
    "one_sided_view": ("gradients_are_the_slopes",),
    "colour_blind": ("gradients_reach_the_images",),
    "blind": ("images_change_the_features", "gradients_reach_the_images"),
    "first_order_only": ("second_order_gradients",),
    "unused_parameter": ("gradients_reach_every_parameter", "two_processes"),
    "updates_in_place": ("two_passes_before_one_backward",),
    "depends_on_its_batch_in_use": ("batch_does_not_matter_in_use",),
    "wants_even_batches": ("any_batch_size",),
    "nan_on_flat_images": ("extreme_images",),
    "pickled_state": ("state_dict_is_whole", "safetensors_round_trip"),
    "differs_between_processes": ("two_processes",),
    "drops_in_use": ("use_is_deterministic",),
}

FAULTLESS = [
    ("generator", "faultless"),
    ("generator", "starts_at_zero"),
    ("generator", "mapping_network"),
    ("generator", "noise_on_a_sphere"),
    ("discriminator", "faultless"),
    ("discriminator", "normalized"),
    ("discriminator", "large_and_grey_only"),
]

CASES = {
    **{f"generator {name}": ("generator", name, expected) for name, expected in GENERATORS.items()},
    **{f"discriminator {name}": ("discriminator", name, expected) for name, expected in DISCRIMINATORS.items()},
}

BASES: dict[str, type[Conformance]] = {"generator": GeneratorConformance, "discriminator": DiscriminatorConformance}
SLOW = ("two_processes", "compiles_to_one_graph")
"""Checks that only correct networks run, and the faults that they find."""


@pytest.fixture(autouse=True)
def _installed(monkeypatch: pytest.MonkeyPatch) -> None:
    for kind in BASES:
        monkeypatch.syspath_prepend(FOLDER / f"{kind}s")


def conformance(kind: str, name: str, left_out: tuple[str, ...] = ()) -> type[Conformance]:
    """The class for one component on 8 px; checks that are left out are skipped."""

    def skip(self: Conformance) -> None:
        raise SkipTest("left out")

    body: dict[str, Any] = {f"test_{check}": skip for check in left_out}
    sizes = {} if name == "large_and_grey_only" else {"image_sizes": (8,)}
    return type("Check", (BASES[kind],), {"name": f"cganzoo-faulty-{kind}s/{name}", **sizes, **body})


@functools.cache
def outcomes_of(kind: str, name: str, left_out: tuple[str, ...]) -> list[Outcome]:
    return list(run(conformance(kind, name, left_out)))


@pytest.mark.parametrize(("fault", "whole"), planted_faults.cases(CASES))
@pytest.mark.filterwarnings("ignore")
def test_fault_is_caught_by_the_check_meant_for_it(fault: str, whole: bool) -> None:
    kind, name, expected = CASES[fault]
    left_out = tuple(check for check in (SLOW if whole else checks(BASES[kind])) if check not in expected)
    outcomes = outcomes_of(kind, name, left_out)
    failed = {outcome.check: outcome.message for outcome in outcomes if outcome.status == "failed"}
    assert set(failed) == set(expected)
    message = failed[expected[0]]
    assert len(message) > 20
    assert not message.startswith("raised"), "the check meant for a fault explains it"


COMPARE_OUTPUTS = {
    "gradients_are_the_slopes",
    "state_dict_is_whole",
    "safetensors_round_trip",
    "deep_copy",
    "instances_are_apart",
    "float64",
    "channels_last",
    "batch_does_not_matter_in_use",
}


@pytest.mark.parametrize(
    ("kind", "name", "more"),
    [
        ("generator", "noise_in_use", {"mapped_and_synthesized", "truncation"}),
        (
            "generator",
            "unconditional_noise_in_use",
            {"mapped_and_synthesized", "truncation", "labels_change_the_image_if_conditional"},
        ),
        ("generator", "draws_in_use", None),
        ("discriminator", "drops_in_use", {"knows_nothing_of_classes", "second_order_gradients"}),
    ],
)
def test_checks_that_compare_random_outputs_are_skipped(kind: str, name: str, more: set[str] | None) -> None:
    """They would fail, and their messages would name other causes."""
    outcomes = outcomes_of(kind, name, SLOW)
    skipped = {outcome.check for outcome in outcomes if outcome.message.endswith("see use_is_deterministic")}
    assert skipped == (set() if more is None else COMPARE_OUTPUTS | more)


@pytest.mark.parametrize(("kind", "name"), FAULTLESS)
def test_faultless_network_passes(kind: str, name: str) -> None:
    left_out = () if name == "faultless" else ("two_processes",)
    outcomes = {outcome.check: outcome for outcome in run(conformance(kind, name, left_out))}
    assert {check: outcome.message for check, outcome in outcomes.items() if outcome.status == "failed"} == {}
    skipped = {check for check, outcome in outcomes.items() if outcome.status == "skipped"} - {*left_out}
    mixes = {"mixed_classes"} if kind == "generator" and name != "mapping_network" else set()
    others = {"normalized": {"batch_does_not_matter_in_use"}, "noise_on_a_sphere": {"truncation"}}
    assert skipped == mixes | others.get(name, set())


def test_every_check_of_networks_has_a_fault(record_property: Callable[[str, object], None]) -> None:
    """The checks of all kinds are tested elsewhere."""
    for kind, faults in (("generator", GENERATORS), ("discriminator", DISCRIMINATORS)):
        names = importlib.import_module(f"cganzoo_faulty_{kind}s").NAMES
        assert set(names) == {*faults, *(name for of, name in FAULTLESS if of == kind)}
        assert BASES[kind].number_of_checks == len(checks(BASES[kind]))
    common = set(checks(Conformance))
    meant = {expected[0] for _, _, expected in CASES.values()}
    asked = {check for base in BASES.values() for check in checks(base)} - common
    assert asked - meant == set()
    record_property("planted faults", f"networks: {len(CASES)}, for {len(asked)} checks and {len(common)} common ones")
    assert len(CASES) == 61


def test_refused_sizes_and_channels_are_not_used() -> None:
    kit: Any = type("Kit", (BASES["generator"],), {"name": "cganzoo-faulty-generators/faultless"})
    assert kit.works_on() == ((32,), (1, 3))
    kit = type("Kit", (BASES["discriminator"],), {"name": "cganzoo-faulty-discriminators/large_and_grey_only"})
    assert kit.works_on() == ((64,), (1,))
