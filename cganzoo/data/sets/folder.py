"""A folder of images with one sub-folder a class, as it is or in a zip archive."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from cganzoo.data.file_source import FileSource, Splits, is_image
from cganzoo.data.tree import Tree, open_tree
from cganzoo.errors import DataError

from .config import FolderConfig

TEST_FOLDERS = ("test", "val", "valid", "validation")


class FolderSource(FileSource):
    """Images below ``root/<class>/``, or below ``root/train/<class>/`` and ``root/test/<class>/``.

    The root is a folder or a zip archive; where all classes lie in one folder there, that is looked into. A class's
    folder may hold folders of its own. Files without an image format's ending, and hidden ones, are left alone.
    Without a test folder, a seeded share of each class is held out.

    Raises:
        DataError: no such folder or archive. Once files are listed: no class, a class without an image, or no image
            left to test on.
    """

    def __init__(self, config: FolderConfig) -> None:
        tree = open_root(config.root, "a folder of images for each class")
        super().__init__(
            tree,
            settings=(config.test_fraction,),
            unreadable=config.unreadable,
            drop_gray=config.grayscale == "drop",
        )
        self._test_fraction = config.test_fraction

    def find(self) -> Splits:
        """See :class:`FileSource`."""
        top = _top(self.tree)
        below = (name[len(top) :].partition("/") for name in self.tree.names if name.startswith(top))
        inside = {folder for folder, slash, _ in below if slash}  # a file of such a name is none
        test = next((name for name in TEST_FOLDERS if name in inside), None)
        if "train" in inside and test:
            return split_folders(self.tree, f"{top}train/", f"{top}{test}/")
        classes = classes_below(self.tree, f"{top}train/" if "train" in inside else top)
        return hold_out(classes, self._test_fraction, self.tree.where(top))


def open_root(root: str, holding: str) -> Tree:
    """The tree that ``data.root`` names.

    Raises:
        DataError: there is none; name one that is ``holding``.
    """
    if not Path(root).expanduser().exists():
        raise DataError(f'data.root = "{root}": no such folder or zip archive; name one that holds {holding}')
    return open_tree(root)


def _top(tree: Tree) -> str:
    """The folder that holds the set: the tree's own top, or the only folder in it if that looks like a set's."""
    folders = {name.partition("/")[0] for name in tree.names if "/" in name}
    if len(folders) != 1 or "train" in folders:
        return ""
    top = f"{folders.pop()}/"
    inside = {name[len(top) :].partition("/")[:2] for name in tree.names if name.startswith(top)}
    below = {name for name, slash in inside if slash}
    holds_images = any(is_image(name) for name, slash in inside if not slash)
    return top if not holds_images and (len(below) > 1 or "train" in below) else ""


def split_folders(tree: Tree, train: str, test: str) -> Splits:
    """A folder of classes to train on, and one with some or all of them to test on.

    Raises:
        DataError: as :func:`classes_below`, or a class to test on is not among the others.
    """
    splits = {"train": classes_below(tree, train), "test": classes_below(tree, test)}
    strangers = sorted(splits["test"].keys() - splits["train"].keys())
    if strangers:
        raise DataError(f'{tree.where(test)}: class "{strangers[0]}" is not in {tree.where(train)}')
    return splits


def classes_below(tree: Tree, folder: str) -> dict[str, list[str]]:
    """Class name to its image files, both sorted, so that labels do not depend on the file system.

    Args:
        tree: where they are.
        folder: that holds the classes' folders: ``""`` for the top, else with a slash at the end.

    Raises:
        DataError: there is no class, or one without an image.
    """
    classes: dict[str, list[str]] = {}
    for name in tree.names:
        if name.startswith(folder):
            class_name, slash, file = name[len(folder) :].partition("/")
            if slash:
                files = classes.setdefault(class_name, [])
                if is_image(file):
                    files.append(name)
    place = tree.where(folder)
    if not classes:
        raise DataError(f"{place}: holds no class; put the images of each class into a folder of its own")
    for class_name, files in classes.items():
        if not files:
            place = tree.where(folder + class_name)
            raise DataError(f"{place}: this class's folder holds no image; add some, or remove the folder")
        files.sort()
    return dict(sorted(classes.items()))


def hold_out(classes: Mapping[str, Sequence[str]], fraction: float, place: str) -> Splits:
    """Split each class by a fixed shuffle; a class of one image keeps it for training.

    Raises:
        DataError: there is only one of each.
    """
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
