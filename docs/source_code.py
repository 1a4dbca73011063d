"""Reads the source of the host for docs/generate.py: what a module defines, its signatures, the members of its classes.

It parses the source and does not import it, so the pages do not depend on the versions of Python and torch.
"""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

SOURCE = Path(__file__).parents[1]


# --- reading the source ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Definition:
    """A name that a module defines: the module, the statement, and its docstring or the string below it."""

    module: str
    node: ast.stmt
    doc: str


@cache
def tree(module: str) -> ast.Module:
    """The syntax tree of a module."""
    path = SOURCE / module.replace(".", "/")
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def definitions(module: str) -> dict[str, Definition]:
    """The definitions at the top level of a module by name, including private names."""
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
    """The string literal below an assignment, or "" if there is none."""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
        return textwrap.dedent(node.value.value).strip()
    return ""


@cache
def imported(module: str) -> dict[str, tuple[str, str]]:
    """Names that a module imports from the host: local name -> (module, name in that module)."""
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
    """The definition of a name, also if the module imports it; None if the host does not define it."""
    if name in definitions(module):
        return definitions(module)[name]
    if name in imported(module):
        return look_up(*imported(module)[name])
    return None


def public(module: str) -> list[str]:
    """Public names of a module: its ``__all__``, what it imports ``as`` the same name, or else its definitions."""
    defined = definitions(module)
    if "__all__" in defined:
        return sorted(ast.literal_eval(defined["__all__"].node.value))  # type: ignore[attr-defined]
    imports = [node for node in ast.walk(tree(module)) if isinstance(node, ast.ImportFrom)]
    if exported := [alias.name for node in imports for alias in node.names if alias.asname == alias.name]:
        return sorted(exported)
    return [name for name, found in defined.items() if not name.startswith("_") and name != "TYPE_CHECKING"]


# --- signatures -----------------------------------------------------------------------------------------------------


def signature(node: ast.FunctionDef, name: str, *, method: bool = False) -> str:
    """``name(arguments) -> result`` without ``self``."""
    kinds = {ast.unparse(decorator) for decorator in node.decorator_list}
    if kinds & {"property", "cached_property", "functools.cached_property"}:
        return f"property {name}{_result(node)}"
    arguments = list(_arguments(node.args))[1 if method and "staticmethod" not in kinds else 0 :]
    shown = f"{name}({', '.join(arguments)})" + ("" if name[0].isupper() else _result(node))
    marks = sorted(kinds & {"abstractmethod", "classmethod", "staticmethod"})
    return " ".join([*(f"@{mark}" for mark in marks), shown])


def _arguments(arguments: ast.arguments) -> Iterator[str]:
    """The arguments, with ``/`` and ``*`` between them."""
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
    """Source code of a syntax node, with double quotes."""
    text = ast.unparse(node)
    return text if '"' in text else text.replace("'", '"')


def assignment(node: ast.Assign | ast.AnnAssign, name: str) -> tuple[str, str]:
    """``name: type = value``, and the description of a pydantic field."""
    kind = f": {code(node.annotation)}" if isinstance(node, ast.AnnAssign) else ""
    if importable := re.fullmatch(r": Importable\[(.*)\]", kind):  # a descriptor: show its type and default
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
    """``name = value`` of a module's constant, or only the name if its value is computed or private."""
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
    """A public member of a class: its name, signature and description, and whether its docstring says "Override it"."""

    name: str
    signature: str
    summary: str
    to_override: bool = False


def members(found: Definition, listed: Iterable[str]) -> list[Member]:
    """Public members of a class, including inherited ones, except from bases in ``listed`` (on the page themselves)."""
    assert isinstance(found.node, ast.ClassDef)
    collected: dict[str, Member] = {}
    for base in found.node.bases:
        name = ast.unparse(base).partition("[")[0]
        inherited = None if name in listed else look_up(found.module, name)
        if inherited is not None and isinstance(inherited.node, ast.ClassDef):
            for member in members(inherited, listed):
                if member.name == inherited.node.name:  # its constructor
                    shown = member.signature.replace(member.name, found.node.name, 1)
                    member = Member(found.node.name, shown, member.summary)
                collected[member.name] = member
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
                collected[node.name] = Member(node.name, shown, " ".join(prose(doc)), "verride it" in doc)
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            below = body[position + 1] if position + 1 < len(body) else None
            for name, doc in _defined(node, below):
                shown, description = assignment(node, name)
                if not (name.startswith("_") or (fields_only and "ClassVar" in shown)):
                    doc = described.get(name) or plain(description) or first_line(doc)
                    collected[name] = Member(name, shown, doc)
    return list(collected.values())


def attributes(docstring: str) -> dict[str, str]:
    """Descriptions by name, from the sections "Attributes", "Class attributes" and "Args" of a docstring."""
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


def prose(docstring: str) -> list[str]:
    """The paragraphs of a docstring as Markdown, without its sections ("Attributes:") and examples."""
    paragraphs = [paragraph for paragraph in re.split(r"\n\s*\n", docstring.strip()) if paragraph]
    kept = [one for one in paragraphs if not one.startswith(" ") and not re.match(r"[^\n]*:\n +\S|\w+::", one)]
    return [plain(" ".join(paragraph.split())) for paragraph in kept] or [""]


def plain(text: str) -> str:
    """Convert roles and literals of reStructuredText to Markdown code."""
    text = re.sub(r":\w+:`~[\w.]*?(\w+)`", r"`\1`", text)
    return re.sub(r":\w+:(`[^`]+`)", r"\1", text).replace("``", "`")
