"""The origin of a run's code: versions, git commits, and hashes of the source. Imports no torch."""

from __future__ import annotations

import hashlib
import platform
import shlex
import subprocess
import sys
from collections.abc import Iterable
from functools import cache
from importlib import metadata
from pathlib import Path

from cganzoo._version import __version__
from cganzoo.hookspecs import PROJECT
from cganzoo.registry import Provider

from .manifest import Distribution, Versions

HOST = Path(__file__).parents[1]
"""The folder of the package ``cganzoo``."""

NOT_IN_A_RUN = frozenset({"__main__.py", "cli", "compare", "console", "recipes", "templates", "testing"})
"""Folders and files of the host that change no number of a run; the hash of its code leaves them out."""


def versions(providers: Iterable[Provider]) -> Versions:
    """Versions of the host, of the distributions that a run uses, and of what they are built on."""
    return Versions(
        cganzoo=__version__,
        commit=commit(HOST),
        distributions={
            provider.distribution: Distribution(version=provider.version, commit=commit(Path(provider.location)))
            for provider in providers
        },
        torch=metadata.version("torch"),
        python=platform.python_version(),
        platform=platform.platform(),
    )


def code(providers: Iterable[Provider]) -> dict[str, str]:
    """A hash of the source of the host and of each distribution that a run uses.

    Two runs of one recipe are replicas only if these hashes are equal: an editable install can change its code without
    changing its version.
    """
    found = {PROJECT: _source_digest(HOST, NOT_IN_A_RUN)}
    for provider in providers:
        if provider.distribution != PROJECT:
            folder = Path(provider.location)
            # A plugin that is a single module shares its folder with others, so its version is used.
            is_package = (folder / "__init__.py").is_file()
            found[provider.distribution] = _source_digest(folder) if is_package else f"version {provider.version}"
    return found


@cache  # a comparison trains for hours: the imported source counts, not later edits
def _source_digest(package: Path, left_out: frozenset[str] = frozenset()) -> str:
    source = hashlib.sha256()
    for file in sorted(package.rglob("*.py")):
        name = file.relative_to(package)
        if name.parts[0] not in left_out:
            source.update(f"{name.as_posix()}\0".encode())
            source.update(file.read_bytes().replace(b"\r\n", b"\n") + b"\0")
    return source.hexdigest()[:16]


def commit(folder: Path) -> str | None:
    """The git commit of ``folder``, with ``+`` if files have changed since; ``None`` outside a checkout."""
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
    """The command line for the manifest, quoted so that it can be pasted into a shell."""
    return shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])
