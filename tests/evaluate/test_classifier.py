"""The ``classifier`` extractor: what it learns, its file, and what it leaves alone."""

from __future__ import annotations

import errno
import json
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from sklearn.datasets import load_digits

from cganzoo.classification import ImageClassifier, augment
from cganzoo.classification.networks import Shape
from cganzoo.config import ClassifierConfig
from cganzoo.data.batches import to_unit
from cganzoo.data.cache import ImageSet
from cganzoo.errors import DamageWarning, DivergenceError, RecipeError, RunError
from cganzoo.evaluate import classifier as classifier_module
from cganzoo.evaluate.classifier import METADATA_KEY, Classifier, load, load_or_train, save, train
from cganzoo.extractor import weights_hash

CPU = torch.device("cpu")
TINY = ClassifierConfig(width=2, epochs=1)


def digits(start: int, stop: int, split: str) -> ImageSet:
    bunch = load_digits()
    images = np.rint(bunch.images[start:stop] * (255 / 16)).astype(np.uint8)[:, None]
    labels = bunch.target[start:stop].astype(np.int64)
    return ImageSet(images, labels, tuple("0123456789"), split, f"digits {start} to {stop}")


TRAIN, TEST = digits(0, 600, "train"), digits(600, 800, "test")


class Steps:
    """A progress callback that keeps its calls."""

    def __init__(self) -> None:
        self.told: list[tuple[int, int]] = []

    def __call__(self, done: int, total: int) -> None:
        self.told.append((done, total))


def global_randomness() -> tuple[object, ...]:
    numpy_state = np.random.get_state(legacy=False)["state"]["key"].tobytes()
    return random.getstate(), numpy_state, torch.get_rng_state().numpy().tobytes()


def stored(folder: Path) -> Path:
    (path,) = folder.glob("*.safetensors")
    return path


def test_learns_real_digits_and_reports_its_held_out_accuracy() -> None:
    steps = Steps()
    classifier = train(TRAIN, TEST, ClassifierConfig(width=8, epochs=16), CPU, steps)
    _, logits = classifier(to_unit(torch.from_numpy(TEST.images)))
    correct = (logits.argmax(1).numpy() == TEST.labels).mean()
    protocol = classifier.protocol()
    assert protocol["accuracy"] == pytest.approx(correct)
    assert protocol["accuracy"] > 0.8
    assert protocol["accuracy_count"] == 200
    assert steps.told == [(step, 150) for step in range(1, 151)]


def test_features_are_what_the_last_layer_sees() -> None:
    classifier = Classifier(ImageClassifier(TINY, Shape(1, 8, 10)), 0.5, 2)
    features, logits = classifier(torch.randn(3, 1, 8, 8))
    assert features.shape == (3, classifier.feature_dim)
    assert logits.shape == (3, classifier.num_classes)
    assert torch.equal(classifier.trained.network.fc(features), logits)


def test_images_are_normalised_with_the_training_sets_moments() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (64, 3, 8, 8), dtype=np.uint8)
    pixels[:, 1] //= 3
    data = ImageSet(pixels, np.arange(64) % 2, ("a", "b"), "train", "noise")
    classifier = train(data, data, TINY, CPU).trained
    unit = pixels / 127.5 - 1
    np.testing.assert_allclose(classifier.mean, unit.mean((0, 2, 3)), rtol=1e-5)
    np.testing.assert_allclose(classifier.std, unit.std((0, 2, 3)), rtol=1e-5)
    seen: list[torch.Tensor] = []
    classifier.network.conv1.register_forward_hook(lambda module, inputs, output: seen.append(inputs[0]))
    darker = to_unit(torch.from_numpy(pixels)) - 0.5
    classifier(darker)
    expected = (darker - classifier.mean[:, None, None]) / classifier.std[:, None, None]
    assert torch.equal(seen[0], expected)


def test_a_channel_without_contrast_is_no_nan() -> None:
    data = ImageSet(np.full((8, 1, 8, 8), 7, np.uint8), np.arange(8) % 2, ("a", "b"), "train", "flat")
    assert 0 <= train(data, data, TINY, CPU).accuracy <= 1


@pytest.mark.parametrize(("size", "kept"), [(8, True), (64, True), (128, False)])
def test_small_images_keep_their_resolution_in_the_stem(size: int, kept: bool) -> None:
    network = ImageClassifier(TINY, Shape(3, size, 10)).network
    assert (network.conv1.stride == (1, 1)) is kept
    assert isinstance(network.maxpool, torch.nn.Identity) is kept


