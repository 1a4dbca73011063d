"""A tree's files by folder, which the rules of a layout look at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from cganzoo.data.file_source import is_image
from cganzoo.data.tree import Tree


@dataclass
class Branch:
    """One folder of a tree.

    Attributes:
        name: in the tree, with a slash at the end; ``""`` for the top.
        images: names in the tree of the images directly in this folder, sorted.
        files: names in the tree of the other files directly in this folder, sorted.
        folders: the folders directly in this one, by their own names, sorted.
        count: number of images in this folder and in all folders below it.
    """

    name: str
    images: list[str] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    folders: dict[str, Branch] = field(default_factory=dict)
    count: int = 0

    @property
    def inner(self) -> dict[str, Branch]:
        """The folders directly in this one that contain images, at any depth."""
        return {name: folder for name, folder in self.folders.items() if folder.count}

    @property
    def last(self) -> str:
        """The folder's own name."""
        return self.name.rstrip("/").rpartition("/")[2]

    def walk(self) -> Iterator[Branch]:
        """This folder and all below it, sorted; a folder comes before those in it."""
        yield self
        for folder in self.folders.values():
            yield from folder.walk()

    def all_images(self) -> list[str]:
        """Names of the images in this folder and below it, sorted."""
        return sorted(name for folder in self.walk() for name in folder.images)


def branches(tree: Tree) -> Branch:
    """The tree's top."""
    top = Branch("")
    known = {"": top}

    def folder_of(name: str) -> Branch:
        """The folder with this name, and the ones around it, made now if they are new."""
        if name not in known:
            above, _, last = name.rstrip("/").rpartition("/")
            known[name] = folder_of(f"{above}/" if above else "").folders.setdefault(last, Branch(name))
        return known[name]

    for name in sorted(tree.names):
        if name.endswith("/"):
            folder_of(name)
            continue
        folder = folder_of(name[: name.rfind("/") + 1])
        (folder.images if is_image(name) else folder.files).append(name)
    for folder in reversed(list(top.walk())):
        folder.folders = dict(sorted(folder.folders.items()))
        folder.count = len(folder.images) + sum(below.count for below in folder.folders.values())
    return top


def endings(names: list[str]) -> Counter[str]:
    """How often each ending occurs, in lower case; ``""`` for files without one."""
    lasts = (name.rpartition("/")[2] for name in names)
    return Counter(last[last.rfind(".") :].lower() if last.rfind(".") > 0 else "" for last in lasts)
