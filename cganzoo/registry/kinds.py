"""The table of kinds: one entry for each kind of component. Code that handles every kind loops over it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from cganzoo.specs import (
    AugmentationSpec,
    DatasetSpec,
    DiscriminatorSpec,
    ExtractorSpec,
    GeneratorSpec,
    LoggerSpec,
    LossSpec,
    MetricSpec,
    RegularizerSpec,
    Spec,
)


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A kind of component.

    Attributes:
        spec: the specification that a plugin yields.
        title: its name in text.
        recipe_table: the table of a recipe that names one, dotted: ``"loss"``, ``"evaluation.extractor"``.
        many: whether a recipe may name several, as ``[[metrics]]``.
        repeats: whether one of several may be named again, with other options.
        decides: what changes when another component of the kind is chosen; ``"weights"`` decide scores, too.
    """

    spec: type[Spec]
    title: str
    recipe_table: str
    many: bool = False
    repeats: bool = False
    decides: Literal["weights", "scores", "nothing"] = "weights"

    @property
    def name(self) -> str:
        """Its name in messages, in ``--kind`` and as a folder of templates: ``"loss"`` of ``LossSpec``."""
        return self.spec.__name__.removesuffix("Spec").lower()

    @property
    def hook(self) -> str:
        """The hook that yields it: ``"cganzoo_losses"``."""
        return f"cganzoo_{self.name}{'es' if self.name.endswith('s') else 's'}"

    @property
    def conformance(self) -> str:
        """The conformance class, as ``"module:Class"``."""
        return f"cganzoo.testing:{self.spec.__name__.removesuffix('Spec')}Conformance"

    @property
    def heading(self) -> str:
        """The table's heading in a recipe: ``[loss]``, ``[[metrics]]``."""
        return f"[[{self.recipe_table}]]" if self.many else f"[{self.recipe_table}]"


KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind(spec=GeneratorSpec, title="generator", recipe_table="generator"),
        Kind(spec=DiscriminatorSpec, title="discriminator trunk", recipe_table="discriminator"),
        Kind(spec=LossSpec, title="loss", recipe_table="loss"),
        Kind(spec=RegularizerSpec, title="regularizer", recipe_table="regularizers", many=True, repeats=True),
        Kind(spec=AugmentationSpec, title="augmentation", recipe_table="augmentations", many=True, repeats=True),
        Kind(spec=MetricSpec, title="metric", recipe_table="metrics", many=True, decides="scores"),
        Kind(spec=DatasetSpec, title="data set", recipe_table="data"),
        Kind(spec=ExtractorSpec, title="feature extractor", recipe_table="evaluation.extractor", decides="scores"),
        Kind(spec=LoggerSpec, title="logger", recipe_table="loggers", many=True, decides="nothing"),
    )
}
"""Every kind of component, by name, in the order of lists. To add one, see CONTRIBUTING.md."""

KIND_OF_HOOK: dict[str, str] = {kind.hook: kind.name for kind in KINDS.values()}
"""The kind that each hook yields."""
