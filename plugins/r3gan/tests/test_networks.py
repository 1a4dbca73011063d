"""The networks of R3GAN: sizes and parameter counts of the paper, sizes of images, options, and gradients."""

from __future__ import annotations

import pytest
import torch
from cganzoo_r3gan.blocks import GAIN, ResidualBlock
from cganzoo_r3gan.config import R3GANConfig, R3GANDiscriminatorConfig, R3GANGeneratorConfig
from cganzoo_r3gan.loss import R3GAN
from cganzoo_r3gan.networks import R3GANDiscriminator, R3GANGenerator, widths
from pydantic import ValidationError
from torch import nn

from cganzoo import BuildContext
from cganzoo.errors import CganzooError

DIGITS = BuildContext(num_classes=10, image_size=8, image_channels=1)
TINY = {"width": 8, "groups": 4, "blocks": 1}


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def generator(context: BuildContext = DIGITS, **options: object) -> R3GANGenerator:
    return R3GANGenerator(R3GANGeneratorConfig.model_validate(TINY | options), context)


def discriminator(context: BuildContext = DIGITS, **options: object) -> R3GANDiscriminator:
    return R3GANDiscriminator(R3GANDiscriminatorConfig.model_validate(TINY | options), context)


def parameters(*networks: nn.Module) -> int:
    return sum(parameter.numel() for network in networks for parameter in network.parameters())


def trained(network: nn.Module) -> None:
    """Give the last layers of the blocks, which begin at zero, other weights."""
    for block in network.modules():
        if isinstance(block, ResidualBlock):
            nn.init.normal_(block.project.weight, std=0.2)


@pytest.mark.parametrize(
    ("size", "classes", "options", "of_generator", "of_discriminator"),
    [
        (32, 10, {}, 20_781_952, 21_280_512),  # the preset CIFAR10 of the authors' code, with classes
        (32, 1000, {"width": 1536}, 82_914_304, 86_548_992),  # ImageNet-32
        (64, 1000, {"width": 1536, "full_width": 64}, 103_570_432, 107_205_120),  # ImageNet-64
    ],
)
def test_parameter_counts_are_the_papers(
    size: int, classes: int, options: dict[str, object], of_generator: int, of_discriminator: int
) -> None:
    with torch.device("meta"):
        context = BuildContext(num_classes=classes, image_size=size)
        gen = R3GANGenerator(R3GANGeneratorConfig.model_validate(options), context)
        trunk = R3GANDiscriminator(R3GANDiscriminatorConfig.model_validate(options), context)
        features = BuildContext(num_classes=classes, image_size=size, feature_dim=trunk.feature_dim)
        head = R3GAN(R3GANConfig(), features)  # the paper's discriminator has the class embedding of the loss
    assert (parameters(gen), parameters(trunk, head)) == (of_generator, of_discriminator)


def test_without_classes_the_counts_for_256_px_are_the_papers() -> None:
    """The preset FFHQ-256; its discriminator ends with one number instead of 768 features."""
    with torch.device("meta"):
        context = BuildContext(num_classes=1, image_size=256)
        gen = R3GANGenerator(R3GANGeneratorConfig(conditional=False), context)
        trunk = R3GANDiscriminator(R3GANDiscriminatorConfig(), context)
    assert parameters(gen) == 23_057_952
    assert parameters(trunk) - 768 * 768 + 768 == 23_009_568


def test_widths_and_groups_are_the_papers() -> None:
    """768 channels up to 32 px; a half, a quarter, an eighth above. 16 channels in each group."""
    config = R3GANGeneratorConfig()
    assert widths(config, (4, 8, 16, 32, 64, 128, 256), "generator") == [768, 768, 768, 768, 384, 192, 96]
    gen = generator(BuildContext(num_classes=2, image_size=32), width=16, groups=8, full_width=8, blocks=2)
    convolutions = [block.spatial for block in gen.modules() if isinstance(block, ResidualBlock)]
    assert [conv.out_channels for conv in convolutions] == [32, 32, 32, 32, 16, 16, 8, 8]  # two blocks for each size
    assert [conv.groups for conv in convolutions] == [8, 8, 8, 8, 4, 4, 2, 2]
    assert {tuple(conv.weight.shape[1:]) for conv in convolutions} == {(4, 3, 3)}


def test_the_discriminator_mirrors_the_generator() -> None:
    context = BuildContext(num_classes=2, image_size=32)
    options = {"groups": 8, "full_width": 8}
    ups, downs = (
        [tuple(block.spatial.weight.shape) for block in network.modules() if isinstance(block, ResidualBlock)]
        for network in (generator(context, **options), discriminator(context, **options))
    )
    assert ups == downs[::-1]
    assert sorted(set(ups)) != ups[:1]


@pytest.mark.parametrize(("size", "channels"), [(12, 3), (48, 1), (128, 3)])
def test_image_sizes_and_channels(size: int, channels: int) -> None:
    context = BuildContext(num_classes=3, image_size=size, image_channels=channels)
    images = generator(context)(torch.randn(2, 64), torch.tensor([0, 2]))
    assert images.shape == (2, channels, size, size)
    assert discriminator(context)(images).shape == (2, 8)


def test_the_smallest_maps_have_four_to_seven_pixels() -> None:
    for size, side in ((8, 4), (10, 5), (28, 7)):
        context = BuildContext(num_classes=3, image_size=size)
        assert generator(context).basis.basis.shape == (8, side, side)
        assert discriminator(context).basis.basis.shape == (8, side, side)


