"""``cganzoo plugin new``: writes a new plugin from the templates in ``cganzoo/templates``.

``templates/common`` holds the files of every plugin, ``templates/<kind>`` those of one kind. ``PACKAGE`` and
``COMPONENT`` in a path stand for the names; files ending in ``.part`` are included by other templates. The recipe is a
bundled one in which the new component replaces one table, so its scores can be compared with those of the zoo.
"""

from __future__ import annotations

import datetime
import json
import keyword
import os
import re
import shlex
import subprocess
import tempfile
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from packaging.requirements import Requirement

from cganzoo._util.text import listed
from cganzoo._util.toml import tomllib
from cganzoo._version import API_VERSION
from cganzoo.console.streams import print_labelled, print_line
from cganzoo.errors import PluginError
from cganzoo.hookspecs import PROJECT
from cganzoo.recipe import bundled
from cganzoo.registry.kinds import KINDS, Kind
from cganzoo.registry.probe import inspect
from cganzoo.specs import NAME

if TYPE_CHECKING:
    from jinja2 import Environment

TEMPLATES = Path(__file__).parents[1] / "templates"
SUFFIX = ".jinja"
"""Ending of a template's file name, so that tools do not take templates for Python files."""

LICENSES = ("MIT", "BSD-3-Clause", "Apache-2.0", "none")

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


@dataclass(frozen=True)
class Created:
    """A new plugin: its folder, the path of its recipe in there, warnings about its names, and text for the user."""

    folder: Path
    names: Names
    recipe: str
    notes: tuple[str, ...]
    next_steps: str


def create(
    name: str, kind: str, out: Path | None = None, *, author: str | None = None, license_name: str = "MIT"
) -> Created:
    """Write a plugin with one component; the arguments are those of the command.

    Raises:
        PluginError: unknown kind or licence, a name or an author that cannot be used, or a folder that cannot be
            written. Nothing is written then.
    """
    if kind not in KINDS:
        raise PluginError(f'--kind: there is no kind "{kind}"; the kinds are {listed(KINDS)}')
    licenses = {known.lower(): known for known in LICENSES}
    if license_name.lower() not in licenses:
        raise PluginError(f'--license: "{license_name}" is not offered; choose {listed(LICENSES)}')
    author = _author() if author is None else " ".join(author.split())
    if not author.isprintable():
        raise PluginError(f"--author: {author!r} has characters that cannot be printed; write the name without them")
    license_name = licenses[license_name.lower()]
    names = named(name, kind)
    folder = Path(names.distribution) if out is None else out.expanduser()
    if os.path.lexists(folder) and not (folder.is_dir() and not any(folder.iterdir())):
        raise PluginError(f"{folder}: exists already; choose another folder with --out FOLDER")
    notes, qualified = _notes(kind, names)
    values = {
        "kind": kind,
        "thing": KINDS[kind].title,
        "names": names,
        "written": f"{names.distribution}/{names.component}" if qualified else names.component,
        **_recipe_values(kind, names),
        "host": host_bounds(API_VERSION),
        "imported": sorted(set(re.findall(r"^(?:from|import) (numpy|torch)\b", _code(kind), re.MULTILINE))),
        "requirement": _requirement,
        "python": metadata.metadata(PROJECT)["Requires-Python"] or ">=3.10",
        "author": author,
        "year": datetime.date.today().year,
        "license": license_name,
    }
    environment = _environment()
    _write(folder, _rendered(environment, values))
    where = {"folder": folder, "quoted_folder": shlex.quote(str(folder))}
    next_steps = environment.get_template(f"next_steps.txt{SUFFIX}").render(values, **where)
    return Created(folder, names, values["recipe"], notes, next_steps)


def announce(created: Created) -> None:
    """Print what was written, and the next steps."""
    for line in created.next_steps.splitlines():
        print_line(line.rstrip())
    for note in created.notes:
        print_labelled("[yellow]note:[/]", note)


# --- names ----------------------------------------------------------------------------------------------------------


def named(name: str, kind: str) -> Names:
    """The names of a plugin's parts, from that of the component or of the distribution: ``"cganzoo-my-loss"``.

    Raises:
        PluginError: no valid name can be made from ``name``.
    """
    words = [word for word in re.split(r"[-_. ]+", name.strip()) if word]
    if words and words[0].lower() == PROJECT:
        words = words[1:]
    component = "_".join(words).lower()
    if not words:
        raise PluginError(f'"{name}" names no component; write one like "my_{kind}"')
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
    imports_and_classes = " ".join(re.findall(r"^ *(?:from .* import|class) (.*)", _code(kind), re.MULTILINE))
    if classname in re.findall(r"\w+", imports_and_classes) or keyword.iskeyword(classname):
        classname += kind.capitalize()  # the modules that use the class must not import another of its name
    return Names(component, classname)


def _code(kind: str) -> str:
    templates = sorted((TEMPLATES / kind).rglob(f"*.py{SUFFIX}"))
    return "\n".join(template.read_text(encoding="utf-8") for template in templates)


