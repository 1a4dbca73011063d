"""Which plugins are installed, and which of them a recipe requires: read from metadata, without importing them."""

from __future__ import annotations

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

from cganzoo._util.install import install_command
from cganzoo._util.text import did_you_mean, one_line
from cganzoo.errors import PluginError

PROJECT = "cganzoo"  # as in cganzoo.hookspecs, which imports pydantic

_read_entry_points = vars(metadata.Distribution)["entry_points"].fget


@dataclass(frozen=True, kw_only=True)
class Provider:
    """Where components come from: one entry point of one installed distribution.

    Attributes:
        distribution: its normalised name (PEP 503).
        entry_point: name of the entry point in the group ``cganzoo``.
        module: value of the entry point: a module, or ``module:object``.
        location: folder of the code; for an editable install, the source folder.
        wants_host: versions of the host that its metadata requires, such as ``<0.2,>=0.1``; empty for any.
        problem: an error in its metadata, because of which it is not imported; empty if there is none.
        notes: smaller errors in its metadata.
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
    """Every installed plugin, by distribution and entry point. Of two copies of a distribution, the first counts.

    Broken metadata raises nothing: :attr:`Provider.problem` describes it.
    """
    providers: list[Provider] = []
    for name, found in sorted({_plugin_name(found): found for found in metadata.distributions()}.items()):
        if name:
            with suppress(metadata.PackageNotFoundError):  # its metadata is in a folder of another name
                found = metadata.distribution(name)  # the first copy on sys.path, which Python imports
            providers += _providers(name, found)
    return providers


def ignore_unreadable_entry_points() -> None:
    """From now on, a broken ``entry_points.txt`` counts as empty for every library in this process.

    pydantic and torch read the entry points of all distributions, so that one broken file would end every command with
    their traceback. Call it before pydantic is imported. :func:`installed` still reports the file.
    """

    def entry_points(distribution: metadata.Distribution) -> metadata.EntryPoints:
        with suppress(Exception):
            found: metadata.EntryPoints = _read_entry_points(distribution)
            return found
        return metadata.EntryPoints(())

    metadata.Distribution.entry_points = property(entry_points)  # type: ignore[assignment, method-assign]


def _providers(name: str, distribution: metadata.Distribution) -> Iterator[Provider]:
    """One for each entry point; one without a name if the entry points cannot be read."""
    version, problem = _version(distribution)
    found: list[metadata.EntryPoint] = []
    try:
        found += _read_entry_points(distribution).select(group=PROJECT)
    except Exception as error:  # each way to break the file raises another type
        problem = problem or f"its entry_points.txt cannot be read ({_line(error)}); reinstall it"
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
    """The folder of the code of ``module``, or an empty string; imports nothing."""
    top_level = module.partition(":")[0].partition(".")[0].strip()
    try:
        spec = importlib.util.find_spec(top_level)
    except (ImportError, ValueError, AttributeError):  # AttributeError: something odd in sys.modules
        return ""
    if spec is None:
        return ""
    if spec.submodule_search_locations:
        return next(iter(spec.submodule_search_locations))
    return str(Path(spec.origin).parent) if spec.origin else ""


def zoo() -> set[str]:
    """Distributions of the host's ``zoo`` extra: the only ones that a message tells the user to install."""
    with suppress(metadata.PackageNotFoundError):
        return {
            canonicalize_name(one.name)
            for one in map(Requirement, metadata.requires(PROJECT) or ())
            if one.marker and one.marker.evaluate({"extra": "zoo"}) and not one.marker.evaluate({"extra": ""})
        }
    return set()


