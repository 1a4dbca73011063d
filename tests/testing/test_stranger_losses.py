"""Losses that others wrote from the documentation alone: they pass every check, and train, if they set the flags."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from cganzoo.registry import load_plugins
from cganzoo.testing import LossConformance, bench, random_batch
from cganzoo.testing.conformance import build_context

FOLDER = Path(__file__).parents[1] / "fixtures" / "stranger_losses"

COST = bench.Cost("x", 1.0, 0, None)

RESULT = bench.Benchmark(COST, COST, 1.0, (1.0, 1.0), (1.0, 1.0), 1)

NOT_COMPILED = "uses_image_gradients = True: a compiled step cannot differentiate in its forward pass"


@pytest.fixture(scope="module", autouse=True)
def _installed() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", [*sys.path, str(FOLDER)])
        yield
    for module in [name for name in sys.modules if name.startswith("cganzoo_stranger_losses")]:
        del sys.modules[module]


@pytest.fixture(name="recipe")
def _recipe(tiny: str, tmp_path: Path) -> Callable[[str], Path]:
    """``recipe("penalised")``: the file of a recipe for handwritten digits with one of the losses."""

    def write(loss: str) -> Path:
        text = tiny.replace("cganzoo-amgan", "cganzoo-stranger-losses").replace('"amgan"', f'"{loss}"')
        file = tmp_path / f"{loss}.toml"
        file.write_text(text)
        return file

    return write


@pytest.mark.slow
def test_both_pass_every_check(command: Callable[..., Any]) -> None:
    ended = command("plugin", "check", "cganzoo-stranger-losses", "--json")
    found = json.loads(ended.out)
    assert ended.code == 0
    skipped = {}
    for component in found["components"]:
        outcomes = component["checks"]
        assert {one["check"]: one["message"] for one in outcomes if one["status"] == "failed"} == {}
        assert len(outcomes) == LossConformance.number_of_checks
        skipped[component["component"]] = {
            one["check"]: one["message"] for one in outcomes if one["status"] == "skipped"
        }
    assert skipped["penalised"].keys() == {"batches_of_different_size", "batch_is_averaged", "compiles_whole"}
    assert skipped["penalised"]["compiles_whole"] == NOT_COMPILED
    assert skipped["latents"].keys() == {"batch_is_averaged"}


@pytest.mark.parametrize(
    ("loss", "terms"),
    [
        (
            "penalised",
            {"discriminator/relativistic", "discriminator/r1", "discriminator/r2", "generator/relativistic"},
        ),
        (
            "latents",
            {
                *("discriminator/real", "discriminator/fake", "discriminator/information"),
                *("generator/adversarial", "generator/information", "generator/seeking"),
            },
        ),
    ],
)
def test_they_train_the_networks_of_the_zoo(
    loss: str, terms: set[str], recipe: Callable[[str], Path], command: Callable[..., Any], tmp_path: Path
) -> None:
    command("run", recipe(loss), "--set", "train.steps=3", "--set", "train.log_every=1", "--out", tmp_path / "runs")
    (log,) = tmp_path.glob("runs/*/seed-0/metrics.jsonl")
    logged = [json.loads(line)["terms"] for line in log.read_text().splitlines()]
    assert len(logged) == 3
    assert all(found.keys() == terms for found in logged)
    assert all(abs(value) < 100 for found in logged for value in found.values())


def test_a_compiled_step_is_refused_before_training(
    recipe: Callable[[str], Path], command: Callable[..., Any], tmp_path: Path
) -> None:
    ended = command("run", recipe("penalised"), "--set", "train.compile=true", "--out", tmp_path / "runs")
    assert ended.code == 2
    assert "train.compile" in ended.err
    assert 'the loss "penalised" differentiates with respect to images' in ended.err
    assert not (tmp_path / "runs").exists()


def test_random_batches_have_features_that_depend_on_the_images() -> None:
    """With ``image_gradients``, for the tests of an author: the penalty of twice the weights is four times as large."""
    spec = load_plugins(["cganzoo-stranger-losses"]).get("loss", "penalised").spec
    objective = spec.build(spec.config(), build_context(3, 8, feature_dim=5)).double()
    real, fake = (random_batch(3, 6, seed, image_gradients=True) for seed in (0, 1))
    before = objective.discriminator_loss(real, fake)
    with torch.no_grad():
        objective.classes.weight.mul_(2)
    after = objective.discriminator_loss(real, fake)
    for name in ("r1", "r2"):
        assert before[name] > 0
        torch.testing.assert_close(after[name], 4 * before[name])


def test_bench(monkeypatch: pytest.MonkeyPatch, command: Callable[..., Any]) -> None:
    for name, value in (("SECONDS", 0), ("FEWEST", 1), ("BLOCK", 0.0), ("WARM_UP", 1), ("BATCH", 8)):
        monkeypatch.setattr(bench, name, value)
    monkeypatch.setattr(bench, "compare", lambda *sides: [side.run(1) for side in sides[:2]] and RESULT)
    names = [f"cganzoo-stranger-losses/{loss}" for loss in ("penalised", "latents")]
    ended = command("plugin", "check", names[0], "--bench", "--against", names[1])
    assert ended.code == 0
    assert "no difference beyond noise" in ended.out


def test_a_term_of_the_latents_does_not_judge_real_images() -> None:
    """No latents belong to a real image, so its error of the code is large; with this weight it outweighs the rest."""
    attributes = {"name": "cganzoo-stranger-losses/latents", "variants": [{"information": 20.0}]}
    type("Check", (LossConformance,), attributes)().test_real_images_are_right()
