"""Wants a host that is not out yet; importing it would fail in some confusing way."""

from cganzoo import Config, LossSpec, SpecOfTheFuture, hookimpl


def build(config, context):
    raise NotImplementedError


@hookimpl
def cganzoo_losses():
    yield LossSpec(name="newer", summary="A loss", config=Config, build=build, future=SpecOfTheFuture())
