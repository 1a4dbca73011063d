"""Tiny-ImageNet: 200 of ImageNet's classes at 64x64 pixels (Stanford CS231n)."""

from __future__ import annotations

from collections import Counter
from functools import cached_property
from pathlib import Path

from cganzoo.data.file_source import FileSource, Splits, is_image
from cganzoo.data.tree import open_tree
from cganzoo.errors import DataError

from .specs import TinyImageNetConfig

FOLDER = "tiny-imagenet-200"
ANNOTATIONS = "val/val_annotations.txt"
FLAT = "images"  # the folder in "val" that is no class's


class TinyImageNetSource(FileSource):
    """The official archive, the folder it unpacks to, or one of the same layout with fewer classes or images.

    - ``wnids.txt``: the classes' WordNet ids; a label is an id's position in sorted order.
    - ``words.txt``: an id, a tab, its synonyms. The first one is the class's name, unless two classes share it.
    - ``train/<id>/images/*.JPEG``.
    - ``val/images/*.JPEG`` with ``val/val_annotations.txt``: file, id and box, separated by tabs. They are the test
      split, because the images in ``test`` have no labels. They may also be in ``val/<id>``, where scripts move or copy
      them; an image that is in both places is used once.
    """

    def __init__(self, config: TinyImageNetConfig) -> None:
        assert config.root is not None  # the host sets it before it builds the set
        root = Path(config.root).expanduser()
        if (root / FOLDER).is_dir():
            root /= FOLDER
        super().__init__(open_tree(root), drop_gray=config.grayscale == "drop")

    def find(self) -> Splits:
        """See :class:`FileSource`."""
        ids = sorted({line.strip() for line in self.tree.lines(f"{self._top}wnids.txt")})
        names = self._class_names(ids)
        splits = {"train": self._train(ids), "test": self._test(ids)}
        return {split: {names[class_id]: files[class_id] for class_id in ids} for split, files in splits.items()}

    @cached_property
    def _top(self) -> str:
        """The folder in the tree that contains the set; archives have one."""
        for name in self.tree.names:
            top, _, file = name.rpartition("/")
            if file == "wnids.txt" and "/" not in top:
                return f"{top}/" if top else ""
        raise DataError(
            f'{self.tree.path}: holds no "wnids.txt"; name the official archive {FOLDER}.zip or the folder that it '
            'was unpacked to, or, for images in class folders, set data.name = "folder"'
        )

    def _images(self, folder: str) -> dict[str, list[str]]:
        """Each sub-folder of ``folder`` with the sorted names of the images in it."""
        folder = self._top + folder
        images: dict[str, list[str]] = {}
        for name in sorted(self.tree.names):
            if name.startswith(folder) and is_image(name):
                images.setdefault(name[len(folder) :].partition("/")[0], []).append(name)
        return images

    def _train(self, ids: list[str]) -> dict[str, list[str]]:
        images = self._images("train/")
        for class_id in ids:
            if class_id not in images:
                place = self.tree.where(f"{self._top}train/{class_id}")
                raise DataError(f"{place}: this class, which wnids.txt lists, has no image; get the set again")
        return images

    def _test(self, ids: list[str]) -> dict[str, list[str]]:
        images = self._images("val/")
        if not images:
            raise DataError(f"{self.tree.where(self._top + 'val')}: holds no image; get the set again")
        classes: dict[str, list[str]] = {class_id: [] for class_id in ids}
        in_folders: dict[str, str] = {}  # file to the id that its class folder says
        for folder, names in images.items():
            for name in names if folder != FLAT else ():
                self._add(classes, folder, name)
                file = name.rpartition("/")[2]
                if in_folders.setdefault(file, folder) != folder:
                    raise DataError(
                        f"{self.tree.where(name)}: is also in the folder of class {in_folders[file]}; remove one of "
                        "the two"
                    )
        flat = {name.rpartition("/")[2]: name for name in images.get(FLAT, ())}
        needed = not flat.keys() <= in_folders.keys()
        labels = self._annotations() if needed or self._top + ANNOTATIONS in self.tree.names else {}
        for file, name in flat.items():
            if file not in in_folders:
                self._add(classes, labels.get(file, ""), name)
        for file, class_id in labels.items():
            place = self.tree.where(f"{self._top}val/{FLAT}/{file}")
            if in_folders.get(file, class_id) != class_id:
                raise DataError(
                    f"{self.tree.where(f'{self._top}val/{in_folders[file]}')}: holds {file}, and {ANNOTATIONS} says "
                    f"that its class is {class_id}; get the set again"
                )
            if file not in in_folders and file not in flat:
                raise DataError(f"{place}: is missing; {ANNOTATIONS} lists it: get the set again")
        return {class_id: sorted(names) for class_id, names in classes.items()}

    def _add(self, classes: dict[str, list[str]], class_id: str, name: str) -> None:
        if class_id not in classes:
            raise DataError(f"{self.tree.where(name)}: no file of the set names its class; download the set again")
        classes[class_id].append(name)

    def _annotations(self) -> dict[str, str]:
        """File to WordNet id, as the annotation file says."""
        return {file.strip(): rest.partition("\t")[0].strip() for file, _, rest in self._rows(ANNOTATIONS)}

    def _class_names(self, ids: list[str]) -> dict[str, str]:
        """WordNet id to the class's name."""
        words = {class_id.strip(): words for class_id, _, words in self._rows("words.txt")}
        first = {class_id: words.get(class_id, class_id).partition(",")[0].strip() for class_id in ids}
        count = Counter(first.values())
        return {class_id: name if count[name] == 1 else class_id for class_id, name in first.items()}

    def _rows(self, file: str) -> list[tuple[str, str, str]]:
        return [line.partition("\t") for line in self.tree.lines(self._top + file)]
