"""The data sets that come with the host, through the same hook as anyone's. No torch, no numpy here."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from cganzoo.hookspecs import hookimpl
from cganzoo.specs import DatasetSpec

from .config import DigitsConfig, FolderConfig

if TYPE_CHECKING:
    from .source import ImageSource


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
