"""The losses: each is the sound one and a fault."""

from __future__ import annotations

import datetime

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from cganzoo.config import value_at
from cganzoo.objective import Objective

LOSSES = {}


def faulty(cls):
    """Register a loss under its name in snake case."""
    LOSSES["".join(f"_{c.lower()}" if c.isupper() else c for c in cls.__name__).lstrip("_")] = cls
    return cls


class Sound(Objective):
    """Real or fake, and a classifier of real samples that guides the generator."""

    def __init__(self, config, context):
        super().__init__()
        self.realness = nn.Linear(context.features, 1)
        self.classifier = nn.Linear(context.features, context.num_classes)
        self.hold(weight=config.weight)

    def discriminator_loss(self, real, fake):
        return {
            "real": F.softplus(-self.logit(real.features)).mean(),
            "fake": F.softplus(self.logit(fake.features)).mean(),
            "class": self.weight * F.cross_entropy(self.classifier(real.features), real.labels),
        }

    def generator_loss(self, fake, real=None):
        return {
            "adversarial": F.softplus(-self.logit(fake.features)).mean(),
            "class": self.weight * F.cross_entropy(self.classifier(fake.features), fake.labels),
        }

    def score(self, features, labels):
        return self.logit(features)

    def logit(self, features):
        return self.realness(features).squeeze(1)


@faulty
class ArraysOfTerms(Sound):
    def generator_loss(self, fake, real=None):
        return {"adversarial": F.softplus(-self.logit(fake.features))}


@faulty
class Bfloat16Terms(Sound):
    def generator_loss(self, fake, real=None):
        return {name: term.bfloat16() for name, term in super().generator_loss(fake).items()}


@faulty
class NamesByBatch(Sound):
    def generator_loss(self, fake, real=None):
        return {f"{name}_{len(fake.labels)}": term for name, term in super().generator_loss(fake).items()}


@faulty
class TwoClassesAtLeast(Sound):
    def __init__(self, config, context):
        super().__init__(config, context)
        self.smoothing = 0.1 / (context.num_classes - 1)


@faulty
class OwnClassOnly(Sound):
    relational = True

    def discriminator_loss(self, real, fake):
        other = real.labels[:, None] != real.labels[None, :]
        nearest = (real.features @ real.features.T).masked_fill(~other, float("-inf")).logsumexp(1)
        return {**super().discriminator_loss(real, fake), "apart": 0.01 * F.softplus(nearest).mean()}

    def generator_loss(self, fake, real=None):
        other = fake.labels[:, None] != fake.labels[None, :]
        nearest = (fake.features @ fake.features.T).masked_fill(~other, float("-inf")).amax(1)
        return {**super().generator_loss(fake), "apart": 0.01 * nearest.mean()}


def unbiased(features):
    """Variance over the batch, not a number for a single sample."""
    return (features - features.mean(0)).square().sum() / (len(features) - 1)


@faulty
class TwoSamplesAtLeast(Sound):
    relational = True

    def generator_loss(self, fake, real=None):
        return {**super().generator_loss(fake), "spread": -0.01 * unbiased(fake.features)}


@faulty
class FaultyChoice(Sound):
    def __init__(self, config, context):
        super().__init__(config, context)
        self.spread = config.spread
        self.relational = self.spread == "unbiased"

    def generator_loss(self, fake, real=None):
        terms = super().generator_loss(fake)
        return terms if self.spread == "none" else {**terms, "spread": -0.01 * unbiased(fake.features)}


@faulty
class PairsOnly(Sound):
    relational = True

    def discriminator_loss(self, real, fake):
        gap = self.logit(real.features) - self.logit(fake.features)
        return {**super().discriminator_loss(real, fake), "gap": F.softplus(-gap).mean()}


@faulty
class NaiveLogistic(Sound):
    def generator_loss(self, fake, real=None):
        adversarial = -torch.log(1 / (1 + torch.exp(-self.logit(fake.features)))).mean()
        return {**super().generator_loss(fake), "adversarial": adversarial}


