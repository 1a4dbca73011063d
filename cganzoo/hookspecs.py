"""The hooks: each is a plural noun and returns an iterable of one kind of specification.

A hook registers specifications whenever a process loads the plugin: to list components, or to resolve a recipe's names.
It does not run during training. Each example below is a complete plugin module; a test runs it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar, cast

import pluggy

from .specs import (
    AugmentationSpec,
    DatasetSpec,
    DiscriminatorSpec,
    ExtractorSpec,
    GeneratorSpec,
    LoggerSpec,
    LossSpec,
    MetricSpec,
    RegularizerSpec,
)

PROJECT = "cganzoo"
"""pluggy's project name, and the entry-point group that plugins register in."""

F = TypeVar("F", bound=Callable[..., Any])

# The casts keep the decorated function's own type, which pluggy's markers would otherwise widen to Any.
hookspec = cast("Callable[[F], F]", pluggy.HookspecMarker(PROJECT))
hookimpl = cast("Callable[[F], F]", pluggy.HookimplMarker(PROJECT))
"""Marks a function as a plugin's implementation of the hook that it is named after."""


@hookspec
def cganzoo_generators() -> Iterable[GeneratorSpec[Any]]:  # type: ignore[empty-body]
    """Yield the generators that this plugin provides.

    Example::

        from cganzoo import Config, GeneratorSpec, hookimpl


        class NoiseConfig(Config):
            pass


        def build(config, context):
            import torch
            from cganzoo.networks import Generator

            class Noise(Generator):
                latent_dim, conditional = 8, False

                def __init__(self):
                    super().__init__()
                    self.shape = (context.image_channels, context.image_size, context.image_size)
                    self.linear = torch.nn.Linear(8, self.shape[0] * self.shape[1] * self.shape[2])

                def forward(self, z, labels):
                    return self.linear(z).tanh().unflatten(1, self.shape)

            return Noise()


        @hookimpl
        def cganzoo_generators():
            yield GeneratorSpec(
                name="noise",
                summary="One linear layer",
                config=NoiseConfig,
                build=build,
                conditional=lambda config: False,
            )
    """


@hookspec
def cganzoo_discriminators() -> Iterable[DiscriminatorSpec[Any]]:  # type: ignore[empty-body]
    """Yield the discriminator trunks that this plugin provides.

    Example::

        from cganzoo import Config, DiscriminatorSpec, hookimpl


        class PixelsConfig(Config):
            pass


        def build(config, context):
            from cganzoo.networks import Discriminator

            class Pixels(Discriminator):
                feature_dim = context.image_channels * context.image_size**2

                def forward(self, images):
                    return images.flatten(1)

            return Pixels()


        @hookimpl
        def cganzoo_discriminators():
            yield DiscriminatorSpec(
                name="pixels",
                summary="The pixels are the features",
                config=PixelsConfig,
                build=build,
            )
    """


@hookspec
def cganzoo_losses() -> Iterable[LossSpec[Any]]:  # type: ignore[empty-body]
    """Yield the losses that this plugin provides.

    Example::

        from cganzoo import Config, LossSpec, hookimpl


        class CriticConfig(Config):
            pass


        def build(config, context):
            import torch
            from cganzoo.objective import Objective

            class Critic(Objective):
                def __init__(self):
                    super().__init__()
                    self.head = torch.nn.Linear(context.features, 1)

                def discriminator_loss(self, real, fake):
                    return {"real": -self.head(real.features).mean(), "fake": self.head(fake.features).mean()}

                def generator_loss(self, fake, real=None):
                    return {"adversarial": -self.head(fake.features).mean()}

            return Critic()


        @hookimpl
        def cganzoo_losses():
            yield LossSpec(name="critic", summary="A linear critic", config=CriticConfig, build=build)
    """


@hookspec
def cganzoo_regularizers() -> Iterable[RegularizerSpec[Any]]:  # type: ignore[empty-body]
    """Yield the regularizers that this plugin provides.

    Example::

        from cganzoo import Config, RegularizerSpec, hookimpl


        class DriftConfig(Config):
            pass


        def build(config, context):
            from cganzoo.regularizer import Regularizer

            class Drift(Regularizer):
                uses_score = True

                def discriminator_penalty(self, real, fake, networks):
                    return {"drift": networks.score_of(real).square().mean()}

            return Drift()


        @hookimpl
        def cganzoo_regularizers():
            yield RegularizerSpec(
                name="drift",
                summary="Keeps the scores of real images near 0",
                config=DriftConfig,
                build=build,
                weight=0.001,
            )
    """


