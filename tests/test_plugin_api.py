"""The plugin API: named, versioned, written down in docs/plugin-api.md, and changed on purpose only."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import textwrap
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import cganzoo
from cganzoo._util.toml import tomllib

ROOT = Path(__file__).parents[1]
ACCEPT = "write the page anew with: python docs/generate.py"


@pytest.fixture(scope="module")
def generate() -> ModuleType:
    """docs/generate.py, which is in no package."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / "docs")
        return importlib.import_module("generate")


@pytest.fixture(scope="module")
def names(generate: ModuleType) -> dict[str, set[str]]:
    """The public names of each public module."""
    return {module: set(generate.public(module)) for module in generate.MODULES}


def told(old: str, new: str, generate: ModuleType) -> str:
    """What to say of a page that differs from the code; nothing where it does not."""
    changes = generate.changes(old, new)
    if not changes:
        return "" if old == new else f"only words changed; {ACCEPT}"
    breaks = any(not change.startswith("added: ") for change in changes)
    then = f"raise API_VERSION (with the host's version), as this breaks plugins, and {ACCEPT}" if breaks else ACCEPT
    return "\n".join(["the plugin API is not what docs/plugin-api.md says:", *changes, f"If that is meant, {then}"])


# --- the snapshot ---------------------------------------------------------------------------------------------------


def test_the_plugin_api_is_what_its_page_says(generate: ModuleType) -> None:
    message = told((ROOT / "docs" / "plugin-api.md").read_text(), generate.plugin_api(), generate)
    assert not message, message


def test_the_hook_reference_is_what_the_hooks_say(generate: ModuleType) -> None:
    assert (ROOT / "docs" / "hooks.md").read_text() == generate.hooks(), f"the hooks or specs changed; {ACCEPT}"


def test_the_host_s_version_begins_with_the_api_s() -> None:
    assert re.fullmatch(r"\d+\.\d+", cganzoo.API_VERSION)
    assert cganzoo.__version__.startswith(f"{cganzoo.API_VERSION}.")


def test_first_party_plugins_ask_for_this_api(generate: ModuleType) -> None:
    bounds = generate.bounds(cganzoo.API_VERSION)
    projects = sorted(ROOT.glob("plugins/*/pyproject.toml"))
    assert len(projects) >= 9
    assert all(f'"{bounds}"' in project.read_text() for project in projects)


def test_the_linter_lets_plugins_import_the_same_modules(generate: ModuleType) -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (allowed,) = [contract["ignore_imports"] for contract in contracts if contract.get("ignore_imports")]
    assert [name.removeprefix("** -> ") for name in allowed] == sorted(set(generate.MODULES) - {"cganzoo"})


# --- the page tells the truth ---------------------------------------------------------------------------------------


def test_every_name_on_the_page_exists(generate: ModuleType) -> None:
    """The page is made from source text: what it lists must be there when it is imported, too."""
    listed = generate.signatures((ROOT / "docs" / "plugin-api.md").read_text())
    assert len(listed) > 200
    for name in listed:
        module = max((module for module in generate.MODULES if name.startswith(f"{module}.")), key=len)
        owner, _, member = name.removeprefix(f"{module}.").partition(".")
        found = getattr(importlib.import_module(module), owner)
        if member and member != owner:
            assert has(found, member), name


def has(cls: type, member: str) -> bool:
    annotated = {key for base in cls.__mro__ for key in inspect.get_annotations(base)}
    return member in annotated or hasattr(cls, member) or hasattr(cls, f"test_{member}")


def test_signatures_on_the_page_are_python_s_own(generate: ModuleType) -> None:
    """The names of arguments, their order and whether they have a default, against :mod:`inspect`."""
    listed = generate.signatures((ROOT / "docs" / "plugin-api.md").read_text())
    compared = 0
    for name, shown in listed.items():
        module = max((module for module in generate.MODULES if name.startswith(f"{module}.")), key=len)
        owner, _, member = name.removeprefix(f"{module}.").partition(".")
        found: Any = getattr(importlib.import_module(module), owner)
        if member and member != owner:
            found = getattr(found, member, None)
        if "(" not in shown or not (inspect.isfunction(found) or member == owner) or shown.startswith("@dataclass"):
            continue
        definition = ast.parse(f"def {re.sub(r'^(@[a-z]+ )*', '', shown)}: ...").body[0]
        assert isinstance(definition, ast.FunctionDef)
        arguments = definition.args
        written = [argument.arg for argument in [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]]
        parameters = [
            parameter
            for parameter in inspect.signature(found).parameters.values()
            if parameter.name != "self" and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
        ]
        assert written == [parameter.name for parameter in parameters], name
        defaults = len(arguments.defaults) + sum(default is not None for default in arguments.kw_defaults)
        assert defaults == sum(parameter.default is not parameter.empty for parameter in parameters), name
        compared += 1
    assert compared > 40


