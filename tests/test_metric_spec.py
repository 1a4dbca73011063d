"""What a metric declares: its outputs and their ranges."""

from __future__ import annotations

import math

import pytest

from cganzoo import MetricOutput


def test_an_output_has_no_range_unless_it_declares_one() -> None:
    output = MetricOutput(name="distance", summary="A distance")
    assert (output.low, output.high) == (None, None)
    share = MetricOutput(name="share", summary="A share", low=0, high=1)
    assert (share.low, share.high) == (0, 1)


@pytest.mark.parametrize(
    ("bounds", "message"),
    [
        ({"low": math.nan}, "share: low and high must be finite numbers"),
        ({"high": math.inf}, "share: low and high must be finite numbers"),
        ({"low": 1, "high": 0}, "share: low = 1 is not below high = 0"),
        ({"low": 1, "high": 1}, "share: low = 1 is not below high = 1"),
    ],
)
def test_a_range_that_holds_nothing_is_refused(bounds: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MetricOutput(name="share", summary="A share", **bounds)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        ({"rank_order": 1}, "share: rank_order and diversity need a direction; set higher_is_better"),
        ({"diversity": True, "low": 0, "high": 1}, "share: rank_order and diversity need a direction"),
        ({"rank_order": 0, "higher_is_better": True}, "share: rank_order = 0 is not a whole number from 1"),
        ({"rank_order": True, "higher_is_better": True}, "share: rank_order = True is not a whole number from 1"),
        ({"diversity": True, "higher_is_better": True, "high": 1}, "diversity needs the worst possible value; set low"),
        ({"diversity": True, "higher_is_better": False, "low": 0}, "diversity needs the worst possible value; set hig"),
    ],
)
def test_an_output_that_ranks_or_measures_diversity_declares_what_that_needs(
    declared: dict[str, object], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        MetricOutput(name="share", summary="A share", **declared)  # type: ignore[arg-type]
