"""What other libraries see of a plugin's entry points: none of theirs, so that none of them loads it unasked.

Many libraries that a run needs look for plugins of their own when they are used (torch, pydantic, scikit-learn). They
read every distribution's ``entry_points.txt``, where one that cannot be read is an error in each of them, and import
what they find.
"""

from __future__ import annotations

from importlib import metadata

from .clashes import PROJECT

_read = metadata.Distribution.__dict__["entry_points"].fget


def read(distribution: metadata.Distribution) -> metadata.EntryPoints:
    """Its entry points; raises as many kinds of errors as there are ways to break the file."""
    found: metadata.EntryPoints = _read(distribution)
    return found


def confine() -> None:
    """From now on a plugin has no entry points but its own of the zoo, and a broken file none, in all of this process.

    For the ``cganzoo`` command, which owns its process, and before pydantic is imported, which looks for plugins at
    once. ``cganzoo plugins`` still tells whose file is broken.
    """
    metadata.Distribution.entry_points = property(_confined)  # type: ignore[assignment, method-assign]


def _confined(distribution: metadata.Distribution) -> metadata.EntryPoints:
    try:
        found = read(distribution)
        return found.select(group=PROJECT) or found
    except Exception:
        return metadata.EntryPoints(())
