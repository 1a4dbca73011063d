"""The sngan networks: the structure of the papers, and the effect of every option."""

from __future__ import annotations

from itertools import chain

import pytest
import torch
from cganzoo_sngan.config import SNGANDiscriminatorConfig, SNGANGeneratorConfig
from cganzoo_sngan.discriminator import DiscriminatorBlock, SNGANDiscriminator, layout
from cganzoo_sngan.generator import ConditionalBatchNorm2d, GeneratorBlock, SNGANGenerator
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import parametrize

from cganzoo import BuildContext
from cganzoo.errors import CganzooError

DIGITS = BuildContext(num_classes=3, image_size=8, image_channels=1)


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def generator(context: BuildContext = DIGITS, **options: object) -> SNGANGenerator:
    return SNGANGenerator(SNGANGeneratorConfig.model_validate({"width": 2, "latent_dim": 5, **options}), context)


def discriminator(context: BuildContext = DIGITS, **options: object) -> SNGANDiscriminator:
    return SNGANDiscriminator(SNGANDiscriminatorConfig.model_validate({"width": 4, **options}), context)


def draw(count: int = 6) -> tuple[Tensor, Tensor]:
    return torch.randn(count, 5), torch.arange(count) % DIGITS.num_classes


def normalized(network: nn.Module) -> list[nn.Module]:
    return [layer for layer in network.modules() if parametrize.is_parametrized(layer, "weight")]


def largest_singular_value(layer: nn.Module) -> float:
    weight = layer.weight
    assert isinstance(weight, Tensor)
    return float(torch.linalg.matrix_norm(weight.detach().flatten(1), 2))


# --- structure ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "classes", "of_generator", "of_trunk_and_head"),
    [
        (32, 10, 4_304_387, 1_055_105),  # SNGAN for CIFAR-10 in PyTorch-StudioGAN: 4.30M and 1.06M
        (64, 200, 13_366_915, 19_747_521),  # for Tiny-ImageNet: 13.37M and 19.75M
    ],
)
def test_parameter_counts_are_the_published_ones(
    size: int, classes: int, of_generator: int, of_trunk_and_head: int
) -> None:
    context = BuildContext(num_classes=classes, image_size=size)
    with torch.device("meta"):
        gen = SNGANGenerator(SNGANGeneratorConfig(), context)
        disc = SNGANDiscriminator(SNGANDiscriminatorConfig(spectral_norm=False), context)
    head = disc.feature_dim + 1 + classes * disc.feature_dim  # a linear layer, and an embedding of the class
    assert sum(one.numel() for one in gen.parameters()) == of_generator
    assert sum(one.numel() for one in disc.parameters()) + head == of_trunk_and_head


@pytest.mark.parametrize(
    ("size", "halvings", "of_trunk", "of_generator"),
    [
        (8, 1, [2, 2, 2], [4, 4]),
        (16, 1, [2, 2, 2], [4, 4, 4]),
        (32, 2, [2, 2, 2, 2], [4, 4, 4, 4]),
        (64, 4, [1, 2, 4, 8, 16], [16, 8, 4, 2, 1]),
        (96, 4, [1, 2, 4, 8, 16], [16, 8, 4, 2, 1]),
        (128, 5, [1, 2, 4, 8, 16, 16], [16, 16, 8, 4, 2, 1]),
        (256, 6, [1, 2, 4, 8, 8, 16, 16], [16, 16, 8, 8, 4, 2, 1]),
    ],
)
def test_channels_at_each_size(size: int, halvings: int, of_trunk: list[int], of_generator: list[int]) -> None:
    assert layout(size) == (halvings, tuple(of_trunk))
    context = BuildContext(num_classes=3, image_size=size)
    with torch.device("meta"):
        gen, disc = generator(context, width=1), discriminator(context, width=1, spectral_norm=False)
    assert gen.smallest[0] == of_generator[0]
    assert [block.shortcut.out_channels for block in gen.blocks] == of_generator[1:]
    assert disc.feature_dim == of_trunk[-1]
    assert gen(torch.empty(2, 5, device="meta"), torch.empty(2, 3, device="meta")).shape == (2, 3, size, size)
    assert disc(torch.empty(2, 3, size, size, device="meta")).shape == (2, of_trunk[-1])


