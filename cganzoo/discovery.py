"""Which plugins are installed, and which of them a recipe asks for: read from metadata alone, nothing is imported."""

from __future__ import annotations

import difflib
import importlib.util
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from .errors import PluginError
from .hookspecs import PROJECT


@dataclass(frozen=True, kw_only=True)
class Provider:
    """Where components come from: one entry point of one installed distribution.

    Attributes:
        distribution: name of the distribution, normalised (PEP 503).
        version: its version.
        entry_point: the entry point's name in the group ``cganzoo``.
        module: what the entry point names: a module, or ``module:object``.
        location: folder the code comes from; of an editable install, the source.
        wants_host: versions of the host that its metadata asks for, such as ``<0.2,>=0.1``; empty for any.
    """

    distribution: str
    version: str
    entry_point: str
    module: str
    location: str
    wants_host: str = ""

    def __str__(self) -> str:
        return f"{self.distribution} {self.version}"


def installed() -> list[Provider]:
    """Every installed plugin, by distribution and entry point. Of two copies of a distribution, import's choice."""
    names = {name for found in metadata.distributions() if (name := _plugin_name(found))}
    return [
        Provider(
            distribution=name,
            version=distribution.version,
            entry_point=entry_point.name,
            module=entry_point.value,
            location=folder(entry_point.value) or str(distribution.locate_file("")),
            wants_host=_wants_host(distribution),
        )
        for name in sorted(names)
        # Looked up again by name: the first copy on sys.path, which may not be the one that was seen above.
        for distribution in [metadata.distribution(name)]
        for entry_point in sorted(distribution.entry_points.select(group=PROJECT), key=lambda found: found.name)
    ]


def folder(module: str) -> str:
    """The folder that importing ``module`` would take code from, or nothing; imports nothing."""
    top_level = module.partition(":")[0].partition(".")[0].strip()
    try:
        spec = importlib.util.find_spec(top_level)
    except (ImportError, ValueError):
        return ""
    if spec is None:
        return ""
    if spec.submodule_search_locations:
        return next(iter(spec.submodule_search_locations))
    return str(Path(spec.origin).parent) if spec.origin else ""


def zoo() -> set[str]:
    """Distributions of the host's own ``zoo`` extra: the only ones that a message tells the user to install."""
    with suppress(metadata.PackageNotFoundError):
        return {
            canonicalize_name(requirement.name)
            for requirement in _parsed(metadata.requires(PROJECT) or ())
            if requirement.marker
            and requirement.marker.evaluate({"extra": "zoo"})
            and not requirement.marker.evaluate({"extra": ""})
        }
    return set()


def select(requirements: Iterable[str], providers: Iterable[Provider], source: str) -> set[str]:
    """Normalised names of the distributions that ``requirements`` ask for, each found installed in a fitting version.

    Args:
        requirements: names, or names with versions, such as ``"cganzoo-x>=0.1"``.
        providers: the installed plugins.
        source: what a message calls the place where the requirements are written.

    Raises:
        PluginError: a requirement cannot be read or is not met.
    """
    versions = {provider.distribution: provider.version for provider in providers}
    names: set[str] = set()
    for text in requirements:
        requirement = _requirement(text, source)
        name = canonicalize_name(requirement.name)
        if name not in versions:
            raise PluginError(f'{source}: "{name}" {_missing(requirement, name, versions)}')
        if not requirement.specifier.contains(versions[name], prereleases=True):
            raise PluginError(
                f'{source}: wants "{requirement}", but {name} {versions[name]} is installed; '
                "install a version that fits or change the requirement"
            )
        names.add(name)
    return names


def _requirement(text: str, source: str) -> Requirement:
    with suppress(InvalidRequirement):
        requirement = Requirement(text)
        if not (requirement.url or requirement.marker or requirement.extras):
            return requirement
    raise PluginError(
        f'{source}: "{text}" does not name a distribution; write it like "{PROJECT}-x" or "{PROJECT}-x>=0.1"'
    )


def _missing(requirement: Requirement, name: str, versions: Iterable[str]) -> str:
    """What is wrong with a requirement that no installed plugin answers to, and what to do."""
    with suppress(metadata.PackageNotFoundError):
        return f"is installed ({metadata.version(name)}) but is no plugin of {PROJECT}; take it out"
    first_party = zoo()
    if name in first_party:
        return f'is not installed: pip install "{requirement}"'
    near = difflib.get_close_matches(name, {*versions, *first_party}, n=1)
    if near:
        return f'is not installed; did you mean "{near[0]}"?'
    return "is not installed; install it or take it out"


def _plugin_name(distribution: metadata.Distribution) -> str | None:
    """Normalised name of a distribution that has plugins, read without parsing the metadata of all the others."""
    if f"[{PROJECT}]" not in (distribution.read_text("entry_points.txt") or ""):
        return None
    # What a half-finished uninstall leaves behind has no name: it is no distribution.
    return canonicalize_name(distribution.metadata["Name"]) if "Name" in distribution.metadata else None


def _wants_host(distribution: metadata.Distribution) -> str:
    """The plugin's own ``Requires-Dist: cganzoo``: pip does not enforce it once things are installed."""
    return ",".join(
        str(requirement.specifier)
        for requirement in _parsed(distribution.requires or ())
        if canonicalize_name(requirement.name) == PROJECT
        and requirement.specifier
        and (requirement.marker is None or requirement.marker.evaluate({"extra": ""}))
    )


def _parsed(requirements: Iterable[str]) -> Iterator[Requirement]:
    for text in requirements:
        with suppress(InvalidRequirement):  # another tool's business, and no reason to fail
            yield Requirement(text)
