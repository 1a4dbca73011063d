"""Caltech-UCSD Birds-200-2011 (Wah et al., 2011) from its official archive: 5,994 images to train on, 5,794 to test."""

from __future__ import annotations

from pathlib import Path

from cganzoo.config import ArchiveConfig
from cganzoo.data.archive import is_tar, unpacked
from cganzoo.data.file_source import FileSource, Splits
from cganzoo.data.tree import FolderTree, open_tree
from cganzoo.errors import DataError

FOLDER = "CUB_200_2011/"


class CUB200Source(FileSource):
    """The images that ``images.txt`` lists; the other tables give their classes and their split."""

    def __init__(self, config: ArchiveConfig) -> None:
        assert config.root is not None  # the host sets it before it builds the set
        root = Path(config.root).expanduser()
        super().__init__(FolderTree(unpacked(root), root) if is_tar(root) else open_tree(root))

    def find(self) -> Splits:
        """See :class:`FileSource`."""
        names = set(self.tree.names)
        top = next((top for top in ("", FOLDER) if f"{top}images.txt" in names), None)
        if top is None:
            raise DataError(
                f'data.root = "{self.tree.path}": holds no "images.txt"; name the official archive CUB_200_2011.tgz or '
                "the folder that it was unpacked to"
            )
        class_names = _without_numbers(self._table(f"{top}classes.txt"))
        images = self._table(f"{top}images.txt")
        classes = self._table(f"{top}image_class_labels.txt")
        in_training = self._table(f"{top}train_test_split.txt")
        train: dict[str, list[str]] = {name: [] for name in class_names.values()}
        test: dict[str, list[str]] = {name: [] for name in class_names.values()}
        for number, file in images.items():
            name = f"{top}images/{file}"
            if name not in names:
                raise DataError(f"{self.tree.where(name)}: is missing; images.txt lists it: get the set again")
            class_name = class_names.get(classes.get(number, ""))
            if class_name is None or in_training.get(number) not in ("0", "1"):
                table = "train_test_split.txt" if class_name else "image_class_labels.txt"
                raise DataError(
                    f"{self.tree.where(top + table)}: has no valid entry for image {number}; get the set again"
                )
            (train if in_training[number] == "1" else test)[class_name].append(name)
        return {"train": train, "test": test}

    def _table(self, name: str) -> dict[str, str]:
        """A table's lines: each number and its value."""
        rows = [line.split(maxsplit=1) for line in self.tree.lines(name)]
        if not rows or any(len(row) != 2 for row in rows):
            raise DataError(f"{self.tree.where(name)}: is not a table of numbers and values; get the set again")
        return {number: value.strip() for number, value in rows}


def _without_numbers(class_names: dict[str, str]) -> dict[str, str]:
    """``001.Black_footed_Albatross`` without the number, if the names then still differ."""
    bare = {number: name.partition(".")[2] or name for number, name in class_names.items()}
    return bare if len(set(bare.values())) == len(bare) else class_names
