"""``cganzoo plugin new``: a whole plugin of one's own, rendered from the templates beside this module.

``templates/common`` holds what every plugin has, ``templates/<kind>`` what one of a kind adds. There, ``PACKAGE`` and
``COMPONENT`` stand for the names in paths, and ``.part`` ends what other templates include. The recipe is one that
comes with the zoo, in which the new component takes a place; so its scores may stand beside those of the others.
"""

from __future__ import annotations

import datetime
import json
import keyword
import os
import re
import shlex
import shutil
import subprocess
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

from cganzoo._util.toml import tomllib
from cganzoo._version import API_VERSION
from cganzoo.console.streams import escaped, stderr_console, stdout_console
from cganzoo.errors import PluginError
from cganzoo.hookspecs import PROJECT
from cganzoo.recipe import bundled
from cganzoo.registry import KINDS
from cganzoo.registry.probe import Inventory, inspect
from cganzoo.specs import NAME

TEMPLATES = Path(__file__).parents[1] / "templates"
SUFFIX = ".jinja"
"""Ending of a template's file name; it keeps tools that look for Python files away from it."""

LICENSES = ("MIT", "BSD-3-Clause", "Apache-2.0")
NO_LICENSE = "none"

THINGS = {
    "loss": "loss",
    "metric": "metric",
    "generator": "generator",
    "discriminator": "discriminator trunk",
    "dataset": "data set",
}
"""What prose calls the kinds."""

LONGEST = 30
"""Characters of a component's name; so that no line of the templates grows too long."""


@dataclass(frozen=True)
class Names:
    """What a plugin's parts are called.

    Attributes:
        component: what a recipe writes: ``my_loss``.
        distribution: what is installed: ``cganzoo-my-loss``.
        package: what is imported: ``cganzoo_my_loss``.
        classname: of the component: ``MyLoss``.
    """

    component: str
    distribution: str
    package: str
    classname: str


@dataclass(frozen=True)
class Created:
    """A plugin that was written.

    Attributes:
        folder: where.
        kind: of its component.
        names: of its parts.
        recipe: the recipe's file, seen from ``folder``.
        author: whose name licence and metadata have; may be empty.
        license: one of :data:`LICENSES`, or ``"none"``.
        notes: what the user should know of the names.
    """

    folder: Path
    kind: str
    names: Names
    recipe: str
    author: str
    license: str
    notes: tuple[str, ...]


def create(
    name: str, kind: str, out: Path | None = None, *, author: str | None = None, license_name: str = "MIT"
) -> Created:
    """Write a plugin with one component.

    Args:
        name: of the component, or of the distribution: ``"my_loss"``, ``"My-Loss"``, ``"cganzoo-my-loss"``.
        kind: a key of :data:`cganzoo.registry.kinds.KINDS`.
        out: the folder to make; default: one called like the distribution, here. One that is there must be empty.
        author: for licence and metadata; default: git's ``user.name``, if there is one.
        license_name: one of :data:`LICENSES`, or ``"none"``.

    Raises:
        PluginError: no such kind or licence, a name that will not do, an author that cannot be printed, or a folder
            that cannot be written. Nothing is written then.
    """
    if kind not in KINDS:
        raise PluginError(f'--kind: there is no kind "{kind}"; the kinds are {_listed(KINDS)}')
    licenses = {known.lower(): known for known in (*LICENSES, NO_LICENSE)}
    if license_name.lower() not in licenses:
        raise PluginError(f'--license: "{license_name}" is not offered; choose {_listed(licenses.values())}')
    author = _author() if author is None else " ".join(author.split())
    if not author.isprintable():
        raise PluginError(f"--author: {author!r} has characters that cannot be printed; write the name without them")
    license_name = licenses[license_name.lower()]
    names = named(name, kind)
    folder = Path(names.distribution) if out is None else out.expanduser()
    _refuse_occupied(folder)
    notes, qualified = _notes(inspect(), kind, names)
    recipe, base = _base_recipe(kind, names)
    files = _rendered(
        kind,
        {
            "kind": kind,
            "thing": THINGS[kind],
            "names": names,
            "written": f"{names.distribution}/{names.component}" if qualified else names.component,
            "recipe": recipe,
            "base": base,
            "host": host_bounds(API_VERSION),
            "requirement": _requirement,
            "python": metadata.metadata(PROJECT)["Requires-Python"] or ">=3.10",
            "author": author,
            "year": datetime.date.today().year,
            "license": license_name,
        },
    )
    _write(folder, files)
    return Created(folder, kind, names, recipe, author, license_name, notes)


