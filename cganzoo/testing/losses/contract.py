"""The contract of a loss with the engine: each loss trains its own player only, and the declarations are true."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from unittest import SkipTest

import torch
from torch import Tensor
from torch.autograd import backward

from cganzoo.objective import Batch
from cganzoo.testing.conformance import check_equal, schedulable
from cganzoo.testing.modules import unchanged
from cganzoo.train.freeze import frozen

from . import base
from .base import CLASSES, METHODS, SEEDS, SIZE, TOLERANCE, Loss, LossChecks, buffers_restored, check_close, subset

COPIES = 4


class LossContract(LossChecks):
    """Gradients, flags, conditioning, schedules and score."""

    @base.each_variant
    def test_discriminator_loss_reaches_every_head(self, loss: Loss) -> None:
        """The discriminator's loss has a gradient in every parameter of the loss that is not fixed."""
        heads = loss.heads
        sizes = dict.fromkeys(heads, 0.0)
        for seed in SEEDS:
            value = loss.discriminator_loss(*loss.batches(seed=seed))
            used = heads and value.requires_grad
            found = torch.autograd.grad(value, list(heads.values()), allow_unused=True) if used else [None] * len(heads)
            for name, gradient in zip(heads, found, strict=True):
                assert gradient is not None, f"discriminator_loss does not use {name}; use it, or make it a buffer"
                assert gradient.isfinite().all(), f"discriminator_loss has a gradient in {name} that is not finite"
                sizes[name] += gradient.abs().sum().item()
        # The gradient of a bias may be zero: the score of a real minus that of a fake does not depend on it.
        idle = [name for name, size in sizes.items() if size == 0 and heads[name].ndim > 1]
        assert not idle, f"the gradient of discriminator_loss in {', '.join(idle)} is always zero; use it, or remove it"

    @base.each_variant
    def test_discriminator_loss_reaches_the_trunk(self, loss: Loss) -> None:
        """The discriminator's loss has a gradient in the features of real and of fake samples."""
        sizes = {"real": 0.0, "fake": 0.0}
        for seed in SEEDS:
            real, fake = loss.batches(seed=seed)
            value = loss.discriminator_loss(real, fake)
            for side, gradient in zip(sizes, base.gradients(value, [real.features, fake.features]), strict=True):
                sizes[side] += gradient.abs().sum().item()
        for side, size in sizes.items():
            assert size > 0, f"discriminator_loss has no gradient in {side}.features; a loss needs no detach()"

    @base.each_variant
    def test_generator_loss_reaches_the_generator(self, loss: Loss) -> None:
        """The generator's loss has a gradient in every parameter of the generator."""
        gan = loss.gan()
        parameters = dict(gan.generator.named_parameters())
        sizes = dict.fromkeys(parameters, 0.0)
        for seed in SEEDS:
            with frozen(gan.discriminator_parameters):
                value = gan.generator_loss(*base.gan_inputs(gan, seed=seed))
            for name, gradient in zip(parameters, base.gradients(value, list(parameters.values())), strict=True):
                assert gradient.isfinite().all(), f"generator_loss has a gradient in {name} that is not finite"
                sizes[name] += gradient.abs().sum().item()
        idle = ", ".join(name for name, size in sizes.items() if size == 0)
        assert not idle, f"generator_loss has no gradient in the generator's {idle}; do not detach fake.features"

    @base.each_variant
    def test_generator_loss_leaves_the_discriminator_alone(self, loss: Loss) -> None:
        """The generator's loss does not change trunk and heads: no gradient, no new value, still frozen."""
        gan = loss.gan()
        discriminator = {"the trunk's": gan.trunk, "the loss's": gan.objective}
        with frozen(gan.discriminator_parameters), unchanged("generator_loss", discriminator):
            value = gan.generator_loss(*base.gan_inputs(gan))
            if value.requires_grad:
                backward(value)

    @base.each_variant
    def test_discriminator_loss_changes_no_weight(self, loss: Loss) -> None:
        """The discriminator's loss does not change the generator, and changes no weight: the optimizer does that."""
        gan = loss.gan()
        with unchanged("discriminator_loss", {"the generator's": gan.generator}):
            with unchanged("discriminator_loss", {"the trunk's": gan.trunk, "the loss's": gan.objective}):
                value = gan.discriminator_loss(*base.gan_inputs(gan))
            backward(value)

    @base.each_variant
    def test_every_term_teaches(self, loss: Loss) -> None:
        """Each term depends on what its player trains: on features, heads, images or networks; or it is zero."""
        found: dict[tuple[str, str], list[tuple[bool, bool]]] = {}
        for seed in SEEDS:
            real, fake = loss.batches(seed=seed)
            leaves = {
                "discriminator_loss": [real.features, fake.features, *loss.heads.values()],
                "generator_loss": [fake.features],
            }
            if loss.objective.uses_image_gradients:  # the gradient in an image depends on the trunk
                leaves["discriminator_loss"] += [real.images, fake.images]
            else:
                fake = replace(fake, images=fake.images.requires_grad_() * 1)
            leaves["generator_loss"] += [fake.images]  # a term may depend on the images only
            if loss.objective.uses_networks:
                for method, networks in loss.networks.items():
                    leaves[method] += [value for _, value in networks.parameters() if value.requires_grad]
            with buffers_restored(loss.objective):
                for method, terms in loss.terms(real, fake).items():
                    for name, term in terms.items():
                        depends, nonzero = _depends(term, leaves[method]), bool(term.any())
                        found.setdefault((method, name), []).append((depends, nonzero))
        for (method, name), of_seeds in found.items():
            depends, nonzero = map(any, zip(*of_seeds, strict=True))
            assert depends or not nonzero, f"{method}, {name} has no gradient; remove a term that is only for the log"

    @base.each_variant
    def test_inputs_are_left_alone(self, loss: Loss) -> None:
        """The two losses and the score do not change images, labels or features in place."""
        real, fake = loss.batches()
        sides = {"real": real, "fake": fake}
        parts = [(f"{side}.{part}", getattr(batch, part)) for side, batch in sides.items() for part in base.FIELDS]
        given = {name: value for name, value in parts if value is not None}
        before = {name: value.detach().clone() for name, value in given.items()}
        for method, call in loss.calls(real, fake).items():
            call()
            check_equal(given, before, f"is changed in place by {method}; compute a new tensor (no relu_(), mul_())")

    # --- declarations ------------------------------------------------------------------------------------------------

    @base.each_repeatable_variant
    def test_order_of_samples(self, loss: Loss) -> None:
        """Samples in another order give the same losses, and the same gradient for each sample."""
        loss = replace(loss, dtype=torch.float64)
        batches = loss.batches()
        order = torch.randperm(SIZE, generator=torch.Generator().manual_seed(1))
        pairs = loss.objective.relational or loss.objective.fake_labels == "paired"  # real i may belong to fake i
        orders = (order, order if pairs else order.flip(0))
        moved = [subset(batch, order) for batch, order in zip(batches, orders, strict=True)]
        found = []
        for real, fake in (batches, moved):
            with buffers_restored(loss.objective):
                both, leaves = loss.totals(real, fake), [real.features, fake.features]
                found.append((both, {method: base.gradients(both[method], leaves) for method in METHODS}))
        (losses_before, before), (losses_after, after) = found
        with base.unless_stochastic(loss):
            base.check_losses_close(losses_before, losses_after, "depends on the order of the samples in their batch")
            for method in METHODS:
                for one, two, order in zip(before[method], after[method], orders, strict=True):
                    check_close(one[order], two, f"{method}: a sample gets another gradient in another order")

    @base.each_repeatable_variant
    def test_relational_is_true(self, loss: Loss) -> None:
        """A loss without ``relational`` is the mean over the halves of its batch; one with ``relational`` is not."""
        differs = _differs_from_the_mean(loss)
        if loss.objective.relational:
            # Only one of several choices of options may need the declaration.
            true = loss.label or differs or any(map(_differs_from_the_mean, self.each()))
            assert true, "relational = True, but the loss is the mean over the halves of its batch; remove it"
            return
        for method, (distance, halves) in differs.items():
            problem = f"{method} of a batch is not the mean over its two halves, {halves} (off by {distance:.3g})"
            advice = "average over the batch, or set relational = True if it compares samples"
            with base.unless_stochastic(loss):
                raise AssertionError(f"{problem}; {advice}")

    @base.each_repeatable_variant
    def test_batch_is_averaged(self, loss: Loss) -> None:
        """A batch with four copies of each sample does not have four times the loss."""
        loss = replace(loss, dtype=torch.float64)
        if not loss.objective.relational:
            raise SkipTest("the loss is the mean over the halves of its batch: see relational_is_true")
        sums: dict[tuple[str, str], bool] = {}
        for seed in SEEDS:
            batches = loss.batches(seed=seed)
            copies = [subset(batch, torch.arange(SIZE).repeat(COPIES)) for batch in batches]
            one, many = _sizes(loss, *batches), _sizes(loss, *copies)
            for term, before in one.items():
                # A contrast with more samples may be larger, but then its gradient does not grow as much.
                grows = all(0 < (COPIES - 1) * old < new for old, new in zip(before, many[term], strict=True))
                sums[term] = sums.get(term, True) and grows
        for (method, name), always in sums.items():
            problem = f"{COPIES} copies of each sample have {COPIES} times the loss or more"
            with base.unless_stochastic(loss):
                assert not always, f"{method}, {name}: {problem}; take the mean over the batch"

    @base.each_repeatable_variant
    def test_conditioning_is_true(self, loss: Loss) -> None:
        """The generator loss depends on the fakes' labels if ``conditioning`` says so; otherwise no loss uses them."""
        declared = loss.spec.conditioning(loss.config)
        allowed = ("conditional", "unconditional", "any")
        assert declared in allowed, f"conditioning is {declared!r}; it must be one of {allowed}"
        loss = replace(loss, dtype=torch.float64)
        depends = set()
        for seed in SEEDS:
            real, fake = loss.batches(seed=seed)
            one, two = loss.values(real, fake), loss.values(real, replace(fake, labels=(fake.labels + 1) % CLASSES))
            depends |= {method for method in METHODS if not torch.equal(one[method], two[method])}
        if declared == "conditional":
            problem = 'conditioning is "conditional", but fake.labels do not change generator_loss'
            assert "generator_loss" in depends, f'{problem}; use "any" if the loss also trains unconditional generators'
        else:
            problem = f'conditioning is "{declared}", but fake.labels change {" and ".join(sorted(depends))}'
            assert not depends, f'{problem}; set conditioning=lambda config: "conditional"'

    def test_schedules(self) -> None:
        """Each option that accepts a schedule follows it: at each step, the loss is that of the scheduled number."""
        options = schedulable(self.spec.config)
        if not options:
            raise SkipTest("no option accepts a schedule")
        for option in options:
            followed = [self._follows(loss, option) for loss in self.each()]
            assert set(followed) != {None}, f"option {option} accepts a schedule, but refuses all that were tried"
            problem = f"option {option} accepts a schedule, but the losses do not change with it"
            assert any(followed), f"{problem}; use self.hold({option}=config.{option}), which sets self.{option}"

    def _follows(self, loss: Loss, option: str) -> bool | None:
        """Whether the losses change with the option's schedule; ``None`` if no schedule is accepted."""
        chosen = loss.config.model_dump(mode="json", by_alias=True, exclude_unset=True)
        default = getattr(loss.config, option)
        start = default if isinstance(default, float) else 0.5
        for end in (start / 2, start + 0.5):
            if end == start:
                continue
            plans = [{"from": start, "to": end, "steps": 10}, start, (start + end) / 2]
            try:
                configs = [self.config(**{**chosen, option: plan}) for plan in plans]
                scheduled, *fixed = (replace(loss, config=config, dtype=torch.float64) for config in configs)
                _ = [one.objective for one in (scheduled, *fixed)]  # may refuse the schedule, too
            except ValueError:
                continue
            batches = scheduled.batches()
            found = []
            for step, number in zip((0, 5), fixed, strict=True):
                scheduled.objective.advance(step, 10)
                found.append(scheduled.values(*batches))
                problem = f"at step {step} of a schedule of {option} differs from the loss for the number at that step"
                try:
                    base.check_losses_close(found[-1], number.values(*batches), problem, 1e-6)
                except AssertionError as error:
                    raise AssertionError(f"{loss.prefix}{error}") from error
            return any(not torch.equal(found[0][method], found[1][method]) for method in METHODS)
        return None

    @base.each_repeatable_variant
    def test_score(self, loss: Loss) -> None:
        """The score, if there is one, is a finite number for each sample, independent of the rest of its batch."""
        for classes in base.CLASS_COUNTS:
            loss = replace(loss, classes=classes, dtype=torch.float64)
            fake, order = loss.batches()[1], torch.tensor([4, 2, 0])
            with buffers_restored(loss.objective):
                score = base.score_of(loss.objective, fake)
            if score is None:
                raise SkipTest("the loss defines no score")
            assert score.shape == (SIZE,), f"score has shape {tuple(score.shape)}; return (N,) = ({SIZE},)"
            assert score.isfinite().all(), f"score is not finite, with num_classes = {classes}"
            with buffers_restored(loss.objective):
                some = base.score_of(loss.objective, subset(fake, order))
            assert some is not None
            check_close(score[order], some, "the score of a sample depends on the rest of its batch")


