"""The files of a comparison: the report, and the same numbers for programs and papers. Imports no torch.

The report is one HTML file that needs no network: ``report.html.jinja`` with ``report.css``, ``report.js`` and
plotly.js inside. The template has most tables; ``report.js`` draws charts, and tables that depend on a menu, from JSON.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup
from pydantic_core import to_json

from cganzoo._util.files import write_whole
from cganzoo.console.reporter import number
from cganzoo.errors import RunError
from cganzoo.runs.folder import REPORT_FILES
from cganzoo.specs import STANDARD_ERROR

from .conclusions import mean_and_spread
from .escape import csv_text, markdown_line, markdown_text, printable_values, tex_text
from .report_data import View, published_scores

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

LEAST_POINTS = 3  # of a curve that is drawn: one or two points stand in the tables already
NOTHING = "\N{EN DASH}"  # shown for a missing value
MIXED = "mixed protocols: not comparable"


def write_files(view: View, out: Path) -> list[Path]:
    """Write all files into a folder, and return their paths. The first path is that of the report."""
    view = printable_values(view)
    texts = (render_page(view), scores_csv(view), scores_json(view), markdown(view), latex(view))
    files = [out / name for name in REPORT_FILES]
    for file, text in zip(files, texts, strict=True):
        save(file, text)
    return files


def save(file: Path, text: str) -> None:
    """Write a file completely or not at all."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_whole(file, text)
    except OSError as error:
        raise RunError(f"{file}: cannot be written: {error.strerror or error}; choose another --out") from error


# --- the report -------------------------------------------------------------------------------------------------------


