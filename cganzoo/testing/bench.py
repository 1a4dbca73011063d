"""``cganzoo plugin check --bench``: the time of a training step with a loss, compared with another one."""

from __future__ import annotations

import json
import math
import platform
import statistics
import sys
import time
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import asdict, dataclass
from typing import Any

import torch
from pydantic import ValidationError
from rich.table import Table
from rich.text import Text
from torch import Tensor, nn

from cganzoo.config import parse
from cganzoo.console.reporter import Reporter, amount
from cganzoo.console.streams import stderr_console, stdout_console
from cganzoo.errors import PluginError
from cganzoo.networks import Discriminator, Generator
from cganzoo.objective import Batch, Objective, Terms
from cganzoo.registry import Component

from .conformance import build_context
from .plugin_check import find
from .toys import GAN

IMAGE_SIZE, CLASSES, BATCH = 32, 10, 64
LATENT_DIM, FEATURE_DIM, WIDTH = 64, 128, 16
SECONDS = 20  # of the whole measurement; longer only if FEWEST pairs take longer
BLOCK = 0.25  # seconds that one of them runs before the other: short, so that both run under the same conditions
FEWEST, MOST = 10, 200  # pairs of blocks
WARM_UP = 3
NOISE = 0.01  # two copies of one loss differ by as much, by the place of their memory


@dataclass(frozen=True)
class Cost:
    """Time and memory of training steps with one loss."""

    name: str
    milliseconds: float  # of a step of both players, median
    head_parameters: int  # that the loss adds to the trunk
    peak_memory: int | None  # bytes of a step without weights and optimizers; None if it is not measured


@dataclass(frozen=True)
class Benchmark:
    """Two losses, timed alternately."""

    loss: Cost
    against: Cost
    ratio: float  # time of the first divided by that of the second, median over pairs of neighbouring blocks
    quartiles: tuple[float, float]  # of those ratios
    interval: tuple[float, float]  # 95 % confidence interval of their median
    pairs: int

    @property
    def within_noise(self) -> bool:
        """Whether the difference is not significant."""
        low, high = self.interval
        return low <= 1 <= high or abs(self.ratio - 1) < NOISE

    @property
    def verdict(self) -> str:
        """The result in words."""
        if self.within_noise:
            return "no difference beyond noise"
        return f"{abs(self.ratio - 1):.1%} {'more' if self.ratio > 1 else 'less'} time per step"


def show(what: str, against: str | None = None, *, as_json: bool = False) -> None:
    """Time a loss against another one, or against networks without a loss, and print the result."""
    losses = [_loss(name) if name is not None else None for name in (what, against)]
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # several would wait for each other if other programs run on the machine
    try:
        with redirect_stdout(sys.stderr):  # standard output is for the table or the JSON only
            first, second = (_Side(component, device) for component in losses)
            with Reporter(stderr_console()).stage(f"timing {first.name} against {second.name}, seconds") as progress:
                benchmark = compare(first, second, progress)
    finally:
        torch.set_num_threads(threads)
    on_gpu = device.type == "cuda"
    name = torch.cuda.get_device_name(device) if on_gpu else f"CPU ({platform.machine()}, one thread)"
    if as_json:
        setting = {"device": name, "torch": torch.__version__, "image_size": IMAGE_SIZE, "batch_size": BATCH}
        result = {**asdict(benchmark), "within_noise": benchmark.within_noise, **setting, "classes": CLASSES}
        print(json.dumps(result, indent=2))
    else:
        _print(benchmark, name)


