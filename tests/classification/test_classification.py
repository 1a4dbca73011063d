"""Training a classifier: its length, its schedule, what it keeps of a training that is stopped, its stems."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.optim.optimizer import register_optimizer_step_pre_hook

from cganzoo import ClassifierConfig, classification
from cganzoo.classification import ImageClassifier, Shape, accuracy, augment, fit
from cganzoo.data.batches import to_unit
from cganzoo.errors import DamageWarning, DivergenceError, RecipeError
from cganzoo.extractor import weights_hash

CPU = torch.device("cpu")
TINY = ClassifierConfig(width=2, steps=6, batch_size=16)


def digits(start: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
    bunch = load_digits()
    images = np.rint(bunch.images[start:stop] * (255 / 16)).astype(np.uint8)[:, None]
    return images, bunch.target[start:stop].astype(np.int64)


IMAGES, LABELS = digits(0, 200)


def noise(size: int, count: int = 40) -> tuple[np.ndarray, np.ndarray]:
    return np.random.default_rng(0).integers(0, 256, (count, 3, size, size), dtype=np.uint8), np.arange(count) % 4


@contextmanager
def rates() -> Iterator[list[tuple[float, float]]]:
    """The learning rate and momentum of every optimizer step inside."""
    seen: list[tuple[float, float]] = []

    def look(optimizer: Any, *_: object) -> None:
        (group,) = optimizer.param_groups
        seen.append((group["lr"], group["momentum"]))

    handle = register_optimizer_step_pre_hook(look)
    try:
        yield seen
    finally:
        handle.remove()


class StoppedError(Exception):
    """Raised in the middle of a training, as Ctrl-C would be."""


def stop_after(step: int) -> Callable[[int, int], None]:
    def progress(done: int, total: int) -> None:
        if done == step:
            raise StoppedError

    return progress


def test_learns_and_its_accuracy_is_the_share_of_right_answers() -> None:
    images, labels = digits(200, 700)
    classifier = fit(images, torch.from_numpy(labels), 10, ClassifierConfig(width=8, steps=120, batch_size=32), CPU)
    with torch.no_grad():
        right = classifier(to_unit(torch.from_numpy(IMAGES))).argmax(1).numpy() == LABELS
    assert accuracy(classifier, torch.from_numpy(IMAGES), LABELS) == right.mean()
    assert right.mean() > 0.8
    assert not classifier.training
    assert not any(parameter.requires_grad for parameter in classifier.parameters())


def test_accuracy_looks_at_every_image(monkeypatch: pytest.MonkeyPatch) -> None:
    class Mean(nn.Module):
        """Class 1 for bright images, else 0."""

        def __init__(self) -> None:
            super().__init__()
            self.scale = nn.Parameter(torch.ones(()))

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            mean = images.mean((1, 2, 3)) * self.scale
            return torch.stack([-mean, mean], 1)

    monkeypatch.setattr(classification, "CHUNK", 3)
    pixels = np.array([0, 255, 0, 255, 0, 255, 0], np.uint8).reshape(-1, 1, 1, 1)
    assert accuracy(Mean(), pixels, np.array([0, 1, 0, 1, 0, 0, 1])) == pytest.approx(5 / 7)


@pytest.mark.parametrize(
    ("options", "steps"), [({"epochs": 3}, 30), ({"epochs": 3, "steps": 7}, 7), ({"epochs": 1, "batch_size": 150}, 2)]
)
def test_length_is_epochs_or_steps(options: dict[str, int], steps: int) -> None:
    told: list[tuple[int, int]] = []
    config = ClassifierConfig(**{"width": 2, "batch_size": 20, **options})
    with rates() as taken:
        fit(IMAGES, LABELS, 10, config, CPU, lambda done, total: told.append((done, total)))
    assert told == [(step, steps) for step in range(1, steps + 1)]
    assert len(taken) == steps


def test_the_step_schedule_divides_by_ten_at_a_half_and_three_quarters() -> None:
    with rates() as taken:
        fit(IMAGES, LABELS, 10, TINY.model_copy(update={"schedule": "step", "steps": 20}), CPU)
    assert taken == [(pytest.approx(rate), 0.9) for rate in [0.1] * 10 + [0.01] * 5 + [0.001] * 5]


def test_one_cycle_rises_to_the_rate_and_falls_to_nearly_nothing() -> None:
    with rates() as taken:
        fit(IMAGES, LABELS, 10, TINY.model_copy(update={"steps": 20, "learning_rate": 0.05}), CPU)
    learning_rates = [rate for rate, _ in taken]
    peak = int(np.argmax(learning_rates))
    assert learning_rates[peak] == pytest.approx(0.05)
    assert learning_rates[0] < 0.003
    assert learning_rates[-1] < 1e-5
    assert np.all(np.diff(learning_rates[: peak + 1]) > 0)
    assert np.all(np.diff(learning_rates[peak:]) < 0)
    assert min(taken)[1] == pytest.approx(0.95)
    assert max(taken)[1] == pytest.approx(0.85)


@pytest.fixture
def dropout(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every network draws from torch's global generator as it trains."""
    build = classification.build

    def with_dropout(*arguments: Any) -> tuple[Any, int]:
        network, features = build(*arguments)
        network.drop_rate = 0.5
        return network, features

    monkeypatch.setattr(classification, "build", with_dropout)


