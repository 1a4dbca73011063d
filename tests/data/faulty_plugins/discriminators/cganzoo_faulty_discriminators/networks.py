"""Each class is a faultless trunk with one thing wrong."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from cganzoo import BuildContext
from cganzoo.errors import CganzooError
from cganzoo.networks import Discriminator

WIDTH = 8


class Faultless(Discriminator):
    feature_dim = 6

    def __init__(self, context: BuildContext) -> None:
        super().__init__()
        self.conv = nn.Conv2d(context.image_channels, WIDTH, 3, stride=2, padding=1)
        self.features = nn.Linear(WIDTH, self.feature_dim)

    def see(self, images: Tensor) -> Tensor:
        return F.leaky_relu(self.conv(images), 0.2).mean((2, 3))

    def forward(self, images: Tensor) -> Tensor:
        return self.features(self.see(images))


class Normalized(Faultless):
    """Faultless, with batch normalisation."""

    batch_statistics = True

    def __init__(self, context: BuildContext) -> None:
        super().__init__(context)
        self.norm = nn.BatchNorm2d(WIDTH)

    def see(self, images: Tensor) -> Tensor:
        return F.leaky_relu(self.norm(self.conv(images)), 0.2).mean((2, 3))


class LargeAndGreyOnly(Faultless):
    """Faultless; it refuses what it is not made for."""

    def __init__(self, context: BuildContext) -> None:
        if context.image_size < 64 or context.image_channels != 1:
            raise CganzooError(
                f"data.image_size = {context.image_size}, channels = {context.image_channels}: this trunk sees grey "
                "images of 64 or more pixels"
            )
        super().__init__(context)


# --- what it says of itself -----------------------------------------------------------------------------------------


class WrongFeatureDim(Faultless):
    def __init__(self, context: BuildContext) -> None:
        super().__init__(context)
        self.feature_dim = WIDTH


class HidesBatchStatistics(Normalized):
    batch_statistics = False


class ClaimsBatchStatistics(Faultless):
    batch_statistics = True


class FeaturesByClass(Faultless):
    def __init__(self, context: BuildContext) -> None:
        super().__init__(context)
        self.feature_dim = context.num_classes
        self.features = nn.Linear(WIDTH, self.feature_dim)


# --- gradients ------------------------------------------------------------------------------------------------------


class DetachesImages(Faultless):
    def see(self, images: Tensor) -> Tensor:
        return super().see(images.detach())


class OneSidedView(Faultless):
    """Half of the image is looked at without gradient."""

    def see(self, images: Tensor) -> Tensor:
        half = images.shape[3] // 2
        return super().see(torch.cat([images[..., :half], images[..., half:].detach()], 3))


class ColourBlind(Faultless):
    def see(self, images: Tensor) -> Tensor:
        return super().see(images[:, :1].expand_as(images))


class Blind(Faultless):
    def see(self, images: Tensor) -> Tensor:
        return super().see(images.clamp(2, 3))


class _Square(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, x: Tensor) -> Tensor:
        context.save_for_backward(x)
        return x.square()

    @staticmethod
    @once_differentiable
    def backward(context: Any, gradient: Tensor) -> Tensor:
        (x,) = context.saved_tensors
        return 2 * x * gradient


class FirstOrderOnly(Faultless):
    def see(self, images: Tensor) -> Tensor:
        return _Square.apply(super().see(images))


class UnusedParameter(Faultless):
    def __init__(self, context: BuildContext) -> None:
        super().__init__(context)
        self.head = nn.Linear(WIDTH, 1)


class UpdatesInPlace(Faultless):
    def __init__(self, context: BuildContext) -> None:
        super().__init__(context)
        self.register_buffer("gain", torch.ones(1))

    def see(self, images: Tensor) -> Tensor:
        if self.training:
            self.gain.mul_(0.99)
        return super().see(images) * self.gain


# --- batches and images ---------------------------------------------------------------------------------------------


class WantsEvenBatches(Faultless):
    batch_statistics = True

    def see(self, images: Tensor) -> Tensor:
        seen = super().see(images)
        return seen + seen.view(-1, 2, WIDTH).std(1).repeat(2, 1) if self.training else seen


class DependsOnItsBatchInUse(Faultless):
    def see(self, images: Tensor) -> Tensor:
        seen = super().see(images)
        return seen if self.training else seen - seen.mean(0)


class DiffersBetweenProcesses(Faultless):
    """Each process changes a weight in its own way."""

    def see(self, images: Tensor) -> Tensor:
        import torch.distributed as distributed

        if distributed.is_initialized():
            with torch.no_grad():
                self.conv.weight.mul_(1 + 0.1 * distributed.get_rank())
        return super().see(images)


class NanOnFlatImages(Faultless):
    def see(self, images: Tensor) -> Tensor:
        return super().see(images / images.std((1, 2, 3), keepdim=True))


class DropsInUse(Faultless):
    def see(self, images: Tensor) -> Tensor:
        return F.dropout(super().see(images), 0.3)


class PickledState(Faultless):
    def get_extra_state(self) -> Any:
        return {"seen by": BuildContext}

    def set_extra_state(self, state: Any) -> None:
        pass
