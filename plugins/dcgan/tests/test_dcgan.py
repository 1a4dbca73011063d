"""The dcgan networks: the sizes of the paper, and the effect of every option."""

from __future__ import annotations

from copy import deepcopy
from itertools import chain

import pytest
import torch
from cganzoo_dcgan import cganzoo_discriminators, cganzoo_generators
from cganzoo_dcgan.config import DCGANDiscriminatorConfig, DCGANGeneratorConfig
from cganzoo_dcgan.networks import DCGANDiscriminator, DCGANGenerator, channel_widths
from pydantic import ValidationError
from torch import Tensor, nn

from cganzoo import BuildContext
from cganzoo.errors import CganzooError

CIFAR10 = BuildContext(num_classes=10, image_size=32)
DIGITS = BuildContext(num_classes=10, image_size=8, image_channels=1)


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def generator(context: BuildContext = DIGITS, **options: object) -> DCGANGenerator:
    return DCGANGenerator(DCGANGeneratorConfig.model_validate({"width": 4, "latent_dim": 6, **options}), context)


def discriminator(context: BuildContext = DIGITS, **options: object) -> DCGANDiscriminator:
    return DCGANDiscriminator(DCGANDiscriminatorConfig.model_validate({"width": 4, **options}), context)


def draw(network: DCGANGenerator, count: int = 12) -> tuple[Tensor, Tensor]:
    dtype = network.linear.bias.dtype
    return torch.randn(count, network.latent_dim, dtype=dtype), torch.arange(count) % network.num_classes


def parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.parametrize("size", [4, 24, 48, 256])
def test_other_sizes_are_an_error(size: int) -> None:
    for build in (generator, discriminator):
        with pytest.raises(CganzooError, match=rf"^data\.image_size = {size}, but .* 8, 16, 32, 64 or 128"):
            build(BuildContext(num_classes=3, image_size=size))


def test_widths_are_the_papers() -> None:
    assert channel_widths(96, 32) == [96, 192, 384, 768]
    assert channel_widths(64, 32) == [64, 128, 256, 512]


def test_parameter_counts_are_the_papers() -> None:
    """Per layer: weights, one gain and bias per output (weight norm), one scale and shift per channel (batch norm)."""
    deconvolutions = [(768, 384), (384, 192), (192, 96)]
    expected = 100 * 768 * 16 + 2 * 768 * 16 + 2 * 768  # linear layer
    expected += sum(9 * wide * narrow + 2 * narrow + 2 * narrow for wide, narrow in deconvolutions)
    expected += 9 * 96 * 3 + 2 * 3  # to pixels; no batch norm
    unconditional = DCGANGenerator(DCGANGeneratorConfig(conditional=False), CIFAR10)
    assert parameters(unconditional) == expected == 4_743_846  # the paper's code: 4.74M
    conditional = DCGANGenerator(DCGANGeneratorConfig(), CIFAR10)
    assert parameters(conditional) == expected + 10 * 768 * 16 == 4_866_726  # 4.87M

    convolutions = [(3, 64), (64, 128), (128, 256), (256, 512)]
    expected = sum(9 * inputs * outputs + 2 * outputs + 2 * outputs for inputs, outputs in convolutions)
    head = 512 * 12 + 2 * 12  # the paper's last layer, K + 2 logits with weight norm; here it belongs to the loss
    trunk = DCGANDiscriminator(DCGANDiscriminatorConfig(), CIFAR10)
    assert parameters(trunk) == expected
    assert expected + head == 1_560_024  # 1.56M
    enlarged = DCGANDiscriminator(DCGANDiscriminatorConfig(extra_conv=True), CIFAR10)
    assert parameters(enlarged) == expected + 9 * 512 * 512 + 4 * 512
    assert parameters(enlarged) + head == 3_921_368  # 3.92M


@pytest.mark.parametrize("batch_norm", [True, False])
def test_initialize_normalizes_every_preactivation(batch_norm: bool) -> None:
    gen = generator(batch_norm=batch_norm).double()
    disc = discriminator(batch_norm=batch_norm, input_noise=0.0, dropout=0.0, extra_conv=True).double()
    noise = draw(gen, 40)
    images = torch.rand(40, 1, 8, 8, dtype=torch.float64)

    outputs: list[Tensor] = []
    gen.initialize(*noise)
    disc.initialize(images)
    for layer in chain(gen.modules(), disc.modules()):
        if isinstance(layer, (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)):
            layer.register_forward_hook(lambda layer, args, output: outputs.append(output.transpose(0, 1).flatten(1)))
    gen(*noise)
    disc(images)
    assert len(outputs) == 3 + 3
    for output in outputs:
        torch.testing.assert_close(output.mean(1), torch.zeros_like(output.mean(1)), atol=1e-9, rtol=0)
        torch.testing.assert_close(output.std(1, correction=0), torch.ones_like(output.mean(1)), atol=1e-9, rtol=0)


