"""Scores of generated images; ``docs/metrics.md`` says what each one shows and what it does not."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from cganzoo import MetricOutput, MetricSpec, hookimpl

from . import build, config

SE_TOLERANCE = 0.3
"""A bootstrap of 200 replicas is itself right to 5 %; two of them are within six such errors of each other."""


@hookimpl
def cganzoo_metrics() -> Iterable[MetricSpec[Any]]:
    """The twelve scores."""
    yield from _of_predictions()
    yield from _of_features()
    yield from _of_classes()
    yield from _of_the_generator()


def _of_predictions() -> Iterable[MetricSpec[Any]]:
    yield MetricSpec(
        name="inception_score",
        summary="Inception Score: exp of the marginal entropy of predictions less their mean entropy",
        config=config.InceptionScoreConfig,
        build=build.inception_score,
        paper="arXiv:1606.03498",
        outputs=(
            MetricOutput(name="inception_score", summary="Inception Score, 1 to K", higher_is_better=True),
            MetricOutput(name="inception_score_std", summary="Standard deviation over the splits"),
            MetricOutput(
                name="inception_score_se",
                summary="Standard error over the samples, of the whole set's",
                order_tolerance=SE_TOLERANCE,
            ),
            MetricOutput(name="is_marginal_entropy", summary="Entropy of the mean prediction, nats"),
            MetricOutput(name="is_conditional_entropy", summary="Mean entropy of the predictions, nats"),
        ),
    )
    yield MetricSpec(
        name="am_score",
        summary="AM Score: KL of the real from the generated mean prediction, plus the mean entropy",
        config=config.AMScoreConfig,
        build=build.am_score,
        paper="arXiv:1703.02000",
        outputs=(
            MetricOutput(name="am_score", summary="AM Score, nats, 0 or more", higher_is_better=False),
            MetricOutput(
                name="am_score_se", summary="Standard error over the samples, nats", order_tolerance=SE_TOLERANCE
            ),
            MetricOutput(name="am_kl", summary="KL(real mean prediction, generated one), nats", higher_is_better=False),
            MetricOutput(name="am_entropy", summary="Mean entropy of the predictions, nats", higher_is_better=False),
        ),
    )


def _of_features() -> Iterable[MetricSpec[Any]]:
    yield MetricSpec(
        name="fid",
        summary="Fréchet distance of the features' Gaussians",
        config=config.FIDConfig,
        build=build.fid,
        paper="arXiv:1706.08500",
        outputs=(MetricOutput(name="fid", summary="Squared Fréchet distance, 0 or more", higher_is_better=False),),
    )
    yield MetricSpec(
        name="kid",
        summary="Unbiased squared MMD of the features under a cubic kernel",
        config=config.KIDConfig,
        build=build.kid,
        paper="arXiv:1801.01401",
        outputs=(
            MetricOutput(name="kid", summary="Mean squared MMD over subsets", higher_is_better=False),
            MetricOutput(name="kid_std", summary="Standard deviation over the subsets"),
            MetricOutput(name="kid_subset_size", summary="Images in a subset"),
        ),
    )
    yield MetricSpec(
        name="prdc",
        summary="Coverage, density, precision and recall: shares of images within the other set's neighbourhoods",
        config=config.PRDCConfig,
        build=build.prdc,
        paper="arXiv:2002.09797",
        outputs=(
            MetricOutput(
                name="coverage", summary="Share of real images with a sample near, 0 to 1", higher_is_better=True
            ),
            MetricOutput(name="density", summary="Real neighbourhoods a sample is in, over k", higher_is_better=True),
            MetricOutput(name="precision", summary="Share of samples near a real image, 0 to 1", higher_is_better=True),
            MetricOutput(name="recall", summary="Share of real images near a sample, 0 to 1", higher_is_better=True),
        ),
    )
    yield MetricSpec(
        name="nearest_neighbours",
        summary="Samples beside their nearest training images, and how near these are",
        config=config.NearestNeighboursConfig,
        build=build.nearest_neighbours,
        outputs=(
            MetricOutput(
                name="nearest_neighbour_ratio",
                summary="Distance of a sample to its nearest training image, over that of two training images",
            ),
        ),
    )


def _of_classes() -> Iterable[MetricSpec[Any]]:
    yield MetricSpec(
        name="class_accuracy",
        summary="Share of samples that the extractor takes for the class they were asked for",
        config=config.ClassAccuracyConfig,
        build=build.class_accuracy,
        outputs=(
            MetricOutput(name="class_accuracy", summary="Share of all samples, 0 to 1", higher_is_better=True),
            MetricOutput(name="class_accuracy_se", summary="Binomial standard error of that share"),
            MetricOutput(name="class_accuracy_worst", summary="Share in the worst class", higher_is_better=True),
        ),
    )
    yield MetricSpec(
        name="cas",
        summary="Accuracy on real test images of a classifier that is trained on samples",
        config=config.CASConfig,
        build=build.cas,
        paper="arXiv:1905.10887",
        reference="test",
        outputs=(
            MetricOutput(name="cas", summary="Share of test images told right, 0 to 1", higher_is_better=True),
            MetricOutput(name="cas_top5", summary="Share with the class among the first five", higher_is_better=True),
        ),
    )
    yield MetricSpec(
        name="intra_fid",
        summary="Fréchet distance between a class's real images and the samples asked for it",
        config=config.IntraFIDConfig,
        build=build.intra_fid,
        paper="arXiv:1802.05637",
        outputs=(
            MetricOutput(name="intra_fid", summary="Mean over the classes, 0 or more", higher_is_better=False),
            MetricOutput(name="intra_fid_max", summary="The worst class", higher_is_better=False),
        ),
    )
    yield MetricSpec(
        name="intra_class_msssim",
        summary="MS-SSIM between images of one class: how much a class has collapsed",
        config=config.IntraClassMSSSIMConfig,
        build=build.intra_class_msssim,
        paper="arXiv:1610.09585",
        outputs=(
            MetricOutput(name="intra_class_msssim", summary="Mean over the classes, 0 to 1", higher_is_better=False),
            MetricOutput(name="intra_class_msssim_max", summary="The most collapsed class", higher_is_better=False),
        ),
    )
    yield MetricSpec(
        name="intra_class_vendi",
        summary="Vendi Score of each class: the effective number of different images in it",
        config=config.IntraClassVendiConfig,
        build=build.intra_class_vendi,
        paper="arXiv:2210.02410",
        outputs=(
            MetricOutput(name="intra_class_vendi", summary="Mean over the classes, from 1", higher_is_better=True),
            MetricOutput(name="intra_class_vendi_min", summary="The least diverse class", higher_is_better=True),
        ),
    )


def _of_the_generator() -> Iterable[MetricSpec[Any]]:
    yield MetricSpec(
        name="noise_sensitivity",
        summary="How much the generator's image moves with its noise",
        config=config.NoiseSensitivityConfig,
        build=build.noise_sensitivity,
        paper="arXiv:1703.02000",
        outputs=(
            MetricOutput(name="noise_sensitivity", summary="Mean |d(sum of pixels)/dz|, 0 or more"),
            MetricOutput(name="noise_sensitivity_se", summary="Standard error over the samples"),
        ),
    )
