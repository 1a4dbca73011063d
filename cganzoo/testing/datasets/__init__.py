"""The checks of a data set."""

from __future__ import annotations

from .content import DatasetContent
from .packing import DatasetPacking


class DatasetConformance(DatasetPacking, DatasetContent):
    """The checks of a data set. Subclass it with its ``name``. If its images are missing, nearly all are skipped."""

    kind = "dataset"
    number_of_checks = 26
