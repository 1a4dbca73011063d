"""Registers under an entry-point name that another distribution uses."""

from cganzoo import Config, LossSpec, hookimpl


def build(config, context):
    raise NotImplementedError


@hookimpl
def cganzoo_losses():
    yield LossSpec(name="impostor", summary="A loss", config=Config, build=build)
