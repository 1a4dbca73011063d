"""Images with one folder for each class, or with a label file: a user's own, and ImageNet."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

from cganzoo.data.archive import is_tar, unpacked
from cganzoo.data.file_source import FileSource, Splits
from cganzoo.data.layout.branch import Branch, branches
from cganzoo.data.layout.folders import check_names, check_same, class_folders
from cganzoo.data.layout.recognise import Layout, recognise
from cganzoo.data.tree import FolderTree, Tree, open_tree

from .specs import FolderConfig, ImageNetConfig

RULES = 2
"""Version of the rules of layouts; part of the source's fingerprint. Increase it when a set is read in another way."""


class FolderSource(FileSource):
    """Images in class folders, in such folders of splits, or with labels in a file: see :mod:`cganzoo.data.layout`.

    The root is a folder, a zip archive, or a tar archive, which is unpacked into the cache. Hidden files, and files
    without the ending of an image format, are ignored. Without test images, a random part of each class, with a fixed
    seed, is held out.
    """

    def __init__(self, config: FolderConfig) -> None:
        chosen = (config.labels, config.label_column)
        super().__init__(
            _tree(config.root),
            settings=(config.test_fraction, RULES, *chosen),
            unreadable=config.unreadable,
            drop_gray=config.grayscale == "drop",
        )
        self._test_fraction, self._chosen = config.test_fraction, chosen

    @cached_property
    def _layout(self) -> Layout:
        return recognise(self.tree, self._test_fraction, *self._chosen)

    def find(self) -> Splits:
        """See :class:`FileSource`."""
        return self._layout.splits

    def layout(self) -> str:
        """See :class:`ImageSource`."""
        return self._layout.line()

    def notes(self) -> tuple[str, ...]:
        """See :class:`ImageSource`."""
        return self._layout.notes


class ImageNetSource(FileSource):
    """ImageNet-1k (ILSVRC 2012), or any part of it: ``train/<WordNet id>/*.JPEG`` and ``val/<WordNet id>/*.JPEG``.

    The two folders may lie deeper, as in ``ILSVRC/Data/CLS-LOC``. The classes' names are the WordNet ids; labels
    follow their sorted order.
    """

    def __init__(self, config: ImageNetConfig) -> None:
        super().__init__(_tree(config.root), settings=(RULES,), unreadable=config.unreadable)

    @cached_property
    def _notes(self) -> list[str]:
        return []

    def find(self) -> Splits:
        """See :class:`FileSource`."""
        top = branches(self.tree)
        level = next((folder for folder in top.walk() if "train" in folder.inner and "val" in folder.folders), top)
        train, test = (level.folders.get(split) or Branch(f"{level.name}{split}/") for split in ("train", "val"))
        classes = class_folders(self.tree, train, self._notes)
        check_names(self.tree, classes)
        held = class_folders(self.tree, test, self._notes)
        check_same(self.tree, train, test, classes, held)
        return {"train": classes, "test": held}

    def layout(self) -> str:
        """See :class:`ImageSource`."""
        places = [
            self.tree.where(next(iter(self._found[split].values()))[0].rsplit("/", 2)[0]) for split in self._found
        ]
        return "; ".join(f"{split} from {place}" for split, place in zip(("train", "test"), places, strict=True))

    def notes(self) -> tuple[str, ...]:
        """See :class:`ImageSource`."""
        return tuple(self._notes) if self._found else ()


def _tree(root: str) -> Tree:
    path = Path(root).expanduser()
    if is_tar(path) and path.is_file():
        return FolderTree(unpacked(path), path)
    return open_tree(root)
