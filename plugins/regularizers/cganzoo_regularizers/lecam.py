"""LeCam regularization: the score of one kind of image shall stay close to the average score of the other kind."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from cganzoo import BuildContext
from cganzoo.objective import Batch, Networks, Terms
from cganzoo.regularizer import Regularizer

from .config import LeCamConfig


class LeCam(Regularizer):
    """E (D(x) - a_F)^2 + E (D(G(z)) - a_R)^2, with moving averages of the scores (arXiv:2104.03310)."""

    relational = True  # an update of the averages needs the means of the whole batch
    uses_score = True

    real_average: Tensor
    fake_average: Tensor
    updates: Tensor
    started: Tensor

    def __init__(self, config: LeCamConfig, context: BuildContext) -> None:
        super().__init__()
        self.decay, self.start, self.one_sided = config.decay, config.start, config.form == "released"
        self.register_buffer("real_average", torch.zeros(()))
        self.register_buffer("fake_average", torch.zeros(()))
        self.register_buffer("updates", torch.zeros(()))
        self.register_buffer("started", torch.tensor(float(self.start == 0)), persistent=False)

    def advance(self, step: int, total_steps: int) -> None:
        """See :class:`cganzoo.scheduled.Scheduled`."""
        super().advance(step, total_steps)
        self.started.fill_(float(step >= self.start))

    def discriminator_penalty(self, real: Batch, fake: Batch, networks: Networks) -> Terms:
        """See :class:`cganzoo.regularizer.Regularizer`."""
        of_real, of_fake = networks.score_of(real), networks.score_of(fake)
        self.update(of_real, of_fake)
        above_fake, below_real = of_real - self.fake_average, self.real_average - of_fake
        if self.one_sided:
            above_fake, below_real = F.relu(above_fake), F.relu(below_real)
        return {"lecam": self.started * (above_fake.square().mean() + below_real.square().mean())}

    @torch.no_grad()
    def update(self, of_real: Tensor, of_fake: Tensor) -> None:
        """Update the averages with the scores (N,) of a batch.

        a_t = (1 - decay) sum_s decay^(t - s) mean_s / (1 - decay^t), so the zeros before the first batch do not count.
        """
        self.updates.add_(1)
        share = (1 - self.decay) / (1 - self.decay**self.updates)
        self.real_average.add_(share * (of_real.mean() - self.real_average))
        self.fake_average.add_(share * (of_fake.mean() - self.fake_average))
