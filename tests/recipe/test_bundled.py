"""The recipes that come with the zoo: valid, buildable, comparable within a group, and true to the paper."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bundled_recipes import PUBLISHED as PUBLISHED_SETTINGS
from bundled_recipes import build, check_built, header, index, resolved, text, values
from PIL import Image

from cganzoo._util.toml import tomllib
from cganzoo.cli.main import main
from cganzoo.config import ClassifierConfig, parse, value_at
from cganzoo.recipe import bundled
from cganzoo.recipe.read import load_recipe
from cganzoo.registry import load_plugins

NAMES = bundled.names()


def value(tree: dict[str, Any], key: str) -> Any:
    for step in key.split("."):
        tree = tree[step]
    return tree


def without(name: str, *keys: str) -> dict[str, Any]:
    """A recipe's values but those at ``keys``, which must be there."""
    tree = values(name)
    for key in keys:
        section, _, last = key.rpartition(".")
        del (value(tree, section) if section else tree)[last]
    return tree


# --- all ------------------------------------------------------------------------------------------------------------


@pytest.mark.smoke
@pytest.mark.parametrize("name", [name for name in NAMES if name not in PUBLISHED_SETTINGS])  # these: test_published.py
def test_every_recipe_resolves_and_builds(name: str):
    check_built(name)


@pytest.mark.parametrize("name", NAMES)
def test_every_recipe_says_what_it_is_and_how_to_run_it(name: str):
    assert re.match(r"# \S", header(name))
    assert len(bundled.summary(bundled.folder() / f"{name}.toml")) <= 90, "one line of `cganzoo recipes`"
    assert f"cganzoo run recipes/{name}.toml" in header(name)
    assert "Paper:" in header(name)
    assert "Cost:" in header(name)


def test_the_index_lists_every_recipe():
    assert set(index()) == set(NAMES)


# --- digits ---------------------------------------------------------------------------------------------------------

DIGITS = "amgan_digits"
DIGITS_SIBLINGS = [  # the recipes of other networks have settings of their own
    name
    for name in NAMES
    if name.endswith("_digits") and name != DIGITS and values(name)["generator"]["name"] == "dcgan"
]


def test_every_loss_has_its_digits_recipe():
    losses = {component.name for component in load_plugins().components("loss")}
    assert {values(name)["loss"]["name"] for name in NAMES if name.endswith("_digits")} == losses
    assert "amgan_dynamic_digits" in DIGITS_SIBLINGS


@pytest.mark.parametrize("name", DIGITS_SIBLINGS)
def test_digits_siblings_differ_in_loss_requires_and_conditioning_only(name: str):
    free = ("loss", "requires", "generator.conditional")
    own, other = {
        "timm_digits": ((), ("discriminator", "train.steps")),
        "r3gan_digits": (("regularizers", "discriminator.batch_norm"), ("train.steps",)),
        "transitional_digits": (("generator.class_strength",), ()),
    }.get(name, ((), ()))
    assert without(name, *free, *own, *other) == without(DIGITS, *free, *other)


def test_the_index_says_which_digits_recipes_differ_in_the_loss_only():
    section = (bundled.folder() / "README.md").read_text().split("\n## Digits\n")[1].split("\n## ")[0]
    losses, networks = (set(re.findall(r"^\| `(\w+)` ", part, re.MULTILINE)) for part in section.split("**Networks.**"))
    digits = {name for name in NAMES if name.endswith("_digits")}
    assert losses == {name for name in digits if values(name)["discriminator"]["name"] == "dcgan"}
    assert networks == digits - losses


# --- the AM-GAN paper -----------------------------------------------------------------------------------------------

PUBLISHED = {
    # Inception Score and AM Score under dynamic, then under predefined labeling: arXiv:1703.02000, Table 1; AC-GAN:
    # section 7.1.5.
    ("gan", "cifar10"): ("7.04", "0.45", "7.27", "0.43"),
    ("gan_star", "cifar10"): ("7.25", "0.40", "7.31", "0.41"),
    ("acgan", "cifar10"): ("6.48", "0.43", "7.66", "0.20"),
    ("acgan_star", "cifar10"): ("7.41", "0.17", "7.79", "0.16"),
    ("acgan_star_plus", "cifar10"): ("8.56", "0.10", "8.01", "0.14"),
    ("labelgan", "cifar10"): ("8.63", "0.13", "7.88", "0.25"),
    ("amgan", "cifar10"): ("8.83", "0.08", "8.35", "0.05"),
    ("acgan_star", "tinyimagenet"): ("7.28", "1.64", "7.89", "1.01"),
    ("acgan_star_plus", "tinyimagenet"): ("10.25", "1.04", "8.23", "1.20"),
    ("labelgan", "tinyimagenet"): ("10.82", "1.11", "8.62", "1.37"),
    ("amgan", "tinyimagenet"): ("11.45", "0.88", "9.55", "0.61"),
}
SCORES = {
    name: scores
    for (loss, data), row in PUBLISHED.items()
    for name, scores in ((f"{loss}_{data}", row[:2]), (f"{loss}_predefined_{data}", row[2:]))
}
TINY32 = [name for name in SCORES if name.endswith("_tinyimagenet")]
GROUPS = {
    "cifar10": [name for name in SCORES if name.endswith("_cifar10")],
    "tinyimagenet": TINY32,
    "tinyimagenet64": [f"{name}64" for name in TINY32],
}
PAPER = [name for group in GROUPS.values() for name in group]


