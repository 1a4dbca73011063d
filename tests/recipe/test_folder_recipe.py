"""The recipe for a user's own images: any number of classes, gray or RGB, and images of a class drawn from it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cganzoo._util.toml import tomllib
from cganzoo.cli.main import main
from cganzoo.recipe import bundled

FOLDER = "amgan_folder"


def values(name: str) -> dict[str, Any]:
    return tomllib.loads((bundled.folder() / f"{name}.toml").read_text())


def run_folder_recipe(root: Path, out: Path, *changes: str) -> dict[str, Any]:
    """Train the recipe for own images in small; returns the manifest."""
    small = [
        "data.image_size=8", "train.steps=2", "train.batch_size=4", "generator.width=2", "discriminator.width=2",
        "evaluation.samples=24", "evaluation.extractor.width=2", "evaluation.extractor.steps=2",
    ]  # fmt: skip
    settings = [argument for one in (f"data.root={root}", *small, *changes) for argument in ("--set", one)]
    with pytest.raises(SystemExit) as ended:
        main(["run", FOLDER, "--out", str(out), "--device", "cpu", *settings])
    assert ended.value.code == 0
    manifest: dict[str, Any] = json.loads((out / FOLDER / "seed-0" / "manifest.json").read_text())
    return manifest


@pytest.mark.parametrize(("classes", "mode"), [(1, "RGB"), (3, "L"), (12, "RGBA")])
def test_the_recipe_for_own_images_takes_any_classes_and_colours(classes: int, mode: str, tmp_path: Path, command):
    """With two training images and one test image of each class at least; then an image of a class is drawn."""
    root = tmp_path / "images"
    random = np.random.default_rng(0)
    for label in range(classes):
        (root / f"class {label}").mkdir(parents=True)
        for number in range(3 if classes > 1 else 8):
            image = Image.fromarray(random.integers(0, 256, (9, 12, 3), np.uint8)).convert(mode)
            image.save(root / f"class {label}" / f"{number}.png")
    manifest = run_folder_recipe(root, tmp_path, *(["data.channels=1"] if mode == "L" else []))
    assert manifest["status"] == "finished"
    assert len(manifest["classes"]) == classes
    assert {"fid", "kid", "am_score", "inception_score", "class_accuracy"} <= set(manifest["evaluation"]["scores"])
    drawn = command("sample", tmp_path / FOLDER, "--class", "class 0", "-n", "2", "-o", tmp_path / "drawn")
    assert drawn.code == 0, drawn.err
    with Image.open(next((tmp_path / "drawn").iterdir())) as image:
        assert image.mode == ("L" if mode == "L" else "RGB")


def test_the_recipe_for_own_images_asks_for_their_place(command):
    ended = command("run", FOLDER)
    assert ended.code == 2
    assert ended.err.startswith("error: amgan_folder: data.root: is missing (Folder, zip or tar archive")


def test_the_recipe_for_own_images_has_published_networks():
    """The networks and the optimizers of SNGAN for 64 px, with the loss of the AM-GAN paper."""
    ours, networks, paper = values(FOLDER), values("sngan_tinyimagenet64"), values("amgan_predefined_tinyimagenet64")
    for section in ("generator", "discriminator", "optimizer"):
        assert ours[section] == networks[section], section
    assert ours["loss"] == {**paper["loss"], "spectral_norm": True}
    assert ours["data"] == {"name": "folder", "image_size": 64, "flip": True}
    assert (ours["train"]["steps"], ours["train"]["batch_size"]) == (20_000, paper["train"]["batch_size"])
    assert (ours["evaluation"]["weights"], ours["train"]["ema_decay"]) == ("ema", 0.999)