def render_page(view: View) -> str:
    """The page of a view, as a whole HTML document without references to other files or hosts."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(fixed=_fixed, decimals=_decimals, NOTHING=NOTHING)
    styles = _styles([method["id"] for method in view["methods"]])
    data = _data(view, styles)
    plotly = Markup()
    if any(data["curves"].values()):  # those with enough points
        from plotly.offline import get_plotlyjs  # slow to import

        plotly = _embedded_script(get_plotlyjs())
    return environment.get_template("report.html.jinja").render(
        view=view,
        styles=styles,
        ranked=_ranked(view),
        published=published_scores(view),
        undrawn=[
            name
            for kind, lines in view["curves"].items()
            for name in lines
            if lines[name] and name not in data["curves"][kind]
        ],
        least_points=LEAST_POINTS,
        data=_embedded_json(data),
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


def _ranked(view: View) -> list[str]:
    """The scores that have ranks or pairs. The score that ranks the methods is the first."""
    found = {entry["score"] for entry in (*view["pairs"], *view["ranks"])}
    names = [score["name"] for score in view["scores"] if score["name"] in found]
    return sorted(names, key=lambda name: name != view["rank_by"])


def _data(view: View, styles: dict[str, dict[str, str]]) -> dict[str, Any]:
    """The data of ``report.js``. The large pictures are in the page itself, so that the file has them once."""
    return {
        "methods": [
            {"id": method["id"], "label": method["label"], **styles[method["id"]]} for method in view["methods"]
        ],
        "scores": {score["name"]: score for score in view["scores"]},
        "pairs": view["pairs"],
        "ranks": view["ranks"],
        "curves": {
            kind: {name: lines for name, lines in view["curves"][kind].items() if _points(lines) >= LEAST_POINTS}
            for kind in view["curves"]
        },
        "perClass": view["per_class"],
        "rows": {name: grid["rows"] for name, grid in view["grids"]["methods"].items()},
    }


def _points(lines: Mapping[str, Mapping[str, Any]]) -> int:
    """The steps of the longest line of a curve."""
    return max((sum(value is not None for value in line["mean"]) for line in lines.values()), default=0)


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


# --- for programs -----------------------------------------------------------------------------------------------------


def scores_csv(view: View) -> str:
    """Every score of every run, one per row. The column ``checkpoint`` marks the last and the best checkpoint."""
    labels = {method["id"]: csv_text(method["label"]) for method in view["methods"]}
    file = io.StringIO()
    table = csv.writer(file, lineterminator="\n")
    table.writerow(["method", "label", "seed", "state", "checkpoint", "step", "score", "value", "protocol", "warning"])
    warning = MIXED if view["mixed"] else ""
    for run in view["reproduce"]["runs"]:
        start = [csv_text(run["method"]), labels[run["method"]], run["seed"], run["state"]]
        for step in sorted(run["scores"], key=int):
            marks = [kind for kind in ("last", "best") if str(run[f"{kind}_step"]) == step]
            for name, value in run["scores"][step].items():
                shown = "" if value is None else repr(value)
                protocol = run["fingerprints"].get(name.removesuffix(STANDARD_ERROR), run["protocol"])
                table.writerow([*start, "+".join(marks) or "earlier", step, csv_text(name), shown, protocol, warning])
        if not run["scores"]:
            table.writerow([*start, "", "", "", "", "", warning])
    return file.getvalue()


def scores_json(view: View) -> str:
    """The whole view without its pictures."""
    kept = {key: value for key, value in view.items() if key not in ("grids", "neighbours")}
    return json.dumps(kept, indent=2, allow_nan=False) + "\n"


# --- tables for a paper ---------------------------------------------------------------------------------------------


def _rows(
    view: View, escape: Callable[[str], str], arrows: Mapping[bool | None, str], marks: Mapping[str, str]
) -> list[list[str]]:
    """The table of the last checkpoint: a heading, and then a row for each method.

    The file format decides the arguments: ``escape`` escapes text, ``arrows`` has an arrow for each value of
    ``higher_is_better``, and ``marks`` has a template for each mark.
    """
    columns = [score for score in view["scores"] if score["headline"]] or view["scores"]
    published = published_scores(view)
    heads = [escape(score["name"]) + arrows[score["higher_is_better"]] for score in columns]
    rows = [["method", *heads, *(f"{escape(name)}, published" for name in published)]]
    labels = {method["id"]: method["label"] for method in view["methods"]}
    for row in view["tables"][0]["rows"]:
        cells = [row["cells"][score["name"]] for score in columns]
        shown = [marks[cell["mark"]].format(escape(mean_and_spread(cell))) for cell in cells]
        values = (view["published"] or {"values": {}})["values"].get(row["method"], {})
        rows.append([escape(labels[row["method"]]), *shown, *(number(values.get(name)) for name in published)])
    return rows


def _caption(view: View) -> list[str]:
    seeds = sorted({method["finished"] for method in view["methods"]})
    count = f"{seeds[0]}" if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]}"
    lines = [
        f"Mean ± standard deviation over seeds ({count} per method), last checkpoint; bold: best; "
        "~: no significant difference from the best (Welch's t test, Holm's correction, 5 %)."
    ]
    if view["published"]:
        lines.append(f"Published: {view['published']['source']}. Difference: {view['published']['difference']}.")
    if any(cell["mark"] == "suspect" for row in view["tables"][0]["rows"] for cell in row["cells"].values()):
        lines.append("!: a suspicious value; see the warnings.")
    return [" ".join(line.split()) for line in (*lines, *view["summary"], *view["warnings"])]


def markdown(view: View) -> str:
    """The table of the last checkpoint, in Markdown."""
    head, *rows = _rows(
        view,
        markdown_text,
        {True: " ↑", False: " ↓", None: ""},
        {"best": "**{}**", "tie": "{} ~", "suspect": "{} !", "": "{}"},
    )
    lines = ["| " + " | ".join(row) + " |" for row in (head, *rows)]
    return "\n".join([lines[0], "|" + "---|" * len(head), *lines[1:], "", *map(markdown_line, _caption(view)), ""])


def latex(view: View) -> str:
    """The table of the last checkpoint, for LaTeX's booktabs package."""
    head, *rows = _rows(
        view,
        tex_text,
        {True: r" $\uparrow$", False: r" $\downarrow$", None: ""},
        {"best": r"\textbf{{{}}}", "tie": r"{}$^\sim$", "suspect": "{} !", "": "{}"},
    )
    lines = [" & ".join(row) + r" \\" for row in (["Method", *head[1:]], *rows)]
    if view["mixed"]:
        lines.insert(1, rf"\multicolumn{{{len(head)}}}{{l}}{{\emph{{{MIXED.capitalize()}}}}} \\")
    begin = [*(f"% {line}" for line in _caption(view)), rf"\begin{{tabular}}{{l{'r' * (len(head) - 1)}}}", r"\toprule"]
    return "\n".join([*begin, lines[0], r"\midrule", *lines[1:], r"\bottomrule", r"\end{tabular}", ""])
