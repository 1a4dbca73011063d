"""``cganzoo plugin new``: writes a new plugin from the templates in ``cganzoo/templates``.

``templates/common`` holds the files of every plugin, ``templates/<kind>`` those of one kind; a plugin may have several
kinds. ``PACKAGE`` and ``COMPONENT`` in a path stand for the names; files ending in ``.part`` are included by other
templates. The recipe is a bundled one in which each new component replaces one table, so its scores can be compared
with those of the zoo.
"""

from __future__ import annotations

import dataclasses
import datetime
import json
import os
import re
import shlex
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from packaging.requirements import Requirement

from cganzoo._util.install import install_command
from cganzoo._util.text import listed
from cganzoo._util.toml import tomllib
from cganzoo._version import API_VERSION
from cganzoo.console.streams import print_labelled, print_line
from cganzoo.errors import PluginError
from cganzoo.hookspecs import PROJECT
from cganzoo.recipe import bundled
from cganzoo.registry.kinds import KINDS

from .plugin_modules import joined
from .plugin_names import SUFFIX, TEMPLATES, Names, code_of, named, warnings

if TYPE_CHECKING:
    from jinja2 import Environment

LICENSES = ("MIT", "BSD-3-Clause", "Apache-2.0", "none")

SHORT = 2
"""Most kinds of a plugin that texts list by name; more are "components"."""


@dataclass(frozen=True)
class Part:
    """One component of a plugin: its kind, its names, and what a recipe writes."""

    kind: str
    names: Names
    written: str

    @property
    def thing(self) -> str:
        """The kind in text."""
        return KINDS[self.kind].title


@dataclass(frozen=True)
class Created:
    """A new plugin: its folder, the path of its recipe in there, warnings about its names, and text for the user."""

    folder: Path
    names: Names
    recipe: str
    notes: tuple[str, ...]
    next_steps: str


def create(
    name: str,
    kinds: str | Sequence[str],
    out: Path | None = None,
    *,
    author: str | None = None,
    license_name: str = "MIT",
) -> Created:
    """Write a plugin with one component of each kind; the arguments are those of the command.

    Raises:
        PluginError: unknown kind or licence, a name or an author that cannot be used, or a folder that cannot be
            written. Nothing is written then.
    """
    kinds = [kinds] if isinstance(kinds, str) else kinds
    for kind in kinds:
        if kind not in KINDS:
            hint = "; for several, repeat --kind" if "," in kind or " " in kind.strip() else ""
            raise PluginError(f'--kind: there is no kind "{kind}"; the kinds are {listed(KINDS)}{hint}')
    licenses = {known.lower(): known for known in LICENSES}
    if license_name.lower() not in licenses:
        raise PluginError(f'--license: "{license_name}" is not offered; choose {listed(LICENSES)}')
    author = _author() if author is None else " ".join(author.split())
    if not author.isprintable():
        raise PluginError(f"--author: {author!r} has characters that cannot be printed; write the name without them")
    license_name = licenses[license_name.lower()]
    named_by_kind = {kind: named(name, kind, several=len(set(kinds)) > 1) for kind in KINDS if kind in kinds}
    names = next(iter(named_by_kind.values()))
    folder = Path(names.distribution) if out is None else out.expanduser()
    if os.path.lexists(folder) and not (folder.is_dir() and not any(folder.iterdir())):
        raise PluginError(
            f"{folder}: exists already; choose another folder with --out FOLDER. "
            f"For a plugin of several kinds, repeat --kind: --kind generator --kind discriminator"
        )
    notes, qualified = warnings(named_by_kind, folder)
    parts = [
        Part(kind, one, f"{one.distribution}/{one.component}" if kind in qualified else one.component)
        for kind, one in named_by_kind.items()
    ]
    code = "\n".join(map(code_of, named_by_kind))
    values = {
        "parts": parts,
        "kinds": list(named_by_kind),
        "things": listed((part.thing for part in parts), "and") if len(parts) <= SHORT else "components",
        "tables": _tables_in_words(named_by_kind),
        "tests": [_test(part, parts) for part in parts],
        "names": names if len(parts) == 1 else named(name, None),
        "written": parts[0].written if len(parts) == 1 else names.distribution,
        **_recipe_values(list(named_by_kind), names),
        "host": host_bounds(API_VERSION),
        "imported": sorted(set(re.findall(r"^(?:from|import) (numpy|torch)\b", code, re.MULTILINE))),
        "requirement": _requirement,
        "python": metadata.metadata(PROJECT)["Requires-Python"] or ">=3.10",
        "author": author,
        "year": datetime.date.today().year,
        "license": license_name,
    }
    environment = _environment()
    _write(folder, _rendered(environment, values))
    where = {"folder": folder, "quoted_folder": shlex.quote(str(folder)), "install": install_command('-e ".[test]"')}
    next_steps = environment.get_template(f"next_steps.txt{SUFFIX}").render(values, **where)
    return Created(folder, names, values["recipe"], notes, next_steps)