def predefined(name: str) -> bool:
    return "_predefined_" in name


def method(name: str) -> str:
    return re.sub(r"(_predefined)?_[^_]+$", "", name)


VALUES = {  # the authors' code; see the comments in the files
    "data.image_size": 32,
    "generator.latent_dim": 100,
    "generator.width": 96,
    "generator.batch_norm": True,
    "generator.parametrization": "weight_norm",
    "discriminator.width": 64,
    "discriminator.input_noise": 0.1,
    "discriminator.dropout": 0.3,
    "discriminator.batch_norm": True,
    "discriminator.parametrization": "weight_norm",
    "optimizer.generator.name": "adam",
    "optimizer.generator.lr": {"curve": "step", "from": 4e-4, "factor": 0.5, "every": 0.1},
    "optimizer.generator.betas": [0.5, 0.999],
    "optimizer.discriminator.name": "adam",
    "optimizer.discriminator.lr": {"curve": "step", "from": 8e-4, "factor": 0.5, "every": 0.1},
    "optimizer.discriminator.betas": [0.5, 0.999],
    "train.steps": 1_000_000,
    "train.batch_size": 100,
    "train.discriminator_steps": 1,
    "train.ema_decay": 0.0,
    "evaluation.samples": 50_000,
    "evaluation.weights": "raw",
}
AT_64_PX = {"data.image_size": 64, "generator.width": 48, "discriminator.width": 32}

CLASS_TERMS = {"adversarial": "logistic", "discriminator_class_weight": 1.0, "generator_class_weight": 1.0}
LOSSES = {
    "gan": {"adversarial": "logistic"},
    "gan_star": {"adversarial": "logistic", "discriminator_class_weight": 0.1},
    "labelgan": {},
    "acgan": {"labeling": ..., **CLASS_TERMS},
    "acgan_star": {"labeling": ..., **CLASS_TERMS},
    "acgan_star_plus": {"labeling": ..., **CLASS_TERMS},
    "amgan": {"labeling": ...},
}
TERMS = {  # of the discriminator's loss and of the generator's, besides the discriminator's "real" and "fake"
    "gan": ((), ("adversarial",)),
    "gan_star": (("class_real",), ("adversarial",)),
    "labelgan": ((), ("adversarial",)),
    "acgan": (("class_real", "class_fake"), ("adversarial", "class_fake")),
    "acgan_star": (("class_real",), ("adversarial", "class_fake")),
    "acgan_star_plus": (("class_real", "undecided"), ("adversarial", "class_fake")),
    "amgan": ((), ("activation",)),
}


def test_the_papers_recipes_are_all_here():
    assert len(PAPER) == 14 + 8 + 8
    assert set(PAPER) <= set(NAMES)


@pytest.mark.parametrize("name", PAPER)
def test_the_papers_values_stand_in_the_file(name: str):
    expected = {**VALUES, **(AT_64_PX if name.endswith("64") else {})}
    found = values(name)
    assert {key: value(found, key) for key in expected} == expected
    assert found["generator"]["conditional"] is predefined(name)
    assert found["discriminator"]["extra_conv"] is predefined(name)
    assert found["data"]["name"] == ("cifar10" if name.endswith("cifar10") else "tinyimagenet")
    assert found["data"].get("grayscale") == (None if name.endswith("cifar10") else "drop")


@pytest.mark.parametrize("name", PAPER)
def test_the_papers_loss_stands_in_the_file(name: str):
    expected = {"name": method(name), **LOSSES[method(name)]}
    if "labeling" in expected:
        expected["labeling"] = "predefined" if predefined(name) else "dynamic"
    assert values(name)["loss"] == expected
    assert len(values(name)["requires"]["plugins"]) == 3


@pytest.mark.parametrize("group", GROUPS)
def test_the_papers_recipes_of_a_set_differ_in_loss_and_labeling_only(group: str):
    free = ("loss", "requires", "generator.conditional", "discriminator.extra_conv")
    first, *others = GROUPS[group]
    for name in others:
        assert without(name, *free) == without(first, *free), name


@pytest.mark.parametrize("name", TINY32)
def test_the_papers_recipes_differ_in_the_set_alone(name: str):
    assert without(name, "data", "evaluation.extractor") == without(
        name.replace("tinyimagenet", "cifar10"), "data", "evaluation.extractor"
    )
    assert without(name, *AT_64_PX, "evaluation.extractor") == without(f"{name}64", *AT_64_PX, "evaluation.extractor")