def test_the_same_seed_gives_the_same_weights_and_global_randomness_is_left_alone() -> None:
    before = global_randomness()
    first = train(TRAIN, TEST, TINY, CPU)
    assert global_randomness() == before
    torch.manual_seed(1)
    assert weights_hash(train(TRAIN, TEST, TINY, CPU)) == weights_hash(first)
    other = train(TRAIN, TEST, TINY.model_copy(update={"seed": 1}), CPU)
    assert weights_hash(other) != weights_hash(first)


def test_a_cached_classifier_is_not_trained_again(tmp_path: Path) -> None:
    first = load_or_train(TRAIN, TEST, TINY, tmp_path, CPU)
    steps = Steps()
    second = load_or_train(TRAIN, TEST, TINY, tmp_path, CPU, steps)
    assert steps.told == []
    assert second.protocol() == first.protocol()
    images = to_unit(torch.from_numpy(TEST.images))
    assert torch.equal(second(images)[0], first(images)[0])
    assert not second.training
    assert not any(parameter.requires_grad for parameter in second.parameters())


@pytest.mark.parametrize("change", ["options", "images"])
def test_other_options_or_images_are_another_classifier(tmp_path: Path, change: str) -> None:
    load_or_train(TRAIN, TEST, TINY, tmp_path, CPU)
    steps = Steps()
    data = digits(0, 500, "train") if change == "images" else TRAIN
    config = TINY.model_copy(update={"flip": True}) if change == "options" else TINY
    load_or_train(data, TEST, config, tmp_path, CPU, steps)
    assert steps.told


def flip_last_byte(content: bytes) -> bytes:
    return content[:-1] + bytes([content[-1] ^ 1])


@pytest.mark.parametrize("damage", [flip_last_byte, lambda content: content[:-20], lambda content: b"", lambda c: b"{"])
def test_a_damaged_classifier_is_refused_and_trained_again(tmp_path: Path, damage: Any) -> None:
    first = load_or_train(TRAIN, TEST, TINY, tmp_path, CPU)
    path = stored(tmp_path)
    whole = path.read_bytes()
    path.write_bytes(damage(whole))
    with pytest.raises(RunError, match=path.name):
        load(path)
    steps = Steps()
    with pytest.warns(DamageWarning, match="is made again"):
        assert load_or_train(TRAIN, TEST, TINY, tmp_path, CPU, steps).protocol() == first.protocol()
    assert steps.told
    assert path.read_bytes() == whole


def test_a_flipped_bit_is_noticed_or_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "classifier.safetensors"
    first = load_or_train(TRAIN, TEST, TINY, tmp_path / "cache", CPU)
    save(first, path)
    whole, chance, refused = path.read_bytes(), random.Random(5), 0
    header = int.from_bytes(whole[:8], "little") + 8
    for position in sorted([*chance.sample(range(header), 40), *chance.sample(range(header, len(whole)), 10)]):
        damaged = bytearray(whole)
        damaged[position] ^= 1 << chance.randrange(8)
        path.write_bytes(damaged)
        try:
            found = load(path)
        except RunError:
            refused += 1
        else:
            assert found.protocol() == first.protocol(), position
    assert refused > 40


def test_absurd_sizes_are_refused_before_memory_is_used(tmp_path: Path) -> None:
    path = tmp_path / "classifier.safetensors"
    save(load_or_train(TRAIN, TEST, TINY, tmp_path / "cache", CPU), path)
    with safetensors.safe_open(path, "pt") as opened:
        entry = json.loads(opened.metadata()[METADATA_KEY])
        weights = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
    del entry["checksum"]
    changes: list[tuple[str, dict[str, Any]]] = [
        ("shape", {"num_classes": 10**9}),
        ("shape", {"num_classes": -1}),
        ("shape", {"image_size": 10**12}),
        ("shape", {"image_channels": 10**30}),
        ("config", {"width": 10**7}),
        ("config", {"model": 3}),
    ]
    for part, changed in changes:
        values = {**entry, part: {**entry[part], **changed}}
        safetensors.torch.save_file(weights, path, metadata={METADATA_KEY: json.dumps(values)})
        with pytest.raises(RunError, match="or is damaged"):
            load(path)
    for text in ("[]", "3", "null", "[" * 100_000, "{"):
        safetensors.torch.save_file(weights, path, metadata={METADATA_KEY: text})
        with pytest.raises(RunError, match="or is damaged"):
            load(path)


