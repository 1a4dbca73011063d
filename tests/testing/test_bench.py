"""``cganzoo plugin check --bench``: the time of a loss, compared with another one."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import torch

from cganzoo import Config, LossSpec
from cganzoo.cli.main import main
from cganzoo.objective import Batch, Networks, Objective, ParameterGroup, Terms
from cganzoo.registry import Component, Provider
from cganzoo.testing import bench


def run_bench(*arguments: str) -> int:
    """Exit code of ``cganzoo plugin check ... --bench``, in this process."""
    with pytest.raises(SystemExit) as stop:
        main(["plugin", "check", *arguments, "--bench"])
    return int(stop.value.code or 0)


class Clock:
    """Stands in for one side of the benchmark: so many seconds a step, and a wobble."""

    def __init__(self, seconds: float, wobble: float = 0.0) -> None:
        self.seconds, self.wobble, self.turn = seconds, wobble, 0

    def run(self, steps: int) -> float:
        self.turn += 1
        return steps * self.seconds * (1 + self.wobble * (-1) ** self.turn)

    def cost(self, seconds: list[float]) -> bench.Cost:
        return bench.Cost("clock", 1000 * sorted(seconds)[len(seconds) // 2], 0, None)


@pytest.mark.parametrize(
    ("one", "other", "ratio", "words"),
    [
        (Clock(0.3), Clock(0.2), 1.5, "50.0% more time per step"),
        (Clock(0.2), Clock(0.4), 0.5, "50.0% less time per step"),
        (Clock(0.2), Clock(0.2), 1.0, "no difference beyond noise"),
        (Clock(0.201), Clock(0.2), 1.005, "no difference beyond noise"),
        (Clock(0.22, wobble=0.2), Clock(0.2), 1.1, "no difference beyond noise"),
    ],
)
def test_ratio_and_noise(one: Any, other: Any, ratio: float, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "FEWEST", 40)
    benchmark = bench.compare(one, other, lambda done, total: None, seconds=0)
    assert benchmark.ratio == pytest.approx(ratio)
    assert benchmark.pairs == 40
    low, high = benchmark.quartiles
    assert low <= benchmark.interval[0] <= benchmark.ratio <= benchmark.interval[1] <= high
    assert benchmark.verdict == words


class NeedsAll(Objective):
    """Asks for everything that the engine can give."""

    uses_real_in_generator_loss = uses_image_gradients = uses_networks = stochastic = True
    fake_labels = "paired"

    def __init__(self, features: int) -> None:
        super().__init__()
        self.head = torch.nn.Linear(features, bench.CLASSES)

    def discriminator_loss(self, real: Batch, fake: Batch, networks: Networks | None = None) -> Terms:
        assert torch.equal(real.labels, fake.labels)
        assert fake.latents is not None
        assert networks is not None
        (slope,) = torch.autograd.grad(self.head(real.features).sum(), real.images, create_graph=True)
        others = networks.images(torch.randn_like(fake.latents), fake.labels)
        of_others = self.head(networks.features(others))
        return {"slope": slope.square().mean(), "others": of_others.square().mean() + self.head(fake.features).mean()}

    def generator_loss(self, fake: Batch, real: Batch | None = None, networks: Networks | None = None) -> Terms:
        assert real is not None
        assert networks is not None
        return {"all": (self.head(fake.features) - self.head(real.features)).square().mean()}

    def parameter_groups(self) -> list[ParameterGroup]:
        return [ParameterGroup([self.head.weight], lr_factor=10.0), ParameterGroup([self.head.bias])]


def test_a_step_moves_both_players() -> None:
    spec = LossSpec(
        name="needs_all", summary="Needs all", config=Config, build=lambda config, context: NeedsAll(context.features)
    )
    provider = Provider(distribution="x", version="1", entry_point="x", module="x", location="")
    side = bench._Side(Component(kind="loss", spec=spec, provider=provider), torch.device("cpu"))
    players = side.gan.trunk, side.gan.objective, side.gan.generator
    before = [[weight.detach().clone() for weight in player.parameters()] for player in players]
    assert side.run(2) > 0
    rates = [(len(group["params"]), group["lr"]) for group in side.optimizers["discriminator"].param_groups]
    assert rates[1:] == [(1, pytest.approx(1e-4))]
    assert rates[0][1] == 1e-5
    for player, old in zip(players, before, strict=True):
        assert all(weight.requires_grad for weight in player.parameters())
        assert all(not torch.equal(*pair) for pair in zip(player.parameters(), old, strict=True))


@pytest.mark.parametrize("against", [None, "projgan"])
def test_bench_as_json(
    against: str | None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in (("SECONDS", 0), ("FEWEST", 3), ("BLOCK", 0.0), ("WARM_UP", 1), ("BATCH", 8)):
        monkeypatch.setattr(bench, name, value)
    monkeypatch.setattr(bench.compare, "__defaults__", (0,))
    extra = [] if against is None else ["--against", against]
    assert run_bench("labelgan", "--json", *extra) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["loss"]["name"] == "labelgan"
    assert printed["loss"]["head_parameters"] == bench.FEATURE_DIM * (bench.CLASSES + 1) + bench.CLASSES + 1
    assert printed["against"]["name"] == (against or "bare networks")
    assert (printed["against"]["head_parameters"] == 0) is (against is None)
    assert printed["pairs"] == 3
    assert printed["ratio"] > 0
    assert printed["device"].startswith("CPU") or torch.cuda.is_available()


def test_bench_as_a_table(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    costs = bench.Cost("mine", 12.5, 1419, 2_000_000), bench.Cost("theirs", 10.0, 0, 1_000_000)
    benchmark = bench.Benchmark(*costs, 1.25, (1.2, 1.3), (1.24, 1.26), 40)
    monkeypatch.setattr(bench, "compare", lambda *sides: benchmark)
    assert run_bench("amgan") == 0
    out = capsys.readouterr().out
    rows = [re.split(r"\s{2,}", line.strip()) for line in out.splitlines()[:4]]
    assert rows == [
        ["mine", "theirs"],
        ["ms per step of both players", "12.5", "10"],
        ["parameters of the heads", "1,419", "0"],
        ["peak memory of a step", "2.0 MB", "1.0 MB"],
    ]
    assert "mine / theirs: 1.250, quartiles 1.200 to 1.300 of 40 pairs: 25.0% more time per step\n" in out
