"""One metric that is right, and subclasses of it that each do one thing wrong."""

import warnings

import numpy as np
import torch
from torch.nn import functional as F

from cganzoo.errors import CganzooError
from cganzoo.metric import Metric


class faultless(Metric):  # noqa: N801 - named as the component
    """The squared distance between the mean features of real images and samples."""

    def __init__(self, context):
        self.context = context
        self.real, self.samples, self.slopes = Sums(), Sums(), Sums()

    def update_reference(self, batch):
        self.real.add(batch.features)

    def update_generator(self, generator, z, labels):
        z = z.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(generator(z, labels).sum(), z)
        self.slopes.add(gradient)
        self.generator = generator  # which it may: it does not outlive the metric

    def update(self, batch):
        self.samples.add(batch.features)

    def merge(self, other):
        for name in ("real", "samples", "slopes"):
            getattr(self, name).merge(getattr(other, name))

    def compute(self):
        if not self.samples.count:
            raise CganzooError("faultless: there are no samples; raise evaluation.samples")
        distance = (self.real.mean() - self.samples.mean()).square().sum().item()
        return {"mean_distance": distance, "mean_slope": self.slope()}

    def slope(self):
        return self.slopes.mean().mean().item() if self.slopes.count else None

    def pictures(self, recall):
        return {"first": recall(torch.tensor([0]))[0]}


class Sums:
    def __init__(self):
        self.count, self.total = 0, 0.0

    def add(self, rows):
        self.count += len(rows)
        self.total = self.total + rows.double().sum(0)

    def merge(self, other):
        self.count += other.count
        self.total = self.total + other.total

    def mean(self):
        return self.total / self.count


# --- what the scores depend on --------------------------------------------------------------------------------------


class depends_on_the_order(faultless):  # noqa: N801
    """Looks at the last sample alone."""

    def update(self, batch):
        self.samples = Sums()
        self.samples.add(batch.features[-1:])

    def merge(self, other):
        self.real.merge(other.real)
        self.slopes.merge(other.slopes)
        self.samples = other.samples if other.samples.count else self.samples


class averages_averages(faultless):  # noqa: N801
    """The mean of the batches' means."""

    merge = Metric.merge

    def update(self, batch):
        self.samples.add(batch.features.mean(0, keepdim=True))


class wrong_formula(faultless):  # noqa: N801
    """Is twice what it should be."""

    def compute(self):
        scores = super().compute()
        return {**scores, "mean_distance": 2 * scores["mean_distance"]}


class moves_the_global_generator(faultless):  # noqa: N801
    """Draws from numpy's."""

    def update(self, batch):
        np.random.permutation(3)
        super().update(batch)


class reseeds_the_global_generator(faultless):  # noqa: N801
    """Seeds torch's, so that what it draws is the same every time."""

    def compute(self):
        torch.manual_seed(0)
        return super().compute()


class follows_the_global_seed(faultless):  # noqa: N801
    """Does not move the global generator, but asks for its seed."""

    def compute(self):
        scores = super().compute()
        return {**scores, "mean_distance": scores["mean_distance"] * (1 + torch.initial_seed() % 7)}


class draws_unseeded(faultless):  # noqa: N801
    """Adds noise that nobody sees."""

    def compute(self):
        scores = super().compute()
        noise = 1 + 1e-9 * np.random.default_rng().random()
        return {**scores, "mean_distance": scores["mean_distance"] * noise}


class changes_its_sums_when_asked(faultless):  # noqa: N801
    """Works in place."""

    def compute(self):
        scores = super().compute()
        self.samples.total *= 1.5
        return scores


class empties_its_sums_when_asked(faultless):  # noqa: N801
    """Frees its memory too early."""

    def compute(self):
        scores = super().compute()
        self.samples = Sums()
        return scores


SHARED = []


class shares_state(faultless):  # noqa: N801
    """Keeps its samples in the module."""

    merge = Metric.merge

    def __init__(self, context):
        super().__init__(context)
        SHARED.clear()

    def update(self, batch):
        SHARED.append(batch.features)

    def compute(self):
        self.samples = Sums()
        for features in SHARED:
            self.samples.add(features)
        return super().compute()


class merges_means(faultless):  # noqa: N801
    """Counts the parts alike, however many samples they have."""

    def merge(self, other):
        if self.samples.count and other.samples.count:
            mean = (self.samples.mean() + other.samples.mean()) / 2
            super().merge(other)
            self.samples.total = mean * self.samples.count
        else:
            super().merge(other)


class merges_nothing_badly(faultless):  # noqa: N801
    """Needs samples in each part."""

    def merge(self, other):
        count, mean = other.samples.count, other.samples.total / other.samples.count
        self.samples.count += count
        self.samples.total = self.samples.total + count * mean
        self.real.merge(other.real)
        self.slopes.merge(other.slopes)


class merges_labelled_samples_alone(faultless):  # noqa: N801
    """Is not defined without labels, and forgets that when merged."""

    defined = True

    def update(self, batch):
        self.defined = self.defined and batch.labels is not None
        super().update(batch)

    def compute(self):
        scores = super().compute()
        return scores if self.defined else dict.fromkeys(scores)


