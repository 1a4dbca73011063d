"""The exported file: the same bytes for the same weights, and damage of any kind is one message."""

from __future__ import annotations

import json
import os
import random
import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import Tensor

from cganzoo import load_generator
from cganzoo.errors import CganzooError, RunError
from cganzoo.images import export_file
from cganzoo.images.export_file import METADATA_KEY, Origin
from cganzoo.recipe.resolve import Resolved
from cganzoo.specs import BuildContext


@pytest.fixture(scope="module")
def content(resolved: Callable[..., Resolved]) -> tuple[Origin, dict[str, Tensor]]:
    """Origin and weights of a small generator."""
    recipe = resolved()
    context = BuildContext(num_classes=4, image_size=8, image_channels=1, class_names=tuple("abcd"))
    torch.manual_seed(0)
    weights = recipe.generator.create(context).state_dict()
    versions = {"distributions": {"cganzoo-dcgan": {"version": "0.1.0", "commit": None}}}
    return Origin(recipe.toml(), "cganzoo-dcgan", tuple("abcd"), 1, 3, {"versions": versions}), weights


def told(path: Path) -> str:
    with pytest.raises(CganzooError) as caught:
        load_generator(path)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 1000 + 2 * len(str(path))
    return str(caught.value)


def test_what_is_written_is_read(content: tuple[Origin, dict[str, Tensor]], tmp_path: Path) -> None:
    origin, weights = content
    path = tmp_path / "g.safetensors"
    path.write_bytes(export_file.pack(origin, weights))
    assert export_file.pack(origin, weights) == path.read_bytes()
    found, read = export_file.read(path)
    assert found == origin
    assert read.keys() == weights.keys()
    assert all(torch.equal(read[name], tensor) for name, tensor in weights.items())
    assert load_generator(path).sample(2, classes="a").shape == (2, 1, 8, 8)


@pytest.mark.skipif(sys.platform == "darwin", reason="the file system takes only names in UTF-8")
def test_a_folder_whose_name_is_not_utf8(content: tuple[Origin, dict[str, Tensor]], tmp_path: Path) -> None:
    folder = tmp_path / os.fsdecode(b"g\xff")
    folder.mkdir()
    path = folder / "g.safetensors"
    path.write_bytes(export_file.pack(*content))
    assert load_generator(path).sample(2, classes="a").shape == (2, 1, 8, 8)


def test_a_flipped_bit_is_noticed_or_changes_nothing(content: tuple[Origin, dict[str, Tensor]], tmp_path: Path) -> None:
    origin, weights = content
    path = tmp_path / "g.safetensors"
    whole, chance, refused = export_file.pack(origin, weights), random.Random(13), 0
    for position in sorted(chance.sample(range(len(whole)), 200)):
        damaged = bytearray(whole)
        damaged[position] ^= 1 << chance.randrange(8)
        path.write_bytes(damaged)
        try:
            found, read = export_file.read(path)
        except RunError:
            refused += 1
        else:
            assert found == origin
            assert all(torch.equal(read[name], tensor) for name, tensor in weights.items())
    assert refused > 190


def test_a_file_of_0_1_has_no_checksum(content: tuple[Origin, dict[str, Tensor]], tmp_path: Path) -> None:
    origin, weights = content
    path = tmp_path / "g.safetensors"
    entry = {"format": 1, **asdict(origin)}
    safetensors.torch.save_file(weights, path, metadata={METADATA_KEY: json.dumps(entry, sort_keys=True)})
    assert export_file.read(path)[0] == origin
    assert load_generator(path).class_names == tuple("abcd")


ODD: dict[str, Any] = {
    "format": ["1", 0, None, True, 1.0],
    "recipe": [None, 3, [], {}],
    "distribution": ["", 3, None],
    "class_names": [[], "abcd", None, [1, 2], {"a": 1}],
    "channels": ["x", 0, -1, 2, True, None, 10**30],
    "step": ["3", -1, True, None, 2.5],
    "provenance": [None, [], "x"],
}


