"""The loss is what it says of itself."""

from __future__ import annotations

from unittest import SkipTest

import torch

from cganzoo.objective import Batch, Objective
from cganzoo.testing.formula import TOLERANCE
from cganzoo.testing.variants import schedulable

from .checks import (
    CLASS_COUNTS,
    PLAYERS,
    SEEDS,
    LossChecks,
    check_close,
    count_of_classes,
    each_variant,
    of_steady_losses,
    score_of,
)
from .trial import CLASSES, SIZE, Trial, gradients, kept, losses, rows, totals, with_labels

COPIES = 4
"""Of each sample, in a batch that should cost what it costs with one of each."""


class LossPromises(LossChecks):
    """Flags, conditioning, schedules and score are true."""

    @each_variant
    @of_steady_losses
    def test_order_of_samples(self, trial: Trial) -> None:
        """Samples in another order give the same losses, and their gradients in that order."""
        objective = trial.objective(dtype=torch.float64)
        real, fake = trial.batches(objective, dtype=torch.float64)
        order = torch.randperm(SIZE, generator=torch.Generator().manual_seed(1))
        pairs = objective.relational or objective.fake_labels == "paired"  # real i may belong to fake i
        orders = (order, order) if pairs else (order, order.flip(0))
        turned = rows(real, orders[0]), rows(fake, orders[1])
        found = []
        for batches in ((real, fake), turned):
            leaves = [batch.features for batch in batches]
            with kept(objective):
                both = totals(objective, *batches)
                found.append({method: (both[method].detach(), gradients(both[method], leaves)) for method in PLAYERS})
        for method in PLAYERS:
            (one, straight), (two, changed) = (result[method] for result in found)
            check_close(one, two, f"{method} depends on the order of the samples in their batch")
            for before, after, moved in zip(straight, changed, orders, strict=True):
                check_close(
                    before[moved], after, f"{method}: in another order, samples get other gradients than their own"
                )

    @each_variant
    @of_steady_losses
    def test_relational_is_true(self, trial: Trial) -> None:
        """A loss is ``relational``, or the mean over the halves of its batch, with all classes in each or with few."""
        objective = trial.objective(dtype=torch.float64)
        differs = _off_the_mean(trial)
        if objective.relational:
            if trial.told:
                return  # what is told of a class holds for each choice of options, though one may need it alone
            assert differs or any(_off_the_mean(other) for other in self.trials()), (
                "the loss says relational = True, but it is the mean over the halves of its batch: it compares no "
                "samples; take it out, and several processes give what one does"
            )
            return
        for method, (distance, halves) in differs.items():
            raise AssertionError(
                f"{method} of a batch is not the mean over its two halves, {halves}: average over the batch, or set "
                f"relational = True if the loss compares samples with each other (off by {distance:.3g})"
            )

    @each_variant
    @of_steady_losses
    def test_batch_is_averaged(self, trial: Trial) -> None:
        """A batch that has each sample four times does not have four times the loss."""
        objective = trial.objective(dtype=torch.float64)
        if not objective.relational:
            raise SkipTest("the loss is the mean over the halves of its batch: see relational_is_true")
        sums: dict[tuple[str, str], bool] = {}
        for seed in SEEDS:
            few = trial.batches(objective, seed=seed, dtype=torch.float64)
            again = torch.arange(SIZE).repeat(COPIES)
            with kept(objective):
                one = _sizes(objective, *few)
            with kept(objective):
                many = _sizes(objective, *(rows(batch, again) for batch in few))
            for term, before in one.items():
                # A contrast with more samples may be larger, but then its slope is not as much steeper, too.
                grows = all(0 < (COPIES - 1) * usual < now for usual, now in zip(before, many[term], strict=True))
                sums[term] = sums.get(term, True) and grows
        for (method, name), always in sums.items():
            assert not always, (
                f"{method}, {name}: a batch with each sample {COPIES} times has {COPIES} times the loss or more; take "
                "the mean over the batch, so that its size does not change the learning rate"
            )

    @each_variant
    @of_steady_losses
    def test_conditioning_is_true(self, trial: Trial) -> None:
        """The generator's loss reads the fakes' labels where ``conditioning`` says so; else neither loss does."""
        said = trial.spec.conditioning(trial.config)
        assert said in ("conditional", "unconditional", "any"), (
            f'conditioning says {said!r}; it is "conditional", "unconditional" or "any"'
        )
        objective = trial.objective(dtype=torch.float64)
        reads = set()
        for seed in SEEDS:
            real, fake = trial.batches(objective, seed=seed, dtype=torch.float64)
            with kept(objective):
                one = totals(objective, real, fake)
            with kept(objective):
                two = totals(objective, real, with_labels(fake, (fake.labels + 1) % CLASSES))
            reads |= {method for method in PLAYERS if not torch.equal(one[method], two[method])}
        if said == "conditional":
            assert "generator_loss" in reads, (
                'conditioning says "conditional", but fake.labels do not change generator_loss: nothing would teach a '
                'generator its classes; say "any" if generators without classes do as well'
            )
        else:
            told = " and ".join(sorted(reads))
            assert not reads, (
                f'conditioning says "{said}", but fake.labels change {told}, and a generator that is not told its '
                'classes has none to be held to; say "conditional": conditioning=lambda config: "conditional"'
            )

    def test_schedules(self) -> None:
        """Each option that takes a schedule follows it: at every step as if its value were written as a number."""
        options = schedulable(self.spec.config)
        if not options:
            raise SkipTest("no option takes a schedule")
        for option in options:
            moved, tried = False, False
            for trial in self.trials():
                followed = self._follows(trial, option)
                tried = tried or followed is not None
                moved = moved or bool(followed)
            assert tried, f"option {option} takes a schedule, but refuses every one that was tried"
            assert moved, (
                f"option {option} takes a schedule, but the losses do not move with it: self.hold({option}="
                f"config.{option}) makes self.{option} right at every step"
            )

    def _follows(self, trial: Trial, option: str) -> bool | None:
        """Whether the losses move with the option's schedule; ``None`` where no schedule is accepted."""
        chosen = trial.config.model_dump(mode="json", by_alias=True, exclude_unset=True)
        usual = getattr(trial.config, option)
        start = usual if isinstance(usual, float) else 0.5
        for end in (start / 2, start + 0.5):
            if end == start:
                continue
            try:
                plans = [{"from": start, "to": end, "steps": 10}, start, (start + end) / 2]
                scheduled, first, middle = (
                    Trial(trial.spec, self.config(**{**chosen, option: plan})).objective(dtype=torch.float64)
                    for plan in plans
                )
            except ValueError:
                continue
            batches = trial.batches(scheduled, dtype=torch.float64)
            found = []
            for step, number in ((0, first), (5, middle)):
                scheduled.advance(step, 10)
                with kept(scheduled), kept(number):
                    found.append(totals(scheduled, *batches))
                    by_number = totals(number, *batches)
                for method, wanted in by_number.items():
                    problem = f"{method} at step {step} of a schedule of {option} is not what its value there gives"
                    check_close(
                        found[-1][method], wanted, f"with {trial.told}: {problem}" if trial.told else problem, 1e-6
                    )
            return any(not torch.equal(found[0][method], found[1][method]) for method in PLAYERS)
        return None

    @each_variant
    @of_steady_losses
    def test_score(self, trial: Trial) -> None:
        """The score, where there is one, is a finite number for each sample, whatever else is in its batch."""
        objective = trial.objective(dtype=torch.float64)
        for classes in CLASS_COUNTS:
            objective = trial.objective(classes, dtype=torch.float64)
            _, fake = trial.batches(objective, classes, dtype=torch.float64)
            with kept(objective):
                score = score_of(objective, fake)
            if score is None:
                raise SkipTest("the loss defines no score")
            assert score.shape == (SIZE,), (
                f"score gives {tuple(score.shape)} for {SIZE} samples; give one number for each"
            )
            assert score.isfinite().all(), f"score is not finite, with {count_of_classes(classes)}"
            order = torch.tensor([4, 2, 0])
            with kept(objective):
                some = score_of(objective, rows(fake, order))
            assert some is not None
            check_close(score[order], some, "score of a sample depends on the rest of its batch, or on its place")