@pytest.mark.parametrize("size", [4, 18, 512])
def test_other_sizes_are_an_error(size: int) -> None:
    for build in (generator, discriminator):
        with pytest.raises(CganzooError, match=rf"^data\.image_size = {size}, but the sngan networks"):
            build(BuildContext(num_classes=3, image_size=size))


def test_the_generators_block_is_the_papers() -> None:
    """Normalise, ReLU, upsample, convolve; the shortcut upsamples first, as in the paper."""
    block = GeneratorBlock(3, 4, 2, spectral_norm=False).double().eval()
    for parameter in block.parameters():
        nn.init.normal_(parameter, 0.5)
    maps, classes = torch.randn(2, 3, 4, 4, dtype=torch.float64), torch.eye(2, dtype=torch.float64)

    def upsampled(maps: Tensor) -> Tensor:
        return F.interpolate(maps, scale_factor=2.0)

    expected = F.conv2d(upsampled(block.norm1(maps, classes).relu()), block.conv1.weight, block.conv1.bias, padding=1)
    expected = block.conv2(block.norm2(expected, classes).relu()) + block.shortcut(upsampled(maps))
    torch.testing.assert_close(block(maps, classes), expected)


@pytest.mark.parametrize("first", [True, False])
def test_the_trunks_block_is_the_papers(first: bool) -> None:
    """The shortcut convolves first, as in the paper; the block of the images has no ReLU before its convolution."""
    block = DiscriminatorBlock(3, 4, down=True, first=first, spectral_norm=False).double()
    maps = torch.randn(2, 3, 4, 4, dtype=torch.float64)
    _, conv1, _, conv2 = block.residual
    expected = conv1(maps if first else maps.relu()).relu()
    expected = F.avg_pool2d(F.conv2d(expected, conv2.weight, conv2.bias, padding=1), 2)
    torch.testing.assert_close(block(maps), expected + F.avg_pool2d(block.shortcut[1](maps), 2))


def test_a_block_that_changes_nothing_has_no_shortcut_convolution() -> None:
    block = DiscriminatorBlock(4, 4, down=False, first=False, spectral_norm=True)
    maps = torch.randn(2, 4, 4, 4)
    assert not list(block.shortcut.parameters())
    torch.testing.assert_close(block.eval()(maps), maps + block.residual(maps))


def test_the_trunk_sums_over_positions_after_a_relu() -> None:
    disc = discriminator().eval()
    images = torch.randn(2, 1, 8, 8)
    torch.testing.assert_close(disc(images), disc.blocks(images).clamp(min=0).sum((2, 3)))


# --- conditional batch normalisation --------------------------------------------------------------------------------


def test_each_class_has_its_gain_and_bias() -> None:
    norm = ConditionalBatchNorm2d(3, 2)
    nn.init.normal_(norm.gain.weight)
    nn.init.normal_(norm.bias.weight)
    maps = torch.randn(12, 2, 4, 4) * 3 + 1
    labels = torch.arange(12) % 3
    found = norm(maps, F.one_hot(labels, 3).float())
    for label in range(3):
        plain = nn.BatchNorm2d(2, eps=2e-5)(maps)[labels == label]
        gain, bias = norm.gain.weight[:, label, None, None], norm.bias.weight[:, label, None, None]
        torch.testing.assert_close(found[labels == label], gain * plain + bias)


def test_all_classes_start_with_gain_one_and_bias_zero() -> None:
    gen = generator()
    norms = [module for module in gen.modules() if isinstance(module, ConditionalBatchNorm2d)]
    assert len(norms) == 2
    for norm in norms:
        assert (norm.gain.weight == 1).all()
        assert (norm.bias.weight == 0).all()
        assert norm.norm.eps == 2e-5
        assert norm.norm.momentum == 0.1