def test_no_layer_normalises() -> None:
    """Only convolutions, linear layers and the two filters: no normalisation, no parametrization, no dropout."""
    allowed = {"Conv2d", "Linear", "Sequential", "Identity", "SmoothUpsample", "SmoothDownsample", "ResidualBlock"}
    allowed |= {"GenerativeBasis", "DiscriminativeBasis"}
    for network in (generator(), discriminator()):
        assert {type(module).__name__ for module in network.children() for module in module.modules()} <= allowed


def test_a_new_generator_keeps_the_variance_from_noise_to_pixels() -> None:
    gen = generator(
        BuildContext(num_classes=10, image_size=16), width=64, latent_dim=64, class_dim=64, conditional=False
    )
    maps = gen.basis(torch.randn(200, 64))
    assert maps.std().item() == pytest.approx(1, abs=0.1)
    assert gen.to_image(maps).std().item() == pytest.approx(1, abs=0.25)


def test_the_gain_of_a_block_counts_the_blocks_of_the_whole_network() -> None:
    """Four sizes of feature maps with two blocks each: 8^(-1/4)."""
    for network in (generator(BuildContext(num_classes=2, image_size=32), width=64, blocks=2),
                    discriminator(BuildContext(num_classes=2, image_size=32), width=64, blocks=2)):  # fmt: skip
        block = next(module for module in network.modules() if isinstance(module, ResidualBlock))
        assert block.expand.weight.std().item() == pytest.approx(GAIN * 8**-0.25 / 64**0.5, rel=0.05)


def test_features_of_a_new_discriminator_have_the_variance_of_its_maps() -> None:
    trunk = discriminator(width=256, groups=16)
    maps = torch.randn(100, 256, 4, 4)
    assert trunk.basis(maps).std().item() == pytest.approx(1, abs=0.1)


def test_classes_and_their_mixtures_change_the_image() -> None:
    gen = generator().double()
    z = torch.randn(1, 64).double().expand(10, -1)
    images = gen(z, torch.arange(10))
    assert (images[0] - images[1:]).abs().amax((1, 2, 3)).min() > 1e-3
    torch.testing.assert_close(gen(z, torch.eye(10)), images)
    half = (torch.eye(10)[:1] + torch.eye(10)[1:2]) / 2
    codes = torch.cat([z[:1], gen.embedding.weight.T[:2].mean(0, keepdim=True)], 1)
    torch.testing.assert_close(gen(z[:1], half), gen.to_image(gen.body(gen.basis(codes))).tanh())


def test_without_classes_the_generator_has_no_embedding() -> None:
    gen = generator(conditional=False)
    assert not gen.conditional
    assert gen.basis.linear.in_features == 64
    assert not hasattr(gen, "embedding")


def test_gradient_penalties_reach_every_layer() -> None:
    """R1 and R2 train a network: the gradient of the squared gradient is right, in every weight that matters."""
    trunk = discriminator(blocks=2).double()
    trained(trunk)
    images = torch.rand(3, 1, 8, 8, dtype=torch.float64, requires_grad=True)

    def penalty(*weights: torch.Tensor) -> torch.Tensor:
        named = dict(zip(dict(trunk.named_parameters()), weights, strict=True))
        scores = torch.func.functional_call(trunk, named, (images,)).sum()
        (gradient,) = torch.autograd.grad(scores, images, create_graph=True)
        return gradient.square().sum()

    weights = [parameter.detach().requires_grad_() for parameter in trunk.parameters()]
    gradients = torch.autograd.grad(penalty(*weights), weights, allow_unused=True, materialize_grads=True)
    moves = [torch.randn_like(weight) for weight in weights]
    ahead, behind = (
        penalty(*(weight + step * move for weight, move in zip(weights, moves, strict=True))) for step in (1e-7, -1e-7)
    )
    slope = sum((gradient * move).sum() for gradient, move in zip(gradients, moves, strict=True))
    assert slope.item() == pytest.approx((ahead - behind).item() / 2e-7, rel=1e-4)
    for (name, weight), gradient in zip(trunk.named_parameters(), gradients, strict=True):
        assert gradient.any() or weight.dim() == 1, name  # a bias moves only the kinks of the activations


@pytest.mark.parametrize("config", [R3GANGeneratorConfig, R3GANDiscriminatorConfig])
def test_groups_that_do_not_divide_the_channels_are_refused(config: type[R3GANGeneratorConfig]) -> None:
    with pytest.raises(ValidationError, match=r"groups = 7 .* width x expansion = 16 channels; write groups = 8"):
        config(width=8, groups=7)
    config(width=8, groups=8)


@pytest.mark.parametrize(("options", "key"), [({"width": 10, "groups": 4}, "width"), ({"groups": 2}, "groups")])
def test_widths_that_cannot_be_halved_are_refused(options: dict[str, int], key: str) -> None:
    context = BuildContext(num_classes=2, image_size=32)
    for build, table in ((generator, "generator"), (discriminator, "discriminator")):
        with pytest.raises(
            CganzooError, match=rf"^{table}\.{key} = \d+, .* data\.image_size = 32 .* a multiple of 4"
        ) as error:
            build(context, full_width=8, **options)
        advised = int(str(error.value).split()[-1])
        build(context, full_width=8, **options | {key: advised})


def test_image_sizes_that_doubling_does_not_reach_are_refused() -> None:
    for build in (generator, discriminator):
        with pytest.raises(CganzooError, match=r"^data\.image_size = 36, but the r3gan networks .* write 32 or 40"):
            build(BuildContext(num_classes=2, image_size=36))
