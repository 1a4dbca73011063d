"""Options of the data sets that come with the host. No torch, no numpy."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from cganzoo.config import ArchiveConfig, Config


class DigitsConfig(Config):
    """Options of ``digits``."""

    test_fraction: float = Field(0.2, ge=0.01, le=0.99, description="Share of each class held out as the test split.")


Grayscale = Literal["keep", "drop"]
"""Use or leave out images that are stored without colour."""


class FolderConfig(Config):
    """Options of ``folder``."""

    root: str = Field(
        description='Folder or zip archive with one folder a class, or with "train" and "test" holding those.'
    )
    test_fraction: float = Field(
        0.1, gt=0, lt=1, description='Share of each class held out where there is no "test" folder.'
    )
    unreadable: Literal["stop", "skip"] = Field("stop", description="Stop at an image that cannot be read, or skip it.")
    grayscale: Grayscale = Field("keep", description="Whether images that are stored without colour are used.")


class ImageNetConfig(Config):
    """Options of ``imagenet``."""

    root: str = Field(description='Folder with "train" and "val", each with one folder for each WordNet id.')
    unreadable: Literal["stop", "skip"] = Field("stop", description="Stop at an image that cannot be read, or skip it.")


class TinyImageNetConfig(ArchiveConfig):
    """Options of ``tinyimagenet``."""

    grayscale: Grayscale = Field(
        "keep", description="Whether gray JPEGs (about 2 % of the set) are used; the AM-GAN authors drop them."
    )


class CIFAR10Config(ArchiveConfig):
    """Options of ``cifar10``."""


class CIFAR100Config(ArchiveConfig):
    """Options of ``cifar100``."""

    labels: Literal["fine", "coarse"] = Field("fine", description="100 classes, or the 20 that they belong to.")


class CUB200Config(ArchiveConfig):
    """Options of ``cub200``."""
