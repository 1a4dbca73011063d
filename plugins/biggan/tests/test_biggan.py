"""The biggan networks: parameter counts, structure, and what changes an image."""

from __future__ import annotations

from itertools import chain
from typing import Any

import pytest
import torch
from cganzoo_biggan import cganzoo_discriminators, cganzoo_generators
from cganzoo_biggan.attention import SelfAttention
from cganzoo_biggan.blocks import DownsamplingBlock, GeneratorBlock
from cganzoo_biggan.deep_blocks import DeepGeneratorBlock, DeepTrunkBlock
from cganzoo_biggan.layers import ConditionalBatchNorm2d
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import parametrize

from cganzoo import BuildContext
from cganzoo.config import parse
from cganzoo.errors import CganzooError

GENERATORS = {spec.name: spec for spec in cganzoo_generators()}
TRUNKS = {spec.name: spec for spec in cganzoo_discriminators()}
NAMES = sorted(GENERATORS)
PLAIN: dict[str, Any] = {"spectral_norm": False}
"""For networks without memory (on meta): spectral normalisation, which has no parameters, is slow there."""

PIXELS8 = BuildContext(num_classes=10, image_size=8, image_channels=1)


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def generator(name: str = "biggan", context: BuildContext = PIXELS8, **options: object) -> Any:
    spec = GENERATORS[name]
    small = {"width": 2, "latent_dim": 6, "class_dim": 4, "attention": 8}
    return spec.build(parse(spec.config, {**small, **options}), context)


def trunk(name: str = "biggan", context: BuildContext = PIXELS8, **options: object) -> Any:
    spec = TRUNKS[name]
    return spec.build(parse(spec.config, {"width": 2, "attention": 4, **options}), context)


def context(size: int, classes: int = 10) -> BuildContext:
    return BuildContext(num_classes=classes, image_size=size)


def parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def layers(*networks: nn.Module) -> list[nn.Linear | nn.Conv2d]:
    modules = chain.from_iterable(network.modules() for network in networks)
    return [module for module in modules if isinstance(module, (nn.Linear, nn.Conv2d))]


# --- the published networks -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "classes", "latent_dim", "width", "attention", "of_generator", "with_projection"),
    [
        pytest.param(32, 10, 80, 96, 16, 9_416_196, 2_415_170, id="CIFAR-10: 9.42M, 2.42M"),
        pytest.param(64, 200, 100, 80, 32, 17_335_204, 30_796_722, id="Tiny-ImageNet: 17.34M, 30.80M"),
        pytest.param(128, 1000, 120, 96, 64, 70_433_988, 87_982_370, id="ImageNet, 128 px: 70.43M, 87.98M"),
    ],
)
def test_parameter_counts_are_the_published_ones(
    size: int, classes: int, latent_dim: int, width: int, attention: int, of_generator: int, with_projection: int
) -> None:
    options = {**PLAIN, "width": width, "attention": attention}
    with torch.device("meta"):
        gen = generator(context=context(size, classes), latent_dim=latent_dim, class_dim=128, **options)
        disc = trunk(context=context(size, classes), **options)
    assert parameters(gen) == of_generator
    projection_head = disc.feature_dim + 1 + classes * disc.feature_dim
    assert parameters(disc) + projection_head == with_projection


@pytest.mark.parametrize(
    ("size", "classes", "width", "attention", "embedding_dim", "expected"),
    [
        pytest.param(32, 10, 96, 16, 512, 2_517_186, id="CIFAR-10: 2.52M"),
        pytest.param(64, 200, 80, 32, 768, 31_678_130, id="Tiny-ImageNet: 31.68M"),
        pytest.param(128, 1000, 96, 64, 2048, 91_642_146, id="ImageNet, 128 px: 91.64M"),
    ],
)
def test_parameter_counts_with_the_heads_of_reacgan_are_the_published_ones(
    size: int, classes: int, width: int, attention: int, embedding_dim: int, expected: int
) -> None:
    with torch.device("meta"):
        disc = trunk(context=context(size, classes), width=width, attention=attention, **PLAIN)
    features = disc.feature_dim
    heads = features + 1 + (features + 1) * embedding_dim + classes * embedding_dim
    assert parameters(disc) + heads == expected


