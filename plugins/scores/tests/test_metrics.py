"""Each score against an independent computation, and what all scores promise."""

from __future__ import annotations

import dataclasses
import json
import warnings
from typing import Any

import cganzoo_scores
import numpy as np
import pytest
import scipy.linalg
import scipy.ndimage
import torch
from torch import Tensor
from torchmetrics.image.inception import InceptionScore as TorchmetricsInceptionScore

from cganzoo import BuildContext
from cganzoo.errors import CganzooError
from cganzoo.metric import Evaluated, Metric

CLASSES, DIM, SIZE = 5, 6, 16
SPECS = {spec.name: spec for spec in cganzoo_scores.cganzoo_metrics()}


def build(name: str, *, feature_dim: int = DIM, image_size: int = SIZE, **options: Any) -> Metric:
    spec = SPECS[name]
    context = BuildContext(num_classes=CLASSES, image_size=image_size, feature_dim=feature_dim)
    return spec.build(spec.config(**options), context)


def evaluated(seed: int, count: int, *, dim: int = DIM, shift: float = 0.0, size: int = SIZE) -> Evaluated:
    random = torch.Generator().manual_seed(seed)
    mix = torch.randn(dim, dim, generator=random)
    return Evaluated(
        images=torch.rand(count, 3, size, size, generator=random) * 2 - 1,
        labels=torch.arange(count) % CLASSES,
        features=torch.randn(count, dim, generator=random) @ mix + shift,
        logits=3 * torch.randn(count, CLASSES, generator=random),
    )


def take(batch: Evaluated, indices: Tensor) -> Evaluated:
    labels = None if batch.labels is None else batch.labels[indices]
    return Evaluated(batch.images[indices], labels, batch.features[indices], batch.logits[indices])


def result(metric: Metric, real: list[Evaluated], samples: list[Evaluated]) -> dict[str, float | None]:
    for batch in real:
        metric.update_reference(batch)
    for batch in samples:
        metric.update(batch)
    return dict(metric.compute())


def cut(batch: Evaluated, *sizes: int) -> list[Evaluated]:
    return [take(batch, indices) for indices in torch.split(torch.arange(len(batch.images)), list(sizes))]


def defined(scores: dict[str, float | None]) -> dict[str, float]:
    return {name: value for name, value in scores.items() if value is not None}


# --- what all scores promise ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SPECS)
def test_outputs_are_those_declared_and_valid_json(name: str) -> None:
    scores = result(build(name), [evaluated(0, 40)], [evaluated(1, 30)])
    assert set(scores) == {output.name for output in SPECS[name].outputs}
    assert json.loads(json.dumps(scores, allow_nan=False)) == scores


@pytest.mark.parametrize(("name", "options"), [*((name, {}) for name in SPECS), ("inception_score", {"splits": 4})])
def test_batches_may_be_cut_anywhere(name: str, options: dict[str, int]) -> None:
    real, samples = evaluated(0, 40, shift=0.5), evaluated(1, 30)
    whole = result(build(name, **options), [real], [samples])
    parts = result(build(name, **options), cut(real, 1, 22, 17), cut(samples, 13, 16, 1))
    assert defined(parts) == pytest.approx(defined(whole), rel=1e-9)


@pytest.mark.parametrize("name", ["inception_score", "am_score", "fid", "kid", "class_accuracy"])
def test_order_does_not_matter(name: str) -> None:
    real, samples = evaluated(0, 30, shift=0.5), evaluated(1, 30)
    shuffled = torch.randperm(30, generator=torch.Generator().manual_seed(2))
    expected = result(build(name), [real], [samples])
    scores = result(build(name), [take(real, shuffled)], [take(samples, shuffled)])
    assert defined(scores) == pytest.approx(defined(expected), rel=1e-9)


