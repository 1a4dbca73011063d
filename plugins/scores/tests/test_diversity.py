"""Diversity within classes: MS-SSIM and Vendi Score against independent computations."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.ndimage
import torch
from cganzoo_scores.intra_class_vendi import cosine_kernel, gaussian_kernel, vendi_score
from torch import Tensor
from torchmetrics.functional.image import multiscale_structural_similarity_index_measure

from cganzoo.errors import CganzooError
from cganzoo.metric import Evaluated

CLASSES, SIZE = 5, 16


def in_classes(images: Tensor, labels: list[int] | None, answers: list[int] | None = None) -> Evaluated:
    count = len(images)
    asked = None if labels is None else torch.tensor(labels)
    return Evaluated(images, asked, torch.zeros(count, 6), torch.eye(CLASSES)[answers or [0] * count])


def noise(count: int, channels: int = 3, size: int = SIZE) -> Tensor:
    return torch.rand(count, channels, size, size, generator=torch.Generator().manual_seed(0)) * 2 - 1


# --- MS-SSIM --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [8, 16, 32, 48, 64, 96, 128])
def test_msssim_of_equal_images_is_one_and_of_noise_is_low(size: int, channels: int, score: Any) -> None:
    images = noise(6, channels, size)
    same = score("intra_class_msssim", [], in_classes(images[:1].expand(6, -1, -1, -1), None), size=size)
    other = score("intra_class_msssim", [], in_classes(images, None), size=size)
    assert same == {"intra_class_msssim": pytest.approx(1.0), "intra_class_msssim_max": pytest.approx(1.0)}
    assert 0 <= other["intra_class_msssim"] < 0.5


def naive_ssim(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """SSIM, and its contrast part away from the border, of gray images in [0, 255]; a Gaussian window of 7 pixels."""

    def smooth(image: np.ndarray) -> np.ndarray:
        return np.asarray(scipy.ndimage.gaussian_filter(image, 1.5 * 7 / 11, mode="mirror", radius=3))

    c, d = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    mx, my = smooth(x), smooth(y)
    vx, vy, cov = smooth(x * x) - mx**2, smooth(y * y) - my**2, smooth(x * y) - mx * my
    contrast = (2 * cov + d) / (vx + vy + d)
    return float((contrast * (2 * mx * my + c) / (mx**2 + my**2 + c)).mean()), float(contrast[3:-3, 3:-3].mean())


def naive_msssim(x: np.ndarray, y: np.ndarray, betas: tuple[float, ...]) -> float:
    product = 1.0
    for scale, beta in enumerate(betas):
        whole, contrast = naive_ssim(x, y)
        product *= max(0.0, whole if scale == len(betas) - 1 else contrast) ** beta
        x, y = (image.reshape(len(image) // 2, 2, -1, 2).mean((1, 3)) for image in (x, y))
    return product


@pytest.mark.parametrize(("size", "betas"), [(8, (1.0,)), (32, (0.0448, 0.2856, 0.3001))])
def test_msssim_is_the_mean_over_distinct_pairs(size: int, betas: tuple[float, ...], score: Any) -> None:
    pixels = scipy.ndimage.gaussian_filter(np.random.default_rng(0).uniform(0, 255, (3, size, size)), (0, 2, 2)).round()
    images = torch.from_numpy(pixels / 127.5 - 1).float()[:, None]
    weights = tuple(beta / sum(betas) for beta in betas)
    expected = np.mean([naive_msssim(pixels[i], pixels[j], weights) for i, j in ((0, 1), (0, 2), (1, 2))])
    assert 0.1 < expected < 0.99
    scores = score("intra_class_msssim", [], in_classes(images, None), size=size)
    assert scores["intra_class_msssim"] == pytest.approx(expected, rel=1e-4)


def test_msssim_of_large_images_is_torchmetrics_plain_call(score: Any) -> None:
    first, second = torch.nn.functional.interpolate(noise(2, size=30), 180, mode="bilinear")
    images = torch.stack([first, 0.5 * first + 0.5 * second])
    pixels = ((images + 1) * 127.5).round()
    plain = multiscale_structural_similarity_index_measure(pixels[:1], pixels[1:], data_range=255.0).item()
    assert 0.1 < plain < 0.9
    scores = score("intra_class_msssim", [], in_classes(images, None), size=180)
    assert scores["intra_class_msssim"] == pytest.approx(plain, rel=1e-6)


def test_msssim_scales_and_window_by_size(build: Any) -> None:
    assert len(build("intra_class_msssim", size=127).betas) == 4
    assert len(build("intra_class_msssim", size=128).betas) == 5
    assert len(build("intra_class_msssim", size=512).betas) == 5
    assert build("intra_class_msssim", size=175).window == 7
    assert build("intra_class_msssim", size=176).window == 11
    assert build("intra_class_msssim", size=8).betas == (1.0,)


def test_msssim_maximum_finds_the_collapsed_class_and_lone_images_are_left_out(score: Any) -> None:
    images = torch.cat([noise(9)[:4], noise(9)[4:5].expand(4, -1, -1, -1), noise(9)[5:6]])
    labels = [0] * 4 + [1] * 4 + [2]
    scores = score("intra_class_msssim", [], in_classes(images, labels))
    alone = score("intra_class_msssim", [], in_classes(images[:4], labels[:4]))["intra_class_msssim"]
    assert scores["intra_class_msssim_max"] == pytest.approx(1.0)
    assert scores["intra_class_msssim"] == pytest.approx((1 + alone) / 2)
    assert score("intra_class_msssim", [], in_classes(images, None, labels)) == scores


def test_msssim_is_undefined_where_no_class_has_two_images(score: Any) -> None:
    assert set(score("intra_class_msssim", [], in_classes(noise(2), [0, 1])).values()) == {None}


def test_msssim_keeps_no_more_images_than_its_option_says(score: Any) -> None:
    labels = [index % 2 for index in range(40)]
    bounded = score("intra_class_msssim", [], in_classes(noise(40), labels), images_per_class=4)
    assert bounded == score("intra_class_msssim", [], in_classes(noise(40)[:8], labels[:8]))


def test_msssim_refuses_images_below_its_window(build: Any) -> None:
    with pytest.raises(CganzooError, match=r"data\.image_size = 4"):
        build("intra_class_msssim", size=4)


# --- Vendi Score ----------------------------------------------------------------------------------------------------


def naive_vendi(kernel: np.ndarray) -> float:
    values = np.linalg.eigvals(kernel / len(kernel)).real
    return float(np.exp(-sum(value * np.log(value) for value in values if value > 1e-15)))


def naive_gaussian(features: np.ndarray, width: float) -> np.ndarray:
    return np.array([[np.exp(-((a - b) ** 2).sum() / (2 * width**2)) for b in features] for a in features])


def naive_width(features: np.ndarray, labels: np.ndarray) -> float:
    """Half the root mean squared distance of two real images of a class, in classes of equal size."""
    squares = [
        ((a - b) ** 2).sum()
        for label in np.unique(labels)
        for i, a in enumerate(features[labels == label])
        for j, b in enumerate(features[labels == label])
        if i != j
    ]
    return 0.5 * float(np.sqrt(np.mean(squares)))


@pytest.mark.parametrize(("count", "dim"), [(60, 6), (25, 40)])
def test_vendi_is_the_naive_one_of_each_class(count: int, dim: int, score: Any, evaluated: Any) -> None:
    real, samples = evaluated(0, 50, dim=dim, shift=0.3), evaluated(1, count, dim=dim)
    width = naive_width(real.features.double().numpy(), real.labels.numpy())
    classes = [samples.features[samples.labels == label].double().numpy() for label in range(5)]
    expected = [naive_vendi(naive_gaussian(features, width)) for features in classes]
    assert score("intra_class_vendi", real, samples) == {
        "intra_class_vendi": pytest.approx(np.mean(expected), rel=1e-9),
        "intra_class_vendi_min": pytest.approx(min(expected), rel=1e-9),
    }


def test_vendi_with_the_papers_kernel(score: Any, evaluated: Any) -> None:
    real, samples = evaluated(0, 50), evaluated(1, 60)
    expected = []
    for label in range(5):
        features = samples.features[samples.labels == label].double().numpy()
        directions = features / np.linalg.norm(features, axis=1, keepdims=True)
        expected.append(naive_vendi(directions @ directions.T))
    scores = score("intra_class_vendi", real, samples, kernel="cosine")
    assert scores["intra_class_vendi"] == pytest.approx(np.mean(expected), rel=1e-9)


def test_vendi_counts_images_that_differ() -> None:
    assert vendi_score(torch.eye(7, dtype=torch.float64)) == pytest.approx(7)
    assert vendi_score(torch.ones(7, 7, dtype=torch.float64)) == pytest.approx(1)
    far = 1e3 * torch.eye(4, dtype=torch.float64)[[0, 1, 2, 3] * 3]
    assert vendi_score(gaussian_kernel(far, 1.0)) == pytest.approx(4)
    assert vendi_score(cosine_kernel(far)) == pytest.approx(4)


def test_kernels_of_nothing_are_defined() -> None:
    zeros = torch.zeros(3, 2, dtype=torch.float64)
    assert torch.equal(cosine_kernel(zeros), torch.ones(3, 3, dtype=torch.float64))
    assert torch.equal(gaussian_kernel(zeros, 0.0), torch.ones(3, 3, dtype=torch.float64))
    apart = torch.tensor([[0.0, 0.0], [1.0, 0.0]], dtype=torch.float64)
    assert torch.equal(cosine_kernel(apart), torch.eye(2, dtype=torch.float64))
    assert torch.equal(gaussian_kernel(apart, 0.0), torch.eye(2, dtype=torch.float64))


def test_vendi_distinguishes_collapses_from_real_images(score: Any, evaluated: Any, take: Any) -> None:
    real, fresh = evaluated(0, 1000, dim=8), evaluated(0, 2000, dim=8)
    fresh = take(fresh, slice(1000, None))
    half = take(fresh, torch.arange(1000) % 125)  # 25 images of each class
    one = take(fresh, torch.arange(1000) % 5)
    shrunk = take(fresh, features=fresh.features.mean(0) + 0.3 * (fresh.features - fresh.features.mean(0)))
    scores = [score("intra_class_vendi", real, samples)["intra_class_vendi"] for samples in (fresh, half, shrunk, one)]
    assert scores[0] > 1.3 * scores[1]
    assert scores[0] > 3 * scores[2]
    assert scores[3] == pytest.approx(1)


def test_vendi_takes_the_predicted_class_if_none_was_requested(score: Any, evaluated: Any, take: Any) -> None:
    real, samples = evaluated(0, 50), evaluated(1, 60)
    predicted = take(samples, labels=samples.logits.argmax(1))
    unasked = take(samples, labels=None)
    assert score("intra_class_vendi", real, unasked) == score("intra_class_vendi", real, predicted)
    assert score("intra_class_vendi", real, unasked) != score("intra_class_vendi", real, samples)


def test_vendi_keeps_the_first_images_of_a_class_and_leaves_lone_ones_out(
    score: Any, evaluated: Any, take: Any
) -> None:
    real, samples = evaluated(0, 50), evaluated(1, 60)
    bounded = score("intra_class_vendi", real, samples, images_per_class=4)
    assert bounded == score("intra_class_vendi", take(real, slice(20)), take(samples, slice(20)))
    assert bounded["intra_class_vendi"] <= 4
    lone = score("intra_class_vendi", real, take(samples, slice(6)))
    assert lone["intra_class_vendi"] == lone["intra_class_vendi_min"] > 1
    assert set(score("intra_class_vendi", real, take(samples, slice(5))).values()) == {None}


def test_vendi_needs_real_images_to_measure_by(score: Any, evaluated: Any) -> None:
    with pytest.raises(CganzooError, match="two real images of a class"):
        score("intra_class_vendi", evaluated(0, 5), evaluated(1, 60))
