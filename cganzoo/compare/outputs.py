"""The files of a comparison: the report, and the same numbers for programs and papers. No torch."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cganzoo._util.files import write_whole
from cganzoo.console.reporter import number
from cganzoo.errors import RunError
from cganzoo.runs.folder import REPORT_FILES

from .view import View, published_scores

MIXED = "mixed protocols: not comparable"


def write(view: View, out: Path) -> list[Path]:
    """Write all files into a folder, each whole or not at all; the report is the first.

    Args:
        view: what to show, pictures included.
        out: the folder.

    Raises:
        RunError: a file cannot be written.
    """
    from .page import render  # plotly's script is megabytes, and only the page needs it

    texts = (render(view), scores_csv(view), scores_json(view), markdown(view), latex(view))
    files = [out / name for name in REPORT_FILES]
    for file, text in zip(files, texts, strict=True):
        save(file, text)
    return files


def save(file: Path, text: str) -> None:
    """Write one file.

    Raises:
        RunError: it cannot be written.
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_whole(file, text)
    except OSError as error:
        raise RunError(f"{file}: cannot be written: {error.strerror or error}; choose another --out") from error


def scores_csv(view: View) -> str:
    """Every score of every run: a row each, last and best checkpoint told apart."""
    labels = {method["id"]: method["label"] for method in view["methods"]}
    file = io.StringIO()
    table = csv.writer(file, lineterminator="\n")
    table.writerow(["method", "label", "seed", "state", "checkpoint", "step", "score", "value", "protocol", "warning"])
    warning = MIXED if view["mixed"] else ""
    for run in view["reproduce"]["runs"]:
        steps = sorted(run["scores"], key=int)
        for step in steps:
            kinds = ["last"] * (str(run["last_step"]) == step)
            kinds += ["best"] * (str(run["best_step"]) == step)
            for name, value in run["scores"][step].items():
                row = [run["method"], labels[run["method"]], run["seed"], run["state"], "+".join(kinds) or "earlier"]
                table.writerow([*row, step, name, "" if value is None else repr(value), run["protocol"], warning])
        if not steps:
            table.writerow(
                [run["method"], labels[run["method"]], run["seed"], run["state"], "", "", "", "", "", warning]
            )
    return file.getvalue()


def scores_json(view: View) -> str:
    """The whole view without its pictures."""
    kept = {key: value for key, value in view.items() if key not in ("grids", "neighbours")}
    return json.dumps(kept, indent=2, allow_nan=False) + "\n"


# --- tables for a paper ---------------------------------------------------------------------------------------------


def _columns(view: View) -> list[Mapping[str, Any]]:
    return [score for score in view["scores"] if score["headline"]] or view["scores"]


def _body(view: View) -> list[tuple[str, list[tuple[str, str]], list[str]]]:
    """For each method its label, its cells with their marks, and the published values."""
    labels = {method["id"]: method["label"] for method in view["methods"]}
    rows = []
    for row in view["tables"][0]["rows"]:
        cells = []
        for score in _columns(view):
            cell = row["cells"][score["name"]]
            spread = "" if cell["sd"] is None else f" ± {cell['sd']:.2g}"
            cells.append((f"{number(cell['mean'])}{spread}", cell["mark"]))
        values = ((view["published"] or {"values": {}})["values"]).get(row["method"], {})
        rows.append((labels[row["method"]], cells, [number(values.get(name)) for name in published_scores(view)]))
    return rows


def _caption(view: View) -> list[str]:
    seeds = sorted({method["finished"] for method in view["methods"]})
    count = f"{seeds[0]}" if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]}"
    found = [
        f"Mean ± standard deviation over seeds ({count} a method), last checkpoint; bold: best; "
        "~: not told apart from it (Welch's t test, Holm's correction, 5 %)."
    ]
    if view["published"]:
        found.append(f"Published: {view['published']['source']}. Difference: {view['published']['difference']}.")
    return [*found, *view["summary"], *view["warnings"]]


def _arrow(score: Mapping[str, Any], up: str, down: str) -> str:
    return {True: f" {up}", False: f" {down}", None: ""}[score["higher_is_better"]]


def markdown(view: View) -> str:
    """The table of the last checkpoint."""
    head = ["method", *(score["name"] + _arrow(score, "↑", "↓") for score in _columns(view))]
    head += [f"{name}, published" for name in published_scores(view)]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    style = {"best": "**{}**", "tie": "{} ~", "": "{}"}
    for label, cells, published in _body(view):
        shown = [style[mark].format(text) for text, mark in cells]
        lines.append("| " + " | ".join([label.replace("|", "\\|").replace("*", "\\*"), *shown, *published]) + " |")
    return "\n".join([*lines, "", *(" ".join(sentence.split()) for sentence in _caption(view)), ""])


def latex(view: View) -> str:
    """The table of the last checkpoint, for the booktabs package."""
    columns = _columns(view)
    head = [r"Method", *(_tex(score["name"]) + _arrow(score, r"$\uparrow$", r"$\downarrow$") for score in columns)]
    head += [f"{_tex(name)}, published" for name in published_scores(view)]
    style = {"best": r"\textbf{{{}}}", "tie": r"{}$^\sim$", "": "{}"}
    lines = [f"% {' '.join(sentence.split())}" for sentence in _caption(view)]
    lines += [rf"\begin{{tabular}}{{l{'r' * (len(head) - 1)}}}", r"\toprule", " & ".join(head) + r" \\", r"\midrule"]
    if view["mixed"]:
        lines.append(rf"\multicolumn{{{len(head)}}}{{l}}{{\emph{{{MIXED.capitalize()}}}}} \\")
    for label, cells, published in _body(view):
        shown = [style[mark].format(_tex(text).replace("±", r"$\pm$")) for text, mark in cells]
        lines.append(" & ".join([_tex(label), *shown, *published]) + r" \\")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", ""])


def _tex(text: str) -> str:
    special = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
    special |= {character: f"\\{character}" for character in "&%$#_{}"}
    return "".join(special.get(character, character) for character in text)
