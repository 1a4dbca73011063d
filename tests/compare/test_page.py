"""The report of a comparison in a browser: it sorts, hides, hovers and prints, and requests nothing."""

from __future__ import annotations

import base64
import io
import json
import random
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from browser import Browser, programs
from PIL import Image

from cganzoo.compare import report_files

EVIL = "<script>alert(1)</script>"
NAMES = ["AM-GAN", "AC-GAN", "LabelGAN", "ProjGAN", "ContraGAN", "ECGAN", "ReACGAN", "DCGAN"]
STEPS = [0, 100, 200, 300, 400, 500]


# --- a view of made-up values -----------------------------------------------------------------------------------------


def picture(rng: random.Random, columns: int, rows: int = 1, size: int = 16) -> str:
    """Coloured noise as a data URI."""
    image = Image.new("RGB", (columns * 2, rows * 2))
    image.putdata([tuple(rng.randrange(256) for _ in range(3)) for _ in range(columns * rows * 4)])
    buffer = io.BytesIO()
    image.resize((columns * size, rows * size), Image.Resampling.NEAREST).save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def curve(rng: random.Random, level: float) -> dict[str, list[Any]]:
    """A noisy rise with one value missing."""
    mean: list[float | None] = [level * (1 - 0.8 ** (1 + place)) + rng.random() * 0.2 for place in range(len(STEPS))]
    mean[3] = None
    low = [None if value is None else value - 0.2 for value in mean]
    high = [None if value is None else value + 0.2 for value in mean]
    return {"step": STEPS, "mean": mean, "low": low, "high": high, "n": [3] * len(STEPS)}


