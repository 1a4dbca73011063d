"""The checks of a loss, one file for each subject."""

from __future__ import annotations

from .contract import LossContract
from .flags import LossFlags
from .results import LossResults
from .terms import LossTerms
from .training import LossTraining


class LossConformance(LossTraining, LossResults, LossContract, LossFlags, LossTerms):
    """The checks of a loss. Subclass it with the ``name`` of a loss; checks of the last base run first."""

    kind = "loss"
    number_of_checks = 45
