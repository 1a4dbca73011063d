"""Images with one folder for each class, or with a label file: a user's own, and ImageNet."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

from cganzoo._util.text import escaped
from cganzoo.data.archive import is_tar, unpacked
from cganzoo.data.file_source import FileSource, Splits
from cganzoo.data.layout.branch import Branch, branches
from cganzoo.data.layout.folders import check_names, check_same, class_folders
from cganzoo.data.layout.recognise import Layout, recognise
from cganzoo.data.layout.splits import split_kinds
from cganzoo.data.tree import FolderTree, Tree, open_tree
from cganzoo.errors import DataError

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

    The two folders may lie deeper, as in ``ILSVRC/Data/CLS-LOC``, and have other usual names of these splits. The
    classes' names are the WordNet ids; labels follow their sorted order.
    """

    def __init__(self, config: ImageNetConfig) -> None:
        super().__init__(_tree(config.root), settings=(RULES,), unreadable=config.unreadable)

    @cached_property
    def _notes(self) -> list[str]:
        return []

    def find(self) -> Splits:
        """See :class:`FileSource`."""
        top = branches(self.tree)
        found = ((folder, self._splits(folder)) for folder in top.walk() if len(folder.folders) > 1)
        level, names = next(((folder, names) for folder, names in found if len(names) == 2), (top, {}))
        train, test = (
            _around_classes(level.folders[names.get(kind, kind)])
            if names.get(kind, kind) in level.folders
            else Branch(f"{level.name}{kind}/")
            for kind in ("train", "val")
        )
        classes = class_folders(self.tree, train, self._notes)
        check_names(self.tree, classes)
        held = class_folders(self.tree, test, self._notes)
        check_same(self.tree, train, test, classes, held)
        return {"train": classes, "test": held}

    def _splits(self, folder: Branch) -> dict[str, str]:
        """``"train"`` and ``"val"`` to the names of these folders, as far as ``folder`` holds them."""
        found: dict[str, str] = {}
        kinds = split_kinds(folder.folders)
        for name in sorted(kinds, key=lambda name: name not in ("train", "val")):
            kind = kinds[name]
            if kind == "test" or (kind == "train" and not folder.folders[name].count):
                continue
            if kind in found and found[kind] != kind:
                raise DataError(
                    f'{self.tree.where(folder.name)}: "{escaped(found[kind])}" and "{escaped(name)}" mean the same '
                    f'split; keep one, or name it "{kind}"'
                )
            found.setdefault(kind, name)
        return found

    def layout(self) -> str:
        """See :class:`ImageSource`."""
        places = [
            self.tree.where(next(iter(self._found[split].values()))[0].rsplit("/", 2)[0]) for split in self._found
        ]
        return "; ".join(f"{split} from {place}" for split, place in zip(("train", "test"), places, strict=True))

    def notes(self) -> tuple[str, ...]:
        """See :class:`ImageSource`."""
        return tuple(self._notes) if self._found else ()


def _around_classes(folder: Branch) -> Branch:
    """The folder that holds the class folders: in ``folder``, or in the only folder in it, and so on."""
    while len(folder.inner) == 1 and not folder.images:
        (below,) = folder.inner.values()
        if not below.inner:
            break
        folder = below
    return folder


def _tree(root: str) -> Tree:
    path = Path(root).expanduser()
    if is_tar(path) and path.is_file():
        return FolderTree(unpacked(path), path)
    return open_tree(root)
