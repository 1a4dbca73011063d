"""Scores of real images, computed once for each metric and protocol."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from cganzoo._util.files import write_whole


class RowStore:
    """Scores by what they depend on: in memory, and in a folder where one is given.

    Args:
        folder: a small JSON file a row. One that cannot be read or written only costs time.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._known: dict[str, dict[str, float | None]] = {}

    def get(self, key: Mapping[str, Any]) -> dict[str, float | None] | None:
        """The scores kept under ``key``, if any are."""
        name = _name(key)
        if name not in self._known and self._folder is not None:
            with suppress(OSError, ValueError, KeyError):
                kept = json.loads((self._folder / f"{name}.json").read_text(encoding="utf-8"))
                if kept["of"] == key:
                    self._known[name] = kept["scores"]
        return self._known.get(name)

    def put(self, key: Mapping[str, Any], scores: dict[str, float | None]) -> None:
        """Keep ``scores`` under ``key``; both are JSON values."""
        name = _name(key)
        self._known[name] = scores
        if self._folder is not None:
            with suppress(OSError):
                self._folder.mkdir(parents=True, exist_ok=True)
                text = json.dumps({"of": key, "scores": scores}, indent=1, allow_nan=False)
                write_whole(self._folder / f"{name}.json", text)


def _name(key: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:16]
