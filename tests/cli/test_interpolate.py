"""``cganzoo sample`` with truncation, batch statistics and interpolation: files that it writes, and mistakes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from exporting import exported
from PIL import Image

from cganzoo.images.requests import MOST_TRUNCATION


@pytest.fixture
def letters(tmp_path: Path, resolved: Any) -> Path:
    """A generator that takes one of three classes."""
    recipe = resolved("generator.conditional=true", "loss.labeling='predefined'")
    return exported(tmp_path / "letters.safetensors", recipe, ("cat", "dog", "owl"), scale=3)


@pytest.fixture
def free(tmp_path: Path, resolved: Any) -> Path:
    """A generator that takes no class."""
    recipe = resolved("generator.conditional=false", "loss.labeling='dynamic'")
    return exported(tmp_path / "free.safetensors", recipe, ("cat", "dog"))


def picture(file: Path) -> Image.Image:
    with Image.open(file) as opened:
        opened.load()
        return opened.copy()


@pytest.mark.parametrize(
    ("arguments", "rows"), [([], 3), (["-c", "cat"], 10), (["-c", "cat", "-c", "owl", "-n", 4], 4)]
)
def test_a_strip_has_a_row_for_each_class_or_as_many_as_wanted(
    letters: Path, tmp_path: Path, command, arguments: list[object], rows: int
) -> None:
    result = command("sample", letters, "--interpolate", *arguments, "-o", tmp_path / "x.png")
    assert result.code == 0, result.err
    strip = picture(tmp_path / "x.png")
    assert (strip.height - 2) // 50 == rows
    assert strip.width > 10 * 50 + 2  # the names of the rows come first


def test_an_unconditional_generator_has_rows_without_names(free: Path, tmp_path: Path, command) -> None:
    result = command("sample", free, "--interpolate", "--steps", 3, "-o", tmp_path / "x.jpg")
    assert result.code == 0, result.err
    assert picture(tmp_path / "x.jpg").size == (3 * 50 + 2, 10 * 50 + 2)


def test_a_webp_moves(letters: Path, tmp_path: Path, command) -> None:
    arguments = ["--interpolate", "-c", "cat", "-c", "dog", "-n", 4, "--steps", 3, "--truncation", 0.7]
    assert command("sample", letters, *arguments, "-o", tmp_path / "x.webp").code == 0
    with Image.open(tmp_path / "x.webp") as film:
        assert film.n_frames == 4
        assert film.size == (102, 102)


def test_truncation_and_statistics_change_the_grid_and_a_seed_repeats_it(
    letters: Path, tmp_path: Path, command
) -> None:
    made = {}
    for name, arguments in {
        "plain": [],
        "again": [],
        "truncated": ["--truncation", "0.5"],
        "batch": ["--statistics", "batch"],
    }.items():
        result = command("sample", letters, "-n", 6, *arguments, "-o", tmp_path / f"{name}.png")
        assert result.code == 0, result.err
        made[name] = (tmp_path / f"{name}.png").read_bytes()
    assert made["plain"] == made["again"]
    assert len(set(made.values())) == 3


def test_statistics_of_a_generator_without_batch_normalisation_are_said_to_be_equal(
    tmp_path: Path, resolved: Any, command
) -> None:
    recipe = resolved("generator.conditional=true", "generator.batch_norm=false", "loss.labeling='predefined'")
    file = exported(tmp_path / "plain.safetensors", recipe, ("cat", "dog"))
    result = command("sample", file, "-n", 2, "--statistics", "batch", "-o", tmp_path / "x.png")
    assert result.code == 0, result.err
    assert result.out.startswith(
        "--statistics: this generator has no batch normalisation, so both give the same images"
    )


MISTAKES = [
    (["--truncation", "-1"], "truncation: is -1; write a number from 0"),
    (["--truncation", "nan"], "truncation: is nan; write a number from 0"),
    (["--truncation", str(2 * MOST_TRUNCATION)], f"truncation: is {2 * MOST_TRUNCATION}; write a number"),
    (["--truncation", "much"], "Invalid value for '--truncation'"),
    (["--statistics", "moving"], "Invalid value for '--statistics'"),
    (["--interpolate", "--steps", "1"], "Invalid value for '--steps'"),
    (["--steps", "5"], "--steps: is the length of the rows of --interpolate, which is not given"),
    (["--interpolate", "-c", "cat", "-c", "cat"], "but gets the same class twice"),
    (["--interpolate", "-c", "0", "-c", "1", "-c", "2"], "but gets 3 classes"),
    (["--interpolate", "-c", "cow"], 'there is no class "cow"'),
    (["--interpolate", "-n", "1000000000000"], "-n: 10,000,000,000,000 images do not fit in memory"),
    (["--interpolate", "--steps", "1000000000000"], "-n x --steps: 3,000,000,000,000 images do not fit in memory"),
    (["--interpolate", "-o", "x.gif"], "--out x.gif: --interpolate writes one picture; end it in .png or .jpg"),
    (["--interpolate", "-o", "folder"], "--out folder: --interpolate writes one picture"),
]


@pytest.mark.parametrize(("arguments", "message"), MISTAKES, ids=range(len(MISTAKES)))
def test_a_mistake_is_one_message(
    letters: Path, tmp_path: Path, command, arguments: list[str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = command("sample", letters, *([] if "-o" in arguments else ["-o", "x.png"]), *arguments)
    assert result.code == 2
    assert message in " ".join(result.err.replace("│", " ").split())
    assert "Traceback" not in result.err
    assert [file.name for file in tmp_path.iterdir()] == ["letters.safetensors"]


def test_classes_of_a_generator_that_takes_none_are_refused(free: Path, tmp_path: Path, command) -> None:
    result = command("sample", free, "--interpolate", "-c", "cat", "-c", "dog", "-o", tmp_path / "x.png")
    assert result.code == 2
    assert "this generator is unconditional and takes no class" in result.err