def test_a_file_of_0_1_has_no_checksum_of_its_other_values(tmp_path: Path) -> None:
    path = tmp_path / "classifier.safetensors"
    first = load_or_train(TRAIN, TEST, TINY, tmp_path / "cache", CPU)
    save(first, path)
    with safetensors.safe_open(path, "pt") as opened:
        entry = json.loads(opened.metadata()[METADATA_KEY])
        weights = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
    del entry["checksum"]
    safetensors.torch.save_file(weights, path, metadata={METADATA_KEY: json.dumps(entry)})
    assert load(path).protocol() == first.protocol()


def test_a_saved_classifier_needs_nothing_but_its_file(tmp_path: Path) -> None:
    classifier = train(TRAIN, TEST, TINY, CPU)
    save(classifier, tmp_path / "classifier.safetensors")
    before = global_randomness()
    loaded = load(tmp_path / "classifier.safetensors")
    assert global_randomness() == before
    assert loaded.protocol() == classifier.protocol()
    assert (loaded.config, loaded.trained.shape) == (classifier.config, classifier.trained.shape)


def test_a_missing_file_is_one_message(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"nothing\.safetensors: no such file"):
        load(tmp_path / "nothing.safetensors")


def test_a_cache_that_may_only_be_read_serves_what_it_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = load_or_train(TRAIN, TEST, TINY, tmp_path, CPU)

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(classifier_module, "FileLock", refuse)
    monkeypatch.setattr(Path, "mkdir", refuse)
    steps = Steps()
    assert load_or_train(TRAIN, TEST, TINY, tmp_path, CPU, steps).protocol() == first.protocol()
    assert steps.told == []
    stored(tmp_path).unlink()
    with pytest.raises(RunError, match=r"cannot be written \(Read-only file system\); set CGANZOO_CACHE"):
        load_or_train(TRAIN, TEST, TINY, tmp_path, CPU)


def test_a_cache_that_cannot_be_written_is_one_message(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="cannot be written"):
        load_or_train(TRAIN, TEST, TINY, tmp_path / "file", CPU)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"model": "resnet81"}, 'did you mean "resnet18"'),
        ({"model": "zzz"}, r"timm\.list_models"),
        ({"model": "vit_tiny_patch16_224"}, "cannot be built for 8x8 images"),
        ({"model": "mobilenetv3_small_050", "width": 8}, "with width = 8"),
    ],
)
def test_a_network_that_does_not_fit_is_one_message(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(RecipeError, match=sentence):
        ImageClassifier(ClassifierConfig(**options), Shape(1, 8, 10))


def test_other_timm_networks_serve_too() -> None:
    classifier = ImageClassifier(ClassifierConfig(model="mobilenetv3_small_050"), Shape(3, 32, 7)).eval()
    features, logits = classifier.features_and_logits(torch.zeros(2, 3, 32, 32))
    assert features.shape == (2, classifier.feature_dim)
    assert logits.shape == (2, 7)


def test_a_training_that_diverges_says_so() -> None:
    with pytest.raises(DivergenceError, match=r"lower evaluation\.extractor\.learning_rate"):
        train(TRAIN, TEST, ClassifierConfig(width=2, epochs=2, learning_rate=1e20), CPU)


def test_augmentation_shifts_within_the_padding_and_nothing_else() -> None:
    images = torch.rand(200, 1, 8, 8)
    shifted = augment(images, 1, False, torch.Generator().manual_seed(0))
    padded = torch.nn.functional.pad(images, (1, 1, 1, 1), value=-1.0)
    windows = [padded[:, :, y : y + 8, x : x + 8] for y in range(3) for x in range(3)]
    equal = torch.stack([(shifted == window).flatten(1).all(1) for window in windows])
    assert equal.any(0).all()
    assert equal.any(1).all()
    assert torch.equal(augment(images, 0, False, torch.Generator()), images)


def test_augmentation_mirrors_half_of_the_images() -> None:
    images = torch.rand(200, 1, 8, 8)
    mirrored = augment(images, 0, True, torch.Generator().manual_seed(0))
    same = (mirrored == images).flatten(1).all(1)
    turned = (mirrored == images.flip(3)).flatten(1).all(1)
    assert (same ^ turned).all()
    assert 60 < same.sum() < 140


def test_options_are_read_without_torch() -> None:
    code = "import sys, cganzoo.evaluate.extractors; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
