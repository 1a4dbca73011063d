"""The checks of an augmentation, one file for each subject."""

from __future__ import annotations

from .images import AugmentationImages
from .state import AugmentationState


class AugmentationConformance(AugmentationState, AugmentationImages):
    """The checks of an augmentation. Subclass it with the ``name`` of one; checks of the last base run first."""

    kind = "augmentation"
    number_of_checks = 32
