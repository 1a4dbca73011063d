"""The checks of a generator and of a discriminator; what both share is in one file for each subject."""

from __future__ import annotations

from .execution import NetworkExecution
from .outputs import NetworkOutputs
from .state import NetworkState


class NetworkConformance(NetworkExecution, NetworkState, NetworkOutputs):
    """The checks of both kinds of networks."""
