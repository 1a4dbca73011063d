"""The report of a comparison as one HTML file that needs no network: tables, curves, samples, how to reproduce it.

The page is ``report.html.jinja`` with ``report.css``, ``report.js`` and plotly.js written into it. Tables that a reader
would want without scripts are written here; charts, and what a select changes, are drawn by ``report.js`` from the JSON
that the page carries.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from .view import published_scores

HERE = Path(__file__).parent

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c7a00", "#808080")
"""Okabe and Ito's colours; yellow and black are darker and lighter, to be seen on white and on black."""

DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
"""Line styles, by plotly's names."""

STROKES = {
    "solid": "none",
    "dash": "6 4",
    "dot": "2 3",
    "dashdot": "6 3 2 3",
    "longdash": "9 4",
    "longdashdot": "9 3 2 3",
}
"""The same line styles for SVG."""

NOTHING = "\N{EN DASH}"
"""What a table shows where there is no value."""


def render(view: dict[str, Any]) -> str:
    """The page of a view.

    Args:
        view: what the page shows, of JSON values only.

    Returns:
        A whole HTML document. Nothing in it refers to another file or host.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(fixed=_fixed, decimals=_decimals, NOTHING=NOTHING)
    styles = _styles([method["id"] for method in view["methods"]])
    return environment.get_template("report.html.jinja").render(
        view=view,
        styles=styles,
        ranked=_ranked(view),
        published=published_scores(view),
        data=_embedded_json(_data(view, styles)),
        css=Markup((HERE / "report.css").read_text(encoding="utf-8")),
        js=_embedded_script((HERE / "report.js").read_text(encoding="utf-8")),
        plotly=_embedded_script(_plotly()) if _has_curves(view) else "",
    )


def _plotly() -> str:
    from plotly.offline import get_plotlyjs  # slow to import, and not every page has charts

    return str(get_plotlyjs())


def _styles(ids: list[str]) -> dict[str, dict[str, str]]:
    """A colour and a line style of each method, by its place; 48 methods can be told apart."""
    styles = {}
    for place, name in enumerate(ids):
        colour = place % len(COLOURS)
        dash = DASHES[(colour + place // len(COLOURS)) % len(DASHES)]
        styles[name] = {"colour": COLOURS[colour], "dash": dash, "stroke": STROKES[dash]}
    return styles


def _has_curves(view: dict[str, Any]) -> bool:
    return any(_curves(view).values())


def _curves(view: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The curves that have at least one point."""
    kept: dict[str, dict[str, Any]] = {"scores": {}, "terms": {}}
    for kind, of_kind in kept.items():
        for name, lines in view["curves"].get(kind, {}).items():
            if any(value is not None for line in lines.values() for value in line["mean"]):
                of_kind[name] = lines
    return kept


def _ranked(view: dict[str, Any]) -> list[str]:
    """The scores that have ranks or pairs, the one that methods are ranked by first."""
    found = {entry["score"] for entry in (*view["pairs"], *view["ranks"])}
    names = [score["name"] for score in view["scores"] if score["name"] in found]
    names += sorted(found - set(names))
    return sorted(names, key=lambda name: name != view["rank_by"])


def _data(view: dict[str, Any], styles: dict[str, dict[str, str]]) -> dict[str, Any]:
    """What ``report.js`` draws from; the large pictures stand in the page itself, once."""
    return {
        "methods": [
            {"id": method["id"], "label": method["label"], **styles[method["id"]]} for method in view["methods"]
        ],
        "scores": {score["name"]: score for score in view["scores"]},
        "pairs": view["pairs"],
        "ranks": view["ranks"],
        "curves": _curves(view),
        "perClass": view["per_class"],
        "rows": {name: grid["rows"] for name, grid in view["grids"].get("methods", {}).items()},
    }


def _embedded_json(value: Any) -> Markup:
    """JSON that may stand in a script element: no character in it can end the element or open a comment."""
    text = json.dumps(_finite(value), separators=(",", ":"), allow_nan=False)
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)


def _embedded_script(text: str) -> Markup:
    """JavaScript that may stand in a script element. Within its strings, the backslashes change nothing."""
    return Markup(text.replace("</script", "<\\/script").replace("<!--", "<\\!--"))


def _finite(value: Any) -> Any:
    """The value with null for every number that JSON does not know."""
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(inner) for inner in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _number(value: Any) -> float | None:
    """The value if it is a finite number."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        return None
    return float(value)


def _decimals(values: Iterable[Any]) -> int:
    """Decimals of a column in which the largest value has four digits; so the points stand below one another."""
    sizes = [abs(number) for number in map(_number, values) if number]
    if not sizes:
        return 3
    return min(max(3 - math.floor(math.log10(max(sizes))), 0), 6)


def _fixed(value: Any, decimals: int) -> str:
    """A number as the tables write it."""
    number = _number(value)
    if number is None:
        return NOTHING
    if number and abs(number) < 0.5 * 10**-decimals:
        return f"{number:.1e}"
    return f"{number:.{decimals}f}".replace("-", "\N{MINUS SIGN}")