def view(methods: int = 4, classes: int = 10, *, scored: bool = True, seed: int = 0) -> dict[str, Any]:
    """A whole view of random numbers.

    Args:
        methods: how many; the second has a script for a name.
        classes: how many.
        scored: whether there are scores and all that depends on them.
        seed: seed of the numbers.
    """
    rng = random.Random(seed)
    labels = [NAMES[place] if place < len(NAMES) else f"method {place + 1}" for place in range(methods)]
    if methods > 1:
        labels[1] = EVIL
    ids = [f"m{place}" for place in range(methods)]
    class_names = [f"class {place}" for place in range(classes)]
    scores = [
        {"name": "am_score", "summary": "How sure, how diverse.", "higher_is_better": False, "headline": True},
        {"name": "inception_score", "summary": "Diversity.", "higher_is_better": True, "headline": True},
        {"name": "fid", "summary": "A distance of features.", "higher_is_better": False, "headline": True},
        {"name": "am_score.entropy", "summary": "A part of it.", "higher_is_better": None, "headline": False},
    ]
    levels = {"am_score": 1.0, "inception_score": 8.0, "fid": 40.0, "am_score.entropy": 0.3}
    if not scored:
        scores = []

    def cells(marked: bool) -> dict[str, dict[str, dict[str, Any]]]:
        drawn = {key: {score["name"]: levels[score["name"]] * rng.uniform(0.8, 1.2) for score in scores} for key in ids}
        result: dict[str, dict[str, dict[str, Any]]] = {}
        for key, row in drawn.items():
            result[key] = {}
            for name, mean in row.items():
                sd = mean * 0.02
                order = sorted(drawn[other][name] for other in ids)
                mark = {0: "best", 1: "tie"}.get(order.index(mean), "") if marked and methods > 1 else ""
                cell = {
                    "mean": mean,
                    "sd": sd,
                    "low": mean - sd,
                    "high": mean + sd,
                    "bootstrap": [mean - sd, mean + sd],
                    "n": 3,
                    "mark": mark,
                }
                result[key][name] = cell
        if scores and methods > 2:
            result[ids[2]]["fid"] = dict.fromkeys(("mean", "sd", "low", "high", "bootstrap")) | {"n": 0, "mark": ""}
        return result

    def table(key: str, title: str) -> dict[str, Any]:
        rows = [{"method": name, "cells": row} for name, row in cells(True).items()]
        real = [{"label": "real test images", "cells": {"am_score": 0.1, "inception_score": 11.2, "fid": None}}]
        return {
            "id": key,
            "title": title,
            "note": f"The scores of the {title.lower()} of each run.",
            "rows": rows,
            "real": real,
        }

    pairs, ranks = [], []
    if scored and methods > 1:
        for name in ("inception_score", "am_score"):
            for place, a in enumerate(ids):
                ranks.append(
                    {
                        "score": name,
                        "method": a,
                        "rank": place + 1,
                        "low": max(place, 1),
                        "high": min(place + 2, methods),
                    }
                )
                for b in ids[place + 1 :]:
                    p = rng.random() ** 3
                    pairs.append(
                        {
                            "score": name,
                            "a": a,
                            "b": b,
                            "difference": rng.gauss(0, 1),
                            "p": p,
                            "p_corrected": min(3 * p, 1),
                            "ahead": rng.random() if place else 0.9997,
                        }
                    )
    per_class = {}
    if scored:
        per_class = {name: {key: [rng.random() for _ in class_names] for key in ids} for name in ("accuracy", "recall")}
        per_class["accuracy"][ids[0]][1] = None
    shown = min(classes, 10)
    grids = {
        key: {
            "sheet": picture(rng, 8, shown),
            "rows": [picture(rng, 8) if place < shown else None for place in range(classes)],
        }
        for key in ids
    }
    runs = [
        {
            "method": key,
            "seed": s,
            "state": "finished",
            "recipe": "3f2a" * 16,
            "code": {"cganzoo": "9e1b" * 16},
            "commit": "abcd" * 10,
            "device": "cpu",
            "folder": f"runs/{key}/seed-{s}",
            "error": "",
        }
        for key in ids
        for s in range(3)
    ]
    runs[-1] |= {
        "state": "failed",
        "recipe": None,
        "commit": None,
        "device": None,
        "error": "OSError: no space left on the device " * 2,
    }
    return {
        "title": f"{methods} methods on digits",
        "note": "All with the same networks, of three seeds each.",
        "version": "cganzoo 0.1.0",
        "created": "2026-11-25 12:40 UTC",
        "summary": [
            "AM-GAN has the best am_score (0.92 ± 0.02).",
            "It is not significantly different from AC-GAN (p = 0.21).",
        ],
        "warnings": ["1 of 12 runs failed: ECGAN, seed 2."],
        "methods": [
            {
                "id": key,
                "label": label,
                "seeds": [0, 1, 2],
                "finished": 3,
                "diverged": 0,
                "failed": 0,
                "unfinished": 0,
                "protocol": "3f2a" * 16,
            }
            for key, label in zip(ids, labels, strict=True)
        ],
        "scores": scores,
        "rank_by": "am_score",
        "tables": [table("last", "Last checkpoint"), table("best", "Best checkpoint")] if scored else [],
        "published": {
            "source": "A paper (2018), table 2.",
            "difference": "There with other networks.",
            "values": {ids[0]: {"am_score": 0.08}},
        },
        "pairs": pairs,
        "ranks": ranks,
        "curves": {
            "scores": {score["name"]: {key: curve(rng, levels[score["name"]]) for key in ids} for score in scores},
            "terms": {"discriminator/real": {key: curve(rng, 2.0) for key in ids}} if scored else {},
        },
        "per_class": {"classes": class_names, "scores": per_class},
        "grids": {"note": "Of the first seed, by its averaged weights.", "classes": class_names, "methods": grids},
        "neighbours": {key: picture(rng, 8, 4) for key in ids},
        "fairness": {
            "differences": [
                {"key": "loss.name", "values": dict(zip(ids, labels, strict=True)), "expected": True},
                {"key": "train.batch_size", "values": dict.fromkeys(ids, "64"), "expected": False},
            ],
            "facts": [
                {"name": "generator parameters", "values": dict.fromkeys(ids, "1,234,567")},
                {"name": "discriminator parameters", "values": dict.fromkeys(ids, "987,654")},
            ],
            "notes": ["The seeds are the same for all methods."],
        },
        "speed": [
            {"name": "images per second", "values": {key: f"{rng.randrange(900, 1200)}" for key in ids}},
            {"name": "time", "values": dict.fromkeys(ids, "3 min 12 s")},
        ],
        "reproduce": {
            "commands": ["cganzoo run recipes/digits-amgan.toml", "cganzoo compare recipes/digits-*.toml --seeds 3"],
            "versions": {"cganzoo": "0.1.0", "torch": "2.15.0", "python": "3.12"},
            "runs": runs,
        },
    }