def announce(created: Created) -> None:
    """Say what was made, and what to do next."""
    from rich.text import Text

    console, names, thing = stdout_console(), created.names, THINGS[created.kind]

    def say(text: str = "", style: str = "") -> None:
        console.print(Text(text, style), highlight=False, soft_wrap=True)

    def table(rows: dict[str, str], mark: str = "") -> None:
        width = max(map(len, rows))
        for name, what in rows.items():
            say(f"  {name:{width}}  {mark}{what}" if what else f"  {name}")

    say(f'Made {created.folder} with the {thing} "{names.component}". It works, and is yours to change:')
    say()
    files = {
        f"{names.package}/{created.kind}.py": f"the {thing} itself; start here",
        f"{names.package}/config.py": "its options",
        f"{names.package}/reference.py": "its formula, written naively",
        f"tests/test_{names.component}.py": "the zoo's checks, and one of its own",
        created.recipe: "a whole run with it",
    }
    table({file: what for file, what in files.items() if (created.folder / file).exists()})
    say()
    by = created.author or f"the authors of {names.distribution}"
    licensed = "none" if created.license == NO_LICENSE else f"{created.license}, by {by}"
    say(f"LICENSE: {licensed}; --author and --license change it.")
    say()
    say("Next:")
    say()
    commands = {
        f"cd {shlex.quote(str(created.folder))}": "",
        'pip install -e ".[test]"': "your changes count at once",
        f"{PROJECT} plugins": "lists it",
        "pytest": "checks it",
        f"{PROJECT} run {created.recipe}": "trains and scores it",
    }
    table(commands, mark="# ")
    say()
    say("Its README.md goes on from there, to publishing it.")
    for note in created.notes:
        stderr_console().print(f"[yellow]note:[/] {escaped(note)}", highlight=False, soft_wrap=True)


# --- names ----------------------------------------------------------------------------------------------------------


def named(name: str, kind: str) -> Names:
    """The names of a plugin's parts, from what its author calls it.

    Raises:
        PluginError: it cannot be made into a name.
    """
    words = [word for word in re.split(r"[-_. ]+", name.strip()) if word]
    if words and words[0].lower() == PROJECT:
        words = words[1:]
    component = "_".join(words).lower()
    if not words:
        raise PluginError(f'"{name}" names no component; write one like "my_{kind}"')
    if not NAME.fullmatch(component):
        raise PluginError(
            f'"{name}" will not do as a name: write letters a to z, digits and underscores, a letter first, '
            f'like "my_{kind}"'
        )
    if len(component) > LONGEST:
        raise PluginError(f'"{component}" is longer than {LONGEST} characters; find a shorter name')
    if keyword.iskeyword(component) or keyword.issoftkeyword(component):
        raise PluginError(f'"{component}" is a word of Python\'s own; write another name, like "my_{component}"')
    # Capitals are kept: of SoftGAN the class is SoftGAN.
    classname = "".join(word[0].upper() + word[1:] for word in words)
    if classname in _names_in_templates(kind) or keyword.iskeyword(classname):
        classname += kind.capitalize()
    return Names(
        component=component,
        distribution=f"{PROJECT}-{component.replace('_', '-')}",
        package=f"{PROJECT}_{component}",
        classname=classname,
    )


def _names_in_templates(kind: str) -> set[str]:
    """What modules of the kind import or define, and the component's class can therefore not be called."""
    lines = [
        line
        for template in (TEMPLATES / kind).rglob(f"*.py{SUFFIX}")
        for line in re.findall(r"^ *(?:from .* import|class) (.*)", template.read_text(encoding="utf-8"), re.MULTILINE)
    ]
    return {word for line in lines for word in re.findall(r"\w+", line)}


def _notes(inventory: Inventory, kind: str, names: Names) -> tuple[tuple[str, ...], bool]:
    """What to say of components that have the name already, and whether one must be written with its distribution."""
    notes = []
    same = [
        found for found in inventory["components"] if (found["kind"], found["component"]) == (kind, names.component)
    ]
    others = [found for found in same if found["distribution"] != names.distribution]
    if others:
        notes.append(
            f'{others[0]["distribution"]} {others[0]["version"]} has a {kind} "{names.component}", too, so it must be '
            f'written "{names.distribution}/{names.component}"; another name would be shorter'
        )
    for found in [*inventory["plugins"], *inventory["unloaded"]]:
        if found["distribution"] == names.distribution:
            notes.append(
                f"{found['distribution']} {found['version']} is installed already, and installing this one replaces "
                "it; or choose another name"
            )
            break
    return tuple(notes), bool(others)


