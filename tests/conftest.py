"""One thread, and a cache of the session's own: tests neither slow each other down nor read what a user has packed."""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from cganzoo.cli.main import main
from cganzoo.recipe.read import parse_recipe
from cganzoo.recipe.resolve import Resolved, resolve

TINY = """
[requires]
plugins = ["cganzoo-amgan", "cganzoo-dcgan"]
[data]
name = "digits"
image_size = 8
[generator]
name = "dcgan"
width = 4
[discriminator]
name = "dcgan"
width = 4
[loss]
name = "amgan"
[optimizer.generator]
name = "adam"
lr = 4e-4
betas = [0.5, 0.999]
[optimizer.discriminator]
name = "sgd"
lr = { from = 8e-4, to = 0.0, curve = "cosine" }
[train]
steps = 20
batch_size = 8
"""


@pytest.fixture(scope="session", autouse=True)
def _alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CGANZOO_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.delenv("CGANZOO_LOAD_PLUGINS", raising=False)
        yield


@pytest.fixture(scope="session")
def tiny() -> str:
    """A recipe's text: small networks, real plugins, no metric."""
    return TINY


@pytest.fixture(scope="session")
def resolved() -> Callable[..., Resolved]:
    """``resolved("train.steps=3", ...)``: the tiny recipe with these overrides, resolved."""

    def make(*overrides: str, text: str = TINY) -> Resolved:
        return resolve(parse_recipe(text, name="tiny", source="tiny.toml", overrides=overrides))

    return make


@pytest.fixture
def tiny_file(tmp_path: Path) -> Path:
    """The tiny recipe as a file."""
    file = tmp_path / "tiny.toml"
    file.write_text(TINY)
    return file


@dataclass
class Result:
    """Exit code and outputs of a command."""

    code: int
    out: str
    err: str


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Callable[..., Result]:
    """``command("run", file, ...)``: ``cganzoo`` in this process."""

    def call(*arguments: object) -> Result:
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        return Result(int(ended.value.code or 0), *capsys.readouterr())

    return call


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """How many faults are planted for the conformance kit, as the tests of each kind record it."""
    for report in terminalreporter.stats.get("passed", []):
        for key, value in report.user_properties:
            if key == "planted faults":
                terminalreporter.write_line(f"planted faults, {value}")


@pytest.fixture(name="recipes")
def _recipes(tmp_path: Path, tiny: str) -> dict[str, Path]:
    """Two methods that differ in their loss, both scored."""
    from comparing import PLUGINS, SCORED  # here, because tests/wheels copies this file alone

    files = {}
    for name, loss in (("first", 'name = "amgan"'), ("second", 'name = "labelgan"')):
        text = tiny.replace(PLUGINS, f'plugins = ["cganzoo-{loss[8:-1]}", "cganzoo-dcgan", "cganzoo-scores"]')
        text = text.replace('name = "amgan"', loss).replace(
            "steps = 20", "steps = 6\nlog_every = 2\nevaluate_every = 3"
        )
        files[name] = tmp_path / f"{name}.toml"
        files[name].write_text(text + SCORED)
    unconditional = (
        files["second"]
        .read_text()
        .replace('[generator]\nname = "dcgan"', '[generator]\nname = "dcgan"\nconditional = false')
    )
    files["second"].write_text(unconditional)
    return files
