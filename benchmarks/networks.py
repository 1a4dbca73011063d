"""An update of our SN-ResNet and BigGAN against the same update with the networks of PyTorch-StudioGAN.

    python benchmarks/networks.py STUDIOGAN [--networks sngan biggan] [--blocks 5] [--batch 16] [--threads 2]

STUDIOGAN is a checkout of https://github.com/POSTECH-CVLab/PyTorch-StudioGAN at commit 947b35e; packages that it
imports and that these networks do not use are replaced by empty modules. Both sides train the networks of its
CIFAR-10 configurations at 32 px, with projection heads, the hinge loss, spectral normalisation and Adam, from the same
images and noise: ours by our steps, theirs by the step of its `worker.py`, written here without its options. One update
of each side in turn, in one process. The smallest wall time of the blocks counts, because other processes slow blocks
down; CPU times, for machines that are never quiet, are those of all threads.
"""

from __future__ import annotations

import argparse
import sys
import time
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional as F

from cganzoo import BuildContext
from cganzoo.registry import load_plugins
from cganzoo.train.build import normalize_heads
from cganzoo.train.steps import DiscriminatorStep, GeneratorStep, update

CLASSES, SIZE = 10, 32
CONFIGURATIONS = {"sngan": "CIFAR10/SNGAN.yaml", "biggan": "CIFAR10/BigGAN.yaml"}
ADAM: dict[str, Any] = {"lr": 2e-4, "betas": (0.5, 0.999), "eps": 1e-6}

UNUSED = ("h5py", "kornia", "kornia.filters", "matplotlib", "matplotlib.pyplot", "pkg_resources", "seaborn")
"""What StudioGAN imports, and its networks do not use."""

Update = Callable[[], object]


class Unused(types.ModuleType):
    """Takes the place of a package that is imported and not used."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # what Python itself asks of modules
            raise AttributeError(name)
        return lambda *_: (0,)


def batch(size: int, latent_dim: int) -> tuple[torch.Tensor, ...]:
    """Real images, their labels, noise, and labels of fakes."""
    images = torch.rand(size, 3, SIZE, SIZE) * 2 - 1
    labels, fake_labels = torch.randint(CLASSES, (2, size))
    return images, labels, torch.randn(size, latent_dim), fake_labels


def ours(name: str, size: int) -> tuple[dict[str, Update], dict[str, int]]:
    """Our updates of the discriminator and the generator, and the numbers of parameters."""
    plugins = load_plugins()
    context = BuildContext(num_classes=CLASSES, image_size=SIZE)

    def build(kind: str, component: str, context: BuildContext) -> Any:
        spec = plugins.get(kind, component).spec
        return spec.build(spec.config(), context)

    generator, trunk = build("generator", name, context), build("discriminator", name, context)
    objective = build(
        "loss", "projgan", BuildContext(num_classes=CLASSES, image_size=SIZE, feature_dim=trunk.feature_dim)
    )
    normalize_heads(objective)
    steps = {
        "discriminator": DiscriminatorStep(generator, trunk, objective),
        "generator": GeneratorStep(generator, trunk, objective),
    }
    parameters = {name: list(step.parameters()) for name, step in steps.items()}
    optimizers = {name: torch.optim.Adam(parameters[name], fused=True, **ADAM) for name in steps}
    images, labels, z, fake_labels = batch(size, generator.latent_dim)
    inputs = {"discriminator": (images, labels, z, fake_labels), "generator": (z, fake_labels)}
    freeze = {"discriminator": parameters["generator"], "generator": parameters["discriminator"]}

    def updates(player: str) -> Update:
        return lambda: update(steps[player], optimizers[player], *inputs[player], freeze=freeze[player])

    return {player: updates(player) for player in steps}, counts(parameters)


def theirs(name: str, size: int, source: Path) -> tuple[dict[str, Update], dict[str, int]]:
    """The same with the networks of PyTorch-StudioGAN."""
    for unused in UNUSED:
        sys.modules[unused] = Unused(unused)
    sys.path.insert(0, str(source / "src"))
    import config
    from models.model import load_generator_discriminator

    found = config.Configurations(str(source / "src" / "configs" / CONFIGURATIONS[name]))
    found.RUN.mixed_precision = False
    modules = found.define_modules()
    networks = load_generator_discriminator(
        found.DATA, found.OPTIMIZATION, found.MODEL, found.STYLEGAN, modules, found.RUN, "cpu", None
    )
    generator, discriminator = networks[0], networks[3]
    parameters = {"discriminator": list(discriminator.parameters()), "generator": list(generator.parameters())}
    optimizers = {player: torch.optim.Adam(parameters[player], **ADAM) for player in parameters}
    images, labels, z, fake_labels = batch(size, found.MODEL.z_dim)

    def only(player: str) -> torch.optim.Optimizer:
        for name, own in parameters.items():
            for parameter in own:
                parameter.requires_grad_(name == player)
        optimizers[player].zero_grad()
        return optimizers[player]

    def discriminator_update() -> None:
        optimizer = only("discriminator")
        fakes = generator(z, fake_labels)
        real_score = discriminator(images, labels)["adv_output"]
        fake_score = discriminator(fakes, fake_labels)["adv_output"]
        (F.relu(1 - real_score).mean() + F.relu(1 + fake_score).mean()).backward()
        optimizer.step()

    def generator_update() -> None:
        optimizer = only("generator")
        (-discriminator(generator(z, fake_labels), fake_labels)["adv_output"].mean()).backward()
        optimizer.step()

    return {"discriminator": discriminator_update, "generator": generator_update}, counts(parameters)


def counts(parameters: dict[str, list[torch.nn.Parameter]]) -> dict[str, int]:
    """The number of parameters of each player; heads are the discriminator's."""
    return {player: sum(parameter.numel() for parameter in own) for player, own in parameters.items()}


def seconds(function: Update) -> tuple[float, float]:
    """Wall and CPU time of one call."""
    wall, cpu = time.perf_counter(), time.process_time()
    function()
    return time.perf_counter() - wall, time.process_time() - cpu


def main() -> None:
    """Print both times of each update, and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("studiogan", type=Path, help="the checkout")
    parser.add_argument("--networks", nargs="+", choices=CONFIGURATIONS, default=list(CONFIGURATIONS))
    parser.add_argument("--blocks", type=int, default=5)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print(f"torch {torch.__version__}, {options.threads} threads, batch {options.batch}, {SIZE} px; ms of an update")
    for name in options.networks:
        torch.manual_seed(0)
        sides = {"ours": ours(name, options.batch), "theirs": theirs(name, options.batch, options.studiogan)}
        for side, (_, numbers) in sides.items():
            print(f"{name}, {side}: " + ", ".join(f"{count:,} ({player})" for player, count in numbers.items()))
        for player in ("discriminator", "generator"):
            times: dict[str, list[tuple[float, float]]] = {side: [] for side in sides}
            for block in range(options.blocks + 1):  # the first warms up
                for side in sorted(sides, reverse=bool(block % 2)):
                    times[side].append(seconds(sides[side][0][player]))
            for index, clock in enumerate(("wall", "CPU")):
                best = {side: min(pair[index] for pair in found[1:]) * 1000 for side, found in times.items()}
                print(
                    f"{name} {player:13} {clock:4}: ours {best['ours']:7.0f}, theirs {best['theirs']:7.0f}, "
                    f"ratio {best['ours'] / best['theirs']:.2f}"
                )


if __name__ == "__main__":
    main()
