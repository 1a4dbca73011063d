"""The loss of conditional StyleGAN2: the score is the inner product of the features and the mapped class."""

from __future__ import annotations

from torch import Tensor

from cganzoo import BuildContext
from cganzoo.functional import adversarial_fake, adversarial_generator, adversarial_real, realness
from cganzoo.objective import Batch, Objective, Terms

from .config import StyleGAN2LossConfig
from .layers import EqualizedLinear
from .mapping import ClassEmbedding, Mapping


class StyleGAN2Loss(Objective):
    """The score is <m(y), psi(phi(x))> / sqrt(E) (arXiv:2006.06676, section 4).

    psi is a linear layer to E numbers, and m a mapping network of the embedded class.
    """

    def __init__(self, config: StyleGAN2LossConfig, context: BuildContext) -> None:
        super().__init__()
        self.rule, length = config.adversarial, config.embedding_dim
        self.psi = EqualizedLinear(context.features, length)
        self.embedding = ClassEmbedding(context.num_classes, length)
        self.mapping = Mapping(length, length, config.mapping_layers)
        self.gain: float = length**-0.5

    def discriminator_loss(self, real: Batch, fake: Batch) -> Terms:
        """See :class:`~cganzoo.objective.Objective`."""
        return {
            "real": adversarial_real(self.rule, self.output(real.features, real.labels)),
            "fake": adversarial_fake(self.rule, self.output(fake.features, fake.labels)),
        }

    def generator_loss(self, fake: Batch, real: Batch | None = None) -> Terms:
        """See :class:`~cganzoo.objective.Objective`."""
        return {"adversarial": adversarial_generator(self.rule, self.output(fake.features, fake.labels))}

    def output(self, features: Tensor, labels: Tensor) -> Tensor:
        """s(x, y): features (N, D) and labels (N,) to (N,)."""
        classes: Tensor = self.mapping(self.embedding(labels))
        projected: Tensor = self.psi(features)
        return (classes * projected).sum(1) * self.gain

    def score(self, features: Tensor, labels: Tensor) -> Tensor:
        """Score of each sample given its class: features (N, D) and labels (N,) to (N,)."""
        return realness(self.rule, self.output(features, labels))
