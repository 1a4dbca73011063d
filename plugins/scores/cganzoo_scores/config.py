"""Options of the scores."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from cganzoo import ClassifierConfig, Config

BOOTSTRAP = "Replicas of the bootstrap that the standard error comes from; 0: no standard error."


class InceptionScoreConfig(Config):
    """Options of ``inception_score``."""

    splits: int = Field(1, ge=1, description="Parts to score one by one; the score is then their mean. 1: the whole.")
    bootstrap: int = Field(200, ge=0, description=BOOTSTRAP)


class AMScoreConfig(Config):
    """Options of ``am_score``."""

    bootstrap: int = Field(200, ge=0, description=BOOTSTRAP)


class FIDConfig(Config):
    """``fid`` has no options."""


class IntraFIDConfig(Config):
    """``intra_fid`` has no options."""


class KIDConfig(Config):
    """Options of ``kid``."""

    subsets: int = Field(
        100, ge=1, description="Random subsets to average over; 1 where a subset is the whole of both sets."
    )
    subset_size: int = Field(1000, ge=2, description="Images in a subset; the smaller set's size where that is less.")


class PRDCConfig(Config):
    """Options of ``prdc``."""

    nearest_k: int = Field(5, ge=1, description="A neighbourhood reaches as far as the k-th nearest image.")
    max_images: int = Field(10_000, ge=2, description="Images to keep of each side, a random subset if there are more.")


class ClassAccuracyConfig(Config):
    """``class_accuracy`` has no options."""


class CASConfig(Config):
    """Options of ``cas``."""

    classifier: ClassifierConfig = Field(
        default_factory=ClassifierConfig, description="The classifier that is trained on the samples, and how."
    )


class IntraClassMSSSIMConfig(Config):
    """Options of ``intra_class_msssim``."""

    pairs: int = Field(100, ge=1, description="Random pairs to compare in each class.")
    images_per_class: int = Field(50, ge=2, description="Images to keep of each class; pairs are drawn among them.")


class IntraClassVendiConfig(Config):
    """Options of ``intra_class_vendi``."""

    images_per_class: int = Field(50, ge=2, description="Images of each class that are compared; the score's maximum.")
    kernel: Literal["gaussian", "cosine"] = Field(
        "gaussian",
        description="Likeness of two images' features. gaussian: by their distance, beside that of two real images of "
        "a class. cosine: by their angle, as in the paper.",
    )


class NoiseSensitivityConfig(Config):
    """Options of ``noise_sensitivity``."""

    samples: int = Field(256, ge=1, description="Samples to differentiate; the whole batch where it holds fewer.")


class NearestNeighboursConfig(Config):
    """Options of ``nearest_neighbours``."""

    samples: int = Field(100, ge=1, description="Samples to look for copies among.")
    neighbours: int = Field(7, ge=1, description="Training images beside a sample in the picture.")
    rows: int = Field(10, ge=1, le=100, description="Samples in the picture, one a class.")
