"""Recipes with the settings of published runs: their networks' sizes, the sources of their values, and their scores."""

from __future__ import annotations

import re
from typing import Any

import pytest
from bundled_recipes import PUBLISHED, check_built, header, index, resolved, text, values

from cganzoo._util.toml import tomllib
from cganzoo.recipe import bundled

BUILT = (  # by default: each network, each kind of head, each size of images
    "sngan_cifar10",
    "contragan_cifar10",
    "ecgan_cifar10",
    "stylegan2_cifar10",
    "stylegan2_d2dce_cifar10",
    "r3gan_cifar10",
    "biggan_tinyimagenet64",
    "reacgan_imagenet128",
)
PROXIES = 268_288 - 10 * 512
"""More parameters of the class proxies of StudioGAN's StyleGAN2 with D2D-CE: a table and two layers, ours a table."""


@pytest.mark.parametrize("name", PUBLISHED)
def test_it_resolves(name: str):
    """No option is unknown, and the loss allows the parts into which a batch is divided."""
    recipe = resolved(name).recipe
    assert recipe.sections.evaluation.extractor.name == "inception", "the network of published scores"


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name in BUILT else [pytest.mark.slow]) for name in PUBLISHED]
)
def test_its_networks_have_the_published_size(name: str):
    counts = check_built(name).parameter_counts()
    fewer = PROXIES if "d2dce" in name else 0
    assert counts["generator"] == PUBLISHED[name].generator
    assert counts["trunk"] + counts["objective"] == PUBLISHED[name].discriminator - fewer


def in_millions(count: int) -> str:
    return f"{count / 1e6:.2f}"


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_scores_and_sizes_stand_in_the_header_and_in_the_index(name: str):
    found = PUBLISHED[name]
    row = [cell.strip() for cell in index()[name].strip("|").split("|")]
    assert row[2] == (found.inception_score or "")
    assert row[3].split(" (")[0] == (found.fid or "")
    discriminator = found.discriminator - (PROXIES if "d2dce" in name else 0)
    assert row[4] == f"{in_millions(found.generator)}, {in_millions(discriminator)}"
    words = " ".join(header(name).replace("\n#", " ").split())
    if found.inception_score:
        assert f"published: Inception Score {found.inception_score}, FID {found.fid}" in words
    elif found.fid:
        assert f"published: FID {found.fid}" in words
    else:
        assert "none" in words


SOURCED = ("generator", "discriminator", "loss", "regularizers", "augmentations", "optimizer")


@pytest.mark.parametrize("name", PUBLISHED)
def test_each_value_has_a_source(name: str):
    """In a comment after it or above it; the header says what the tags mean."""
    sections = re.split(r"^\[+([\w.]+)\]+.*\n", text(name), flags=re.MULTILINE)
    for section, lines in zip(sections[1::2], sections[2::2], strict=True):
        if section.split(".")[0] in SOURCED:
            above = ""
            for line in lines.strip().splitlines():
                if not line.startswith(("#", "name = ", "variant = ")):
                    assert "  # " in line or above.startswith("# "), f"[{section}] {line}"
                above = line
    comments = text(name).removeprefix(header(name))
    for tag in set(re.findall(r"\[[A-Z]\]", comments)):
        assert re.search(rf"{re.escape(tag)}[ \n#]+(is|are)\b", header(name)), f"{tag} is not explained"


def network(name: str) -> tuple[str, str]:
    found = values(name)
    return found["generator"]["name"], found["data"]["name"]


@pytest.mark.parametrize("pair", sorted({network(name) for name in PUBLISHED}))
def test_the_losses_of_a_set_have_the_same_networks(pair: tuple[str, str]):
    """And the same images and scores, so that a group can compare them."""
    same = [values(name) for name in PUBLISHED if network(name) == pair]
    for section in ("data", "generator", "discriminator", "evaluation", "metrics"):
        assert all(one[section] == same[0][section] for one in same), section


def group(name: str) -> dict[str, Any]:
    return tomllib.loads((bundled.folder() / f"{name}.toml").read_text())


@pytest.mark.parametrize("name", ["paper/reacgan_cifar10", "paper/ecgan_cifar10", "paper/ecgan_tinyimagenet64"])
def test_the_scores_of_a_group_are_those_of_its_recipes(name: str):
    """Each stands in the header of its recipe, which may have those of two protocols."""
    for method in group(name)["methods"]:
        words = " ".join(header(method["recipe"]).replace("\n#", " ").split())
        scores = method["published"]
        stated = f"Inception Score {scores['inception_score']:.2f}, FID {scores['fid']:.2f}"
        assert stated in words, method["recipe"]
        for score in ("precision", "recall", "density", "coverage"):
            assert score not in scores or f"{score} {scores[score]:.2f}" in words, (method["recipe"], score)
