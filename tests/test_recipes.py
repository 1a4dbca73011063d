"""The recipes that come with the zoo: all valid, all buildable, and the digits' ones comparable."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

from cganzoo import BuildContext, bundled, recipe
from cganzoo.plugins import load_plugins
from cganzoo.resolution import resolve

NAMES = bundled.names()
MAIN = "amgan_digits"
SIBLINGS = [name for name in NAMES if name.endswith("_digits") and name != MAIN]
LOSSES = {component.name for component in load_plugins().components("loss")}


def values(name: str) -> dict:
    return recipe.tomllib.loads((bundled.folder() / f"{name}.toml").read_text())


def test_every_loss_has_its_digits_recipe():
    assert {values(name)["loss"]["name"] for name in NAMES if name.endswith("_digits")} == LOSSES
    assert len(SIBLINGS) >= 11
    assert {"amgan_dynamic_digits", "amgan_cifar10", "amgan_tinyimagenet"} <= set(NAMES)


@pytest.mark.parametrize("name", SIBLINGS)
def test_siblings_differ_in_loss_requires_and_conditioning_only(name: str):
    main, sibling = values(MAIN), values(name)
    for recipe_values in (main, sibling):
        del recipe_values["loss"], recipe_values["requires"], recipe_values["generator"]["conditional"]
    assert sibling == main


@pytest.mark.parametrize("name", SIBLINGS)
def test_siblings_require_the_same_but_the_loss(name: str):
    main, sibling = (set(values(each)["requires"]["plugins"]) for each in (MAIN, name))
    assert len(main) == len(sibling) == 3
    assert sibling - main <= {f"cganzoo-{found}" for found in ("acgan", "labelgan", "reacgan", "ecgan", "projgan")} | {
        "cganzoo-contragan"
    }


@pytest.mark.parametrize("name", NAMES)
def test_every_recipe_resolves_and_builds(name: str):
    resolved = resolve(recipe.load(name))
    classes = 200 if "tinyimagenet" in name else 10
    size, channels = resolved.recipe.sections.data.image_size, resolved.channels
    context = BuildContext(num_classes=classes, image_size=size, image_channels=channels)
    generator = resolved.generator.spec.build(resolved.generator.config, context)
    trunk = resolved.discriminator.spec.build(resolved.discriminator.config, context)
    loss_context = BuildContext(
        num_classes=classes, image_size=size, image_channels=channels, feature_dim=trunk.feature_dim
    )
    objective = resolved.loss.spec.build(resolved.loss.config, loss_context)
    images = generator(generator.sample_latent(2, torch.device("cpu")), torch.tensor([0, classes - 1]))
    assert images.shape == (2, channels, size, size)
    assert objective.score(trunk(images), torch.tensor([0, classes - 1])).shape == (2,)


@pytest.mark.parametrize("name", NAMES)
def test_every_recipe_says_what_it_is_and_how_to_run_it(name: str):
    text = (bundled.folder() / f"{name}.toml").read_text()
    header = text.split("\n[", 1)[0]
    assert re.match(r"# \S", header)
    assert f"cganzoo run recipes/{name}.toml" in header
    assert "Paper:" in header
    assert "Cost:" in header


def test_the_index_lists_every_recipe():
    index = Path("recipes/README.md").read_text() if Path("recipes/README.md").is_file() else ""
    index = index or (bundled.folder() / "README.md").read_text()
    assert set(re.findall(r"^\| `(\w+)`", index, re.MULTILINE)) == set(NAMES)
