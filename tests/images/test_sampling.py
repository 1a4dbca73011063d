"""Drawing: the same images for the same seed, classes in turn, and batch statistics that belong to the weights."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from cganzoo.images.sampling import noise, ready_to_sample, samples
from cganzoo.networks import Generator


class Small(Generator):
    latent_dim = 4

    def __init__(self, conditional: bool = True) -> None:
        super().__init__()
        self.conditional = conditional
        self.linear, self.norm, self.dropout = nn.Linear(4, 12), nn.BatchNorm1d(12), nn.Dropout(0.5)

    def forward(self, z: Tensor, labels: Tensor) -> Tensor:
        shift = labels[:, None] if self.conditional else 0
        out: Tensor = self.dropout(self.norm(self.linear(z) * 3 + 1)) + shift
        return out.tanh().view(-1, 3, 2, 2)


def draw(generator: Generator, count: int = 20, batch_size: int = 20, seed: int = 0) -> Tensor:
    return torch.cat([images for images, _ in samples(generator, count, batch_size, 3, seed=seed)])


def test_a_seed_gives_the_same_images_and_leaves_training_noise_alone() -> None:
    ready = ready_to_sample(Small(), 3)
    state = torch.get_rng_state()
    assert torch.equal(draw(ready), draw(ready))
    assert not torch.equal(draw(ready), draw(ready, seed=1))
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize(
    ("classes", "expected"), [(None, [0, 1, 2, 0, 1, 2, 0]), ([2, 0], [2, 0, 2, 0, 2, 0, 2]), ([1], [1] * 7)]
)
def test_classes_are_requested_in_turn(classes: list[int] | None, expected: list[int]) -> None:
    batches = list(noise(Small(), 7, 3, 3, seed=0, classes=classes))
    assert [len(z) for z, _ in batches] == [3, 3, 1]
    assert torch.cat([labels for _, labels in batches]).tolist() == expected


def test_labels_are_returned_only_for_a_conditional_generator() -> None:
    for conditional in (True, False):
        ready = ready_to_sample(Small(conditional), 3)
        assert all((labels is not None) is conditional for _, labels in samples(ready, 5, 2, 3, seed=0))


def test_batch_statistics_are_measured_on_the_weights_at_hand() -> None:
    torch.manual_seed(0)
    generator = Small()
    generator.norm.get_buffer("running_mean").fill_(50)  # of other weights, over many batches
    generator.norm.get_buffer("num_batches_tracked").fill_(1000)
    before = {name: value.clone() for name, value in generator.state_dict().items()}
    ready = ready_to_sample(generator, 3)
    assert isinstance(ready, Small)
    # z is standard normal: mean and variance of the linear layer's output are known.
    weight, bias = generator.linear.weight * 3, generator.linear.bias * 3 + 1
    deviation = weight.square().sum(1).sqrt()
    assert ready.norm.running_mean is not None
    assert ready.norm.running_var is not None
    assert ((ready.norm.running_mean - bias).abs() < 5 * deviation / 2000**0.5).all()
    torch.testing.assert_close(ready.norm.running_var, deviation.square(), rtol=0.2, atol=0)
    assert ready.norm.momentum == generator.norm.momentum
    assert not any(module.training for module in ready.modules())
    assert generator.training
    assert all(torch.equal(value, before[name]) for name, value in generator.state_dict().items())


def test_the_batch_size_changes_no_image() -> None:
    ready = ready_to_sample(Small(), 3)
    torch.testing.assert_close(draw(ready, batch_size=20), draw(ready, batch_size=3))
