"""Other ways to compute the same loss give the same."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any
from unittest import SkipTest

import torch
from torch import Tensor

from cganzoo.objective import Batch, Objective
from cganzoo.testing.formula import CASES, assert_same, random_batch
from cganzoo.testing.variants import schedulable

from .checks import (
    PLAYERS,
    SEEDS,
    LossChecks,
    calls,
    check_close,
    check_finite,
    count_of_classes,
    each_variant,
    of_steady_losses,
    over,
)
from .trial import Trial, gradients, kept, losses, total, totals, with_features, with_labels


class LossEquals(LossChecks):
    """Formula, precision, device and compiler."""

    def test_equals_its_reference(self) -> None:
        """Terms and gradients equal the author's reference in float64, on classes, batches and seeds of all sorts."""
        if self.spec.reference is None:
            raise SkipTest("the loss has no reference: LossSpec(reference=...)")
        assert self.spec.reference(self.config()) is not None, "the reference covers at least the default options"
        over([*self.trials(), *self._with_other_numbers()], self._equals)

    def _with_other_numbers(self) -> Iterator[Trial]:
        """The loss with each weight, temperature and the like changed in its turn, where the options allow it."""
        usual = self.config()
        for option in schedulable(self.spec.config):
            number = getattr(usual, option)
            for other in (number / 2, number + 0.5) if isinstance(number, float) else (0.5,):
                if other != number:
                    with contextlib.suppress(ValueError):
                        yield Trial(self.spec, self.config(**{option: other}), f"{option}={other:g}")
                        break

    def _equals(self, trial: Trial) -> None:
        formula = trial.spec.reference(trial.config) if trial.spec.reference is not None else None
        if formula is None:
            raise SkipTest("the reference does not cover it")
        for classes, size, seed in CASES:
            objective = trial.objective(classes, seed, torch.float64)
            heads = {**dict(objective.named_parameters()), **dict(objective.named_buffers())}
            real, fake = random_batch(classes, size, seed), random_batch(classes, size, seed + 9)
            if objective.fake_labels == "paired":
                fake = with_labels(fake, real.labels)
            used = real if objective.uses_real_in_generator_loss else None
            with kept(objective):
                ours = objective.discriminator_loss(real, fake)
                naive = formula.discriminator_loss(heads, real, fake, trial.config)
                _check_same("discriminator_loss", (classes, size, seed), objective, ours, naive, real, fake)
            with kept(objective):
                ours = objective.generator_loss(fake, used)
                naive = formula.generator_loss(heads, fake, trial.config, used)
                _check_same("generator_loss", (classes, size, seed), objective, ours, naive, fake)

    @each_variant
    def test_runs_in_float64(self, trial: Trial) -> None:
        """In float64 the losses are float64, and near those in float32."""
        results = {}
        for dtype in (torch.float32, torch.float64):
            objective = trial.objective(dtype=dtype)
            results[dtype] = totals(objective, *trial.batches(objective, dtype=dtype))
        for method in PLAYERS:
            exact = results[torch.float64][method]
            assert exact.dtype == torch.float64, (
                f"{method} of float64 features is {exact.dtype}: create tensors with the features' dtype"
            )
            check_close(results[torch.float32][method].double(), exact, f"{method} differs in float32", 1e-3)

    @each_variant
    def test_rounded_features(self, trial: Trial) -> None:
        """Features that bfloat16 has rounded give finite losses and gradients, near those of exact features."""
        objective = trial.objective()
        for scale in (0.3, 1.0, 5.0):
            real, fake = trial.batches(objective, scale=scale)
            for squash, what in ((lambda x: x, f"features of size {scale:g}"), (torch.tanh, "features in [-1, 1]")):
                exact = [with_features(batch, squash(batch.features)) for batch in (real, fake)]
                rounded = [with_features(batch, batch.features.bfloat16().float()) for batch in exact]
                with kept(objective):
                    wanted = totals(objective, *exact)
                check_finite(objective, rounded[0], rounded[1], f"{what} rounded to bfloat16")
                found = totals(objective, *rounded)
                for method in PLAYERS:
                    check_close(
                        found[method], wanted[method], f"{method} of {what} jumps when bfloat16 rounds them", 0.05
                    )

    @each_variant
    def test_trains_in_bfloat16(self, trial: Trial) -> None:
        """Steps whose networks run in bfloat16 give finite float32 losses, near those in full precision."""
        full, low = trial.game(), trial.game(autocast=True)
        for seed in SEEDS:
            inputs = full.inputs(seed=seed)
            for method in PLAYERS:
                wanted, found = (getattr(game, method)(*inputs) for game in (full, low))
                assert found.dtype == torch.float32, f"{method} is {found.dtype} where the networks run in bfloat16"
                assert found.isfinite(), f"{method} is {found.item()} where the networks run in bfloat16"
                leaves = low.discriminator_parameters if method == PLAYERS[0] else [*low.generator.parameters()]
                for gradient in gradients(found, leaves):
                    assert gradient.isfinite().all(), f"a gradient of {method} in bfloat16 is not finite"
                check_close(found, wanted, f"{method} is far off where the networks run in bfloat16", 0.05)

    @each_variant
    def test_runs_on_any_device(self, trial: Trial) -> None:
        """The losses follow their inputs to another device, and never read a value back."""
        objective = trial.objective().to("meta")  # a device without values: whatever stays behind or waits is an error
        real, fake = (
            Batch(batch.images.to("meta"), batch.labels.to("meta"), batch.features.to("meta"))
            for batch in trial.batches(objective)
        )
        for method, call in calls(objective, real, fake).items():
            try:
                call()
            except Exception as error:
                raise AssertionError(
                    f"on another device {method} fails: {str(error).splitlines()[0]}; create tensors with "
                    "device=features.device, register constants as buffers, and use no item(), tolist(), boolean "
                    "index or if on a tensor's value"
                ) from error

    @each_variant
    @of_steady_losses
    def test_compiles_whole(self, trial: Trial) -> None:
        """``torch.compile(fullgraph=True)`` takes both losses without a break, and computes the same."""
        import torch._dynamo

        objective = trial.objective()
        torch._dynamo.reset()
        compiled = torch.compile(_totals, backend="eager", fullgraph=True, dynamic=False)
        try:
            for seed in (0, 1):
                batches = trial.batches(objective, seed=seed)
                with kept(objective):
                    wanted = _totals(objective, *batches)
                try:
                    with kept(objective):
                        found = compiled(objective, *batches)
                except Exception as error:
                    raise AssertionError(
                        f"torch.compile(fullgraph=True) cannot take the losses as a whole: {_reason(error)}"
                    ) from error
                for method in PLAYERS:
                    check_close(found[method], wanted[method], f"{method} differs when it is compiled", 1e-5)
        finally:
            torch._dynamo.reset()


def _totals(objective: Objective, real: Batch, fake: Batch) -> dict[str, Tensor]:
    """What a compiled step computes of a loss."""
    return {method: total(terms) for method, terms in losses(objective, real, fake).items()}


def _reason(error: Exception) -> str:
    """Of dynamo's long message: what broke, and the innermost line of code."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    told = [line for line in lines[1:] if line.startswith(("Explanation:", "File "))]
    return " ".join([*lines[:1], *told[:1], *told[1:][-1:]]) or type(error).__name__


def _check_same(
    method: str, case: tuple[int, int, int], objective: Objective, ours: Any, naive: Any, *batches: Batch
) -> None:
    try:
        assert_same(objective, ours, naive, *batches)
    except AssertionError as error:
        classes, size, seed = case
        raise AssertionError(
            f"{method} differs from the reference ({count_of_classes(classes)}, batch of {size}, seed {seed}): {error}"
        ) from error
