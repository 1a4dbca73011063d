"""Optimizers of torch by name, with their arguments typed so that a recipe is checked before torch is imported."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, model_validator

from cganzoo.config import Config, Scalar, at_least

if TYPE_CHECKING:
    from torch.nn import Parameter
    from torch.optim import Optimizer

Rate = Annotated[Scalar, at_least(0.0)]
Decay = Annotated[float, Field(ge=0, lt=1)]
NonNegative = Annotated[float, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]


class _Optimizer(Config):
    lr: Rate = Field(description="Learning rate; a number or a schedule.")
    weight_decay: NonNegative = Field(0.0, description="Weight decay, as torch's optimizer of this name applies it.")


class _Moments(_Optimizer):
    betas: tuple[Decay, Decay] = Field((0.9, 0.999), description="Decays of the first and second moment.")
    eps: Positive = Field(1e-8, description="Added to the denominator.")


class Adam(_Moments):
    """torch.optim.Adam."""

    name: Literal["adam"] = "adam"
    amsgrad: bool = Field(False, description="Keep the maximum of the second moment.")


class AdamW(_Moments):
    """torch.optim.AdamW (decoupled weight decay)."""

    name: Literal["adamw"] = "adamw"
    weight_decay: NonNegative = Field(1e-2, description="Decoupled weight decay.")
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


class RMSprop(_Optimizer):
    """torch.optim.RMSprop."""

    name: Literal["rmsprop"] = "rmsprop"
    alpha: Decay = Field(0.99, description="Decay of the mean square.")
    eps: Positive = Field(1e-8, description="Added to the denominator.")
    momentum: Decay = Field(0.0, description="Momentum.")
    centered: bool = Field(False, description="Normalise by the variance instead of the mean square.")


class SGD(_Optimizer):
    """torch.optim.SGD."""

    name: Literal["sgd"] = "sgd"
    momentum: Decay = Field(0.0, description="Momentum.")
    dampening: NonNegative = Field(0.0, description="Dampening of the momentum.")
    nesterov: bool = Field(False, description="Nesterov momentum; needs momentum above 0 and no dampening.")

    @model_validator(mode="after")
    def _nesterov_has_momentum(self) -> SGD:
        if self.nesterov and (self.momentum == 0 or self.dampening != 0):
            raise ValueError("nesterov = true needs momentum above 0 and dampening = 0")
        return self


OptimizerConfig = Annotated[Adam | AdamW | NAdam | RAdam | Adamax | RMSprop | SGD, Field(discriminator="name")]
"""What ``[optimizer.generator]`` and ``[optimizer.discriminator]`` hold."""

_TORCH_NAMES = {
    "adam": "Adam",
    "adamw": "AdamW",
    "nadam": "NAdam",
    "radam": "RAdam",
    "adamax": "Adamax",
    "rmsprop": "RMSprop",
    "sgd": "SGD",
}


def build_optimizer(config: OptimizerConfig, parameters: Iterable[Parameter]) -> Optimizer:
    """The torch optimizer that ``config`` describes.

    The rate starts at 0: the engine sets it before each step, as it may follow a schedule.
    """
    import torch

    parameters = list(parameters)
    arguments = config.model_dump(exclude={"name", "lr"})
    kind = getattr(torch.optim, _TORCH_NAMES[config.name])
    # One kernel for all parameters, where torch has it; elsewhere its own default.
    if config.name in ("adam", "adamw", "sgd"):
        arguments["fused"] = True
    optimizer: Optimizer = kind(parameters, lr=0.0, **arguments)
    return optimizer
