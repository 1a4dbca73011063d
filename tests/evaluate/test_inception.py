"""The ``inception`` extractor against torch-fidelity's own scores, with weights made here."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from torch_fidelity import calculate_metrics
from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

from cganzoo.data import download
from cganzoo.data.batches import to_pixels, to_unit
from cganzoo.errors import CganzooError, DataError, RunError
from cganzoo.evaluate import inception
from cganzoo.evaluate.extractors import InceptionConfig
from cganzoo.evaluate.inception import Inception, load


class Unloaded(FeatureExtractorInceptionV3):
    """torch-fidelity's network with the weights that it is built with: none, on the meta device."""

    def load_state_dict(self, *_: Any, **__: Any) -> Any:
        """Read nothing."""


def images(count: int, seed: int, channels: int = 3) -> Tensor:
    """Patches of smooth noise (N, C, 24, 24) in [-1, 1], as the evaluation has them: of 8 bits."""
    random = torch.Generator().manual_seed(seed)
    coarse = torch.rand(count, channels, 3, 3, generator=random) * 2 - 1
    smooth = torch.nn.functional.interpolate(coarse, (24, 24), mode="bilinear")
    return to_unit(to_pixels((smooth + 0.2 * seed).clamp(-1, 1)))


def random_weights() -> dict[str, Tensor]:
    """Weights of the right names and shapes whose maps neither vanish nor explode; logits differ between images."""
    nothing = io.BytesIO()
    torch.save({}, nothing)
    nothing.seek(0)
    with torch.device("meta"):
        state = Unloaded("blank", ["2048"], feature_extractor_weights_path=nothing).state_dict()
    random = torch.Generator().manual_seed(0)
    weights = {}
    for name, like in state.items():
        if like.ndim > 1:
            weights[name] = torch.randn(like.shape, generator=random) * (2 / like[0].numel()) ** 0.5
        elif name.endswith(("running_var", "bn.weight")):
            weights[name] = torch.ones(like.shape)
        else:
            weights[name] = torch.zeros(like.shape, dtype=like.dtype)
    weights["fc.bias"] = torch.randn(1008, generator=random)
    # What all images have in common, most of it at random weights, must not decide the classes.
    with torch.inference_mode():
        features, _ = Inception(weights)(images(2, 0))
        common = features.mean(0)
        weights["fc.weight"] -= torch.outer(weights["fc.weight"] @ common / (common @ common), common)
        weights["fc.weight"] *= 2 / (features @ weights["fc.weight"].T).std()
    return weights


@pytest.fixture(scope="module")
def weights_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "inception.pth"
    torch.save(random_weights(), path)
    return path


@pytest.fixture(scope="module")
def extractor(weights_file: Path) -> Inception:
    return load(InceptionConfig(weights=str(weights_file)), Path("unused"))


@pytest.fixture(scope="module")
def two_sets() -> tuple[Tensor, Tensor]:
    return images(6, 0), images(6, 1)


@pytest.fixture(scope="module")
def seen(extractor: Inception, two_sets: tuple[Tensor, Tensor]) -> list[tuple[Tensor, Tensor]]:
    with torch.inference_mode():
        return [extractor(part) for part in two_sets]


def frechet(first: np.ndarray, second: np.ndarray) -> float:
    """|m - m'|^2 + tr(S + S' - 2 (S S')^(1/2)): the roots of the eigenvalues, through a Gram matrix of few samples."""
    a, b = ((part - part.mean(0)) / np.sqrt(len(part) - 1) for part in (first, second))
    trace = np.linalg.svd(a @ b.T, compute_uv=False).sum()
    return float(((first.mean(0) - second.mean(0)) ** 2).sum() + (a**2).sum() + (b**2).sum() - 2 * trace)


def test_scores_are_those_of_torch_fidelity(
    weights_file: Path, tmp_path: Path, two_sets: tuple[Tensor, Tensor], seen: list[tuple[Tensor, Tensor]]
) -> None:
    for name, part in zip(("samples", "real"), two_sets, strict=True):
        (tmp_path / name).mkdir()
        for index, pixels in enumerate(to_pixels(part).permute(0, 2, 3, 1).numpy()):
            Image.fromarray(pixels).save(tmp_path / name / f"{index}.png")
    theirs = calculate_metrics(
        input1=str(tmp_path / "samples"),
        input2=str(tmp_path / "real"),
        isc=True,
        fid=True,
        isc_splits=1,
        cuda=False,
        cache=False,
        save_cpu_ram=True,
        verbose=False,
        feature_extractor_weights_path=str(weights_file),
    )
    (features, logits), (real_features, _) = seen
    chances = logits.double().softmax(1)
    score = (chances * (chances.log() - chances.mean(0).log())).sum(1).mean().exp().item()
    assert score > 1.01, "the check is blind where every image looks the same"
    assert score == pytest.approx(theirs["inception_score_mean"], rel=1e-4)
    distance = frechet(features.double().numpy(), real_features.double().numpy())
    assert distance == pytest.approx(theirs["frechet_inception_distance"], rel=1e-4)