@pytest.mark.usefixtures("dropout")
@pytest.mark.parametrize("schedule", ["one_cycle", "step"])
@pytest.mark.parametrize("size", [8, 16])
def test_a_stopped_training_resumes_to_the_same_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, schedule: str, size: int
) -> None:
    images, labels = noise(size)
    config = TINY.model_copy(update={"schedule": schedule, "flip": True})
    whole = fit(images, labels, 4, config, CPU)
    monkeypatch.setattr(classification, "STATE_EVERY", 0.0)
    state = tmp_path / "it.partial"
    with pytest.raises(StoppedError):
        fit(images, labels, 4, config, CPU, stop_after(4), state=state)
    assert state.is_file()
    told: list[int] = []
    torch.manual_seed(1)
    before = torch.get_rng_state()
    resumed = fit(images, labels, 4, config, CPU, lambda done, total: told.append(done), state=state)
    assert told == [4, 5, 6], "the state of step 3 was the last that was written"
    assert weights_hash(resumed) == weights_hash(whole)
    assert torch.equal(torch.get_rng_state(), before)


def test_the_state_is_written_every_few_minutes_only(tmp_path: Path) -> None:
    with pytest.raises(StoppedError):
        fit(IMAGES, LABELS, 10, TINY, CPU, stop_after(5), state=tmp_path / "it.partial")
    assert list(tmp_path.iterdir()) == []


def flipped(content: bytes) -> bytes:
    """A bit of a tensor is another one."""
    place = len(content) // 3
    return content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]


@pytest.mark.parametrize("content", [b"", b"nothing of the kind", None, flipped])
def test_a_damaged_state_is_left_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: Any) -> None:
    whole = fit(IMAGES, LABELS, 10, TINY, CPU)
    state = tmp_path / "it.partial"
    monkeypatch.setattr(classification, "STATE_EVERY", 0.0)
    with pytest.raises(StoppedError):
        fit(IMAGES, LABELS, 10, TINY, CPU, stop_after(3), state=state)
    written = state.read_bytes()
    state.write_bytes(content(written) if callable(content) else written[:-2000] if content is None else content)
    with pytest.warns(DamageWarning, match="the training of the classifier starts over"):
        assert weights_hash(fit(IMAGES, LABELS, 10, TINY, CPU, state=state)) == weights_hash(whole)


def test_a_state_of_another_network_is_left_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = fit(IMAGES, LABELS, 10, TINY, CPU)
    state = tmp_path / "it.partial"
    monkeypatch.setattr(classification, "STATE_EVERY", 0.0)
    wider = TINY.model_copy(update={"width": 3})
    with pytest.raises(StoppedError):
        fit(IMAGES, LABELS, 10, wider, CPU, stop_after(3), state=state)
    with pytest.warns(DamageWarning, match="of another network"):
        assert weights_hash(fit(IMAGES, LABELS, 10, TINY, CPU, state=state)) == weights_hash(whole)


