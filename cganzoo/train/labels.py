"""The classes of samples in training."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor


class FakeLabels:
    """Draws the classes that samples are requested for, on the device and without waiting for it.

    Args:
        rule: ``"uniform"``: each anew; ``"balanced"``: each class equally often in a batch, up to one; ``"data"``: as
            often as in the training images.
        num_classes: K.
        of_data: labels (N,) of the training images, on the device.
    """

    def __init__(self, rule: Literal["uniform", "balanced", "data"], num_classes: int, of_data: Tensor) -> None:
        self._rule, self._classes, self._of_data = rule, num_classes, of_data

    def draw(self, count: int) -> Tensor:
        """Labels (count,) int64."""
        device = self._of_data.device
        if self._rule == "balanced":
            order = torch.randperm(self._classes, device=device)
            return order[torch.arange(count, device=device) % self._classes]
        if self._rule == "data":
            return self._of_data[torch.randint(len(self._of_data), (count,), device=device)]
        return torch.randint(self._classes, (count,), device=device)