@faulty
class RootOfZero(Sound):
    def discriminator_loss(self, real, fake):
        length = real.features.square().sum(1).sqrt().mean()
        return {**super().discriminator_loss(real, fake), "length": 0.01 * length}


@faulty
class PoleAtOne(Sound):
    def generator_loss(self, fake, real=None):
        return {**super().generator_loss(fake), "pole": -0.01 * (1 - fake.features.abs()).abs().log().mean()}


@faulty
class DetachedFakes(Sound):
    def discriminator_loss(self, real, fake):
        unreal = F.softplus(self.logit(fake.features.detach())).mean()
        return {**super().discriminator_loss(real, fake), "fake": unreal}


@faulty
class DetachedGenerator(Sound):
    def generator_loss(self, fake, real=None):
        return super().generator_loss(type(fake)(fake.images, fake.labels, fake.features.detach()))


@faulty
class UnusedHead(Sound):
    def __init__(self, config, context):
        super().__init__(config, context)
        self.forgotten = nn.Linear(context.features, 1)


@faulty
class DeadHead(UnusedHead):
    def discriminator_loss(self, real, fake):
        return {**super().discriminator_loss(real, fake), "dead": 0.0 * self.forgotten(real.features).mean()}


@faulty
class Unfreezes(Sound):
    def generator_loss(self, fake, real=None):
        self.requires_grad_(True)
        return super().generator_loss(fake)


@faulty
class ClipsWeights(Sound):
    def discriminator_loss(self, real, fake):
        with torch.no_grad():
            self.realness.weight.clamp_(-0.1, 0.1)
        return super().discriminator_loss(real, fake)


@faulty
class ClipsLargeWeights(Sound):
    def discriminator_loss(self, real, fake):
        with torch.no_grad():
            self.realness.weight.clamp_(-10, 10)
        return super().discriminator_loss(real, fake)


@faulty
class CallsBackward(Sound):
    def discriminator_loss(self, real, fake):
        terms = super().discriminator_loss(real, fake)
        if terms["class"].requires_grad:
            terms["class"].backward(retain_graph=True)
        return terms


@faulty
class ClampsImages(Sound):
    def discriminator_loss(self, real, fake):
        real.images.clamp_(-0.5, 0.5)
        return super().discriminator_loss(real, fake)


@faulty
class FirstSampleFirst(Sound):
    relational = True

    def generator_loss(self, fake, real=None):
        weights = torch.arange(len(fake.labels), 0, -1, device=fake.features.device).softmax(0, fake.features.dtype)
        adversarial = (weights * F.softplus(-self.logit(fake.features))).sum()
        return {**super().generator_loss(fake), "adversarial": adversarial}


@faulty
class SecretlyRelational(Sound):
    def discriminator_loss(self, real, fake):
        gap = self.logit(real.features) - self.logit(fake.features).mean()
        return {**super().discriminator_loss(real, fake), "gap": F.softplus(-gap).mean()}


@faulty
class Sums(Sound):
    def generator_loss(self, fake, real=None):
        return {**super().generator_loss(fake), "adversarial": F.softplus(-self.logit(fake.features)).sum()}


@faulty
class SecretlyUnconditional(Sound):
    def generator_loss(self, fake, real=None):
        return {"adversarial": super().generator_loss(fake)["adversarial"]}


@faulty
class DeafToSchedules(Sound):
    def __init__(self, config, context):
        super().__init__(config.model_copy(update={"weight": value_at(config.weight, 0, 1)}), context)


@faulty
class ScoreOfBatch(Sound):
    def score(self, features, labels):
        return self.logit(features) - self.logit(features).mean()


@faulty
class ScoreOfColumns(Sound):
    def score(self, features, labels):
        return self.realness(features)