def select(requirements: Iterable[str], providers: Iterable[Provider], source: str) -> set[str]:
    """Normalised names of the distributions that ``requirements`` name, with or without versions.

    Raises:
        PluginError: a requirement is invalid, or no installed plugin meets it; the message begins with ``source``.
    """
    found = {provider.distribution: provider for provider in providers}
    names: set[str] = set()
    for text in requirements:
        try:
            requirement = Requirement(text)
        except InvalidRequirement:
            requirement = None
        if requirement is None or requirement.url or requirement.marker or requirement.extras:
            raise PluginError(
                f'{source}: "{one_line(text)}" does not name a distribution; '
                f'write it like "{PROJECT}-x" or "{PROJECT}-x>=0.1"'
            )
        name = canonicalize_name(requirement.name)
        if name not in found:
            raise PluginError(f'{source}: "{one_line(name)}" {_missing(requirement, name, found)}')
        if found[name].problem:
            raise PluginError(f"{found[name]}: {found[name].problem}")
        if not requirement.specifier.contains(found[name].version, prereleases=True):
            raise PluginError(
                f'{source}: wants "{requirement}", but {found[name]} is installed; '
                "install a version that fits or change the requirement"
            )
        names.add(name)
    return names


def _missing(requirement: Requirement, name: str, plugins: Iterable[str]) -> str:
    """Why no installed plugin meets a requirement, and what to do."""
    with suppress(metadata.PackageNotFoundError, KeyError, UnicodeDecodeError):
        return f"is installed ({metadata.version(name)}) but is not a plugin of {PROJECT}; remove it"
    if name in zoo():
        quoted = f'"{requirement}"'
        return f"is not installed: {install_command(quoted)}"
    return f"is not installed; {did_you_mean(name, {*plugins, *zoo()}, 'install it or remove it')}"


def _plugin_name(distribution: metadata.Distribution) -> str:
    """Normalised name of a distribution that has plugins, or "". Parses no metadata of other distributions."""
    if f"[{PROJECT}]" not in _text_of_entry_points(distribution):
        return ""
    with suppress(Exception):
        if name := distribution.metadata["Name"]:
            return canonicalize_name(name)
    return canonicalize_name(_info_folder(distribution)[0])


def _text_of_entry_points(distribution: metadata.Distribution) -> str:
    try:
        return distribution.read_text("entry_points.txt") or ""
    except UnicodeDecodeError as error:
        return error.object.decode(errors="replace")
    except Exception:  # an unreadable file does not make it a plugin
        return ""


def _version(distribution: metadata.Distribution) -> tuple[str, str]:
    """Its version, and the error in its metadata or an empty string."""
    assumed = _info_folder(distribution)[1]
    try:
        found = distribution.metadata
        name, version = (found[key] if key in found else None for key in ("Name", "Version"))  # noqa: SIM401
    except Exception as error:
        return assumed, f"its METADATA cannot be read ({_line(error)}); reinstall it"
    if name is None:
        return assumed, "its METADATA is missing, as after an interrupted install or uninstall; reinstall it"
    if version is None:
        return assumed, "its METADATA has no version; reinstall it"
    try:
        Version(version)
    except InvalidVersion:
        return version, f'its version "{version}" is not a valid version of a Python package, such as "1.0"'
    return version, ""


def _info_folder(distribution: metadata.Distribution) -> tuple[str, str]:
    """Name and version, taken from the name of the metadata folder, ``name-version.dist-info``."""
    # Private, but the only source of a name if the metadata has none.
    stem = Path(str(getattr(distribution, "_path", "unknown"))).stem
    name, _, version = stem.partition("-")
    return name, version or "(no version)"


def _line(error: Exception) -> str:
    return textwrap.shorten(f"{type(error).__name__}: {error}", 100)


def _wants_host(distribution: metadata.Distribution) -> tuple[str, tuple[str, ...]]:
    """The versions of its ``Requires-Dist: cganzoo``, which pip checks only at install; and notes on invalid lines."""
    specifiers, notes = [], []
    for text in distribution.requires or ():
        try:
            requirement = Requirement(text)
            applies = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
        except (InvalidRequirement, UndefinedComparison):  # a marker of valid syntax may still have no value
            notes.append(f'its METADATA requires "{text}", which is invalid and ignored')
            continue
        if applies and canonicalize_name(requirement.name) == PROJECT and requirement.specifier:
            specifiers.append(str(requirement.specifier))
    return ",".join(specifiers), tuple(notes)
