"""The keys of a recipe: which there are, and what each may hold. Checked before any slow import."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, create_model, model_validator
from pydantic_core import PydanticCustomError

from cganzoo._util.text import shortened
from cganzoo.config import Config, InsteadOf, Scalar, Since, at_least, below
from cganzoo.registry.kinds import KINDS, Kind
from cganzoo.specs import ComponentTable, DataTable

from .optimizers import OptimizerConfig

Count = Annotated[int, Field(ge=1)]
Interval = Annotated[int, Field(ge=0)]


class Requires(Config):
    """The distributions that a run imports; those that the recipe's names need in addition are filled in."""

    cganzoo: str = Field("", description='Versions of the host, such as ">=0.1,<0.2".')
    plugins: tuple[str, ...] = Field((), description='Distributions, such as "cganzoo-mine" or "cganzoo-mine>=0.1".')


class Optimizers(Config):
    """One optimizer for each player; the loss's heads belong to the discriminator's."""

    generator: OptimizerConfig = Field(description="The generator's optimizer.")
    discriminator: OptimizerConfig = Field(description="The optimizer of the trunk and the loss's heads.")


class Train(Config):
    """The training loop."""

    steps: Count = Field(description="Generator steps.")
    batch_size: Count = Field(description="Images in a batch.")
    horizon: Count | None = Field(
        None,
        description="Steps that schedules follow: their fractions, and the end of one without a length; default: "
        "train.steps. A longer run with the horizon of the shorter one continues it.",
    )
    seed: Annotated[int, Field(ge=0, lt=2**32)] = Field(0, description="Seed of weights, noise and data order.")
    discriminator_steps: Count = Field(1, description="Discriminator steps before each generator step.")
    ema_decay: Annotated[Scalar, at_least(0), below(1)] = Field(
        0.999, description="Decay of the generator's average at each step."
    )
    ema_half_life: Annotated[
        Annotated[Scalar, at_least(0, exclusive=True)] | None, Since("0.2"), InsteadOf("ema_decay")
    ] = Field(
        None, description="Images after which an image counts half in the generator's average, instead of a decay."
    )
    ema_start: Interval = Field(
        0, description="Step at which averaging begins; before it, the average is a copy of the generator."
    )
    init: str | None = Field(
        None,
        min_length=1,
        description="Weights to begin from: a run folder (its newest checkpoint), a checkpoint, or a file that "
        "`cganzoo export` wrote (the generator only). The number of classes may differ: what depends on it is new.",
    )
    init_sha256: str | None = Field(
        None,
        pattern="^[0-9a-f]{64}$",
        description="SHA-256 of the file of `init`; default: computed when the run begins, and kept in its recipe.",
    )
    accumulate: Annotated[Count, Since("0.2")] = Field(
        1,
        description="Parts of each batch whose gradients are computed one after the other and averaged, for batches "
        "that do not fit into the memory. Networks with batch normalisation normalise over a part.",
    )
    fake_labels: Annotated[Literal["uniform", "balanced", "data"], Since("0.2")] = Field(
        "uniform",
        description="Classes of the samples. uniform: drawn anew for each; balanced: each class equally often in a "
        "batch, up to one; data: as often as in the training images.",
    )
    precision: Literal["float32", "bfloat16"] = Field("float32", description="bfloat16: autocast of the networks.")
    compile: bool = Field(False, description="Compile both step modules with torch.compile.")
    channels_last: bool = Field(False, description="Keep images and convolutions in channels-last memory layout.")
    log_every: Count = Field(50, description="Steps between two lines of metrics.jsonl.")
    checkpoint_every: Count = Field(1000, description="Steps between two checkpoints.")
    keep_checkpoints: Count = Field(2, description="Newest checkpoints to keep.")
    sample_every: Interval = Field(0, description="Steps between two sample grids; 0: at the end only.")
    evaluate_every: Interval = Field(0, description="Steps between two evaluations; 0: at the end only.")

    @model_validator(mode="after")
    def _hash_of_a_file(self) -> Train:
        if self.init_sha256 and not self.init:
            raise ValueError('init_sha256 is the hash of the file "init", which is missing')
        return self

    @model_validator(mode="after")
    def _equal_parts(self) -> Train:
        if self.batch_size % self.accumulate:
            raise ValueError(f"accumulate = {self.accumulate} does not divide batch_size = {self.batch_size}")
        return self

    @property
    def schedule_steps(self) -> int:
        """The steps that schedules follow."""
        return self.horizon or self.steps


