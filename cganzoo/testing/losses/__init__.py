"""The checks of a loss, one file for each subject."""

from __future__ import annotations

from .contract import LossContract
from .execution import LossExecution
from .gradients import LossGradients
from .learning import LossLearning
from .processes import LossProcesses
from .reference import LossReference
from .state import LossState
from .terms import LossTerms


class LossConformance(
    LossLearning, LossProcesses, LossExecution, LossReference, LossContract, LossGradients, LossState, LossTerms
):
    """The checks of a loss. Subclass it with the ``name`` of a loss; checks of the last base run first.

    Class attributes:
        variants: choices of options to check, where ``{}`` means the defaults. They are added to ``options``. If not
            set: the defaults, and each other value of each option that has named values or is true or false.
    """

    kind = "loss"
    number_of_checks = 41
