"""`cganzoo data`, and `cganzoo run` on what it fetched, from miniature archives in the official formats."""

from __future__ import annotations

import dataclasses
import hashlib
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cganzoo.cli.data_info import grid, table
from cganzoo.cli.main import main
from cganzoo.data.cache import ImageSet
from cganzoo.data.sets import specs
from cganzoo.specs import Archive

pytestmark = pytest.mark.usefixtures("cache")

Write = Callable[..., Path]
Command = Callable[..., "Result"]


@dataclasses.dataclass
class Result:
    """What a command left behind: exit code and both outputs."""

    code: int
    out: str
    err: str


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Command:
    """``command("get", ...)`` is ``cganzoo data get ...``, in an empty folder."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")

    def call(*arguments: str | Path, verb: str | None = "data") -> Result:
        code = 0
        try:
            main([*([verb] if verb else []), *map(str, arguments)])
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
        return Result(code, *capsys.readouterr())

    return call


ARCHIVES = {
    "cifar10": "cifar-10-python.tar.gz",
    "cifar100": "cifar-100-python.tar.gz",
    "cub200": "CUB_200_2011.tgz",
    "tinyimagenet": "tiny-imagenet-200.zip",
}


@pytest.fixture
def content(name: str, request: pytest.FixtureRequest, write_tar: Write) -> bytes:
    """The miniature archive of a set."""
    if name == "tinyimagenet":
        path: Path = request.getfixturevalue("tinyimagenet_zip")
    else:
        path = write_tar(request.getfixturevalue(f"{name}_members"), ARCHIVES[name])
    data = path.read_bytes()
    path.unlink()
    return data


def sha256(content: bytes) -> str:
    return "sha256:" + hashlib.sha256(content).hexdigest()


FIRST_CLASS = {
    "cifar10": ("airplane", 10, 2),
    "cifar100": ("apple", 3, 1),
    "cub200": ("Black_footed_Albatross", 3, 2),
    "tinyimagenet": ("goldfish", 4, 2),
}
SIZES = {"cifar10": "32 x 32 px", "cifar100": "32 x 32 px", "cub200": r"41 x 41 to 48 x 48 px, in 6 looked at",
         "tinyimagenet": "64 x 64 px"}  # fmt: skip


@pytest.mark.parametrize("name", list(ARCHIVES))
def test_from_the_server_to_two_steps_of_training(
    command: Command, server: Any, content: bytes, name: str, cache: Path, tiny: str, tmp_path: Path
) -> None:
    server.files["mirror/file"] = content
    got = command("get", name, "--url", server.url("mirror/file"), "--checksum", sha256(content))
    assert got.code == 0, got.err
    archive = cache / "downloads" / ARCHIVES[name]
    assert archive.read_bytes() == content
    assert f"{name}: {archive} (" in got.out
    assert "checksum right" in got.out
    assert ("unpacked: " in got.out) == (name != "tinyimagenet")
    assert "root =" not in got.out

    shown = command("info", name, "--size", "8")
    assert shown.code == 0, shown.err
    first, train, test = FIRST_CLASS[name]
    assert re.search(rf"^ {first} +{train} +{test} *$", shown.out, re.MULTILINE), shown.out
    assert f"images       {archive}" in shown.out
    assert re.search(rf"^their size   {SIZES[name]}$", shown.out, re.MULTILINE), shown.out
    assert "unpacking" not in shown.out, "it is unpacked already"
    with Image.open(f"{name}-8px.png") as grid:
        assert grid.width > 10 * 48

    recipe = tmp_path / "tiny.toml"
    recipe.write_text(tiny.replace('"digits"', f'"{name}"'))
    ran = command(recipe, "--out", tmp_path / "runs", "--set", "train.steps=2", "--device", "cpu", verb="run")
    assert ran.code == 0, ran.err
    assert "packing" not in ran.out, "it is packed already"
    assert "samples: " in ran.out
    assert "root" not in (tmp_path / "runs" / "tiny" / "seed-0" / "recipe.toml").read_text()


@pytest.mark.parametrize("name", ["tinyimagenet"])
def test_run_downloads_by_itself_where_the_recipe_says_so(
    command: Command,
    server: Any,
    content: bytes,
    name: str,
    tiny: str,
    tmp_path: Path,
    cache: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server.files["set.zip"] = content
    here = Archive(url=server.url("set.zip"), checksum=sha256(content), size=len(content))
    monkeypatch.setattr(specs, "Archive", lambda **official: here)
    recipe = tmp_path / "tiny.toml"
    recipe.write_text(tiny.replace('"digits"', f'"{name}"'))
    arguments = [recipe, "--out", tmp_path, "--set", "train.steps=2", "--device", "cpu"]
    refused = command(*arguments, verb="run")
    assert refused.code == 2
    assert f"run `cganzoo data get tinyimagenet` ({len(content) / 1000:.1f} kB), or set data.download" in refused.err
    assert server.asked == []
    ran = command(*arguments, "--set", "data.download=true", verb="run")
    assert ran.code == 0, ran.err
    assert "downloading set.zip: " in ran.out
    assert (cache / "downloads" / "set.zip").read_bytes() == content


@pytest.mark.parametrize("name", ["cifar10"])
def test_a_mirror_must_have_the_official_file(command: Command, server: Any, content: bytes, cache: Path) -> None:
    server.files["file"] = content
    other_size = command("get", "cifar10", "--url", server.url("file"))
    assert other_size.code == 2
    assert "bytes, not 170,498,071; get the file by other means" in other_size.err
    server.tells_length = False
    server.files["file"] = b"x" * 100
    wrong = command("get", "cifar10", "--url", server.url("file"), "--checksum", "md5:" + "0" * 32)
    assert wrong.code == 2
    assert "is not the expected file" in wrong.err
    assert not (cache / "downloads" / ARCHIVES["cifar10"]).exists()


@pytest.mark.parametrize("name", ["cifar10"])
def test_another_folder_is_told_as_a_recipe_names_it(
    command: Command, server: Any, content: bytes, tmp_path: Path
) -> None:
    server.files["file"] = content
    got = command("get", "cifar10", "--to", "my sets", "--url", server.url("file"), "--checksum", sha256(content))
    assert got.code == 0, got.err
    place = tmp_path / "here" / "my sets" / ARCHIVES["cifar10"]
    assert place.is_file()
    assert f'in a recipe, under [data]: root = "{place}"' in got.out
    assert command("pack", "cifar10", "--root", place, "--size", "8").code == 0
    assert command("pack", "cifar10").code == 2, "it is not where recipes look by themselves"


def test_a_file_to_keep_a_set_in_is_told(command: Command, tmp_path: Path) -> None:
    (tmp_path / "here" / "file").touch()
    result = command("get", "cifar10", "--to", "file", "--url", "http://127.0.0.1:1/x")
    assert result.code == 2
    assert "--to file: is a file; name the folder to keep cifar-10-python.tar.gz in" in result.err


def test_pack_tells_counts_and_place(command: Command, write_tar: Write, cifar10_members: Any, cache: Path) -> None:
    root = write_tar(cifar10_members)
    packed = command("pack", "cifar10", "--root", root, "--size", "16", "--channels", "1")
    assert packed.code == 0, packed.err
    assert re.search(r"packed 36 images in \S+ s \(\S+ a second\)", packed.out)
    assert "cifar10: 30 train, 6 test images of 3 classes" in packed.out
    place = Path(packed.out.split("packed: ")[1].strip())
    assert place.parent == cache / "datasets"
    assert (place / "train.images").stat().st_size == 30 * 16 * 16
    again = command("pack", "cifar10", "--root", root, "--size", "16", "--set", "data.channels=1")
    assert "a second" not in again.out
    assert str(place) in again.out


def test_a_recipe_s_own_size_and_options(command: Command, tiny_file: Path) -> None:
    shown = command("info", tiny_file, "--set", "data.test_fraction=0.5", "-o", "grid.png")
    assert shown.code == 0, shown.err
    assert "digits: 10 classes, packed at 8 x 8 px, gray" in shown.out
    assert "images       part of the software" in shown.out
    assert re.search(r"^ all +898 +899 *$", shown.out, re.MULTILINE)
    assert shown.out.endswith("samples: grid.png\n")


def test_info_shows_the_layout_in_one_line(command: Command, tmp_path: Path) -> None:
    for name in ("archive/Train/a/1", "archive/Train/a/2", "archive/Train/b/1", "archive/Test/a/1"):
        (tmp_path / "set" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8)).save(tmp_path / "set" / f"{name}.png")
    (tmp_path / "set" / "archive" / "Train" / "a" / "3.HEIC").touch()
    for _ in range(2):  # packed, and read again
        shown = command("info", "folder", "--root", tmp_path / "set", "--size", "8")
        assert shown.code == 0, shown.err
        assert (
            "layout       train from archive/Train/; test from archive/Test/; classes from folders; 1 level down, in "
            "archive/; left out: 1 other file (1 .heic)\n"
        ) in shown.out
        assert "note: 1 file was left out, as this format is not read: 1 .heic; convert it to PNG or JPEG" in shown.out
        assert "note: 1 class has one training image: b\n" in shown.out
        assert "note: 1 class has no test image: b\n" in shown.out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["get", "imagenet"], 'data set "imagenet": cannot be downloaded; name your own copy with data.root'),
        (["get", "folder"], 'data set "folder": cannot be downloaded'),
        (["get", "cifar"], 'there is no data set "cifar"; did you mean "cifar10"?'),
        (["get", "cifar10", "--url", "http://127.0.0.1:1/x", "--checksum", "md5:1"], '"md5:1" is no checksum'),
        (["get", "cifar10", "--url", "here.tgz"], "here.tgz: cannot be downloaded: it is not an http or https address"),
        (["pack", "cifar10"], 'data set "cifar10" is not on this machine; run `cganzoo data get cifar10`'),
        (["info", "digits", "--out", "grid.txt"], "--out grid.txt: is not the name of a picture; end it in .png"),
        (["info", "digits", "--size", "1"], "--set data.image_size: 1 does not fit"),
    ],
)
def test_a_mistake_is_one_sentence(command: Command, cache: Path, arguments: list[str], said: str) -> None:
    result = command(*arguments)
    assert result.code == 2
    assert said in result.err
    assert "Traceback" not in result.err
    assert result.err.strip().count("\n") == 0
    assert not (cache / "datasets").exists()


def test_a_set_that_needs_no_download(command: Command) -> None:
    result = command("get", "digits")
    assert result.code == 0
    assert "nothing to download" in result.out


def test_getting_a_set_imports_no_torch() -> None:
    code = (
        "import sys\nfrom cganzoo.cli.main import main\n"
        "try:\n    main(['data', *sys.argv[1:]])\n"
        "finally:\n    print('HEAVY', sorted({'torch', 'timm', 'sklearn'} & set(sys.modules)))\n"
    )
    for arguments in (["--help"], ["get", "digits"]):
        ended = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)
        assert "HEAVY []" in ended.stdout, ended.stderr


# --- what info shows ------------------------------------------------------------------------------------------------


def image_set(counts: list[int], split: str) -> ImageSet:
    labels = np.repeat(np.arange(len(counts)), counts)
    images = np.broadcast_to((20 * labels[:, None, None, None] + 10).astype(np.uint8), (len(labels), 1, 4, 4))
    return ImageSet(images, labels, tuple(f"class {label}" for label in range(len(counts))), split, split)


@pytest.mark.parametrize(("classes", "every_class", "shown"), [(11, False, 11), (12, False, 10), (12, True, 12)])
def test_the_table_of_many_classes(
    classes: int, every_class: bool, shown: int, capsys: pytest.CaptureFixture[str]
) -> None:
    from rich.console import Console

    splits = {"train": image_set(list(range(1, classes + 1)), "train"), "test": image_set([2] * (classes - 1), "test")}
    Console(width=60).print(table(splits, every_class=every_class))
    rows = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert sum(row.startswith("class ") for row in rows) == shown + 1  # and the heading
    assert f"class {shown - 1} {shown} {0 if shown == classes else 2}" in rows
    assert (f"{classes - shown} more: --all" in rows) == (shown < classes)
    assert "smallest class 1 0" in rows
    assert f"largest class {classes} 2" in rows
    assert f"all {classes * (classes + 1) // 2} {2 * (classes - 1)}" in rows


def test_the_grid_has_a_row_for_each_of_the_first_classes() -> None:
    data = image_set([3, 12, *[1] * 30], "train")
    image = grid(data)
    pixels = np.asarray(image.convert("L")).astype(int)
    cell = 48 + 2
    assert len(pixels) == 20 * cell + 2
    margin = pixels.shape[1] - (10 * cell + 2)

    def at(row: int, column: int) -> int:
        return int(pixels[row * cell + cell // 2, margin + column * cell + cell // 2])

    assert [at(0, column) for column in range(10)] == [10] * 3 + [255] * 7
    assert [at(1, column) for column in range(10)] == [30] * 10
    assert [at(5, column) for column in range(10)] == [110] + [255] * 9