class Evaluation(Config):
    """How samples are scored."""

    samples: Count = Field(2000, description="Samples to score.")
    batch_size: Count = Field(250, description="Samples made and scored at a time.")
    weights: Literal["ema", "raw"] = Field("ema", description="Score the averaged generator or the trained one.")
    seed: Annotated[int, Field(ge=0, lt=2**32)] = Field(0, description="Seed of the samples and of the real halves.")
    batch_statistics: Annotated[Literal["standing", "batch"], Since("0.2")] = Field(
        "standing",
        description="Statistics that the generator's batch normalisation uses. standing: means over 2,000 other "
        "samples, so an image does not depend on its batch; batch: those of each batch of samples.",
    )
    truncation: Annotated[float | None, Since("0.2")] = Field(
        None,
        ge=0,
        le=10,
        description="Bound of the noise, or factor of the distance of a mapped code from its mean, for fewer "
        "different and more typical samples; default: no truncation.",
    )
    extractor: ComponentTable = Field(
        ComponentTable(name="classifier"), description="Feature extractor, with its options."
    )


class Sections(Config):
    """The sections of a recipe."""

    if TYPE_CHECKING:  # the host's sections; ALL_SECTIONS adds a table for each kind of component
        requires: Requires
        data: DataTable
        optimizer: Optimizers
        train: Train
        evaluation: Evaluation

    def tables(self, kind: Kind) -> tuple[ComponentTable, ...]:
        """The tables of components of this kind, in the recipe's order."""
        found: Any = self
        for key in kind.recipe_table.split("."):
            found = getattr(found, key)
        return found if kind.many else (found,)

    @model_validator(mode="after")
    def _each_name_once(self) -> Sections:
        for kind in KINDS.values():
            if kind.repeats:  # with other options, which are known when the defaults are filled in
                continue
            first: dict[str, int] = {}
            for index, table in enumerate(self.tables(kind)):
                if (other := first.setdefault(table.name, index)) != index:
                    one, two = (kind.recipe_table, other, "name"), (kind.recipe_table, index, "name")
                    where = f"{kind.recipe_table}.{other} and {kind.recipe_table}.{index}"
                    text = f'{kind.title} "{shortened(table.name)}" is listed more than once: {where}'
                    raise PydanticCustomError("value_error", "{error}", {"error": text, "places": (one, two)})
        return self


def plain(config: Config) -> dict[str, Any]:
    """A config as a dict that TOML can store: without ``None`` values, with the key names of the recipe."""
    values: dict[str, Any] = config.model_dump(mode="json", by_alias=True, exclude_none=True)
    return values


def _fields(*, many: bool, trained: bool = True) -> dict[str, Any]:
    """A field for each kind whose table is a section: kinds of one component, or of several.

    Of the latter, those that decide the weights (``trained``), or the others.
    """
    fields: dict[str, Any] = {}
    for kind in KINDS.values():
        if many and trained != (kind.decides == "weights"):
            continue
        if kind.many == many and "." not in kind.recipe_table:
            table: Any = kind.spec.table
            one, several = (table, Field(description=f"The {kind.title}.")), (tuple[table, ...], Field(()))
            fields[kind.recipe_table] = several if many else one
    return fields


ALL_SECTIONS: type[Sections] = create_model(
    "Sections",
    __base__=Sections,
    __doc__=Sections.__doc__,
    requires=(Requires, Field(Requires(), description="What must be installed.")),
    **{"data": None, **_fields(many=False)},
    **_fields(many=True),
    optimizer=(Optimizers, Field(description="The optimizers.")),
    train=(Train, Field(description="The loop.")),
    evaluation=(Evaluation, Field(Evaluation(), description="How samples are scored.")),
    **_fields(many=True, trained=False),
)
"""All sections of a recipe, in the order in which they are written."""
