"""The data sets that come with the host, through the same hook as anyone's. No torch, no numpy here."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from cganzoo.config import Config
from cganzoo.hookspecs import hookimpl
from cganzoo.specs import DatasetSpec

if TYPE_CHECKING:
    from .source import ImageSource


class DigitsConfig(Config):
    """Options of ``digits``."""

    test_fraction: float = Field(0.2, ge=0.01, le=0.99, description="Share of each class held out as the test split.")


class FolderConfig(Config):
    """Options of ``folder``."""

    root: str = Field(description='Folder with one sub-folder a class, or with "train" and "test" holding those.')
    test_fraction: float = Field(
        0.1, gt=0, lt=1, description='Share of each class held out where there is no "test" folder.'
    )
    unreadable: Literal["stop", "skip"] = Field("stop", description="What an image that cannot be read does.")
    origin: str | None = Field(None, description="How to get the images; said where the folder is missing.")


def _digits(config: DigitsConfig) -> ImageSource:
    from .digits import digits

    return digits(config)


def _folder(config: FolderConfig) -> ImageSource:
    from .folder import FolderSource

    return FolderSource(config)


@hookimpl
def cganzoo_datasets() -> Iterable[DatasetSpec[Any]]:
    """The host's own data sets."""
    yield DatasetSpec(
        name="digits",
        summary="1,797 handwritten digits of 8x8 pixels, from scikit-learn; nothing to download",
        config=DigitsConfig,
        build=_digits,
        channels=1,
    )
    yield DatasetSpec(
        name="folder",
        summary="Your own images: one folder a class, any format and size",
        config=FolderConfig,
        build=_folder,
    )
