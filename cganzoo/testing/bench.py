"""``cganzoo plugin check --bench``: what a loss costs per training step, beside another one on the same networks."""

from __future__ import annotations

import json
import math
import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import torch
from pydantic import ValidationError
from torch import Tensor, nn
from torch.nn import functional as F

from cganzoo.config import parse
from cganzoo.console.reporter import Reporter
from cganzoo.console.streams import stderr_console, stdout_console
from cganzoo.errors import PluginError
from cganzoo.networks import Discriminator, Generator
from cganzoo.objective import Batch, Objective, Terms
from cganzoo.registry import Component
from cganzoo.specs import BuildContext
from cganzoo.train.steps import DiscriminatorStep, GeneratorStep

from .verdict import find

IMAGE_SIZE, CLASSES, BATCH = 32, 10, 64
LATENT_DIM, FEATURE_DIM, WIDTH = 64, 128, 16
SECONDS = 20
"""How long both are timed, in all; longer only where :data:`FEWEST` pairs take longer."""
BLOCK = 0.25
"""Seconds that one of them runs before the other takes over: short, so that both see the same machine."""
FEWEST, MOST = 10, 200
"""Pairs of blocks."""
WARM_UP = 3
ALIKE = 0.01
"""A ratio nearer to 1 than this is noise: two copies of one loss differ by as much, from where their memory lies."""


@dataclass(frozen=True)
class Cost:
    """What one loss costs.

    Attributes:
        name: of the loss, or ``"bare networks"``.
        milliseconds: of a step of both players, median.
        head_parameters: that the loss adds to the trunk.
        peak_memory: bytes that a step takes beside weights and optimizers; ``None`` where it is not measured.
    """

    name: str
    milliseconds: float
    head_parameters: int
    peak_memory: int | None


@dataclass(frozen=True)
class Comparison:
    """Two losses, timed in turn.

    Attributes:
        loss: the first.
        against: the second.
        ratio: of the first's time to the second's, median over pairs of neighbouring blocks.
        quartiles: of those ratios.
        interval: 95 % confidence interval of their median.
        pairs: how many there are.
    """

    loss: Cost
    against: Cost
    ratio: float
    quartiles: tuple[float, float]
    interval: tuple[float, float]
    pairs: int

    @property
    def within_noise(self) -> bool:
        """Whether the two may cost the same, as far as this measurement can tell."""
        low, high = self.interval
        return low <= 1 <= high or abs(self.ratio - 1) < ALIKE

    @property
    def verdict(self) -> str:
        """The comparison in words."""
        if self.within_noise:
            return "no difference beyond noise"
        return f"{abs(self.ratio - 1):.1%} {'more' if self.ratio > 1 else 'less'} time per step"


def show(what: str, against: str | None = None, *, as_json: bool = False) -> None:
    """Time a loss beside another one, or beside the bare networks, and print the comparison.

    Raises:
        PluginError: there is no such loss, or it cannot be built with its default options.
    """
    first, second = _loss(what), _loss(against) if against is not None else None
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    with redirect_stdout(sys.stderr), _one_thread():  # standard output is the table's alone, or the JSON's
        sides = [_Side(component, device) for component in (first, second)]
        reporter = Reporter(stderr_console())
        with reporter.stage(f"timing {sides[0].name} beside {sides[1].name}, seconds") as progress:
            comparison = compare(sides[0], sides[1], progress)
    setting = {
        "device": _device_name(device),
        "torch": torch.__version__,
        "image_size": IMAGE_SIZE,
        "batch_size": BATCH,
        "classes": CLASSES,
    }
    if as_json:
        told = {**asdict(comparison), "within_noise": comparison.within_noise, **setting}
        print(json.dumps(told, indent=2))
    else:
        _print(comparison, setting)


def compare(first: _Side, second: _Side, progress: Callable[[int, int], None], seconds: int = SECONDS) -> Comparison:
    """Run both in turn, in short blocks, each pair in the other order than the one before."""
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
    # Order statistics that the median lies between in 95 of 100 cases, whatever the distribution.
    outer = max(0, math.floor(len(ratios) / 2 - 0.98 * math.sqrt(len(ratios))))
    return Comparison(
        loss=first.cost([one for one, _ in times]),
        against=second.cost([other for _, other in times]),
        ratio=statistics.median(ratios),
        quartiles=(low, high),
        interval=(ratios[outer], ratios[-1 - outer]),
        pairs=len(ratios),
    )


