"""Inception Score, AM Score, FID, KID, class accuracy and intra-class MS-SSIM."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from cganzoo import BuildContext, MetricOutput, MetricSpec, hookimpl

from .config import (
    AMScoreConfig,
    ClassAccuracyConfig,
    FIDConfig,
    InceptionScoreConfig,
    IntraClassMSSSIMConfig,
    KIDConfig,
)

if TYPE_CHECKING:
    from cganzoo.metric import Metric


def _inception_score(config: InceptionScoreConfig, context: BuildContext) -> Metric:
    from .inception_score import InceptionScore

    return InceptionScore(config)


def _am_score(config: AMScoreConfig, context: BuildContext) -> Metric:
    from .am_score import AMScore

    return AMScore()


def _fid(config: FIDConfig, context: BuildContext) -> Metric:
    from .fid import FID

    return FID(context.features)


def _kid(config: KIDConfig, context: BuildContext) -> Metric:
    from .kid import KID

    return KID(config, context.features)


def _class_accuracy(config: ClassAccuracyConfig, context: BuildContext) -> Metric:
    from .class_accuracy import ClassAccuracy

    return ClassAccuracy(context.num_classes)


def _intra_class_msssim(config: IntraClassMSSSIMConfig, context: BuildContext) -> Metric:
    from .intra_class_msssim import IntraClassMSSSIM

    return IntraClassMSSSIM(config, context.image_size)


@hookimpl
def cganzoo_metrics() -> Iterable[MetricSpec[Any]]:
    """The six scores."""
    yield MetricSpec(
        name="inception_score",
        summary="Inception Score: exp of the marginal entropy of predictions less their mean entropy",
        config=InceptionScoreConfig,
        build=_inception_score,
        paper="arXiv:1606.03498",
        outputs=(
            MetricOutput(name="inception_score", summary="Inception Score, 1 to K", higher_is_better=True),
            MetricOutput(name="inception_score_std", summary="Standard deviation over the splits"),
            MetricOutput(name="is_marginal_entropy", summary="Entropy of the mean prediction, nats"),
            MetricOutput(name="is_conditional_entropy", summary="Mean entropy of the predictions, nats"),
        ),
    )
    yield MetricSpec(
        name="am_score",
        summary="AM Score: KL of the real from the generated mean prediction, plus the mean entropy",
        config=AMScoreConfig,
        build=_am_score,
        paper="arXiv:1703.02000",
        outputs=(
            MetricOutput(name="am_score", summary="AM Score, nats, 0 or more", higher_is_better=False),
            MetricOutput(name="am_kl", summary="KL(real mean prediction, generated one), nats", higher_is_better=False),
            MetricOutput(name="am_entropy", summary="Mean entropy of the predictions, nats", higher_is_better=False),
        ),
    )
    yield MetricSpec(
        name="fid",
        summary="Fréchet distance of the features' Gaussians",
        config=FIDConfig,
        build=_fid,
        paper="arXiv:1706.08500",
        outputs=(MetricOutput(name="fid", summary="Squared Fréchet distance, 0 or more", higher_is_better=False),),
    )
    yield MetricSpec(
        name="kid",
        summary="Unbiased squared MMD of the features under a cubic kernel",
        config=KIDConfig,
        build=_kid,
        paper="arXiv:1801.01401",
        outputs=(
            MetricOutput(name="kid", summary="Mean squared MMD over subsets", higher_is_better=False),
            MetricOutput(name="kid_std", summary="Standard deviation over the subsets"),
            MetricOutput(name="kid_subset_size", summary="Images in a subset"),
        ),
    )
    yield MetricSpec(
        name="class_accuracy",
        summary="Share of samples that the extractor takes for the class they were asked for",
        config=ClassAccuracyConfig,
        build=_class_accuracy,
        outputs=(
            MetricOutput(name="class_accuracy", summary="Share of all samples, 0 to 1", higher_is_better=True),
            MetricOutput(name="class_accuracy_worst", summary="Share in the worst class", higher_is_better=True),
        ),
    )
    yield MetricSpec(
        name="intra_class_msssim",
        summary="MS-SSIM between images of one class: how much a class has collapsed",
        config=IntraClassMSSSIMConfig,
        build=_intra_class_msssim,
        paper="arXiv:1610.09585",
        outputs=(
            MetricOutput(name="intra_class_msssim", summary="Mean over the classes, 0 to 1", higher_is_better=False),
            MetricOutput(name="intra_class_msssim_max", summary="The most collapsed class", higher_is_better=False),
        ),
    )
