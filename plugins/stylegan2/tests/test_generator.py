"""The generator: parameter counts, codes, style mixing, noise and truncation."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from cganzoo_stylegan2.config import StyleGAN2GeneratorConfig
from cganzoo_stylegan2.generator import StyleGAN2Generator
from cganzoo_stylegan2.mapping import normalized
from cganzoo_stylegan2.widths import channels
from pydantic import ValidationError
from torch import Tensor

from cganzoo import BuildContext
from cganzoo.errors import CganzooError

CIFAR10 = BuildContext(num_classes=10, image_size=32)


def draw(network: StyleGAN2Generator, count: int = 6) -> tuple[Tensor, Tensor]:
    return torch.randn(count, network.latent_dim, dtype=torch.float64), torch.arange(count) % network.num_classes


def difference(one: Tensor, other: Tensor) -> float:
    return (one - other).abs().max().item()


@pytest.mark.parametrize(("layers", "expected"), [(2, 20_215_315), (8, 20_215_315 + 6 * 512 * 513)])
def test_parameter_count_is_the_published_one(layers: int, expected: int) -> None:
    """20.22M for CIFAR-10 with two mapping layers, in the table of arXiv:2206.09479."""
    with torch.device("meta"):
        network = StyleGAN2Generator(StyleGAN2GeneratorConfig(mapping_layers=layers), CIFAR10)
    assert sum(parameter.numel() for parameter in network.parameters()) == expected


def test_parameter_count_by_layers() -> None:
    linear, convolution = 512 * 512 + 512, 9 * 512 * 512 + 512 + 1  # weights, biases, strength of the noise
    mapping = (10 * 512 + 512) + (1024 * 512 + 512) + linear
    to_image = linear + 512 * 3 + 3
    assert mapping + 512 * 4 * 4 + 7 * (convolution + linear) + 4 * to_image == 20_215_315


def test_widths_are_the_papers() -> None:
    assert [channels(side, 64, 512) for side in (4, 32, 64, 128, 256)] == [512, 512, 512, 256, 128]


@pytest.mark.parametrize(("size", "codes"), [(8, 4), (12, 4), (16, 6), (48, 8)])
def test_image_sizes(generator: Any, size: int, codes: int) -> None:
    network = generator(size, channels=3, width=1, max_width=2)
    z, labels = draw(network, 2)
    assert network.mapped(z, labels).shape == (2, codes, 8)
    assert network(z, labels).shape == (2, 3, size, size)


def test_other_sizes_are_an_error() -> None:
    with pytest.raises(CganzooError, match=r"^data\.image_size = 36, .*stylegan2 .*write 32 or 40"):
        StyleGAN2Generator(StyleGAN2GeneratorConfig(), BuildContext(num_classes=2, image_size=36))


# --- codes ----------------------------------------------------------------------------------------------------------


def test_mapping_ignores_the_length_of_the_noise(generator: Any) -> None:
    network = generator().eval()
    z, labels = draw(network)
    torch.testing.assert_close(network.code(3 * z, labels), network.code(z, labels), rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(normalized(z).square().mean(1), torch.ones(6).double(), rtol=1e-6, atol=0)
    embedded = network.embedding(labels)
    torch.testing.assert_close(embedded.square().mean(1), torch.ones(6).double(), rtol=1e-6, atol=0)


def test_a_mapping_without_normalised_classes_would_differ(generator: Any) -> None:
    """Weights of classes are normalised after the embedding, so twice the weights are nearly the same class."""
    network = generator().eval()
    network.embedding.bias.data.zero_()
    z, labels = draw(network)
    weights = torch.nn.functional.one_hot(labels, 3).double()
    torch.testing.assert_close(network.code(z, 2 * weights), network.code(z, labels), rtol=1e-6, atol=1e-6)


def test_weights_of_classes_are_between_the_classes(generator: Any) -> None:
    network = generator().eval()
    z, _ = draw(network, 1)
    one, two, between = (network(z, torch.tensor([w]).double()) for w in ([1, 0, 0], [0, 1, 0], [0.5, 0.5, 0]))
    assert torch.equal(one, network(z, torch.tensor([0])))
    assert min(difference(one, two), difference(one, between), difference(two, between)) > 1e-4


def test_an_unconditional_generator_ignores_its_labels(generator: Any) -> None:
    network = generator(conditional=False).eval()
    z, labels = draw(network)
    assert torch.equal(network(z, labels), network(z, labels.flip(0)))
    assert not hasattr(network, "embedding")


# --- style mixing ---------------------------------------------------------------------------------------------------


def test_style_mixing_takes_the_last_codes_from_other_noise(generator: Any) -> None:
    network = generator(16, style_mixing=1.0)
    z, labels = draw(network, 200)
    plain = network.code(z, labels)
    codes = network.mapped(z, labels)
    own = (codes == plain[:, None]).all(2)
    assert own[:, 0].all()
    assert not own[:, -1].any()
    assert (own[:, :-1] >= own[:, 1:]).all()  # one crossover
    assert sorted(set(own.sum(1).tolist())) == [1, 2, 3, 4, 5]
    other = [codes[n][~own[n]] for n in range(200)]
    assert all((rest == rest[0]).all() for rest in other)


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_style_mixing_has_a_share(generator: Any, share: float) -> None:
    network = generator(style_mixing=share)
    z, labels = draw(network, 400)
    mixed = (network.mapped(z, labels)[:, -1] != network.code(z, labels)).any(1).double().mean().item()
    assert mixed == pytest.approx(share, abs=0.08 if share == 0.3 else 0)


def test_codes_are_not_mixed_in_use(generator: Any) -> None:
    network = generator(style_mixing=1.0).eval()
    z, labels = draw(network)
    assert torch.equal(network.mapped(z, labels), network.code(z, labels)[:, None].expand(-1, 4, -1))


def test_the_two_parts_are_forward(generator: Any) -> None:
    network = generator(16).eval()
    z, labels = draw(network)
    assert torch.equal(network.synthesized(network.mapped(z, labels), labels), network(z, labels))


def test_every_code_changes_the_image(generator: Any) -> None:
    network = generator(16).eval()
    z, labels = draw(network, 1)
    codes = network.mapped(z, labels)
    for layer in range(network.num_codes):
        changed = codes.clone()
        changed[:, layer] += 0.5
        assert difference(network.synthesized(changed, labels), network.synthesized(codes, labels)) > 1e-4, layer


# --- noise ----------------------------------------------------------------------------------------------------------


def test_noise_is_new_in_training_and_fixed_in_use(generator: Any) -> None:
    network = generator(style_mixing=0.0)
    z, labels = draw(network)
    assert difference(network(z, labels), network(z, labels)) > 1e-4
    network.eval()
    assert torch.equal(network(z, labels), network(z, labels))


def test_a_new_network_has_no_noise(generator: Any) -> None:
    network = generator(style_mixing=0.0)
    for name, parameter in network.named_parameters():
        if name.endswith("strength"):
            parameter.data.zero_()
    z, labels = draw(network)
    assert torch.equal(network(z, labels), network(z, labels))
    assert torch.equal(network.eval()(z, labels), network(z, labels))


# --- truncation -----------------------------------------------------------------------------------------------------


def test_truncation_one_changes_nothing(generator: Any) -> None:
    network = generator().eval()
    z, labels = draw(network)
    assert torch.equal(network.truncated(z, labels, 1.0), network(z, labels))


def test_truncation_zero_is_the_image_of_the_mean_code_of_the_class(generator: Any) -> None:
    network = generator().eval()
    z, labels = draw(network)
    images = network.truncated(z, labels, 0.0)
    assert torch.equal(images[:3], images[3:])  # labels 0, 1, 2, 0, 1, 2
    assert difference(images[0], images[1]) > 1e-4
    noise = torch.randn(1000, 5, generator=torch.Generator().manual_seed(0)).double()
    for label in range(3):
        mean = network.code(noise, torch.full((1000,), label)).mean(0)
        expected = network.synthesized(mean.expand(1, 4, -1), labels[:1])[0]
        torch.testing.assert_close(images[label], expected)


def test_the_mean_of_some_codes_is_close_to_that_of_all(generator: Any) -> None:
    network = generator().eval()
    z, labels = draw(network, 1)
    codes = network.code(torch.randn(20_000, 5).double(), torch.zeros(20_000, dtype=torch.int64))
    error = network.mean_codes(labels, z)[0] - codes.mean(0)
    assert (error.abs() < 5 * codes.std(0) / 1000**0.5).all()


def test_truncation_scales_the_distance_from_the_mean(generator: Any) -> None:
    network = generator().eval()
    z, labels = draw(network)
    means = network.mean_codes(labels, z)[:, None]
    codes = means + 0.4 * (network.mapped(z, labels) - means)
    torch.testing.assert_close(network.truncated(z, labels, 0.4), network.synthesized(codes, labels))


def test_truncation_of_images_between_classes(generator: Any) -> None:
    network = generator().eval()
    z, _ = draw(network, 3)
    weights = torch.tensor([[1, 0, 0], [0.5, 0.5, 0], [0, 1, 0]]).double()
    images = network.truncated(z, weights, 0.0)
    assert torch.equal(images[::2], network.truncated(z[::2], torch.tensor([0, 1]), 0.0))
    assert min(difference(images[0], images[1]), difference(images[1], images[2])) > 1e-4


def test_truncation_draws_no_global_random_number(generator: Any) -> None:
    network = generator(conditional=False).eval()
    z, labels = draw(network)
    before = torch.get_rng_state()
    images = network.truncated(z, labels, 0.0)
    assert torch.equal(before, torch.get_rng_state())
    assert torch.equal(images[:1].expand_as(images), images)  # without classes, there is one mean


def test_a_negative_truncation_is_an_error(generator: Any) -> None:
    network = generator()
    with pytest.raises(CganzooError, match=r"truncation = -0.5: must be 0 or more"):
        network.truncated(*draw(network), -0.5)


@pytest.mark.parametrize("options", [{"style_mixing": 1.1}, {"mapping_layers": 0}, {"code_dim": 0}, {"widht": 2}])
def test_options_are_checked(options: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match=next(iter(options))):
        StyleGAN2GeneratorConfig.model_validate(options)