PARAMETERS = {
    # Of generator and trunk, dynamic then predefined. The paper's code has, for K = 10, 4.74 M and 1.56 M, then 4.87 M
    # and 3.92 M, with a last layer of K + 2 logits; the 6,168 parameters of that layer are not the trunk's.
    "cifar10": (4_743_846, 1_560_024 - 6_168, 4_866_726, 3_921_368 - 6_168),
    "tinyimagenet": (4_743_846, 1_553_856, 7_201_446, 3_915_200),
    "tinyimagenet64": (4_784_214, 1_571_552, 7_241_814, 3_932_896),
}


@pytest.mark.parametrize("group", PARAMETERS)
def test_the_papers_networks_have_their_size(group: str):
    found = []
    for name in (f"amgan_{group}", f"amgan_predefined_{group}"):
        generator, trunk, _ = build(resolved(name))
        found += [sum(parameter.numel() for parameter in module.parameters()) for module in (generator, trunk)]
    assert tuple(found) == PARAMETERS[group]


@pytest.mark.parametrize("steps", [1_000_000, 200])
def test_the_papers_schedule_scales_with_the_run(steps: int):
    sections = load_recipe("amgan_tinyimagenet", [f"train.steps={steps}"]).sections
    for rate, start in ((sections.optimizer.generator.lr, 4e-4), (sections.optimizer.discriminator.lr, 8e-4)):
        ends = [value_at(rate, steps * tenth // 10 - 1, sections.train.steps) for tenth in range(1, 11)]
        begins = [value_at(rate, steps * tenth // 10, sections.train.steps) for tenth in range(10)]
        assert begins == ends == [start / 2**halvings for halvings in range(10)]


@pytest.mark.parametrize("name", PAPER)
def test_published_scores_are_told(name: str):
    if name not in SCORES:
        assert "none published" in header(name)
        return
    inception_score, am_score = SCORES[name]
    source = "section 7.1.5" if values(name)["loss"]["name"] == "acgan" else "Table 1"
    assert f"published: Inception Score {inception_score}, AM Score {am_score} ({source})" in header(name)
    assert f"| {inception_score} | {am_score} |" in index()[name]


@pytest.mark.parametrize("name", PAPER)
def test_the_papers_classifier_is_in_a_comment_that_works(name: str):
    lines = re.findall(r"^#   (.*)$", text(name).split("[evaluation.extractor]")[1], re.MULTILINE)
    options = tomllib.loads(f"extractor = {{ {' '.join(lines)} }}")["extractor"]
    assert options.pop("name") == "classifier"
    config = parse(ClassifierConfig, options)
    assert (config.model, config.epochs, config.weight_decay) == ("densenet_bc_40_40", 300, 1e-4)


# --- with a user's own images ---------------------------------------------------------------------------------------

TINY = {
    "train.steps": 1,
    "train.batch_size": 4,
    "generator.width": 2,
    "discriminator.width": 2,
}


@pytest.fixture(scope="module")
def own_images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three classes of sixteen noise images."""
    root = tmp_path_factory.mktemp("own")
    random = np.random.default_rng(0)
    for label in ("ant", "bee", "cat"):
        (root / label).mkdir()
        for number in range(16):
            Image.fromarray(random.integers(0, 256, (8, 8, 3), np.uint8)).save(root / label / f"{number}.png")
    return root


@pytest.fixture
def train(own_images: Path, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Train a recipe on the images, set as its header says; returns the last line of its metrics."""

    def run(name: str, **overrides: str | int) -> dict[str, Any]:
        own = re.search(r"folder per class: (--set .*)$", header(name), re.MULTILINE)
        assert own is not None
        data = own[1].replace("FOLDER", str(own_images)).replace("'", "").split("--set ")[1:]
        settings = [*data, "data.image_size=8", *(f"{key}={value}" for key, value in {**TINY, **overrides}.items())]
        arguments = [argument for setting in settings for argument in ("--set", setting.strip())]
        with pytest.raises(SystemExit) as ended:
            main(["run", name, "--out", str(tmp_path), "--device", "cpu", *arguments])
        assert ended.value.code == 0
        lines = (tmp_path / name / "seed-0" / "metrics.jsonl").read_text().splitlines()
        last: dict[str, Any] = json.loads(lines[-1])
        return last

    return run


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] if number % 3 else []) for number, name in enumerate(PAPER)]
)
def test_it_trains_on_a_folder_of_ones_own(name: str, train):
    last = train(name, metrics="[]")
    of_discriminator, of_generator = TERMS[method(name)]
    assert last["step"] == 1
    assert set(last["terms"]) == {f"discriminator/{term}" for term in ("real", "fake", *of_discriminator)} | {
        f"generator/{term}" for term in of_generator
    }


@pytest.mark.parametrize("name", ["labelgan_cifar10", "amgan_predefined_tinyimagenet"])
def test_it_is_scored_on_a_folder_of_ones_own(name: str, train):
    scores = train(
        name,
        **{
            "evaluation.samples": 24,
            "evaluation.extractor.width": 2,
            "evaluation.extractor.steps": 2,
        },
    )["scores"]
    assert {"am_score", "inception_score", "fid", "kid", "class_accuracy", "intra_class_msssim", "precision"} <= set(
        scores
    )
    assert (scores["class_accuracy"] is None) is not predefined(name)
