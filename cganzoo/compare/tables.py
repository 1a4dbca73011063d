"""The files of a comparison: the report, and the same numbers for programs and papers. No torch."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping
from pathlib import Path

from cganzoo._util.files import write_whole
from cganzoo.console.reporter import number
from cganzoo.errors import RunError
from cganzoo.runs.folder import REPORT_FILES

from .conclusions import mean_and_spread
from .view import View, published_scores

MIXED = "mixed protocols: not comparable"


def write_files(view: View, out: Path) -> list[Path]:
    """Write all files into a folder, each completely or not at all; the report is the first.

    Args:
        view: what to show, with its pictures.
        out: the folder.

    Raises:
        RunError: a file cannot be written.
    """
    from .page import render_page  # reads plotly's script, which is megabytes

    texts = (render_page(view), scores_csv(view), scores_json(view), markdown(view), latex(view))
    files = [out / name for name in REPORT_FILES]
    for file, text in zip(files, texts, strict=True):
        save(file, text)
    return files


def save(file: Path, text: str) -> None:
    """Write a file.

    Raises:
        RunError: it cannot be written.
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_whole(file, text)
    except OSError as error:
        raise RunError(f"{file}: cannot be written: {error.strerror or error}; choose another --out") from error


def scores_csv(view: View) -> str:
    """Every score of every run, one per row; the column ``checkpoint`` marks the last and the best one."""
    labels = {method["id"]: method["label"] for method in view["methods"]}
    file = io.StringIO()
    table = csv.writer(file, lineterminator="\n")
    table.writerow(["method", "label", "seed", "state", "checkpoint", "step", "score", "value", "protocol", "warning"])
    warning = MIXED if view["mixed"] else ""
    for run in view["reproduce"]["runs"]:
        start = [run["method"], labels[run["method"]], run["seed"], run["state"]]
        for step in sorted(run["scores"], key=int):
            marks = [kind for kind in ("last", "best") if str(run[f"{kind}_step"]) == step]
            for name, value in run["scores"][step].items():
                shown = "" if value is None else repr(value)
                table.writerow([*start, "+".join(marks) or "earlier", step, name, shown, run["protocol"], warning])
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
    """The table of the last checkpoint: its heading, then a row for each method.

    Args:
        view: what to show.
        escape: makes text of others safe in the format.
        arrows: what follows the name of a score, by ``higher_is_better``.
        marks: templates of a cell, by its mark.
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
    found = [
        f"Mean ± standard deviation over seeds ({count} per method), last checkpoint; bold: best; "
        "~: no significant difference from the best (Welch's t test, Holm's correction, 5 %)."
    ]
    if view["published"]:
        found.append(f"Published: {view['published']['source']}. Difference: {view['published']['difference']}.")
    return [" ".join(line.split()) for line in (*found, *view["summary"], *view["warnings"])]


def markdown(view: View) -> str:
    """The table of the last checkpoint, in Markdown."""
    head, *rows = _rows(
        view,
        lambda text: text.replace("|", "\\|").replace("*", "\\*"),
        {True: " ↑", False: " ↓", None: ""},
        {"best": "**{}**", "tie": "{} ~", "": "{}"},
    )
    lines = ["| " + " | ".join(row) + " |" for row in (head, *rows)]
    return "\n".join([lines[0], "|" + "---|" * len(head), *lines[1:], "", *_caption(view), ""])


def latex(view: View) -> str:
    """The table of the last checkpoint, for LaTeX's booktabs package."""
    head, *rows = _rows(
        view,
        _tex,
        {True: r" $\uparrow$", False: r" $\downarrow$", None: ""},
        {"best": r"\textbf{{{}}}", "tie": r"{}$^\sim$", "": "{}"},
    )
    lines = [" & ".join(row) + r" \\" for row in (["Method", *head[1:]], *rows)]
    if view["mixed"]:
        lines.insert(1, rf"\multicolumn{{{len(head)}}}{{l}}{{\emph{{{MIXED.capitalize()}}}}} \\")
    begin = [*(f"% {line}" for line in _caption(view)), rf"\begin{{tabular}}{{l{'r' * (len(head) - 1)}}}", r"\toprule"]
    return "\n".join([*begin, lines[0], r"\midrule", *lines[1:], r"\bottomrule", r"\end{tabular}", ""])


def _tex(text: str) -> str:
    special = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "±": r"$\pm$"}
    special |= {character: f"\\{character}" for character in "&%$#_{}"}
    return "".join(special.get(character, character) for character in text)
