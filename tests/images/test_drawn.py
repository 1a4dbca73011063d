"""Drawing with truncation, and with the statistics of each batch; neither changes the generator."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from cganzoo.errors import CganzooError, RunError
from cganzoo.images.drawn import check_truncation, drawn, in_equal_parts, of_the_batch, protocol
from cganzoo.images.export_file import Origin
from cganzoo.images.generator import TrainedGenerator
from cganzoo.images.sampling import BATCH_STATISTICS, samples
from cganzoo.networks import Generator, truncated_normal


class Normalised(Generator):
    """Batch normalisation of noise and label, with running statistics that fit no batch."""

    latent_dim, conditional = 4, True

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.other = nn.BatchNorm1d(4), nn.BatchNorm1d(4, track_running_stats=False)
        self.norm.get_buffer("running_mean").fill_(1.0)
        self.eval()

    def forward(self, z: Tensor, labels: Tensor) -> Tensor:
        values: Tensor = self.norm(z + labels[:, None]) / 8
        return values.view(-1, 1, 2, 2)


class Sphere(Normalised):
    """Noise of its own."""

    def sample_latent(self, count: int, device: torch.device, generator: torch.Generator | None = None) -> Tensor:
        z = torch.randn(count, 4, device=device, generator=generator)
        return z / z.norm(dim=1, keepdim=True)


class Plain(Normalised):
    """No batch normalisation."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.Identity()  # type: ignore[assignment]
        self.weight = nn.Parameter(torch.ones(()))


def trained(generator: Generator | None = None, **changes: Any) -> TrainedGenerator:
    return TrainedGenerator(generator or Normalised(), Origin("", "x", ("cat", "dog"), 1, 0, {}), **changes)


def draw(generator: Generator, batch_size: int = 40) -> Tensor:
    return torch.cat([images for images, _ in samples(generator, 40, batch_size, 2, seed=0)])


def test_a_generator_as_it_is_is_not_wrapped() -> None:
    generator = Normalised()
    assert drawn(generator, "standing", None) is generator


def test_statistics_of_the_batch_normalise_each_batch_and_leave_the_standing_ones() -> None:
    generator = Normalised()
    before = copy.deepcopy(generator.state_dict())
    images = draw(drawn(generator, "batch", None), batch_size=20) * 8
    for batch in images.split(20):
        torch.testing.assert_close(batch.mean(0), torch.zeros(1, 2, 2), atol=1e-5, rtol=0)
        torch.testing.assert_close(batch.var(0, correction=0), torch.ones(1, 2, 2), atol=1e-4, rtol=0)
    assert all(torch.equal(value, before[name]) for name, value in generator.state_dict().items())
    assert not any(module.training for module in generator.modules())
    torch.testing.assert_close(draw(generator), draw(copy.deepcopy(generator)))
    assert draw(generator).mean() * 8 < -0.2  # with the running mean, which is 1


def test_the_modes_are_restored_after_an_error() -> None:
    generator = Normalised()

    with pytest.raises(RuntimeError), of_the_batch(generator):
        generator(torch.zeros(2, 5), torch.zeros(2))  # noise of a wrong length
    assert (generator.norm.training, generator.norm.track_running_stats) == (False, True)


def test_truncation_bounds_the_noise_and_keeps_its_order() -> None:
    z = torch.randn(40, 4, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(40) % 2
    generator = Normalised()
    torch.testing.assert_close(draw(drawn(generator, "standing", 0.5)), generator(truncated_normal(z, 0.5), labels))


def test_both_options_work_together_and_draw_the_generators_noise() -> None:
    generator = Normalised()
    one = draw(drawn(generator, "batch", 0.5))
    with of_the_batch(generator):
        torch.testing.assert_close(one, draw(drawn(generator, "standing", 0.5)))
    own = drawn(Sphere(), "batch", None)
    noise = own.sample_latent(3, torch.device("cpu"), torch.Generator().manual_seed(0))
    torch.testing.assert_close(noise.norm(dim=1), torch.ones(3))
    assert (own.latent_dim, own.conditional) == (4, True)


def test_batches_are_divided_equally() -> None:
    assert [in_equal_parts(count, 250) for count in (1, 250, 251, 500, 2001)] == [1, 250, 126, 250, 223]


@pytest.mark.parametrize("batch_size", [1, 2, 3, 7, 250])
def test_no_batch_is_nearly_empty(batch_size: int) -> None:
    """One image has no statistics, and a few have poor ones."""
    for count in (2, 3, 5, 7, 10, 22, 251, 1001, 62_751):
        size = in_equal_parts(count, batch_size)
        last = count % size or size
        assert last >= 2
        assert last > size / 2


def test_noise_of_its_own_is_refused_before_the_training() -> None:
    check_truncation(Normalised().train(), 0.5, 2)
    with pytest.raises(CganzooError, match="Sphere has noise of its own, which cannot be truncated"):
        check_truncation(Sphere(), 0.5, 2)


def test_the_check_changes_nothing_in_training() -> None:
    generator, random = Normalised().train(), torch.get_rng_state()
    before = copy.deepcopy(generator.state_dict())
    check_truncation(generator, 0.5, 2)
    assert generator.training
    assert torch.equal(torch.get_rng_state(), random)
    assert all(torch.equal(value, before[name]) for name, value in generator.state_dict().items())


def test_the_fingerprint_of_a_default_score_stays() -> None:
    assert (
        protocol("standing", None, 250)
        == {"batch_statistics": BATCH_STATISTICS}
        == {"batch_statistics": "standing (20 x 100)"}
    )
    assert protocol("batch", 0.5, 250) == {"batch_statistics": "batch (250)", "truncation": 0.5}


# --- TrainedGenerator -------------------------------------------------------------------------------------------------


def test_less_truncation_gives_images_that_resemble_those_without() -> None:
    generator = trained()
    plain, near, far = (generator.sample(40, truncation=bound) for bound in (None, 2.0, 0.5))
    assert torch.equal(near, generator.sample(40, truncation=2.0))
    assert far.std() < near.std() < plain.std()
    for images in (near, far):
        assert torch.corrcoef(torch.stack([plain.flatten(), images.flatten()]))[0, 1] > 0.7
    same = generator.sample(4, truncation=0, classes="cat")
    assert same.eq(same[0]).all()


def test_the_recipe_decides_the_statistics_unless_the_caller_does() -> None:
    standing, batch = trained(), trained(batch_statistics="batch")
    assert torch.equal(standing.sample(9, statistics="batch"), batch.sample(9))
    assert torch.equal(standing.sample(9), batch.sample(9, statistics="standing"))
    assert not torch.equal(standing.sample(9), batch.sample(9))


def test_a_last_batch_of_one_image_is_avoided() -> None:
    assert trained().sample(21, statistics="batch", batch_size=20).shape == (21, 1, 2, 2)
    with pytest.raises(RunError, match="statistics: those of a batch need 2 images or more, better 100"):
        trained().sample(1, statistics="batch")
    assert trained(Plain()).sample(1, statistics="batch").shape == (1, 1, 2, 2)


@pytest.mark.parametrize("value", [-0.1, float("nan"), float("inf"), 1e9, "0.5", True, [1], 10**400])
def test_a_truncation_of_no_use_is_one_message(value: Any) -> None:
    with pytest.raises(RunError, match=r"^truncation: .*; write a number from 0 .no variety. to 10, or leave it out"):
        trained().sample(1, truncation=value)


def test_noise_of_its_own_is_one_message() -> None:
    with pytest.raises(CganzooError, match="Sphere has noise of its own"):
        trained(Sphere()).sample(1, truncation=0.5)
