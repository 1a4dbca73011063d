"""``cganzoo sample``: what it says of classes, of a generator that takes none, and of names with brackets."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from exporting import exported
from torch import Tensor

from cganzoo.cli import sample
from cganzoo.console.reporter import Reporter
from cganzoo.console.streams import printable, stdout_console
from cganzoo.errors import RunError
from cganzoo.extractor import Extractor
from cganzoo.images.export_file import Origin
from cganzoo.images.generator import TrainedGenerator
from cganzoo.images.grids import BATCH_SIZE
from cganzoo.networks import Generator


@pytest.fixture
def letters(tmp_path: Path, resolved: Any) -> Path:
    """A generator that takes one of three classes."""
    recipe = resolved("generator.conditional=true", "loss.labeling='predefined'")
    return exported(tmp_path / "letters.safetensors", recipe, ("cat", "dog", "[/]\x1b[31m"))


def test_an_index_is_shown_with_the_name_of_its_class(letters: Path, tmp_path: Path, command) -> None:
    result = command("sample", letters, "--class", "1", "--class", "cat", "-n", "2", "-o", tmp_path / "x.png")
    assert result.code == 0, result.err
    assert result.out.splitlines()[0] == '--class 1: index 1 is class "dog"'


def test_a_number_is_no_index_where_classes_are_numbers(tmp_path: Path, resolved: Any, command) -> None:
    recipe = resolved("generator.conditional=true", "loss.labeling='predefined'")
    file = exported(tmp_path / "numbers.safetensors", recipe, tuple(str(number) for number in range(1, 11)))
    result = command("sample", file, "--class", "0", "-o", tmp_path / "x.png")
    assert result.code == 2
    assert 'there is no class "0"; as an index it would be class "1"' in result.err
    assert command("sample", file, "--class", "10", "-n", "1", "-o", tmp_path / "x.png").code == 0


MISTAKES = [
    ["--class", ""],
    ["--class", "dgo"],
    ["--count", "0"],
    ["-n", "-1"],
    ["--seed", "-1"],
    ["-n", "1000000000000000"],
]


@pytest.mark.parametrize("arguments", MISTAKES, ids=range(len(MISTAKES)))
def test_a_mistake_is_one_message(letters: Path, tmp_path: Path, command, arguments: list[str]) -> None:
    result = command("sample", letters, *arguments, "-o", tmp_path / "x.png")
    assert result.code == 2
    assert "Traceback" not in result.err
    assert printable(result.err) == result.err
    assert not (tmp_path / "x.png").exists()


@pytest.mark.parametrize("name", ["a [b].png", "[/].png", "[bold]x[/bold].png", "x\x1b[31m.png", "folder [x]"])
def test_a_name_with_brackets_is_shown_whole(letters: Path, tmp_path: Path, command, name: str) -> None:
    result = command("sample", letters, "-n", "3", "-o", tmp_path / name)
    assert result.code == 0, result.err
    assert result.out.endswith(f"samples: {tmp_path / printable(name)}\n")
    assert (tmp_path / name).exists()


def test_a_class_for_an_export_that_takes_none_is_refused_at_once(tmp_path: Path, resolved: Any, command) -> None:
    recipe = resolved("generator.conditional=false", "loss.labeling='dynamic'")
    file = exported(tmp_path / "free.safetensors", recipe, ("cat", "dog"))
    result = command("sample", file, "--class", "cat", "-o", tmp_path / "x.png")
    assert result.code == 2
    assert "this generator is unconditional, and there is no classifier" in result.err


def test_a_number_of_images_that_memory_cannot_hold_is_refused_by_their_size(
    letters: Path, tmp_path: Path, command, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained = sample.load_generator(letters)
    each = 4 * (8 * 8 + trained.latent_dim)
    monkeypatch.setattr("cganzoo.images.requests.memory_limit", lambda: each * 20)
    result = command("sample", letters, "-n", "100000000000", "-o", tmp_path / "x.png")
    assert result.code == 2
    assert "-n: 100,000,000,000 images do not fit in memory; at most 20 do" in result.err


@pytest.mark.parametrize("ending", ["gif", "GIF", "tif", "tiff", "bmp", "pdf", "svg", "avif", "heic"])
def test_a_picture_of_a_kind_that_is_not_written_is_no_folder(
    letters: Path, tmp_path: Path, command, ending: str
) -> None:
    result = command("sample", letters, "-n", "2", "-o", tmp_path / f"x.{ending}")
    assert result.code == 2
    assert f"x.{ending}: pictures end in .png, .jpg, .jpeg, .webp; write one of these" in " ".join(result.err.split())
    assert not (tmp_path / f"x.{ending}").exists()


def test_images_of_an_earlier_call_are_not_mixed_with_new_ones(letters: Path, tmp_path: Path, command) -> None:
    folder = tmp_path / "v1.5 images"
    folder.mkdir()
    (folder / "my cat.png").touch()
    assert command("sample", letters, "-n", "4", "-c", "cat", "-o", folder).code == 0
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    assert len(before) == 5
    result = command("sample", letters, "-n", "2", "-c", "dog", "-o", folder)
    assert result.code == 2
    assert "has images of an earlier call, like 00000-cat.png; name another folder" in " ".join(result.err.split())
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before


class Dark(Generator):
    """Black images, of no class."""

    latent_dim, conditional = 1, False

    def __init__(self) -> None:
        super().__init__()
        self.scale = torch.nn.Parameter(torch.zeros(()))

    def forward(self, z: Tensor, labels: Tensor) -> Tensor:
        return z[:, :, None, None] * self.scale - 1


class First(Extractor):
    """All images are of the first class."""

    feature_dim, num_classes = 1, 2

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        return images.flatten(1), torch.tensor([[1.0, 0.0]]).expand(len(images), -1)


def search(wanted: dict[int, int], monkeypatch: pytest.MonkeyPatch) -> dict[int, Tensor]:
    monkeypatch.setattr(sample, "MAX_BATCHES", 3)
    trained = TrainedGenerator(Dark(), Origin("", "x", ("cat", "dog"), 1, 0, {}))
    return sample._find(
        trained,
        First(),
        Counter(wanted),
        {"seed": 0, "truncation": None, "statistics": None},
        Reporter(stdout_console()),
    )


def test_a_search_by_the_classifier_is_announced(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert len(search({0: 4}, monkeypatch)[0]) == 4
    said = capsys.readouterr().out
    assert said.splitlines()[0] == (
        "--class: this generator is unconditional and takes no class; the run's classifier looks for 4 images of this "
        f"class in up to {3 * BATCH_SIZE:,} samples"
    )


def test_a_search_in_vain_shows_progress_and_ends_with_one_message(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(RunError, match=r"--class dog: the run's classifier found 0 of this class in 750 samples"):
        search({1: 4}, monkeypatch)
    assert "searching samples for the class: 750 of 750" in capsys.readouterr().out
