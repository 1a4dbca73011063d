"""Reading files that may be of another kind, or have a name that is not UTF-8."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import safetensors.torch
import torch

from cganzoo._util.checked import load_safetensors

WEIGHTS = {"weight": torch.arange(6.0).reshape(2, 3), "empty": torch.zeros(0)}


@pytest.mark.parametrize("name", [b"plain", b"g\xff", "é".encode()])
def test_safetensors_are_read_whatever_the_name_of_the_folder(tmp_path: Path, name: bytes) -> None:
    folder = tmp_path / os.fsdecode(name)
    try:
        folder.mkdir()
    except OSError:
        pytest.skip("the file system takes only names in UTF-8")
    file = folder / "weights.safetensors"
    file.write_bytes(safetensors.torch.save(WEIGHTS, metadata={"key": "value"}))
    metadata, found = load_safetensors(file)
    assert metadata == {"key": "value"}
    assert found.keys() == WEIGHTS.keys()
    assert all(torch.equal(found[key], tensor) for key, tensor in WEIGHTS.items())
    file.write_bytes(safetensors.torch.save(WEIGHTS))
    assert load_safetensors(file)[0] == {}


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="is not a regular file"):
        load_safetensors(tmp_path / "pipe")
