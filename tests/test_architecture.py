"""The three sentences of the design that a test can hold: what the host knows, and what it imports when."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from cganzoo.recipe import bundled
from cganzoo.registry import load_plugins

HOST = Path(__file__).parents[1] / "cganzoo"


def test_the_host_names_no_method():
    # Scores have names that are also words; methods and networks do not.
    components = [found for kind in ("loss", "generator", "discriminator") for found in load_plugins().components(kind)]
    methods = {found.name for found in components} | {found.provider.distribution for found in components}
    methods -= {"gan", "timm"}  # part of other words; the library of the host's own extractor
    assert {"amgan", "acgan", "labelgan", "reacgan", "ecgan", "projgan", "contragan"} <= methods
    pattern = re.compile("|".join(sorted(methods)), re.IGNORECASE)
    found = [
        f"{path.relative_to(HOST)}:{number}: {line}"
        for path in sorted(HOST.rglob("*.py"))
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if pattern.search(line)
    ]
    assert found == []


@pytest.mark.parametrize("arguments", [["--help"], ["plugins"], ["plugins", "--json"], ["recipes"], ["schema"]])
def test_listing_commands_import_no_torch(arguments: list[str]):
    code = (
        "import sys\nfrom cganzoo.cli.main import main\n"
        "try:\n    main(sys.argv[1:])\n"
        "finally:\n    heavy = sorted({'torch', 'numpy', 'PIL', 'timm', 'sklearn'} & set(sys.modules))\n"
        "    print('HEAVY', heavy, file=sys.stderr)\n"
    )
    ended = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert "HEAVY []" in ended.stderr
    assert ended.stdout


def test_checking_a_recipe_imports_no_torch():
    code = (
        "import sys\nfrom cganzoo.recipe.read import load_recipe\nfrom cganzoo.recipe.resolve import resolve\n"
        "resolve(load_recipe('amgan_digits'))\n"
        "assert not {'torch', 'numpy', 'PIL', 'timm', 'sklearn'} & set(sys.modules)\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr


ROOT = HOST.parent
PAGES = sorted(
    str(path.relative_to(ROOT))
    for pattern in ("*.md", "docs/*.md", "recipes/*.md", "benchmarks/*.md", "plugins/*/README.md")
    for path in ROOT.glob(pattern)
)


@pytest.mark.parametrize("page", PAGES)
def test_a_page_is_finished_and_its_links_lead_somewhere(page: str):
    path = ROOT / page
    text = path.read_text()
    assert "@@" not in re.sub(r"^@@$", "", text, flags=re.MULTILINE)  # a line of its own parts a diff
    assert "not measured yet" not in text
    for target, heading in re.findall(r"\]\(([^)#]*)(?:#([^)]+))?\)", text):
        if not target.startswith("http"):
            there = path.parent / target if target else path
            assert there.exists(), target
            if heading and there.suffix == ".md":
                assert heading in anchors(there.read_text()), f"{target}#{heading}"


def anchors(text: str) -> set[str]:
    """GitHub's names of a page's headings."""
    headings = re.findall(r"^#+ (.*)$", re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_pages_are_there():
    assert {"README.md", "CONTRIBUTING.md", "docs/write-a-loss.md", "docs/plugin-api.md", "recipes/README.md"} <= set(
        PAGES
    )
    assert len(PAGES) >= 20


def test_the_contributing_guide_names_places_that_exist():
    guide = (ROOT / "CONTRIBUTING.md").read_text()
    named = {path for path in re.findall(r"`([\w./-]+)`", guide) if path.startswith(("cganzoo/", "plugins/", "docs/"))}
    assert len(named) >= 10
    assert [path for path in sorted(named) if not (ROOT / path).exists()] == []


def test_every_recipe_s_result_is_measured_or_said_not_to_be():
    for name in bundled.names():
        assert not re.search("not measured yet|TODO", (bundled.folder() / f"{name}.toml").read_text()), name
