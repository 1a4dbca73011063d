"""Joins the modules that templates of several kinds write to the same file of a new plugin."""

from __future__ import annotations

import ast
import sys
from collections.abc import Sequence

LINE = 120  # characters; as in the template of pyproject.toml


def joined(modules: Sequence[str]) -> str:
    """One module: the docstring of the first, the imports of all, then the rest of each.

    The modules have a docstring and then ``from ... import ...``, nothing else before and between these.
    """
    imports: dict[str, set[str]] = {}
    bodies = []
    for text in modules:
        nodes = [node for node in ast.parse(text).body if isinstance(node, ast.ImportFrom)]
        for node in nodes:
            names = imports.setdefault("." * node.level + (node.module or ""), set())
            names |= {alias.name for alias in node.names}
        bodies.append("\n".join(text.splitlines()[nodes[-1].end_lineno :]).strip("\n"))
    docstring = modules[0].partition("\nfrom ")[0].strip("\n")
    sections: dict[int, list[str]] = {}
    for module in sorted(imports):
        sections.setdefault(_section(module), []).append(_import(module, imports[module]))
    blocks = ["\n".join(sections[number]) for number in sorted(sections)]
    return "\n\n".join([docstring, *blocks]) + "\n\n\n" + "\n\n\n".join(bodies) + "\n"


def _section(module: str) -> int:
    """The block of imports in which a module belongs, as isort orders them."""
    top_level = module.partition(".")[0]
    return 3 if not top_level else 0 if top_level == "__future__" else 1 if top_level in sys.stdlib_module_names else 2


def _import(module: str, names: set[str]) -> str:
    """``from module import ...``: constants first, then classes, then functions; one name a line if it is long."""
    ordered = sorted(names, key=lambda name: (not name.isupper(), not name[0].isupper(), name))
    line = f"from {module} import {', '.join(ordered)}"
    return line if len(line) <= LINE else f"from {module} import (\n    " + ",\n    ".join(ordered) + ",\n)"
