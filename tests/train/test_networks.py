"""The networks of a step: images by way of codes are the generator's, and gradients reach what the step trains."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import pytest
import torch
from own_networks import Headless, Pixels
from torch import Tensor, nn

from cganzoo.contexts import BuildContext
from cganzoo.networks import Generator
from cganzoo.train.networks import StepNetworks

CONTEXT = BuildContext(num_classes=2, image_size=2, image_channels=1, class_names=("a", "b"), feature_dim=4)


class Mapping(Generator):
    """Noise to a code, and the code to an image."""

    latent_dim, conditional = 3, True

    def __init__(self) -> None:
        super().__init__()
        self.to_code, self.to_image = nn.Linear(3, 5), nn.Linear(5, 4)

    def mapped(self, z: Tensor, labels: Tensor) -> Tensor:
        return self.to_code(z) + labels[:, None]

    def synthesized(self, codes: Tensor, labels: Tensor) -> Tensor:
        return self.to_image(codes).tanh().view(-1, 1, 2, 2)

    def forward(self, z: Tensor, labels: Tensor) -> Tensor:
        return self.synthesized(self.mapped(z, labels), labels)


def networks(generator: Generator, *trained: nn.Module, autocast: Any = lambda inputs: nullcontext()) -> StepNetworks:
    return StepNetworks(generator, Pixels(CONTEXT), Headless(CONTEXT), [], trained, autocast)


Z, LABELS = torch.randn(4, 3, generator=torch.Generator().manual_seed(0)), torch.tensor([0, 1, 1, 0])


def test_images_of_codes_are_those_of_the_noise() -> None:
    generator = Mapping()
    step = networks(generator, generator)
    codes = step.mapped(Z, LABELS)
    assert codes.shape == (4, 5)
    torch.testing.assert_close(step.synthesized(codes, LABELS), generator(Z, LABELS))
    torch.testing.assert_close(step.images(Z, LABELS), generator(Z, LABELS))


@pytest.mark.parametrize("is_trained", [True, False])
def test_gradients_reach_codes_always_and_weights_only_if_the_step_trains_them(is_trained: bool) -> None:
    generator = Mapping()
    step = networks(generator, *([generator] if is_trained else []))
    noise = Z.clone().requires_grad_()
    codes = step.mapped(noise, LABELS)
    images = step.synthesized(codes, LABELS)
    slopes = torch.autograd.grad(images.sum(), [noise, codes], retain_graph=True)
    assert all(slope.any() for slope in slopes)
    images.sum().backward()  # type: ignore[no-untyped-call]
    assert [parameter.grad is not None for parameter in generator.parameters()] == [is_trained] * 4
    assert all(parameter.requires_grad for parameter in generator.parameters())


def test_codes_and_images_of_autocast_have_the_type_of_their_inputs() -> None:
    generator = Mapping()
    step = networks(generator, generator, autocast=lambda inputs: torch.autocast("cpu", torch.bfloat16))
    codes = step.mapped(Z, LABELS)
    assert (codes.dtype, step.synthesized(codes, LABELS).dtype) == (torch.float32, torch.float32)
    assert not torch.equal(codes, generator.mapped(Z, LABELS))  # it was rounded
