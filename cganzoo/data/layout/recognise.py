"""From a tree of files to a :class:`Layout`: the images of each split and class, and what was left out.

The rules stand in docs/data.md. What two rules would read differently is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from cganzoo._util.text import escaped, listed, shortened
from cganzoo.data.file_source import Splits
from cganzoo.data.tree import Tree
from cganzoo.errors import DataError

from .aside import masks_among, without_extras
from .branch import Branch, branches
from .buckets import check_buckets
from .folders import Classes, check_names, check_same, class_folders, counted, fork, hold_out, shown, swapped, twins
from .labels import FOLDERS, Labels
from .left_out import left_out
from .splits import UNLABELLED, is_word, split_kinds


@dataclass(frozen=True)
class Layout:
    """How a folder or an archive was read.

    Attributes:
        splits: the images of ``"train"`` and ``"test"``.
        levels: folders between the top and the set, outermost first.
        train: where the training images come from.
        test: where the test images come from.
        labels: where the classes come from.
        notes: what a user must know before training, one message each.
        left_out: what else was not used.
    """

    splits: Splits
    levels: tuple[str, ...] = ()
    train: str = ""
    test: str = ""
    labels: str = ""
    notes: tuple[str, ...] = ()
    left_out: str = ""

    def line(self) -> str:
        """The layout in one line."""
        parts = [f"train from {self.train}", f"test from {self.test}", f"classes from {self.labels}"]
        if self.levels:
            parts.append(f"{counted(len(self.levels), 'level')} down, in {'/'.join(map(escaped, self.levels))}/")
        return "; ".join([*parts, self.left_out or "nothing left out"])


def recognise(tree: Tree, fraction: float, labels: str | None = None, label_column: str | None = None) -> Layout:
    """Recognise how a tree is arranged.

    Args:
        fraction: of each class's images that is held out as the test split if there are no test images.
        labels: label file to use, relative to the top, or ``"folders"`` for none; ``None``: as the rules say.
        label_column: column of the labels in a label file.

    Raises:
        DataError: there are no classes, or more than one way to read them.
    """
    files = Labels(tree, labels, label_column)
    layout = _Reading(tree, fraction, files).layout()
    files.check_column()
    return layout


@dataclass
class _Reading:
    tree: Tree
    fraction: float
    files: Labels
    levels: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @cached_property
    def top(self) -> Branch:
        return branches(self.tree)

    def layout(self) -> Layout:
        branch = self.top
        if self.files.chosen is not None and self.files.chosen != FOLDERS:
            branch = self.files.branch_of_chosen(self.top)
            return self._of_rows(branch)
        while True:
            if self.files.here(branch):
                return self._of_rows(branch)
            kinds = split_kinds(branch.inner)
            if kinds and self._are_splits(branch, kinds):
                return self._of_splits(branch, kinds)
            branch = without_extras(self.tree, branch, self.notes)
            below = self._chain(branch)
            if below is None:
                break
            self.levels.append(below.last)
            branch = below
        if inside := swapped(self.tree, branch):
            return self._of_swapped(branch, inside)
        classes = self._class_folders(branch)
        return self._held_out(branch, classes, self._named(branch), "folders")

    # --- one folder -------------------------------------------------------------------------------------------------

    def _chain(self, branch: Branch, known: Mapping[str, object] | None = None) -> Branch | None:
        """The only folder with images in ``branch``, if it is a level around the set and not a class."""
        if len(branch.inner) != 1:
            return None
        ((name, folder),) = branch.inner.items()
        if known is not None and name in known:
            return None
        if not folder.images or self.files.here(folder):
            return folder
        forked = fork(folder)
        if forked is None:
            return None
        inside = folder.count - len(folder.images)
        if len(folder.images) >= inside:
            raise DataError(
                f"{self.tree.where(folder.name)}: holds {counted(len(folder.images), 'image')} and folders "
                f"({shown(folder.inner)}) with {inside:,}, so it is not certain whether it is one class; to have the "
                "folders as classes, move the images away; to have one class, move them out of the folders"
            )
        return folder

    def _class_folders(self, branch: Branch) -> Classes:
        try:
            classes = class_folders(self.tree, branch, self.notes)
            if self.files.chosen is None:
                check_buckets(self.tree, branch.name, classes, self.notes)
            self.notes += masks_among(self.tree, classes)
            return classes
        except DataError as error:
            if why := self.files.why_not or self.files.elsewhere(self.top):
                raise DataError(f"{error}; {why}") from error
            raise

    def _classes_in(self, branch: Branch, known: Mapping[str, object] | None = None) -> tuple[Classes, str]:
        """The classes of a split's folder, and where their names come from."""
        while not self.files.here(branch):
            branch = without_extras(self.tree, branch, self.notes)
            if (below := self._chain(branch, known)) is None:
                break
            branch = below
        if listing := self.files.here(branch):
            return self.files.classes(listing[0].rows, self.notes, branch), self.files.shown(listing)
        return self._class_folders(branch), "folders"

    def _named(self, branch: Branch) -> str:
        return f"{escaped(branch.name)}" or "the top folder"

    def _held_out(self, branch: Branch, classes: Classes, place: str, labels: str) -> Layout:
        place_and_labels = self.tree.where(branch.name) + (
            f", with labels from {labels}" if labels != "folders" else ""
        )
        splits = hold_out(classes, self.fraction, place_and_labels)
        return self._finished(splits, place, f"{self.fraction:g} of each class, held out", labels)

    def _finished(self, splits: Splits, train: str, test: str, labels: str) -> Layout:
        check_names(self.tree, splits["train"])
        rest = left_out(self.tree, self.top, splits, self.files.used)
        notes = [*self.notes, *self.files.notes, *rest.notes, *twins(list(splits["train"]))]
        why = self.files.why_not or self.files.elsewhere(self.top)
        if len(splits["train"]) == 1 and labels == "folders" and why and why not in notes:
            notes.append(why)
        if labels != "folders":
            notes.insert(0, f"the classes are read from {labels}")
        return Layout(splits, tuple(self.levels), train, test, labels, tuple(notes), rest.line)

    # --- splits -----------------------------------------------------------------------------------------------------

    def _are_splits(self, branch: Branch, kinds: Mapping[str, str]) -> bool:
        """Whether folders with names of splits are splits; ``False``: they are classes, such as a vehicle "train"."""
        others = [name for name in branch.inner if name not in kinds]
        flat = [name for name in kinds if not self._has_classes(branch.inner[name])]
        alike = all(branch.inner[name].images and name.casefold() not in UNLABELLED for name in others)
        if len(flat) == len(kinds) == 1 and others and alike and is_word(name := flat[0]):
            self.notes.append(f'the folder "{escaped(name)}" is read as a class, as it and {shown(others)} hold images')
            return False
        if "train" not in kinds.values():
            raise DataError(
                f"{self.tree.where(branch.name)}: holds {listed(map(_quoted, kinds), 'and')}, named as "
                f"{'a split' if len(kinds) == 1 else 'splits'}, but no train folder; name one with class folders as "
                'data.root to train on it, or rename it to "train"'
            )
        return True

    def _has_classes(self, folder: Branch) -> bool:
        return bool(folder.inner) or bool(self.files.here(folder))

    def _has_known(self, folder: Branch, classes: Mapping[str, object]) -> bool:
        """Whether a folder of test images holds classes: not if all images lie in one folder that is no class."""
        while not self.files.here(folder) and len(folder.inner) == 1:
            ((name, inside),) = folder.inner.items()
            if name in classes:
                return True
            folder = inside
        return self._has_classes(folder)

    def _of_splits(self, branch: Branch, kinds: Mapping[str, str]) -> Layout:
        (train, *more_train), tests, vals = (
            [name for name, of in kinds.items() if of == kind] for kind in ("train", "test", "val")
        )
        if more_train:
            raise DataError(
                f"{self.tree.where(branch.name)}: {listed(map(_quoted, [train, *more_train]), 'and')} both mean the "
                "train split; keep one, or name the folder of one set as data.root"
            )
        self._check_others(branch, kinds)
        classes, labels = self._classes_in(branch.inner[train])
        test = self._choose_test(branch, tests, vals, classes)
        place = self._named(branch.inner[train])
        if test is None:
            return self._held_out(branch.inner[train], classes, place, labels)
        held, _ = self._classes_in(branch.inner[test], classes)
        check_same(self.tree, branch.inner[train], branch.inner[test], classes, held)
        return self._finished({"train": classes, "test": held}, place, self._named(branch.inner[test]), labels)

    def _check_others(self, branch: Branch, kinds: Mapping[str, str]) -> None:
        others = [name for name in branch.inner if name not in kinds]
        unknown = [name for name in others if name.casefold() not in UNLABELLED]
        if unknown and len(set(kinds.values())) == 1:
            raise DataError(
                f"{self.tree.where(branch.name)}: holds {_quoted(*kinds)}, named as a split, and {shown(unknown)}, "
                'which is no known name of one; rename test images\' folder to "test", move other folders away, or, '
                "if these are classes, rename the first"
            )
        if others:
            count = sum(branch.inner[name].count for name in others)
            self.notes.append(f"left out, as no split: {shown(others)} ({counted(count, 'image')})")

    def _choose_test(
        self, branch: Branch, tests: list[str], vals: list[str], classes: Mapping[str, object]
    ) -> str | None:
        """The folder of the test images: ``test``, else ``val``; one without classes cannot be used."""
        chosen = None
        for names in (tests, vals):
            with_classes = [name for name in names if self._has_known(branch.inner[name], classes)]
            for name in names:
                count = counted(branch.inner[name].count, "image")
                if name not in with_classes:
                    self.notes.append(f"{self._named(branch.inner[name])} holds no classes and is left out ({count})")
                elif chosen is not None:
                    self.notes.append(
                        f"{self._named(branch.inner[name])} is left out ({count}), as {escaped(chosen)}/ holds the "
                        "test images"
                    )
            if chosen is None and len(with_classes) > 1:
                raise DataError(
                    f"{self.tree.where(branch.name)}: {listed(map(_quoted, with_classes), 'and')} mean the same split; "
                    "keep one"
                )
            if chosen is None and with_classes:
                chosen = with_classes[0]
        if chosen is None and (tests or vals):
            self.notes.append(f"the test images are {self.fraction:g} of each class of the train folder")
            if f"{branch.name}wnids.txt" in branch.files:
                self.notes.append(
                    'this is the layout of Tiny-ImageNet; set data.name = "tinyimagenet" to use its validation images '
                    "as the test images"
                )
        return chosen

    def _of_swapped(self, branch: Branch, inside: Mapping[str, Mapping[str, Branch]]) -> Layout:
        chosen = {kind: {name: folder.all_images() for name, folder in of.items()} for kind, of in inside.items()}
        self.notes.append("each class's folder holds splits, which are used")
        kind = "test" if "test" in chosen else "val"
        if "test" in chosen and "val" in chosen:
            count = sum(map(len, chosen["val"].values()))
            self.notes.append(f"the val images of each class are left out ({count:,}), as the test images are used")
        if kind not in chosen:
            return self._held_out(branch, chosen["train"], "each class's train folder", "folders")
        return self._finished(
            {"train": chosen["train"], "test": chosen[kind]},
            "each class's train folder",
            f"each class's {kind} folder",
            "folders",
        )

    # --- label files ------------------------------------------------------------------------------------------------

    def _of_rows(self, branch: Branch) -> Layout:
        """The layout that the label files in ``branch`` say."""
        listings = self.files.here(branch)
        labels = self.files.shown(listings)
        rows = self.files.by_split(listings, branch)
        classes = self.files.classes(rows.get("train", []), self.notes, branch, rows)
        if not classes:
            name, said = listings[0].name, listed(sorted(rows), "and")
            raise DataError(
                f"{self.tree.where(name)}: names no training image, but images of {said} by its name, a column or "
                f'folders; add training images, or, if only its name says so, set data.labels = "{escaped(name)}"'
            )
        chosen = next((kind for kind in ("test", "val") if rows.get(kind)), None)
        if chosen is None:
            return self._held_out(branch, classes, self._named(branch), labels)
        if chosen == "test" and rows.get("val"):
            self.notes.append(f"{len(rows['val']):,} val images are left out, as the test images are used")
        held = self.files.classes(rows[chosen], [], branch)
        if unknown := sorted(held.keys() - classes.keys()):
            label = escaped(shortened(unknown[0]))
            raise DataError(
                f'{self.tree.where(listings[-1].name)}: no training image has the label "{label}"; '
                f"add some, or remove the {chosen} images of this class"
            )
        train, test = (self.files.place(listings, kind) for kind in ("train", chosen))
        return self._finished({"train": classes, "test": held}, train, test, labels)


def _quoted(*names: str) -> str:
    return listed((f'"{escaped(name)}"' for name in names), "and")