def test_initialize_leaves_a_constant_channel_finite() -> None:
    disc = discriminator(input_noise=0.0, dropout=0.0)
    disc.initialize(torch.full((4, 1, 8, 8), -1.0))
    gen = generator()
    gen.initialize(*draw(gen, 1))
    assert all(parameter.isfinite().all() for parameter in chain(disc.parameters(), gen.parameters()))


@pytest.mark.parametrize("parametrization", ["spectral_norm", "none"])
def test_initialize_changes_nothing_without_weight_norm(parametrization: str) -> None:
    disc = discriminator(parametrization=parametrization)
    before = {name: tensor.clone() for name, tensor in disc.state_dict().items()}
    disc.initialize(torch.rand(4, 1, 8, 8))
    assert all(torch.equal(tensor, before[name]) for name, tensor in disc.state_dict().items())


def test_weight_norm_has_a_gain_per_output_channel() -> None:
    gen = generator()
    deconvolution = next(layer for layer in gen.body if isinstance(layer, nn.ConvTranspose2d))
    gain = deconvolution.get_parameter("parametrizations.weight.original0")
    assert gain.numel() == deconvolution.out_channels == 4
    norm = deconvolution.weight.transpose(0, 1).flatten(1).norm(dim=1)
    torch.testing.assert_close(norm, gain.flatten())


def test_spectral_norm_bounds_every_layer() -> None:
    gen, disc = generator(parametrization="spectral_norm"), discriminator(parametrization="spectral_norm")
    for layer in chain(gen.modules(), disc.modules()):
        if isinstance(layer, (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)):
            for _ in range(50):  # power iterations
                weight = layer.weight
            matrix = weight.transpose(0, 1) if isinstance(layer, nn.ConvTranspose2d) else weight
            assert torch.linalg.matrix_norm(matrix.flatten(1), 2).item() == pytest.approx(1, abs=0.02)


def test_evaluation_is_deterministic_and_training_is_not() -> None:
    images = torch.rand(6, 1, 8, 8)
    noisy, dropping = discriminator(dropout=0.0), discriminator(input_noise=0.0)
    for disc in (noisy, dropping):
        assert not torch.equal(disc(images), disc(images))
        disc.eval()
        assert torch.equal(disc(images), disc(images))
    gen = generator().eval()
    sample = draw(gen)
    assert torch.equal(gen(*sample), gen(*sample))


def test_input_noise_has_the_given_standard_deviation() -> None:
    disc = discriminator(input_noise=0.25, dropout=0.0)
    inputs: list[Tensor] = []
    disc.body.register_forward_pre_hook(lambda module, args: inputs.append(args[0]))
    images = torch.rand(400, 1, 8, 8)
    disc(images)
    assert (inputs[0] - images).std().item() == pytest.approx(0.25, rel=0.02)
    assert (inputs[0] - images).mean().item() == pytest.approx(0, abs=0.01)


def test_input_noise_follows_its_schedule() -> None:
    disc = discriminator(input_noise={"from": 0.5, "to": 0.0}, dropout=0.0)
    inputs: list[Tensor] = []
    disc.body.register_forward_pre_hook(lambda module, args: inputs.append(args[0]))
    images = torch.rand(400, 1, 8, 8)
    for step, deviation in ((0, 0.5), (5, 0.25), (10, 0.0)):
        disc.advance(step, 10)
        disc(images)
        assert (inputs[-1] - images).std().item() == pytest.approx(deviation, rel=0.02)


@pytest.mark.parametrize("parametrization", ["none", "spectral_norm", "weight_norm"])
def test_without_the_class_the_conditional_generator_is_the_unconditional_one(parametrization: str) -> None:
    gen = generator(class_strength=0.0, parametrization=parametrization).double()
    sample = draw(gen, 8)
    gen.initialize(*sample)
    gen(*sample)  # sets the averages of the batch normalisation
    gen.eval()  # spectral normalisation then keeps its vectors
    assert torch.equal(gen(*sample), gen(sample[0], sample[1].flip(0)))
    without = generator(conditional=False, parametrization="none").double()
    with torch.no_grad():
        layers = [[one for one in net.modules() if isinstance(one, (nn.Linear, nn.Conv2d, nn.ConvTranspose2d))]
                  for net in (gen, without)]  # fmt: skip
        for mine, theirs in zip(*layers, strict=True):
            theirs.weight.copy_(mine.weight[:, :6] if isinstance(mine, nn.Linear) else mine.weight)
            theirs.bias.copy_(mine.bias)
    without.load_state_dict({k: v for k, v in gen.state_dict().items() if "running" in k}, strict=False)
    torch.testing.assert_close(without.eval()(*sample), gen(*sample))


