"""Options of the scores."""

from __future__ import annotations

from pydantic import Field

from cganzoo import Config


class InceptionScoreConfig(Config):
    """Options of ``inception_score``."""

    splits: int = Field(1, ge=1, description="Parts to score one by one; the score is then their mean. 1: the whole.")


class AMScoreConfig(Config):
    """``am_score`` has no options."""


class FIDConfig(Config):
    """``fid`` has no options."""


class KIDConfig(Config):
    """Options of ``kid``."""

    subsets: int = Field(
        100, ge=1, description="Random subsets to average over; 1 where a subset is the whole of both sets."
    )
    subset_size: int = Field(1000, ge=2, description="Images in a subset; the smaller set's size where that is less.")


class ClassAccuracyConfig(Config):
    """``class_accuracy`` has no options."""


class IntraClassMSSSIMConfig(Config):
    """Options of ``intra_class_msssim``."""

    pairs: int = Field(100, ge=1, description="Random pairs to compare in each class.")
    images_per_class: int = Field(50, ge=2, description="Images to keep of each class; pairs are drawn among them.")
