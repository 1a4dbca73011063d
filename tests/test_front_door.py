"""The front half: it imports no torch, its configs are strict, and its schedules move as they say."""

from __future__ import annotations

import importlib
import math
import subprocess
import sys
from typing import Annotated, Any

import pytest
from pydantic import Field, ValidationError

from cganzoo import Config, Scalar, Schedule, at_least, at_most
from cganzoo.config import parse, value_at


class Options(Config):
    rate: float = Field(0.1, description="A number.")
    count: int = Field(1, description="A whole number.")
    betas: tuple[float, float] = Field((0.0, 0.9), description="Two numbers.")
    flag: bool = Field(False, description="A switch.")
    weight: Annotated[Scalar, at_least(0)] = Field(1.0, description="Not negative.")
    temperature: Annotated[Scalar, at_least(0, exclusive=True)] = Field(1.0, description="Positive.")
    share: Annotated[Scalar, at_most(1)] = Field(1.0, description="Up to 1.")


# --- imports --------------------------------------------------------------------------------------------------------


@pytest.mark.smoke
def test_the_front_door_and_every_installed_plugin_import_no_torch() -> None:
    code = (
        "import sys\n"
        "import cganzoo, cganzoo.registry, cganzoo.hookspecs, cganzoo.specs, cganzoo.config, cganzoo.errors\n"
        "registry = cganzoo.registry.load_plugins()\n"
        "assert registry.components(), 'nothing was loaded, so nothing was tested'\n"
        "assert not registry.failures, registry.failures\n"
        "heavy = {'torch', 'torchvision', 'timm', 'torchmetrics', 'sklearn', 'scipy', 'numpy', 'PIL'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    finished = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout == "[]\n"


# --- strictness -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "key"),
    [
        ({"rate": "3"}, "rate"),
        ({"rate": True}, "rate"),
        ({"count": 1.0}, "count"),
        ({"count": "1"}, "count"),
        ({"count": True}, "count"),
        ({"flag": 1}, "flag"),
        ({"flag": "true"}, "flag"),
        ({"betas": [0.1]}, "betas"),
        ({"betas": [0.1, "0.9"]}, "betas"),
        ({"weight": "1"}, "weight"),
        ({"weight": {"from": "1", "to": 0}}, "weight"),
        ({"rate": math.nan}, "rate"),
        ({"rate": math.inf}, "rate"),
        ({"raet": 0.1}, "raet"),
        ({"weight": {"from": 1, "to": 0, "too": 1}}, "weight"),
    ],
)
def test_wrong_values_are_refused(values: dict[str, Any], key: str) -> None:
    with pytest.raises(ValidationError) as caught:
        parse(Options, values)
    assert {error["loc"][0] for error in caught.value.errors()} == {key}


def test_an_integer_is_a_float_and_a_list_is_a_tuple() -> None:
    options = parse(Options, {"rate": 1, "betas": [0, 0.9], "weight": 2})
    assert (options.rate, options.betas, options.weight) == (1.0, (0.0, 0.9), 2.0)
    # TOML's 0 would reach torch as an int, which some optimizers refuse together with a float.
    assert isinstance(options.rate, float)
    assert isinstance(options.betas[0], float)
    assert isinstance(options.weight, float)


def test_a_config_is_frozen() -> None:
    options = parse(Options, {})
    with pytest.raises(ValidationError, match="frozen"):
        options.rate = 1.0


# --- schedules ------------------------------------------------------------------------------------------------------


def schedule(**values: Any) -> Schedule:
    return parse(Schedule, values)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"curve": "constant", "from": 0.3}, {0: 0.3, 50: 0.3, 1000: 0.3}),
        # linear is the default curve, and the whole run its default length
        ({"from": 1, "to": 0}, {0: 1.0, 25: 0.75, 50: 0.5, 100: 0.0, 500: 0.0}),
        ({"from": 0, "to": 8, "steps": 4}, {0: 0.0, 1: 2.0, 3: 6.0, 4: 8.0, 99: 8.0}),
        ({"from": 0, "to": 8, "steps": 0.5}, {0: 0.0, 25: 4.0, 50: 8.0, 99: 8.0}),
        ({"from": 0, "to": 1, "steps": 1}, {0: 0.0, 1: 1.0, 50: 1.0}),  # one step
        ({"from": 0, "to": 1, "steps": 1.0}, {0: 0.0, 1: 0.01, 50: 0.5}),  # the whole run
        (
            {"curve": "cosine", "from": 2, "to": 0},
            {0: 2.0, 25: 1 + math.sqrt(0.5), 50: 1.0, 75: 1 - math.sqrt(0.5), 100: 0.0, 101: 0.0},
        ),
        ({"curve": "cosine", "from": 0, "to": 1, "steps": 10}, {5: 0.5, 10: 1.0, 11: 1.0}),
        ({"curve": "step", "from": 8, "every": 10}, {0: 8.0, 9: 8.0, 10: 4.0, 19: 4.0, 20: 2.0}),
        ({"curve": "step", "from": 8, "every": 0.25, "factor": 0.1}, {24: 8.0, 25: 0.8, 74: 0.08, 75: 0.008}),
    ],
)
def test_schedule_values(values: dict[str, Any], expected: dict[int, float]) -> None:
    moving = schedule(**values)
    assert {step: moving.at(step, 100) for step in expected} == pytest.approx(expected, rel=1e-12, abs=1e-15)
    assert value_at(moving, 25, 100) == moving.at(25, 100)


