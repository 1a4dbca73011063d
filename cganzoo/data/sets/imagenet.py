"""ImageNet-1k, or any part of it, from its class folders."""

from __future__ import annotations

from cganzoo.data.file_source import FileSource, Splits

from .config import ImageNetConfig
from .folder import open_root, split_folders


class ImageNetSource(FileSource):
    """ILSVRC 2012 as it is usually unpacked: ``train/<WordNet id>/*.JPEG`` and ``val/<WordNet id>/*.JPEG``.

    Labels follow the sorted WordNet ids, as everywhere; the ids are the classes' names.

    Raises:
        DataError: no such folder. Once files are listed: ``train`` or ``val`` is missing or holds no class, or a
            class without an image.
    """

    def __init__(self, config: ImageNetConfig) -> None:
        tree = open_root(config.root, '"train" and "val", each with one folder a WordNet id')
        super().__init__(tree, unreadable=config.unreadable)

    def find(self) -> Splits:
        """See :class:`FileSource`."""
        return split_folders(self.tree, "train/", "val/")


def imagenet(config: ImageNetConfig) -> ImageNetSource:
    """See :class:`ImageNetSource`."""
    return ImageNetSource(config)
