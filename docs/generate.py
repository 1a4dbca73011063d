"""Writes docs/plugin-api.md and docs/hooks.md from the code: ``python docs/generate.py``.

It reads the source as text and imports none of it, so the pages are the same with every version of Python and torch.
tests/test_plugin_api.py fails when a page and the code differ.
"""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

DOCS = Path(__file__).parent
SOURCE = DOCS.parent

MODULES = {
    "cganzoo": "the front door: what a plugin's `__init__.py` and `config.py` import. No torch.",
    "cganzoo.objective": "what a loss is made of.",
    "cganzoo.networks": "what a generator and a discriminator trunk are made of.",
    "cganzoo.functional": "pieces that several losses share.",
    "cganzoo.metric": "what a metric is made of.",
    "cganzoo.extractor": "what a feature extractor is made of.",
    "cganzoo.logger": "what a logger is made of. No torch.",
    "cganzoo.classification": "training a classifier, for metrics that need one.",
    "cganzoo.data.source": "what a data set is made of.",
    "cganzoo.errors": "what to raise when the user can mend it: one clear sentence, exit code 2.",
    "cganzoo.testing": "the conformance kit, for a plugin's tests and for `cganzoo plugin check`.",
    "cganzoo.testing.adversarial": "the rules of `cganzoo.functional` written naively, for references.",
}
"""The public modules, in the order of the page. What is in no list here is the host's own business."""

HOOKS = "cganzoo.hookspecs"
CHECK = "test_"  # how the method of a conformance check begins
NOTE = "<!-- Written by docs/generate.py from the source. Change that, and run: python docs/generate.py -->"


# --- reading the source ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Definition:
    """A name of a module: the statement that defines it, where that is, and the text below it if it is no block."""

    module: str
    node: ast.stmt
    doc: str


@cache
def tree(module: str) -> ast.Module:
    """A module's syntax."""
    path = SOURCE / module.replace(".", "/")
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def definitions(module: str) -> dict[str, Definition]:
    """What a module defines at its top level, by name, private names too."""
    found: dict[str, Definition] = {}
    body = tree(module).body
    for position, node in enumerate(body):
        following = body[position + 1] if position + 1 < len(body) else None
        for name, doc in _defined(node, following):
            found[name] = Definition(module, node, doc)
    return found


def _defined(node: ast.stmt, following: ast.stmt | None) -> Iterator[tuple[str, str]]:
    if isinstance(node, (ast.ClassDef, ast.FunctionDef)):
        yield node.name, ast.get_docstring(node) or ""
    elif isinstance(node, (ast.Assign, ast.AnnAssign)):
        target = node.target if isinstance(node, ast.AnnAssign) else node.targets[0]
        if isinstance(target, ast.Name):
            yield target.id, _text(following)


def _text(node: ast.stmt | None) -> str:
    """The string that stands below an assignment."""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
        return textwrap.dedent(node.value.value).strip()
    return ""


@cache
def imported(module: str) -> dict[str, tuple[str, str]]:
    """Names that a module takes from the host's other modules: module and name there, by the name here."""
    package = module if (SOURCE / module.replace(".", "/")).is_dir() else module.rpartition(".")[0]
    found: dict[str, tuple[str, str]] = {}
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.ImportFrom) and (node.level or (node.module or "").startswith("cganzoo")):
            parents = package.split(".")
            origin = ".".join(parents[: len(parents) - node.level + 1]) if node.level else ""
            origin = ".".join(filter(None, [origin, node.module]))
            found.update({alias.asname or alias.name: (origin, alias.name) for alias in node.names})
    return found


def look_up(module: str, name: str) -> Definition | None:
    """The definition that a module's name stands for, through imports; None for one that is not the host's."""
    if name in definitions(module):
        return definitions(module)[name]
    if name in imported(module):
        return look_up(*imported(module)[name])
    return None


def public(module: str) -> list[str]:
    """A module's public names: its ``__all__``, or else what it defines without an underscore."""
    defined = definitions(module)
    if "__all__" in defined:
        return sorted(ast.literal_eval(defined["__all__"].node.value))  # type: ignore[attr-defined]
    return [name for name, found in defined.items() if not name.startswith("_") and name != "TYPE_CHECKING"]


# --- signatures -----------------------------------------------------------------------------------------------------