@pytest.mark.parametrize("name", SPECS)
def test_global_randomness_is_left_alone_and_not_used(name: str) -> None:
    real, samples = evaluated(0, 40), evaluated(1, 30)
    options = {"subset_size": 10} if name == "kid" else {"splits": 3} if name == "inception_score" else {}
    torch.manual_seed(0)
    before = torch.get_rng_state()
    first = result(build(name, **options), [real], [samples])
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(1)
    assert result(build(name, **options), [real], [samples]) == first


@pytest.mark.parametrize("name", SPECS)
def test_no_warning_reaches_the_user(name: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result(build(name), [evaluated(0, 40)], [evaluated(1, 30)])


@pytest.mark.parametrize(
    ("name", "samples"), [("inception_score", 0), ("am_score", 0), ("fid", 1), ("kid", 1), ("inception_score", 2)]
)
def test_too_few_samples_is_one_sentence(name: str, samples: int) -> None:
    options = {"splits": 3} if samples == 2 else {}
    batches = [evaluated(1, samples)] if samples else []
    with pytest.raises(CganzooError, match=r"raise evaluation\.samples"):
        result(build(name, **options), [evaluated(0, 10)], batches)


# --- inception score ------------------------------------------------------------------------------------------------


def test_inception_score_agrees_with_torchmetrics() -> None:
    samples = evaluated(1, 50)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = TorchmetricsInceptionScore(feature=torch.nn.Identity(), splits=1)
        theirs.update(samples.logits.double())
        expected = theirs.compute()[0].item()
    assert result(build("inception_score"), [], [samples])["inception_score"] == pytest.approx(expected, rel=1e-9)


def test_splits_are_shuffled_so_that_sorted_classes_do_not_fool_them() -> None:
    classes = torch.arange(CLASSES).repeat_interleave(200)
    samples = dataclasses.replace(evaluated(1, len(classes)), logits=50 * torch.eye(CLASSES)[classes])
    scores = result(build("inception_score", splits=CLASSES), [], [samples])
    assert scores["inception_score"] == pytest.approx(CLASSES, rel=0.05)
    assert 0 < (scores["inception_score_std"] or 0) < 0.1


# --- fid ------------------------------------------------------------------------------------------------------------


def scipy_fid(real: Tensor, samples: Tensor) -> float:
    """Textbook formula, with SciPy's matrix square root."""
    x, y = real.double().numpy(), samples.double().numpy()
    s, t = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    root = scipy.linalg.sqrtm(s @ t)
    return float(((x.mean(0) - y.mean(0)) ** 2).sum() + np.trace(s + t - 2 * root).real)


def gram_fid(real: Tensor, samples: Tensor) -> float:
    """Through the nuclear norm of centred X Y^T: exact where the covariances are singular, as sqrtm is not."""
    x, y = real.double().numpy(), samples.double().numpy()
    xc, yc = (x - x.mean(0)) / np.sqrt(len(x) - 1), (y - y.mean(0)) / np.sqrt(len(y) - 1)
    root = np.linalg.norm(xc @ yc.T, "nuc")
    return float(((x.mean(0) - y.mean(0)) ** 2).sum() + (xc**2).sum() + (yc**2).sum() - 2 * root)


@pytest.mark.parametrize("seed", range(3))
def test_fid_agrees_with_scipy(seed: int) -> None:
    real, samples = evaluated(seed, 80, shift=0.3), evaluated(seed + 10, 60)
    fid = result(build("fid"), [real], [samples])["fid"]
    assert fid == pytest.approx(scipy_fid(real.features, samples.features), rel=1e-9)


def test_fid_with_fewer_images_than_features() -> None:
    real, samples = evaluated(0, 20, dim=64, shift=0.3), evaluated(1, 9, dim=64)
    fid = result(build("fid", feature_dim=64), [real], [samples])["fid"]
    assert fid == pytest.approx(gram_fid(real.features, samples.features), rel=1e-6)


def test_fid_of_equal_sets_is_zero_and_a_shift_adds_its_square() -> None:
    real = evaluated(0, 50)
    shifted = dataclasses.replace(real, features=real.features + 0.5)
    assert result(build("fid"), [real], [real])["fid"] == pytest.approx(0.0, abs=1e-9)
    assert result(build("fid"), [real], [shifted])["fid"] == pytest.approx(DIM * 0.25, rel=1e-6)


# --- kid ------------------------------------------------------------------------------------------------------------


def naive_mmd(x: np.ndarray, y: np.ndarray) -> float:
    """Unbiased squared MMD by a double loop over pairs."""

    def kernel(a: np.ndarray, b: np.ndarray) -> float:
        return float((a @ b / len(a) + 1) ** 3)

    m, n = len(x), len(y)
    within_x = sum(kernel(x[i], x[j]) for i in range(m) for j in range(m) if i != j) / (m * (m - 1))
    within_y = sum(kernel(y[i], y[j]) for i in range(n) for j in range(n) if i != j) / (n * (n - 1))
    between = sum(kernel(a, b) for a in x for b in y) / (m * n)
    return within_x + within_y - 2 * between


def test_kid_of_whole_small_sets_is_the_unbiased_mmd() -> None:
    real, samples = evaluated(0, 12, shift=0.4), evaluated(1, 12)
    scores = result(build("kid", subsets=3), [real], [samples])
    expected = naive_mmd(real.features.double().numpy(), samples.features.double().numpy())
    assert scores["kid"] == pytest.approx(expected, rel=1e-9)
    assert scores["kid_std"] == pytest.approx(0.0, abs=1e-9)
    assert scores["kid_subset_size"] == 12


def test_kid_subsets_shrink_to_the_smaller_set() -> None:
    assert result(build("kid"), [evaluated(0, 40)], [evaluated(1, 7)])["kid_subset_size"] == 7
    assert result(build("kid", subset_size=5), [evaluated(0, 40)], [evaluated(1, 7)])["kid_subset_size"] == 5


# --- class accuracy -------------------------------------------------------------------------------------------------


def answered(labels: list[int] | None, answers: list[int], num_logits: int = CLASSES) -> Evaluated:
    count = len(answers)
    asked = None if labels is None else torch.tensor(labels)
    logits = torch.eye(num_logits)[answers]
    return Evaluated(torch.zeros(count, 3, SIZE, SIZE), asked, torch.zeros(count, DIM), logits)


def test_class_accuracy_overall_and_in_the_worst_class() -> None:
    samples = answered([0, 0, 0, 0, 1, 1, 3], [0, 0, 0, 0, 1, 2, 3])
    scores = result(build("class_accuracy"), [], [samples])
    assert scores == {"class_accuracy": pytest.approx(6 / 7), "class_accuracy_worst": 0.5}


@pytest.mark.parametrize("samples", [answered(None, [0, 1]), answered([0, 1], [0, 1], num_logits=1000)])
def test_class_accuracy_is_undefined_without_asked_or_known_classes(samples: Evaluated) -> None:
    scores = result(build("class_accuracy"), [], [samples])
    assert scores == {"class_accuracy": None, "class_accuracy_worst": None}


# --- intra-class MS-SSIM --------------------------------------------------------------------------------------------


def in_classes(images: Tensor, labels: list[int] | None, answers: list[int] | None = None) -> Evaluated:
    count = len(images)
    asked = None if labels is None else torch.tensor(labels)
    logits = torch.eye(CLASSES)[answers or [0] * count]
    return Evaluated(images, asked, torch.zeros(count, DIM), logits)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [8, 16, 32, 48, 64, 96, 128])