def test_a_state_that_cannot_be_written_costs_no_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(classification, "STATE_EVERY", 0.0)
    fit(IMAGES, LABELS, 10, TINY, CPU, state=tmp_path / "no such folder" / "it.partial")


def test_divergence_is_noticed_when_the_state_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(classification, "STATE_EVERY", 0.0)
    told: list[int] = []
    wild = TINY.model_copy(update={"learning_rate": 1e30, "steps": 50})
    with pytest.raises(DivergenceError, match=r"lower metrics\.mine\.learning_rate \(it is 1e\+30\)"):
        fit(
            *(IMAGES, LABELS, 10, wild, CPU, lambda done, total: told.append(done)),
            state=tmp_path / "it.partial",
            where="metrics.mine",
        )
    assert len(told) < 20


def test_messages_name_the_callers_table() -> None:
    with pytest.raises(RecipeError, match=r'^metrics\.mine\.model = "resnet81" is no timm model; did you mean'):
        fit(IMAGES, LABELS, 10, ClassifierConfig(model="resnet81"), CPU, where="metrics.mine")


@pytest.mark.parametrize(
    ("model", "small", "large"),
    [
        ("resnet18", 4, 3),  # stages divide by 8; with timm's stem by 32
        ("resnet10t", 4, 3),
        ("densenet121", 4, 3),
        ("convnext_atto", 4, 3),
        ("convnext_atto_ols", 4, 3),
        ("regnetx_002", 2, 3),
        ("mobilenetv3_small_050", 2, 3),
        ("efficientnet_lite0", 2, 3),
        ("ghostnet_050", 1, 3),  # a family that is left as it is
    ],
)
def test_stems_keep_the_resolution_of_small_images(model: str, small: int, large: int) -> None:
    for size, map_size in [(32, small), (96, large)]:
        network = ImageClassifier(ClassifierConfig(model=model), Shape(1, size, 3)).network
        with torch.no_grad():
            assert network.forward_features(torch.zeros(1, 1, size, size)).shape[-1] == map_size, size


@pytest.mark.parametrize("model", ["resnet18", "densenet121", "convnext_atto_ols", "regnetx_002", "efficientnet_lite0"])
def test_a_stem_of_stride_two_halves_the_maps(model: str) -> None:
    sizes = []
    for stride in (1, 2):
        network = ImageClassifier(ClassifierConfig(model=model, stem_stride=stride), Shape(1, 32, 3)).network
        with torch.no_grad():
            sizes.append(network.forward_features(torch.zeros(1, 1, 32, 32)).shape[-1])
    assert sizes[0] == 2 * sizes[1]


def test_stems_give_the_network_the_channels_it_was_built_for() -> None:
    for model in ("resnet18", "densenet121", "convnext_atto"):
        for channels in (1, 3):
            ImageClassifier(ClassifierConfig(model=model), Shape(channels, 16, 3))(torch.zeros(2, channels, 16, 16))


@pytest.mark.parametrize(("size", "last"), [(8, False), (16, True)])
def test_larger_images_are_laid_out_channels_last(size: int, last: bool) -> None:
    classifier = ImageClassifier(TINY, Shape(3, size, 4))
    assert classifier.network.layer1[0].conv1.weight.is_contiguous(memory_format=torch.channels_last) is last


def test_augmentation_does_not_change_with_the_layout() -> None:
    images = torch.rand(20, 3, 8, 8)
    plain, last = (
        augment(images.contiguous(memory_format=layout), 2, True, torch.Generator().manual_seed(0))
        for layout in (torch.contiguous_format, torch.channels_last)
    )
    assert torch.equal(plain, last)


def test_the_options_come_through_the_front_door_without_torch() -> None:
    code = "import sys, cganzoo; cganzoo.ClassifierConfig(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
