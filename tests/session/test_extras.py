"""Runs with regularizers, augmentations and transitional training: stopped and resumed, continued, exported, scored."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from comparing import SCORED
from continuing import CONSTANT, Runs, error, same

from cganzoo import load_generator
from cganzoo.recipe.resolve import Resolved
from cganzoo.session import memory
from cganzoo.train.engine import Engine

EXTRAS = [
    "requires.plugins=[]",
    "regularizers=[{name='r1', every=3}, {name='r2', weight={from=1.0, to=0.0, steps=9}}]",
    "augmentations=[{name='diffaugment', brightness=0.5}, {name='diffaugment', brightness=0.1}]",
    "data.shift=1",
    "train.fake_labels=balanced",
    "train.ema_half_life=100",
    "train.discriminator_steps=2",
    "train.checkpoint_every=4",
    "train.log_every=2",
]
TRANSITION = [
    "requires.plugins=[]",
    "loss={name='projgan', class_weight={from=0.0, to=1.0, after=2, steps=4}}",
    "generator={name='dcgan', width=4, class_strength={from=0.0, to=1.0, after=2, steps=4}}",
    "discriminator={name='dcgan', width=4, input_noise={from=0.5, to=0.0, steps=6}}",
    CONSTANT,
]


@pytest.fixture
def runs(command: Callable[..., Any], tiny_file: Path, tmp_path: Path) -> Runs:
    return Runs(command, tiny_file, tmp_path)


def stopped_at(step: int, patch: pytest.MonkeyPatch) -> None:
    """Stop the next run in this step without warning."""
    original = Engine.advance

    def advance(engine: Engine) -> None:
        if engine.step == step:
            raise MemoryError
        original(engine)

    patch.setattr(Engine, "advance", advance)


@pytest.mark.parametrize("options", [EXTRAS, TRANSITION], ids=["extras", "transition"])
def test_a_run_that_failed_is_resumed_to_the_bit(
    runs: Runs, options: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = (CONSTANT, "train.steps=12", "train.checkpoint_every=4", *options)
    assert runs("whole", *steps).code == 0
    with monkeypatch.context() as patch:
        stopped_at(10, patch)
        assert runs("stopped", *steps).code != 0
    again = runs("stopped", *steps)
    assert again.code == 0, again.err
    assert "resuming from step 8" in again.out
    assert same(runs.state("stopped"), runs.state("whole"))

    def terms(out: str) -> list[Any]:
        return [(record["step"], list(record["terms"].items())) for record in runs.folder(out).records()]

    assert terms("stopped") == terms("whole")


def test_a_recipe_with_other_tables_does_not_continue_a_run(runs: Runs) -> None:
    assert runs("one", "train.steps=2", *EXTRAS).code == 0
    text = error(runs("one", "train.steps=2", *EXTRAS, "regularizers=[{name='r1', every=2}]"))
    assert "holds a run of another recipe" in text
    assert "regularizers" in text
    text = error(runs("one", "train.steps=2", *EXTRAS, "augmentations=[]"))
    assert "augmentations is [{" in text
    assert "absent here" in text
    assert runs("one", "train.steps=2", *EXTRAS, "augmentations=[]", fresh=True).code == 0
    assert set(runs.state("one")["modules"]) == {"generator", "trunk", "objective", "average", "regularizers"}


@pytest.mark.parametrize(
    ("option", "key"),
    [
        ("regularizers=[{name='r1', weight={from=1.0, to=0.0}}]", "regularizers.0.weight"),
        ("train.ema_half_life={from=10, to=100}", "train.ema_half_life"),
        pytest.param("train.ema_decay={from=0.5, to=0.9}", "train.ema_decay", marks=pytest.mark.slow),
        pytest.param(
            "optimizer.generator={name='adam', lr=1e-3, betas=[{from=0.0, to=0.5}, 0.9]}",
            "optimizer.generator.betas.0",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_a_longer_run_does_not_change_a_schedule_in_the_past(runs: Runs, option: str, key: str) -> None:
    options = ("requires.plugins=[]", CONSTANT, option)
    assert runs("one", "train.steps=3", *options).code == 0
    assert f"would change the schedule {key} in the 3 steps" in error(runs("one", "train.steps=6", *options))
    again = runs("one", "train.steps=6", "train.horizon=3", *options)
    assert again.code == 0, again.err
    assert runs("whole", "train.steps=6", "train.horizon=3", *options).code == 0
    assert same(runs.state("one"), runs.state("whole"))


# --- transitional training --------------------------------------------------------------------------------------------


def test_export_and_evaluation_use_the_last_strength_of_the_class(
    runs: Runs, command: Callable[..., Any], tiny_file: Path, tmp_path: Path
) -> None:
    tiny_file.write_text(tiny_file.read_text() + SCORED)
    assert runs("one", "train.steps=5", *TRANSITION).code == 0  # the last step has the strength 0.5
    state = runs.state("one")["modules"]
    for module in ("generator", "average"):
        assert float(state[module]["class_strength"]) == 0.5
    assert float(state["trunk"]["input_noise"]) == pytest.approx(0.5 * 2 / 6)
    file = tmp_path / "exported.safetensors"
    assert command("export", runs.folder("one").path, file).code == 0
    generator = load_generator(file).generator
    assert float(generator.get_buffer("class_strength")) == 0.5
    z, labels = torch.randn(4, generator.latent_dim), torch.arange(4)
    with torch.no_grad():
        images = generator(z, labels)
        assert not torch.equal(images, generator(z, labels.flip(0)))
    before = runs.folder("one").manifest().evaluation
    assert before is not None
    again = command("evaluate", runs.folder("one").path, "--device", "cpu")
    assert again.code == 0, again.err
    after = runs.folder("one").manifest().evaluation
    assert after is not None
    assert after.scores == before.scores


def test_initial_weights_do_not_contain_schedules(runs: Runs) -> None:
    """A run with a plain number begins from one with a schedule, and the other way round."""
    plain = [*TRANSITION[:1], "loss={name='projgan'}", CONSTANT]
    assert runs("scheduled", "train.steps=2", *TRANSITION).code == 0
    assert runs("plain", "train.steps=2", *plain).code == 0
    for options, source in ((plain, "scheduled"), (TRANSITION, "plain"), (TRANSITION, "scheduled")):
        folder = runs.folder(source).path
        ended = runs(f"from-{source}", "train.steps=1", *options, f"train.init={str(folder)!r}", fresh=True)
        assert ended.code == 0, ended.err
        strength = runs.state(f"from-{source}")["modules"]["generator"].get("class_strength")
        assert strength is None if options is plain else float(strength) == 0


# --- memory -----------------------------------------------------------------------------------------------------------


def test_the_memory_of_a_step_is_that_of_a_part(
    resolved: Callable[..., Resolved], monkeypatch: pytest.MonkeyPatch
) -> None:
    names, cpu = tuple(map(str, range(10))), torch.device("cpu")
    whole, parts = resolved("train.batch_size=500"), resolved("train.batch_size=500", "train.accumulate=10")
    networks = memory._without_memory(whole, names)
    assert networks is not None
    one, other = memory._step_bytes(networks, whole), memory._step_bytes(networks, parts)
    assert 0 < other < one / 5
    monkeypatch.setattr(memory, "memory_limit", lambda: one // 2)
    with pytest.raises(memory.RunError, match=r"500 images takes .+; lower it, or raise train\.accumulate"):
        memory.check_networks(whole, names, cpu)
    memory.check_networks(parts, names, cpu)


@pytest.mark.parametrize(
    ("accumulate", "advice"), [(1, "or train.accumulate = 2)"), (2, "or train.accumulate = 4)"), (8, "half of it),")]
)
def test_out_of_memory_names_the_next_number_of_parts(
    resolved: Callable[..., Resolved], accumulate: int, advice: str
) -> None:
    recipe = resolved(f"train.accumulate={accumulate}")
    error = memory.memory_error(MemoryError(), memory.TRAINING, recipe, torch.device("cpu"))
    assert advice in str(error)
    assert "[generator], [discriminator] and [loss]" in str(error)


def test_a_recipe_with_extras_is_measured_without_memory(resolved: Callable[..., Resolved]) -> None:
    memory.check_networks(resolved(*EXTRAS), tuple(map(str, range(10))), torch.device("cpu"))
