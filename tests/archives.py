"""A server on this machine, and miniature archives in the official formats."""

from __future__ import annotations

import io
import pickle
import re
import struct
import tarfile
import threading
import types
import zipfile
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from PIL import Image

__all__ = [  # the fixtures, for the conftest of each folder that uses them
    "_pickled",
    "cache",
    "cifar10_members",
    "cifar100_members",
    "cub200_members",
    "server",
    "tinyimagenet_zip",
    "write_tar",
]


# --- server ---------------------------------------------------------------------------------------------------------


class Server(ThreadingHTTPServer):
    """Serves files as real servers do, and as they do on bad days.

    Attributes:
        files: name to content.
        ranges: whether it honours the Range header.
        off_by: how many bytes further on the part begins that it sends; one entry an answer, then none.
        close_after: bytes of body after which each answer breaks off; one entry an answer, then none does.
        tells_length: whether it sends Content-Length.
        wait: what it waits for before it answers.
        asked: the Range header of each request, or ``None``.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {}
        self.ranges, self.tells_length = True, True
        self.off_by: list[int] = []
        self.close_after: list[int] = []
        self.wait: threading.Event | None = None
        self.asked: list[str | None] = []

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass  # a client that hangs up is part of the tests

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server_port}/{path}"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        server, name = self.server, self.path.removeprefix("/")
        server.asked.append(self.headers.get("Range"))
        if name.startswith("moved/"):
            return self.status(302, Location="/" + name.removeprefix("moved/"))
        if name == "to-file":
            return self.status(302, Location="file:///etc/hostname")
        if name == "to-ftp":
            return self.status(302, Location="ftp://127.0.0.1/x")
        if name == "busy":
            return self.status(503)
        if name not in server.files:
            return self.status(404)
        if server.wait:
            server.wait.wait(10)
        body, start = server.files[name], 0
        if server.ranges and (asked := re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))):
            start = int(asked[1])
            if start >= len(body):
                return self.status(416, **{"Content-Range": f"bytes */{len(body)}"})
            start += server.off_by.pop(0) if server.off_by else 0
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        else:
            self.send_response(200)
        if server.tells_length:
            self.send_header("Content-Length", str(len(body) - start))
        self.end_headers()
        limit = server.close_after.pop(0) if server.close_after else None
        self.wfile.write(body[start:][:limit])

    def status(self, code: int, **headers: str) -> None:
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A server of files on this machine."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the test's own."""
    monkeypatch.setenv("CGANZOO_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


# --- archives -------------------------------------------------------------------------------------------------------

Member = bytes | tarfile.TarInfo


@pytest.fixture
def write_tar(tmp_path: Path) -> Callable[..., Path]:
    """``write_tar({"a/b": b"...", ...}, "name.tar.gz")``; a :class:`tarfile.TarInfo` is added as it is."""

    def write(members: Mapping[str, Member] | list[tuple[str, Member]], name: str = "set.tar.gz") -> Path:
        compression = {"gz": "gz", "tgz": "gz", "xz": "xz", "bz2": "bz2"}.get(name.rpartition(".")[2], "")
        path = tmp_path / name
        with tarfile.open(path, f"w:{compression}") as tar:
            for member_name, content in members.items() if isinstance(members, Mapping) else members:
                if isinstance(content, tarfile.TarInfo):
                    content.name = member_name
                    tar.addfile(content)
                else:
                    entry = tarfile.TarInfo(member_name)
                    entry.size = len(content)
                    tar.addfile(entry, io.BytesIO(content))
        return path

    return write


class Python2Pickler(pickle._Pickler):  # type: ignore[name-defined,misc]
    """Writes what Python 2 wrote: one kind of string, which is bytes, and NumPy under its old name."""

    dispatch: ClassVar[Any] = dict(pickle._Pickler.dispatch)  # type: ignore[attr-defined]

    def save_string(self, value: str | bytes) -> None:
        data = value.encode() if isinstance(value, str) else value
        short = len(data) < 256
        self.write((b"U" + bytes([len(data)]) if short else b"T" + struct.pack("<i", len(data))) + data)
        self.memoize(value)

    def save_named(self, value: Any) -> None:
        self.write(f"c{value.__module__.replace('_core', 'core')}\n{value.__qualname__}\n".encode())
        self.memoize(value)

    dispatch[bytes] = dispatch[str] = save_string
    dispatch[type] = dispatch[types.FunctionType] = dispatch[types.BuiltinFunctionType] = save_named


def pickled(value: Any, python: int) -> bytes:
    if python == 3:
        return pickle.dumps(value, protocol=2)
    file = io.BytesIO()
    Python2Pickler(file, 2).dump(value)
    return file.getvalue()


@pytest.fixture(name="pickled")
def _pickled() -> Callable[[Any, int], bytes]:
    """``pickled(value, 2)``: as Python 2 (or 3) would write it."""
    return pickled


def pixels(count: int, label: int) -> np.ndarray:
    """CIFAR images (count, 3072) whose red is their label times 20, whose green grows downwards, blue rightwards."""
    images = np.zeros((count, 3, 32, 32), np.uint8)
    images[:, 0] = 20 * label
    images[:, 1] = np.arange(32)[:, None]
    images[:, 2] = np.arange(32)
    return images.reshape(count, -1)


CIFAR10_CLASSES = ["airplane", "automobile", "bird"]


@pytest.fixture
def cifar10_members() -> dict[str, bytes]:
    """Members of a miniature CIFAR-10 archive: three classes, a batch holds two images of each."""

    def batch(name: str) -> bytes:
        labels = [0, 1, 2, 2, 1, 0]
        data = np.concatenate([pixels(1, label) for label in labels])
        return pickled({"batch_label": name, "labels": labels, "data": data, "filenames": ["x.png"] * 6}, 2)

    names = [*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"]
    meta = {"num_cases_per_batch": 6, "label_names": CIFAR10_CLASSES, "num_vis": 3072}
    members = {"batches.meta": pickled(meta, 2), **{name: batch(name) for name in names}, "readme.html": b"<html>"}
    return {f"cifar-10-batches-py/{name}": content for name, content in members.items()}


@pytest.fixture
def cifar100_members() -> dict[str, bytes]:
    """Members of a miniature CIFAR-100 archive: four fine classes, two coarse."""

    def batch(count: int) -> bytes:
        fine = [0, 1, 2, 3] * count
        data = np.concatenate([pixels(1, label) for label in fine])
        return pickled({"fine_labels": fine, "coarse_labels": [label // 2 for label in fine], "data": data}, 2)

    meta = {"fine_label_names": ["apple", "pear", "cod", "ray"], "coarse_label_names": ["fruit", "fish"]}
    members = {"meta": pickled(meta, 2), "train": batch(3), "test": batch(1)}
    return {f"cifar-100-python/{name}": content for name, content in members.items()}


def jpeg(value: int, size: int = 64, mode: str = "RGB") -> bytes:
    file = io.BytesIO()
    Image.new(mode, (size, size), value if mode == "L" else (value, value, value)).save(file, "JPEG")
    return file.getvalue()


@pytest.fixture
def cub200_members() -> dict[str, bytes]:
    """Members of a miniature CUB-200-2011 archive: two classes, three images to train on and two to test each."""
    classes = ["001.Black_footed_Albatross", "002.Laysan_Albatross"]
    files = [f"{name}/{name[4:]}_{number:04d}.jpg" for name in classes for number in range(5)]
    table = {
        "classes.txt": [f"{number} {name}" for number, name in enumerate(classes, 1)],
        "images.txt": [f"{number} {file}" for number, file in enumerate(files, 1)],
        "image_class_labels.txt": [f"{number} {1 + (number > 5)}" for number in range(1, 11)],
        "train_test_split.txt": [f"{number} {int(number % 5 in (1, 2, 3))}" for number in range(1, 11)],
    }
    members = {name: ("\n".join(lines) + "\n").encode() for name, lines in table.items()}
    members |= {f"images/{file}": jpeg(20 * number, 40 + number) for number, file in enumerate(files, 1)}
    return {f"CUB_200_2011/{name}": content for name, content in members.items()} | {"attributes.txt": b"1 x::y\n"}


@pytest.fixture
def tinyimagenet_zip(tmp_path: Path) -> Path:
    """A miniature Tiny-ImageNet archive: three classes, four images to train on and two to test each; one is gray."""
    wnids = ["n01443537", "n02056570", "n07695742"]
    path = tmp_path / "tiny-imagenet-200.zip"
    with zipfile.ZipFile(path, "w") as archive:

        def add(name: str, content: bytes | str) -> None:
            archive.writestr(f"tiny-imagenet-200/{name}", content)

        add("wnids.txt", "".join(f"{wnid}\n" for wnid in wnids))
        add("words.txt", "n01443537\tgoldfish, Carassius auratus\nn02056570\tking penguin\nn07695742\tpretzel\n")
        annotations = []
        for label, wnid in enumerate(wnids):
            for number in range(4):
                mode = "L" if label == 0 and number == 0 else "RGB"
                add(f"train/{wnid}/images/{wnid}_{number}.JPEG", jpeg(40 * label + number, mode=mode))
            for number in range(2):
                file = f"val_{2 * label + number}.JPEG"
                annotations.append(f"{file}\t{wnid}\t0\t0\t63\t63\n")
                add(f"val/images/{file}", jpeg(40 * label + number))
        add("val/val_annotations.txt", "".join(annotations))
        add("test/images/test_0.JPEG", jpeg(9))
    return path
