"""What a component's options are made of: a strict pydantic base and the number-or-schedule scalar."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    GetJsonSchemaHandler,
    Tag,
    model_validator,
)
from pydantic_core import CoreSchema

AdversarialRule = Literal["hinge", "logistic", "least_squares", "wasserstein"]
"""How a realness score is trained; the formulas are in :mod:`cganzoo.functional`."""


class Config(BaseModel):
    """Base of every component's options.

    Frozen, closed to unknown keys, and strict about types: TOML's ``"3"`` is no number and ``1`` no boolean, but an
    integer is accepted where a float is meant. Give each field a ``description``: it is shown to users and editors.
    """

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        allow_inf_nan=False,
        populate_by_name=True,
        defer_build=True,  # listing plugins validates nothing, and building validators is what takes time
    )


class ArchiveConfig(Config):
    """Base of the options of a data set that can be downloaded."""

    root: str | None = Field(
        None, description="The official archive, or the folder it was unpacked to; default: where downloads are kept."
    )
    download: bool = Field(False, description="Fetch the archive without asking if it is not there.")


class ClassifierConfig(Config):
    """The ``classifier`` extractor: a timm network trained here, on the training split of the set itself."""

    model: str = Field(
        "resnet18",
        description='timm model, trained from scratch, or "densenet_bc_40_40": DenseNet-BC of growth 40 and depth 40.',
    )
    width: int | None = Field(
        None, ge=1, description="Channels of a timm ResNet's first stage, doubled at each further one; default: 64."
    )
    stem_stride: Literal[1, 2] = Field(
        1, description="Stride of the stem for images up to 64 px: 2 costs a quarter and sees less detail."
    )
    epochs: int = Field(30, ge=1, description="Passes over the training split.")
    steps: int | None = Field(
        None, ge=2, description="Training batches, in place of epochs: the cost no longer depends on the set's size."
    )
    batch_size: int = Field(64, ge=2, description="Images in a training batch.")
    schedule: Literal["one_cycle", "step"] = Field(
        "one_cycle",
        description="one_cycle: the rate rises to learning_rate and falls to nearly 0, while Nesterov momentum goes "
        "from 0.95 to 0.85 and back. step: a tenth of learning_rate from half of the training on, a hundredth from "
        "three quarters on, and momentum 0.9.",
    )
    learning_rate: float = Field(0.1, gt=0, description="Peak rate of SGD.")
    weight_decay: float = Field(5e-4, ge=0, description="L2 penalty of SGD.")
    crop_padding: int | None = Field(
        None, ge=0, description="Random shifts of up to this many pixels; 0: none; default: an eighth of the size."
    )
    flip: bool = Field(False, description="Mirror half of the training images; not for digits or letters.")
    seed: int = Field(0, ge=0, lt=2**32, description="Seed of weights, order and augmentation.")


C = TypeVar("C", bound=Config)


def parse(model: type[C], values: Mapping[str, Any]) -> C:
    """Check ``values`` (as TOML gives them) against ``model``; raises :class:`pydantic.ValidationError`.

    Goes through JSON because pydantic's strict mode then takes a list for a tuple, as TOML cannot write tuples, and
    still refuses ``"3"`` for a number.
    """
    return model.model_validate_json(json.dumps(values, default=str), strict=True)


class Schedule(Config):
    """A scalar that changes over the run: ``{from = 1.0, to = 0.0, steps = 1000, curve = "cosine"}``.

    ``after``, ``steps`` and ``every`` count generator steps when they are integers, and are fractions of
    ``train.steps`` when they are floats, so that a shortened run keeps the shape of its schedule.
    """

    curve: Literal["constant", "linear", "cosine", "step"] = Field("linear", description="How the value moves.")
    start: float = Field(alias="from", description="Value at step 0.")
    to: float | None = Field(None, description="Value at the end of a linear or cosine curve.")
    after: int | float = Field(0, ge=0, description="Where a linear or cosine curve begins; the value waits till then.")
    steps: int | float | None = Field(
        None, gt=0, description="Length of a linear or cosine curve; default: the rest of the run."
    )
    factor: float = Field(0.5, gt=0, description="What a step curve multiplies the value by.")
    every: int | float | None = Field(None, gt=0, description="Length of one stair of a step curve.")

    @model_validator(mode="after")
    def _complete(self) -> Schedule:
        if self.curve in ("linear", "cosine") and self.to is None:
            raise ValueError(f'a {self.curve} schedule needs "to", the value it ends at')
        if self.curve == "step" and self.every is None:
            raise ValueError('a step schedule needs "every", the length of one stair')
        for name in ("after", "steps", "every"):
            length = getattr(self, name)
            if isinstance(length, float) and length > 1:
                raise ValueError(f'"{name}" is a whole number of steps or a fraction of the run up to 1.0')
        return self

    def at(self, step: int, total_steps: int) -> float:
        """The value at ``step`` (0-based) of a run of ``total_steps``."""
        if self.curve == "constant":
            return self.start
        if self.curve == "step":
            assert self.every is not None
            return self.start * self.factor ** (step // max(1, _in_steps(self.every, total_steps)))
        assert self.to is not None
        after = _in_steps(self.after, total_steps)
        length = total_steps - after if self.steps is None else _in_steps(self.steps, total_steps)
        progress = min(1.0, max(0.0, (step - after) / max(1, length)))
        if self.curve == "cosine":
            progress = (1 - math.cos(math.pi * progress)) / 2
        return self.start + (self.to - self.start) * progress

    def extremes(self) -> tuple[float, ...]:
        """Values between which the schedule stays, or ends up after many stairs of a step curve."""
        if self.curve == "step":
            limit = 0.0 if self.factor < 1 else math.copysign(math.inf, self.start) if self.factor > 1 else self.start
            return (self.start, limit)
        return (self.start,) if self.to is None else (self.start, self.to)


def _in_steps(length: int | float, total_steps: int) -> int:
    return length if isinstance(length, int) else round(length * total_steps)


def _number_or_schedule(value: Any) -> str:
    return "schedule" if isinstance(value, (dict, Schedule)) else "number"


Scalar = Annotated[
    Annotated[float, Tag("number")] | Annotated[Schedule, Tag("schedule")], Discriminator(_number_or_schedule)
]
"""A hyper-parameter that is a number or a :class:`Schedule`."""


@dataclass(frozen=True)
class _AtLeast(AfterValidator):
    """A lower bound that the JSON Schema of the options tells, too."""

    low: float
    exclusive: bool

    def __get_pydantic_json_schema__(self, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        schema = handler(core_schema)
        for node in schema.get("oneOf", (schema,)):
            if node.get("type") == "number":
                node["exclusiveMinimum" if self.exclusive else "minimum"] = self.low
        return schema


def at_least(low: float, *, exclusive: bool = False) -> AfterValidator:
    """Bound a :data:`Scalar` from below, schedules' end points included: ``Annotated[Scalar, at_least(0)]``."""

    def check(value: float | Schedule) -> float | Schedule:
        values = value.extremes() if isinstance(value, Schedule) else (value,)
        # Stairs come near their limit but never reach it, so the limit itself may be the excluded bound.
        stairs = isinstance(value, Schedule) and value.curve == "step"
        if any(v < low for v in values) or (exclusive and low in (values[:1] if stairs else values)):
            raise ValueError(f"every value must be {'above' if exclusive else 'at least'} {low:g}")
        return value

    return _AtLeast(check, low, exclusive)


def value_at(scalar: float | Schedule, step: int, total_steps: int) -> float:
    """A :data:`Scalar`'s value at ``step`` (0-based) of a run of ``total_steps``."""
    return scalar.at(step, total_steps) if isinstance(scalar, Schedule) else scalar
