"""Weights of the hub and of files: what is read, refused, kept in a checkpoint, and compared when a run resumes."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import huggingface_hub.constants
import numpy as np
import pytest
import torch
from cganzoo_timm.networks import TimmDiscriminator
from torch import Tensor

from cganzoo.data.cache import ImageSet
from cganzoo.errors import CganzooError, RecipeError, RunError
from cganzoo.recipe.read import parse_recipe
from cganzoo.recipe.resolve import resolve
from cganzoo.train.engine import Engine

Make = Callable[..., TimmDiscriminator]
Weights = Callable[..., dict[str, Tensor]]


def test_files_of_both_kinds_and_the_hub_give_the_same_features(
    make: Make, weights: Weights, file: Path, images: Tensor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is in the cache of the hub's client needs no connection."""
    torch.save({"state_dict": weights()}, tmp_path / "weights.pth")
    repository = tmp_path / "hub" / "models--timm--test_resnet.r160_in1k"
    (repository / "snapshots" / "1234").mkdir(parents=True)
    (repository / "snapshots" / "1234" / "model.safetensors").write_bytes(file.read_bytes())
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("1234")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    features = [
        make(weights=str(one)).eval()(images) for one in ("pretrained", tmp_path / "weights.pth", file, "random")
    ]
    assert torch.equal(features[0], features[2])
    assert torch.equal(features[1], features[2])
    assert not torch.equal(features[3], features[2])


def test_frozen_weights_of_a_file_are_not_in_the_state_dict_but_their_hash_is(make: Make, file: Path) -> None:
    state = make(weights=str(file)).state_dict()
    assert [name for name in state if name.startswith("backbone")] == ["backbone.weights_hash"]
    assert any(name.startswith("backbone.model.") for name in make().state_dict()), "random ones are nowhere else"
    assert any(name.startswith("backbone.model.") for name in make(weights=str(file), trained=True).state_dict())


def test_other_frozen_weights_than_those_of_the_state_dict_are_refused(
    make: Make, file: Path, other_file: Path, images: Tensor
) -> None:
    trunk, same = (make(weights=str(file), seed=seed) for seed in (0, 1))
    same.load_state_dict(trunk.state_dict())
    assert torch.equal(same.eval()(images), trunk.eval()(images))
    with pytest.raises(RunError, match=r"discriminator\.weights = .*have the hash \w{16}; those of the checkpoint"):
        make(weights=str(other_file)).load_state_dict(trunk.state_dict())


def test_a_file_of_another_network_is_one_message(make: Make, weights: Weights, tmp_path: Path) -> None:
    """Some feature models of timm ignore missing weights."""
    torch.save(weights("test_convnext"), tmp_path / "weights.pth")
    for model in ("test_resnet", "test_efficientnet", "test_vit"):
        with pytest.raises(RunError) as caught:
            make(model=model, weights=str(tmp_path / "weights.pth"))
        message = str(caught.value)
        assert message.startswith(f'discriminator.weights = "{tmp_path}/weights.pth": does not hold the weights of ')
        assert f'timm\'s "{model}" (Missing key(s)' in message
        assert "Unexpected key(s)" in message
        assert "\n" not in message


def test_weights_that_are_not_finite_are_refused(make: Make, weights: Weights, tmp_path: Path) -> None:
    """The run would diverge at its first step, and the message would blame the learning rate."""
    values = weights()
    values["layer1.0.conv1.weight"][0] = float("nan")
    torch.save(values, tmp_path / "nan.pth")
    with pytest.raises(RunError, match=r'nan\.pth": .*\(layer1\.0\.conv1\.weight has values that are not finite\)$'):
        make(weights=str(tmp_path / "nan.pth"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"model": "test_resnett"}, r'^discriminator\.model = "test_resnett": .*did you mean "test_resnet"\?$'),
        ({"weights": "/no/file.pth"}, r'^discriminator\.weights = "/no/file\.pth": no such file$'),
        ({"stages": [1, 9]}, r'^stages = \[1, 9\], but timm\'s "test_resnet" has the maps 0 to 4; write'),
        ({"channels": 4}, r'^model = "test_resnet" takes images of 3 channels, not 4; write another model$'),
        ({"model": "test_vit", "input_size": 33}, r'^input_size = 33: .*"test_vit" does not take images .*input_size'),
    ],
)
def test_what_cannot_be_built_is_one_message(make: Make, options: dict[str, Any], message: str) -> None:
    with pytest.raises(CganzooError, match=message) as caught:
        make(**options)
    assert "\n" not in str(caught.value)


