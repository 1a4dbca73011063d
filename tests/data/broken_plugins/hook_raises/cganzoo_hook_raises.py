"""One hook raises; the other is fine and must be kept."""

from cganzoo import Config, DiscriminatorSpec, hookimpl


def build(config, context):
    raise NotImplementedError


@hookimpl
def cganzoo_losses():
    raise ZeroDivisionError("the sky\nfell")


@hookimpl
def cganzoo_discriminators():
    yield DiscriminatorSpec(name="survivor", summary="A trunk", config=Config, build=build)