# --- the text of the page, without a browser ------------------------------------------------------------------------


def embedded(text: str) -> Any:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
    assert found
    return json.loads(found[1])


def test_the_page_contains_the_view_and_no_text_can_end_an_element() -> None:
    made = view()
    made["curves"]["scores"]["fid"]["m0"]["mean"][0] = float("nan")
    text = report_files.render_page(made)
    data = embedded(text)
    assert data["pairs"] == made["pairs"]
    assert data["methods"][1]["label"] == EVIL
    assert data["curves"]["scores"]["fid"]["m0"]["mean"][0] is None, "JSON has no NaN"
    assert EVIL not in text
    assert text.count("</script") == 3


def test_a_page_without_curves_contains_no_chart_library() -> None:
    assert len(report_files.render_page(view(1, scored=False))) < 200_000


def test_sections_without_data_are_left_out() -> None:
    made = view(1, scored=False)
    made |= {"warnings": [], "neighbours": {}, "speed": [], "grids": {"note": "", "classes": [], "methods": {}}}
    made |= {"published": None, "fairness": {"differences": [], "facts": [], "notes": []}}
    found = re.findall(r'<section id="(\w+)">', report_files.render_page(made))
    assert found == ["summary", "reproduce"]
    found = re.findall(r'<section id="(\w+)">', report_files.render_page(view()))
    assert found == [
        "summary",
        "scores",
        "ranks",
        "curves",
        "samples",
        "classes",
        "neighbours",
        "fairness",
        "speed",
        "reproduce",
    ]


def test_48_methods_have_different_lines() -> None:
    styles = report_files._styles([f"m{place}" for place in range(48)])
    assert len({(style["colour"], style["dash"]) for style in styles.values()}) == 48


def test_the_points_of_a_column_are_aligned() -> None:
    places = report_files._decimals([12.5, 250.25, None])
    numbers = [report_files._fixed(value, places) for value in (12.5, 250.25, -3, None, float("nan"))]
    assert numbers == ["12.5", "250.2", "\N{MINUS SIGN}3.0", report_files.NOTHING, report_files.NOTHING]
    assert report_files._fixed(1e-9, 6) == "1.0e-09"
    assert report_files._decimals([None, 0]) == 3


# --- in a browser ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if programs() is None:
        pytest.skip("chromium and chromedriver are not installed: apt-get install chromium chromium-driver")
    with Browser() as started:
        yield started