# --- what the templates are given -----------------------------------------------------------------------------------


def host_bounds(api: str) -> str:
    """The versions of the host that a plugin written for version ``api`` of the plugin API asks for."""
    major, minor = map(int, api.split(".")[:2])
    return f">={api},<{major}.{minor + 1}" if major == 0 else f">={api},<{major + 1}"


def _requirement(distribution: str) -> str:
    """A distribution, in the versions that the host itself asks for."""
    found = (Requirement(text) for text in metadata.requires(PROJECT) or ())
    return next((str(one) for one in found if one.name == distribution and one.marker is None), distribution)


def _author() -> str:
    """git's ``user.name``, or nothing where there is none that can be printed."""
    try:
        ended = subprocess.run(
            ["git", "config", "user.name"], capture_output=True, encoding="utf-8", timeout=5, check=False
        )
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return ""
    author = " ".join(ended.stdout.split())
    return author if author.isprintable() else ""


@dataclass(frozen=True)
class BaseRecipe:
    """A recipe that comes with the zoo, in which the new component takes a place.

    Attributes:
        name: of it.
        plugins: the distributions that it needs beside the new one.
        tables: its tables in their order: the heading, ``"train"``, and the text, comments and all.
    """

    name: str
    plugins: tuple[str, ...]
    tables: tuple[tuple[str, str], ...]


def _base_recipe(kind: str, names: Names) -> tuple[str, BaseRecipe]:
    """The new recipe's file, and what it is made from.

    The zoo's recipes for the digits differ in their losses alone, so any that gives labels to the generator will do:
    the first. The host itself names no method.
    """
    for name in bundled.names():
        text = bundled.find_bundled(name).read_text(encoding="utf-8")
        values: dict[str, Any] = tomllib.loads(text)
        loss = values["loss"]["name"]
        if name != f"{loss}_digits" or not values["generator"].get("conditional"):
            continue
        plugins = values["requires"]["plugins"]
        if kind == "loss":
            plugins = [plugin for plugin in plugins if plugin != f"{PROJECT}-{loss}"]
        file = f"{loss}_{names.component}" if kind == "dataset" else f"{names.component}_digits"
        blocks = [block.strip() for block in text.split("\n\n")]
        tables = tuple((block.partition("]")[0].strip("["), block) for block in blocks if block.startswith("["))
        return f"recipes/{file}.toml", BaseRecipe(name, tuple(plugins), tables)
    raise PluginError(f"{bundled.folder()}: the recipes of {PROJECT} are not there; install it anew")


# --- files ----------------------------------------------------------------------------------------------------------


def _rendered(kind: str, values: dict[str, Any]) -> dict[str, str]:
    """Every file of the plugin, by its path."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["quoted"] = lambda text: json.dumps(text, ensure_ascii=False)  # a TOML string, too
    names: Names = values["names"]
    files: dict[str, str] = {}
    for part in ("common", kind):
        for template in sorted((TEMPLATES / part).rglob(f"*{SUFFIX}")):
            path = template.relative_to(TEMPLATES / part).as_posix().removesuffix(SUFFIX)
            path = path.replace("PACKAGE", names.package).replace("COMPONENT", names.component)
            files[path] = environment.get_template(template.relative_to(TEMPLATES).as_posix()).render(values)
    files[values["recipe"]] = environment.get_template(f"recipe.toml{SUFFIX}").render(values)
    if values["license"] != NO_LICENSE:
        files["LICENSE"] = environment.get_template(f"licenses/{values['license']}{SUFFIX}").render(values)
    return files


def _refuse_occupied(folder: Path) -> None:
    if os.path.lexists(folder) and not (folder.is_dir() and not any(folder.iterdir())):
        raise PluginError(f"{folder}: is there already, and is left as it is; choose another folder with --out FOLDER")


def _write(folder: Path, files: dict[str, str]) -> None:
    """Write the files beside their place first, so that a failure leaves nothing of them."""
    there = folder.is_dir()
    draft = (folder if there else folder.parent) / f".{folder.resolve().name}-{os.getpid()}"
    try:
        draft.mkdir()
        try:
            for path, text in files.items():
                file = draft / path
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(text, encoding="utf-8", newline="\n")
            if there:
                for entry in sorted(draft.iterdir()):
                    entry.rename(folder / entry.name)
            else:
                draft.rename(folder)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    except OSError as error:
        raise PluginError(
            f"{folder}: cannot be written ({error.strerror or error}); choose another folder with --out FOLDER"
        ) from error


def _listed(words: Any) -> str:
    *first, last = words
    return f"{', '.join(first)} or {last}"
