"""Options of the scores."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from cganzoo import ClassifierConfig, Config

BOOTSTRAP = "Replicas of the bootstrap that the standard error comes from; 0: no standard error."


class InceptionScoreConfig(Config):
    """Options of ``inception_score``."""

    splits: int = Field(
        1, ge=1, description="Parts that are scored one by one; the score is their mean. 1: the whole set."
    )
    bootstrap: int = Field(200, ge=0, le=10_000, description=BOOTSTRAP)


class AMScoreConfig(Config):
    """Options of ``am_score``."""

    bootstrap: int = Field(200, ge=0, le=10_000, description=BOOTSTRAP)


class FIDConfig(Config):
    """``fid`` has no options."""


class IntraFIDConfig(Config):
    """``intra_fid`` has no options."""


class KIDConfig(Config):
    """Options of ``kid``."""

    subsets: int = Field(
        100, ge=1, le=10_000, description="Random subsets to average over; 1 if a subset is the whole of both sets."
    )
    subset_size: int = Field(1000, ge=2, description="Images in a subset; at most the size of the smaller set.")


class PRDCConfig(Config):
    """Options of ``prdc``."""

    nearest_k: int = Field(5, ge=1, description="A neighbourhood extends to the k-th nearest image.")
    max_images: int = Field(10_000, ge=2, description="Real images and samples to keep; of more, a random subset.")

    @model_validator(mode="after")
    def _a_neighbour_is_kept(self) -> PRDCConfig:
        if self.max_images <= self.nearest_k:
            raise ValueError(f"max_images = {self.max_images} must be above nearest_k = {self.nearest_k}")
        return self


class ClassAccuracyConfig(Config):
    """``class_accuracy`` has no options."""


class CASConfig(Config):
    """Options of ``cas``."""

    classifier: ClassifierConfig = Field(
        default_factory=ClassifierConfig, description="The classifier that is trained on the samples, and its training."
    )


class IntraClassMSSSIMConfig(Config):
    """Options of ``intra_class_msssim``."""

    pairs: int = Field(100, ge=1, le=100_000, description="Random pairs to compare in each class.")
    images_per_class: int = Field(
        50, ge=2, le=10_000, description="Images to keep of each class; pairs are drawn among them."
    )


class IntraClassVendiConfig(Config):
    """Options of ``intra_class_vendi``."""

    images_per_class: int = Field(
        50, ge=2, le=10_000, description="Images of each class that are compared; the score's maximum."
    )
    kernel: Literal["gaussian", "cosine"] = Field(
        "gaussian",
        description="Similarity of two images. gaussian: by the distance of their features, relative to that of two "
        "real images of a class. cosine: by the angle of their features, as in the paper.",
    )


class NoiseSensitivityConfig(Config):
    """Options of ``noise_sensitivity``."""

    samples: int = Field(256, ge=1, description="Samples to differentiate; at most the evaluation's batch size.")


class NearestNeighboursConfig(Config):
    """Options of ``nearest_neighbours``."""

    samples: int = Field(100, ge=1, description="Samples that are searched for copies.")
    neighbours: int = Field(7, ge=1, le=100, description="Training images after each sample in the picture.")
    rows: int = Field(10, ge=1, le=100, description="Samples in the picture, one of each class.")