def signature(node: ast.FunctionDef, name: str, *, method: bool = False) -> str:
    """``name(arguments) -> result``, without ``self``."""
    kinds = {ast.unparse(decorator) for decorator in node.decorator_list}
    if kinds & {"property", "cached_property", "functools.cached_property"}:
        return f"property {name}{_result(node)}"
    arguments = list(_arguments(node.args))[1 if method and "staticmethod" not in kinds else 0 :]
    shown = f"{name}({', '.join(arguments)})" + ("" if name[0].isupper() else _result(node))
    marks = sorted(kinds & {"abstractmethod", "classmethod", "staticmethod"})
    return " ".join([*(f"@{mark}" for mark in marks), shown])


def _arguments(arguments: ast.arguments) -> Iterator[str]:
    """Each argument, with the marks that stand between them."""
    positional = [*arguments.posonlyargs, *arguments.args]
    for index, argument in enumerate(positional):
        from_end = index - len(positional)
        yield _argument(argument, arguments.defaults[from_end] if -from_end <= len(arguments.defaults) else None)
        if index + 1 == len(arguments.posonlyargs):
            yield "/"
    if arguments.vararg:
        yield f"*{_argument(arguments.vararg)}"
    elif arguments.kwonlyargs:
        yield "*"
    for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        yield _argument(argument, default)
    if arguments.kwarg:
        yield f"**{_argument(arguments.kwarg)}"


def _argument(argument: ast.arg, default: ast.expr | None = None) -> str:
    kind = f": {code(argument.annotation)}" if argument.annotation else ""
    return argument.arg + kind + ("" if default is None else f" = {code(default)}" if kind else f"={code(default)}")


def _result(node: ast.FunctionDef) -> str:
    return f" -> {code(node.returns)}" if node.returns else ""


def code(node: ast.AST) -> str:
    """Source, in double quotes."""
    text = ast.unparse(node)
    return text if '"' in text else text.replace("'", '"')


def assignment(node: ast.Assign | ast.AnnAssign, name: str) -> tuple[str, str]:
    """``name: type = value``, and the description that a pydantic field carries."""
    kind = f": {code(node.annotation)}" if isinstance(node, ast.AnnAssign) else ""
    if importable := re.fullmatch(r": Importable\[(.*)\]", kind):  # a descriptor: what it takes, and its default
        optional = isinstance(node.value, ast.Call) and node.value.args
        return f"{name}: {importable[1]} | str" + (f" = {code(node.value.args[0])}" if optional else ""), ""
    if node.value is None:
        return name + kind, ""
    value, description = code(node.value), ""
    if isinstance(node.value, ast.Call) and ast.unparse(node.value.func) == "Field":
        for keyword in node.value.keywords:
            if keyword.arg == "description":
                description = ast.literal_eval(keyword.value)
        others = [keyword for keyword in node.value.keywords if keyword.arg != "description"]
        call = ast.Call(node.value.func, node.value.args, others)
        value = code(call.args[0]) if len(call.args) == 1 and not others else code(call)
        if not call.args and not others:
            return name + kind, description
    return f"{name}{kind} = {value}", description


def constant(node: ast.Assign | ast.AnnAssign, name: str) -> str:
    """``name = value`` of a module's constant; the name alone where how it is made is the host's own business."""
    shown = assignment(node, name)[0]
    made = isinstance(node.value, ast.Call) or re.search(r"\b_[a-z]", shown)
    return name if made or name == "__version__" else shown


def heading(node: ast.ClassDef) -> str:
    """``@dataclass class Name(Base)``."""
    bases = f"({', '.join(code(base) for base in node.bases)})" if node.bases else ""
    return " ".join([*(f"@{code(mark)}" for mark in node.decorator_list), f"class {node.name}{bases}"])


# --- members of a class ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Member:
    """A public member of a class: its name, its signature, what it is in one line, and whether it may be overridden."""

    name: str
    signature: str
    summary: str
    to_override: bool = False


def members(found: Definition, listed: Iterable[str]) -> list[Member]:
    """Public members, those of bases among them unless a base is on the page itself."""
    assert isinstance(found.node, ast.ClassDef)
    collected: dict[str, Member] = {}
    for base in found.node.bases:
        name = ast.unparse(base).partition("[")[0]
        inherited = None if name in listed else look_up(found.module, name)
        if inherited is not None and isinstance(inherited.node, ast.ClassDef):
            collected.update({member.name: member for member in members(inherited, listed)})
    described = attributes(found.doc)
    fields_only = any(ast.unparse(mark).startswith("dataclass") for mark in found.node.decorator_list)
    body = found.node.body
    for position, node in enumerate(body):
        if isinstance(node, ast.FunctionDef):
            doc = ast.get_docstring(node) or ""
            if node.name == "__init__":
                name = found.node.name
                collected[name] = Member(name, signature(node, name, method=True), "")
            elif not node.name.startswith("_"):
                shown = signature(node, node.name, method=True)
                collected[node.name] = Member(node.name, shown, first_line(doc), "verride it" in doc)
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            below = body[position + 1] if position + 1 < len(body) else None
            for name, doc in _defined(node, below):
                shown, description = assignment(node, name)
                if not (name.startswith("_") or (fields_only and "ClassVar" in shown)):
                    doc = described.get(name) or plain(description) or first_line(doc)
                    collected[name] = Member(name, shown, doc)
    return list(collected.values())


