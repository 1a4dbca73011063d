"""A few steps of a loss in one process, and the same in two that share the batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import backward
from torch.nn.parallel import DistributedDataParallel

from cganzoo.config import parse
from cganzoo.registry import load_plugins
from cganzoo.specs import LossSpec
from cganzoo.testing.processes import RANKS

from .trial import CLASSES, Trial, described

STEPS, BATCH, RATE = 3, 8, 0.05


def in_a_new_process(
    rank: int, distribution: str, name: str, choices: Sequence[Mapping[str, Any]]
) -> list[dict[str, Tensor]]:
    """For :func:`~cganzoo.testing.processes.in_two_processes`: half of each batch is this process's; see :func:`train`.

    Args:
        rank: of this process, 0 or 1.
        distribution: which provides the loss.
        name: of the loss.
        choices: options to train with.
    """
    component = load_plugins([distribution] if distribution != "cganzoo" else []).get("loss", name)
    assert isinstance(component.spec, LossSpec)
    weights = []
    for options in choices:
        try:
            weights.append(train(Trial(component.spec, parse(component.spec.config, options)), rank, RANKS))
        except Exception as error:
            raise AssertionError(f"with {described(options) or 'its defaults'}: {error}") from error
    return weights


def train(trial: Trial, rank: int = 0, processes: int = 1) -> dict[str, Tensor]:
    """The players' weights after a few steps, in float64.

    Raises:
        AssertionError: a weight gets no gradient, for which another process would wait forever.
    """
    game = trial.game(dtype=torch.float64)
    players: dict[str, nn.Module] = {"generator": game.generator, "trunk": game.trunk, "objective": game.objective}
    moved = game.discriminator_parameters, list(game.generator.parameters())
    optimizers = [torch.optim.SGD(parameters, RATE) for parameters in moved]
    if processes > 1:
        game.discriminator_step = DistributedDataParallel(game.discriminator_step)
        game.generator_step = DistributedDataParallel(game.generator_step)
    mine = slice(rank * BATCH // processes, (rank + 1) * BATCH // processes)
    for step in range(STEPS):
        game.objective.advance(step, STEPS)
        images, labels, z, fake_labels = (value[mine] for value in game.inputs(CLASSES, BATCH, step))
        optimizers[0].zero_grad()
        backward(game.discriminator_loss(images, labels, z, fake_labels))
        _check_all_used({"trunk": game.trunk, "loss": game.objective})
        optimizers[0].step()
        optimizers[1].zero_grad()
        with game.discriminator_frozen():
            backward(game.generator_loss(images, labels, z, fake_labels))
        _check_all_used({"generator": game.generator})
        optimizers[1].step()
    return {
        name: nn.utils.parameters_to_vector(player.parameters()).detach()
        for name, player in players.items()
        if list(player.parameters())
    }


def _check_all_used(modules: Mapping[str, nn.Module]) -> None:
    for owner, module in modules.items():
        parameters = module.named_parameters()
        unused = [name for name, moved in parameters if moved.requires_grad and moved.grad is None]
        assert not unused, (
            f"no gradient for {', '.join(unused)} of the {owner}: several processes would wait for it forever"
        )
