"""Where a run's code came from: versions, and the commit of a checkout. No torch."""

from __future__ import annotations

import platform
import shlex
import subprocess
import sys
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path
from typing import Any

from ._version import __version__
from .plugins import Provider


def versions(providers: Iterable[Provider]) -> dict[str, Any]:
    """Versions of the host, of the distributions that a run uses, and of what they stand on."""
    return {
        "cganzoo": __version__,
        "commit": commit(Path(__file__).parent),
        "distributions": {
            provider.distribution: {"version": provider.version, "commit": commit(Path(provider.location))}
            for provider in providers
        },
        "torch": metadata.version("torch"),
        "python": platform.python_version(),
        "platform": platform.platform(),
    }


def commit(folder: Path) -> str | None:
    """The git commit that ``folder`` is at (``+`` if changed since), or ``None`` outside a checkout."""
    if "site-packages" in folder.parts:
        return None
    try:
        shown = subprocess.run(
            ["git", "-C", str(folder), "describe", "--always", "--exclude", "*", "--abbrev=12", "--dirty=+"],
            capture_output=True,
            text=True,
            timeout=10,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return shown.stdout.strip() or None if shown.returncode == 0 else None


def command() -> str:
    """The command line, for the manifest: quoted, so that it can be pasted back into a shell."""
    return shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])
