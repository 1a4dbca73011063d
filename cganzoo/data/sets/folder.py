"""Images with one folder for each class: a user's own, as a folder or a zip archive, and ImageNet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from cganzoo.data.file_source import FileSource, Splits, is_image
from cganzoo.data.tree import Tree, open_tree
from cganzoo.errors import DataError

from .specs import FolderConfig, ImageNetConfig

TEST_FOLDERS = ("test", "val", "valid", "validation")


class FolderSource(FileSource):
    """Images below ``root/<class>/``, or below ``root/train/<class>/`` and ``root/test/<class>/``.

    The root is a folder or a zip archive. If its only content is one folder that contains the classes, this folder
    is used instead. A class's folder may have sub-folders. Hidden files, and files without the ending of an image
    format, are ignored. Without a test folder, a random part of each class, with a fixed seed, is held out.
    """

    def __init__(self, config: FolderConfig) -> None:
        super().__init__(
            open_tree(config.root),
            settings=(config.test_fraction,),
            unreadable=config.unreadable,
            drop_gray=config.grayscale == "drop",
        )
        self._test_fraction = config.test_fraction

    def find(self) -> Splits:
        """See :class:`FileSource`."""
        top = _top(self.tree)
        below = (name[len(top) :].partition("/") for name in self.tree.names if name.startswith(top))
        inside = {folder for folder, slash, _ in below if slash}  # folders, not files
        test = next((name for name in TEST_FOLDERS if name in inside), None)
        if "train" in inside and test:
            return split_folders(self.tree, f"{top}train/", f"{top}{test}/")
        classes = classes_below(self.tree, f"{top}train/" if "train" in inside else top)
        return hold_out(classes, self._test_fraction, self.tree.where(top))


class ImageNetSource(FileSource):
    """ImageNet-1k (ILSVRC 2012), or any part of it: ``train/<WordNet id>/*.JPEG`` and ``val/<WordNet id>/*.JPEG``.

    The classes' names are the WordNet ids; labels follow their sorted order.
    """

    def __init__(self, config: ImageNetConfig) -> None:
        super().__init__(open_tree(config.root), unreadable=config.unreadable)

    def find(self) -> Splits:
        """See :class:`FileSource`."""
        return split_folders(self.tree, "train/", "val/")


def _top(tree: Tree) -> str:
    """The folder that holds the set: the tree's top, or the only folder in it if that contains several classes."""
    folders = {name.partition("/")[0] for name in tree.names if "/" in name}
    if len(folders) != 1 or "train" in folders:
        return ""
    top = f"{folders.pop()}/"
    inside = {name[len(top) :].partition("/")[:2] for name in tree.names if name.startswith(top)}
    below = {name for name, slash in inside if slash}
    holds_images = any(is_image(name) for name, slash in inside if not slash)
    return top if not holds_images and (len(below) > 1 or "train" in below) else ""


def split_folders(tree: Tree, train: str, test: str) -> Splits:
    """The training and the test split, each a folder with one folder for each class."""
    splits = {"train": classes_below(tree, train), "test": classes_below(tree, test)}
    unknown = sorted(splits["test"].keys() - splits["train"].keys())
    if unknown:
        raise DataError(f'{tree.where(test)}: class "{unknown[0]}" is not in {tree.where(train)}')
    return splits


def classes_below(tree: Tree, folder: str) -> dict[str, list[str]]:
    """Each class's name and image files, both sorted, so that labels do not depend on the file system.

    ``folder`` is ``""`` for the tree's top; other names have a slash at the end.
    """
    classes: dict[str, list[str]] = {}
    for name in tree.names:
        if name.startswith(folder):
            class_name, slash, file = name[len(folder) :].partition("/")
            if slash:
                files = classes.setdefault(class_name, [])
                if is_image(file):
                    files.append(name)
    if not classes:
        raise DataError(f"{tree.where(folder)}: holds no class; put the images of each class into a folder of its own")
    for class_name, files in classes.items():
        if not files:
            place = tree.where(folder + class_name)
            raise DataError(f"{place}: this class's folder holds no image; add some, or remove the folder")
        files.sort()
    return dict(sorted(classes.items()))


def hold_out(classes: Mapping[str, Sequence[str]], fraction: float, place: str) -> Splits:
    """Split each class by a fixed shuffle; the only image of a class is a training image."""
    random = np.random.default_rng(0)
    train, test = {}, {}
    for name, files in classes.items():
        order = random.permutation(len(files))
        held = min(len(files) - 1, max(1, round(fraction * len(files)))) if len(files) > 1 else 0
        test[name] = [files[i] for i in sorted(order[:held])]
        train[name] = [files[i] for i in sorted(order[held:])]
    if not any(test.values()):
        raise DataError(
            f"{place}: each class holds one image, so none can be held out to test on; add some, "
            'or put images into "train" and "test" folders'
        )
    return {"train": train, "test": test}
