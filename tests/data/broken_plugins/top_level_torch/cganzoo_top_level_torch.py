"""Imports torch at its top: works, and makes every command slow."""

import torch

from cganzoo import Config, LossSpec, hookimpl


def build(config, context):
    return torch.nn.Identity()


@hookimpl
def cganzoo_losses():
    yield LossSpec(name="heavy", summary="A loss", config=Config, build=build)
