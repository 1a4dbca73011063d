"""The ``timm/<model>`` extractor, with timm's own tiny networks and files of weights made here."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import timm
import torch
from PIL import Image
from torch import Tensor

from cganzoo.data.batches import to_pixels, to_unit
from cganzoo.errors import RecipeError, RunError
from cganzoo.evaluate.extractors import TimmConfig
from cganzoo.evaluate.pretrained import Pretrained, load

MODEL = "test_resnet"


def network(model: str = MODEL, **options: Any) -> Any:
    torch.manual_seed(0)
    made = timm.create_model(model, **options).eval()
    for module in made.modules():  # new residual branches end in zeros, which would hide what they do
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
    return made


@pytest.fixture(scope="module")
def weights_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "resnet.safetensors"
    safetensors.torch.save_file(network().state_dict(), path)
    return path


def config(weights: Path | str | None, model: str = MODEL, **options: Any) -> TimmConfig:
    return TimmConfig(model=model, weights=None if weights is None else str(weights), **options)


def images(count: int = 3, channels: int = 3, size: int = 24) -> Tensor:
    pixels = np.random.default_rng(0).integers(0, 256, (count, channels, size, size), dtype=np.uint8)
    return to_unit(torch.from_numpy(pixels))


def test_features_are_what_the_classifier_sees(weights_file: Path) -> None:
    extractor = load(config(weights_file), image_channels=3)
    theirs = network()
    with torch.no_grad():
        features, logits = extractor(images())
        prepared = extractor.prepare(images())
        assert torch.equal(logits, theirs(prepared))
        assert torch.equal(features, theirs.forward_head(theirs.forward_features(prepared), pre_logits=True))
        assert torch.allclose(theirs.get_classifier()(features), logits)
    assert features.shape == (3, extractor.feature_dim)
    assert extractor.num_classes == 1000
    assert not extractor.own_classes
    assert not extractor.training
    assert not any(parameter.requires_grad for parameter in extractor.parameters())


@pytest.mark.parametrize(("model", "resampling"), [(MODEL, "BILINEAR"), ("test_efficientnet", "BICUBIC")])
@pytest.mark.parametrize("size", [24, 200])
def test_images_are_resized_and_normalised_as_the_network_was_trained(model: str, resampling: str, size: int) -> None:
    """Pillow resizes antialiased, too, and rounds to 8 bits."""
    made = network(model)
    extractor = Pretrained(made, config(None, model))
    target = made.pretrained_cfg["input_size"][-1]
    assert extractor.input_size == target == 160
    smooth = torch.nn.functional.interpolate(images(1, 3, 6), (size, size), mode="bilinear")
    pixels = to_pixels(smooth)
    resized = Image.fromarray(pixels[0].permute(1, 2, 0).numpy()).resize((target, target), Image.Resampling[resampling])
    wanted = torch.from_numpy(np.array(resized)).permute(2, 0, 1) / 255
    mean, std = (torch.tensor(made.pretrained_cfg[key])[:, None, None] for key in ("mean", "std"))
    prepared = extractor.prepare(to_unit(pixels))[0] * std + mean
    assert (prepared - wanted).abs().max() < 1.5 / 255


def test_resizing_does_not_leave_the_range_of_pixels() -> None:
    extractor = Pretrained(network("test_efficientnet"), config(None, "test_efficientnet"))
    hard = torch.full((1, 3, 8, 8), -1.0)
    hard[..., 4:] = 1
    prepared = extractor.prepare(hard)[0] * extractor.std[:, None, None] + extractor.mean[:, None, None]
    assert prepared.min() > -1e-6
    assert prepared.max() < 1 + 1e-6


def test_gray_images_are_repeated(weights_file: Path) -> None:
    extractor = load(config(weights_file), image_channels=1)
    gray = images(channels=1)
    assert torch.equal(extractor(gray)[0], extractor(gray.repeat(1, 3, 1, 1))[0])


def test_many_images_are_processed_in_parts(weights_file: Path) -> None:
    extractor = load(config(weights_file, input_size=32), image_channels=3)
    sizes: list[int] = []
    extractor.network.conv1.register_forward_pre_hook(lambda _, inputs: sizes.append(len(inputs[0])))
    many = images(110)
    features, _ = extractor(many)
    assert sizes == [50, 50, 10]
    torch.testing.assert_close(features[105:], extractor(many[105:])[0])


@pytest.mark.parametrize("model", [MODEL, "test_vit3"])
def test_another_input_size(tmp_path: Path, model: str) -> None:
    path = tmp_path / "weights.pth"
    torch.save(network(model).state_dict(), path)
    extractor = load(config(path, model, input_size=64), image_channels=3)
    assert extractor.prepare(images()).shape[-1] == 64
    assert extractor(images())[1].shape == (3, 1000)
    assert extractor.protocol()["input_size"] == 64


def test_a_network_without_a_classifier_has_no_logits() -> None:
    whole, headless = network(), network(num_classes=0)
    headless.load_state_dict({name: part for name, part in whole.state_dict().items() if not name.startswith("fc.")})
    extractor = Pretrained(headless, config(None))
    features, logits = extractor(images())
    assert features.shape == (3, extractor.feature_dim)
    assert logits.shape == (3, 0)
    assert extractor.num_classes == 0
    assert "no classes" in extractor.description()
    assert torch.equal(features, Pretrained(whole, config(None))(images())[0])


@pytest.mark.parametrize("wrap", [lambda w: w, lambda w: {"state_dict": w, "epoch": 3}, lambda w: {"model": w}])
def test_files_of_torch_serve_too_wrapped_or_not(weights_file: Path, tmp_path: Path, wrap: Callable[..., Any]) -> None:
    path = tmp_path / "weights.pth"
    torch.save(wrap(network().state_dict()), path)
    found, same = (load(config(file), image_channels=3).protocol() for file in (path, weights_file))
    assert found == same


def test_the_protocol_names_model_weights_and_what_decides_the_pixels(weights_file: Path, tmp_path: Path) -> None:
    protocol = load(config(weights_file), image_channels=3).protocol()
    assert protocol == {
        "kind": "timm",
        "model": MODEL,
        "weights": protocol["weights"],
        "input_size": 160,
        "interpolation": "bilinear",
        "library": f"timm {timm.__version__}",
    }
    other = network().state_dict()
    other["fc.bias"][0] += 1
    path = tmp_path / "other.safetensors"
    safetensors.torch.save_file(other, path)
    assert load(config(path), image_channels=3).protocol()["weights"] != protocol["weights"]


@pytest.mark.parametrize(
    ("model", "sentence"),
    [
        ("resnett50", 'did you mean "timm/resnet50"'),
        ("resnet50.a1_in1z", 'did you mean "timm/resnet50.a1_in1k"'),
        ("zzz", "list_models"),
    ],
)
def test_a_model_that_timm_does_not_have_is_one_message(model: str, sentence: str) -> None:
    with pytest.raises(RecipeError, match=rf'^evaluation\.extractor\.name = "timm/{model}": [^\n]*{sentence}[^\n]*$'):
        load(config(None, model), image_channels=3)


def another_network(path: Path) -> None:
    torch.save(network("test_efficientnet").state_dict(), path)


def no_mapping(path: Path) -> None:
    torch.save(torch.zeros(3), path)


def code(path: Path) -> None:
    torch.save({"fc.bias": Path("/")}, path)


@pytest.mark.parametrize("ending", [".pth", ".safetensors"])
@pytest.mark.parametrize("make", [another_network, no_mapping, code, lambda path: path.write_text("<html>404</html>")])
def test_a_wrong_or_damaged_file_is_one_message(tmp_path: Path, make: Callable[[Path], Any], ending: str) -> None:
    path = tmp_path / f"weights{ending}"
    make(path)
    with pytest.raises(RunError) as caught:
        load(config(path), image_channels=3)
    sentence = str(caught.value)
    assert sentence.startswith(
        f'evaluation.extractor.weights = "{path}": does not hold the weights of timm\'s "{MODEL}"'
    )
    assert "\n" not in sentence
    assert "weights_only" not in sentence, "no advice to load it all the same"


def test_a_flipped_bit_is_noticed_where_the_format_has_checksums(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    torch.save(network(MODEL).state_dict(), path)
    whole = path.read_bytes()
    place = len(whole) // 2
    path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
    with pytest.raises(RunError, match=r"\(it is damaged, or holds more than weights\)"):
        load(config(path), image_channels=3)


def test_a_file_in_the_format_of_older_torch_is_read(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    torch.save(network(MODEL).state_dict(), path, _use_new_zipfile_serialization=False)
    assert load(config(path), image_channels=3).feature_dim > 0


def test_a_missing_file_is_one_message() -> None:
    with pytest.raises(RunError, match=r'weights = "/no/such\.pth": no such file'):
        load(config("/no/such.pth"), image_channels=3)


def test_a_size_that_the_network_does_not_take_is_one_message(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    torch.save(network("test_vit").state_dict(), path)
    with pytest.raises(
        RecipeError, match=r'^[^\n]*"timm/test_vit": does not take images of 50 px [^\n]*input_size[^\n]*$'
    ):
        load(config(path, "test_vit", input_size=50), image_channels=3)


def test_a_hub_that_does_not_answer_is_one_message(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        logging.getLogger("huggingface_hub.utils").warning("Retrying in 1s")
        raise OSError("Connection refused.\nTry again.")

    monkeypatch.setattr("timm.models._hub.hf_hub_download", refuse)
    with pytest.raises(RunError) as caught:
        load(config(None), image_channels=3)
    assert str(caught.value) == (
        'evaluation.extractor.name = "timm/test_resnet": its weights could not be downloaded from the Hugging Face hub '
        '(Connection refused); get them by other means and write evaluation.extractor.weights = "FILE"'
    )
    assert "Retrying" not in caplog.text


def test_images_of_a_number_of_channels_that_it_does_not_take(weights_file: Path) -> None:
    with pytest.raises(RecipeError, match="takes images of 3 channels, not 4"):
        load(config(weights_file), image_channels=4)
