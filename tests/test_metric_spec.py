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