def compare(first: _Side, second: _Side, progress: Callable[[int, int], None], seconds: int = SECONDS) -> Benchmark:
    """Run both alternately, in pairs of short blocks; each pair in the opposite order of the one before."""
    steps = max(1, round(BLOCK / max(side.run(WARM_UP) / WARM_UP for side in (first, second))))
    times: list[tuple[float, float]] = []
    began = time.perf_counter()
    while len(times) < FEWEST or (len(times) < MOST and time.perf_counter() - began < seconds):
        progress(min(seconds, int(time.perf_counter() - began)), seconds)
        order = (first, second) if len(times) % 2 else (second, first)
        took = {side: side.run(steps) / steps for side in order}
        times.append((took[first], took[second]))
    progress(seconds, seconds)
    ratios = sorted(one / other for one, other in times)
    low, _, high = statistics.quantiles(ratios, n=4)
    # Order statistics that contain the median with a probability of 95 %, for any distribution.
    outer = max(0, math.floor(len(ratios) / 2 - 0.98 * math.sqrt(len(ratios))))
    return Benchmark(
        loss=first.cost([one for one, _ in times]),
        against=second.cost([other for _, other in times]),
        ratio=statistics.median(ratios),
        quartiles=(low, high),
        interval=(ratios[outer], ratios[-1 - outer]),
        pairs=len(ratios),
    )


# --- what is timed --------------------------------------------------------------------------------------------------


class _Side:
    """Networks, a loss and optimizers: one of the two that are timed."""

    def __init__(self, component: Component | None, device: torch.device) -> None:
        self.name = component.name if component else "bare networks"
        self.device, self.step, self._peak = device, 0, 0
        torch.manual_seed(0)  # both sides have the same networks and images
        trunk = BenchTrunk().to(device)
        self.images = 2 * torch.rand(BATCH, 3, IMAGE_SIZE, IMAGE_SIZE, device=device) - 1
        self.labels = torch.randint(CLASSES, (BATCH,), device=device)
        objective, conditional = _objective(component)
        torch.manual_seed(1)
        self.gan = GAN(BenchGenerator(conditional=conditional).to(device), trunk, objective.to(device))
        self.optimizers = {
            player: torch.optim.Adam(self.gan.groups(player, 1e-5), betas=(0.5, 0.999), fused=True)
            for player in self.gan.players
        }

    def run(self, steps: int) -> float:
        """Seconds that this many steps of both players take."""
        on_gpu = self.device.type == "cuda"
        if on_gpu:
            torch.cuda.synchronize(self.device)
            torch.cuda.reset_peak_memory_stats(self.device)
            held = torch.cuda.memory_allocated(self.device)
        start = time.perf_counter()
        objective, generator = self.gan.objective, self.gan.generator
        for _ in range(steps):
            objective.advance(self.step, 1_000_000)
            self.step += 1
            sampled = torch.randint(CLASSES, (BATCH,), device=self.device)
            fake_labels = self.labels if objective.fake_labels == "paired" else sampled
            for player, optimizer in self.optimizers.items():
                z = generator.sample_latent(BATCH, self.device)
                self.gan.update(player, optimizer, self.images, self.labels, z, fake_labels)
        if on_gpu:
            torch.cuda.synchronize(self.device)
            self._peak = max(self._peak, torch.cuda.max_memory_allocated(self.device) - held)
        return time.perf_counter() - start

    def cost(self, seconds: list[float]) -> Cost:
        """Its cost, from the seconds of a step in each block."""
        return Cost(
            name=self.name,
            milliseconds=1000 * statistics.median(seconds),
            head_parameters=sum(parameter.numel() for parameter in self.gan.objective.parameters()),
            peak_memory=self._peak if self.device.type == "cuda" else None,
        )


def _objective(component: Component | None) -> tuple[Objective, bool]:
    """A loss with its default options, and whether it is tried with a conditional generator."""
    if component is None:
        return _Bare(), True
    spec: Any = component.spec
    try:
        config = parse(spec.config, {})
    except ValidationError as error:
        options = ", ".join(str(mistake["loc"][0]) for mistake in error.errors() if mistake["loc"])
        message = f"{component.name}: --bench builds a loss with its defaults; these options have none: {options}"
        raise PluginError(message) from error
    context = build_context(CLASSES, IMAGE_SIZE, feature_dim=FEATURE_DIM)
    return spec.build(config, context), spec.conditioning(config) != "unconditional"