def test_weights_of_one_class_give_the_images_of_its_label() -> None:
    gen = generator().eval()
    for parameter in gen.parameters():
        nn.init.normal_(parameter, std=0.3)
    z, labels = draw()
    torch.testing.assert_close(gen(z, F.one_hot(labels, 3).float()), gen(z, labels))
    between = gen(z, torch.full((6, 3), 1 / 3))
    assert (between - gen(z, labels)).abs().amax((1, 2, 3)).min() > 1e-4


def test_the_unconditional_generator_has_one_gain_a_channel() -> None:
    unconditional = generator(conditional=False)
    labelled = generator(BuildContext(num_classes=1, image_size=8, image_channels=1))
    assert [one.shape for one in unconditional.parameters()] == [one.shape for one in labelled.parameters()]


def test_evaluation_repeats_an_image() -> None:
    gen = generator(spectral_norm=True)
    z, labels = draw()
    gen(z, labels)
    gen.eval()
    assert torch.equal(gen(z, labels), gen(z, labels))


# --- spectral normalisation -----------------------------------------------------------------------------------------


def test_spectral_norm_is_near_one_after_some_passes_in_training() -> None:
    gen, disc = generator(spectral_norm=True), discriminator()
    with torch.no_grad():
        for parameter in chain(gen.parameters(), disc.parameters()):
            parameter += 0.3 * torch.randn_like(parameter)  # the vectors no longer fit the weights
        for _ in range(150):
            disc(gen(*draw()))
    gen.eval(), disc.eval()
    layers = normalized(gen) + normalized(disc)
    assert len(normalized(gen)) == sum(isinstance(one, nn.Conv2d) for one in gen.modules()) + 1  # the linear layer
    assert len(normalized(disc)) == sum(isinstance(one, nn.Conv2d) for one in disc.modules())
    for layer in layers:
        assert largest_singular_value(layer) == pytest.approx(1, abs=0.02)


def test_spectral_norm_is_part_of_the_state_and_evaluation_does_not_change_it() -> None:
    disc = discriminator()
    images = torch.randn(4, 1, 8, 8)

    def vectors() -> list[Tensor]:
        return [value.clone() for name, value in disc.state_dict().items() if name.endswith(("._u", "._v"))]

    first = vectors()
    assert len(first) == 2 * len(normalized(disc))
    disc(images)
    trained = vectors()
    assert not all(map(torch.equal, first, trained))
    disc.eval()(images)
    assert all(map(torch.equal, trained, vectors()))
    other = discriminator().eval()
    other.load_state_dict(disc.state_dict())
    assert torch.equal(other(images), disc(images))


def test_spectral_norm_is_an_option_of_both_and_adds_no_parameter() -> None:
    for build in (generator, discriminator):
        with_norm, without = build(spectral_norm=True), build(spectral_norm=False)
        assert len(normalized(with_norm)) > 0
        assert sorted(one.numel() for one in with_norm.parameters()) == sorted(
            one.numel() for one in without.parameters()
        )
    assert not normalized(generator())
    assert not normalized(discriminator(spectral_norm=False))


# --- initial weights ------------------------------------------------------------------------------------------------


def test_initial_weights_are_xavier_uniform() -> None:
    """With gain sqrt(2) for the 3x3 convolutions of the residuals, which follow a ReLU, and 1 for the others."""
    gen, disc = generator(width=16, latent_dim=64), discriminator(width=32, spectral_norm=False)
    residual = [*(block.conv1 for block in gen.blocks), *(block.conv2 for block in gen.blocks)]
    residual += [block.residual[index] for block in disc.blocks for index in (1, 3)]
    others = [gen.linear, gen.to_image, *(block.shortcut for block in gen.blocks), disc.blocks[0].shortcut[1]]
    for layers, gain in ((residual, 2**0.5), (others, 1.0)):
        for layer in layers:
            inputs, outputs = nn.init._calculate_fan_in_and_fan_out(layer.weight)
            limit = gain * (6 / (inputs + outputs)) ** 0.5
            assert float(layer.weight.detach().abs().max()) == pytest.approx(limit, rel=0.05)
            assert (layer.bias == 0).all()
