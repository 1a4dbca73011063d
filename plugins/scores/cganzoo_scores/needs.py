"""What each score needs at least; the zoo checks it before a run is trained. Imports no torch."""

from __future__ import annotations

from cganzoo import Counts, Needs

from . import config


def inception_score(options: config.InceptionScoreConfig) -> Needs:
    """A sample for each split."""
    because = f"splits = {options.splits}" if options.splits > 1 else ""
    return Needs(samples=options.splits, predictions=True, because=because)


def am_score(options: config.AMScoreConfig) -> Needs:
    """Predictions of both sets."""
    return Needs(samples=1, real_images=1, predictions=True)


def fid(options: config.FIDConfig) -> Needs:
    """A covariance of each set."""
    return Needs(samples=2, real_images=2)


def kid(options: config.KIDConfig) -> Needs:
    """Two different images of each set."""
    return Needs(samples=2, real_images=2)


def prdc(options: config.PRDCConfig) -> Needs:
    """A k-th neighbour in each set."""
    least = options.nearest_k + 1
    return Needs(samples=least, real_images=least, because=f"nearest_k = {options.nearest_k}")


def nearest_neighbours(options: config.NearestNeighboursConfig) -> Needs:
    """Enough training images for the picture."""
    return Needs(real_images=options.neighbours + 1, because=f"neighbours = {options.neighbours}")


def class_accuracy(options: config.ClassAccuracyConfig) -> Needs:
    """Predictions of the requested classes."""
    return Needs(predictions=True, own_predictions=True, requested_classes=True)


def cas(options: config.CASConfig) -> Needs:
    """Samples with a class, to train on, and images to test on."""
    return Needs(real_images=1, requested_classes=True)


def intra_fid(options: config.IntraFIDConfig) -> Needs:
    """A covariance of each class of each set."""
    return Needs(samples_per_class=2, real_images_per_class=2, requested_classes=True)


def intra_class_msssim(options: config.IntraClassMSSSIMConfig) -> Needs:
    """A pair of samples of each class, and images of one scale."""
    return Needs(samples_per_class=2, image_size=8, check=_classes)


def intra_class_vendi(options: config.IntraClassVendiConfig) -> Needs:
    """Two samples of each class and, for the usual distance, two real images of some class."""

    def check(counts: Counts) -> str | None:
        if options.kernel == "gaussian" and max(counts.real_images_per_class or (0,)) < 2:
            return (
                "two real images of one class to measure their distance, and no class has more than one; set kernel = "
                '"cosine"'
            )
        return _classes(counts)

    return Needs(samples_per_class=2, check=check)


def _classes(counts: Counts) -> str | None:
    """Samples of an unconditional generator have the classes that the extractor predicts."""
    if not counts.conditional and counts.predicted_classes == 0:
        return (
            "class predictions, because the generator takes no class, and the extractor predicts none; use the "
            'extractor "classifier" or "inception"'
        )
    return None