def test_parameter_counts_of_the_deep_networks_are_the_published_ones() -> None:
    with torch.device("meta"):
        gen = generator("biggan_deep", context(32), latent_dim=128, class_dim=128, width=128, attention=16, **PLAIN)
        disc = trunk("biggan_deep", context(32), width=128, attention=16, **PLAIN)
    assert parameters(gen) == 7_762_948
    assert parameters(disc) + disc.feature_dim * 11 + 1 == 2_908_930


def test_defaults_are_the_published_settings_for_cifar10() -> None:
    for name, latent_dim, width in (("biggan", 80, 96), ("biggan_deep", 128, 128)):
        config: Any = GENERATORS[name].config()
        assert (config.latent_dim, config.width, config.class_dim, config.attention) == (latent_dim, width, 128, 16)
        assert (config.conditional, config.spectral_norm) == (True, True)
        config = TRUNKS[name].config()
        assert (config.width, config.attention, config.spectral_norm) == (width, 16, True)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", [10, 28, 64, 96, 256])
def test_sizes(name: str, size: int) -> None:
    with torch.device("meta"):
        gen = generator(name, context(size), latent_dim=420, attention=size, **PLAIN)
        images = gen(torch.empty(2, 420), torch.empty(2, 10))  # weights of classes: meta tensors have no values
        assert images.shape == (2, 3, size, size)
        disc = trunk(name, context(size), attention=size // 2, **PLAIN)
        assert disc(images).shape == (2, disc.feature_dim)


# --- noise and class --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_same_noise_and_class_same_image_in_evaluation_mode(name: str) -> None:
    gen = generator(name).eval()
    z, labels = torch.randn(4, 6), torch.arange(4)
    images = gen(z, labels)
    assert torch.equal(gen(z, labels), images)
    torch.testing.assert_close(gen(z[:1], labels[:1]), images[:1])


@pytest.mark.parametrize("name", NAMES)
def test_class_changes_the_image(name: str) -> None:
    gen = generator(name).eval()
    images = gen(torch.randn(1, 6).expand(10, -1), torch.arange(10))
    assert (images[1:] - images[:1]).abs().amax((1, 2, 3)).min() > 1e-3
    alone = generator(name, conditional=False).eval()
    for network, conditional in ((gen, True), (alone, False)):
        assert network.conditional is GENERATORS[name].conditional(network.config) is conditional
    images = alone(torch.randn(1, 6).expand(2, -1), torch.arange(2))
    torch.testing.assert_close(images[0], images[1])


@pytest.mark.parametrize("name", NAMES)
def test_every_part_of_the_noise_changes_the_image(name: str) -> None:
    gen = generator(name, context(16), latent_dim=12).eval()
    parts = 3
    z = torch.randn(1, 12).repeat(1 + parts, 1)
    for part in range(parts):
        z[1 + part, 4 * part : 4 * part + 4] += 1
    images = gen(z, torch.zeros(len(z), dtype=torch.int64))
    assert (images[1:] - images[:1]).abs().amax((1, 2, 3)).min() > 1e-3


def test_each_block_gets_its_own_part_of_the_noise() -> None:
    gen = generator(context=context(16), latent_dim=12)
    seen: list[Tensor] = []
    for block in gen.blocks:
        block.register_forward_pre_hook(lambda block, inputs: seen.append(inputs[1]))
    z, labels = torch.randn(3, 12), torch.tensor([1, 5, 1])
    gen(z, labels)
    embedded = gen.embedding.weight[:, labels].T
    for condition, part in zip(seen, (z[:, 4:8], z[:, 8:]), strict=True):
        torch.testing.assert_close(condition, torch.cat([embedded, part], 1))


@pytest.mark.parametrize("name", NAMES)
def test_weights_of_a_class_are_that_class(name: str) -> None:
    gen = generator(name).eval()
    z, labels = torch.randn(3, 6), torch.tensor([0, 9, 4])
    assert gen.mixes_classes
    assert torch.equal(gen(z, F.one_hot(labels, 10).float()), gen(z, labels))


# --- layers -----------------------------------------------------------------------------------------------------------


def test_closed_gate_makes_self_attention_the_identity() -> None:
    attention = SelfAttention(16, spectral_norm=True)
    x = torch.randn(2, 16, 6, 6)
    assert torch.equal(attention(x), x)
    nn.init.constant_(attention.gate, 0.5)
    assert not torch.allclose(attention(x), x)


@pytest.mark.parametrize("name", NAMES)
def test_gates_start_at_zero(name: str) -> None:
    for network in (generator(name), trunk(name)):
        (gate,) = [module.gate for module in network.modules() if isinstance(module, SelfAttention)]
        assert gate == 0


def test_self_attention_is_the_formula() -> None:
    attention = SelfAttention(16, spectral_norm=False)
    nn.init.constant_(attention.gate, 0.3)
    x = torch.randn(1, 16, 4, 4)
    queries, keys, values = attention.query(x)[0], attention.key(x)[0], attention.value(x)[0]

    def pooled(maps: Tensor) -> list[Tensor]:
        return [maps[:, i : i + 2, j : j + 2].amax((1, 2)) for i in (0, 2) for j in (0, 2)]

    expected = x.clone()
    for i in range(4):
        for j in range(4):
            matches = torch.stack([key @ queries[:, i, j] for key in pooled(keys)]).softmax(0)
            mean = sum(weight * value for weight, value in zip(matches, pooled(values), strict=True))
            expected[0, :, i, j] += 0.3 * attention.output.weight[:, :, 0, 0] @ mean
    torch.testing.assert_close(attention(x), expected)


def test_conditional_batch_norm_is_the_formula() -> None:
    norm = ConditionalBatchNorm2d(4, 3, spectral_norm=False)
    x, condition = 2 + 3 * torch.randn(8, 4, 5, 5), torch.randn(8, 3)
    deviation, mean = torch.std_mean(x, (0, 2, 3), correction=0, keepdim=True)
    gain, bias = (condition @ weight.T for weight in (norm.gain.weight, norm.bias.weight))
    expected = (1 + gain)[:, :, None, None] * (x - mean) / deviation + bias[:, :, None, None]
    torch.testing.assert_close(norm(x, condition), expected, rtol=1e-3, atol=1e-4)


def test_blocks_are_those_of_the_figure() -> None:
    """The layers that work on the smaller maps give the values of the figure."""
    block = GeneratorBlock(6, 4, 3, spectral_norm=False).eval()
    x, condition = torch.randn(2, 6, 4, 4), torch.randn(2, 3)
    up = F.interpolate(F.relu(block.norm1(x, condition)), scale_factor=2)
    h = F.relu(block.norm2(F.conv2d(up, block.conv1.weight, block.conv1.bias, padding=1), condition))
    expected = block.conv2(h) + block.shortcut(F.interpolate(x, scale_factor=2))
    torch.testing.assert_close(block(x, condition), expected, rtol=1e-4, atol=1e-5)

    for first in (True, False):
        halving = DownsamplingBlock(6, 4, spectral_norm=False, first=first)
        h = F.relu(halving.conv1(x if first else F.relu(x)))
        h = F.conv2d(h, halving.conv2.weight, halving.conv2.bias, padding=1) + halving.shortcut(x)
        torch.testing.assert_close(halving(x), F.avg_pool2d(h, 2), rtol=1e-4, atol=1e-5)


def test_shortcuts_of_the_deep_blocks_keep_the_first_channels() -> None:
    block = DeepGeneratorBlock(8, 4, 3, upsamples=True, spectral_norm=False)
    x, condition = torch.randn(2, 8, 4, 4), torch.randn(2, 3)
    nn.init.zeros_(block.conv4.weight)
    assert torch.equal(block(x, condition), F.interpolate(x[:, :4], scale_factor=2))

    halving = DeepTrunkBlock(8, 12, downsamples=True, spectral_norm=False)
    nn.init.zeros_(halving.conv4.weight)
    pooled = F.avg_pool2d(x, 2)
    expected = torch.cat([pooled, halving.shortcut.conv(pooled)], 1)
    torch.testing.assert_close(halving(x), expected)


@pytest.mark.parametrize("name", NAMES)
def test_features_are_sums_over_the_positions(name: str) -> None:
    disc = trunk(name)
    maps: list[Tensor] = []
    disc.attentions[-1].register_forward_hook(lambda module, inputs, output: maps.append(output))
    features = disc(torch.rand(2, 1, 8, 8))
    torch.testing.assert_close(features, maps[0].clamp(min=0).sum((2, 3)))


@pytest.mark.parametrize("name", NAMES)
def test_spectral_norms_are_one_and_the_embedding_is_left_alone(name: str) -> None:
    gen, disc = generator(name), trunk(name)
    with torch.no_grad():
        for layer in layers(gen, disc):
            if layer is gen.embedding:
                assert not parametrize.is_parametrized(layer)
                continue
            assert parametrize.is_parametrized(layer, "weight")
            layer.get_parameter("parametrizations.weight.original").mul_(3).add_(0.5)
            for _ in range(30):  # power iterations
                weight = layer.weight
            assert torch.linalg.matrix_norm(weight.flatten(1), 2).item() == pytest.approx(1, abs=0.01)
    vectors = {key for key in gen.state_dict() if key.endswith((".0._u", ".0._v"))}
    assert len(vectors) == 2 * (len(layers(gen)) - 1), "the vectors are part of a checkpoint"
    plain = generator(name, spectral_norm=False), trunk(name, spectral_norm=False)
    assert not any(parametrize.is_parametrized(layer) for layer in layers(*plain))


@pytest.mark.parametrize("name", NAMES)
def test_weights_start_orthogonal_and_biases_at_zero(name: str) -> None:
    for layer in layers(generator(name, spectral_norm=False), trunk(name, spectral_norm=False)):
        matrix = layer.weight.flatten(1)
        matrix = matrix if len(matrix) <= matrix.shape[1] else matrix.T
        torch.testing.assert_close(matrix @ matrix.T, torch.eye(len(matrix)), atol=1e-5, rtol=0)
        assert layer.bias is None or not layer.bias.any()


# --- refusals ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("length", "instead"), [(80, "78 or 81"), (2, "3"), (61, "60 or 63")])
def test_noise_that_cannot_be_split_is_an_error(length: int, instead: str) -> None:
    with pytest.raises(CganzooError, match=rf"^generator\.latent_dim = {length}, .* 3 equal parts .* write {instead}$"):
        generator(context=context(16), latent_dim=length)
    generator(context=context(16), latent_dim=int(instead[:2]))


@pytest.mark.parametrize("name", NAMES)
def test_attention_to_maps_that_do_not_exist_is_an_error(name: str) -> None:
    with pytest.raises(CganzooError, match=r"^generator\.attention = 4, but .* sides of 8, 16 pixels; write one"):
        generator(name, context(16), attention=4)
    with pytest.raises(CganzooError, match=r"^discriminator\.attention = 16, but .* sides of 4, 8 pixels; write one"):
        trunk(name, context(16), attention=16)


@pytest.mark.parametrize("name", NAMES)
def test_attention_stands_after_the_first_map_of_its_side(name: str) -> None:
    disc = trunk(name, context(32), attention=8)
    assert [isinstance(module, SelfAttention) for module in disc.attentions][:3] == [False, True, False]
    gen = generator(name, context(32), latent_dim=8, attention=16)
    assert [isinstance(module, SelfAttention) for module in gen.attentions] == [False, True, False]
    assert not any(isinstance(module, SelfAttention) for module in trunk(name, attention=0).modules())


@pytest.mark.parametrize("name", NAMES)
def test_other_sizes_are_an_error(name: str) -> None:
    for build in (generator, trunk):
        with pytest.raises(CganzooError, match=rf"^data\.image_size = 36, but the {name} networks"):
            build(name, context(36))
