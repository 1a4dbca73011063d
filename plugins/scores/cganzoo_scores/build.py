"""From options to metrics. torch is imported when one is built, not before."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cganzoo import BuildContext

from .config import (
    AMScoreConfig,
    CASConfig,
    ClassAccuracyConfig,
    FIDConfig,
    InceptionScoreConfig,
    IntraClassMSSSIMConfig,
    IntraClassVendiConfig,
    IntraFIDConfig,
    KIDConfig,
    NearestNeighboursConfig,
    NoiseSensitivityConfig,
    PRDCConfig,
)

if TYPE_CHECKING:
    from cganzoo.metric import Metric


def inception_score(config: InceptionScoreConfig, context: BuildContext) -> Metric:
    """See :class:`cganzoo_scores.inception_score.InceptionScore`."""
    from .inception_score import InceptionScore

    return InceptionScore(config)


def am_score(config: AMScoreConfig, context: BuildContext) -> Metric:
    """See :class:`cganzoo_scores.am_score.AMScore`."""
    from .am_score import AMScore

    return AMScore(config)


def fid(config: FIDConfig, context: BuildContext) -> Metric:
    """See :class:`cganzoo_scores.fid.FID`."""
    from .fid import FID

    return FID()


def intra_fid(config: IntraFIDConfig, context: BuildContext) -> Metric:
    """See :class:`cganzoo_scores.intra_fid.IntraFID`."""
    from .intra_fid import IntraFID

    return IntraFID(context.class_names)


def kid(config: KIDConfig, context: BuildContext) -> Metric:
    """See :class:`cganzoo_scores.kid.KID`."""
    from .kid import KID

    return KID(config)


def prdc(config: PRDCConfig, context: BuildContext) -> Metric:
    """See :class:`cganzoo_scores.prdc.PRDC`."""
    from .prdc import PRDC

    return PRDC(config)


def class_accuracy(config: ClassAccuracyConfig, context: BuildContext) -> Metric:
    """See :class:`cganzoo_scores.class_accuracy.ClassAccuracy`."""
    from .class_accuracy import ClassAccuracy

    return ClassAccuracy(context.num_classes, own_classes=context.own_classes)


def cas(config: CASConfig, context: BuildContext) -> Metric:
    """See :class:`cganzoo_scores.cas.CAS`."""
    from .cas import CAS

    return CAS(config, context)


def intra_class_msssim(config: IntraClassMSSSIMConfig, context: BuildContext) -> Metric:
    """See :class:`cganzoo_scores.intra_class_msssim.IntraClassMSSSIM`."""
    from .intra_class_msssim import IntraClassMSSSIM

    return IntraClassMSSSIM(config, context.image_size, context.num_classes if context.own_classes else 0)


def intra_class_vendi(config: IntraClassVendiConfig, context: BuildContext) -> Metric:
    """See :class:`cganzoo_scores.intra_class_vendi.IntraClassVendi`."""
    from .intra_class_vendi import IntraClassVendi

    return IntraClassVendi(config)


def noise_sensitivity(config: NoiseSensitivityConfig, context: BuildContext) -> Metric:
    """See :class:`cganzoo_scores.noise_sensitivity.NoiseSensitivity`."""
    from .noise_sensitivity import NoiseSensitivity

    return NoiseSensitivity(config)


def nearest_neighbours(config: NearestNeighboursConfig, context: BuildContext) -> Metric:
    """See :class:`cganzoo_scores.nearest_neighbours.NearestNeighbours`."""
    from .nearest_neighbours import NearestNeighbours

    return NearestNeighbours(config)