def test_a_model_without_feature_maps_is_one_message(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every architecture of timm 1.0.31 has some; those of earlier versions raise this error."""

    def refuse(*_: Any, **__: Any) -> None:
        raise RuntimeError("features_only not implemented for Vision Transformer models.\nUse another.")

    monkeypatch.setattr("timm.create_model", refuse)
    with pytest.raises(CganzooError, match=r'^model = "test_vit": cannot be built .*\(features_only .*\); write'):
        make(model="test_vit")


# --- in a run -------------------------------------------------------------------------------------------------------

RECIPE = """
[requires]
plugins = ["cganzoo-projgan", "cganzoo-timm", "cganzoo-dcgan", "cganzoo-regularizers"]
[data]
name = "digits"
image_size = 8
[generator]
name = "dcgan"
width = 4
[discriminator]
name = "timm"
model = "test_resnet"
input_size = 32
width = 4
head_dim = 4
weights = "{weights}"
[loss]
name = "projgan"
[[regularizers]]
name = "r1"
[optimizer.generator]
name = "adam"
lr = 4e-4
[optimizer.discriminator]
name = "adam"
lr = 4e-4
[train]
steps = 4
batch_size = 4
"""


def engine(file: Path | str, *overrides: str) -> Engine:
    pixels = np.random.default_rng(0).integers(0, 256, (64, 1, 8, 8), np.uint8)
    images = ImageSet(pixels, np.arange(64) % 10, tuple("abcdefghij"), "train", "noise")
    recipe = parse_recipe(RECIPE.format(weights=file), name="own", source="own.toml", overrides=overrides)
    return Engine(resolve(recipe), images, torch.device("cpu"))


def test_a_resumed_run_has_the_same_weights_and_refuses_a_changed_file(
    file: Path, weights: Weights, tmp_path: Path
) -> None:
    copy = tmp_path / "weights.safetensors"
    copy.write_bytes(file.read_bytes())
    whole = engine(copy)
    frozen = {name: value.clone() for name, value in whole.trunk.backbone.model.named_buffers()}
    before = {name: value.clone() for name, value in whole.trunk.heads.named_parameters()}
    for _ in range(3):
        whole.advance()
    begun = engine(copy)  # seeds torch anew
    begun.advance()
    checkpoint = io.BytesIO()
    torch.save(begun.state(), checkpoint)
    assert len(checkpoint.getvalue()) < 2_000_000 < sum(4 * value.numel() for value in frozen.values()) * 2

    def state() -> Any:
        checkpoint.seek(0)
        return torch.load(checkpoint, weights_only=True)

    resumed = engine(copy)
    resumed.load_state(state())
    for _ in range(2):
        resumed.advance()
    for one, other in zip(whole.modules().values(), resumed.modules().values(), strict=True):
        theirs = other.state_dict()
        assert all(torch.equal(value, theirs[name]) for name, value in one.state_dict().items())
    assert all(torch.equal(value, frozen[name]) for name, value in whole.trunk.backbone.model.named_buffers())
    assert not any(torch.equal(value, before[name]) for name, value in whole.trunk.heads.named_parameters())

    torch.save(weights(seed=2), tmp_path / "new.pth")
    (tmp_path / "new.pth").rename(copy.with_suffix(".pth"))
    changed = engine(copy.with_suffix(".pth"))
    changed.training_digest = begun.training_digest  # as if the file of this name had other weights
    with pytest.raises(RunError, match="those of the checkpoint"):
        changed.load_state(state())


def test_mistakes_name_the_recipe(file: Path) -> None:
    with pytest.raises(RecipeError, match=r"^own\.toml: discriminator: stages = \[9\], but"):
        engine(file, "discriminator.stages=[9]")
    with pytest.raises(RecipeError, match=r"discriminator\.stages: write numbers from 0, each once, in ascending"):
        engine(file, "discriminator.stages=[2, 1]")
