"""Interpolations: noise on an arc, weights of classes on a line, and what a trained generator makes of them."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from cganzoo.errors import RunError
from cganzoo.images import animation, grids
from cganzoo.images.export_file import Origin
from cganzoo.images.generator import TrainedGenerator
from cganzoo.images.interpolation import between_classes, between_noises
from cganzoo.networks import Generator, class_weights

NAMES = ("cat", "dog", "owl")


class Mixing(Generator):
    """Two pixels for each class and each value of the noise: what an image was made from can be read from it."""

    latent_dim, conditional, mixes_classes = 5, True, True

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, z: Tensor, labels: Tensor) -> Tensor:
        values = torch.cat([z / 10, class_weights(labels, 3, z.dtype)], 1)
        return (self.scale * values).view(-1, 1, 2, 4)


def trained(**changes: Any) -> TrainedGenerator:
    generator = Mixing()
    for name, value in changes.items():
        setattr(generator, name, value)
    return TrainedGenerator(generator, Origin("", "x", NAMES, 1, 0, {}))


def parts(images: Tensor) -> tuple[Tensor, Tensor]:
    """Noise and weights of the classes of images."""
    values = images.flatten(-3)
    return values[..., :5] * 10, values[..., 5:]


def test_noise_goes_along_the_arc_in_equal_angles() -> None:
    ends = torch.tensor([[1.0, 0.0, 0.0], [0.0, 2.0, 0.0]])
    path = between_noises(ends[:1], ends[1:], 4)
    angles = torch.tensor([0, 30, 60, 90]) * math.pi / 180
    torch.testing.assert_close(path[0], torch.stack([angles.cos(), 2 * angles.sin(), 0 * angles], 1))
    assert path.dtype == torch.float32


def test_noise_between_two_keeps_its_length() -> None:
    one, two = torch.randn(2, 50, 100, generator=torch.Generator().manual_seed(0))
    lengths = between_noises(one, two, 7).norm(dim=-1)
    assert lengths.min() > 7
    assert torch.lerp(one, two, 0.5).norm(dim=-1).max() < 8.5  # the line leaves what the generator knows
    assert lengths[:, 3].mean() > 9.5


@pytest.mark.parametrize("last", [[[-2.0]], [[3.0]], [[1.0]]])
def test_noise_without_an_angle_goes_along_the_line(last: list[list[float]]) -> None:
    path = between_noises(torch.ones(1, 1), torch.tensor(last), 3)
    torch.testing.assert_close(path.flatten(), torch.linspace(1, last[0][0], 3))


def test_weights_of_classes_change_linearly() -> None:
    expected = torch.tensor([[0.0, 1.0, 0.0], [0.5, 0.5, 0.0], [1.0, 0.0, 0.0]])
    torch.testing.assert_close(between_classes(1, 0, 3, 3), expected)


def test_a_row_between_noises_has_one_class_and_other_noise_at_each_end() -> None:
    images = trained().interpolate(4, steps=6)
    assert images.shape == (4, 6, 1, 2, 4)
    z, weights = parts(images)
    expected = torch.eye(3)[[0, 1, 2, 0]]
    torch.testing.assert_close(weights, expected[:, None].expand(-1, 6, -1))
    ends = z[:, [0, -1]].flatten(0, 1)
    assert torch.pdist(ends).min() > 0.1
    torch.testing.assert_close(z, between_noises(z[:, 0], z[:, -1], 6))


def test_a_row_between_classes_has_one_noise_and_begins_as_the_sample_of_its_seed() -> None:
    images = trained().interpolate(3, steps=5, classes=["owl", "cat"], seed=7)
    z, weights = parts(images)
    torch.testing.assert_close(z, z[:, :1].expand(-1, 5, -1))
    torch.testing.assert_close(weights[1], between_classes(2, 0, 3, 5))
    assert torch.equal(images[:, 0], trained().sample(3, classes="owl", seed=7))
    torch.testing.assert_close(images[:, -1], trained().sample(3, classes="cat", seed=7))


def test_one_class_is_that_of_all_rows() -> None:
    _, weights = parts(trained().interpolate(2, steps=2, classes=1))
    assert weights[..., 1].eq(1).all()


def test_the_same_seed_gives_the_same_rows_whatever_the_batches_are() -> None:
    one = trained().interpolate(3, steps=4, seed=5)
    assert torch.equal(one, trained().interpolate(3, steps=4, seed=5, batch_size=5))
    assert not torch.equal(one, trained().interpolate(3, steps=4, seed=6))


def test_an_unconditional_generator_interpolates_noise() -> None:
    assert trained(conditional=False).interpolate(2, steps=3).shape == (2, 3, 1, 2, 4)


def test_rows_may_be_truncated() -> None:
    z, _ = parts(trained().interpolate(20, steps=3, truncation=0.5))
    assert z.abs().max() <= 0.5 + 1e-6


MISTAKES = [
    ({"rows": 0}, "rows: 0 must be 1 or more"),
    ({"steps": 1}, "steps: 1 must be 2 or more"),
    ({"steps": 2.5}, "steps: 2.5 is not a whole number"),
    ({"classes": ["cat", "cat"]}, "an interpolation has one class, or goes .* but gets the same class twice"),
    ({"classes": [0, 1, 2]}, "an interpolation has one class, .* but gets 3 classes"),
    ({"classes": ["cat", "cow"]}, 'there is no class "cow"'),
    ({"truncation": -1}, "truncation: is -1; write a number from 0"),
    ({"statistics": "moving"}, "statistics: is 'moving'; write standing or batch"),
]


@pytest.mark.parametrize(("arguments", "message"), MISTAKES, ids=range(len(MISTAKES)))
def test_a_mistake_is_one_message(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(RunError, match=f"^{message}") as caught:
        trained().interpolate(**arguments)
    assert "\n" not in str(caught.value)


def test_a_generator_that_does_not_mix_classes_refuses_two() -> None:
    generator = trained(mixes_classes=False)
    with pytest.raises(RunError, match=r"^Mixing makes no images between classes \(mixes_classes = False\); name one"):
        generator.interpolate(classes=["cat", "dog"])
    assert generator.interpolate(classes="cat").shape == (1, 10, 1, 2, 4)
    with pytest.raises(RunError, match="is unconditional and takes no class"):
        trained(conditional=False).interpolate(classes=["cat", "dog"])


# --- pictures -------------------------------------------------------------------------------------------------------


def test_an_animation_goes_there_and_back(tmp_path: Path) -> None:
    rows = torch.linspace(-1, 1, 5)[None, :, None, None, None].expand(6, 5, 3, 8, 8)
    with Image.open(animation.animated(rows, tmp_path / "x.webp")) as film:
        assert (film.n_frames, film.info["loop"]) == (8, 0)
        assert film.size == (3 * 50 + 2, 2 * 50 + 2)  # 8 px are shown as 48
        shades, times = [], []
        for index in range(8):
            film.seek(index)
            film.load()
            times.append(film.info["duration"])
            shades.append(film.convert("RGB").getpixel((26, 26))[0])
    assert times == [animation.PAUSE, *[animation.FRAME] * 3, animation.PAUSE, *[animation.FRAME] * 3]
    expected = [0, 64, 128, 191, 255, 191, 128, 64]
    assert all(abs(one - two) <= 3 for one, two in zip(shades, expected, strict=True))


def test_an_animation_that_is_too_large_is_refused_before_its_frames_are_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(grids.LARGEST, ".webp", 101)
    drawn: list[Tensor] = []
    monkeypatch.setattr(animation, "grid", lambda images, columns: drawn.append(images) or grids.grid(images, columns))
    with pytest.raises(RunError, match=r"would have 102 x 102 pixels, but a \.webp picture has at most 101 on a side"):
        animation.animated(torch.zeros(4, 5, 1, 8, 8), tmp_path / "x.webp")
    assert len(drawn) == 1


@pytest.mark.parametrize(("count", "columns"), [(1, 1), (2, 2), (6, 3), (7, 7), (10, 5), (11, 4), (12, 4), (100, 10)])
def test_frames_are_nearly_square(count: int, columns: int) -> None:
    assert animation._columns(count) == columns
