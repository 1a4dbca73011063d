"""Adaptive discriminator augmentation, ADA (arXiv:2006.06676): the pipeline of appendix B and the control of p."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from cganzoo import BuildContext
from cganzoo.augmentation import Augmentation

from .color import TRANSFORMS as COLORS
from .color import Color
from .config import AdaConfig
from .corruptions import Cutout, Filter, Noise
from .draws import Draws
from .geometry import BLIT, GENERAL, Geometry


class Ada(Augmentation):
    """The pipeline: each transform is executed with probability p, for each sample by itself.

    Attributes:
        p: the probability.
    """

    p: float | Tensor

    def __init__(self, config: AdaConfig, context: BuildContext) -> None:
        super().__init__()
        chosen, side = config.chosen(), context.image_size
        self.stages = nn.ModuleList()
        if chosen & {transform.__name__ for transform in (*BLIT, *GENERAL)}:
            self.stages.append(Geometry(chosen, side))
        if chosen & {transform.__name__ for transform in COLORS}:
            self.stages.append(Color(chosen))
        if "filter" in chosen:
            self.stages.append(Filter(side))
        if "noise" in chosen:
            self.stages.append(Noise())
        if "cutout" in chosen:
            self.stages.append(Cutout())
        if config.p is not None:
            self.hold(p=config.p)

    def forward(self, images: Tensor) -> Tensor:
        """See :class:`cganzoo.augmentation.Augmentation`. Places need float32 at least."""
        changed = images.to(torch.promote_types(images.dtype, torch.float32))
        draw = Draws(changed, self.p)
        for stage in self.stages:
            changed = stage(changed, draw)
        return changed.to(images.dtype)


class AdaptiveAda(Ada):
    """The pipeline with the control of section 3.1.

    r is the mean sign of the scores of real images since the last change of p. A discriminator that overfits is sure of
    all real images: r is then near 1, and p must rise. After ``interval`` batches, p rises if r is above ``target`` and
    falls if it is below, by the number of these images divided by ``speed``, and stays in [0, 1].
    """

    p: Tensor
    signs: Tensor
    images: Tensor
    batches: Tensor

    def __init__(self, config: AdaConfig, context: BuildContext) -> None:
        super().__init__(config, context)
        self.target, self.interval, self.speed = config.target, config.interval, config.speed
        for name in ("p", "signs", "images", "batches"):
            self.register_buffer(name, torch.zeros(()))

    @torch.no_grad()
    def observe(self, scores: Tensor) -> None:
        """See :class:`cganzoo.augmentation.Augmentation`."""
        self.signs += scores.sign().sum()
        self.images += len(scores)
        self.batches += 1
        due = self.batches >= self.interval
        r = self.signs / self.images
        changed = self.p + (r - self.target).sign() * self.images / self.speed
        self.p.copy_(torch.where(due, changed.clamp(0, 1), self.p))
        for count in (self.signs, self.images, self.batches):
            count.masked_fill_(due, 0)

    def logged(self) -> dict[str, Tensor]:
        """The probability, as ``ada_p``."""
        return {"ada_p": self.p}


def build(config: AdaConfig, context: BuildContext) -> Augmentation:
    """ADA with a fixed p, which needs no score, or with one that is adapted."""
    return AdaptiveAda(config, context) if config.p is None else Ada(config, context)
