"""The report of a comparison as one HTML file that needs no network: tables, curves, samples, how to reproduce it.

The page is ``report.html.jinja`` with ``report.css``, ``report.js`` and plotly.js inside. The template has most tables;
``report.js`` draws charts, and tables that depend on a menu, from JSON in the page.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup
from pydantic_core import to_json

from .view import published_scores

HERE = Path(__file__).parent

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c7a00", "#808080")
"""Okabe and Ito's colours, with a darker yellow and a lighter black that are visible on white and on black."""

STROKES = {
    "solid": "none",
    "dash": "6 4",
    "dot": "2 3",
    "dashdot": "6 3 2 3",
    "longdash": "9 4",
    "longdashdot": "9 3 2 3",
}
"""Line styles of plotly, and the same for SVG."""

NOTHING = "\N{EN DASH}"
"""Shown in a table for a missing value."""


def render_page(view: dict[str, Any]) -> str:
    """The page of a view, as a whole HTML document without references to other files or hosts.

    Args:
        view: what the page shows, of JSON values only.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(fixed=_fixed, decimals=_decimals, NOTHING=NOTHING)
    plotly = Markup()
    if any(_curves(view).values()):
        from plotly.offline import get_plotlyjs  # slow to import

        plotly = _embedded_script(get_plotlyjs())
    styles = _styles([method["id"] for method in view["methods"]])
    return environment.get_template("report.html.jinja").render(
        view=view,
        styles=styles,
        ranked=_ranked(view),
        published=published_scores(view),
        data=_embedded_json(_data(view, styles)),
        css=Markup((HERE / "report.css").read_text(encoding="utf-8")),
        js=_embedded_script((HERE / "report.js").read_text(encoding="utf-8")),
        plotly=plotly,
    )


def _styles(ids: list[str]) -> dict[str, dict[str, str]]:
    """A colour and a line style for each method; they are different for up to 48 methods."""
    styles, dashes = {}, list(STROKES)
    for place, name in enumerate(ids):
        row, colour = divmod(place, len(COLOURS))
        dash = dashes[(colour + row) % len(dashes)]
        styles[name] = {"colour": COLOURS[colour], "dash": dash, "stroke": STROKES[dash]}
    return styles


def _curves(view: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The curves that have at least one point."""
    return {
        kind: {
            name: lines
            for name, lines in view["curves"].get(kind, {}).items()
            if any(value is not None for line in lines.values() for value in line["mean"])
        }
        for kind in ("scores", "terms")
    }


def _ranked(view: dict[str, Any]) -> list[str]:
    """The scores that have ranks or pairs, the one that methods are ranked by first."""
    found = {entry["score"] for entry in (*view["pairs"], *view["ranks"])}
    names = [score["name"] for score in view["scores"] if score["name"] in found]
    return sorted(names, key=lambda name: name != view["rank_by"])


def _data(view: dict[str, Any], styles: dict[str, dict[str, str]]) -> dict[str, Any]:
    """The data of ``report.js``. The large pictures are in the page itself, so that the file has them once."""
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
    """JSON for a script element: no character in it can end the element or open a comment."""
    text = to_json(value, inf_nan_mode="null").decode()
    return Markup(text.translate({ord(character): f"\\u{ord(character):04x}" for character in "<>&"}))


def _embedded_script(text: str) -> Markup:
    """JavaScript for a script element. The backslashes that are added change nothing in its strings."""
    return Markup(text.replace("</script", "<\\/script").replace("<!--", "<\\!--"))


def _decimals(values: Iterable[float | None]) -> int:
    """Decimals of a column, so that its points are aligned and its largest value has four digits."""
    sizes = [abs(value) for value in values if value and math.isfinite(value)]
    return min(max(3 - math.floor(math.log10(max(sizes))), 0), 6) if sizes else 3


def _fixed(value: float | None, decimals: int) -> str:
    """A number for a table."""
    if value is None or not math.isfinite(value):
        return NOTHING
    if value and abs(value) < 0.5 * 10**-decimals:
        return f"{value:.1e}"
    return f"{value:.{decimals}f}".replace("-", "\N{MINUS SIGN}")
