"""The list of differences between methods names regularizers and augmentations by their tables."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cganzoo.compare import fairness
from cganzoo.compare.matrix import build_matrix

REQUIRED = 'plugins = ["cganzoo-amgan", "cganzoo-augment", "cganzoo-dcgan", "cganzoo-regularizers"]'


def differences(tmp_path: Path, tiny: str, *tables: str) -> dict[str, list[Any]]:
    """Each key that differs, with the values of the methods."""
    files = []
    for index, table in enumerate(tables):
        files.append(tmp_path / f"m{index}.toml")
        files[-1].write_text(tiny.replace('plugins = ["cganzoo-amgan", "cganzoo-dcgan"]', REQUIRED) + table)
    matrix = build_matrix([str(file) for file in files], seeds=[0], overrides=[], out=None)
    return {
        one["key"]: [value if value == fairness.ABSENT else json.loads(value) for value in one["values"].values()]
        for one in fairness.differences(matrix.methods)
    }


R1, HALF = '[[regularizers]]\nname = "r1"\n', '[[regularizers]]\nname = "r1"\nweight = 0.5\n'
R2 = '[[regularizers]]\nname = "r2"\n'


def test_a_weight_that_differs_is_one_difference(tmp_path: Path, tiny: str) -> None:
    assert differences(tmp_path, tiny, R1, HALF) == {"regularizers.r1.weight": [10.0, 0.5]}


def test_a_table_that_only_one_method_has_is_absent_in_the_other(tmp_path: Path, tiny: str) -> None:
    found = differences(tmp_path, tiny, "", R1)
    assert found.pop("regularizers.r1.name") == ["-", "r1"]
    assert found == {"regularizers.r1.weight": ["-", 10.0], "regularizers.r1.every": ["-", 1]}


def test_repeated_tables_have_numbers_and_their_order_counts(tmp_path: Path, tiny: str) -> None:
    assert differences(tmp_path, tiny, R1 + HALF, R1 + HALF) == {}
    found = differences(tmp_path, tiny, R1 + HALF, HALF + R1)
    assert found == {"regularizers.r1.weight": [10.0, 0.5], "regularizers.r1_2.weight": [0.5, 10.0]}
    assert differences(tmp_path, tiny, R1 + R2, R2 + R1) == {"regularizers.order": [["r1", "r2"], ["r2", "r1"]]}


@pytest.mark.parametrize("table", ["", R1])
def test_equal_recipes_have_no_difference(tmp_path: Path, tiny: str, table: str) -> None:
    assert differences(tmp_path, tiny, table, table) == {}
