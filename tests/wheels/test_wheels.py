"""The zoo from its wheels alone, in an environment of its own: nothing of the checkout is read."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PLUGINS = sorted(path.parent.name for path in (ROOT / "plugins").glob("*/pyproject.toml"))
WHERE = """
import json, pkgutil, sys
import cganzoo, cganzoo.registry
cganzoo.registry.load_plugins()
found = {name: getattr(module, "__file__", None) for name, module in sys.modules.items() if name.startswith("cganzoo")}
print(json.dumps({"path": sys.path, "files": found}))
"""


@pytest.fixture
def zoo(wheels: list[Path], fresh: Callable[[], Any]) -> Any:
    """An environment with every wheel."""
    assert len(wheels) == len(PLUGINS) + 1
    environment = fresh()
    environment.install(*wheels)
    return environment


@pytest.mark.slow
def test_wheels_alone_make_a_working_zoo(zoo: Any, tmp_path: Path) -> None:
    found = json.loads(zoo.run("python", "-c", WHERE, cwd=tmp_path))
    assert not any(path.startswith(str(ROOT)) for path in found["path"])
    modules = {name: file for name, file in found["files"].items() if file}
    assert {f"cganzoo_{name}" for name in PLUGINS} < set(modules)
    for name, file in modules.items():
        assert file.startswith(str(zoo.prefix)), f"{name} comes from {file}"

    assert "amgan_digits" in zoo.run("cganzoo", "recipes", cwd=tmp_path)
    zoo.run("cganzoo", "run", "amgan_digits", "--set", "train.steps=5", "--set", "metrics=[]", cwd=tmp_path)
    zoo.run("cganzoo", "sample", "runs", "-n", "10", cwd=tmp_path)
    assert (tmp_path / "samples.png").is_file()
    assert "passed" in zoo.run("cganzoo", "plugin", "check", "labelgan", cwd=tmp_path)
    assert zoo.opened_of_the_checkout() == []


@pytest.mark.slow
def test_the_suite_s_smoke_part_passes(zoo: Any, tmp_path: Path) -> None:
    """Tests marked ``smoke``, in a copy of their files outside of the checkout."""
    copied = tmp_path / "tests"
    copied.mkdir()
    for path in (ROOT / "tests").glob("*.py"):  # conftest.py, and what the tests import
        if not path.name.startswith("test_"):
            shutil.copy(path, copied)
    for path in (ROOT / "tests").rglob("test_*.py"):
        if "mark.smoke" in path.read_text():
            shutil.copy(path, copied)
    (tmp_path / "pytest.ini").write_text("[pytest]\npythonpath = tests\nmarkers =\n    smoke\n    slow\n    gpu\n")
    pytest_ = ["python", "-m", "pytest", "-q", "-m", "smoke", "-p", "no:cacheprovider", "--import-mode=importlib"]
    printed = zoo.run(*pytest_, "tests", cwd=tmp_path)
    (passed,) = re.findall(r"(\d+) passed", printed)
    assert int(passed) >= 40, printed
    assert zoo.opened_of_the_checkout() == []
