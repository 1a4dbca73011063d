"""From a recipe's [data] to packed images: what lies where, what is asked, what is said when it is not there."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from cganzoo.cli.main import main
from cganzoo.console.reporter import Reporter
from cganzoo.data.cache import ImageSet
from cganzoo.data.sets import specs
from cganzoo.data.source import ImageSource
from cganzoo.errors import DataError, PluginError, RecipeError
from cganzoo.recipe import bundled
from cganzoo.recipe.read import dataset_recipe
from cganzoo.session.dataset import Selection, load, load_data, open_source, place_of, select
from cganzoo.specs import Archive

pytestmark = pytest.mark.usefixtures("cache")

Write = Callable[..., Path]
Members = dict[str, bytes]


class Told:
    """A reporter, not at a terminal, and what it said."""

    def __init__(self, *, terminal: bool = False) -> None:
        self.file = io.StringIO()
        environment = {"TERM": "xterm" if terminal else "dumb", "COLUMNS": "200"}
        self.reporter = Reporter(Console(file=self.file, force_terminal=terminal, _environ=environment))

    @property
    def text(self) -> str:
        return self.file.getvalue()


@pytest.fixture
def told() -> Told:
    return Told()


def cifar10(archive: Archive | None = None, **options: Any) -> Selection:
    spec = next(spec for spec in specs.cganzoo_datasets() if spec.name == "cifar10")
    spec = dataclasses.replace(spec, archive=archive or spec.archive)
    return Selection(spec, spec.config(**options), 8, 3)


@pytest.fixture
def archive(server: Any, write_tar: Write, cifar10_members: Members) -> Archive:
    """A miniature CIFAR-10 to download."""
    content = write_tar(cifar10_members, "cifar-10-python.tar.gz").read_bytes()
    server.files["cifar-10-python.tar.gz"] = content
    return Archive(url=server.url("cifar-10-python.tar.gz"), checksum="md5:" + hashlib.md5(content).hexdigest())


# --- finding and fetching -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["archive", "folder"])
def test_root_names_an_archive_or_a_folder(
    write_tar: Write, cifar10_members: Members, told: Told, tmp_path: Path, form: str
) -> None:
    root = write_tar(cifar10_members)
    if form == "folder":
        import tarfile

        with tarfile.open(root) as tar:
            tar.extractall(tmp_path / "folder")
        root = tmp_path / "folder"
    selection = cifar10(root=str(root))
    splits = load(selection, open_source(selection, told.reporter), told.reporter)
    assert {name: split.images.shape for name, split in splits.items()} == {
        "train": (30, 3, 8, 8),
        "test": (6, 3, 8, 8),
    }
    assert ("unpacking set.tar.gz" in told.text) == (form == "archive")
    assert "packed 36 images in " in told.text
    again = Told()
    load(selection, open_source(selection, again.reporter), again.reporter)
    assert again.text == "", "what is unpacked and packed already goes without saying"


def test_an_archive_goes_by_the_user_s_name_for_it(write_tar: Write, cifar100_members: Members, told: Told) -> None:
    root = write_tar(cifar100_members, "c100.tar.gz")
    with pytest.raises(DataError, match=f'^{root}: holds cifar100; set data.name = "cifar100"'):
        open_source(cifar10(root=str(root)), told.reporter)


def test_no_tar_is_unpacked_for_a_set_of_another_kind(write_tar: Write, told: Told, cache: Path) -> None:
    root = write_tar({"tiny-imagenet-200/wnids.txt": b""}, "set.tar.gz")
    selection = select("tinyimagenet", [f'data.root="{root}"'])
    with pytest.raises(DataError, match=f"^{root}: is not a zip archive; name one, or an unpacked folder$"):
        open_source(selection, told.reporter)
    assert not (cache / "unpacked").exists()


def test_the_user_s_own_archive_is_not_hashed(
    write_tar: Write, cifar10_members: Members, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cganzoo.data.download._digest", lambda *arguments: pytest.fail("hashed"))
    open_source(cifar10(root=str(write_tar(cifar10_members))), told.reporter)


def test_a_root_that_is_not_there(told: Told, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r'data.root = ".*gone": no such file or folder; name cifar-10-python.tar.gz'):
        open_source(cifar10(root=str(tmp_path / "gone"), download=True), told.reporter)


def test_what_was_downloaded_before_is_found(
    write_tar: Write, cifar10_members: Members, told: Told, cache: Path
) -> None:
    (cache / "downloads").mkdir(parents=True)
    write_tar(cifar10_members).rename(cache / "downloads" / "cifar-10-python.tar.gz")
    assert len(open_source(cifar10(), told.reporter).labels()["train"]) == 30


def test_download_true_fetches_without_asking(archive: Archive, told: Told, cache: Path) -> None:
    source = open_source(cifar10(archive, download=True), told.reporter)
    assert len(source.labels()["train"]) == 30
    assert (cache / "downloads" / "cifar-10-python.tar.gz").is_file()
    assert f"downloading cifar-10-python.tar.gz: {told.text.split(': ')[1].split(' of')[0]} of " in told.text
    assert "kB" in told.text


def test_without_leave_nothing_is_fetched(server: Any, archive: Archive, told: Told) -> None:
    with pytest.raises(DataError) as error:
        open_source(cifar10(dataclasses.replace(archive, size=170_498_071)), told.reporter)
    assert str(error.value) == (
        'data set "cifar10" is not on this machine; run `cganzoo data get cifar10` (170.5 MB), or set '
        "data.download = true, or data.root to cifar-10-python.tar.gz or the folder that it was unpacked to"
    )
    assert server.asked == []


@pytest.mark.parametrize(
    ("answer", "fetched"), [("y", True), ("YES ", True), ("", False), ("n", False), ("maybe", False), (None, False)]
)
def test_at_a_terminal_the_user_is_asked(
    server: Any, archive: Archive, cache: Path, monkeypatch: pytest.MonkeyPatch, answer: str | None, fetched: bool
) -> None:
    def typed(*arguments: object) -> str:
        if answer is None:
            raise EOFError
        return answer

    monkeypatch.setattr("builtins.input", typed)
    monkeypatch.setattr(sys, "stdin", type("Terminal", (io.StringIO,), {"isatty": lambda self: True})())
    told = Told(terminal=True)
    selection = cifar10(dataclasses.replace(archive, size=len(server.files["cifar-10-python.tar.gz"])))
    if fetched:
        open_source(selection, told.reporter)
    else:
        with pytest.raises(DataError, match="is not on this machine"):
            open_source(selection, told.reporter)
    assert bool(server.asked) == fetched
    question = told.text.replace("\n", "")
    assert "cifar10 is not on this machine. Download " in question
    assert f"from {archive.url}" in question
    assert str(cache / "downloads") in question
    assert question.count("[y/N]") == 1


@pytest.mark.parametrize("where", ["stdin", "stdout"])
def test_nobody_is_asked_who_cannot_answer(where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("builtins.input", lambda *arguments: pytest.fail("asked"))
    monkeypatch.setattr(sys, "stdin", type("In", (io.StringIO,), {"isatty": lambda self: where == "stdout"})())
    assert not Told(terminal=where == "stdin").reporter.agrees("really?")
    monkeypatch.setattr(sys, "stdin", None)
    assert not Told(terminal=True).reporter.agrees("really?")


# --- progress -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("terminal", [True, False])
def test_bytes_are_told_as_people_write_them(terminal: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cganzoo.console.reporter.LINE_EVERY", 0.0)
    told = Told(terminal=terminal)
    with told.reporter.stage("downloading x", in_bytes=True) as progress:
        progress(124_000_000, 248_100_000)
        if not terminal:
            assert told.text == "downloading x: 124.0 MB of 248.1 MB\n"
        progress(248_100_000, 248_100_000)
    assert "248.1" in told.text
    unknown = Told(terminal=terminal)
    with unknown.reporter.stage("downloading x", in_bytes=True) as progress:
        progress(5_000, 0)
    assert (unknown.text == "downloading x: 5.0 kB\n") or terminal


def test_a_download_of_unknown_length_is_no_flood_of_lines() -> None:
    told = Told()
    with told.reporter.stage("downloading x", in_bytes=True) as progress:
        for done in range(1000):
            progress(done, 0)
    assert told.text == ""


# --- packing --------------------------------------------------------------------------------------------------------


class Numbers(ImageSource):
    """Ten images of two classes; some are left out, some cannot be read."""

    class_names = ("even", "odd")

    def __init__(self, count: int = 10, left_out: tuple[int, ...] = (), broken: tuple[int, ...] = ()) -> None:
        self.count, self.left_out, self.broken = count, left_out, broken

    def labels(self) -> dict[str, np.ndarray]:
        return {"train": np.arange(self.count) % 2, "test": np.arange(4) % 2}

    def read(self, split: str, index: int) -> Any:
        from PIL import Image

        if index in self.broken:
            raise DataError(f"image {index} is broken")
        return None if index in self.left_out else Image.new("RGB", (8, 8))

    def fingerprint(self) -> str:
        return f"{self.count} {self.left_out} {self.broken}"

    def skip_unreadable(self) -> bool:
        return True


def numbers(told: Told, **options: Any) -> dict[str, ImageSet]:
    return load(cifar10(), Numbers(**options), told.reporter)


def test_images_that_are_left_out_or_unreadable_are_told_each_time(told: Told) -> None:
    for _ in range(2):
        splits = numbers(told, left_out=(1, 2, 6), broken=(0,))
    assert len(splits["train"].labels) == 6
    assert told.text.count("3 train, 2 test images are left out because of the options of cifar10\n") == 2
    assert told.text.count("2 unreadable images were left out; the first: image 0 is broken\n") == 2
    assert told.text.count("packed 14 images in ") == 1


def test_nothing_left_out_is_nothing_told(told: Told) -> None:
    numbers(told)
    assert "left out" not in told.text


def test_too_few_images(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Numbers, "class_names", ("only",))
    monkeypatch.setattr(Numbers, "labels", lambda self: {"train": np.zeros(1, np.int64)})
    with pytest.raises(DataError, match='data set "cifar10": has 1 training images; it needs two or more'):
        numbers(told)


def test_the_place_of_a_packed_set(told: Told, cache: Path) -> None:
    place = place_of(numbers(told))
    assert place.parent == cache / "datasets"
    assert (place / "train.images").is_file()


def test_a_recipe_s_images(resolved: Any, told: Told) -> None:
    splits = load_data(resolved(), told.reporter)
    assert splits["train"].images.shape[1:] == (1, 8, 8)
    assert set(splits) == {"train", "test"}


def test_a_size_that_no_network_takes_is_told_before_the_set_is_packed(
    tiny_file: Path, tmp_path: Path, cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["run", str(tiny_file), "--out", str(tmp_path), "--set", "data.image_size=12"])
    assert ended.value.code == 2
    assert "12" in capsys.readouterr().err
    assert [path for path in (cache / "datasets").iterdir() if path.is_dir()] == []


def test_the_check_is_made_once_and_only_if_there_is_something_to_pack(told: Told) -> None:
    seen: list[tuple[str, ...]] = []
    for _ in range(2):
        load(cifar10(), Numbers(2000), told.reporter, seen.append)
    assert seen == [("even", "odd")]


# --- what a user means ----------------------------------------------------------------------------------------------


def test_a_set_by_name_is_taken_at_its_own_size() -> None:
    sizes = {name: select(name).image_size for name in ("digits", "cifar10", "cifar100", "tinyimagenet")}
    assert sizes == {"digits": 8, "cifar10": 32, "cifar100": 32, "tinyimagenet": 64}
    assert (select("digits").channels, select("cifar10").channels) == (1, 3)
    assert select("cganzoo/digits").spec.name == "digits"


def test_options_of_a_set_by_name() -> None:
    selection = select("cifar100", ["data.labels=coarse", "data.image_size=16", "data.channels=1", 'data.root="/a b"'])
    assert (selection.config.labels, selection.config.root) == ("coarse", "/a b")
    assert (selection.image_size, selection.channels) == (16, 1)


def test_a_recipe_by_name_or_file(tiny_file: Path, tmp_path: Path) -> None:
    assert select("amgan_digits").spec.name == "digits"
    assert select(str(tiny_file), ["data.image_size=16"]).image_size == 16
    bare = tiny_file.rename(tmp_path / "bare")
    assert select(str(bare)).spec.name == "digits"


@pytest.mark.parametrize(
    ("what", "overrides", "error", "said"),
    [
        ("cifar11", [], DataError, '"cifar11" is neither a data set nor a recipe; did you mean "cifar10"'),
        ("amgan_digit", [], DataError, 'neither a data set nor a recipe; did you mean "amgan_digits"'),
        ("nonsense", [], PluginError, r'there is no data set "nonsense" \(available: cifar10, '),
        ("cub200", [], DataError, r'data set "cub200": its images have many sizes; choose .* --size 64'),
        (
            "folder",
            ["data.image_size=8"],
            DataError,
            'data set "folder": name the place of .* --root: Folder, zip or tar',
        ),
        ("digits", ["data.root='x'"], RecipeError, "--set data.root: unknown key; known here: .*test_fraction"),
        ("digits", ["train.steps=3"], RecipeError, "--set train: is not an option of a data set"),
        ("digits", ["data.image_size=2"], RecipeError, "--set data.image_size: 2 does not fit"),
        ("digits", ["data.test_fraction=2"], RecipeError, "--set data.test_fraction: 2 does not fit"),
        ("gone.toml", [], RecipeError, "gone.toml: no such recipe"),
    ],
)
def test_what_a_user_cannot_mean(what: str, overrides: list[str], error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        select(what, overrides)


@pytest.mark.parametrize("name", ["my set", "cifar"])
def test_a_folder_is_no_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).mkdir()
    (tmp_path / "digits").mkdir()
    with pytest.raises(DataError) as caught:
        select(f"./{name}")
    written = f"'./{name}'" if " " in name else f"./{name}"
    assert str(caught.value) == (
        f'"./{name}" is a folder; name the set and, with --root, the folder, like '
        f"`cganzoo data info folder --root {written}`"
    )
    assert select("digits").spec.name == "digits"


def test_a_name_that_is_both(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundled, "names", lambda: ["digits"])
    with pytest.raises(
        DataError, match=r'"digits" is both a recipe and a data set; write "digits.toml" or "cganzoo/digi'
    ):
        select("digits")


def test_a_recipe_of_a_set_alone_is_checked() -> None:
    assert dataset_recipe("digits", image_size=8).sections.data.image_size == 8
    with pytest.raises(RecipeError, match=r'data set "digits": data\.image_size: is missing'):
        dataset_recipe("digits")
