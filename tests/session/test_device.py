"""The device of a run and the memory that was used."""

from __future__ import annotations

import re

import pytest
import torch

from cganzoo.errors import RunError
from cganzoo.session.device import device_name, peak_memory, pick_device, reset_peak_memory

CPU = torch.device("cpu")


def test_a_device_is_picked_by_name() -> None:
    assert pick_device("cpu") == CPU
    assert pick_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")


@pytest.mark.parametrize(
    "name", ["nonsense", "cuda:99", "", "meta", "meta:0", "cpu:1000", "cpu:1", "hpu", "xla", "privateuseone", "c\x1bpu"]
)
def test_a_device_that_cannot_compute_here_is_an_error(name: str) -> None:
    with pytest.raises(RunError) as caught:
        pick_device(name)
    shown = name.replace("\x1b", "\\x1b")
    assert str(caught.value).startswith(f'--device {shown}: is not available here; write "auto"')


def test_a_very_long_name_of_a_device_is_cut() -> None:
    with pytest.raises(RunError) as caught:
        pick_device("x" * 100_000)
    assert len(str(caught.value)) < 300


def test_the_name_of_the_cpu_has_its_threads() -> None:
    assert re.fullmatch(r"CPU, (1 thread|\d+ threads)", device_name(CPU))
    assert device_name(torch.device("meta")) == "meta"


def test_the_peak_of_memory_is_measured_in_bytes() -> None:
    reset_peak_memory(CPU)
    before = peak_memory(CPU)
    assert set(before) <= {"process"}
    held = torch.ones(30_000_000)  # 120 MB
    after = peak_memory(CPU)
    assert held.sum() > 0
    if before:
        assert after["process"] > 120_000_000
