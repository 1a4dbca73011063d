"""Scores of generated images; ``docs/metrics.md`` says what each one shows and what it does not show."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from cganzoo import MetricOutput, MetricSpec, hookimpl

from . import config, needs

SE_TOLERANCE = 0.3
"""A standard error from 200 bootstrap replicas has an error of 5 %; two of them differ by at most six such errors."""


@hookimpl
def cganzoo_metrics() -> Iterable[MetricSpec[Any]]:
    """The twelve scores."""
    yield MetricSpec(
        name="inception_score",
        summary="Inception Score: exp of the entropy of the mean prediction minus the mean entropy",
        config=config.InceptionScoreConfig,
        build="cganzoo_scores.inception_score:InceptionScore",
        needs=needs.inception_score,
        paper="arXiv:1606.03498",
        outputs=(
            MetricOutput(name="inception_score", summary="Inception Score, 1 to K", higher_is_better=True, low=1),
            MetricOutput(name="inception_score_std", summary="Standard deviation over the splits", low=0),
            MetricOutput(
                name="inception_score_se",
                summary="Standard error over the samples, of the whole set",
                order_tolerance=SE_TOLERANCE,
                low=0,
            ),
            MetricOutput(name="is_marginal_entropy", summary="Entropy of the mean prediction, nats", low=0),
            MetricOutput(name="is_conditional_entropy", summary="Mean entropy of the predictions, nats", low=0),
        ),
    )
    yield MetricSpec(
        name="am_score",
        summary="AM Score: KL divergence of real from generated mean prediction, plus mean entropy",
        config=config.AMScoreConfig,
        build="cganzoo_scores.am_score:AMScore",
        needs=needs.am_score,
        paper="arXiv:1703.02000",
        outputs=(
            MetricOutput(name="am_score", summary="AM Score, nats, 0 or more", higher_is_better=False, low=0),
            MetricOutput(
                name="am_score_se", summary="Standard error over the samples, nats", order_tolerance=SE_TOLERANCE, low=0
            ),
            MetricOutput(
                name="am_kl", summary="KL(real mean prediction, generated one), nats", higher_is_better=False, low=0
            ),
            MetricOutput(
                name="am_entropy", summary="Mean entropy of the predictions, nats", higher_is_better=False, low=0
            ),
        ),
    )
    yield MetricSpec(
        name="fid",
        summary="Fréchet distance of the features' Gaussians",
        config=config.FIDConfig,
        build="cganzoo_scores.fid:FID",
        needs=needs.fid,
        paper="arXiv:1706.08500",
        outputs=(
            MetricOutput(
                name="fid", summary="Squared Fréchet distance, 0 or more", higher_is_better=False, low=0, rank_order=1
            ),
        ),
    )
    yield MetricSpec(
        name="kid",
        summary="Unbiased squared MMD of the features under a cubic kernel",
        config=config.KIDConfig,
        build="cganzoo_scores.kid:KID",
        needs=needs.kid,
        paper="arXiv:1801.01401",
        outputs=(
            MetricOutput(name="kid", summary="Mean squared MMD over subsets", higher_is_better=False, rank_order=2),
            MetricOutput(name="kid_std", summary="Standard deviation over the subsets", low=0),
            MetricOutput(name="kid_subset_size", summary="Images in a subset", low=2),
        ),
    )
    yield MetricSpec(
        name="prdc",
        summary="Coverage, density, precision and recall: shares of images in neighbourhoods of the other set",
        config=config.PRDCConfig,
        build="cganzoo_scores.prdc:PRDC",
        needs=needs.prdc,
        paper="arXiv:2002.09797",
        outputs=(
            MetricOutput(
                name="coverage",
                summary="Share of real images with a sample near, 0 to 1",
                higher_is_better=True,
                low=0,
                high=1,
                rank_order=4,
                diversity=True,
            ),
            MetricOutput(
                name="density", summary="Real neighbourhoods around a sample, over k", higher_is_better=True, low=0
            ),
            MetricOutput(
                name="precision",
                summary="Share of samples near a real image, 0 to 1",
                higher_is_better=True,
                low=0,
                high=1,
            ),
            MetricOutput(
                name="recall",
                summary="Share of real images near a sample, 0 to 1",
                higher_is_better=True,
                low=0,
                high=1,
                diversity=True,
            ),
        ),
    )
    yield MetricSpec(
        name="nearest_neighbours",
        summary="Samples and their nearest training images, and the distance of these",
        config=config.NearestNeighboursConfig,
        build="cganzoo_scores.nearest_neighbours:NearestNeighbours",
        needs=needs.nearest_neighbours,
        outputs=(
            MetricOutput(
                name="nearest_neighbour_ratio",
                summary="Distance of a sample to its nearest training image, over that of two training images",
                low=0,
            ),
        ),
    )
    yield MetricSpec(
        name="class_accuracy",
        summary="Share of samples for which the extractor predicts the requested class",
        config=config.ClassAccuracyConfig,
        build="cganzoo_scores.class_accuracy:ClassAccuracy",
        needs=needs.class_accuracy,
        outputs=(
            MetricOutput(
                name="class_accuracy", summary="Share of all samples, 0 to 1", higher_is_better=True, low=0, high=1
            ),
            MetricOutput(name="class_accuracy_se", summary="Binomial standard error of that share", low=0),
            MetricOutput(
                name="class_accuracy_worst", summary="Share in the worst class", higher_is_better=True, low=0, high=1
            ),
        ),
    )
    yield MetricSpec(
        name="cas",
        summary="Accuracy on real test images of a classifier that is trained on samples",
        config=config.CASConfig,
        build="cganzoo_scores.cas:CAS",
        needs=needs.cas,
        paper="arXiv:1905.10887",
        reference="test",
        outputs=(
            MetricOutput(
                name="cas",
                summary="Share of test images classified right, 0 to 1",
                higher_is_better=True,
                low=0,
                high=1,
                rank_order=5,
            ),
            MetricOutput(
                name="cas_top5", summary="Share with the class among the top five", higher_is_better=True, low=0, high=1
            ),
        ),
    )
    yield MetricSpec(
        name="intra_fid",
        summary="Fréchet distance between the real images and the samples of each class",
        config=config.IntraFIDConfig,
        build="cganzoo_scores.intra_fid:IntraFID",
        needs=needs.intra_fid,
        paper="arXiv:1802.05637",
        outputs=(
            MetricOutput(
                name="intra_fid",
                summary="Mean over the classes, 0 or more",
                higher_is_better=False,
                low=0,
                rank_order=3,
            ),
            MetricOutput(name="intra_fid_max", summary="The worst class", higher_is_better=False, low=0),
        ),
    )
    yield MetricSpec(
        name="intra_class_msssim",
        summary="MS-SSIM between images of one class, which is high if the class has collapsed",
        config=config.IntraClassMSSSIMConfig,
        build="cganzoo_scores.intra_class_msssim:IntraClassMSSSIM",
        needs=needs.intra_class_msssim,
        paper="arXiv:1610.09585",
        outputs=(
            MetricOutput(
                name="intra_class_msssim",
                summary="Mean over the classes, 0 to 1",
                higher_is_better=False,
                low=0,
                high=1,
                diversity=True,
            ),
            MetricOutput(
                name="intra_class_msssim_max", summary="The most collapsed class", higher_is_better=False, low=0, high=1
            ),
        ),
    )
    yield MetricSpec(
        name="intra_class_vendi",
        summary="Vendi Score of each class: its effective number of different images",
        config=config.IntraClassVendiConfig,
        build="cganzoo_scores.intra_class_vendi:IntraClassVendi",
        needs=needs.intra_class_vendi,
        paper="arXiv:2210.02410",
        outputs=(
            MetricOutput(
                name="intra_class_vendi",
                summary="Mean over the classes, from 1",
                higher_is_better=True,
                low=1,
                diversity=True,
            ),
            MetricOutput(name="intra_class_vendi_min", summary="The least diverse class", higher_is_better=True, low=1),
        ),
    )
    yield MetricSpec(
        name="noise_sensitivity",
        summary="How much the generator's images depend on the noise",
        config=config.NoiseSensitivityConfig,
        build="cganzoo_scores.noise_sensitivity:NoiseSensitivity",
        paper="arXiv:1703.02000",
        outputs=(
            MetricOutput(name="noise_sensitivity", summary="Mean |d(sum of pixels)/dz|, 0 or more", low=0),
            MetricOutput(name="noise_sensitivity_se", summary="Standard error over the samples", low=0),
        ),
    )
