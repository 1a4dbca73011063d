"""A metric that fails costs its own scores, and no others."""

from __future__ import annotations

import gc
import weakref
from pathlib import Path
from typing import Any

import pytest
import torch
from evaluating import COUNT, DISTANCE, SAMPLING, HasLabels, Linear, evaluate, evaluator, samples, spec

from cganzoo import MetricSpec
from cganzoo.errors import CganzooError, DivergenceError, RunError
from cganzoo.metric import Metric

LOWER = "lower evaluation.samples or its options, or remove this metric"
METHODS = ("update_reference", "update_generator", "update", "compute", "per_class", "pictures")


def failing(method: str, error: BaseException | None = None) -> MetricSpec[Any]:
    """A metric whose ``method`` raises ``error``, by default the error of a wrong type."""

    class Failing(HasLabels):
        pass

    def fail(self: Metric, *arguments: object) -> None:
        if error is not None:
            raise error
        len(3)  # type: ignore[arg-type]

    setattr(Failing, method, fail)
    return spec("failing", lambda config, context: Failing(), "has_labels")


def evaluate_all(*metrics: MetricSpec[Any], **changes: Any) -> Any:
    class Doubling(torch.nn.Module):
        pass

    noise = torch.zeros(2, 2), torch.zeros(2, dtype=torch.int64)
    scored = evaluator(*metrics, **changes)
    return scored.evaluate(samples(), COUNT, sampling=SAMPLING, generator=Doubling(), noise=noise)  # type: ignore[arg-type]


@pytest.mark.parametrize("method", METHODS)
def test_a_fault_of_a_metric_is_reported_with_its_place_and_the_others_are_kept(method: str) -> None:
    expected = evaluate()
    result = evaluate_all(failing(method), DISTANCE)
    assert {name: result.scores[name] for name in expected.scores} == expected.scores
    assert result.real_halves["distance"] == expected.real_halves["distance"]
    assert result.scores["has_labels"] == (1.0 if method in ("per_class", "pictures") else None)
    line = next(n for n, text in enumerate(Path(__file__).read_text().splitlines(), 1) if "len(3)" in text)
    reason = f"TypeError at tests/evaluate/test_guarded.py:{line}: object of type 'int' has no len()"
    assert result.failures == {"failing": f"{reason}; report this to the plugin's author"}


def test_a_metric_that_cannot_be_built_is_refused_before_the_training_and_costs_no_other_score() -> None:
    broken = spec("broken", lambda config, context: len(3), "a")  # type: ignore[arg-type]
    with pytest.raises(
        RunError, match=r'metric "broken" cannot be built: TypeError at tests/evaluate/test_guarded\.py:\d+: '
    ):
        evaluator(broken).check()
    result = evaluate(broken, DISTANCE)
    assert result.scores["distance"] is not None
    assert set(result.failures) == {"broken"}


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (CganzooError("failing: too few; lower k"), "failing: too few; lower k"),
        (DivergenceError("the classifier diverged"), "the classifier diverged"),
        (
            RuntimeError(
                "[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 8000000 bytes."
            ),
            f"out of memory: 8.0 MB were requested at once; {LOWER}",
        ),
        (MemoryError(), f"out of memory; {LOWER}"),
    ],
)
def test_each_kind_of_error_is_one_message(error: Exception, reason: str) -> None:
    result = evaluate_all(failing("compute", error), DISTANCE)
    assert result.failures == {"failing": reason}
    assert result.scores["distance"] is not None


def test_an_error_of_many_lines_is_shortened_to_one() -> None:
    result = evaluate_all(failing("compute", ValueError("long " * 100 + "\nsecond line")))
    assert "\n" not in result.failures["failing"]
    assert len(result.failures["failing"]) < 500


@pytest.mark.parametrize(
    ("name", "picture", "reason"),
    [
        ("odd", torch.zeros(4, 4), 'its picture "odd" has the shape (4, 4), not (1 or 3, height, width)'),
        ("odd", torch.zeros(2, 4, 4), 'its picture "odd" has the shape (2, 4, 4)'),
        ("../odd", torch.zeros(3, 4, 4), "the name of its picture '../odd' is not lower snake case"),
    ],
)
def test_a_picture_that_cannot_be_saved_costs_no_score(name: str, picture: torch.Tensor, reason: str) -> None:
    class Drawing(HasLabels):
        def pictures(self, recall: Any) -> dict[str, torch.Tensor]:
            return {name: picture}

    result = evaluate_all(spec("drawing", lambda config, context: Drawing(), "has_labels"))
    assert (result.scores, dict(result.pictures)) == ({"has_labels": 1.0}, {})
    assert result.failures["drawing"].startswith(reason)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(3)])
def test_an_interrupt_is_no_failure_of_a_metric(error: BaseException) -> None:
    with pytest.raises(type(error)):
        evaluate_all(failing("compute", error), DISTANCE)


def test_a_failed_metric_releases_its_memory_at_once() -> None:
    alive: list[weakref.ref[Metric]] = []
    freed: list[bool] = []

    class Large(HasLabels):
        def __init__(self) -> None:
            alive.append(weakref.ref(self))

        def update(self, batch: Any) -> None:
            raise MemoryError

    class After(HasLabels):
        def update(self, batch: Any) -> None:
            gc.collect()
            freed.append(alive[0]() is None)
            super().update(batch)

    large = spec("large", lambda config, context: Large(), "has_labels")
    after = spec("after", lambda config, context: After(), "has_labels")
    evaluate(large, after)
    assert freed[0]


def test_a_fault_on_real_images_is_reported_and_is_not_kept_in_the_cache(tmp_path: Path) -> None:
    class OfSamples(HasLabels):
        def update_generator(self, *arguments: object) -> None:
            self.slope = 1.0

        def compute(self) -> dict[str, float | None]:
            return {"has_labels": self.slope}

    of_samples = spec("of_samples", lambda config, context: OfSamples(), "has_labels")
    result = evaluate_all(of_samples, cache=tmp_path)
    assert (result.scores, result.failures) == ({"has_labels": 1.0}, {})
    assert (result.real_test, result.real_halves) == ({"has_labels": None}, {"has_labels": None})
    assert result.real_failures["of_samples"].startswith("AttributeError at tests/evaluate/test_guarded.py:")
    # With the fault corrected, the real images are scored.
    whole = spec("of_samples", lambda config, context: HasLabels(), "has_labels")
    assert evaluate_all(whole, cache=tmp_path).real_test == {"has_labels": 1.0}


def test_a_metric_with_failures_leaves_the_extractor_s_work_alone() -> None:
    extractor = Linear()
    evaluate_all(failing("update"), DISTANCE, extractor=extractor)
    alone = Linear()
    evaluate_all(DISTANCE, extractor=alone)
    assert extractor.images == alone.images
