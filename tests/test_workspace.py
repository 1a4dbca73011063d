"""One folder of ``plugins/`` is one distribution, and every list of them is whole."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cganzoo import __version__
from cganzoo._util.toml import tomllib

ROOT = Path(__file__).parents[1]
PLUGINS = sorted(path.parent for path in (ROOT / "plugins").glob("*/pyproject.toml"))
NAMES = {f"cganzoo-{path.name}" for path in PLUGINS}


def project(folder: Path) -> dict:
    return tomllib.loads((folder / "pyproject.toml").read_text())


def bare(requirements: list[str]) -> set[str]:
    return {re.split(r"[<>=]", requirement)[0] for requirement in requirements}


def test_every_list_of_plugins_is_whole():
    host = project(ROOT)
    assert len(PLUGINS) >= 9
    assert bare(host["project"]["optional-dependencies"]["zoo"]) == NAMES
    assert bare(host["dependency-groups"]["dev"]) >= NAMES
    assert set(host["tool"]["uv"]["sources"]) == NAMES | {"cganzoo"}
    requirements = (ROOT / "requirements-dev.txt").read_text()
    assert set(re.findall(r"^-e \./plugins/(\w+)$", requirements, re.MULTILINE)) == {path.name for path in PLUGINS}
    linted = {name for name in host["tool"]["importlinter"]["root_packages"] if name != "cganzoo"}
    assert linted == {name.replace("-", "_") for name in NAMES}
    readme = (ROOT / "README.md").read_text()
    assert all(f"`{name}`" in readme for name in NAMES)


@pytest.mark.parametrize("folder", PLUGINS, ids=lambda folder: folder.name)
def test_a_plugin_is_a_whole_distribution(folder: Path):
    values = project(folder)["project"]
    assert values["name"] == f"cganzoo-{folder.name}"
    assert values["version"] == __version__, "first-party distributions share one version"
    assert "cganzoo>=0.1,<0.2" in values["dependencies"]
    assert values["entry-points"]["cganzoo"] == {folder.name: f"cganzoo_{folder.name}"}
    assert len((folder / "README.md").read_text()) > 500
    assert values["license-files"] == ["LICENSE"]
    assert (folder / "LICENSE").read_text() == (ROOT / "LICENSE").read_text()
    assert list((folder / "tests").glob("test_*.py"))
    assert (folder / f"cganzoo_{folder.name}" / "config.py").is_file()
