"""What loggers get of a run, and what happens when one of them fails."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from rich.console import Console

from cganzoo import Config, LoggerSpec, hookimpl
from cganzoo.console.reporter import Reporter
from cganzoo.errors import CganzooError, DivergenceError, PluginError, RunError
from cganzoo.logger import Logger, RunInfo
from cganzoo.recipe.read import parse_recipe
from cganzoo.recipe.resolve import resolve
from cganzoo.registry import load_plugins
from cganzoo.registry.loading import BUILTIN
from cganzoo.runs.folder import RunFolder
from cganzoo.session.loggers import Loggers
from cganzoo.session.run import Session
from cganzoo.train.engine import Engine
from cganzoo.train.stop import Stop


class KeepConfig(Config):
    fails_in: str = ""
    mistake: bool = False


class Keep(Logger):
    """Keeps every call; raises in one of them."""

    calls: list[tuple[Any, ...]] = []  # noqa: RUF012

    def __init__(self, config: KeepConfig) -> None:
        self.config = config

    def keep(self, method: str, *arguments: Any) -> None:
        self.calls.append((method, *arguments))
        if method == self.config.fails_in:
            raise CganzooError("log in first") if self.config.mistake else RuntimeError("no network")

    def start(self, run: RunInfo) -> None:
        self.keep("start", run)

    def log(self, step: int, terms: Mapping[str, float], *, images_per_second: float, seconds: float) -> None:
        assert seconds > 0
        assert images_per_second > 0
        self.keep("log", step, dict(terms))

    def scores(self, step: int, scores: Mapping[str, float | None]) -> None:
        self.keep("scores", step, dict(scores))

    def picture(self, step: int, name: str, file: Path) -> None:
        assert file.read_bytes().startswith(b"\x89PNG")
        self.keep("picture", step, name)

    def end(self, status: str) -> None:
        self.keep("end", status)

    def fail(self, status: str, message: str) -> None:
        self.keep("fail", status, message)


@pytest.fixture(autouse=True)
def _plugin(monkeypatch: pytest.MonkeyPatch) -> None:
    """The logger ``keep``, as a module of the host."""

    @hookimpl
    def cganzoo_loggers() -> list[LoggerSpec[KeepConfig]]:
        return [LoggerSpec(name="keep", summary="Keeps", config=KeepConfig, build=Keep)]

    module = ModuleType("keeping")
    module.cganzoo_loggers = cganzoo_loggers  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "keeping", module)
    monkeypatch.setattr(Keep, "calls", [])


Run = Callable[..., tuple[RunFolder, str]]


@pytest.fixture
def run(tiny: str, tmp_path: Path) -> Run:
    """``run("train.steps=3", loggers=[...])``: the run's folder, and what was printed."""

    def call(*overrides: str, logger: str | None = "", stop: Stop | None = None) -> tuple[RunFolder, str]:
        extra = "" if logger is None else f'\n[[loggers]]\nname = "keep"\n{logger}\n'
        sets = ("train.steps=4", "train.log_every=2", "train.checkpoint_every=2", *overrides)
        text = tiny.replace('"cganzoo-dcgan"]', '"cganzoo-dcgan", "cganzoo-scores"]') + extra
        recipe = parse_recipe(text, name="tiny", source="tiny.toml", overrides=sets)
        registry = load_plugins(recipe.sections.requires.plugins, builtin=(*BUILTIN, "keeping"))
        resolved, folder, printed = resolve(recipe, registry), RunFolder(tmp_path / "run"), io.StringIO()
        with folder.claimed():
            session = Session(resolved, folder, Reporter(Console(file=printed, width=300)), torch.device("cpu"))
            session.run(Stop() if stop is None else stop)
        return folder, printed.getvalue()

    return call


def methods() -> list[str]:
    return [call[0] for call in Keep.calls]


