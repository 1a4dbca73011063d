"""The checks of a regularizer, one file for each subject."""

from __future__ import annotations

from .contract import RegularizerContract
from .state import RegularizerState
from .terms import RegularizerTerms


class RegularizerConformance(RegularizerState, RegularizerContract, RegularizerTerms):
    """The checks of a regularizer. Subclass it with the ``name`` of one; checks of the last base run first."""

    kind = "regularizer"
    number_of_checks = 36
