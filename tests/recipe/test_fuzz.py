"""Some hundred damaged recipes: each is read, or refused with one short message that a terminal shows as it is."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import tomli_w

from cganzoo._util.toml import tomllib
from cganzoo.errors import CganzooError
from cganzoo.recipe.read import parse_recipe
from cganzoo.recipe.resolve import resolve
from cganzoo.registry import load_plugins

CASES = 150  # of each way to damage a recipe
SEED = 0

SCALARS: list[Any] = [
    0, -1, 1, 2**31, 2**63 - 1, -(2**63), 0.0, -0.0, 0.5, 1e308, -1e308, 5e-324, float("nan"), float("inf"),
    float("-inf"), True, False, "", " ", "x", "x" * 3000, "dcgan", "\x1b[31mred", "a\nb", "\u202egnp", "[bold]", "{}",
    "\ud7ff", "\U0010ffff", "2024", "1979-05-27", "/etc/passwd", "../..", "a/b/c",
]  # fmt: skip
KEYS = ["name", "from", "steps", "st\u0435ps", "", " ", "a b", "__class__", "x" * 3000, "\x1b[0m", "0", "-1", "ﬁd"]
LITERALS = [
    "1e400", "1" * 5000, "0x" + "f" * 400, "[" * 400, "{a=" * 400, "1979-05-27", "07:32:00", "'''", '"""', '"\\u0000"',
    "nan", "-inf", "+1", "1_000", "01", "true", "[1, 'a', []]", "{ }", "{a.b.c = 1}", ".".join("a" * 500),
]  # fmt: skip


def values(random: random.Random) -> Any:
    """A value of any type and shape."""
    shape = random.random()
    if shape < 0.6:
        return random.choice(SCALARS)
    if shape < 0.75:
        return [random.choice(SCALARS) for _ in range(random.randrange(4))]
    if shape < 0.95:
        return {random.choice(KEYS): random.choice(SCALARS) for _ in range(random.randrange(4))}
    found: Any = random.choice(SCALARS)
    for _ in range(random.choice([5, 30, 40, 100])):
        found = [found] if random.random() < 0.5 else {"a": found}
    return found


def tables(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        yield node
        for below in node.values():
            yield from tables(below)
    elif isinstance(node, list):
        for below in node:
            yield from tables(below)


def other_values(random: random.Random, text: str) -> tuple[str, list[str]]:
    """Replace, add and remove keys of any table."""
    recipe = tomllib.loads(text)
    for _ in range(random.choice([1, 1, 2, 5])):
        table = random.choice(list(tables(recipe)))
        key = random.choice([*table, random.choice(KEYS)])
        if random.random() < 0.15:
            table.pop(key, None)
        else:
            table[key] = values(random)
    return tomli_w.dumps(recipe), []


def other_text(random: random.Random, text: str) -> tuple[str, list[str]]:
    """Damage the text itself."""
    for _ in range(random.choice([1, 2, 8])):
        at = random.randrange(len(text))
        length = random.choice([0, 1, 1, 5, 40])
        inserted = random.choice(["", *LITERALS, *'"[]{}=.#\n\0\x7f\r\t', random.choice(KEYS), text[at : at + 30]])
        text = text[:at] + inserted + text[at + length :]
    return text, []


def other_lines(random: random.Random, text: str) -> tuple[str, list[str]]:
    """Duplicate, remove and reorder lines, and write literals for values."""
    lines = text.splitlines()
    for _ in range(random.choice([1, 2, 5])):
        at = random.randrange(len(lines))
        key, equals, _ = lines[at].partition("=")
        lines[at] = f"{key}= {random.choice(LITERALS)}" if equals and random.random() < 0.7 else random.choice(lines)
    return "\n".join(lines), []


def changes(random: random.Random, text: str) -> tuple[str, list[str]]:
    """``--set`` with any keys and values."""
    paths = [f"{section}.{key}" for section, table in tomllib.loads(text).items() for key in table]

    def override() -> str:
        path = random.choice([*paths, "optimizer.generator.betas.0", "metrics.0.name", "a.b.c", *KEYS])
        path += random.choice(["", "", "", ".x", ".0", "." + random.choice(KEYS), "\udcff"])
        value = random.choice([str(random.choice(SCALARS)), random.choice(LITERALS), "\udcff", repr(values(random))])
        return path + random.choice(["=", "=", "=", "=", " = ", ""]) + value

    return text, [override() for _ in range(random.choice([1, 1, 3]))]


@pytest.mark.parametrize("damage", [other_values, other_text, other_lines, changes])
def test_a_damaged_recipe_is_read_or_refused(
    damage: Callable[[random.Random, str], tuple[str, list[str]]], tiny: str
) -> None:
    registry = load_plugins(["cganzoo-amgan", "cganzoo-dcgan", "cganzoo-scores"])
    text = tiny + "[evaluation.extractor]\nname = 'classifier'\nwidth = 4\n[[metrics]]\nname = 'fid'\n"
    refused = 0
    for case in range(CASES):
        damaged, overrides = damage(random.Random(f"{SEED} {damage.__name__} {case}"), text)
        try:
            resolve(parse_recipe(damaged, name="t", source="t.toml", overrides=overrides), registry).toml()
        except CganzooError as error:
            refused += 1
            shown = str(error)
            assert len(shown) < 2000, (case, shown)
            assert shown.replace("\n", "").isprintable(), (case, shown)
        except Exception as error:
            raise AssertionError(f"case {case}: {damaged!r}, {overrides!r}") from error
    assert refused > CASES // 3
