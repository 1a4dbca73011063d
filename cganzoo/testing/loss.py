"""What the zoo asks of a loss."""

from __future__ import annotations

from .losses.equals import LossEquals
from .losses.hidden import LossHidden
from .losses.players import LossPlayers
from .losses.promises import LossPromises
from .losses.training import LossTraining
from .losses.values import LossValues


class LossConformance(LossTraining, LossEquals, LossPromises, LossPlayers, LossHidden, LossValues):
    """Conformance of a loss; the last base's checks are made first.

    Class attributes:
        variants: choices of options to check, the defaults being ``{}``; unless given, the defaults and each other
            choice of each option that has named ones. They go on top of ``options``.
    """

    kind = "loss"
    number_of_checks = 41
