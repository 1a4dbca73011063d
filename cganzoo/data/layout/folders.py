"""Class folders: which folder is a class, and which arrangements are refused because the class is not certain."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from cganzoo._util.text import escaped, listed, shortened
from cganzoo.data.file_source import Splits
from cganzoo.data.tree import Tree
from cganzoo.errors import DataError

from .branch import Branch
from .formats import unread
from .splits import split_kind, twice

Classes = dict[str, list[str]]
"""Class to the names of its images, both sorted."""

PHOTOS = frozenset(str.split("image images img imgs jpg jpeg jpegs png pngs photo photos picture pictures pics data"))
"""Names of a class's only sub-folder that say nothing but that images are in it."""

MASKS = re.compile(
    r"(?:images?|imgs?|pngs?|ground|truth|gt|fine|coarse|binary|semantic|instance|class|object|color|\d|[\W_])*"
    r"(?:masks?|segmentations?|segs?|annotations?|labels?|trimaps?|groundtruths?|gts?|anns?|mattes?|depths?|edges?|thumbs?|thumbnails?)"
    r"(?:images?|imgs?|pngs?|class|object|ids?|raw|fine|coarse|\d|[\W_])*"
)
"""Names, in lower case, of folders whose images are not photographs of a class."""

LONGEST_CLASS = 200  # characters


def advice(tree: Tree, folder: str) -> str:
    """What to do about an uncertain set; ``folder`` may be the one that is meant."""
    name = folder.rstrip("/")
    root = (
        f'set data.root = "{tree.where(name)}"'
        if tree.path.is_dir()
        else f"unpack the archive and name its folder {escaped(name)} as data.root"
    )
    return f"arrange the set with one folder for each class, or, for example, {root}"


def class_folders(tree: Tree, branch: Branch, notes: list[str]) -> Classes:
    """The images of each folder in ``branch``; images in sub-folders of a class are the class's.

    ``notes`` receives what a user must know.

    Raises:
        DataError: there is no class, one has no image, or it is not certain which folders are the classes.
    """
    if not branch.count and (why := unread(branch)):
        raise DataError(f"{tree.where(branch.name)}: {why}")
    if not branch.folders:
        raise DataError(
            f"{tree.where(branch.name)}: holds no class; put the images of each class into a folder of its own"
        )
    for name, folder in branch.folders.items():
        if not folder.count:
            place = tree.where(branch.name + name)
            why = unread(folder) or "this class's folder holds no image; add some, or remove the folder"
            raise DataError(f"{place}: {why}")
    inside = branch.count - len(branch.images)
    if len(branch.images) > inside or (len(branch.images) == inside > 1):
        raise DataError(
            f"{tree.where(branch.name)}: holds {counted(len(branch.images), 'image')} next to its folders, and "
            f"{inside:,} in them ({shown(branch.folders)}), so the classes are not certain; move them into folders "
            "of classes, or out of this folder"
        )
    if branch.images:
        notes.append(
            f"{counted(len(branch.images), 'image')} next to the class folders "
            f"{'is' if len(branch.images) == 1 else 'are'} left out, such as {tree.where(branch.images[0])}"
        )
    chosen = _photos_only(branch, notes) or branch.folders
    _check_levels(tree, branch, chosen, notes)
    return {name: folder.all_images() for name, folder in chosen.items()}


def _photos_only(branch: Branch, notes: list[str]) -> dict[str, Branch] | None:
    """Each class's sub-folder of photographs, if all of them also have sub-folders of masks or the like."""
    chosen = {}
    masks: set[str] = set()
    for name, folder in branch.folders.items():
        photos = [inner for inner in folder.inner if inner.casefold() in PHOTOS]
        others = [inner for inner in folder.inner if MASKS.fullmatch(inner.casefold())]
        if folder.images or len(photos) != 1 or len(others) != len(folder.inner) - 1 or not others:
            return None
        chosen[name] = folder.inner[photos[0]]
        masks.update(others)
    notes.append(f"sub-folders that hold no photographs by their names are left out: {listed(sorted(masks), 'and')}")
    return chosen


def _check_levels(tree: Tree, branch: Branch, folders: Mapping[str, Branch], notes: list[str]) -> None:
    where = tree.where(branch.name)
    inner = {name: list(folder.inner) for name, folder in folders.items()}
    bare = [name for name, folder in folders.items() if not folder.images]
    forked = [name for name in bare if fork(folders[name])]
    chained = [name for name in bare if name not in forked and not _of_class(inner[name][0], name)]
    same = len(folders) > 1 and len({tuple(names) for names in inner.values()}) == 1
    (first, names), *_ = inner.items()
    if same and names and (len(names) > 1 or (len(bare) == len(folders) and names[0].casefold() not in PHOTOS)):
        raise DataError(
            f"{where}: its folders ({shown(folders)}) all hold the same folders ({shown(names)}), so it is not certain "
            f"which of the two are the classes; {advice(tree, branch.name + _likely(folders))}"
        )
    for name in folders:
        if kind := next((kind for inside in inner[name] if (kind := split_kind(inside))), None):
            raise DataError(
                f"{where}: the folder {escaped(name)} holds folders named as splits ({shown(inner[name])}, "
                f"{kind} among them), and not every folder here holds a train folder and only splits; "
                f"{advice(tree, branch.name + name)}"
            )
    if len(bare) == len(folders) and (forked or len(chained) == len(folders) > 1):
        raise DataError(
            f"{where}: its folders ({shown(folders)}) hold no images but more folders ({shown(inner[first])}), so it "
            f"is not certain which of them are the classes; {advice(tree, branch.name + (forked or chained)[0])}"
        )
    for name in folders:
        if twins := [inside for inside in inner[name] if inside in folders and inside != name]:
            raise DataError(
                f'{tree.where(f"{branch.name}{name}/{twins[0]}")}: the class "{escaped(twins[0])}" is also a folder '
                f"of its own in {where}, so the set may be there twice; remove one"
            )
    if forked:
        others = [name for name in folders if name not in forked]
        raise DataError(
            f"{where}: the folder {escaped(forked[0])} holds no images but folders ({shown(inner[forked[0]])}), and "
            f"{shown(others)} {'holds' if len(others) == 1 else 'hold'} images, so it is not certain which of them are "
            f"the classes; move other folders away, or {advice(tree, branch.name + forked[0])}"
        )
    if chained:
        more = f"; {len(chained) - 1:,} more are alike" if chained[1:] else ""
        notes.append(
            f'the class "{escaped(chained[0])}" has no images of its own, only those of its sub-folder '
            f"{shown(inner[chained[0]])}{more}"
        )


