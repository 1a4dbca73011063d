"""docs/recipe.md, the reference of a recipe's keys: made from the models, and complete."""

from __future__ import annotations

import re
import runpy
from pathlib import Path
from typing import Any

import pytest

from cganzoo.cli.main import main
from cganzoo.config import Schedule
from cganzoo.recipe import bundled
from cganzoo.recipe.keys import ALL_SECTIONS, Evaluation, Requires, Train
from cganzoo.recipe.optimizers import SGD, Adam
from cganzoo.recipe.read import load_recipe
from cganzoo.registry import KINDS, load_plugins

DOCS = Path(__file__).parents[1] / "docs"
PAGE = (DOCS / "recipe.md").read_text()


@pytest.fixture(scope="module")
def generate() -> dict[str, Any]:
    return runpy.run_path(str(DOCS / "generate_recipe.py"))


def test_the_page_is_what_the_models_say(generate: dict[str, Any]) -> None:
    assert generate["recipe"]() == PAGE, "write the page anew with: python docs/generate.py"


def test_every_key_is_on_the_page() -> None:
    assert re.findall(r"^## (\w+)$", PAGE, re.MULTILINE)[1:-1] == list(ALL_SECTIONS.model_fields)
    models = [Requires, Train, Evaluation, Adam, SGD, Schedule, *(kind.spec.table for kind in KINDS.values())]
    models += [component.spec.config for component in load_plugins([]).components()]
    for model in models:
        for name, info in model.model_fields.items():
            key = info.alias or name
            assert f"| `{key}` |" in PAGE or f"/<{key}>" in PAGE, f"{model.__name__}: {key}"


def test_every_link_on_the_page_leads_somewhere() -> None:
    headings = {heading.lower() for heading in re.findall(r"^## (.*)$", PAGE, re.MULTILINE)}
    for anchor in re.findall(r"\]\(#(\w+)\)", PAGE):
        assert anchor in headings
    for file in re.findall(r"\]\(([\w-]+\.md)\)", PAGE):
        assert (DOCS / file).exists()


def test_the_line_for_editors_changes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (line,) = re.findall(r"^#:schema \S+$", PAGE, re.MULTILINE)
    original = bundled.find_bundled("amgan_digits")
    file = tmp_path / "mine.toml"
    file.write_text(f"{line}\n{original.read_text()}")
    assert load_recipe(file).sections == load_recipe(original).sections
    assert bundled.summary(file) == bundled.summary(original)
    with pytest.raises(SystemExit):
        main(["schema"])
    assert capsys.readouterr().out.startswith("{")
