"""The optimizers of a recipe: their arguments, checked without torch, and how to build them.

To add an optimizer, add one class. :data:`OptimizerConfig` contains every class without subclasses.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Union

from pydantic import Field, model_validator

from cganzoo.config import Config, Scalar, Schedule, at_least, below, value_at

if TYPE_CHECKING:
    from torch import optim
    from torch.nn import Parameter

NonNegative = Annotated[Scalar, at_least(0)]
Positive = Annotated[Scalar, at_least(0, exclusive=True)]
Decay = Annotated[Scalar, at_least(0), below(1)]


class Optimizer(Config):
    """Arguments of the class of the same name in ``torch.optim``. ``name`` is what recipes write."""

    fused: ClassVar[bool] = False  # whether torch has one kernel for all parameters on every device

    lr: NonNegative = Field(description="Learning rate.")
    weight_decay: NonNegative = Field(0.0, description="Weight decay, as torch's optimizer of this name applies it.")

    def at(self, step: int, total_steps: int, names: Iterable[str]) -> dict[str, Any]:
        """The values of these arguments, which are numbers or schedules, at ``step``."""

        def value(argument: Any) -> Any:
            if isinstance(argument, tuple):
                return tuple(map(value, argument))
            return value_at(argument, step, total_steps)

        return {name: value(getattr(self, name)) for name in names}

    @property
    def scheduled(self) -> tuple[str, ...]:
        """The names of the arguments that follow a schedule."""
        return tuple(name for name in type(self).model_fields if _has_schedule(getattr(self, name)))

    def build(self, parameters: Iterable[Parameter] | Iterable[dict[str, Any]]) -> optim.Optimizer:
        """The optimizer, at rate 0: the engine sets ``lr`` and what follows a schedule."""
        import torch

        arguments = self.model_dump(exclude={"name"}) | self.at(0, 1, self.scheduled) | {"lr": 0.0}
        arguments |= {"fused": True} if self.fused else {}
        optimizer: optim.Optimizer = getattr(torch.optim, type(self).__name__)(parameters, **arguments)
        return optimizer


class _Moments(Optimizer):
    betas: tuple[Decay, Decay] = Field((0.9, 0.999), description="Decays of the first and second moment.")
    eps: Positive = Field(1e-8, description="Added to the denominator.")


class Adam(_Moments):
    """torch.optim.Adam."""

    fused = True
    name: Literal["adam"] = "adam"
    amsgrad: bool = Field(False, description="Keep the maximum of the second moment.")


class AdamW(_Moments):
    """torch.optim.AdamW (decoupled weight decay)."""

    fused = True
    name: Literal["adamw"] = "adamw"
    weight_decay: NonNegative = Field(1e-2, description="Weight decay, as torch's optimizer of this name applies it.")
    amsgrad: bool = Field(False, description="Keep the maximum of the second moment.")


class NAdam(_Moments):
    """torch.optim.NAdam."""

    name: Literal["nadam"] = "nadam"
    momentum_decay: NonNegative = Field(4e-3, description="Decay of the momentum schedule.")


class RAdam(_Moments):
    """torch.optim.RAdam."""

    name: Literal["radam"] = "radam"


class Adamax(_Moments):
    """torch.optim.Adamax."""

    name: Literal["adamax"] = "adamax"


class RMSprop(Optimizer):
    """torch.optim.RMSprop."""

    name: Literal["rmsprop"] = "rmsprop"
    alpha: Decay = Field(0.99, description="Decay of the mean square.")
    eps: Positive = Field(1e-8, description="Added to the denominator.")
    momentum: float = Field(0.0, ge=0, lt=1, description="Momentum; no schedule, because torch reads it once.")
    centered: bool = Field(False, description="Normalise by the variance instead of the mean square.")


class SGD(Optimizer):
    """torch.optim.SGD."""

    fused = True
    name: Literal["sgd"] = "sgd"
    momentum: Decay = Field(0.0, description="Momentum.")
    dampening: NonNegative = Field(0.0, description="Dampening of the momentum.")
    nesterov: bool = Field(False, description="Nesterov momentum; needs momentum above 0 and no dampening.")

    @model_validator(mode="after")
    def _nesterov_has_momentum(self) -> SGD:
        if self.nesterov and (0.0 in _extremes(self.momentum) or any(_extremes(self.dampening))):
            raise ValueError("nesterov = true needs momentum above 0 and dampening = 0")
        return self


def _extremes(value: float | Schedule) -> tuple[float, ...]:
    return value.extremes() if isinstance(value, Schedule) else (value,)


def _has_schedule(value: Any) -> bool:
    return isinstance(value, Schedule) or (isinstance(value, tuple) and any(map(_has_schedule, value)))


def _leaves(model: type[Optimizer]) -> list[type[Optimizer]]:
    return [leaf for child in model.__subclasses__() for leaf in _leaves(child)] or [model]


if TYPE_CHECKING:
    OptimizerConfig = Optimizer
else:
    OptimizerConfig = Annotated[Union[tuple(_leaves(Optimizer))], Field(discriminator="name")]  # noqa: UP007
"""The table of ``[optimizer.generator]`` and ``[optimizer.discriminator]``."""
