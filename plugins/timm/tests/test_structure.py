"""The structure of the trunk: what the model sees, what is frozen, the mixing, and the heads."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import safetensors.torch
import timm
import torch
from cganzoo_timm.backbone import default_stages
from cganzoo_timm.networks import ChannelMixing, ScaleMixing, TimmDiscriminator
from cganzoo_timm.resize import Resize
from torch import Tensor, nn
from torch.nn import functional as F

Make = Callable[..., TimmDiscriminator]


# --- what the model sees --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("source", "target"), [(8, 32), (32, 8), (12, 30)])
def test_resizing_is_bilinear_and_antialiased(source: int, target: int) -> None:
    images = torch.rand(2, 3, source, source, dtype=torch.float64)
    wanted = F.interpolate(images, (target, target), mode="bilinear", antialias=True)
    torch.testing.assert_close(Resize(source, target).double()(images), wanted, atol=1e-6, rtol=0)


def test_the_maps_are_those_of_timm_for_images_normalised_as_in_its_training(
    make: Make, file: Path, images: Tensor
) -> None:
    theirs = timm.create_model(
        "test_resnet",
        features_only=True,
        pretrained=True,
        pretrained_cfg_overlay={"state_dict": safetensors.torch.load_file(file)},
    ).eval()
    trained = timm.get_pretrained_cfg("test_resnet")
    mean, std = (torch.tensor(values)[:, None, None] for values in (trained.mean, trained.std))
    pixels = F.interpolate((images + 1) / 2, (32, 32), mode="bilinear", antialias=True)
    with torch.no_grad():
        wanted = theirs((pixels - mean) / std)[1:]
        found = make(weights=str(file)).backbone(images)
    for one, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-4)


def test_gray_images_are_repeated_to_the_models_channels(make: Make) -> None:
    gray = torch.rand(2, 1, 8, 8)
    torch.testing.assert_close(make(channels=1).eval()(gray), make().eval()(gray.repeat(1, 3, 1, 1)))


def test_small_images_get_the_size_of_the_models_training_and_large_ones_keep_theirs(make: Make) -> None:
    assert make(input_size=None).backbone.shapes[0][1] == 160 // 4
    assert make(side=192, input_size=None).backbone.shapes[0][1] == 192 // 4
    assert make(side=192, input_size=None, model="test_vit").backbone.shapes[0][1] == 160 // 16  # takes one size


def test_maps_with_channels_last_are_turned(make: Make) -> None:
    """In timm, Swin transformers give maps (N, H, W, C)."""
    trunk = make(model="swin_tiny_patch4_window7_224", stages=[0, 1], input_size=56)
    assert trunk.backbone.channels_last
    assert trunk.backbone.shapes == [(96, 14), (192, 7)]


# --- stages ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reductions", "stages"),
    [
        ([2, 4, 8, 16, 32], (1, 2, 3, 4)),
        ([4, 8, 16, 32], (0, 1, 2, 3)),
        ([2, 4, 4, 8, 16, 16, 32], (2, 3, 5, 6)),
        ([16, 32, 64], (0, 1, 2)),
        ([16] * 12, (2, 5, 8, 11)),  # as in StyleGAN-XL, for DeiT
        ([16] * 6, (0, 2, 3, 5)),
        ([16] * 2, (0, 1)),
    ],
)
def test_default_stages(reductions: list[int], stages: tuple[int, ...]) -> None:
    assert default_stages(reductions) == stages


def test_chosen_stages(make: Make) -> None:
    trunk = make(stages=[0, 2])
    assert trunk.backbone.shapes == [(32, 16), (48, 4)]
    assert trunk.feature_dim == 2 * 4
    assert not any("layer3" in name for name, _ in trunk.named_buffers()), "later layers are not computed"


# --- what is frozen -------------------------------------------------------------------------------------------------


def step(trunk: TimmDiscriminator, images: Tensor) -> None:
    """One update of the trunk, in training mode."""
    optimizer = torch.optim.Adam(trunk.parameters(), lr=0.1, weight_decay=0.1)
    torch.autograd.backward(trunk.train()(images).square().sum())
    optimizer.step()


@pytest.mark.parametrize("source", ["random", "file"])
def test_a_frozen_model_stays_what_it_is_in_training(make: Make, file: Path, images: Tensor, source: str) -> None:
    trunk = make(weights="random" if source == "random" else str(file))
    frozen = {name: buffer.clone() for name, buffer in trunk.named_buffers() if not name.startswith("heads.")}
    assert sum(value.numel() for value in frozen.values()) > 300_000
    heads = {name: parameter.detach().clone() for name, parameter in trunk.named_parameters()}
    assert all(name.startswith("heads.") for name in heads), "an optimizer gets the heads only"
    step(trunk, images)
    now = dict(trunk.named_buffers())
    assert all(torch.equal(value, now[name]) for name, value in frozen.items())
    assert not any(torch.equal(value, trunk.get_parameter(name)) for name, value in heads.items())


def test_a_trained_model_changes_except_its_running_averages(make: Make, file: Path, images: Tensor) -> None:
    trunk = make(trained=True, weights=str(file))
    before = {name: value.clone() for name, value in trunk.backbone.model.state_dict().items()}
    step(trunk, images)
    for name, value in trunk.backbone.model.state_dict().items():
        averages = "running" in name or "num_batches" in name
        assert torch.equal(value, before[name]) == averages, name


@pytest.mark.parametrize("trained", [False, True])
def test_the_model_stays_in_evaluation_mode(make: Make, trained: bool) -> None:
    trunk = make(trained=trained).train()
    assert trunk.training
    assert trunk.heads.training
    assert not any(module.training for module in trunk.backbone.model.modules())
    assert not trunk.batch_statistics


def test_the_mixing_is_frozen_and_in_the_state_dict(make: Make) -> None:
    trunk = make()
    assert not list(trunk.mixing.parameters())
    assert {f"mixing.{name}" for name, _ in trunk.mixing.named_buffers()} > {"mixing.channels.0.weight"}
    assert "mixing.channels.0.weight" in trunk.state_dict()


# --- mixing and heads -----------------------------------------------------------------------------------------------

SHAPES = [(6, 8), (10, 4), (12, 2)]


def maps(seed: int = 0) -> list[Tensor]:
    random = torch.Generator().manual_seed(seed)
    return [torch.randn(2, channels, side, side, generator=random) for channels, side in SHAPES]


def changed(mixing: nn.Module) -> list[list[bool]]:
    """For each map of the model, which mixed maps depend on it."""
    whole = mixing(maps())
    table = []
    for number in range(len(SHAPES)):
        inputs = maps()
        inputs[number] = inputs[number] + 1
        table.append([not torch.equal(one, other) for one, other in zip(mixing(inputs), whole, strict=True)])
    return table


def test_channel_mixing_mixes_no_scales() -> None:
    mixing = ChannelMixing(SHAPES, 5)
    assert changed(mixing) == [[True, False, False], [False, True, False], [False, False, True]]
    one = maps()[0]
    torch.testing.assert_close(mixing(maps())[0], torch.einsum("oc,nchw->nohw", mixing[0].weight[..., 0, 0], one))


def test_scale_mixing_gives_each_map_the_coarser_ones() -> None:
    mixing = ScaleMixing(SHAPES, 5)
    assert changed(mixing) == [[True, False, False], [True, True, False], [True, True, True]]
    assert [tuple(one.shape) for one in mixing(maps())] == [(2, 5, 8, 8), (2, 5, 4, 4), (2, 5, 2, 2)]


def test_random_convolutions_keep_the_variance() -> None:
    torch.manual_seed(0)
    (mixed,) = ScaleMixing([(256, 16)], 256)([torch.randn(8, 256, 16, 16)])
    assert mixed[..., 1:-1, 1:-1].std().item() == pytest.approx(1, abs=0.05)


def test_spectral_norms_of_the_heads_are_one(make: Make, images: Tensor) -> None:
    trunk = make()
    for _ in range(30):
        trunk(images)  # power iterations
    convolutions = [module for module in trunk.heads.modules() if isinstance(module, nn.Conv2d)]
    assert len(convolutions) == 5, "one for each map, and one more for that of 8x8"
    for convolution in convolutions:
        assert torch.linalg.matrix_norm(convolution.weight.flatten(1), 2).item() == pytest.approx(1, abs=0.02)
    assert not any("parametrizations" in name for name in make(spectral_norm=False).state_dict())


def test_parameters_of_the_default_trunk(make: Make) -> None:
    """As the README says; EfficientNet-Lite0 has 4,652,008, of them 1,693,160 in last convolution and classifier."""
    with torch.device("meta"):
        trunk = make(model="tf_efficientnet_lite0", input_size=224, width=64, head_dim=64, trained=True)
    assert sum(parameter.numel() for parameter in trunk.backbone.parameters()) == 4_652_008 - 1_693_160
    assert sum(parameter.numel() for parameter in trunk.heads.parameters()) == 803_712
    assert sum(buffer.numel() for buffer in trunk.mixing.buffers() if buffer.shape[0] == 64) == 179_200
    assert trunk.backbone.shapes == [(24, 56), (40, 28), (112, 14), (320, 7)]
    assert trunk.feature_dim == 256