def test_a_run_from_start_to_end(run: Run) -> None:
    folder, _ = run("train.sample_every=3")
    assert methods() == ["start", "log", "picture", "log", "picture", "end"]
    started, first, drawn, second, last, ended = Keep.calls
    assert (started[1].name, started[1].seed, started[1].step) == ("tiny", 0, 0)
    assert started[1].folder == folder.path
    assert started[1].recipe["loss"]["name"] == "amgan"
    assert started[1].recipe["loggers"] == [{"name": "keep", "fails_in": "", "mistake": False}]
    records = [json.loads(line) for line in folder.metrics_file.read_text().splitlines()]
    assert [(record["step"], record["terms"]) for record in records] == [first[1:], second[1:]]
    assert (drawn, last) == (("picture", 3, "samples"), ("picture", 4, "samples"))
    assert ended == ("end", "finished")


def test_a_stopped_run_is_resumed(run: Run) -> None:
    class AfterThree(Stop):
        def __init__(self) -> None:
            super().__init__()
            self.asked = 0

        @property
        def requested(self) -> bool:
            self.asked += 1
            return self.asked > 3

        def __bool__(self) -> bool:
            return self.requested

    run(stop=AfterThree())
    assert methods() == ["start", "log", "end"]
    assert Keep.calls[-1] == ("end", "stopped")
    Keep.calls.clear()
    run()
    assert methods() == ["start", "log", "picture", "end"]
    assert Keep.calls[0][1].step == 3
    assert Keep.calls[1][1] == 4


def test_a_logger_may_be_added_before_a_run_is_resumed(run: Run) -> None:
    run("train.steps=4", logger=None, stop=Stop.after(0))
    folder, _ = run("train.steps=4")
    assert methods() == ["start", "log", "log", "picture", "end"]
    assert folder.manifest().status == "finished"
    _, printed = run("train.steps=4", logger=None)
    assert "is finished" in printed


def test_scores_and_pictures_of_metrics(run: Run) -> None:
    metrics = "metrics=[{name='class_accuracy'},{name='nearest_neighbours'}]"
    small = "evaluation.extractor={name='classifier', width=2, steps=2}"
    run(metrics, small, "evaluation.samples=20", "train.evaluate_every=2")
    scored = [call for call in Keep.calls if call[0] == "scores"]
    assert [call[1] for call in scored] == [2, 4]
    assert "class_accuracy" in scored[0][2]
    assert [call[1:] for call in Keep.calls if call[0] == "picture"] == [
        (2, "nearest_neighbours"),
        (4, "nearest_neighbours"),
        (4, "samples"),
    ]


def test_a_diverging_run_fails(run: Run) -> None:
    with pytest.raises(DivergenceError):
        run("optimizer.generator.lr=1e30", "optimizer.discriminator.lr=1e30")
    assert methods()[-1] == "fail"
    assert Keep.calls[-1][1] == "diverged"
    assert "training diverged" in Keep.calls[-1][2]


