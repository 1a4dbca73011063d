"""The hook asks for an argument that the host does not give."""

from cganzoo import Config, LossSpec, hookimpl


def build(config, context):
    raise NotImplementedError


@hookimpl
def cganzoo_losses(recipe):
    yield LossSpec(name="argument", summary="A loss", config=Config, build=build)
