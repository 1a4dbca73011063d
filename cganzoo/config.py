"""Base class of a component's options, and the scalar that is a number or a schedule."""

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

    Frozen, without unknown keys, and strict about types: TOML's ``"3"`` is not accepted for a number nor ``1`` for a
    boolean, but an integer is accepted for a float. Give each field a ``description``: users and editors see it.
    """

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        allow_inf_nan=False,
        populate_by_name=True,
        defer_build=True,  # to list plugins needs no validators, and they are slow to build
    )


@dataclass(frozen=True)
class Since:
    """Marks an option that was added in a later version: ``flip: Annotated[bool, Since("0.2")] = Field(False, ...)``.

    While it has its default, a run's digests leave it out, so that runs of earlier versions can still be resumed.
    """

    version: str


@dataclass(frozen=True)
class InsteadOf:
    """Marks an option that takes the place of another if it is given: ``Annotated[int | None, InsteadOf("epochs")]``.

    A recipe that gives both is refused, because the other would have no effect.
    """

    other: str


class ArchiveConfig(Config):
    """Base of the options of a data set that can be downloaded."""

    root: str | None = Field(
        None, description="The official archive, or the folder it was unpacked to; default: the folder of downloads."
    )
    download: bool = Field(False, description="Download the archive without asking if it is missing.")


class ClassifierConfig(Config):
    """The ``classifier`` extractor: a timm network, trained on the training split of the recipe's data set."""

    model: str = Field(
        "resnet18",
        description='timm model, trained from scratch, or "densenet_bc_40_40": DenseNet-BC of growth 40 and depth 40.',
    )
    width: int | None = Field(
        None, ge=1, description="Channels of a timm ResNet's first stage, doubled at each further one; default: 64."
    )
    stem_stride: Literal[1, 2] = Field(
        1, description="Stride of the stem for images up to 64 px; 2 costs a quarter and loses detail."
    )
    epochs: int = Field(30, ge=1, description="Passes over the training split.")
    steps: Annotated[int | None, InsteadOf("epochs")] = Field(
        None, ge=2, description="Training batches, instead of epochs: the cost does not depend on the size of the set."
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
    """Validate ``values`` (as read from TOML) with ``model``; raises :class:`pydantic.ValidationError`.

    The values are passed as JSON: pydantic's strict mode then accepts a list for a tuple, because TOML has no tuples,
    and still refuses ``"3"`` for a number.
    """
    return model.model_validate_json(json.dumps(values, default=str), strict=True)


class Schedule(Config):
    """A scalar that changes during the run: ``{from = 1.0, to = 0.0, steps = 1000, curve = "cosine"}``.

    ``after``, ``steps`` and ``every`` are numbers of generator steps if they are integers, and fractions of
    ``train.horizon`` if they are floats, so that a shortened run keeps the shape of its schedule. ``train.horizon`` is
    ``train.steps`` unless the recipe says otherwise.
    """

    curve: Literal["constant", "linear", "cosine", "step"] = Field("linear", description="How the value changes.")
    start: float = Field(alias="from", description="Value at step 0.")
    to: float | None = Field(None, description="Value at the end of a linear or cosine curve.")
    after: int | float = Field(
        0, ge=0, description="Start of a linear or cosine curve; before it the value is constant."
    )
    steps: int | float | None = Field(
        None, gt=0, description="Length of a linear or cosine curve; default: the rest of the run."
    )
    factor: float = Field(0.5, gt=0, description="Factor of each step of a step curve.")
    every: int | float | None = Field(None, gt=0, description="Length of one step of a step curve.")

    @model_validator(mode="after")
    def _complete(self) -> Schedule:
        if self.curve in ("linear", "cosine") and self.to is None:
            raise ValueError(f'a {self.curve} schedule needs "to", its last value')
        if self.to is not None and not math.isfinite(self.to - self.start):
            raise ValueError('"from" and "to" are so far apart that their difference is not a finite number')
        if self.curve == "step" and self.every is None:
            raise ValueError('a step schedule needs "every", the length of one step')
        for name in ("after", "steps", "every"):
            length = getattr(self, name)
            if isinstance(length, float) and length > 1:
                raise ValueError(f'"{name}" must be a whole number of steps, or a fraction of the run up to 1.0')
        return self

    def at(self, step: int, total_steps: int) -> float:
        """The value at ``step`` (0-based) of a run of ``total_steps``."""
        if self.curve == "constant":
            return self.start
        if self.curve == "step":
            assert self.every is not None
            try:
                return self.start * self.factor ** (step // max(1, _in_steps(self.every, total_steps)))
            except OverflowError:  # a factor above 1, many times
                return math.copysign(math.inf, self.start)
        assert self.to is not None
        after = _in_steps(self.after, total_steps)
        length = total_steps - after if self.steps is None else _in_steps(self.steps, total_steps)
        progress = min(1.0, max(0.0, (step - after) / max(1, length)))
        if self.curve == "cosine":
            progress = (1 - math.cos(math.pi * progress)) / 2
        return self.start + (self.to - self.start) * progress

    @property
    def follows_the_run(self) -> bool:
        """Whether a value may depend on how many steps the run has."""
        if self.curve == "constant":
            return False
        lengths = (self.every,) if self.curve == "step" else (self.after, self.steps)
        return not all(isinstance(length, int) for length in lengths)

    def extremes(self) -> tuple[float, ...]:
        """Bounds of the schedule's values; one of them is the limit of a step curve after many steps."""
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
class _Bound(AfterValidator):
    """A bound that is also written into the JSON Schema of the options."""

    key: str
    bound: float

    def __get_pydantic_json_schema__(self, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        schema = handler(core_schema)
        for node in schema.get("oneOf", (schema,)):
            if node.get("type") == "number":
                node[self.key] = self.bound
        return schema


def at_least(low: float, *, exclusive: bool = False) -> AfterValidator:
    """A lower bound of a :data:`Scalar`, for every value of a schedule: ``Annotated[Scalar, at_least(0)]``."""

    def check(value: float | Schedule) -> float | Schedule:
        values, reached = _values(value)
        if any(v < low for v in values) or (exclusive and low in reached):
            raise ValueError(f"every value must be {'above' if exclusive else 'at least'} {low:g}")
        return value

    return _Bound(check, "exclusiveMinimum" if exclusive else "minimum", low)


def at_most(high: float) -> AfterValidator:
    """An upper bound of a :data:`Scalar`, for every value of a schedule: ``Annotated[Scalar, at_most(1)]``."""

    def check(value: float | Schedule) -> float | Schedule:
        if any(v > high for v in _values(value)[0]):
            raise ValueError(f"every value must be at most {high:g}")
        return value

    return _Bound(check, "maximum", high)


def below(high: float) -> AfterValidator:
    """An upper bound of a :data:`Scalar` that no value of a schedule reaches: ``Annotated[Scalar, below(1)]``."""

    def check(value: float | Schedule) -> float | Schedule:
        values, reached = _values(value)
        if any(v > high for v in values) or high in reached:
            raise ValueError(f"every value must be below {high:g}")
        return value

    return _Bound(check, "exclusiveMaximum", high)


def _values(value: float | Schedule) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """The extreme values of a scalar, and those of them that it reaches: a step curve only approaches its limit."""
    if not isinstance(value, Schedule):
        return (value,), (value,)
    values = value.extremes()
    return values, values[:1] if value.curve == "step" else values


def value_at(scalar: float | Schedule, step: int, total_steps: int) -> float:
    """A :data:`Scalar`'s value at ``step`` (0-based) of a run of ``total_steps``."""
    return scalar.at(step, total_steps) if isinstance(scalar, Schedule) else scalar
