"""Needs a module that nobody installed."""

import cganzoo_nowhere

from cganzoo import Config, LossSpec, hookimpl


def build(config, context):
    return cganzoo_nowhere.build(config, context)


@hookimpl
def cganzoo_losses():
    yield LossSpec(name="lonely", summary="A loss", config=Config, build=build)
