"""Our loop against the same AM-GAN step written by hand in bare PyTorch: one process, blocks of steps in turn.

    python benchmarks/loop.py [--recipe recipes/amgan_digits.toml] [--blocks 30] [--steps 20] [--device cpu]

Both sides train the same networks on the same data with the same optimizers and average; the hand-written side knows
nothing of the engine. Each prints its milliseconds a step; the ratio is the median over the pairs of blocks, which
puts the machine's drift on both sides.
"""

from __future__ import annotations

import argparse
import copy
import statistics
import time
from collections.abc import Callable

import torch
from rich.console import Console
from torch import nn
from torch.nn import functional as F

from cganzoo.console.reporter import Reporter
from cganzoo.recipe.read import load_recipe
from cganzoo.recipe.resolve import resolve
from cganzoo.session.dataset import load_data
from cganzoo.session.device import pick_device
from cganzoo.train.engine import Engine


def by_hand(engine: Engine, images: torch.Tensor, labels: torch.Tensor) -> Callable[[], None]:
    """The step as a paper's own script would write it, on copies of the engine's networks."""
    plan, device = engine.settings, engine.device
    generator, trunk = copy.deepcopy(engine.generator), copy.deepcopy(engine.trunk)
    classes, size = engine.num_classes, plan.batch_size
    head = nn.Linear(trunk.feature_dim, classes + 1).to(device)
    average = copy.deepcopy(generator).requires_grad_(False)
    options = engine.optimizers["generator"].defaults
    arguments = {"betas": options["betas"], "eps": options["eps"], "fused": options.get("fused")}
    g_optimizer = torch.optim.Adam(
        generator.parameters(), lr=engine.optimizers["generator"].param_groups[0]["lr"], **arguments
    )
    d_optimizer = torch.optim.Adam(
        [*trunk.parameters(), *head.parameters()],
        lr=engine.optimizers["discriminator"].param_groups[0]["lr"],
        **arguments,
    )
    averaged, trained = list(average.parameters()), list(generator.parameters())
    d_parameters = [*trunk.parameters(), *head.parameters()]
    order = torch.randperm(len(labels), device=device)
    position = 0
    fake_class = torch.full((size,), classes, device=device)

    def step() -> None:
        nonlocal order, position
        if position + size > len(order):
            order, position = torch.randperm(len(labels), device=device), 0
        index = order[position : position + size]
        position += size
        real, real_labels = images[index].float() / 127.5 - 1, labels[index]

        z = torch.randn(size, generator.latent_dim, device=device)
        y = torch.randint(classes, (size,), device=device)
        with torch.no_grad():
            fake = generator(z, y)
        d_optimizer.zero_grad()
        loss = F.cross_entropy(head(trunk(real)), real_labels) + F.cross_entropy(head(trunk(fake)), fake_class)
        loss.backward()
        d_optimizer.step()

        z = torch.randn(size, generator.latent_dim, device=device)
        y = torch.randint(classes, (size,), device=device)
        for parameter in d_parameters:
            parameter.requires_grad_(False)
        g_optimizer.zero_grad()
        F.cross_entropy(head(trunk(generator(z, y))), y).backward()
        g_optimizer.step()
        for parameter in d_parameters:
            parameter.requires_grad_(True)
        with torch.no_grad():
            torch._foreach_lerp_(averaged, trained, 1 - plan.ema_decay)

    return step


def milliseconds(step: Callable[[], None], steps: int, device: torch.device) -> float:
    """Mean wall time of a step, the device's queue drained at both ends."""
    if device.type == "cuda":
        torch.cuda.synchronize()
    start = time.perf_counter()
    for _ in range(steps):
        step()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return (time.perf_counter() - start) / steps * 1000


def main() -> None:
    """Print both times and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", default="recipes/amgan_digits.toml")
    parser.add_argument("--blocks", type=int, default=30)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--device", default="auto")
    options = parser.parse_args()

    resolved = resolve(load_recipe(options.recipe))
    device = pick_device(options.device)
    data = load_data(resolved, Reporter(Console()))["train"]
    engine = Engine(resolved, data, device)
    hand = by_hand(engine, torch.tensor(data.images, device=device), torch.tensor(data.labels, device=device))

    def ours() -> None:
        engine.advance()
        if engine.step % engine.settings.log_every == 0:
            engine.mean_terms()
            engine.terms.clear()

    milliseconds(hand, options.steps, device)
    milliseconds(ours, options.steps, device)
    pairs = []
    for block in range(options.blocks):
        sides = [("hand", hand), ("ours", ours)]
        times = {name: milliseconds(step, options.steps, device) for name, step in sides[:: 1 if block % 2 else -1]}
        pairs.append((times["ours"], times["hand"]))
    ratios = sorted(our / hand for our, hand in pairs)
    print(f"{resolved.recipe.name}, {device}, torch {torch.__version__}, {torch.get_num_threads()} threads")
    print(f"by hand: {statistics.median(hand for _, hand in pairs):.2f} ms/step (median of {options.blocks} blocks)")
    print(f"ours:    {statistics.median(our for our, _ in pairs):.2f} ms/step")
    print(
        f"ratio:   {statistics.median(ratios):.3f} (median of pairs; "
        f"quartiles {ratios[len(ratios) // 4]:.3f} to {ratios[3 * len(ratios) // 4]:.3f})"
    )


if __name__ == "__main__":
    main()