def _sizes(objective: Objective, real: Batch, fake: Batch) -> dict[tuple[str, str], tuple[float, float]]:
    """By method and name: a term's size, and its gradient's, where samples that are copies of each other are one."""
    leaves = [real.features, fake.features]
    found = {}
    for method, terms in losses(objective, real, fake).items():
        for name, term in terms.items():
            slopes = [
                slope.reshape(-1, SIZE, slope.shape[1]).sum(0).norm()
                for slope in gradients(term, leaves, retain_graph=True)
            ]
            found[method, name] = abs(term.item()), torch.stack(slopes).norm().item()
    return found


def _off_the_mean(trial: Trial) -> dict[str, tuple[float, str]]:
    """By method: how far a loss is from its mean over two halves of the batch, and which halves; none for equal."""
    objective = trial.objective(dtype=torch.float64)
    real, fake = trial.batches(objective, size=8, dtype=torch.float64)
    with kept(objective):
        whole = totals(objective, real, fake)
    found: dict[str, tuple[float, str]] = {}
    for halves in ("each with all classes", "each with its own classes"):
        orders = (
            [torch.arange(8), torch.arange(8)]
            if halves == "each with all classes"
            else [batch.labels.argsort(stable=True) for batch in (real, fake)]
        )
        parts = []
        for half in (slice(4), slice(4, 8)):
            with kept(objective):
                parts.append(totals(objective, rows(real, orders[0][half]), rows(fake, orders[1][half])))
        for method in PLAYERS:
            mean = (parts[0][method] + parts[1][method]) / 2
            if not torch.allclose(whole[method], mean, rtol=TOLERANCE, atol=TOLERANCE):
                found.setdefault(method, ((whole[method] - mean).abs().max().item(), halves))
    return found
