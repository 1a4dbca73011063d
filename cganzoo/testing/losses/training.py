"""The loss in training."""

from __future__ import annotations

import torch

from cganzoo.testing.learning import GOOD, learn
from cganzoo.testing.processes import in_two_processes

from .checks import LossChecks, check_close
from .processes import in_a_new_process, train


class LossTraining(LossChecks):
    """Several processes, and learning."""

    def test_two_processes(self) -> None:
        """Two processes that share a batch (DDP) stay equal bit for bit, and equal one that has it whole."""

        trials = list(self.trials())
        options = [trial.config.model_dump(mode="json", by_alias=True, exclude_unset=True) for trial in trials]
        provider = self.component.provider
        ranks = in_two_processes(in_a_new_process, provider.distribution, self.spec.name, options)
        for trial, *both in zip(trials, *ranks, strict=True):
            prefix = f"with {trial.told}: " if trial.told else ""
            for player in both[0]:
                assert torch.equal(both[0][player], both[1][player]), (
                    f"{prefix}after a few steps the two processes have different weights in the {player}"
                )
                assert both[0][player].isfinite().all(), f"{prefix}weights of the {player} are not finite"
            if trial.objective().relational:
                continue  # half a batch holds half of the comparisons
            for player, weights in train(trial).items():
                check_close(
                    both[0][player],
                    weights,
                    f"{prefix}two processes with half the batch each train the {player} otherwise than one with the "
                    "whole; average over the batch, or set relational = True",
                    1e-10,
                )

    def test_learns(self) -> None:
        """A tiny generator trained with it comes to make the patterns that it is shown."""

        trial = next(self.trials())
        lessons = []
        for seed in range(3):
            lessons.append(learn(trial, seed))
            if lessons[-1].after < GOOD * lessons[-1].before:
                return
        told = ", ".join(f"from {lesson.before:.1f} to {lesson.after:.1f}" for lesson in lessons)
        raise AssertionError(
            f"a tiny generator does not learn three patterns: its samples' distance to the nearest went {told}, in "
            f"{len(lessons)} trainings; look at the sign of each term, and at what the generator is asked for"
        )
