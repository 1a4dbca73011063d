"""The names of a new plugin's parts, and warnings about what has the same names."""

from __future__ import annotations

import json
import keyword
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from urllib.parse import unquote, urlsplit

from cganzoo.errors import PluginError
from cganzoo.hookspecs import PROJECT
from cganzoo.registry.discovery import folder as folder_of
from cganzoo.registry.probe import inspect
from cganzoo.specs import NAME

TEMPLATES = Path(__file__).parents[1] / "templates"
SUFFIX = ".jinja"
"""Ending of a template's file name, so that tools do not take templates for Python files."""

LONGEST = 30
"""Most characters of a component's name: with more, lines of the written files would be too long."""


@dataclass(frozen=True)
class Names:
    """Names of a plugin's parts."""

    component: str  # in a recipe: my_loss
    classname: str  # MyLoss

    @property
    def distribution(self) -> str:
        """The name that pip installs: ``cganzoo-my-loss``."""
        return f"{PROJECT}-{self.component.replace('_', '-')}"

    @property
    def package(self) -> str:
        """The name that Python imports: ``cganzoo_my_loss``."""
        return f"{PROJECT}_{self.component}"


def named(name: str, kind: str | None, *, several: bool = False) -> Names:
    """The names of a plugin's parts, from that of the component or of the distribution: ``"cganzoo-my-loss"``.

    In a plugin of ``several`` kinds, each class ends in its kind: ``MyGANGenerator``.

    Raises:
        PluginError: no valid name can be made from ``name``.
    """
    words = [word for word in re.split(r"[-_. ]+", name.strip()) if word]
    if words and words[0].lower() == PROJECT:
        words = words[1:]
    component = "_".join(words).lower()
    if not words:
        raise PluginError(f'"{name}" names no component; write one like "my_{kind or "plugin"}"')
    if not NAME.fullmatch(component):
        raise PluginError(
            f'"{name}" cannot be a name: write letters a to z, digits and underscores, a letter first, like "my_{kind}"'
        )
    if len(component) > LONGEST:
        raise PluginError(f'"{component}" is longer than {LONGEST} characters; write a shorter name')
    if keyword.iskeyword(component) or keyword.issoftkeyword(component):
        raise PluginError(f'"{component}" is a keyword of Python; write another name, like "my_{component}"')
    # Capitals are kept: "SoftGAN" gives the class SoftGAN.
    classname = "".join(word[0].upper() + word[1:] for word in words)
    if kind is None:
        return Names(component, classname)
    imports_and_classes = " ".join(re.findall(r"^ *(?:from .* import|class) (.*)", code_of(kind), re.MULTILINE))
    if several or classname in re.findall(r"\w+", imports_and_classes) or keyword.iskeyword(classname):
        classname += kind.capitalize()  # the modules that use the class must not import another of its name
    return Names(component, classname)


def code_of(kind: str) -> str:
    """The templates of the modules of a kind, as one text."""
    templates = sorted((TEMPLATES / kind).rglob(f"*.py{SUFFIX}"))
    return "\n".join(template.read_text(encoding="utf-8") for template in templates)


def warnings(named_by_kind: dict[str, Names], folder: Path) -> tuple[tuple[str, ...], set[str]]:
    """Warnings about installed things of the same names, and the kinds that recipes must write with distribution."""
    names = next(iter(named_by_kind.values()))
    notes, qualified = [], set()
    for found in inspect()["components"]:
        kind = found["kind"]
        same = kind in named_by_kind and found["component"] == names.component
        if same and found["distribution"] != names.distribution:
            qualified.add(kind)
            notes.append(
                f'{found["distribution"]} {found["version"]} has a {kind} "{names.component}", too, so recipes must '
                f'write "{names.distribution}/{names.component}"; another name would be shorter'
            )
    several = "to have several kinds in one plugin, repeat --kind"
    for project in _projects(folder.absolute().parent, names.distribution):
        if project != folder.absolute():
            notes.append(
                f"{project} has the same name, {names.distribution}: installing one replaces the other; {several}"
            )
    try:
        present = metadata.distribution(names.distribution)
    except metadata.PackageNotFoundError:
        if package := folder_of(names.package):
            notes.append(
                f"{package} is a package of the same name, {names.package}, so only one of both can be imported"
            )
        return tuple(notes), qualified
    source = _source(present)
    if source is None or source.resolve() != folder.resolve():
        where = f" from {source}" if source else ""
        notes.append(
            f"{names.distribution} {present.version} is installed already{where}: installing this plugin replaces it; "
            f"to keep both, choose another name; {several}"
        )
    return tuple(notes), qualified


def _projects(folder: Path, distribution: str) -> Iterator[Path]:
    """The folders in ``folder`` whose pyproject.toml has this name."""
    with suppress(OSError):
        for entry in sorted(folder.iterdir()):
            with suppress(OSError, ValueError):  # not a project, or a file that is not UTF-8
                if f'\nname = "{distribution}"\n' in (entry / "pyproject.toml").read_text(encoding="utf-8"):
                    yield entry


def _source(distribution: metadata.Distribution) -> Path | None:
    """The folder that a distribution was installed from, editable or not; ``None`` if it came from elsewhere."""
    with suppress(Exception):  # somebody's file
        address = urlsplit(json.loads(distribution.read_text("direct_url.json") or "")["url"])
        if address.scheme == "file":
            return Path(unquote(address.path))
    return None