def test_a_number_stands_still() -> None:
    assert value_at(0.25, 0, 10) == value_at(0.25, 10, 10) == 0.25


def test_a_fraction_keeps_the_shape_of_a_shortened_run() -> None:
    moving = schedule(**{"from": 1, "to": 0, "steps": 0.5})
    assert [moving.at(step, 1000) for step in (0, 200, 400, 600)] == [moving.at(step, 10) for step in (0, 2, 4, 6)]


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"from": 1}, 'a linear schedule needs "to", its last value'),
        ({"from": 1, "curve": "cosine"}, 'a cosine schedule needs "to", its last value'),
        ({"from": 1, "curve": "step"}, 'a step schedule needs "every", the length of one step'),
        (
            {"from": 1, "to": 0, "steps": 1.5},
            '"steps" must be a whole number of steps, or a fraction of the run up to 1.0',
        ),
        ({"from": 1, "to": 0, "steps": 0}, "greater than 0"),
        ({"from": 1, "to": 0, "steps": -0.5}, "greater than 0"),
        ({"from": 1, "curve": "step", "every": 1, "factor": 0}, "greater than 0"),
        ({"from": 1, "curve": "zigzag"}, "Input should be 'constant', 'linear', 'cosine' or 'step'"),
    ],
)
def test_incomplete_schedules(values: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValidationError) as caught:
        schedule(**values)
    assert sentence in str(caught.value)


# --- bounds ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "value", "fits"),
    [
        ("weight", 0, True),
        ("weight", -1e-9, False),
        ("weight", {"from": 1, "to": 0}, True),
        ("weight", {"from": -1, "to": 1}, False),
        ("weight", {"from": 1, "to": -1}, False),
        ("weight", {"from": 0, "curve": "constant"}, True),
        ("weight", {"from": -1, "curve": "constant"}, False),
        ("temperature", 0, False),
        ("temperature", 1e-9, True),
        ("temperature", {"from": 1, "to": 0.1}, True),
        ("temperature", {"from": 1, "to": 0}, False),
        ("temperature", {"from": 0, "to": 1}, False),
        ("temperature", {"from": 1, "curve": "step", "every": 10}, True),
        ("temperature", {"from": 0, "curve": "step", "every": 10}, False),
        ("share", 1, True),
        ("share", 1 + 1e-9, False),
        ("share", {"from": 0, "to": 1}, True),
        ("share", {"from": 0, "to": 1.1}, False),
        ("share", {"from": 0.5, "curve": "step", "every": 10, "factor": 2}, False),
    ],
)
def test_bounds_hold_for_numbers_and_for_schedules(field: str, value: Any, fits: bool) -> None:
    if fits:
        assert getattr(parse(Options, {field: value}), field) is not None
        return
    bound = {"weight": "at least 0", "temperature": "above 0", "share": "at most 1"}[field]
    with pytest.raises(ValidationError, match=f"every value must be {bound}"):
        parse(Options, {field: value})


def test_a_growing_step_curve_respects_a_lower_bound_above_zero() -> None:
    class Above(Config):
        value: Annotated[Scalar, at_least(0.5)] = 1.0

    assert parse(Above, {"value": {"from": 1, "curve": "step", "every": 10, "factor": 2}})


def test_a_curve_can_wait_before_it_begins():
    late = Schedule(start=1.0, to=0.0, after=0.5)
    assert [late.at(step, 100) for step in (0, 50, 75, 100)] == [1.0, 1.0, 0.5, 0.0]
    counted = Schedule(start=1.0, to=0.0, after=10, steps=20)
    assert [counted.at(step, 100) for step in (9, 20, 30, 99)] == [1.0, 0.5, 0.0, 0.0]


@pytest.mark.smoke
@pytest.mark.parametrize("package", ["cganzoo", "cganzoo.registry", "cganzoo.testing"])
def test_every_public_name_is_there(package: str) -> None:
    module = importlib.import_module(package)
    for name in module.__all__:
        assert getattr(module, name) is not None
    with pytest.raises(AttributeError, match=f"module '{package}' has no attribute 'nothing'"):
        _ = module.nothing