def test_msssim_of_equal_images_is_one_and_of_noise_is_low(size: int, channels: int) -> None:
    noise = torch.rand(6, channels, size, size, generator=torch.Generator().manual_seed(0)) * 2 - 1
    same = result(build("intra_class_msssim", image_size=size), [], [in_classes(noise[:1].expand(6, -1, -1, -1), None)])
    other = result(build("intra_class_msssim", image_size=size), [], [in_classes(noise, None)])
    assert same == {"intra_class_msssim": pytest.approx(1.0), "intra_class_msssim_max": pytest.approx(1.0)}
    assert 0 <= (other["intra_class_msssim"] or 0) < 0.5


def naive_ssim(x: np.ndarray, y: np.ndarray) -> float:
    """SSIM of two gray images in [0, 255], with a Gaussian window of 7 pixels."""

    def smooth(image: np.ndarray) -> np.ndarray:
        return np.asarray(scipy.ndimage.gaussian_filter(image, 1.5 * 7 / 11, mode="mirror", radius=3))

    c, d = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    mx, my = smooth(x), smooth(y)
    vx, vy, cov = smooth(x * x) - mx**2, smooth(y * y) - my**2, smooth(x * y) - mx * my
    return float((((2 * mx * my + c) * (2 * cov + d)) / ((mx**2 + my**2 + c) * (vx + vy + d))).mean())


