"""Discriminator trunks with one fault each, and two faultless ones that they are made from."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from cganzoo import Config, DiscriminatorSpec, hookimpl

NAMES = (
    "faultless",
    "normalized",
    "large_and_grey_only",
    "wrong_feature_dim",
    "hides_batch_statistics",
    "claims_batch_statistics",
    "detaches_images",
    "colour_blind",
    "features_by_class",
    "first_order_only",
    "updates_in_place",
    "drops_in_use",
    "nan_on_flat_images",
    "wants_even_batches",
    "unused_parameter",
    "one_sided_view",
    "pickled_state",
    "blind",
    "depends_on_its_batch_in_use",
    "differs_between_processes",
)


def build(name: str) -> Any:
    def build(config: Config, context: Any) -> Any:
        from . import networks

        return getattr(networks, name.title().replace("_", ""))(context)

    return build


@hookimpl
def cganzoo_discriminators() -> Iterable[DiscriminatorSpec[Config]]:
    for name in NAMES:
        yield DiscriminatorSpec(name=name, summary=name.replace("_", " "), config=Config, build=build(name))
