"""The bundled recipes as text and values, and their networks without weights, for the tests of recipes."""

from __future__ import annotations

import re
from typing import Any, NamedTuple
from unittest import mock

import torch
from torch.nn.utils import parametrizations

from cganzoo._util.toml import tomllib
from cganzoo.recipe import bundled
from cganzoo.recipe.read import load_recipe
from cganzoo.recipe.resolve import Resolved, resolve
from cganzoo.train.build import Networks, build_networks

CLASSES = {"digits": 10, "cifar10": 10, "tinyimagenet": 200, "cub200": 200, "imagenet": 1000, "folder": 7}
WITHOUT_IMAGES = ("folder", "imagenet")
"""Data sets whose recipes are complete only with the place of the images."""


class Published(NamedTuple):
    """What is published of a recipe's method on its data set: scores, and the parameters of the authors' networks."""

    inception_score: str | None
    fid: str | None
    generator: int
    discriminator: int  # with the heads of its loss


PUBLISHED = {
    # Scores: README of StudioGAN at 947b35e (CIFAR-10, ImageNet) and at its tag v.0.3.0 (Tiny-ImageNet, and StyleGAN2
    # with D2D-CE and ADA), README of ECGAN, paper of R3GAN. Sizes: counted in networks built by the code of StudioGAN
    # and R3GAN. For StyleGAN2 on Tiny-ImageNet: of Baby-ImageNet, and two tables of 100 more classes.
    "sngan_cifar10": Published("8.83", "9.01", 4_304_387, 1_055_105),
    "biggan_cifar10": Published("9.96", "4.16", 9_416_196, 2_415_170),
    "contragan_cifar10": Published("9.78", "6.01", 9_416_196, 2_517_186),
    "reacgan_cifar10": Published("9.85", "3.87", 9_416_196, 2_517_186),
    "reacgan_diffaugment_cifar10": Published("10.15", "2.64", 9_416_196, 2_517_186),
    "ecgan_cifar10": Published("10.08", "7.94", 9_416_196, 2_414_987),
    "stylegan2_cifar10": Published("10.17", "3.78", 20_215_315, 23_089_664),
    "stylegan2_ada_cifar10": Published("10.53", "2.31", 20_215_315, 23_089_664),
    "stylegan2_d2dce_cifar10": Published("10.43", "3.44", 20_215_315, 21_251_585),
    "stylegan2_d2dce_ada_cifar10": Published("10.55", "2.33", 20_215_315, 21_251_585),
    "r3gan_cifar10": Published(None, "1.96", 20_781_952, 21_280_512),
    "sngan_tinyimagenet64": Published("8.41", "53.59", 13_366_915, 19_747_521),
    "biggan_tinyimagenet64": Published("12.00", "31.92", 17_335_204, 30_796_722),
    "contragan_tinyimagenet64": Published("13.49", "27.03", 17_335_204, 31_678_130),
    "reacgan_tinyimagenet64": Published("14.16", "26.59", 17_335_204, 31_678_130),
    "reacgan_diffaugment_tinyimagenet64": Published("20.48", "14.35", 17_335_204, 31_678_130),
    "ecgan_tinyimagenet64": Published("18.45", "18.32", 17_335_204, 30_795_641),
    "stylegan2_tinyimagenet64": Published(None, None, 22_557_464 + 51_200, 25_822_464 + 51_200),
    "r3gan_tinyimagenet64": Published(None, None, 22_491_776, 23_124_096),
    "biggan_cub200": Published(None, None, 49_226_404, 60_290_482),
    "contragan_cub200": Published(None, None, 49_226_404, 61_551_026),
    "reacgan_cub200": Published(None, None, 49_226_404, 61_551_026),
    "biggan_imagenet128": Published("98.51", "8.54", 70_433_988, 87_982_370),
    "contragan_imagenet128": Published("25.23", "29.59", 70_433_988, 90_343_202),
    "reacgan_imagenet128": Published("66.67", "15.65", 70_433_988, 91_642_146),
    "ecgan_imagenet128": Published("80.69", "8.49", 70_433_988, 89_930_249),
}


def text(name: str) -> str:
    return (bundled.folder() / f"{name}.toml").read_text()


def values(name: str) -> dict[str, Any]:
    return tomllib.loads(text(name))


def header(name: str) -> str:
    return text(name).split("\n[", 1)[0]


def index() -> dict[str, str]:
    """Rows of ``recipes/README.md`` by recipe."""
    rows = re.findall(r"^(\| `(\w+)` .*)$", (bundled.folder() / "README.md").read_text(), re.MULTILINE)
    assert len(rows) == len(dict(rows)), "a recipe is listed twice"
    return {name: row for row, name in rows}


def resolved(name: str) -> Resolved:
    place = ["data.root=/images"] if values(name)["data"]["name"] in WITHOUT_IMAGES else []
    return resolve(load_recipe(name, place))


def build(recipe: Resolved) -> Networks:
    """Generator, trunk and objective, without the memory and the time of their weights."""
    count = CLASSES[recipe.recipe.sections.data.name]
    # Spectral normalisation begins with 15 power iterations, which are slow even without values.
    idle = mock.patch.object(parametrizations._SpectralNorm, "_power_method", return_value=None)
    with torch.device("meta"), idle:
        return build_networks(recipe, tuple(f"class {label}" for label in range(count)))


def check_built(name: str) -> Networks:
    """Build a recipe's networks, and pass tensors without values through them."""
    recipe = resolved(name)
    size = recipe.recipe.sections.data.image_size
    generator, trunk, objective = networks = build(recipe)
    labels = torch.empty(2, dtype=torch.long, device="meta")
    images = torch.empty(2, recipe.channels, size, size, device="meta")
    assert objective.score(trunk(images), labels).shape == (2,)
    if not generator.conditional:  # one-hot labels need values, which meta tensors have not
        assert generator(generator.sample_latent(2, torch.device("meta")), labels).shape == images.shape
    return networks
