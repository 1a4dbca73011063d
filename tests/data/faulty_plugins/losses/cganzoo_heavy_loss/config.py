import torch
from pydantic import Field

from cganzoo import Config, Scalar


class HeavyConfig(Config):
    weight: Scalar = Field(0.5, description="Weight of the classifier's terms.")
    precision: float = Field(torch.finfo(torch.float32).eps, description="What torch thinks is small.")
