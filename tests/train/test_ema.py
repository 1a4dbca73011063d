"""The average of the generator against a plain loop."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from cganzoo.networks import Generator
from cganzoo.train.average import Average


class Small(Generator):
    latent_dim, conditional = 2, False

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.utils.parametrizations.weight_norm(nn.Linear(2, 3))
        self.norm = nn.BatchNorm1d(3)
        self.tied = self.norm.weight  # a parameter under two names
        self.register_buffer("scale", torch.ones(3))

    def forward(self, z: Tensor, labels: Tensor) -> Tensor:
        out: Tensor = self.norm(self.linear(z)) * self.tied * self.get_buffer("scale")
        return out


def disturb(generator: Generator, step: int) -> None:
    random = torch.Generator().manual_seed(step)
    with torch.no_grad():
        for tensor in [*generator.parameters(), *generator.buffers()]:
            if tensor.is_floating_point():
                tensor.add_(torch.randn(tensor.shape, generator=random))
        generator.norm.num_batches_tracked.add_(1)  # type: ignore[operator,union-attr]


@pytest.mark.parametrize(("decay", "start"), [(0.9, 0), (0.999, 0), (0.0, 0), (0.9, 4), (0.5, 100)])
def test_the_average_is_that_of_a_plain_loop(decay: float, start: int) -> None:
    torch.manual_seed(0)
    generator = Small()
    average = Average(generator, start)
    naive = [parameter.detach().double() for parameter in generator.parameters()]
    for step in range(1, 11):
        disturb(generator, step)
        average.update(step, decay)
        for index, parameter in enumerate(generator.parameters()):
            new = parameter.detach().double()
            naive[index] = new if step <= start else decay * naive[index] + (1 - decay) * new
    for ours, expected in zip(average.generator.parameters(), naive, strict=True):
        torch.testing.assert_close(ours.double(), expected, rtol=1e-5, atol=1e-5)


def test_buffers_are_copied_when_asked_for_not_averaged() -> None:
    generator = Small()
    average = Average(generator)
    disturb(generator, 1)
    average.update(1, 0.9)
    assert torch.equal(average.generator.get_buffer("scale"), torch.ones(3))
    average.sync_buffers()
    for name, buffer in generator.named_buffers():
        assert torch.equal(average.generator.get_buffer(name), buffer)
        assert average.generator.get_buffer(name) is not buffer


def test_the_average_is_a_generator_apart() -> None:
    generator = Small()
    before = {name: value.clone() for name, value in generator.state_dict().items()}
    average = Average(generator)
    assert not any(parameter.requires_grad for parameter in average.generator.parameters())
    assert all(parameter.requires_grad for parameter in generator.parameters())
    with torch.no_grad():
        for parameter in average.generator.parameters():
            parameter.fill_(9)
    assert all(torch.equal(value, before[name]) for name, value in generator.state_dict().items())