class BenchGenerator(Generator):
    """A small convolutional generator for 32 px."""

    latent_dim = LATENT_DIM

    def __init__(self, *, conditional: bool) -> None:
        super().__init__()
        self.conditional = conditional
        self.classes = nn.Embedding(CLASSES, LATENT_DIM) if conditional else None
        layers: list[nn.Module] = [nn.Linear(LATENT_DIM, 4 * WIDTH * 4 * 4), nn.Unflatten(1, (-1, 4, 4))]
        for wide, narrow in ((4 * WIDTH, 2 * WIDTH), (2 * WIDTH, WIDTH), (WIDTH, 3)):
            layers += [nn.BatchNorm2d(wide), nn.ReLU(), nn.ConvTranspose2d(wide, narrow, 4, stride=2, padding=1)]
        self.layers = nn.Sequential(*layers, nn.Tanh())

    def forward(self, z: Tensor, labels: Tensor) -> Tensor:
        """Noise (N, latent_dim) and labels (N,) to images (N, 3, 32, 32)."""
        images: Tensor = self.layers(z if self.classes is None else z + self.classes(labels))
        return images


class BenchTrunk(Discriminator):
    """A small convolutional trunk for 32 px, without batch statistics."""

    feature_dim = FEATURE_DIM

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for narrow, wide in ((3, WIDTH), (WIDTH, 2 * WIDTH), (2 * WIDTH, FEATURE_DIM)):
            layers += [nn.Conv2d(narrow, wide, 4, stride=2, padding=1), nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*layers)

    def forward(self, images: Tensor) -> Tensor:
        """Images (N, 3, 32, 32) to features (N, feature_dim)."""
        features: Tensor = self.layers(images).mean((2, 3))
        return features


class _Bare(Objective):
    """No heads, and the cheapest loss with a gradient: the sum of the features."""

    def discriminator_loss(self, real: Batch, fake: Batch) -> Terms:
        return {"sum": fake.features.sum() - real.features.sum()}

    def generator_loss(self, fake: Batch, real: Batch | None = None) -> Terms:
        return {"sum": -fake.features.sum()}


# --- printing ------------------------------------------------------------------------------------------------------


def _loss(name: str) -> Component:
    found = find(name, "loss")
    if len(found) > 1:
        raise PluginError(f"{name}: has {len(found)} losses; name one: {', '.join(loss.full_name for loss in found)}")
    return found[0]


def _print(benchmark: Benchmark, device: str) -> None:
    console = stdout_console()
    one, two = benchmark.loss, benchmark.against
    table = Table("", box=None, pad_edge=False)
    for cost in (one, two):
        table.add_column(cost.name, justify="right", header_style="bold")
    table.add_row("ms per step of both players", f"{one.milliseconds:.4g}", f"{two.milliseconds:.4g}")
    table.add_row("parameters of the heads", f"{one.head_parameters:,}", f"{two.head_parameters:,}")
    if one.peak_memory is not None and two.peak_memory is not None:
        table.add_row("peak memory of a step", amount(one.peak_memory), amount(two.peak_memory))
    console.print(table)
    low, high = benchmark.quartiles
    ratio = f"\n{one.name} / {two.name}: {benchmark.ratio:.3f}"
    pairs = f", quartiles {low:.3f} to {high:.3f} of {benchmark.pairs} pairs: "
    result = Text.assemble(ratio, pairs, (benchmark.verdict, "" if benchmark.within_noise else "bold"))
    networks = f"the same small convolutional networks: {IMAGE_SIZE} px, batches of {BATCH}, {CLASSES} classes"
    for text in (result, Text(f"{device}, torch {torch.__version__}; both on {networks}", "dim")):
        console.print(text, soft_wrap=not console.is_terminal)
