"""The loss in training."""

from __future__ import annotations

import torch

from cganzoo.testing.learning import GOOD, Opinion, learn, look
from cganzoo.testing.processes import in_two_processes

from .checks import LossChecks, check_close, draws, each_variant
from .processes import in_a_new_process, train
from .trial import Trial

TRIES = 3
"""Trainings of which one has to succeed."""


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
            if draws(trial):
                continue  # each process draws its own
            for player, weights in train(trial).items():
                check_close(
                    both[0][player],
                    weights,
                    f"{prefix}two processes with half the batch each train the {player} otherwise than one with the "
                    "whole; average over the batch, or set relational = True",
                    1e-10,
                )

    @each_variant
    def test_real_images_are_right(self, trial: Trial) -> None:
        """To a trained discriminator, real images of the right class cost the generator less than others."""
        conditional = trial.spec.conditioning(trial.config) == "conditional"
        problem = ""
        for seed in range(TRIES):  # a few steps may end in an odd place
            problem = _problem(look(trial, seed), conditional)
            if not problem:
                return
        raise AssertionError(f"after the discriminator has learnt, {problem}")

    def test_learns(self) -> None:
        """A tiny generator trained with it comes to make the patterns that it is shown."""

        trial = next(self.trials())
        lessons = []
        for seed in range(TRIES):
            lessons.append(learn(trial, seed))
            if lessons[-1].after < GOOD * lessons[-1].before:
                return
        told = ", ".join(f"from {lesson.before:.1f} to {lesson.after:.1f}" for lesson in lessons)
        raise AssertionError(
            f"a tiny generator does not learn three patterns: its samples' distance to the nearest went {told}, in "
            f"{len(lessons)} trainings; look at the sign of each term, and at what the generator is asked for"
        )


def _problem(opinion: Opinion, conditional: bool) -> str:
    """What is wrong with a loss of this opinion; empty for nothing."""
    if not opinion.real < opinion.fake:
        return (
            f"generator_loss is {opinion.real:.3g} for real images and {opinion.fake:.3g} for the generator's: it "
            "draws the generator away from real images; look at the sign of each term, of both losses"
        )
    if conditional and not opinion.real < min(opinion.wrong):
        told = " and ".join(f"{cost:.3g}" for cost in opinion.wrong)
        return (
            f"generator_loss is {opinion.real:.3g} for real images under their own labels, and {told} under wrong "
            "ones: the generator learns other classes than it is asked for; look at the sign and the labels of each "
            "class term"
        )
    if opinion.advantage is not None and not opinion.advantage > 0:
        return (
            f"the score is {-opinion.advantage:.3g} higher for the generator's images than for real ones: "
            "a higher score means more real"
        )
    return ""
