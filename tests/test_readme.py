"""README.md and the metadata of the distributions: links, commands, and how long the tests take."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import Any

import pytest

from cganzoo._util.toml import tomllib
from cganzoo.registry import load_plugins

ROOT = Path(__file__).parents[1]
PLUGINS = sorted(path.parent for path in (ROOT / "plugins").glob("*/pyproject.toml"))
PAGES = sorted(
    path for pattern in ("*.md", "docs/*.md", "recipes/*.md", "benchmarks/*.md") for path in ROOT.glob(pattern)
)
RELATIVE = re.compile(r"\]\((?!\w+:|#)([^()\s]+)\)")
ADDRESS = "https://git.example.org/somebody/cganzoo"

needs_hatchling = pytest.mark.skipif(not importlib.util.find_spec("hatchling"), reason="hatchling is not installed")


def built(folder: Path) -> Any:
    """The metadata of a wheel of the project in ``folder``."""
    from hatchling.metadata.core import ProjectMetadata
    from hatchling.plugin.manager import PluginManager

    return ProjectMetadata(str(folder), PluginManager()).core


def without_code(page: str) -> str:
    return re.sub(r"^```.*?^```$", "", page, flags=re.MULTILINE | re.DOTALL)


@needs_hatchling
@pytest.mark.parametrize("folder", [ROOT, *PLUGINS], ids=lambda folder: folder.name)
def test_the_page_on_an_index_has_links_that_work_there(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CGANZOO_REPOSITORY", raising=False)
    core = built(folder)
    assert core.urls, "a wheel carries Project-URLs"
    assert all(address.startswith("https://") for address in core.urls.values())
    assert RELATIVE.findall(without_code(core.readme)) == []
    assert "arxiv.org/abs/" in core.readme, "whole addresses stay"
    assert "<!--" not in core.readme
    assert not re.search(r"^\*[^*]+\*$", without_code(core.readme), re.MULTILINE), "no caption without its picture"


@needs_hatchling
def test_relative_links_lead_into_the_repository_if_its_address_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CGANZOO_REPOSITORY", f"{ADDRESS}/")
    core = built(ROOT)
    assert core.urls["Repository"] == ADDRESS
    found = without_code(core.readme)
    assert RELATIVE.findall(found) == []
    links = RELATIVE.findall(without_code((ROOT / "README.md").read_text()))
    assert len(links) > 30
    for link in links:
        assert re.search(rf"\]\({ADDRESS}/(blob|raw)/HEAD/{re.escape(link)}\)", found), link
    monkeypatch.setenv("CGANZOO_REPOSITORY", "git@example.org:x")
    with pytest.raises(ValueError, match="it must begin with https://"):
        _ = built(ROOT).urls


def test_every_distribution_names_its_papers_by_address() -> None:
    for folder in PLUGINS:
        project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
        for paper in re.findall(r"arXiv:(\S+?)[,).]*(?:\s|$)", project["description"]):
            assert paper in (folder / "README.md").read_text(), folder.name
        assert any("arxiv.org/abs/" in address for address in project["urls"].values()), folder.name


def test_every_component_of_the_zoo_s_plugins_is_in_the_table_of_the_readme() -> None:
    rows = [line for line in (ROOT / "README.md").read_text().splitlines() if line.startswith("| [`cganzoo-")]
    listed = {name: row for row in rows for name in re.findall(r"`(cganzoo-[\w-]+)`", row)[:1]}
    assert set(listed) == {f"cganzoo-{folder.name}" for folder in PLUGINS}
    for component in load_plugins().components():
        row = listed.get(component.provider.distribution)
        assert row is None or f"`{component.name}`" in row, component.full_name


def test_there_is_one_number_for_how_long_the_tests_take() -> None:
    texts = [page.read_text() for page in PAGES]
    found = [re.findall(r"tests?[^.|]{0,60}about (\d+) minutes on 2 cores", text) for text in texts]
    numbers = [number for page in found for number in page]
    assert len(numbers) >= 2, "README.md and CONTRIBUTING.md"
    assert len(set(numbers)) == 1, numbers


def test_no_page_asks_for_pip_in_an_environment_that_has_none() -> None:
    """uv makes the environment of the guides, without pip."""
    for page in PAGES:
        for block in re.findall(r"^ *```sh\n(.*?)```$", page.read_text(), re.MULTILINE | re.DOTALL):
            own = "-m venv" in block  # an environment with pip
            for line in () if own else block.splitlines():
                uses = re.search(r"(?<!uv )(?<!-m )\bpip (install|download)\b", line.replace("uvx pip", ""))
                assert not uses, f"{page.name}: {line}"
                assert "python -m build" not in line, f"{page.name}: {line}"


def test_the_picture_and_the_order_of_the_readme() -> None:
    text = (ROOT / "README.md").read_text()
    order = ["docs/report.png", "git clone", "uv run cganzoo run recipes/amgan_digits.toml", "uv run pytest"]
    places = [text.index(part) for part in order]
    assert places == sorted(places)
    assert text[: places[0]].count("\n") < 12, "the picture is high up"
    assert (ROOT / "docs" / "report.png").stat().st_size < 300_000