def _depends(term: Tensor, leaves: Sequence[Tensor]) -> bool:
    """Whether a term has a gradient, which may be zero, in one of ``leaves``."""
    if not term.requires_grad:
        return False
    found = torch.autograd.grad(term.sum(), leaves, retain_graph=True, allow_unused=True)
    return any(gradient is not None for gradient in found)


def _sizes(loss: Loss, real: Batch, fake: Batch) -> dict[tuple[str, str], tuple[float, float]]:
    """By method and name: the size of a term, and of its gradient summed over the copies of each sample."""
    leaves = [real.features, fake.features]
    found = {}
    with buffers_restored(loss.objective):
        for method, terms in loss.terms(real, fake).items():
            for name, term in terms.items():
                slopes = torch.cat(base.gradients(term, leaves), 1)
                found[method, name] = abs(term.item()), slopes.view(-1, SIZE, slopes.shape[1]).sum(0).norm().item()
    return found


def _differs_from_the_mean(loss: Loss) -> dict[str, tuple[float, str]]:
    """For each method that differs from its mean over two halves of the batch: by how much, and for which halves."""
    loss = replace(loss, dtype=torch.float64)
    batches = loss.batches(size=8)
    whole = loss.values(*batches)
    found: dict[str, tuple[float, str]] = {}
    by_class = [subset(batch, batch.labels.argsort(stable=True)) for batch in batches]
    for halves, (real, fake) in (("each with all classes", batches), ("each with its own classes", by_class)):
        one, two = (loss.values(subset(real, half), subset(fake, half)) for half in (slice(4), slice(4, 8)))
        for method in METHODS:
            mean = (one[method] + two[method]) / 2
            if not torch.allclose(whole[method], mean, rtol=TOLERANCE, atol=TOLERANCE):
                found.setdefault(method, ((whole[method] - mean).abs().max().item(), halves))
    return found
