"""The hook's name has a typing error."""

from cganzoo import Config, LossSpec, hookimpl


def build(config, context):
    raise NotImplementedError


@hookimpl
def cganzoo_loses():
    yield LossSpec(name="misspelt", summary="A loss", config=Config, build=build)