# --- what is timed --------------------------------------------------------------------------------------------------


class _Side:
    """Networks, a loss and optimizers: one of the two that take turns."""

    def __init__(self, component: Component | None, device: torch.device) -> None:
        self.name = component.name if component else "bare networks"
        self.device, self.step, self._peak = device, 0, 0
        torch.manual_seed(0)  # both sides start from the same networks and see the same images
        self.trunk = BenchTrunk().to(device)
        context = BuildContext(
            num_classes=CLASSES,
            image_size=IMAGE_SIZE,
            feature_dim=self.trunk.feature_dim,
            class_names=tuple(f"class {label}" for label in range(CLASSES)),
        )
        self.images = 2 * torch.rand(BATCH, 3, IMAGE_SIZE, IMAGE_SIZE, device=device) - 1
        self.labels = torch.randint(CLASSES, (BATCH,), device=device)
        conditional = True
        self.objective: Objective = _Bare()
        if component is not None:
            spec: Any = component.spec
            try:
                config = parse(spec.config, {})
            except ValidationError as error:
                options = ", ".join(str(mistake["loc"][0]) for mistake in error.errors() if mistake["loc"])
                raise PluginError(
                    f"{self.name}: --bench builds a loss with its defaults; these have none: {options}"
                ) from error
            conditional = spec.conditioning(config) != "unconditional"
            self.objective = spec.build(config, context)
        self.objective.to(device)
        torch.manual_seed(1)
        self.generator = BenchGenerator(conditional=conditional).to(device)
        self._critic = [*self.trunk.parameters(), *self.objective.parameters()]
        self._optimizers = [
            torch.optim.Adam(parameters, lr=1e-5, betas=(0.5, 0.999), fused=True)
            for parameters in (self._critic, [*self.generator.parameters()])
        ]
        self._discriminator_step = DiscriminatorStep(self.generator, self.trunk, self.objective)
        self._generator_step = GeneratorStep(self.generator, self.trunk, self.objective)

    def run(self, steps: int) -> float:
        """Seconds that this many steps of both players take."""
        on_gpu = self.device.type == "cuda"
        if on_gpu:
            torch.cuda.synchronize(self.device)
            torch.cuda.reset_peak_memory_stats(self.device)
            held = torch.cuda.memory_allocated(self.device)
        start = time.perf_counter()
        for _ in range(steps):
            self._advance()
        if on_gpu:
            torch.cuda.synchronize(self.device)
            self._peak = max(self._peak, torch.cuda.max_memory_allocated(self.device) - held)
        return time.perf_counter() - start

    def _advance(self) -> None:
        """One step as the engine takes it."""
        objective, paired = self.objective, self.objective.fake_labels == "paired"
        objective.advance(self.step, 1_000_000)
        self.step += 1
        sampled = torch.randint(CLASSES, (BATCH,), device=self.device)
        fake_labels = self.labels if paired else sampled
        critic, generator = self._optimizers

        critic.zero_grad(set_to_none=True)
        loss, _ = self._discriminator_step(self.images, self.labels, self._noise(), fake_labels)
        loss.backward()
        critic.step()

        generator.zero_grad(set_to_none=True)
        trained = [parameter for parameter in self._critic if parameter.requires_grad]
        for parameter in trained:
            parameter.requires_grad_(False)
        real = (self.images, self.labels) if objective.uses_real_in_generator_loss else ()
        loss, _ = self._generator_step(self._noise(), fake_labels, *real)
        loss.backward()
        generator.step()
        for parameter in trained:
            parameter.requires_grad_(True)

    def _noise(self) -> Tensor:
        return self.generator.sample_latent(BATCH, self.device)

    def cost(self, seconds: list[float]) -> Cost:
        """What it costs, from the seconds of a step in each block."""
        return Cost(
            name=self.name,
            milliseconds=1000 * statistics.median(seconds),
            head_parameters=sum(parameter.numel() for parameter in self.objective.parameters()),
            peak_memory=self._peak if self.device.type == "cuda" else None,
        )


