"""The list of differences between methods names regularizers and augmentations by their tables."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cganzoo.compare import fairness
from cganzoo.compare.comparison import Comparison
from cganzoo.compare.matrix import build_matrix
from cganzoo.compare.side_by_side import side_by_side

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


def test_a_table_that_only_one_method_has_is_one_difference(tmp_path: Path, tiny: str) -> None:
    table = {"name": "r1", "weight": 10.0, "every": 1}
    assert differences(tmp_path, tiny, "", R1) == {"regularizers.r1": ["-", table]}
    assert differences(tmp_path, tiny, R2, R2 + HALF) == {"regularizers.r1": ["-", {**table, "weight": 0.5}]}
    assert differences(tmp_path, tiny, R1, R1 + HALF) == {"regularizers.r1_2": ["-", {**table, "weight": 0.5}]}


def test_the_order_counts_where_two_methods_have_several_tables(tmp_path: Path, tiny: str) -> None:
    found = differences(tmp_path, tiny, "", R1 + R2, R2 + R1)
    assert found.keys() == {"regularizers.r1", "regularizers.r2", "regularizers.order"}
    assert found["regularizers.order"] == ["-", ["r1", "r2"], ["r2", "r1"]]


def test_the_average_is_shown_as_the_recipe_gives_it(tmp_path: Path, tiny: str) -> None:
    half_life = "ema_half_life = { from = 100, to = 500 }"
    for line, shown in (("ema_decay = 0.9", "0.9"), (half_life, "half-life of (curve linear, from 100.0, to 500.0")):
        file = tmp_path / "one.toml"
        file.write_text(f"{tiny}{line}\n")
        matrix = build_matrix([str(file)], seeds=[0], overrides=[], out=None)
        found = side_by_side(Comparison(matrix, (), {}, (), (), None, {}))
        facts = {fact["name"]: fact["values"] for fact in found["facts"]}
        assert facts["average of weights (EMA)"]["one"].startswith(shown)


def test_repeated_tables_have_numbers_and_their_order_counts(tmp_path: Path, tiny: str) -> None:
    assert differences(tmp_path, tiny, R1 + HALF, R1 + HALF) == {}
    found = differences(tmp_path, tiny, R1 + HALF, HALF + R1)
    assert found == {"regularizers.r1.weight": [10.0, 0.5], "regularizers.r1_2.weight": [0.5, 10.0]}
    assert differences(tmp_path, tiny, R1 + R2, R2 + R1) == {"regularizers.order": [["r1", "r2"], ["r2", "r1"]]}


@pytest.mark.parametrize("table", ["", R1])
def test_equal_recipes_have_no_difference(tmp_path: Path, tiny: str, table: str) -> None:
    assert differences(tmp_path, tiny, table, table) == {}