def announce(created: Created) -> None:
    """Print what was written, and the next steps."""
    for line in created.next_steps.splitlines():
        print_line(line.rstrip())
    for note in created.notes:
        print_labelled("[yellow]note:[/]", note)


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


def _recipe_values(kinds: list[str], names: Names) -> dict[str, Any]:
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
        used = {kind: _chosen(values, kind) for kind in KINDS if not KINDS[kind].many}
        kept = {used[kind] for kind in used if kind not in kinds}
        unused = {f"{PROJECT}-{used[kind]}" for kind in used if kind in kinds and used[kind] not in kept}
        base = {
            "name": name,
            "plugins": tuple(plugin for plugin in values["requires"]["plugins"] if plugin not in unused),
            "tables": [block.strip() for block in text.split("\n\n") if block.startswith("[")],
        }
        stem = f"{names.component}_digits"
        if "dataset" in kinds:
            stem = names.component if "loss" in kinds else f"{loss}_{names.component}"
        return {"recipe": f"recipes/{stem}.toml", "base": base}
    raise PluginError(f"{bundled.folder()}: has no recipe for the digits; install {PROJECT} again")


def _chosen(values: dict[str, Any], kind: str) -> str:
    """The name of a recipe's component of a kind."""
    *sections, last = KINDS[kind].recipe_table.split(".")
    for section in sections:
        values = values[section]
    name: str = values[last]["name"]
    return name


def _tables(base: list[str], new: dict[str, str]) -> list[str]:
    """The tables of the new recipe: those of the base recipe, with the ``new`` ones by kind in place of theirs.

    Tables of which a recipe may have several are added.
    """
    tables = [table for table in base if not table.startswith("[requires]")]
    for kind, text in sorted(new.items(), key=lambda item: KINDS[item[0]].many):
        replaced = set() if KINDS[kind].many else set(re.findall(r"^\[+([\w.]+)\]", text, re.MULTILINE))
        section, _, key = KINDS[kind].recipe_table.rpartition(".")
        found: list[str] = []
        for table in tables:
            heading = table.partition("]")[0].strip("[")
            if heading in replaced:
                found += [text] if text not in found else []
            elif heading == section:  # it may hold the replaced table as a value on one line
                found.append(re.sub(rf"^{key} = .*\n?", "", table, flags=re.MULTILINE).strip())
            else:
                found.append(table)
        tables = found if text in found else [*found, text]
    return tables


def _tables_in_words(kinds: Iterable[str]) -> str:
    headings = [f"``{KINDS[kind].heading}``" for kind in kinds]
    return listed(headings, "and") if len(headings) <= SHORT else "each component"


def _test(part: Part, parts: Sequence[Part]) -> str:
    """The path of a component's tests in the plugin."""
    return f"tests/test_{part.names.component}{f'_{part.kind}' if len(parts) > 1 else ''}.py"


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
    found: dict[str, list[str]] = {}

    def render(folder: str, path: Callable[[str], str], values: dict[str, Any]) -> None:
        for template in sorted((TEMPLATES / folder).rglob(f"*{SUFFIX}")):
            to = template.relative_to(TEMPLATES / folder).as_posix().removesuffix(SUFFIX)
            text = environment.get_template(template.relative_to(TEMPLATES).as_posix()).render(values)
            found.setdefault(path(to).replace("PACKAGE", names.package), []).append(text)

    render("common", lambda path: path, values)
    tables = {}
    for part in values["parts"]:
        own = {**values, **{field.name: getattr(part, field.name) for field in dataclasses.fields(part)}}
        test = _test(part, values["parts"])
        render(part.kind, lambda path, test=test: test if path.startswith("tests/") else path, own)  # type: ignore[misc]
        tables[part.kind] = environment.get_template(f"{part.kind}/table.toml.part").render(own).strip()
    files = {path: texts[0] if len(texts) == 1 else joined(texts) for path, texts in found.items()}
    whole = _tables(values["base"]["tables"], tables)
    files[values["recipe"]] = environment.get_template(f"recipe.toml{SUFFIX}").render(values, tables=whole)
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