def attributes(docstring: str) -> dict[str, str]:
    """What the sections "Attributes", "Class attributes" and "Args" of a docstring say, by name."""
    found: dict[str, str] = {}
    section, names = False, []
    for line in docstring.splitlines():
        indent = len(line) - len(line.lstrip())
        if line and indent == 0:
            section = bool(re.fullmatch(r"(class attributes.*|attributes|args):", line.lower()))
        elif section and indent == 4:
            head, _, text = line.strip().partition(": ")
            names = head.split(", ")
            found.update(dict.fromkeys(names, text))
        elif section and line.strip():
            found.update({name: f"{found[name]} {line.strip()}" for name in names})
    return {name: plain(text) for name, text in found.items()}


def first_line(docstring: str) -> str:
    """The first paragraph of a docstring, as Markdown."""
    return plain(" ".join(docstring.strip().partition("\n\n")[0].split()))


def plain(text: str) -> str:
    """reStructuredText's roles and literals as Markdown's code."""
    text = re.sub(r":\w+:`~[\w.]*?(\w+)`", r"`\1`", text)
    return re.sub(r":\w+:(`[^`]+`)", r"\1", text).replace("``", "`")


# --- the pages ------------------------------------------------------------------------------------------------------


def plugin_api() -> str:
    """The text of docs/plugin-api.md."""
    version = ast.literal_eval(definitions("cganzoo._version")["API_VERSION"].node.value)  # type: ignore[attr-defined]
    lines = [
        NOTE,
        "",
        f"# The plugin API, version {version}",
        "",
        "Everything that a plugin may rely on: the [hooks](hooks.md), and the names below with their signatures. "
        "What is not here may change in any release.",
        "",
        f'`cganzoo.API_VERSION` is `"{version}"`: the host\'s version without its last figure. Within one API version, '
        "names and optional arguments are added and nothing else changes. Below 1.0 the next one may break plugins, so "
        f"a plugin asks for a range: `{bounds(version)}` ([how](publish.md)). A plugin that asks for another host is "
        "not loaded; `cganzoo plugins` says so in one line, and everything else goes on.",
        "",
        "A test compares this page with the code, so a change of the API is a decision and not an accident.",
        "",
    ]
    lines += [f"- [`{module}`](#{anchor(module)}): {what}" for module, what in MODULES.items()]
    listed = {name for module in MODULES for name in public(module)}
    for module in MODULES:
        lines += ["", f"## {module}"]
        for name in public(module):
            lines += ["", f"### {name}", "", *_entry(module, name, listed)]
    return "\n".join(lines) + "\n"


def bounds(version: str) -> str:
    """What a plugin for this API version asks for."""
    major, minor = map(int, version.split("."))
    return f"cganzoo>={version},<{major}.{minor + 1}" if major == 0 else f"cganzoo>={version},<{major + 1}"