# --- what it reports ------------------------------------------------------------------------------------------------


class undeclared_output(faultless):  # noqa: N801
    """Reports one more."""

    def compute(self):
        return {**super().compute(), "samples": float(self.samples.count)}


class tensor_as_output(faultless):  # noqa: N801
    """Reports a tensor."""

    def compute(self):
        return {**super().compute(), "mean_distance": torch.tensor(1.0)}


class output_missing_without_labels(faultless):  # noqa: N801
    """Leaves an output out where there is no class, in the place of None."""

    merge = Metric.merge
    labelled = True

    def update(self, batch):
        self.labelled = batch.labels is not None
        super().update(batch)

    def compute(self):
        scores = super().compute()
        return scores if self.labelled else {"mean_distance": scores["mean_distance"]}


class warns(faultless):  # noqa: N801
    """Tells the user what the user cannot change."""

    def compute(self):
        warnings.warn("the square root is slow", stacklevel=1)
        return super().compute()


class picture_of_bytes(faultless):  # noqa: N801
    """Shows values of 0 to 255."""

    def pictures(self, recall):
        return {"first": (recall(torch.tensor([0]))[0] + 1) * 127.5}


# --- what it is given -----------------------------------------------------------------------------------------------


class changes_features(faultless):  # noqa: N801
    """Cuts outliers off for all metrics."""

    def update(self, batch):
        batch.features.clamp_(-4, 4)
        super().update(batch)


class crashes_without_labels(faultless):  # noqa: N801
    """Takes it that every sample was asked for by class."""

    def update(self, batch):
        batch.labels.bincount()
        super().update(batch)


class crashes_without_logits(faultless):  # noqa: N801
    """Takes it that every extractor is a classifier."""

    def update(self, batch):
        batch.logits.argmax(1)
        super().update(batch)


class takes_logits_for_classes(faultless):  # noqa: N801
    """Takes it that the extractor's classes are the set's."""

    def update(self, batch):
        if batch.logits.shape[1] and batch.labels is not None:
            batch.logits - F.one_hot(batch.labels, self.context.num_classes)
        super().update(batch)


class crashes_without_samples(faultless):  # noqa: N801
    """Divides by their number."""

    def compute(self):
        1 / self.samples.count
        return super().compute()


class nan_of_one_sample(faultless):  # noqa: N801
    """Takes the standard deviation of one number."""

    def compute(self):
        scores = super().compute()
        spread = torch.randn(self.samples.count, generator=torch.Generator().manual_seed(0)).std()
        return {**scores, "mean_distance": scores["mean_distance"] + 0 * spread.item()}


class needs_the_generator(faultless):  # noqa: N801
    """Takes it that there always is one."""

    def slope(self):
        return self.slopes.mean().mean().item()


class crashes_on_one_class(faultless):  # noqa: N801
    """Compares the first class with the second."""

    def update_reference(self, batch):
        if self.context.num_classes < 10 and len(batch.labels) > 10:
            batch.features[batch.labels == 1][0]
        super().update_reference(batch)


class needs_color(faultless):  # noqa: N801
    """Looks at the blue."""

    def update(self, batch):
        batch.images[:, 2]
        super().update(batch)


class needs_more_images_than_features(faultless):  # noqa: N801
    """Takes a root of a covariance that may have none."""

    merge = Metric.merge

    def __init__(self, context):
        super().__init__(context)
        self.features = []

    def update_reference(self, batch):
        self.features.append(batch.features.double())
        super().update_reference(batch)

    def compute(self):
        torch.linalg.cholesky(torch.cat(self.features).T.cov())
        return super().compute()


# --- generator ------------------------------------------------------------------------------------------------------


class puts_the_generator_into_training(faultless):  # noqa: N801
    """Leaves it in training mode."""

    def update_generator(self, generator, z, labels):
        super().update_generator(generator.train(), z, labels)


class leaves_gradients(faultless):  # noqa: N801
    """Takes the gradient by all weights."""

    def update_generator(self, generator, z, labels):
        z = z.clone().requires_grad_()
        generator(z, labels).sum().backward()
        self.slopes.add(z.grad)


class needs_gradients(faultless):  # noqa: N801
    """Takes gradients where the host records none."""

    def update(self, batch):
        features = batch.features.clone().requires_grad_()
        features.square().sum().backward()
        super().update(batch)


KEPT = []


class keeps_every_generator(faultless):  # noqa: N801
    """Keeps it in the module."""

    def update_generator(self, generator, z, labels):
        super().update_generator(generator, z, labels)
        KEPT.append(generator)


class keeps_what_the_generator_made(faultless):  # noqa: N801
    """Keeps an image with its graph, and so the weights."""

    def update_generator(self, generator, z, labels):
        super().update_generator(generator, z, labels)
        KEPT.append(generator(z, labels)[:1])


class keeps_every_real_image(faultless):  # noqa: N801
    """Keeps a view of them."""

    def update_reference(self, batch):
        super().update_reference(batch)
        KEPT.append(batch.images[:1])