def _notes(kind: str, names: Names) -> tuple[tuple[str, ...], bool]:
    """Warnings about installed things of the same names, and whether recipes must write ``distribution/component``."""
    installed, notes = inspect(), {}
    for found in installed["components"]:
        same = (found["kind"], found["component"]) == (kind, names.component)
        if same and found["distribution"] != names.distribution:
            notes["component"] = (
                f'{found["distribution"]} {found["version"]} has a {kind} "{names.component}", too, so recipes must '
                f'write "{names.distribution}/{names.component}"; another name would be shorter'
            )
    for found in (*installed["plugins"], *installed["unloaded"]):
        if found["distribution"] == names.distribution:
            notes["distribution"] = (
                f"{names.distribution} {found['version']} is installed already: installing this plugin replaces it; "
                "to keep both, choose another name"
            )
    return tuple(notes.values()), "component" in notes


# --- values in the templates ----------------------------------------------------------------------------------------


def host_bounds(api: str) -> str:
    """The range of host versions for a plugin that is written for version ``api`` of the plugin API."""
    major, minor = map(int, api.split(".")[:2])
    return f">={api},<{major}.{minor + 1}" if major == 0 else f">={api},<{major + 1}"


def _requirement(distribution: str) -> str:
    """The version of a distribution that the host itself requires, such as ``torch>=2.11``."""
    found = (Requirement(text) for text in metadata.requires(PROJECT) or ())
    return next((str(one) for one in found if one.name == distribution and one.marker is None), distribution)


def _author() -> str:
    """git's ``user.name``, or an empty text if it is not set or cannot be printed."""
    command = ["git", "config", "user.name"]
    try:
        output = subprocess.check_output(command, encoding="utf-8", timeout=5, stderr=subprocess.DEVNULL)
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):  # also if it is not set
        return ""
    author = " ".join(output.split())
    return author if author.isprintable() else ""


def _recipe_values(kind: str, names: Names) -> dict[str, Any]:
    """``"recipe"``: path of the new recipe. ``"base"``: the bundled recipe that it is made from.

    The bundled recipes for the digits differ only in their losses, so the first with a conditional generator is used:
    the host names no method.
    """
    for name in bundled.names():
        text = bundled.find_bundled(name).read_text(encoding="utf-8")
        values: dict[str, Any] = tomllib.loads(text)
        loss = values["loss"]["name"]
        if name != f"{loss}_digits" or not values["generator"].get("conditional"):
            continue
        unused = f"{PROJECT}-{loss}" if kind == "loss" else None
        base = {
            "name": name,
            "plugins": tuple(plugin for plugin in values["requires"]["plugins"] if plugin != unused),
            "tables": [block.strip() for block in text.split("\n\n") if block.startswith("[")],
        }
        stem = f"{loss}_{names.component}" if kind == "dataset" else f"{names.component}_digits"
        return {"recipe": f"recipes/{stem}.toml", "base": base}
    raise PluginError(f"{bundled.folder()}: has no recipe for the digits; install {PROJECT} again")


def _tables(kind: Kind, base: list[str], new: str) -> list[str]:
    """The tables of the new recipe: those of the base recipe, with ``new`` in place of those that it replaces.

    Tables of which a recipe may have several are not replaced.
    """
    replaced = set() if kind.many else set(re.findall(r"^\[+([\w.]+)\]", new, re.MULTILINE))
    section, _, key = kind.recipe_table.rpartition(".")
    tables: list[str] = []
    for table in base:
        heading = table.partition("]")[0].strip("[")
        if heading in replaced:
            tables += [new] if new not in tables else []
        elif heading == section:  # it may hold the replaced table as a value on one line
            tables.append(re.sub(rf"^{key} = .*\n?", "", table, flags=re.MULTILINE).strip())
        elif heading != "requires":
            tables.append(table)
    return tables if new in tables else [*tables, new]


# --- files ----------------------------------------------------------------------------------------------------------


def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["quoted"] = lambda text: json.dumps(text, ensure_ascii=False)  # a string in TOML, too
    return environment


def _rendered(environment: Environment, values: dict[str, Any]) -> dict[str, str]:
    """The path and the text of every file of the plugin."""
    names: Names = values["names"]
    files: dict[str, str] = {}
    for part in ("common", values["kind"]):
        for template in sorted((TEMPLATES / part).rglob(f"*{SUFFIX}")):
            path = template.relative_to(TEMPLATES / part).as_posix().removesuffix(SUFFIX)
            path = path.replace("PACKAGE", names.package).replace("COMPONENT", names.component)
            files[path] = environment.get_template(template.relative_to(TEMPLATES).as_posix()).render(values)
    new = environment.get_template(f"{values['kind']}/table.toml.part").render(values).strip()
    tables = _tables(KINDS[values["kind"]], values["base"]["tables"], new)
    files[values["recipe"]] = environment.get_template(f"recipe.toml{SUFFIX}").render(values, tables=tables)
    if values["license"] != "none":
        files["LICENSE"] = environment.get_template(f"licenses/{values['license']}{SUFFIX}").render(values)
    return files


def _write(folder: Path, files: dict[str, str]) -> None:
    """Write the files into a temporary folder and move it, so that a failure leaves no file."""
    exists = folder.is_dir()
    try:
        with tempfile.TemporaryDirectory(prefix=f".{PROJECT}-", dir=folder if exists else folder.parent) as temporary:
            draft = Path(temporary, "plugin")
            for path, text in files.items():
                file = draft / path
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(text, encoding="utf-8", newline="\n")
            for entry in sorted(draft.iterdir()) if exists else ():
                entry.rename(folder / entry.name)
            if not exists:
                draft.rename(folder)
    except OSError as error:
        raise PluginError(
            f"{folder}: cannot be written ({error.strerror or error}); choose another folder with --out FOLDER"
        ) from error