def anchor(heading: str) -> str:
    """GitHub's anchor of a heading."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


def _entry(module: str, name: str, listed: Iterable[str]) -> Iterator[str]:
    found = look_up(module, name)
    assert found is not None, f"{module}.{name} is listed as public, and is not defined"
    if isinstance(found.node, ast.ClassDef):
        yield _told(heading(found.node), first_line(found.doc))
        inside = members(found, listed)
        rest = [member for member in inside if not member.name.startswith(CHECK)]
        checks = [member for member in inside if member.name.startswith(CHECK)]
        more = ""
        if checks and found.node.bases:  # a kind's conformance class: its other methods serve its own checks
            rest = [member for member in rest if member.to_override or re.match(r"\w+: ", member.signature)]
            more = ", and those of [`Conformance`](#conformance)"
        if rest:
            yield ""
            yield from (f"- {_told(member.signature, member.summary)}" for member in rest)
        if checks:
            yield from ("", f"{len(checks)} checks{more}:", "")
            yield from (f"- {_told(member.name.removeprefix(CHECK), member.summary)}" for member in checks)
    elif isinstance(found.node, ast.FunctionDef):
        yield _told(signature(found.node, name), first_line(found.doc))
    else:
        assert isinstance(found.node, (ast.Assign, ast.AnnAssign))
        yield _told(constant(found.node, name), first_line(found.doc))


def _told(shown: str, summary: str) -> str:
    return f"`{shown}`" + (f"\\\n  {summary}" if summary else "")


def hooks() -> str:
    """The text of docs/hooks.md."""
    lines = [
        NOTE,
        "",
        "# The hooks",
        "",
        "A plugin is a distribution with an entry point in the group `cganzoo`. The entry point names a module, and "
        "the module implements hooks: functions of the names below, marked with `@cganzoo.hookimpl`. Each takes no "
        "argument and yields specifications, one for each component.",
        "",
        *textwrap.dedent(ast.get_docstring(tree(HOOKS)) or "").partition("\n\n")[2].split("\n"),
        "",
        "| hook | yields |",
        "|---|---|",
    ]
    specified = [
        (name, found, re.findall(r"\w+Spec", _result(found.node))[0])
        for name, found in definitions(HOOKS).items()
        if isinstance(found.node, ast.FunctionDef) and "hookspec" in map(ast.unparse, found.node.decorator_list)
    ]
    lines += [f"| [`{name}`](#{name}) | `{spec}` |" for name, _, spec in specified]
    lines += ["", "`cganzoo plugin new NAME --kind KIND` writes a whole plugin of any kind."]
    for name, found, spec in specified:
        example = textwrap.dedent(found.doc.partition("Example::\n")[2]).strip("\n")
        lines += ["", f"## {name}", "", first_line(found.doc), "", *_fields(spec), ""]
        lines += ["A complete plugin module:", "", "```python", example, "```"]
    lines += ["", "## What build is given", "", *_fields("BuildContext")]
    return "\n".join(lines) + "\n"


def _fields(name: str) -> Iterator[str]:
    """A dataclass of cganzoo.specs as a table, and those that its fields are made of."""
    found = look_up("cganzoo.specs", name)
    assert found is not None
    yield from (f"`{name}`: {first_line(found.doc)}", "", "| field | type | default | what |", "|---|---|---|---|")
    parts: list[str] = []
    for member in members(found, ()):
        if ": " not in member.signature.partition("(")[0]:
            continue  # a property or a method
        kind, _, default = member.signature.partition(": ")[2].partition(" = ")
        parts += [part for part in re.findall(r"\w+", kind) if part not in (name, "BuildContext", *parts)]
        cells = [f"`{member.name}`", f"`{kind}`", f"`{default}`" if default else "", member.summary]
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
    for part in parts:
        inner = definitions("cganzoo.specs").get(part)
        if inner is None:
            continue
        if isinstance(inner.node, ast.ClassDef):
            yield ""
            yield from _fields(part)
        elif isinstance(inner.node, ast.Assign) and inner.doc:
            yield from ("", f"`{part}` is `{ast.unparse(inner.node.value)}`: {first_line(inner.doc)}")


# --- what changed ---------------------------------------------------------------------------------------------------


def signatures(page: str) -> dict[str, str]:
    """Names and signatures of a page, without its prose: ``"cganzoo.objective.Batch.images"`` to what stands there."""
    found: dict[str, str] = {}
    module = owner = ""
    for line in page.splitlines():
        if line.startswith("## "):
            module, owner = line[3:], ""
        elif line.startswith("### "):
            owner = line[4:]
        elif owner and (shown := re.match(r"(- )?`([^`]+)`", line)):
            member = re.match(r"(?:(?:@\w+|property) )*(\w+)", shown[2])[1] if shown[1] else ""  # type: ignore[index]
            found[".".join(filter(None, [module, owner, member]))] = shown[2]
    return found


def changes(old: str, new: str) -> list[str]:
    """What two plugin-api pages differ in, a line each: what was taken away or changed first."""
    before, after = signatures(old), signatures(new)
    removed = [f"removed: {name}" for name in before if name not in after]
    changed = [
        f"changed: {name}: it was `{before[name]}`, and is `{after[name]}`"
        for name in before
        if name in after and before[name] != after[name]
    ]
    return removed + changed + [f"added: {name}" for name in after if name not in before]


PAGES = {"plugin-api.md": plugin_api, "hooks.md": hooks}

if __name__ == "__main__":
    for page, write in PAGES.items():
        path = DOCS / page
        old, new = path.read_text(encoding="utf-8") if path.exists() else "", write()
        path.write_text(new, encoding="utf-8")
        print(f"{path.name}: {'written' if old != new else 'as it was'}")
        for change in changes(old, new):
            print(f"  {change}")
