"""Entry points of a distribution whose file of them may be broken.

Many libraries that a run needs look for plugins of their own when they are used (torch, pydantic, scikit-learn), and
read every distribution's ``entry_points.txt``: one that cannot be read is an error in each of them.
"""

from __future__ import annotations

from importlib import metadata

_read = metadata.Distribution.__dict__["entry_points"].fget


def read(distribution: metadata.Distribution) -> metadata.EntryPoints:
    """Its entry points; raises as many kinds of errors as there are ways to break the file."""
    found: metadata.EntryPoints = _read(distribution)
    return found


def forgive() -> None:
    """From now on a file that cannot be read holds no entry points, in all of this process.

    For the ``cganzoo`` command, which owns its process; ``cganzoo plugins`` still tells which plugin's file it is.
    """
    metadata.Distribution.entry_points = property(_forgiving)  # type: ignore[assignment, method-assign]


def _forgiving(distribution: metadata.Distribution) -> metadata.EntryPoints:
    try:
        return read(distribution)
    except Exception:
        return metadata.EntryPoints(())