def test_an_unexpected_error_fails_too(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(engine: Engine) -> None:
        raise ZeroDivisionError("by nothing")

    monkeypatch.setattr(Engine, "advance", broken)
    with pytest.raises(ZeroDivisionError):
        run()
    assert Keep.calls[-1] == ("fail", "failed", "ZeroDivisionError: by nothing")


@pytest.mark.parametrize("method", ["start", "log", "picture", "end"])
def test_a_failing_logger_does_not_stop_the_run(run: Run, method: str) -> None:
    folder, printed = run(logger=f'fails_in = "{method}"')
    assert folder.manifest().status == "finished"
    assert len(folder.records()) == 2
    message = f'logger "keep" raised RuntimeError in {method}: no network; the run continues without it'
    assert printed.count(message) == 1
    assert methods()[-1] == method, "it gets no further call"


def test_a_user_s_mistake_found_at_the_start_stops_the_run(run: Run, tmp_path: Path) -> None:
    with pytest.raises(CganzooError, match="log in first"):
        run(logger='fails_in = "start"\nmistake = true')
    assert methods() == ["start", "fail"]
    manifest = RunFolder(tmp_path / "run").manifest()
    assert (manifest.status, manifest.error) == ("failed", "log in first")


def test_the_metrics_file_cannot_be_switched_off(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(folder: RunFolder, record: Any) -> None:
        raise RunError("metrics.jsonl: saving failed: the disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(RunFolder, "append", full)
        with pytest.raises(RunError, match="disk is full"):
            run(logger=None)
    folder, _ = run(logger=None)
    assert len(folder.records()) == 2


def test_a_logger_changes_no_digest(tiny: str) -> None:
    plain = resolve(parse_recipe(tiny, name="tiny", source="tiny.toml"))
    text = tiny + '\n[[loggers]]\nname = "metrics_file"\n'
    logged = resolve(parse_recipe(text, name="tiny", source="tiny.toml"))
    assert "loggers" not in plain.values()
    assert logged.values()["loggers"] == [{"name": "metrics_file"}]
    assert logged.recipe_digest() == plain.recipe_digest()
    assert logged.training_digest() == plain.training_digest()


def test_two_loggers_of_one_name_and_the_one_of_every_run(tiny: str) -> None:
    text = tiny + "".join(f'\n[[loggers]]\nname = "{name}"\n' for name in ("keep", "cganzoo/keep", "metrics_file"))
    registry = load_plugins(["cganzoo-amgan", "cganzoo-dcgan"], builtin=(*BUILTIN, "keeping"))
    resolved = resolve(parse_recipe(text, name="tiny", source="tiny.toml"), registry)
    loggers = Loggers(resolved, Reporter(Console(file=io.StringIO())))
    assert list(loggers._loggers) == ["metrics.jsonl", "keep", "cganzoo/keep"]


def test_a_logger_is_no_part_of_a_run_s_code(tiny: str) -> None:
    """Seeds trained with and without a logger are replicas of one another."""
    text = tiny + '\n[[loggers]]\nname = "keep"\n'
    registry = load_plugins(["cganzoo-amgan", "cganzoo-dcgan"], builtin=(*BUILTIN, "keeping"))
    resolved = resolve(parse_recipe(text, name="tiny", source="tiny.toml"), registry)
    logger = resolved.components["logger"][0]
    other = replace(logger, provider=replace(logger.provider, distribution="cganzoo-keep"))
    resolved = replace(resolved, components={**resolved.components, "logger": (other,)})
    assert "cganzoo-keep" not in {provider.distribution for provider in resolved.providers}


def test_a_logger_whose_module_is_missing_is_one_message(tiny: str) -> None:
    text = tiny + '\n[[loggers]]\nname = "keep"\n'
    registry = load_plugins(["cganzoo-amgan", "cganzoo-dcgan"], builtin=(*BUILTIN, "keeping"))
    resolved = resolve(parse_recipe(text, name="tiny", source="tiny.toml"), registry)
    chosen = resolved.components["logger"][0]
    broken = replace(chosen, spec=replace(chosen.spec, build="cganzoo_nowhere.logger:Bell"))
    with pytest.raises(PluginError, match="\"keep\" cannot be built: No module named 'cganzoo_nowhere'"):
        broken.create()


def test_a_logger_and_its_distribution_change_no_digest(tiny: str) -> None:
    """A finished run to which a logger is added stays finished."""
    registry = load_plugins(["cganzoo-amgan", "cganzoo-dcgan"], builtin=(*BUILTIN, "keeping"))
    plain = resolve(parse_recipe(tiny, name="tiny", source="tiny.toml"), registry)
    text = tiny.replace('"cganzoo-dcgan"]', '"cganzoo-dcgan", "cganzoo_Keep>=1"]') + '\n[[loggers]]\nname = "keep"\n'
    logged = resolve(parse_recipe(text, name="tiny", source="tiny.toml"), registry)
    logger = logged.components["logger"][0]
    other = replace(logger, provider=replace(logger.provider, distribution="cganzoo-keep"))
    logged = replace(logged, components={**logged.components, "logger": (other,)})
    assert logged.recipe_digest() == plain.recipe_digest()
    assert "cganzoo_Keep>=1" in logged.values()["requires"]["plugins"]
