"""The report of a comparison in a browser: it sorts, hides, hovers and prints, and requests nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from browser import Browser, programs
from report_values import EVIL, view

from cganzoo.compare import report_files

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


def test_a_curve_of_one_or_two_points_is_named_and_not_drawn() -> None:
    made = view()
    for line in made["curves"]["scores"]["fid"].values():
        line |= {key: line[key][:2] for key in ("step", "mean", "low", "high", "n")}
    text = report_files.render_page(made)
    assert "fid" not in embedded(text)["curves"]["scores"]
    assert "Not drawn, because they were measured at fewer than 3 steps: fid." in text
    made["curves"] = {"scores": {"fid": made["curves"]["scores"]["fid"]}, "terms": {}}
    text = report_files.render_page(made)
    assert 'id="curves"' not in text
    assert len(text) < 500_000, "no chart library"


def test_facts_that_all_methods_share_are_shown_once() -> None:
    text = report_files.render_page(view())
    assert text.count("1,234,567") == 1
    assert text.count("amsgrad False") == 2 * 4, "those that differ are in a table"


def test_the_time_to_reach_a_score_is_explained() -> None:
    text = report_files.render_page(view())
    assert text.count("<b>time to reach 1</b>: Time until the score.") == 1


def test_a_suspicious_value_is_marked_and_explained() -> None:
    made = view()
    assert "a suspicious value" not in report_files.render_page(made)
    made["tables"][0]["rows"][0]["cells"]["fid"]["mark"] = "suspect"
    text = report_files.render_page(made)
    assert text.count('title="suspicious: see the warnings"') == 1
    assert "a suspicious value, see the warnings" in text
    assert "!: a suspicious value; see the warnings." in report_files.markdown(made).replace("\\", "")


def test_the_width_of_intervals_of_two_seeds_is_explained() -> None:
    made = view()
    assert "With 2 seeds" not in report_files.render_page(made)
    made["tables"][0]["rows"][0]["cells"]["fid"]["n"] = 2
    assert "With 2 seeds, this interval reaches 9 standard deviations" in report_files.render_page(made)


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


@pytest.mark.slow
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
    ("methods", "classes", "scored"),
    [
        (4, 10, True),
        pytest.param(1, 10, True, marks=pytest.mark.slow),
        pytest.param(40, 200, True, marks=pytest.mark.slow),
        (2, 10, False),
    ],
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


@pytest.mark.parametrize("methods", [2, 7])
def test_facts_are_wrapped(show: Callable[..., Any], methods: int) -> None:
    """They were 2,085 px in a box of 1,217 px, and at 390 px the table looked empty."""
    size = """
    const boxes = [...document.querySelectorAll("#fairness .scroll, #speed .scroll")];
    return boxes.map((box) => [box.scrollWidth, box.clientWidth]);
    """
    browser = show(methods, width=390)
    assert all(inner <= box for inner, box in browser.run(size)), "no table is wider than a phone"
    cells = browser.run("return [...document.querySelectorAll('#fairness td')].map((each) => each.offsetWidth)")
    assert min(cells) > 200
    browser = show(2, width=1280)
    assert all(inner <= box for inner, box in browser.run(size))


def test_a_table_that_is_wider_than_its_box_is_marked(show: Callable[..., Any]) -> None:
    browser = show(4, width=390)
    wide = "return document.querySelector(arguments[0]).closest('.scroll').classList.contains('wide')"
    browser.wait(wide, "#table-last")
    assert not browser.run(wide, "#speed table")


@pytest.mark.slow
def test_there_are_no_half_steps(show: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("report_values.curve", lambda rng, level: short_curve())
    browser = show(2)
    ticks = "return [...document.querySelectorAll('#chart .xtick text')].map((each) => each.textContent)"
    browser.wait(f"{ticks}.length")
    assert browser.run(ticks) == ["298", "299", "300"]
    browser.run("Plotly.relayout('chart', { 'xaxis.range': [298.6, 299.8] })")
    browser.wait(f"{ticks}.join() === '299'")
    browser.run("Plotly.relayout('chart', { 'xaxis.range': [0, 1000] })")
    browser.wait("return document.getElementById('chart')._fullLayout.xaxis.tickmode === 'auto'")
    assert 2 <= len(browser.run(ticks)) < 12


def short_curve() -> dict[str, list[Any]]:
    numbers = [1.0, 2.0, 3.0]
    return {"step": [298, 299, 300], "mean": numbers, "low": numbers, "high": numbers, "n": [2, 2, 2]}


@pytest.mark.slow
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


@pytest.mark.slow
def test_the_commands_are_copied(show: Callable[..., Any]) -> None:
    browser = show()
    browser.click(".copy")
    browser.wait("return document.querySelector('.copy').textContent !== 'copy'")
