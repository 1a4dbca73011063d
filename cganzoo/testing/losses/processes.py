"""A few training steps of a loss in one process, and in two that share the batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from cganzoo.config import parse
from cganzoo.testing.processes import RANKS, component_in_a_process, in_two_processes

from .base import Loss, LossChecks, check_close, describe, draws_random_numbers, gan_inputs

STEPS, BATCH, RATE = 3, 8, 0.05


class LossProcesses(LossChecks):
    """Several processes."""

    def test_two_processes(self) -> None:
        """Two processes that share a batch (DDP) keep the same weights, which one process with all of it also gets."""
        losses = list(self.each())
        options = [loss.config.model_dump(mode="json", by_alias=True, exclude_unset=True) for loss in losses]
        ranks = in_two_processes(train_choices, self.component.provider.distribution, self.spec.name, options)
        for loss, one, two in zip(losses, *ranks, strict=True):
            for player, weights in one.items():
                assert torch.equal(weights, two[player]), (
                    f"{loss.prefix}after a few steps the two processes have different weights in the {player}; the "
                    "loss must not depend on the process"
                )
                assert weights.isfinite().all(), f"{loss.prefix}weights of the {player} are not finite"
            # A relational loss makes only half of the comparisons; random numbers differ between processes.
            if loss.objective.relational or draws_random_numbers(loss):
                continue
            for player, weights in train(loss).items():
                check_close(
                    one[player],
                    weights,
                    f"{loss.prefix}two processes with half the batch each train the {player} differently from one "
                    "with the whole batch; average over the batch, or set relational = True",
                    1e-10,
                )


def train_choices(
    rank: int, distribution: str, name: str, choices: Sequence[Mapping[str, Any]]
) -> list[dict[str, Tensor]]:
    """:func:`train` with each choice of options, in one of two processes."""
    spec: Any = component_in_a_process(distribution, "loss", name).spec
    weights = []
    for options in choices:
        try:
            weights.append(train(Loss(spec, parse(spec.config, options)), rank, RANKS))
        except Exception as error:
            raise AssertionError(f"with {describe(options) or 'its defaults'}: {error}") from error
    return weights


def train(loss: Loss, rank: int = 0, processes: int = 1) -> dict[str, Tensor]:
    """Weights of the players after a few steps in float64, in which this process has its part of each batch.

    Raises:
        AssertionError: a weight gets no gradient, so another process would wait forever.
    """
    gan = loss.gan(dtype=torch.float64)
    players: dict[str, tuple[torch.optim.Optimizer, dict[str, nn.Module]]] = {
        "discriminator": (
            torch.optim.SGD(gan.discriminator_parameters, RATE),
            {"trunk": gan.trunk, "loss": gan.objective},
        ),
        "generator": (torch.optim.SGD(gan.generator_parameters, RATE), {"generator": gan.generator}),
    }
    if processes > 1:
        gan.discriminator_step = DistributedDataParallel(gan.discriminator_step)
        gan.generator_step = DistributedDataParallel(gan.generator_step)
    mine = slice(rank * BATCH // processes, (rank + 1) * BATCH // processes)
    for step in range(STEPS):
        gan.objective.advance(step, STEPS)
        inputs = [value[mine] for value in gan_inputs(gan, BATCH, step)]
        for player, (optimizer, modules) in players.items():
            gan.update(player, optimizer, *inputs)
            _check_all_used(modules)
    return {
        name: nn.utils.parameters_to_vector(module.parameters()).detach()
        for _, modules in players.values()
        for name, module in modules.items()
        if list(module.parameters())
    }


def _check_all_used(modules: Mapping[str, nn.Module]) -> None:
    for owner, module in modules.items():
        unused = [name for name, weight in module.named_parameters() if weight.requires_grad and weight.grad is None]
        assert not unused, (
            f"no gradient for {', '.join(unused)} of the {owner}: several processes would wait forever for it; use it "
            "in the loss, or remove it"
        )