@hookspec
def cganzoo_augmentations() -> Iterable[AugmentationSpec[Any]]:  # type: ignore[empty-body]
    """Yield the augmentations that this plugin provides.

    Example::

        from cganzoo import AugmentationSpec, Config, hookimpl


        class NoiseConfig(Config):
            size: float = 0.1


        def build(config, context):
            import torch
            from cganzoo.augmentation import Augmentation

            class Noise(Augmentation):
                def forward(self, images):
                    return images + config.size * torch.randn_like(images)

            return Noise()


        @hookimpl
        def cganzoo_augmentations():
            yield AugmentationSpec(
                name="noise",
                summary="Adds white noise",
                config=NoiseConfig,
                build=build,
                identity={"size": 0.0},
            )
    """


@hookspec
def cganzoo_metrics() -> Iterable[MetricSpec[Any]]:  # type: ignore[empty-body]
    """Yield the metrics that this plugin provides.

    Example::

        from cganzoo import Config, MetricOutput, MetricSpec, hookimpl


        class BrightnessConfig(Config):
            pass


        def build(config, context):
            from cganzoo.metric import Metric

            class Brightness(Metric):
                def __init__(self):
                    self.total, self.count = 0.0, 0

                def update(self, batch):
                    self.total += batch.images.double().sum().item()
                    self.count += batch.images.numel()

                def compute(self):
                    return {"brightness": self.total / self.count}

            return Brightness()


        @hookimpl
        def cganzoo_metrics():
            output = MetricOutput(name="brightness", summary="Mean pixel value in [-1, 1]")
            yield MetricSpec(
                name="brightness",
                summary="Mean pixel value",
                config=BrightnessConfig,
                build=build,
                outputs=(output,),
            )
    """


@hookspec
def cganzoo_datasets() -> Iterable[DatasetSpec[Any]]:  # type: ignore[empty-body]
    """Yield the data sets that this plugin provides.

    Example::

        from cganzoo import Config, DatasetSpec, hookimpl


        class BarsConfig(Config):
            count: int = 100


        def build(config):
            import numpy as np
            from cganzoo.data.source import ArraySource

            labels = np.arange(config.count) % 2
            images = np.zeros((config.count, 8, 8), np.uint8)
            images[labels == 0, 3:5, :] = 255
            images[labels == 1, :, 3:5] = 255
            return ArraySource({"train": (images, labels)}, class_names=("horizontal", "vertical"))


        @hookimpl
        def cganzoo_datasets():
            yield DatasetSpec(name="bars", summary="Bars of two directions", config=BarsConfig, build=build, channels=1)
    """


@hookspec
def cganzoo_extractors() -> Iterable[ExtractorSpec[Any]]:  # type: ignore[empty-body]
    """Yield the feature extractors that this plugin provides.

    Example::

        from cganzoo import Config, ExtractorSpec, hookimpl


        class ThumbnailConfig(Config):
            size: int = 4


        def build(config, context):
            import torch
            from cganzoo.extractor import Extractor

            class Thumbnail(Extractor):
                feature_dim, num_classes = context.image_channels * config.size**2, 0

                def forward(self, images):
                    features = torch.nn.functional.adaptive_avg_pool2d(images, config.size).flatten(1)
                    return features, features.new_empty(len(features), 0)

                def protocol(self):
                    return {"kind": "thumbnail", "size": config.size}

                def description(self):
                    return f"thumbnail: images shrunk to {config.size} px"

            return Thumbnail()


        @hookimpl
        def cganzoo_extractors():
            yield ExtractorSpec(name="thumbnail", summary="Shrunken images", config=ThumbnailConfig, build=build)
    """


@hookspec
def cganzoo_loggers() -> Iterable[LoggerSpec[Any]]:  # type: ignore[empty-body]
    """Yield the loggers that this plugin provides.

    Example::

        from cganzoo import Config, LoggerSpec, hookimpl


        class BellConfig(Config):
            every: int = 1000


        def build(config):
            from cganzoo.logger import Logger

            class Bell(Logger):
                def log(self, step, terms, *, images_per_second, seconds):
                    if step % config.every == 0:
                        print(end="\\a")

            return Bell()


        @hookimpl
        def cganzoo_loggers():
            yield LoggerSpec(name="bell", summary="Rings the terminal's bell", config=BellConfig, build=build)
    """