@pytest.fixture
def show(browser: Any, tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """Opens the page of a view. In the end, the console must be empty and no address may have been requested."""

    def opened(*arguments: Any, width: int = 1440, scheme: str = "light", **keywords: Any) -> Any:
        file = tmp_path / "report.html"
        file.write_text(report_files.render_page(view(*arguments, **keywords)), encoding="utf-8")
        browser.size(width)
        browser.scheme(scheme)
        browser.open(file)
        return browser

    yield opened
    assert browser.errors() == []
    outside = [url for url in browser.requests() if not url.startswith(("file:", "data:", "blob:"))]
    entries = browser.run("return performance.getEntriesByType('resource').map((each) => each.name)")
    assert outside + [url for url in entries if not url.startswith(("data:", "blob:"))] == []


def column(browser: Any, table: str, place: int) -> list[float | None]:
    values = browser.run(
        """
        const rows = [...document.querySelectorAll(`${arguments[0]} tbody tr`)];
        return rows.map((row) => row.cells[arguments[1]].dataset.value);
        """,
        table,
        place,
    )
    return [float(value) if value else None for value in values]


def test_a_click_on_a_heading_sorts_and_a_second_one_reverses(show: Callable[..., Any]) -> None:
    browser = show()
    fid = "#table-last th:nth-child(5)"
    assert browser.run("return document.querySelector(arguments[0]).textContent", fid).startswith("fid")
    browser.click(f"{fid} button")
    values = column(browser, "#table-last", 4)
    assert values[-1] is None
    assert values[:-1] == sorted(value for value in values if value is not None)
    sorting = "return document.querySelector(arguments[0]).getAttribute('aria-sort')"
    assert browser.run(sorting, fid) == "ascending"
    browser.press(f"{fid} button", "\ue007")  # the enter key
    assert browser.run(sorting, fid) == "descending"
    assert column(browser, "#table-last", 4) == [*reversed(values[:-1]), None], "rows without a value stay last"
    inception = "#table-last th:nth-child(4)"
    browser.click(f"{inception} button")
    assert browser.run(sorting, fid) == "none"
    assert browser.run(sorting, inception) == "descending", "higher is better: the best first"


def test_details_are_shown_on_request(show: Callable[..., Any]) -> None:
    browser = show()
    shown = "return [...document.querySelectorAll('#table-last thead th')].filter((each) => each.offsetWidth).length"
    before = browser.run(shown)
    browser.click("#all-scores")
    assert browser.run(shown) == before + 1


VISIBLE = """
const data = document.getElementById("chart")._fullData;
return data.map((trace) => [trace.legendgroup, trace.visible === true]);
"""


def test_a_click_in_the_legend_hides_a_line_with_its_band(show: Callable[..., Any]) -> None:
    browser = show()
    browser.wait("return document.querySelectorAll('#chart .legendtoggle').length === 4")
    assert all(visible for _, visible in browser.run(VISIBLE))
    browser.run("document.getElementById('curves').scrollIntoView({ behavior: 'instant' })")
    browser.click("#chart .legendtoggle")
    browser.wait("return document.getElementById('chart')._fullData[0].visible === 'legendonly'")
    assert [group for group, visible in browser.run(VISIBLE) if not visible] == ["m0", "m0"]
    browser.click("#bands")
    assert [group for group, visible in browser.run(VISIBLE) if not visible] == ["m0"], "lines alone"
    browser.click("#bands")
    browser.choose("#curve", "fid")
    assert [group for group, visible in browser.run(VISIBLE) if not visible] == ["m0", "m0"], "it stays hidden"


def test_hovering_shows_values(show: Callable[..., Any]) -> None:
    browser = show()
    browser.wait("return document.querySelector('#chart .nsewdrag')")
    browser.run("document.getElementById('chart').scrollIntoView({ behavior: 'instant', block: 'center' })")
    place = browser.run(
        """
        const { x, y, width, height } = document.querySelector("#chart .nsewdrag").getBoundingClientRect();
        return [x + width * 0.42, y + height / 2];
        """
    )
    browser.move(*place)
    text = browser.wait("return document.querySelector('#chart .hoverlayer').textContent")
    assert "AM-GAN" in text
    assert EVIL in text
    assert re.search(r"\d\.\d+ \(\d\.\d+ to \d\.\d+, n = 3\)", text)


def test_a_label_is_never_read_as_html(show: Callable[..., Any]) -> None:
    browser = show()
    cell = "return document.querySelector('#table-last tr[data-method=m1] th').textContent.trim()"
    assert browser.run(cell) == EVIL
    assert EVIL in browser.run("return document.getElementById('rank-matrix').textContent")
    assert EVIL in browser.wait("return document.querySelector('#chart .legend').textContent")
    assert browser.run("return document.scripts.length") == 3


def test_a_class_is_shown_for_every_method(show: Callable[..., Any]) -> None:
    browser = show()
    sources = "return [...document.querySelectorAll('#sample-rows img')].map((each) => each.src)"
    rows = [grid["rows"] for grid in view()["grids"]["methods"].values()]
    assert browser.run(sources) == [row[0] for row in rows]
    browser.choose("#sample-class", "class 7")
    assert browser.run(sources) == [row[7] for row in rows]
    rendering = "return getComputedStyle(document.querySelector('#sample-rows img')).imageRendering"
    assert browser.run(rendering) == "pixelated"


def test_the_menu_chooses_the_score_of_ranks_and_pairs(show: Callable[..., Any]) -> None:
    browser = show()
    assert browser.run("return document.getElementById('rank-score').value") == "am_score"
    count = "return [...document.querySelectorAll(arguments[0])].length"
    assert browser.run(count, "#rank-table tbody tr") == 4
    assert browser.run(count, "#rank-matrix td.heat") == 12
    assert browser.run(count, "#rank-pairs tbody tr") == 6
    heats = "return [...document.querySelectorAll('#rank-matrix td.heat')].map((each) => each.textContent)"
    before = browser.run(heats)
    assert {"<1", ">99"} <= set(before)
    assert not {"0", "100"} & set(before)
    browser.choose("#rank-score", "inception_score")
    assert browser.run(heats) != before


def test_dark_mode_follows_the_preference_and_the_button(show: Callable[..., Any]) -> None:
    browser = show(scheme="dark")
    ground = "return getComputedStyle(document.body).backgroundColor"
    letters = "return document.getElementById('chart')._fullLayout.font.color"
    dark = (browser.run(ground), browser.run(letters))
    browser.click("#theme")
    light = (browser.run(ground), browser.run(letters))
    assert dark[0] != light[0]
    assert dark[1] != light[1], "the chart changes, too"
    browser.click("#theme")
    assert (browser.run(ground), browser.run(letters)) == dark


@pytest.mark.parametrize("width", [390, 1440])
@pytest.mark.parametrize(
    ("methods", "classes", "scored"), [(4, 10, True), (1, 10, True), (40, 200, True), (2, 10, False)]
)
def test_the_page_is_not_wider_than_the_window(
    show: Callable[..., Any], methods: int, classes: int, scored: bool, width: int
) -> None:
    browser = show(methods, classes, scored=scored, width=width)
    if scored:
        browser.wait("return document.querySelector('#chart .legend, #chart .main-svg')")
        browser.click("#all-scores")
    assert browser.run("return innerWidth") == width
    assert browser.run("return document.documentElement.scrollWidth") <= width
    headings = browser.run("return [...document.querySelectorAll('.toc a')].map((each) => each.hash.slice(1))")
    assert headings == browser.run("return [...document.querySelectorAll('main > section')].map((each) => each.id)")


def test_it_prints(show: Callable[..., Any]) -> None:
    browser = show(scheme="dark")
    browser.wait("return document.querySelector('#chart .main-svg')")
    assert browser.pdf().startswith(b"%PDF")
    browser.wait("return !document.documentElement.dataset.theme")
    width = "return arguments[0].map((name) => Math.round(document.querySelector(name).getBoundingClientRect().width))"
    chart, drawn = browser.run(width, ["#chart", "#chart .main-svg"])
    assert drawn == chart, "as wide as on the screen again"


def test_a_request_is_noticed_and_refused(browser: Any, tmp_path: Path) -> None:
    """The check of every test here works: on a page with a request, to an address that leads nowhere."""
    file = tmp_path / "report.html"
    request = '<img src="http://127.0.0.1:9/picture.png"></main>'
    file.write_text(report_files.render_page(view(1, scored=False)).replace("</main>", request), encoding="utf-8")
    browser.open(file)
    assert any("Content Security Policy" in message for message in browser.errors())
    file.write_text(re.sub("<meta http-equiv[^>]*>", "", file.read_text(encoding="utf-8")), encoding="utf-8")
    browser.open(file)
    assert "http://127.0.0.1:9/picture.png" in browser.requests()
    browser.errors()


def test_the_commands_are_copied(show: Callable[..., Any]) -> None:
    browser = show()
    browser.click(".copy")
    browser.wait("return document.querySelector('.copy').textContent !== 'copy'")