def test_features_and_logits_are_those_of_torch_fidelitys_network(
    weights_file: Path, two_sets: tuple[Tensor, Tensor], seen: list[tuple[Tensor, Tensor]]
) -> None:
    theirs = FeatureExtractorInceptionV3(
        "theirs", ["2048", "logits_unbiased", "logits"], feature_extractor_weights_path=str(weights_file)
    )
    with torch.inference_mode():
        features, unbiased, biased = theirs(to_pixels(two_sets[0][:4]))
    torch.testing.assert_close(seen[0][0][:4], features, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(seen[0][1][:4], unbiased, rtol=1e-4, atol=1e-4)
    assert (biased - unbiased).abs().max() > 1


def test_gray_images_are_repeated_to_three_channels(extractor: Inception) -> None:
    gray = images(2, 0, channels=1)
    with torch.inference_mode():
        for one, three in zip(extractor(gray), extractor(gray.repeat(1, 3, 1, 1)), strict=True):
            assert torch.equal(one, three)


def test_many_images_are_processed_in_parts(extractor: Inception, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[Tensor] = []

    def look(pixels: Tensor) -> tuple[Tensor, Tensor]:
        looked.append(pixels)
        flat = pixels.float().flatten(1)
        return flat[:, :5], flat[:, 5:7]

    monkeypatch.setattr(extractor.network, "forward", look)
    many = images(110, 0)
    features, logits = extractor(many)
    assert [len(part) for part in looked] == [50, 50, 10]
    assert all(part.dtype == torch.uint8 for part in looked)
    pixels = to_pixels(many).float().flatten(1)
    assert torch.equal(features, pixels[:, :5])
    assert torch.equal(logits, pixels[:, 5:7])


def test_the_protocol_names_weights_and_library(extractor: Inception) -> None:
    protocol = extractor.protocol()
    assert protocol.keys() == {"kind", "weights", "library"}
    assert protocol["kind"] == "inception"
    assert protocol["weights"] in extractor.description()
    assert protocol["library"].startswith("torch-fidelity ")
    other = {name: part.clone() for name, part in extractor.network.state_dict().items()}
    other["fc.weight"][0, 0] += 1
    assert Inception(other).protocol()["weights"] != protocol["weights"]


def cut(path: Path, whole: bytes) -> None:
    path.write_bytes(whole[: len(whole) // 2])


def no_file_of_weights(path: Path, whole: bytes) -> None:
    path.write_text("<html>404</html>")


def another_network(path: Path, whole: bytes) -> None:
    torch.save({"conv1.weight": torch.zeros(1)}, path)


def no_mapping(path: Path, whole: bytes) -> None:
    torch.save([1, 2], path)


class Runs:
    """Unpickled without restriction, it would make a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return Path.touch, (self.path,)


def code(path: Path, whole: bytes) -> None:
    torch.save({"fc.weight": Runs(path.with_name("made"))}, path)


def flipped(path: Path, whole: bytes) -> None:
    place = len(whole) // 2
    path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])


@pytest.mark.parametrize("damage", [cut, no_file_of_weights, another_network, no_mapping, code, flipped])
def test_a_wrong_or_damaged_file_is_one_message(
    weights_file: Path, tmp_path: Path, damage: Callable[[Path, bytes], None]
) -> None:
    path = tmp_path / "weights.pth"
    damage(path, weights_file.read_bytes())
    with pytest.raises(RunError, match=r"^[^\n]*weights\.pth: does not hold the weights of [^\n]*$"):
        load(InceptionConfig(weights=str(path)), tmp_path)
    assert not (tmp_path / "made").exists()


def test_a_missing_file_is_one_message(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r'evaluation\.extractor\.weights = "/no/such\.pth": no such file'):
        load(InceptionConfig(weights="/no/such.pth"), tmp_path)


def test_weights_are_downloaded_from_where_torch_fidelity_has_them(
    weights_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []

    def fetch(archive: Any, folder: Path, progress: Any, *, advice: str) -> Path:
        asked.append((archive, folder, progress))
        return weights_file

    monkeypatch.setattr(inception, "fetch", fetch)
    load(InceptionConfig(), tmp_path, print)
    ((archive, folder, progress),) = asked
    assert (folder, progress) == (tmp_path, print)
    assert archive.filename == "weights-inception-2015-12-05-6726825d.pth"
    assert archive.checksum == "sha256:6726825d", "the digits in the name, as torch.hub checks them"
    assert download.parse_checksum(archive.checksum)


def test_a_file_that_is_not_the_published_one_is_not_taken_for_it(tmp_path: Path) -> None:
    (tmp_path / inception.ARCHIVE.filename).write_bytes(b"something else")
    with pytest.raises(DataError, match="is not the expected file"):
        load(InceptionConfig(), tmp_path)


def test_a_failed_download_says_that_a_file_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from cganzoo.specs import Archive

    monkeypatch.setattr(inception, "ARCHIVE", Archive(url="http://127.0.0.1:1/weights.pth", checksum="sha256:6726825d"))
    monkeypatch.setattr(download, "PAUSE", 0.0)
    with pytest.raises(CganzooError, match=r"evaluation\.extractor\.weights"):
        load(InceptionConfig(), tmp_path)
