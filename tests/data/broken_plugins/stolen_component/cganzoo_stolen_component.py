"""Provides a component under a name that another distribution uses."""

from cganzoo import Config, LossSpec, hookimpl


def build(config, context):
    raise NotImplementedError


@hookimpl
def cganzoo_losses():
    yield LossSpec(name="good", summary="A loss", config=Config, build=build)