def test_the_strength_of_the_class_follows_its_schedule_and_is_part_of_the_state() -> None:
    gen = generator(class_strength={"from": 0.0, "to": 1.0, "after": 2, "steps": 4}).eval()
    whole = generator().eval()
    z, labels = draw(gen)
    for step, strength in ((0, 0.0), (2, 0.0), (4, 0.5), (6, 1.0), (100, 1.0)):
        gen.advance(step, 10)
        constant = generator(class_strength=strength).eval()
        for one in (constant, whole):
            one.load_state_dict({k: v for k, v in gen.state_dict().items() if k != "class_strength"})
        torch.testing.assert_close(gen(z, labels), constant(z, labels))
        if strength == 1:
            assert torch.equal(gen(z, labels), whole(z, labels))
    restored = generator(class_strength={"from": 0.0, "to": 1.0, "after": 2, "steps": 4}).eval()
    restored.load_state_dict(gen.state_dict())
    assert torch.equal(restored(z, labels), gen(z, labels))
    assert "class_strength" not in whole.state_dict()


def test_trunk_is_normalized_by_the_batch_in_evaluation_too() -> None:
    images, others = torch.rand(4, 1, 8, 8), torch.rand(4, 1, 8, 8)
    for batch_norm in (True, False):
        disc = discriminator(batch_norm=batch_norm).eval()
        alone, with_others = disc(images), disc(torch.cat([images, others]))[:4]
        assert torch.allclose(alone, with_others, atol=1e-6) is not batch_norm


@pytest.mark.parametrize("parametrization", ["weight_norm", "spectral_norm", "none"])
def test_gradient_reaches_every_parameter(parametrization: str) -> None:
    # Without batch norm, because biases before batch norm have no gradient.
    gen = generator(parametrization=parametrization, batch_norm=False).double()
    disc = discriminator(parametrization=parametrization, batch_norm=False, extra_conv=True, dropout=0.0).double()
    disc(gen(*draw(gen))).square().sum().backward()
    for name, parameter in chain(gen.named_parameters(), disc.named_parameters()):
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 0, name


@pytest.mark.parametrize("parametrization", ["weight_norm", "spectral_norm", "none"])
def test_compiles_to_one_graph(parametrization: str) -> None:
    gen = generator(parametrization=parametrization).double()
    disc = discriminator(parametrization=parametrization, dropout=0.0, input_noise=0.0).double()
    twin = deepcopy(nn.ModuleList([gen, disc]))

    def loss(gen: nn.Module, disc: nn.Module, z: Tensor, labels: Tensor) -> Tensor:
        features: Tensor = disc(gen(z, labels))
        return features.square().sum()

    sample = draw(gen)
    torch.autograd.backward(torch.compile(loss, backend="aot_eager", fullgraph=True)(gen, disc, *sample))
    torch.autograd.backward(loss(twin[0], twin[1], *sample))
    for parameter, other in zip(chain(gen.parameters(), disc.parameters()), twin.parameters(), strict=True):
        torch.testing.assert_close(parameter.grad, other.grad)


@pytest.mark.parametrize(
    ("config", "options"),
    [
        (DCGANGeneratorConfig, {"width": 0}),
        (DCGANGeneratorConfig, {"latent_dim": 0}),
        (DCGANGeneratorConfig, {"parametrization": "weightnorm"}),
        (DCGANGeneratorConfig, {"dropout": 0.1}),
        (DCGANDiscriminatorConfig, {"dropout": 1.0}),
        (DCGANDiscriminatorConfig, {"input_noise": -0.1}),
        (DCGANGeneratorConfig, {"class_strength": -0.1}),
        (DCGANDiscriminatorConfig, {"widths": 64}),
    ],
)
def test_options_are_checked(config: type[DCGANGeneratorConfig], options: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match=next(iter(options))):
        config.model_validate(options)


def test_specs_build_the_networks() -> None:
    (generator_spec,), (discriminator_spec,) = cganzoo_generators(), cganzoo_discriminators()
    config = DCGANGeneratorConfig(width=4, conditional=False)
    assert not generator_spec.conditional(config)
    assert generator_spec.build(config, DIGITS).latent_dim == 100
    assert discriminator_spec.build(DCGANDiscriminatorConfig(width=4), DIGITS).feature_dim == 8
