"""Generators with one fault each, and a faultless one that they are made from."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from cganzoo import Config, GeneratorSpec, hookimpl

NAMES = (
    "faultless",
    "starts_at_zero",
    "ignores_labels",
    "hides_that_it_is_conditional",
    "disagrees_with_its_spec",
    "two_classes_alike",
    "labels_modulo_ten",
    "clamps_labels",
    "ignores_noise",
    "leaves_the_range",
    "breaks_with_one_class",
    "unused_parameter",
    "cuts_a_gradient",
    "batch_statistics_in_use",
    "draws_in_use",
    "noise_in_use",
    "unconditional_noise_in_use",
    "python_random_in_training",
    "counts_in_use",
    "cannot_be_copied",
    "copy_uses_the_original",
    "shares_a_counter",
    "weights_outside_state_dict",
    "tied_weights",
    "graph_break",
    "graph_break_in_training",
    "float32_only",
    "wants_contiguous",
    "underflows_in_bfloat16",
    "constant_on_the_cpu",
    "builds_any_size",
    "breaks_on_odd_sizes",
    "initialized_by_numpy",
    "clamps_its_input",
    "initialize_ends_training",
    "latent_without_seed",
    "wants_even_batches",
    "infinite_gradient",
)


def build(name: str) -> Any:
    def build(config: Config, context: Any) -> Any:
        from . import networks

        return getattr(networks, name.title().replace("_", ""))(context)

    return build


@hookimpl
def cganzoo_generators() -> Iterable[GeneratorSpec[Config]]:
    for name in NAMES:
        unconditional = name in ("hides_that_it_is_conditional", "unconditional_noise_in_use")
        yield GeneratorSpec(
            name=name,
            summary=name.replace("_", " "),
            config=Config,
            build=build(name),
            conditional=lambda config, unconditional=unconditional: not unconditional,
        )