def _of_class(inner: str, name: str) -> bool:
    """Whether a class's only folder has a name that says so: ``images``, or the class's own."""
    inner, name = inner.casefold(), name.casefold()
    return inner in PHOTOS or name in inner or inner in name


def _likely(names: Iterable[str]) -> str:
    """The first name that is not one of masks."""
    names = list(names)
    return next((name for name in names if not MASKS.fullmatch(name.casefold())), names[0])


def swapped(tree: Tree, branch: Branch) -> dict[str, dict[str, Branch]] | None:
    """Splits inside classes (``cat/train``, ``cat/test``, ``dog/train``, ...): each split's folders by class."""
    found: dict[str, dict[str, Branch]] = {}
    for name, folder in branch.inner.items():
        kinds = {inside: kind for inside in folder.inner if (kind := split_kind(inside))}
        if folder.images or len(kinds) != len(folder.inner) or "train" not in kinds.values():
            return None
        if both := twice(kinds):
            raise DataError(
                f"{tree.where(folder.name)}: {listed(map(escaped, both), 'and')} mean the same split; keep one"
            )
        for inside, kind in kinds.items():
            found.setdefault(kind, {})[name] = folder.inner[inside]
    for name, folder in branch.inner.items():
        for inside, deep in folder.inner.items():
            if any(below.casefold() not in PHOTOS or below_it.inner for below, below_it in deep.inner.items()):
                raise DataError(
                    f"{tree.where(branch.name)}: its folders ({shown(branch.inner)}) each hold splits with folders of "
                    f"images ({shown(deep.inner)} in {escaped(f'{name}/{inside}')}), so they are sets of their own and "
                    f"no classes; {advice(tree, branch.name + _likely(branch.inner))}"
                )
    return found or None


def fork(folder: Branch) -> Branch | None:
    """The first folder along a chain of single folders that holds several; ``None`` if the chain just ends."""
    while len(folder.inner) == 1:
        (folder,) = folder.inner.values()
    return folder if folder.inner else None


def check_same(tree: Tree, train: Branch, test: Branch, classes: Classes, held: Classes) -> None:
    """Refuse a class of the test split that the training split does not have."""
    if unknown := sorted(held.keys() - classes.keys()):
        raise DataError(
            f'{tree.where(test.name)}: class "{escaped(unknown[0])}" is not in {tree.where(train.name)}; add training '
            "images of it there, or move this class away"
        )


def check_names(tree: Tree, names: Mapping[str, Sequence[str]]) -> None:
    """Refuse names of classes that files, reports and terminals cannot show, or that are too long."""
    for name, files in names.items():
        if len(name) > LONGEST_CLASS:
            raise DataError(
                f'{tree.where(files[0] if files else "")}: the class\'s name "{escaped(shortened(name, 80))}" has '
                f"{len(name):,} characters; names of classes have at most {LONGEST_CLASS}, so shorten it"
            )
        if any(unicodedata.category(character) in ("Cc", "Cs") for character in name):
            example = tree.where(files[0]) if files else tree.where(name)
            raise DataError(
                f'{example}: the class\'s name "{escaped(shortened(name, 80))}" is not UTF-8, or has control '
                "characters; rename the class"
            )


def twins(names: Sequence[str]) -> list[str]:
    """A note if names of classes differ in case, blanks or the form of accents only."""
    seen: dict[str, str] = {}
    pairs = [(first, name) for name in names if (first := seen.setdefault(_plain(name), name)) != name]
    if not pairs:
        return []
    first, second = pairs[0]
    more = f", and {len(pairs) - 1:,} more pairs" if pairs[1:] else ""
    return [
        f'the classes "{escaped(first)}" and "{escaped(second)}"{more} differ in case, blanks or the form of accents '
        "only; if they are one class, give it one name"
    ]


def _plain(name: str) -> str:
    return " ".join(unicodedata.normalize("NFC", name).casefold().split())


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


def shown(names: Sequence[str] | Mapping[str, object]) -> str:
    """The first few names, for a message."""
    words = [escaped(shortened(name)) for name in names]
    return ", ".join(words) if len(words) <= 4 else f"{', '.join(words[:3])} and {len(words) - 3:,} more"


def counted(count: int, what: str) -> str:
    """``1 image``, ``1,200 images``."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"
