"""Reading a recipe: overrides, and the sentence that each mistake is answered with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cganzoo import __version__
from cganzoo._util.install import install_command
from cganzoo.errors import RecipeError
from cganzoo.recipe.read import Recipe, load_recipe, parse_recipe


def read(text: str, *overrides: str) -> Recipe:
    return parse_recipe(text, name="tiny", source="tiny.toml", overrides=overrides)


def sentence(text: str, *overrides: str) -> str:
    """The message that the user sees: one line, exit code 2."""
    with pytest.raises(RecipeError) as caught:
        read(text, *overrides)
    assert caught.value.exit_code == 2
    assert "\n" not in str(caught.value)
    return str(caught.value)


# What is written after --set, and the sentence without the "--set " that it begins with.
MISTAKES = {
    "train.stps=3": 'train.stps: unknown key; did you mean "steps"?',
    "trian.steps=3": 'trian: unknown key; did you mean "train"?',
    "train.float=3": (
        "train.float: unknown key; known here: accumulate, batch_size, channels_last, checkpoint_every, compile, "
        "discriminator_steps, ema_decay, ema_half_life, ema_start, evaluate_every, fake_labels, horizon, init, "
        "init_sha256, keep_checkpoints, log_every, precision, sample_every, seed, steps"
    ),
    'train.steps="3"': 'train.steps: "3" does not fit: input should be a valid integer',
    "train.steps=3.5": "train.steps: 3.5 does not fit: input should be a valid integer",
    "train.steps=true": "train.steps: true does not fit: input should be a valid integer",
    "train.steps=[3]": "train.steps: [3] does not fit: input should be a valid integer",
    "train.steps={}": "train.steps: a table does not fit: input should be a valid integer",
    "train.steps=0": "train.steps: 0 does not fit: input should be greater than or equal to 1",
    "train.compile=1": "train.compile: 1 does not fit: input should be a valid boolean",
    "train.ema_decay=1": "train.ema_decay: every value must be below 1",
    "train.ema_decay=nan": "train.ema_decay: nan does not fit: input should be a finite number",
    "train.precision=half": "train.precision: \"half\" does not fit: input should be 'float32' or 'bfloat16'",
    "train.seed=1979-05-27": 'train.seed: "1979-05-27" does not fit: input should be a valid integer',
    "train.steps=3\nseed=4": r'train.steps: "3\nseed=4" does not fit: input should be a valid integer',
    "train=3": "train: 3 does not fit: input should be a table",
    "data.name=[1]": "data.name: [1] does not fit: input should be a valid string",
    "data.channels=2": "data.channels: 2 does not fit: input should be 1 or 3",
    "optimizer.generator.name=adm": (
        'optimizer.generator.name: "adm" is not known; choose one of '
        '"adam", "adamw", "nadam", "radam", "adamax", "rmsprop", "sgd"'
    ),
    "optimizer.generator={lr=1}": "optimizer.generator.name: is missing",
    "optimizer.generator.beta=[1]": 'optimizer.generator.beta: unknown key; did you mean "betas"?',
    "optimizer.generator.schedule=1": (
        "optimizer.generator.schedule: unknown key; known here: amsgrad, betas, eps, lr, name, weight_decay"
    ),
    "optimizer.generator.betas.1=1.5": "optimizer.generator.betas.1: every value must be below 1",
    "optimizer.generator.betas=[0.5]": "optimizer.generator.betas.1: is missing",
    "optimizer.generator.betas=[0, 0, 0]": (
        "optimizer.generator.betas: [0, 0, 0] does not fit: the array should have at most 2 items, not 3"
    ),
    "optimizer.generator.lr=-1": "optimizer.generator.lr: every value must be at least 0",
    "optimizer.generator.lr={from=1}": 'optimizer.generator.lr: a linear schedule needs "to", its last value',
    "optimizer.generator.lr={from=1, to=0, step=5}": 'optimizer.generator.lr.step: unknown key; did you mean "steps"?',
    'optimizer.generator.lr={from=1, to=0, steps="x"}': (
        'optimizer.generator.lr.steps: "x" does not fit: input should be a valid integer'
    ),
    "train=long": 'train: "long" does not fit: input should be a table',
    "loss=reacgan": 'loss: "reacgan" does not fit: input should be a table; write {name="reacgan"}',
    "data=digits": 'data: "digits" does not fit: input should be a table; write {name="digits", image_size=...}',
    "optimizer.generator=sgd": (
        'optimizer.generator: "sgd" does not fit: input should be a table; write {name="sgd", lr=...}'
    ),
    "metrics=[3]": "metrics.0: 3 does not fit: input should be a table",
    "metrics=[{nme='fid'}]": (
        'metrics.0.name: is missing (Component name, or "distribution/name" where two plugins share it)'
    ),
    "requires.cganzoo=>=9": (
        "requires.cganzoo: needs cganzoo >=9, but {version} is installed; "
        "install that version: " + install_command('"cganzoo>=9"')
    ),
    "requires.cganzoo=newest": 'requires.cganzoo: "newest" is not a version range; write one like ">=0.1,<0.2"',
    # --set itself is wrong.
    "train.steps": 'train.steps: write it as section.key=value, like "--set train.steps=200"',
    "train.steps=": 'train.steps=: write it as section.key=value, like "--set train.steps=200"',
    "train..steps=3": 'train..steps=3: write it as section.key=value, like "--set train.steps=200"',
    "=3": '=3: write it as section.key=value, like "--set train.steps=200"',
    "train.steps.x=3": "train.steps.x=3: train.steps is a single value, not a section",
    "train.steps=[1": "train.steps=[1: the value is not valid TOML: {toml}",
    'data.name="dig': 'data.name="dig: the value is not valid TOML: {toml}',
    "data.root=[b]": (
        "data.root=[b]: the value is not valid TOML: Invalid value (at line 1, column 2); "
        "put a text in quotes: --set 'data.root=\"...\"'"
    ),
    "optimizer.generator.betas.2=0": "optimizer.generator.betas.2=0: 2 is not one of the positions 0 to 1",
    "optimizer.generator.betas.x=0": "optimizer.generator.betas.x=0: x is not one of the positions 0 to 1",
    "requires.plugins.0=x": "requires.plugins.0=x: 0 is not a position: the list is empty",
}


@pytest.mark.parametrize(("override", "expected"), MISTAKES.items())
def test_a_mistake_after_set_is_named_with_what_to_write(tiny: str, override: str, expected: str) -> None:
    text = tiny.replace('["cganzoo-amgan", "cganzoo-dcgan"]', "[]")
    before, toml, _ = expected.partition("{toml}")
    told = sentence(text, override)
    assert told.startswith("--set " + before.replace("{version}", __version__))
    assert toml or told.endswith(expected.replace("{version}", __version__))


@pytest.mark.parametrize(
    ("written", "instead", "expected"),
    [
        ("steps = 20", "steps = -1", "train.steps: -1 does not fit: input should be greater than or equal to 1"),
        ("steps = 20", "step = 20\nsteps = 20", 'train.step: unknown key; did you mean "steps"?'),
        ("batch_size = 8", "", "train.batch_size: is missing (Images in a batch)"),
        ("batch_size = 8", "batch_size 8", "is not valid TOML: "),
        ("batch_size = 8", "batch_size = 8\nbatch_size = 8", "is not valid TOML: "),
        ('"cosine"', '"cubic"', "optimizer.discriminator.lr.curve: \"cubic\" does not fit: input should be 'constant'"),
    ],
)
def test_a_mistake_in_the_file_is_named_with_the_file(tiny: str, written: str, instead: str, expected: str) -> None:
    assert written in tiny
    assert sentence(tiny.replace(written, instead)).startswith(f"tiny.toml: {expected}")


def test_every_mistake_has_a_sentence_of_its_own(tiny: str) -> None:
    with pytest.raises(RecipeError) as caught:
        read(tiny.replace("[loss]", "[losses]"), "train.steps=0")
    assert str(caught.value).splitlines() == [
        "tiny.toml: loss: is missing",
        "--set train.steps: 0 does not fit: input should be greater than or equal to 1",
        'tiny.toml: losses: unknown key; did you mean "loss"?',
    ]


def test_a_metric_twice_is_refused(tiny: str) -> None:
    told = sentence(tiny + '[[metrics]]\nname = "fid"\n[[metrics]]\nname = "fid"\n')
    assert told == 'tiny.toml: metric "fid" is listed more than once: metrics.0 and metrics.1'
    two = tiny + '[[metrics]]\nname = "fid"\n[[metrics]]\nname = "kid"\n'
    assert sentence(two, "metrics.0.name=kid").startswith(
        '--set metrics.0.name: metric "kid" is listed more than once: '
    )
    assert sentence(two, "metrics.1={name='fid'}").startswith('--set metrics.1.name: metric "fid" is listed ')


@pytest.mark.parametrize(
    ("override", "value"),
    [
        ("data.root=/a/b", "/a/b"),
        ("data.root=~/my images", "~/my images"),
        ("data.root=C:\\images", "C:\\images"),
        ("data.root = spaced ", "spaced"),
        ('data.root="quoted"', "quoted"),
        ("data.root='2024'", "2024"),
        ("data.root=a=b", "a=b"),
        ("data.root=''", ""),
        ("data.root=1_000", 1000),
        ("data.root=true", True),
        ("data.root=True", "True"),
        ("data.root=[1, 2]", [1, 2]),
        ("data.root={a = 1}", {"a": 1}),
        ("data.root.deep.er=1e-3", {"deep": {"er": 1e-3}}),
    ],
)
def test_set_takes_toml_or_a_bare_string(tiny: str, override: str, value: Any) -> None:
    assert read(tiny, override).sections.data.options == {"root": value}


def test_another_optimizer_with_the_options_of_the_old_one(tiny: str) -> None:
    told = sentence(tiny, "optimizer.generator.name=sgd")
    assert told.startswith("tiny.toml: optimizer.generator.betas: unknown key; ")
    assert told.endswith("replace all of it with --set 'optimizer.generator={name=\"sgd\", lr=...}'")
    read(tiny, 'optimizer.generator={name="sgd", lr=0.1}')


def test_set_reaches_tables_lists_and_whole_sections(tiny: str) -> None:
    metrics = "\n[[metrics]]\nname = 'a'\n[[metrics]]\nname = 'b'\n"
    overrides = (
        "optimizer.generator.betas.0=0.9",
        "metrics.1.name=c",
        "evaluation.extractor.name=classifier",
        "evaluation.extractor.epochs=3",
        "loss={name='other', weight=2.5}",
        "train.steps=5",
        "train.steps=7",
    )
    sections = read(tiny + metrics, *overrides).sections
    assert sections.optimizer.generator.model_dump()["betas"] == (0.9, 0.999)
    assert [metric.name for metric in sections.metrics] == ["a", "c"]
    assert sections.evaluation.extractor.options == {"epochs": 3}
    assert (sections.loss.name, sections.loss.options) == ("other", {"weight": 2.5})
    assert sections.train.steps == 7, "the later one holds"


def test_a_whole_number_is_taken_where_a_number_is_meant(tiny: str) -> None:
    assert read(tiny, "optimizer.generator.lr=1").sections.optimizer.generator.lr == 1.0


def test_load_names_the_recipe_by_its_file(tiny_file: Path) -> None:
    recipe = load_recipe(tiny_file, ["train.seed=5"])
    assert (recipe.name, recipe.source) == ("tiny", str(tiny_file))
    assert recipe.sections.train.seed == 5


def test_load_takes_a_file_that_begins_with_a_byte_order_mark(tiny_file: Path) -> None:
    tiny_file.write_bytes(b"\xef\xbb\xbf" + tiny_file.read_bytes().replace(b"\n", b"\r\n"))
    assert load_recipe(tiny_file).sections.train.steps == 20


def test_load_refuses_what_is_no_recipe(tmp_path: Path, tiny_file: Path) -> None:
    bytes_file = tmp_path / "bytes.toml"
    bytes_file.write_bytes(b"\xff\xfe\x00")
    for wrong, expected in {
        tmp_path / "nowhere.toml": "no such recipe",
        Path("/") / f"{'deep/' * 20}nowhere.toml": "no such recipe",  # a path is shown whole
        tmp_path: "is a folder; name a recipe file",
        bytes_file: "cannot be read as a recipe",
    }.items():
        with pytest.raises(RecipeError) as caught:
            load_recipe(wrong)
        assert str(caught.value).startswith(f"{wrong}: {expected}")


def test_load_finds_bundled_recipes_by_name_and_suggests_the_nearest() -> None:
    assert load_recipe("amgan_digits").name == load_recipe("recipes/amgan_digits.toml").name == "amgan_digits"
    with pytest.raises(RecipeError, match=r'^amgan_digit: no such recipe; did you mean "amgan_digits"'):
        load_recipe("amgan_digit")
    with pytest.raises(RecipeError, match=r"^zzz: no such recipe; `cganzoo recipes` lists"):
        load_recipe("zzz")
