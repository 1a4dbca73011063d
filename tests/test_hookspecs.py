"""Each hook's docstring holds a complete plugin: it is run, taken in by the loader, and what it builds is used."""

from __future__ import annotations

import inspect
import sys
import textwrap
from types import ModuleType
from typing import Any

import pytest
import torch

from cganzoo import BuildContext, hookspecs
from cganzoo.data.source import ImageSource
from cganzoo.extractor import Extractor
from cganzoo.logger import Logger
from cganzoo.metric import Evaluated, Metric
from cganzoo.networks import Discriminator, Generator
from cganzoo.objective import Batch, Objective
from cganzoo.registry import KIND_OF_HOOK, KINDS, Component, load_plugins

pytestmark = pytest.mark.smoke

CONTEXT = BuildContext(num_classes=3, image_size=8, image_channels=1, feature_dim=5)


def example(hook: str) -> str:
    """The code below ``Example::`` in the hook's docstring."""
    docstring = inspect.getdoc(getattr(hookspecs, hook))
    assert docstring is not None
    return textwrap.dedent(docstring.partition("Example::\n")[2])


def component(hook: str, monkeypatch: pytest.MonkeyPatch) -> Component:
    """What the example registers, taken in by the loader."""
    module = ModuleType(f"example_{hook}")
    exec(compile(example(hook), module.__name__, "exec"), module.__dict__)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    (found,) = load_plugins([], builtin=[module.__name__]).components()
    return found


def build(hook: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """What the example builds with its default options."""
    spec: Any = component(hook, monkeypatch).spec
    return spec.build(spec.config(), CONTEXT)


@pytest.mark.parametrize(("hook", "kind"), KIND_OF_HOOK.items())
def test_each_example_registers_one_component_of_its_kind(
    hook: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = component(hook, monkeypatch)
    assert found.kind == kind
    assert type(found.spec) is KINDS[kind].spec


def test_generator(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = build("cganzoo_generators", monkeypatch)
    assert isinstance(generator, Generator)
    assert generator.conditional is False
    z = generator.sample_latent(4, torch.device("cpu"))
    images = generator(z, torch.zeros(4, dtype=torch.int64))
    assert images.shape == (4, 1, 8, 8)
    assert images.abs().max() <= 1


def test_discriminator(monkeypatch: pytest.MonkeyPatch) -> None:
    trunk = build("cganzoo_discriminators", monkeypatch)
    assert isinstance(trunk, Discriminator)
    assert trunk(torch.zeros(4, 1, 8, 8)).shape == (4, trunk.feature_dim)


def test_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    objective = build("cganzoo_losses", monkeypatch)
    assert isinstance(objective, Objective)
    real, fake = (
        Batch(images=torch.zeros(4, 1, 8, 8), labels=torch.zeros(4, dtype=torch.int64), features=torch.full((4, 5), x))
        for x in (1.0, -1.0)
    )
    terms = objective.discriminator_loss(real, fake)
    # A linear critic on opposite features: the bias cancels in the sum, the weights count twice.
    weights, bias = objective.get_parameter("head.weight").sum(), objective.get_parameter("head.bias")[0]
    torch.testing.assert_close(terms["real"] + terms["fake"], -2 * weights)
    torch.testing.assert_close(objective.generator_loss(fake)["adversarial"], weights - bias)


def test_metric(monkeypatch: pytest.MonkeyPatch) -> None:
    metric = build("cganzoo_metrics", monkeypatch)
    assert isinstance(metric, Metric)
    for value, count in ((0.5, 1), (-1.0, 3)):
        images = torch.full((count, 1, 8, 8), value)
        metric.update(
            Evaluated(images=images, labels=None, features=torch.zeros(count, 5), logits=torch.zeros(count, 3))
        )
    spec: Any = component("cganzoo_metrics", monkeypatch).spec
    assert metric.compute() == {spec.outputs[0].name: (0.5 - 3) / 4}


def test_dataset(monkeypatch: pytest.MonkeyPatch) -> None:
    spec: Any = component("cganzoo_datasets", monkeypatch).spec
    source = spec.build(spec.config(count=6))
    assert isinstance(source, ImageSource)
    labels = source.labels()["train"]
    assert labels.tolist() == [0, 1, 0, 1, 0, 1]
    horizontal, vertical = (source.read("train", index) for index in (0, 1))
    assert horizontal.getpixel((0, 3)) == vertical.getpixel((3, 0)) == 255
    assert horizontal.getpixel((3, 0)) == vertical.getpixel((0, 3)) == 0
    assert source.class_names == ("horizontal", "vertical")


def test_extractor(monkeypatch: pytest.MonkeyPatch) -> None:
    extractor = build("cganzoo_extractors", monkeypatch)
    assert isinstance(extractor, Extractor)
    images = torch.arange(2 * 8 * 8.0).view(2, 1, 8, 8)
    features, logits = extractor(images)
    assert features.shape == (2, extractor.feature_dim) == (2, 16)
    torch.testing.assert_close(features[0, 0], images[0, 0, :2, :2].mean())
    assert logits.shape == (2, 0)
    assert extractor.protocol() == {"kind": "thumbnail", "size": 4}


def test_logger(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    spec: Any = component("cganzoo_loggers", monkeypatch).spec
    logger = spec.build(spec.config(every=2))
    assert isinstance(logger, Logger)
    for step in range(1, 5):
        logger.log(step, {"generator/fake": 0.5}, images_per_second=1.0, seconds=1.0)
    assert capsys.readouterr().out == "\a\a"
