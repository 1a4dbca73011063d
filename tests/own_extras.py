"""A loss, regularizers and augmentations for tests of the engine; each keeps what it was given."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from cganzoo.augmentation import Augmentation
from cganzoo.objective import Batch, Networks, Objective, Terms
from cganzoo.regularizer import Regularizer
from cganzoo.specs import BuildContext


class Score(Objective):
    """A hinge-free critic of one score, which depends on the class."""

    def __init__(self, context: BuildContext) -> None:
        super().__init__()
        self.head = nn.Linear(context.features, context.num_classes)

    def score(self, features: Tensor, labels: Tensor) -> Tensor:
        scores: Tensor = self.head(features).gather(1, labels[:, None])[:, 0]
        return scores

    def discriminator_loss(self, real: Batch, fake: Batch) -> Terms:
        scores = self.score(real.features, real.labels), self.score(fake.features, fake.labels)
        return {"real": nn.functional.softplus(-scores[0]).mean(), "fake": nn.functional.softplus(scores[1]).mean()}

    def generator_loss(self, fake: Batch, real: Batch | None = None) -> Terms:
        return {"adversarial": nn.functional.softplus(-self.score(fake.features, fake.labels)).mean()}


class Noisy(Score):
    """A stochastic loss that looks at a second view of the real images."""

    stochastic = True
    uses_networks = True

    def discriminator_loss(self, real: Batch, fake: Batch, networks: Networks | None = None) -> Terms:
        assert networks is not None
        moved = networks.score(real.images + 0.1 * torch.randn_like(real.images), real.labels)
        return {**super().discriminator_loss(real, fake), "moved": moved.square().mean()}

    def generator_loss(self, fake: Batch, real: Batch | None = None, networks: Networks | None = None) -> Terms:
        return super().generator_loss(fake, real)


class Slope(Regularizer):
    """The squared slope of the score at the real images."""

    uses_image_gradients = True
    uses_score = True

    def __init__(self, context: BuildContext) -> None:
        super().__init__()

    def discriminator_penalty(self, real: Batch, fake: Batch, networks: Networks) -> Terms:
        (slope,) = torch.autograd.grad(networks.score_of(real).sum(), real.images, create_graph=True)
        return {"slope": slope.square().sum((1, 2, 3)).mean()}


class Both(Regularizer):
    """A constant penalty of each player; counts its calls."""

    def __init__(self, context: BuildContext) -> None:
        super().__init__()
        self.calls: list[str] = []

    def discriminator_penalty(self, real: Batch, fake: Batch, networks: Networks) -> Terms:
        self.calls.append("discriminator")
        return {"real": real.features.square().mean(), "both_fake": fake.features.square().mean()}

    def generator_penalty(self, fake: Batch, networks: Networks, real: Batch | None = None) -> Terms:
        self.calls.append("generator")
        return {"both": fake.images.square().mean()}


class Anchor(Regularizer):
    """Scores stay near their running averages, as in LeCam: the averages are buffers."""

    uses_score = True
    relational = True

    def __init__(self, context: BuildContext) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(()))

    def discriminator_penalty(self, real: Batch, fake: Batch, networks: Networks) -> Terms:
        scores = networks.score_of(real)
        mean = self.get_buffer("mean")
        mean.lerp_(scores.detach().mean(), 0.1)
        return {"anchor": (scores - mean).square().mean()}


class Adaptive(Augmentation):
    """Random brightness, which is stronger after positive scores of real images: its strength is a buffer."""

    def __init__(self, context: BuildContext) -> None:
        super().__init__()
        self.register_buffer("strength", torch.tensor(0.1))
        self.observed: list[Tensor] = []

    def forward(self, images: Tensor) -> Tensor:
        change = torch.randn(len(images), 1, 1, 1, dtype=images.dtype, device=images.device)
        return images + self.get_buffer("strength") * change

    def observe(self, scores: Tensor) -> None:
        self.observed.append(scores)
        self.get_buffer("strength").add_(0.01 * scores.sign().mean()).clamp_(0, 1)


class Double(Augmentation):
    """Twice the values."""

    def __init__(self, context: BuildContext) -> None:
        super().__init__()

    def forward(self, images: Tensor) -> Tensor:
        return images * 2


class AddOne(Augmentation):
    """One more."""

    def __init__(self, context: BuildContext) -> None:
        super().__init__()

    def forward(self, images: Tensor) -> Tensor:
        return images + 1