class BenchGenerator(Generator):
    """A small convolutional generator for 32 px."""

    latent_dim = LATENT_DIM

    def __init__(self, *, conditional: bool) -> None:
        super().__init__()
        self.conditional = conditional
        self.classes = nn.Embedding(CLASSES, LATENT_DIM) if conditional else None
        self.linear = nn.Linear(LATENT_DIM, 4 * WIDTH * 4 * 4)
        widths = (4 * WIDTH, 2 * WIDTH, WIDTH)
        self.norms = nn.ModuleList(nn.BatchNorm2d(width) for width in widths)
        self.deconvolutions = nn.ModuleList(
            nn.ConvTranspose2d(wide, narrow, 4, stride=2, padding=1)
            for wide, narrow in zip(widths, (*widths[1:], 3), strict=True)
        )

    def forward(self, z: Tensor, labels: Tensor) -> Tensor:
        """Noise (N, latent_dim) and labels (N,) to images (N, 3, 32, 32)."""
        if self.classes is not None:
            z = z + self.classes(labels)
        hidden: Tensor = self.linear(z).unflatten(1, (-1, 4, 4))
        for norm, deconvolution in zip(self.norms, self.deconvolutions, strict=True):
            hidden = deconvolution(norm(hidden).relu())
        return hidden.tanh()


class BenchTrunk(Discriminator):
    """A small convolutional trunk for 32 px, without batch statistics."""

    feature_dim = FEATURE_DIM

    def __init__(self) -> None:
        super().__init__()
        widths = (3, WIDTH, 2 * WIDTH, FEATURE_DIM)
        self.convolutions = nn.ModuleList(
            nn.Conv2d(narrow, wide, 4, stride=2, padding=1) for narrow, wide in pairwise(widths)
        )

    def forward(self, images: Tensor) -> Tensor:
        """Images (N, 3, 32, 32) to features (N, feature_dim)."""
        hidden = images
        for convolution in self.convolutions:
            hidden = F.leaky_relu(convolution(hidden), 0.2)
        return hidden.mean((2, 3))


class _Bare(Objective):
    """No heads, and the least that can be differentiated: the features' sum."""

    def discriminator_loss(self, real: Batch, fake: Batch) -> Terms:
        return {"sum": fake.features.sum() - real.features.sum()}

    def generator_loss(self, fake: Batch, real: Batch | None = None) -> Terms:
        return {"sum": -fake.features.sum()}


@contextmanager
def _one_thread() -> Iterator[None]:
    """torch computes in one thread: several wait for each other whenever anything else runs on the machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


# --- what is shown --------------------------------------------------------------------------------------------------


def _loss(name: str) -> Component:
    found = find(name, "loss")
    if len(found) > 1:
        raise PluginError(f"{name}: has {len(found)} losses; name one: {', '.join(loss.full_name for loss in found)}")
    return found[0]


def _device_name(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"CPU ({platform.machine()}, one thread)"


def _print(comparison: Comparison, setting: dict[str, Any]) -> None:
    from rich.table import Table
    from rich.text import Text

    from cganzoo.console.reporter import amount

    console = stdout_console()
    costs = (comparison.loss, comparison.against)
    table = Table(box=None, pad_edge=False)
    table.add_column("")
    for cost in costs:
        table.add_column(cost.name, justify="right", header_style="bold")
    table.add_row("ms per step of both players", *(f"{cost.milliseconds:.4g}" for cost in costs))
    table.add_row("parameters of the heads", *(f"{cost.head_parameters:,}" for cost in costs))
    if all(cost.peak_memory is not None for cost in costs):
        table.add_row("peak memory of a step", *(amount(cost.peak_memory or 0) for cost in costs))
    console.print(table)
    low, high = comparison.quartiles
    style = "" if comparison.within_noise else "bold"
    console.print(
        Text.assemble(
            f"\n{comparison.loss.name} / {comparison.against.name}: {comparison.ratio:.3f}, "
            f"quartiles {low:.3f} to {high:.3f} of {comparison.pairs} pairs: ",
            (comparison.verdict, style),
        ),
        soft_wrap=not console.is_terminal,
    )
    text = (
        f"{setting['device']}, torch {setting['torch']}; both on the same small convolutional networks: "
        f"{IMAGE_SIZE} px, batches of {BATCH}, {CLASSES} classes"
    )
    console.print(Text(text, "dim"), soft_wrap=not console.is_terminal)
