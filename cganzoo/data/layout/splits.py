"""Names of splits: ``train``, ``Test``, ``training_set``, ``images-val``, ``seg_train``."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping

KINDS = {
    "train": ("training", "train", "trn"),
    "val": ("validation", "valid", "val", "evaluation", "eval", "development", "dev"),
    "test": ("testing", "tests", "test", "tst", "holdout"),
}
"""The kind of a split to the words for it."""

UNLABELLED = frozenset(["pred", "predict", "prediction", "predictions", "unlabeled", "unlabelled", "unsup", "extra"])
"""Names of folders of images without classes."""

_WORDS = {word: kind for kind, words in KINDS.items() for word in words}
_WORD = "|".join(sorted(_WORDS, key=len, reverse=True))
# What a name may have in addition. No two alternatives match the same text, so matching takes linear time.
_MORE = (
    r"(?:\d|[\W_]|px|data|sets?|splits?|images?|imgs?|pictures?|pics?|photos?|jpe?gs?|pngs?|folders?|files?|labels?"
    r"|annotations?|metadata|solution|resized|cropped|small|full|final)*"
)
_NAME = re.compile(f"{_MORE}({_WORD}){_MORE}")
_GLUED = re.compile(f"()({_WORD})(.+)")
_PART = re.compile(rf"(.*?)(?<![^\W_])({_WORD})(?![^\W_])(.*)")


def split_kind(name: str) -> str | None:
    """``"train"``, ``"val"`` or ``"test"`` if a name says no more than this; ``None`` for any other name."""
    match = _NAME.fullmatch(name.casefold())
    return _WORDS[match[1]] if match else None


def is_word(name: str) -> bool:
    """Whether a name is just a word for a split, which may be the name of a class, too."""
    return name.casefold() in _WORDS


def split_kinds(names: Iterable[str]) -> dict[str, str]:
    """The kind of each name that is one of a split.

    Names with other words are splits if several differ in the split's word only: ``seg_train`` and ``seg_test``,
    ``trainA`` and ``testA``.
    """
    names = list(names)
    kinds = {name: kind for name in names if (kind := split_kind(name))}
    parts = {
        name: match for name in names if (match := _PART.fullmatch(low := name.casefold()) or _GLUED.fullmatch(low))
    }
    rests: dict[tuple[str, str], set[str]] = {}
    for match in parts.values():
        rests.setdefault((match[1], match[3]), set()).add(_WORDS[match[2]])
    for name, match in parts.items():
        if {"train", _WORDS[match[2]]} <= rests[match[1], match[3]] and len(rests[match[1], match[3]]) > 1:
            kinds.setdefault(name, _WORDS[match[2]])
    return {name: kinds[name] for name in names if name in kinds}


def twice(kinds: Mapping[str, str]) -> list[str]:
    """Names of which several mean the same split; empty if there are none."""
    count = Counter(kinds.values())
    return [name for name, kind in kinds.items() if count[kind] > 1]