# --- who uses it ----------------------------------------------------------------------------------------------------


def shipped() -> list[Path]:
    """The code of the zoo's own plugins, as it is in their wheels."""
    return sorted(path for path in ROOT.glob("plugins/*/cganzoo_*/**/*.py"))


@pytest.mark.parametrize("path", shipped(), ids=lambda path: f"{path.parent.name}/{path.name}")
def test_first_party_plugins_need_no_other_name(path: Path, names: dict[str, set[str]]) -> None:
    assert set(imports(path.read_text())) <= {(module, name) for module in names for name in names[module]}


def test_the_templates_need_no_other_name(names: dict[str, set[str]]) -> None:
    """Read without rendering: what they import from the host stands in no tag."""
    found = {
        (module, name.strip())
        for template in (ROOT / "cganzoo" / "templates").rglob("*.py.jinja")
        for module, listed in re.findall(r"^ *from (cganzoo(?:\.\w+)*) import ([\w, ]+)$", template.read_text(), re.M)
        for name in listed.split(",")
    }
    assert {("cganzoo", "hookimpl"), ("cganzoo.testing", "LossConformance")} <= found
    assert found <= {(module, name) for module in names for name in names[module]}


def test_the_guides_need_no_other_name(names: dict[str, set[str]]) -> None:
    found = {
        pair
        for page in ROOT.glob("docs/*.md")
        for block in re.findall(r"^```python\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE)
        for pair in imports(textwrap.dedent(block))
    }
    assert ("cganzoo", "hookimpl") in found
    assert found <= {(module, name) for module in names for name in names[module]}


def imports(code: str) -> list[tuple[str, str]]:
    """(module, name) of everything that code imports from the host."""
    return [
        (node.module, alias.name)
        for node in ast.walk(ast.parse(code))
        if isinstance(node, ast.ImportFrom) and node.module and re.match(r"cganzoo(\.|$)", node.module)
        for alias in node.names
    ]


# --- a change is shown-----------------------------------------------------------------------------------------------

OLD = """
## cganzoo.objective
### Batch
`@dataclass(frozen=True) class Batch`
- `images: Tensor`
- `labels: Tensor`
### fit
`fit(images: Tensor) -> None`\\
  Train.
"""


@pytest.mark.parametrize(
    ("now", "change", "breaks"),
    [
        (OLD.replace("- `labels: Tensor`\n", ""), "removed: cganzoo.objective.Batch.labels", True),
        (
            OLD.replace("labels: Tensor", "labels: list[int]"),
            "changed: cganzoo.objective.Batch.labels: it was `labels: Tensor`, and is `labels: list[int]`",
            True,
        ),
        (
            OLD.replace("images: Tensor)", "images: Tensor, labels: Tensor)"),
            "changed: cganzoo.objective.fit: it was `fit(images: Tensor) -> None`, "
            "and is `fit(images: Tensor, labels: Tensor) -> None`",
            True,
        ),
        (OLD.replace("(frozen=True)", ""), "changed: cganzoo.objective.Batch: ", True),
        (OLD + "### Terms\n`Terms = dict`\n", "added: cganzoo.objective.Terms", False),
        (OLD.replace("Train.", "Learn."), "only words changed", False),
    ],
)
def test_a_change_is_told_and_what_to_do_about_it(generate: ModuleType, now: str, change: str, breaks: bool) -> None:
    message = told(OLD, now, generate)
    assert change in message
    assert "python docs/generate.py" in message
    assert ("raise API_VERSION" in message) == breaks
    assert told(OLD, OLD, generate) == ""