def test_msssim_at_8_pixels_is_the_mean_ssim_over_distinct_pairs() -> None:
    pixels = scipy.ndimage.gaussian_filter(np.random.default_rng(0).uniform(0, 255, (3, 8, 8)), (0, 2, 2)).round()
    images = torch.from_numpy(pixels / 127.5 - 1).float()[:, None]
    expected = np.mean([naive_ssim(pixels[i], pixels[j]) for i, j in ((0, 1), (0, 2), (1, 2))])
    scores = result(build("intra_class_msssim", image_size=8), [], [in_classes(images, None)])
    assert 0.1 < expected < 0.99
    assert scores["intra_class_msssim"] == pytest.approx(expected, rel=1e-4)


def test_msssim_five_scales_from_128_pixels_on() -> None:
    assert len(build("intra_class_msssim", image_size=128).betas) == 5  # type: ignore[attr-defined]
    assert len(build("intra_class_msssim", image_size=256).betas) == 5  # type: ignore[attr-defined]
    assert build("intra_class_msssim", image_size=256).window == 11  # type: ignore[attr-defined]
    assert build("intra_class_msssim", image_size=8).betas == (1.0,)  # type: ignore[attr-defined]


def test_msssim_maximum_finds_the_collapsed_class_and_lone_images_are_left_out() -> None:
    noise = torch.rand(9, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0)) * 2 - 1
    images = torch.cat([noise[:4], noise[4:5].expand(4, -1, -1, -1), noise[5:6]])
    labels = [0] * 4 + [1] * 4 + [2]
    scores = result(build("intra_class_msssim"), [], [in_classes(images, labels)])
    alone = result(build("intra_class_msssim"), [], [in_classes(images[:4], labels[:4])])["intra_class_msssim"]
    assert scores["intra_class_msssim_max"] == pytest.approx(1.0)
    assert scores["intra_class_msssim"] == pytest.approx((1 + (alone or 0)) / 2)
    by_extractor = result(build("intra_class_msssim"), [], [in_classes(images, None, labels)])
    assert by_extractor == scores


def test_msssim_is_undefined_where_no_class_has_two_images() -> None:
    scores = result(build("intra_class_msssim"), [], [in_classes(torch.zeros(2, 3, SIZE, SIZE), [0, 1])])
    assert scores == {"intra_class_msssim": None, "intra_class_msssim_max": None}


def test_msssim_keeps_no_more_images_than_it_is_told() -> None:
    noise = torch.rand(40, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0)) * 2 - 1
    labels = [index % 2 for index in range(40)]
    bounded = result(build("intra_class_msssim", images_per_class=4), [], [in_classes(noise, labels)])
    first = result(build("intra_class_msssim"), [], [in_classes(noise[:8], labels[:8])])
    assert bounded == first


def test_msssim_refuses_images_below_its_window() -> None:
    with pytest.raises(CganzooError, match=r"data\.image_size = 4"):
        build("intra_class_msssim", image_size=4)
