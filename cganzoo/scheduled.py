"""A module with hyper-parameters that may follow a schedule."""

from __future__ import annotations

import torch
from torch import nn

from .config import Schedule, value_at


class Scheduled(nn.Module):
    """Base of the modules that a run trains or uses in training: their hyper-parameters may follow a schedule."""

    _keeps_scheduled = False
    """Whether scheduled values are part of the state: yes for networks, which are used after the training, too."""

    def __init__(self) -> None:
        super().__init__()
        self._schedules: dict[str, Schedule] = {}
        self._held: set[str] = set()

    def hold(self, **scalars: float | Schedule) -> None:
        """Set each hyper-parameter as an attribute that has the right value at every step.

        After ``self.hold(temperature=config.temperature)``, use ``self.temperature``. A number stays a number. A
        schedule becomes a 0-dimensional buffer, so a compiled step sees new values without being compiled again.
        """
        self._held |= scalars.keys()
        for name, scalar in scalars.items():
            if isinstance(scalar, Schedule):
                self.register_buffer(name, torch.tensor(scalar.start), persistent=self._keeps_scheduled)
                self._schedules[name] = scalar
            else:
                setattr(self, name, scalar)

    def is_held(self, name: str) -> bool:
        """Whether an attribute is a hyper-parameter that was given to :meth:`hold`: the recipe decides its value."""
        return name in self._held

    def advance(self, step: int, total_steps: int) -> None:
        """Set the scheduled hyper-parameters to their values at ``step``; the engine calls this before each step."""
        for name, schedule in self._schedules.items():
            self.get_buffer(name).fill_(value_at(schedule, step, total_steps))
