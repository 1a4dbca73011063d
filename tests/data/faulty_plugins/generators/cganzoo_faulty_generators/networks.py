"""Each class is the faultless generator with one thing wrong."""

from __future__ import annotations

import random
import threading
import time
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from cganzoo import BuildContext
from cganzoo.errors import CganzooError
from cganzoo.networks import Generator

WIDTH = 8


class Faultless(Generator):
    latent_dim = 8
    conditional = True

    def __init__(self, context: BuildContext) -> None:
        super().__init__()
        self.check_size(context.image_size)
        self.context = context
        self.classes = self.class_vectors(context.num_classes)
        self.linear = nn.Linear(self.latent_dim, WIDTH * (context.image_size // 4) ** 2)
        self.norm = nn.BatchNorm2d(WIDTH)
        self.to_image = nn.ConvTranspose2d(WIDTH, context.image_channels, 4, stride=4)

    def check_size(self, size: int) -> None:
        if size % 4:
            raise CganzooError(f"data.image_size = {size}, but this generator makes multiples of 4; write one of those")

    def class_vectors(self, num_classes: int) -> Any:
        return nn.Embedding(num_classes, self.latent_dim)

    def latent(self, z: Tensor, labels: Tensor) -> Tensor:
        return z + self.classes(labels)

    def hidden(self, z: Tensor, labels: Tensor) -> Tensor:
        side = self.context.image_size // 4
        return self.linear(self.latent(z, labels)).unflatten(1, (WIDTH, side, side))

    def forward(self, z: Tensor, labels: Tensor) -> Tensor:
        return self.to_image(self.norm(self.hidden(z, labels)).relu()).tanh()


class StartsAtZero(Faultless):
    """Faultless; when it is fresh, all classes are alike and a branch gets no gradient."""

    def __init__(self, context: BuildContext) -> None:
        super().__init__(context)
        nn.init.zeros_(self.classes.weight)
        self.branch = nn.Linear(self.latent_dim, self.latent_dim)
        self.gain = nn.Parameter(torch.zeros(1))

    def latent(self, z: Tensor, labels: Tensor) -> Tensor:
        return super().latent(z + self.gain * self.branch(z), labels)


# --- labels and noise -----------------------------------------------------------------------------------------------


class IgnoresLabels(Faultless):
    def class_vectors(self, num_classes: int) -> Any:
        return None

    def latent(self, z: Tensor, labels: Tensor) -> Tensor:
        return z


class HidesThatItIsConditional(Faultless):
    conditional = False


class DisagreesWithItsSpec(IgnoresLabels):
    conditional = False


class TwoClassesAlike(Faultless):
    def latent(self, z: Tensor, labels: Tensor) -> Tensor:
        return super().latent(z, labels.clamp(max=max(0, self.context.num_classes - 2)))


class LabelsModuloTen(Faultless):
    def latent(self, z: Tensor, labels: Tensor) -> Tensor:
        return super().latent(z, labels % 10)


class ClampsLabels(Faultless):
    def latent(self, z: Tensor, labels: Tensor) -> Tensor:
        return super().latent(z, labels.clamp(max=127))


class IgnoresNoise(Faultless):
    def latent(self, z: Tensor, labels: Tensor) -> Tensor:
        return super().latent(z.sign().abs(), labels)


class BreaksWithOneClass(Faultless):
    def class_vectors(self, num_classes: int) -> Any:
        self.step = 1 / (num_classes - 1)
        return super().class_vectors(num_classes)


class LatentWithoutSeed(Faultless):
    def sample_latent(self, count: int, device: torch.device, generator: torch.Generator | None = None) -> Tensor:
        return torch.randn(count, self.latent_dim, device=device)


# --- the image ------------------------------------------------------------------------------------------------------


class LeavesTheRange(Faultless):
    def forward(self, z: Tensor, labels: Tensor) -> Tensor:
        return 0.1 * self.to_image(self.norm(self.hidden(z, labels)).relu())


class BuildsAnySize(Faultless):
    def check_size(self, size: int) -> None:
        pass


class BreaksOnOddSizes(Faultless):
    def check_size(self, size: int) -> None:
        [None][size % 4]


class WantsContiguous(Faultless):
    def forward(self, z: Tensor, labels: Tensor) -> Tensor:
        images = self.to_image(self.norm(self.hidden(z, labels)).relu())
        return images.view(len(z), -1).tanh().view(images.shape)


class WantsEvenBatches(Faultless):
    def latent(self, z: Tensor, labels: Tensor) -> Tensor:
        if self.training:
            z = z.view(-1, 2, self.latent_dim).flatten(0, 1) if len(z) % 2 == 0 else z.view(-1, 2, self.latent_dim)
        return super().latent(z, labels)


# --- training and use -----------------------------------------------------------------------------------------------


class BatchStatisticsInUse(Faultless):
    def __init__(self, context: BuildContext) -> None:
        super().__init__(context)
        self.norm = nn.BatchNorm2d(WIDTH, track_running_stats=False)


class DrawsInUse(Faultless):
    def forward(self, z: Tensor, labels: Tensor) -> Tensor:
        torch.rand(1, device=z.device)
        return super().forward(z, labels)


class NoiseInUse(Faultless):
    def latent(self, z: Tensor, labels: Tensor) -> Tensor:
        return super().latent(z + 0.1 * torch.randn_like(z), labels)


class UnconditionalNoiseInUse(Faultless):
    """Its noise does not show while it is fresh."""

    conditional = False

    def __init__(self, context: BuildContext) -> None:
        super().__init__(context)
        self.gain = nn.Parameter(torch.zeros(1))

    def class_vectors(self, num_classes: int) -> Any:
        return None

    def latent(self, z: Tensor, labels: Tensor) -> Tensor:
        return z + self.gain * torch.randn_like(z)


class PythonRandomInTraining(Faultless):
    def latent(self, z: Tensor, labels: Tensor) -> Tensor:
        return super().latent(z, labels) + (random.random() if self.training else 0)


class CountsInUse(Faultless):
    def __init__(self, context: BuildContext) -> None:
        super().__init__(context)
        self.register_buffer("passes", torch.zeros(1))

    def forward(self, z: Tensor, labels: Tensor) -> Tensor:
        self.passes += 1
        return super().forward(z, labels)


class InitializeEndsTraining(Faultless):
    def initialize(self, z: Tensor, labels: Tensor) -> None:
        self.eval()
        self(z, labels)


# --- gradients ------------------------------------------------------------------------------------------------------


class UnusedParameter(Faultless):
    def __init__(self, context: BuildContext) -> None:
        super().__init__(context)
        self.gain = nn.Parameter(torch.ones(WIDTH))


class CutsAGradient(Faultless):
    def latent(self, z: Tensor, labels: Tensor) -> Tensor:
        latent = super().latent(z, labels)
        return latent / latent.detach().norm(dim=1, keepdim=True)


class InfiniteGradient(Faultless):
    def forward(self, z: Tensor, labels: Tensor) -> Tensor:
        images = super().forward(z, labels)
        return images * (1 + (images - images).abs().sqrt())


# --- state ----------------------------------------------------------------------------------------------------------


class CannotBeCopied(Faultless):
    def __init__(self, context: BuildContext) -> None:
        super().__init__(context)
        self.lock = threading.Lock()


class CopyUsesTheOriginal(Faultless):
    def __init__(self, context: BuildContext) -> None:
        super().__init__(context)
        self.last = lambda hidden: self.to_image(hidden)

    def forward(self, z: Tensor, labels: Tensor) -> Tensor:
        return self.last(self.norm(self.hidden(z, labels)).relu()).tanh()


PASSES = [0]


class SharesACounter(Faultless):
    def latent(self, z: Tensor, labels: Tensor) -> Tensor:
        if self.training:
            PASSES[0] += 1
        return super().latent(z, labels) + 0.01 * PASSES[0]


class WeightsOutsideStateDict(Faultless):
    def __init__(self, context: BuildContext) -> None:
        super().__init__(context)
        self.basis = torch.randn(self.latent_dim, self.latent_dim)

    def latent(self, z: Tensor, labels: Tensor) -> Tensor:
        return super().latent(z @ self.basis.to(z), labels)


class TiedWeights(Faultless):
    def __init__(self, context: BuildContext) -> None:
        super().__init__(context)
        self.first = nn.Linear(self.latent_dim, self.latent_dim)
        self.second = nn.Linear(self.latent_dim, self.latent_dim)
        self.second.weight = self.first.weight

    def latent(self, z: Tensor, labels: Tensor) -> Tensor:
        return self.second(self.first(super().latent(z, labels)))


class InitializedByNumpy(Faultless):
    def __init__(self, context: BuildContext) -> None:
        super().__init__(context)
        with torch.no_grad():
            self.linear.bias += torch.from_numpy(np.random.normal(size=self.linear.bias.shape)).float()


class ClampsItsInput(Faultless):
    def latent(self, z: Tensor, labels: Tensor) -> Tensor:
        return super().latent(z.clamp_(-1, 1), labels)


# --- the ways in which a recipe runs it -----------------------------------------------------------------------------


class GraphBreak(Faultless):
    def forward(self, z: Tensor, labels: Tensor) -> Tensor:
        self.began = time.perf_counter()
        return super().forward(z, labels)


class GraphBreakInTraining(Faultless):
    def forward(self, z: Tensor, labels: Tensor) -> Tensor:
        if self.training:
            self.began = time.perf_counter()
        return super().forward(z, labels)


class Float32Only(Faultless):
    def latent(self, z: Tensor, labels: Tensor) -> Tensor:
        return super().latent(z @ torch.eye(self.latent_dim, device=z.device), labels)


class UnderflowsInBfloat16(Faultless):
    def hidden(self, z: Tensor, labels: Tensor) -> Tensor:
        hidden = super().hidden(z, labels)
        one = torch.ones_like(hidden)
        return hidden * 1e-3 / ((one + 1e-3) - one)


class ConstantOnTheCpu(Faultless):
    def latent(self, z: Tensor, labels: Tensor) -> Tensor:
        return super().latent(z, labels) + torch.ones(self.latent_dim)