@pytest.mark.parametrize(("key", "value"), [(key, value) for key, values in ODD.items() for value in values])
def test_an_entry_of_another_shape_is_named(
    content: tuple[Origin, dict[str, Tensor]], tmp_path: Path, key: str, value: object
) -> None:
    origin, weights = content
    path = tmp_path / "g.safetensors"
    entry = {"format": 1, **asdict(origin), key: value}
    safetensors.torch.save_file(weights, path, metadata={METADATA_KEY: json.dumps(entry)})
    message = told(path)
    assert message.startswith(f"{path}: is damaged, or `cganzoo export` did not write it ({key}: "), message
    del entry[key]
    safetensors.torch.save_file(weights, path, metadata={METADATA_KEY: json.dumps(entry)})
    assert f"({key}: " in told(path)


@pytest.mark.parametrize("entry", ["[]", "null", "3", "{", "[" * 100_000, "9" * 10_000, "\x00"])
def test_metadata_that_is_no_object_is_damage(
    content: tuple[Origin, dict[str, Tensor]], tmp_path: Path, entry: str
) -> None:
    path = tmp_path / "g.safetensors"
    safetensors.torch.save_file(content[1], path, metadata={METADATA_KEY: entry})
    assert told(path).startswith(f"{path}: is damaged, or `cganzoo export` did not write it")


def test_a_newer_format_asks_for_an_upgrade(content: tuple[Origin, dict[str, Tensor]], tmp_path: Path) -> None:
    path = tmp_path / "g.safetensors"
    safetensors.torch.save_file(content[1], path, metadata={METADATA_KEY: '{"format": 2}'})
    assert "was written by a newer cganzoo" in told(path)


def test_other_recipes_and_weights_are_refused_before_memory_is_used(
    content: tuple[Origin, dict[str, Tensor]], tmp_path: Path
) -> None:
    origin, weights = content
    path = tmp_path / "g.safetensors"

    def message(old: str = "", new: str = "", **changed: Tensor) -> str:
        recipe = origin.recipe.replace(old, new) if old else origin.recipe
        assert not old or recipe != origin.recipe
        path.write_bytes(export_file.pack(replace(origin, recipe=recipe), {**weights, **changed}))
        return told(path)

    for size in ("1000000000", "1000000000000000000"):
        for key in ("latent_dim = 100", "width = 4"):
            assert "it has far more weights than the file" in message(key, f"{key.partition('=')[0]}= {size}")
    assert "shape" in message("width = 4", "width = 8")
    name = next(name for name, tensor in weights.items() if tensor.ndim > 1)
    assert f"{name} has values that are not finite" in message(**{name: weights[name] * float("nan")})
    assert f"{name} is torch.float64, not torch.float32" in message(**{name: weights[name].double()})
    assert f"{name} has the shape" in message(**{name: weights[name][None]})
    assert "odd is not a part of it" in message(odd=torch.ones(3))
    rest = {key: tensor for key, tensor in weights.items() if key != name}
    path.write_bytes(export_file.pack(origin, rest))
    assert f"{name} is missing" in told(path)
    assert "cganzoo-dcgan==0.1.0" in told(path)
    path.write_bytes(export_file.pack(replace(origin, provenance={"versions": []}), rest))
    assert told(path).endswith("install the version they were made with: cganzoo-dcgan")


def test_what_is_no_regular_file_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "empty").touch()
    (tmp_path / "link").symlink_to("nothing")
    for name in ("pipe", "folder"):
        assert told(tmp_path / name).startswith(f"{tmp_path / name}: cannot be read: ")
    assert "is damaged, or `cganzoo export` did not write it" in told(tmp_path / "empty")
    for name in ("link", "nothing"):
        assert told(tmp_path / name) == f"{tmp_path / name}: no such file"
