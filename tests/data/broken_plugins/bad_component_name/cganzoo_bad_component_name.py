"""The component's name is not lower snake case."""

from cganzoo import Config, LossSpec, hookimpl


def build(config, context):
    raise NotImplementedError


@hookimpl
def cganzoo_losses():
    yield LossSpec(name="Bad-Name", summary="A loss", config=Config, build=build)
