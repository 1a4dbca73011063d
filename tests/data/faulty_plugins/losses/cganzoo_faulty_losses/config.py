"""Options, sound and faulty."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, ConfigDict, Field

from cganzoo import Config, Scalar, at_least


class SoundConfig(Config):
    weight: Annotated[Scalar, at_least(0)] = Field(0.5, description="Weight of the classifier's terms.")


class ChoiceConfig(SoundConfig):
    spread: Literal["none", "unbiased"] = Field("none", description="How the spread of fakes is estimated.")


class UndescribedConfig(SoundConfig):
    margin: float = 1.0


class OpenConfig(SoundConfig):
    model_config = ConfigDict(extra="ignore")


class GrowingConfig(SoundConfig):
    width: Annotated[int, AfterValidator(lambda width: width + 1)] = Field(4, description="Grows when it is read.")
