"""The AC-GAN family; each loss adds one term to another one (arXiv:1703.02000, section 2.2 and eq. 20).

A binary head classifies real and fake. All losses except GAN also have a K-class head C on the same trunk.

    GAN        real or fake
    GAN*       GAN, and D classifies real samples
    AC-GAN*    GAN*, and G learns samples that C classifies as their target class
    AC-GAN     AC-GAN*, and D also learns to classify fakes as their target class
    AC-GAN*+   AC-GAN*, and D learns to be undecided on fakes
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from cganzoo import BuildContext
from cganzoo.functional import adversarial_fake, adversarial_generator, adversarial_real, realness
from cganzoo.objective import Batch, Objective, Terms

from .config import ACGANConfig, GANConfig, GANStarConfig


class GAN(Objective):
    """Real or fake (arXiv:1406.2661), with the non-saturating generator loss."""

    def __init__(self, config: GANConfig, context: BuildContext) -> None:
        super().__init__()
        self.rule = config.adversarial
        self.realness = nn.Linear(context.features, 1)

    def discriminator_loss(self, real: Batch, fake: Batch) -> Terms:
        """See :class:`~cganzoo.objective.Objective`."""
        return {
            "real": adversarial_real(self.rule, self.output(real.features)),
            "fake": adversarial_fake(self.rule, self.output(fake.features)),
        }

    def generator_loss(self, fake: Batch, real: Batch | None = None) -> Terms:
        """See :class:`~cganzoo.objective.Objective`."""
        return {"adversarial": adversarial_generator(self.rule, self.output(fake.features))}

    def output(self, features: Tensor) -> Tensor:
        """The output (N,) of the real/fake head."""
        output: Tensor = self.realness(features)
        return output.squeeze(1)

    def score(self, features: Tensor, labels: Tensor) -> Tensor:
        """The real/fake score (N,); it does not depend on the class."""
        return realness(self.rule, self.output(features))


class GANStar(GAN):
    """GAN whose discriminator also learns to classify real samples; the generator has no class term."""

    discriminator_class_weight: float | Tensor

    def __init__(self, config: GANStarConfig | ACGANConfig, context: BuildContext) -> None:
        super().__init__(config, context)
        self.classifier = nn.Linear(context.features, context.num_classes)
        self.hold(discriminator_class_weight=config.discriminator_class_weight)

    def discriminator_loss(self, real: Batch, fake: Batch) -> Terms:
        """GAN's terms, and H(u(y), C(x)) on real samples."""
        class_real = F.cross_entropy(self.classifier(real.features), real.labels)
        return {**super().discriminator_loss(real, fake), "class_real": self.discriminator_class_weight * class_real}


class ACGANStar(GANStar):
    """AC-GAN as in the AM-GAN paper: the classifier learns only from real samples and guides the generator."""

    generator_class_weight: float | Tensor

    def __init__(self, config: ACGANConfig, context: BuildContext) -> None:
        super().__init__(config, context)
        self.labeling = config.labeling
        self.hold(generator_class_weight=config.generator_class_weight)

    def generator_loss(self, fake: Batch, real: Batch | None = None) -> Terms:
        """GAN's term, and H(u(y), C(x)) on fakes."""
        return {**super().generator_loss(fake, real), "class_fake": self.generator_class_weight * self.class_fake(fake)}

    def class_fake(self, fake: Batch) -> Tensor:
        """H(u(y), C(x)) on fakes; y is the requested class or, with dynamic labeling, the most likely class."""
        logits = self.classifier(fake.features)
        return F.cross_entropy(logits, fake.labels if self.labeling == "predefined" else logits.argmax(1))


class ACGAN(ACGANStar):
    """AC-GAN as in its paper: the classifier also learns to classify fakes as their target class."""

    def discriminator_loss(self, real: Batch, fake: Batch) -> Terms:
        """AC-GAN*'s terms, and H(u(y), C(x)) on fakes."""
        class_fake = self.discriminator_class_weight * self.class_fake(fake)
        return {**super().discriminator_loss(real, fake), "class_fake": class_fake}


class ACGANStarPlus(ACGANStar):
    """AC-GAN* whose classifier is also adversarial: the discriminator trains it to be undecided on fakes."""

    def discriminator_loss(self, real: Batch, fake: Batch) -> Terms:
        """AC-GAN*'s terms, and H(uniform, C(x)) on fakes."""
        undecided = -self.classifier(fake.features).log_softmax(1).mean()
        return {**super().discriminator_loss(real, fake), "undecided": self.discriminator_class_weight * undecided}
