"""Labels, folders and classes of any name: no file of a report takes them as markup, as a formula or as a code."""

from __future__ import annotations

import csv
import io
import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
from comparing import PLUGINS, Command, view_of, write_run
from report_values import view as made_up

from cganzoo.compare import report_files
from cganzoo.compare.escape import csv_text, markdown_line, markdown_text, tex_text
from cganzoo.compare.report_files import latex, markdown, scores_csv

EVIL = [
    "<script>alert(1)</script>",
    "a|b",
    "[x](javascript:alert(1))",
    "**bold** _under_ `code` ~~no~~",
    "=HYPERLINK(1)",
    "+1",
    "-1+1",
    "@SUM(A1)",
    "\tx",
    "\rx",
    "esc\x1b[31mred\x1b]0;title\x07",
    "\u202egnp.exe",
    "nul\x00",
    "two\nlines",
    os.fsdecode(b"caf\xe9"),
    "# heading",
    "1. list",
    "\\",
    "$x$ & 50 % {y}",
    "&lt;b&gt;",
    "![picture](https://example.org/x.png)",
    "https://example.org",
]


def cells_of(line: str) -> list[str]:
    """The cells of a row of a Markdown table."""
    return re.split(r"(?<!\\)(?:\\\\)*\|", line)[1:-1]


def labelled(label: str) -> dict[str, Any]:
    made = made_up(2)
    made["methods"][1]["label"] = label
    made["warnings"] = [f"{label}: 1 of 2 seeds failed."]
    made["reproduce"]["runs"] = [
        {**run, "fingerprints": {}, "protocol": "x", "last_step": 5, "best_step": None, "scores": {"5": {"fid": -1.5}}}
        for run in made["reproduce"]["runs"]
    ]
    return made | {"mixed": False}


@pytest.mark.parametrize("label", EVIL)
def test_every_file_of_a_report_shows_a_label_as_it_is(label: str, tmp_path: Path):
    made = report_files.printable_values(labelled(label))
    report_files.write_files(labelled(label), tmp_path)
    texts = {name: (tmp_path / name).read_text(encoding="utf-8") for name in report_files.REPORT_FILES}
    for name, text in texts.items():
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]", text.split("plotly.js v")[0]), name
    rows = [line for line in texts["table.md"].splitlines() if line.startswith("|")]
    assert len({len(cells_of(row)) for row in rows}) == 1, "no cell is added and no row is broken"
    assert "<" not in texts["table.md"]
    shown = made["methods"][1]["label"]
    (row, *_) = [row for row in csv.DictReader(io.StringIO(texts["scores.csv"])) if row["method"] == "m1"]
    assert row["label"] in (shown, f"'{shown}")
    assert not row["label"].startswith(("=", "+", "-", "@", "\t", "\r"))
    assert row["value"] == "-1.5", "a number stays a number"
    assert "<script>alert" not in texts["report.html"]
    assert json.loads(texts["scores.json"])["methods"][1]["label"] == shown


def test_markdown_is_plain_text():
    assert markdown_text("a|b [x](y) *s* `c` <b> ~ \\") == r"a\|b \[x\](y) \*s\* \`c\` &lt;b&gt; \~ \\"
    assert markdown_text("am_score of _x_") == r"am_score of \_x\_", "an underscore inside a word is no markup"
    assert markdown_text("https://a.b www.a.b a@b.c") == r"https:\//a.b www\.a.b a\@b.c"
    assert markdown_text("two\nlines") == "two lines"
    assert [markdown_line(text) for text in ("# a", "1. a", "- a", "2 seeds", "1) a")] == [
        r"\# a",
        r"1\. a",
        r"\- a",
        "2 seeds",
        r"1\) a",
    ]


def test_tex_is_plain_text():
    assert tex_text("[2pt] a") == "{[}2pt] a"
    assert tex_text("*") == "{*}"
    assert tex_text("GAN* a_b & <x> | 50 % ~ ^ $ # { \\") == (
        r"GAN* a\_b \& \textless{}x\textgreater{} \textbar{} 50 \% \textasciitilde{} \textasciicircum{} \$ \# \{ "
        r"\textbackslash{}"
    )
    rows = latex(labelled("[2pt]")).splitlines()
    assert any(row.startswith("{[}2pt] &") for row in rows)


def test_numbers_are_not_changed_in_csv_and_markdown():
    assert [csv_text(text) for text in ("=1", "-x", "x=1", "")] == ["'=1", "'-x", "x=1", ""]
    made = labelled("x")
    made["tables"][0]["rows"][0]["cells"]["fid"] |= {"mean": -3.25, "sd": 0.5, "mark": ""}
    assert "| -3.25 ± 0.5 |" in markdown(made)
    assert ",-1.5," in scores_csv(made)


def test_folders_of_any_name_are_compared(tmp_path: Path, tiny: str):
    text = tiny.replace(PLUGINS, 'plugins = ["cganzoo-amgan", "cganzoo-dcgan", "cganzoo-scores"]')
    names = [label for label in EVIL if "/" not in label and "\x00" not in label]
    for number, name in enumerate(names):
        recipe = text.replace("batch_size = 8", f"batch_size = {8 + number}") + '[[metrics]]\nname = "fid"\n'
        write_run(tmp_path / "runs" / name / "seed-0", recipe, {"fid": 1.0 + number})
    view = view_of(tmp_path / "out", tmp_path / "runs")
    assert len(view["methods"]) == len(names)
    labels = [method["label"] for method in view["methods"]]
    assert all(label.isprintable() for label in labels)
    assert r"caf\udce9" in labels
    report_files.write_files(view | {"grids": {"note": "", "classes": [], "methods": {}}, "neighbours": {}}, tmp_path)


def test_the_terminal_gets_no_code_of_a_name(command: Command, tmp_path: Path, tiny: str):
    text = tiny.replace(PLUGINS, 'plugins = ["cganzoo-amgan", "cganzoo-dcgan", "cganzoo-scores"]')
    for number, name in enumerate(("esc\x1b[31m", os.fsdecode(b"\xff[/b]"))):
        recipe = text.replace("batch_size = 8", f"batch_size = {8 + number}") + '[[metrics]]\nname = "fid"\n'
        run = write_run(tmp_path / "runs" / name / "seed-0", recipe, {"fid": 1.0 + number})
        manifest = json.loads((run / "manifest.json").read_text())
        (run / "manifest.json").write_text(json.dumps(manifest | {"classes": ["\x1b[2J", "\udcff"]}))
    bad = tmp_path / "runs" / "bad\x1b[5m" / "seed-0"
    bad.mkdir(parents=True)
    (bad / "manifest.json").write_text("{")
    ended = command("compare", tmp_path / "runs", "--out", tmp_path / "out\x1b[1m", "--device", "cpu")
    assert ended.code == 2
    assert "\x1b" not in ended.out + ended.err
    assert r"esc\x1b[31m" in ended.out
    assert r"\udcff[/b]" in ended.out
    assert (tmp_path / "out\x1b[1m" / "report.html").is_file()
