"""The table of kinds: one entry for each kind of component. Code that handles every kind loops over it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from cganzoo.specs import (
    DatasetSpec,
    DiscriminatorSpec,
    ExtractorSpec,
    GeneratorSpec,
    LoggerSpec,
    LossSpec,
    MetricSpec,
    Spec,
)


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A kind of component.

    Attributes:
        name: its name in messages, in ``--kind`` and as a folder of templates.
        title: its name in text.
        spec: the specification that a plugin yields.
        hook: the hook that yields it.
        recipe_table: the table of a recipe that names one, dotted: ``"loss"``, ``"evaluation.extractor"``.
        many: whether a recipe may name several, as ``[[metrics]]``.
        default: the component that is used if the recipe has no such table.
        decides: what changes when another component of the kind is chosen; ``"weights"`` decide scores, too.
        conformance: the conformance class, as ``"module:Class"``.
    """

    name: str
    title: str
    spec: type[Spec]
    hook: str
    recipe_table: str
    many: bool = False
    default: str | None = None
    decides: Literal["weights", "scores", "nothing"] = "weights"
    conformance: str

    @property
    def heading(self) -> str:
        """The table's heading in a recipe: ``[loss]``, ``[[metrics]]``."""
        return f"[[{self.recipe_table}]]" if self.many else f"[{self.recipe_table}]"


KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind(
            name="generator",
            title="generator",
            spec=GeneratorSpec,
            hook="cganzoo_generators",
            recipe_table="generator",
            conformance="cganzoo.testing:GeneratorConformance",
        ),
        Kind(
            name="discriminator",
            title="discriminator trunk",
            spec=DiscriminatorSpec,
            hook="cganzoo_discriminators",
            recipe_table="discriminator",
            conformance="cganzoo.testing:DiscriminatorConformance",
        ),
        Kind(
            name="loss",
            title="loss",
            spec=LossSpec,
            hook="cganzoo_losses",
            recipe_table="loss",
            conformance="cganzoo.testing:LossConformance",
        ),
        Kind(
            name="metric",
            title="metric",
            spec=MetricSpec,
            hook="cganzoo_metrics",
            recipe_table="metrics",
            many=True,
            decides="scores",
            conformance="cganzoo.testing:MetricConformance",
        ),
        Kind(
            name="dataset",
            title="data set",
            spec=DatasetSpec,
            hook="cganzoo_datasets",
            recipe_table="data",
            conformance="cganzoo.testing:DatasetConformance",
        ),
        Kind(
            name="extractor",
            title="feature extractor",
            spec=ExtractorSpec,
            hook="cganzoo_extractors",
            recipe_table="evaluation.extractor",
            default="classifier",
            decides="scores",
            conformance="cganzoo.testing:ExtractorConformance",
        ),
        Kind(
            name="logger",
            title="logger",
            spec=LoggerSpec,
            hook="cganzoo_loggers",
            recipe_table="loggers",
            many=True,
            decides="nothing",
            conformance="cganzoo.testing:LoggerConformance",
        ),
    )
}
"""Every kind of component, by name, in the order of lists. To add one, see CONTRIBUTING.md."""

KIND_OF_HOOK: dict[str, str] = {kind.hook: kind.name for kind in KINDS.values()}
"""The kind that each hook yields."""
