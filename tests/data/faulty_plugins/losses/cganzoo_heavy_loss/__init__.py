"""A sound loss whose options import torch."""

from cganzoo import LossSpec, hookimpl

from .config import HeavyConfig


def build(config, context):
    from cganzoo_faulty_losses.loss import Sound

    return Sound(config, context)


@hookimpl
def cganzoo_losses():
    yield LossSpec(
        name="heavy_config",
        summary="Its options import torch",
        config=HeavyConfig,
        build=build,
        conditioning=lambda config: "conditional",
    )
