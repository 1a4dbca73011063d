"""Which plugins are installed, and which of them a recipe asks for: read from metadata alone, nothing is imported."""

from __future__ import annotations

import difflib
import importlib.util
import textwrap
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from packaging.markers import UndefinedComparison
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from cganzoo.errors import PluginError
from cganzoo.hookspecs import PROJECT

from . import entry_points


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
        problem: why its metadata keeps it from being imported; empty where nothing does.
        notes: what else is wrong with its metadata.
    """

    distribution: str
    version: str
    entry_point: str
    module: str
    location: str
    wants_host: str = ""
    problem: str = ""
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.distribution} {self.version}"


def installed() -> list[Provider]:
    """Every installed plugin, by distribution and entry point. Of two copies of a distribution, import's choice.

    Raises nothing for broken metadata: what is wrong with it is told by :attr:`Provider.problem`.
    """
    seen = {name: found for found in metadata.distributions() if (name := _plugin_name(found))}
    return [provider for name in sorted(seen) for provider in _providers(name, _first(name, seen[name]))]


def _first(name: str, seen: metadata.Distribution) -> metadata.Distribution:
    """The first copy of a distribution on sys.path, which may not be the one that was seen."""
    try:
        return metadata.distribution(name)
    except metadata.PackageNotFoundError:  # the name that its metadata gives is not that of their folder
        return seen


def _providers(name: str, distribution: metadata.Distribution) -> Iterator[Provider]:
    """One for each entry point; one without any where metadata cannot be read."""
    version, problem = _version(distribution)
    found: list[metadata.EntryPoint] = []
    try:
        found += entry_points.read(distribution).select(group=PROJECT)
    except Exception as error:  # as many kinds as there are ways to break a file
        problem = problem or f"its entry_points.txt cannot be read ({_line(error)}); install it anew"
    wants_host, notes = ("", ()) if problem else _wants_host(distribution)
    if problem and not found:
        found = [metadata.EntryPoint("", "", PROJECT)]
    for entry_point in sorted(found, key=lambda one: one.name):
        readable = not problem and metadata.EntryPoint.pattern.match(entry_point.value)
        yield Provider(
            distribution=name,
            version=version,
            entry_point=entry_point.name,
            module=entry_point.value,
            location=folder(entry_point.value) or str(distribution.locate_file("")),
            wants_host=wants_host,
            problem=problem
            or ("" if readable else f'its entry point {entry_point.name} = "{entry_point.value}" names no module'),
            notes=notes,
        )


def folder(module: str) -> str:
    """The folder that importing ``module`` would take code from, or nothing; imports nothing."""
    top_level = module.partition(":")[0].partition(".")[0].strip()
    try:
        spec = importlib.util.find_spec(top_level)
    except (ImportError, ValueError, AttributeError):  # the last: something odd in sys.modules
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
            if isinstance(requirement, Requirement)
            and requirement.marker
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
    found = {provider.distribution: provider for provider in providers}
    versions = {name: provider.version for name, provider in found.items()}
    names: set[str] = set()
    for text in requirements:
        requirement = _requirement(text, source)
        name = canonicalize_name(requirement.name)
        if name not in versions:
            raise PluginError(f'{source}: "{name}" {_missing(requirement, name, versions)}')
        if found[name].problem:
            raise PluginError(f"{found[name]}: {found[name].problem}")
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
    with suppress(metadata.PackageNotFoundError, KeyError, UnicodeDecodeError):
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
    if f"[{PROJECT}]" not in _text_of_entry_points(distribution):
        return None
    with suppress(Exception):
        if name := distribution.metadata["Name"]:
            return canonicalize_name(name)
    return canonicalize_name(_info_folder(distribution)[0])


def _text_of_entry_points(distribution: metadata.Distribution) -> str:
    try:
        return distribution.read_text("entry_points.txt") or ""
    except UnicodeDecodeError as error:
        return error.object.decode(errors="replace")
    except Exception:  # no file that anybody can read says that it is a plugin of ours
        return ""


def _version(distribution: metadata.Distribution) -> tuple[str, str]:
    """Its version, and what is wrong with the metadata that should give it."""
    assumed = _info_folder(distribution)[1]
    try:
        found = distribution.metadata
        name, version = (found[key] if key in found else None for key in ("Name", "Version"))  # noqa: SIM401
    except Exception as error:
        return assumed, f"its METADATA cannot be read ({_line(error)}); install it anew"
    if name is None:
        return assumed, "its METADATA is missing, as after an interrupted install or uninstall; install it anew"
    if version is None:
        return assumed, "its METADATA names no version; install it anew"
    try:
        Version(version)
    except InvalidVersion:
        return version, f'its version "{version}" is none that Python packages can have, such as "1.0"'
    return version, ""


def _info_folder(distribution: metadata.Distribution) -> tuple[str, str]:
    """Name and version by the name of the folder that holds the metadata, ``name-version.dist-info``."""
    # Private, but there is no other way to name a distribution whose metadata does not.
    stem = Path(str(getattr(distribution, "_path", "unknown"))).stem
    name, _, version = stem.partition("-")
    return name, version or "(no version)"


def _line(error: Exception) -> str:
    return textwrap.shorten(f"{type(error).__name__}: {error}", 100)


def _wants_host(distribution: metadata.Distribution) -> tuple[str, tuple[str, ...]]:
    """The plugin's own ``Requires-Dist: cganzoo``, which pip does not enforce later; and what cannot be read of it."""
    specifiers, notes = [], []
    for requirement in _parsed(distribution.requires or ()):
        if isinstance(requirement, str):
            notes.append(f'its METADATA requires "{requirement}", which cannot be read and is ignored')
        elif canonicalize_name(requirement.name) == PROJECT and requirement.specifier and _holds(requirement):
            specifiers.append(str(requirement.specifier))
    return ",".join(specifiers), tuple(notes)


def _holds(requirement: Requirement) -> bool:
    return requirement.marker is None or requirement.marker.evaluate({"extra": ""})


def _parsed(requirements: Iterable[str]) -> Iterator[Requirement | str]:
    """Each requirement, or its text where it cannot be read: another tool's business, and no reason to fail."""
    for text in requirements:
        try:
            requirement = Requirement(text)
            _holds(requirement)  # a marker may be well written and still have no value
        except (InvalidRequirement, UndefinedComparison):
            yield text
        else:
            yield requirement