@faulty
class TorchNoise(Sound):
    def discriminator_loss(self, real, fake):
        noisy = real.features + 0.01 * torch.randn_like(real.features)
        return {**super().discriminator_loss(real, fake), "real": F.softplus(-self.logit(noisy)).mean()}


@faulty
class NumpyDraw(Sound):
    def discriminator_loss(self, real, fake):
        np.random.random()
        return super().discriminator_loss(real, fake)


@faulty
class CountsCalls(Sound):
    calls = 0

    def generator_loss(self, fake, real=None):
        self.calls += 1
        terms = super().generator_loss(fake)
        return {**terms, "class": terms["class"] * min(1.0, self.calls / 1000)}


CLASSES = {}


@faulty
class SharedClasses(Sound):
    def __init__(self, config, context):
        super().__init__(config, context)
        CLASSES["count"] = context.num_classes

    def generator_loss(self, fake, real=None):
        terms = super().generator_loss(fake)
        return {**terms, "class": terms["class"] / CLASSES["count"]}


@faulty
class NumpyHeads(Sound):
    def __init__(self, config, context):
        super().__init__(config, context)
        weights = np.random.normal(0, 0.1, self.realness.weight.shape)
        self.realness.weight.data.copy_(torch.from_numpy(weights))


@faulty
class UnsavedProjection(Sound):
    def __init__(self, config, context):
        super().__init__(config, context)
        self.register_buffer("projection", torch.randn(context.features, context.features), persistent=False)

    def logit(self, features):
        return super().logit(features @ self.projection)


@faulty
class UnloadableState(Sound):
    def get_extra_state(self):
        return datetime.date(2026, 1, 1)

    def set_extra_state(self, state):
        pass


@faulty
class OtherFormula(Sound):
    def generator_loss(self, fake, real=None):
        terms = super().generator_loss(fake)
        return {**terms, "class": terms["class"] + 1e-6 * terms["class"] ** 2}


@faulty
class Float32Only(Sound):
    def generator_loss(self, fake, real=None):
        return {name: term.float() for name, term in super().generator_loss(fake).items()}


@faulty
class Waits(Sound):
    def generator_loss(self, fake, real=None):
        terms = super().generator_loss(fake)
        self.last = terms["adversarial"].item()
        return terms


@faulty
class LeftBehind(Sound):
    def discriminator_loss(self, real, fake):
        logit = self.logit(real.features)
        smooth = torch.full((len(real.labels),), 0.9, dtype=logit.dtype)
        return {**super().discriminator_loss(real, fake), "real": (smooth * F.softplus(-logit)).mean()}


@faulty
class Prints(Sound):
    def generator_loss(self, fake, real=None):
        print("", end="")
        return super().generator_loss(fake)


@faulty
class AveragesByClass(Sound):
    def discriminator_loss(self, real, fake):
        losses = F.softplus(-self.logit(real.features))
        members = F.one_hot(real.labels, self.classifier.out_features).to(losses.dtype)
        means = (members.T @ losses) / members.sum(0).clamp(min=1)
        return {**super().discriminator_loss(real, fake), "real": means.sum() / members.amax(0).sum()}


@faulty
class FollowsRank(Sound):
    def generator_loss(self, fake, real=None):
        terms = super().generator_loss(fake)
        second = torch.distributed.is_initialized() and torch.distributed.get_rank() == 1
        return {**terms, "class": 0 * terms["class"]} if second else terms


@faulty
class FlippedSign(Sound):
    def generator_loss(self, fake, real=None):
        terms = super().generator_loss(fake)
        return {**terms, "adversarial": F.softplus(self.logit(fake.features)).mean()}


@faulty
class MaximisesClassLoss(Sound):
    def discriminator_loss(self, real, fake):
        terms = super().discriminator_loss(real, fake)
        return {**terms, "class": -terms["class"]}


@faulty
class NextClass(Sound):
    def generator_loss(self, fake, real=None):
        labels = (fake.labels + 1) % self.classifier.out_features
        return super().generator_loss(type(fake)(fake.images, labels, fake.features))


