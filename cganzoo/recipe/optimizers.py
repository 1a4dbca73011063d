"""The optimizers of a recipe: their arguments, checked without torch, and how to build them.

To add an optimizer, add one class. :data:`OptimizerConfig` contains every class without subclasses.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Union

from pydantic import Field, model_validator

from cganzoo.config import Config, Scalar, at_least

if TYPE_CHECKING:
    from torch import optim
    from torch.nn import Parameter

Rate = Annotated[Scalar, at_least(0.0)]
Decay = Annotated[float, Field(ge=0, lt=1)]
NonNegative = Annotated[float, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]


class Optimizer(Config):
    """Arguments of the class of the same name in ``torch.optim``. ``name`` is what recipes write."""

    fused: ClassVar[bool] = False  # whether torch has one kernel for all parameters on every device

    lr: Rate = Field(description="Learning rate; a number or a schedule.")
    weight_decay: NonNegative = Field(0.0, description="Weight decay, as torch's optimizer of this name applies it.")

    def build(self, parameters: Iterable[Parameter]) -> optim.Optimizer:
        """The optimizer, at rate 0: the engine sets ``lr``."""
        import torch

        arguments = self.model_dump(exclude={"name", "lr"}) | ({"fused": True} if self.fused else {})
        optimizer: optim.Optimizer = getattr(torch.optim, type(self).__name__)(parameters, lr=0.0, **arguments)
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
    momentum: Decay = Field(0.0, description="Momentum.")
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
        if self.nesterov and (self.momentum == 0 or self.dampening != 0):
            raise ValueError("nesterov = true needs momentum above 0 and dampening = 0")
        return self


def _leaves(model: type[Optimizer]) -> list[type[Optimizer]]:
    return [leaf for child in model.__subclasses__() for leaf in _leaves(child)] or [model]


if TYPE_CHECKING:
    OptimizerConfig = Optimizer
else:
    OptimizerConfig = Annotated[Union[tuple(_leaves(Optimizer))], Field(discriminator="name")]  # noqa: UP007
"""The table of ``[optimizer.generator]`` and ``[optimizer.discriminator]``."""