@faulty
class LearnsClassesOfFakes(Sound):
    def discriminator_loss(self, real, fake):
        of_fakes = F.cross_entropy(self.classifier(fake.features), fake.labels)
        return {**super().discriminator_loss(real, fake), "class_fake": 0.1 * of_fakes}

    def generator_loss(self, fake, real=None):
        return {"adversarial": super().generator_loss(fake)["adversarial"]}


@faulty
class NegatedScore(Sound):
    def score(self, features, labels):
        return -super().score(features, labels)


@faulty
class FixedClassifier(Sound):
    """Faultless."""

    def __init__(self, config, context):
        super().__init__(config, context)
        self.classifier.requires_grad_(False)


@faulty
class RunningMean(Sound):
    """Faultless."""

    relational = True

    def __init__(self, config, context):
        super().__init__(config, context)
        self.register_buffer("mean", torch.zeros(()))

    def discriminator_loss(self, real, fake):
        with torch.no_grad():
            self.mean.lerp_(self.logit(real.features).mean(), 0.1)
        gap = self.mean - self.logit(fake.features)
        return {**super().discriminator_loss(real, fake), "gap": 0.1 * F.softplus(-gap).mean()}


@faulty
class KeepsGraph(Sound):
    def generator_loss(self, fake, real=None):
        terms = super().generator_loss(fake)
        self.last = terms["adversarial"]
        return terms


@faulty
class Collects(Sound):
    def __init__(self, config, context):
        super().__init__(config, context)
        self.history = []

    def generator_loss(self, fake, real=None):
        terms = super().generator_loss(fake)
        self.history.append(terms["adversarial"].detach())
        return terms


@faulty
class WarmsUp(Sound):
    steps = 0

    def discriminator_loss(self, real, fake):
        self.steps += 1
        terms = super().discriminator_loss(real, fake)
        return terms if self.steps > 1000 else {**terms, "class": 0.5 * terms["class"]}


@faulty
class OddNames(Sound):
    def generator_loss(self, fake, real=None):
        return {f"../{name}\n": term for name, term in super().generator_loss(fake).items()}


@faulty
class LogsAccuracy(Sound):
    def discriminator_loss(self, real, fake):
        right = self.classifier(real.features).argmax(1) == real.labels
        return {**super().discriminator_loss(real, fake), "accuracy": right.to(real.features.dtype).mean()}


@faulty
class ClassesOfBatch(Sound):
    def discriminator_loss(self, real, fake):
        missing = F.one_hot(real.labels, self.classifier.out_features).sum(0) == 0
        logits = self.classifier(real.features).masked_fill(missing, -1e4)
        return {**super().discriminator_loss(real, fake), "class": F.cross_entropy(logits, real.labels)}


@faulty
class NeedlesslyRelational(Sound):
    relational = True


@faulty
class RelationalSums(Sound):
    relational = True

    def generator_loss(self, fake, real=None):
        return {**super().generator_loss(fake), "adversarial": F.softplus(-self.logit(fake.features)).sum()}


@faulty
class DropsOut(Sound):
    def __init__(self, config, context):
        super().__init__(config, context)
        self.classifier = nn.Sequential(nn.Dropout(0.2), self.classifier)


@faulty
class Contrasts(Sound):
    """Faultless."""

    relational = True

    def discriminator_loss(self, real, fake):
        return {**super().discriminator_loss(real, fake), "contrast": 0.1 * self.contrast(real)}

    def generator_loss(self, fake, real=None):
        return {**super().generator_loss(fake), "contrast": 0.1 * self.contrast(fake)}

    def contrast(self, batch):
        embeddings = F.normalize(self.classifier(batch.features), dim=1)
        own = F.one_hot(batch.labels, self.classifier.out_features).to(embeddings.dtype)
        return F.cross_entropy(embeddings @ embeddings.T, (own @ own.T) / (own @ own.T).sum(1, keepdim=True))
