"""The one pass that feeds all metrics, and the real column."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from cganzoo import BuildContext, Config, MetricOutput, MetricSpec
from cganzoo.data.batches import to_unit
from cganzoo.data.cache import ImageSet
from cganzoo.errors import CganzooError, DataError, DivergenceError, PluginError, RunError
from cganzoo.evaluate.evaluation import Evaluator, Scores, fingerprint
from cganzoo.extractor import Extractor
from cganzoo.metric import Evaluated, Metric, Recall
from cganzoo.networks import Generator

CPU = torch.device("cpu")
REAL, TEST, COUNT, SIZE, CLASSES, DIM = 31, 13, 20, 8, 3, 4
SAMPLING = {"weights": "ema", "batch_statistics": "standing", "seed": 0}


class Linear(Extractor):
    """Features and logits are linear in the pixels; counts the images it saw."""

    feature_dim, num_classes = DIM, CLASSES

    def __init__(self) -> None:
        super().__init__()
        random = torch.Generator().manual_seed(0)
        self.register_buffer("weight", torch.randn(SIZE * SIZE, DIM + CLASSES, generator=random))
        self.images = 0

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        assert not self.training
        assert torch.is_inference_mode_enabled()
        self.images += len(images)
        both = images.flatten(1) @ self.get_buffer("weight")
        return both[:, :DIM], both[:, DIM:]

    def protocol(self) -> Mapping[str, Any]:
        return {"kind": "linear", "weights": "abc"}


class NoOptions(Config):
    """No options."""


class Scale(Config):
    """One option."""

    scale: float = 1.0


class MeanDistance(Metric):
    """Distance of the feature means, and how many images of each kind it was given."""

    def __init__(self, config: Scale) -> None:
        self.scale = config.scale
        self.real: list[Evaluated] = []
        self.samples: list[Evaluated] = []

    def update_reference(self, batch: Evaluated) -> None:
        assert not self.samples, "real images come first"
        self.real.append(batch)

    def update(self, batch: Evaluated) -> None:
        self.samples.append(batch)

    def compute(self) -> dict[str, float | None]:
        real = torch.cat([batch.features for batch in self.real])
        samples = torch.cat([batch.features for batch in self.samples])
        return {
            "distance": self.scale * (real.mean(0) - samples.mean(0)).norm().item(),
            "real_count": float(len(real)),
            "sample_count": float(len(samples)),
        }


class Told(Metric):
    """Whether samples came with labels."""

    def update(self, batch: Evaluated) -> None:
        self.labels = batch.labels

    def compute(self) -> dict[str, float | None]:
        return {"told": None if self.labels is None else 1.0}


def spec(name: str, build: Any, *outputs: str, config: type[Config] = NoOptions) -> MetricSpec[Any]:
    declared = tuple(MetricOutput(name=output, summary="a number") for output in outputs)
    return MetricSpec(name=name, summary="a test's metric", config=config, build=build, outputs=declared)


DISTANCE = spec(
    "mean_distance",
    lambda config, context: MeanDistance(config),
    "distance",
    "real_count",
    "sample_count",
    config=Scale,
)
TOLD = spec("told", lambda config, context: Told(), "told")


def constant(**outputs: float | None) -> type[Metric]:
    class Constant(Metric):
        def update(self, batch: Evaluated) -> None:
            pass

        def compute(self) -> dict[str, float | None]:
            return outputs

    return Constant


def real_images() -> ImageSet:
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (REAL, 1, SIZE, SIZE), dtype=np.uint8)
    return ImageSet(images, np.arange(REAL) % CLASSES, ("a", "b", "c"), "train", "real 0")


def test_images() -> ImageSet:
    random = np.random.default_rng(1)
    images = random.integers(0, 256, (TEST, 1, SIZE, SIZE), dtype=np.uint8)
    return ImageSet(images, np.arange(TEST) % CLASSES, ("a", "b", "c"), "test", "test 0")


test_images.__test__ = False  # type: ignore[attr-defined]


def evaluator(
    *metrics: MetricSpec[Any], extractor: Extractor | None = None, options: Config | None = None, **changes: Any
) -> Evaluator:
    chosen = metrics or (DISTANCE,)
    arguments: dict[str, Any] = {
        "splits": {"train": real_images(), "test": test_images()},
        "extractor": extractor or Linear(),
        "metrics": [(metric, options or metric.config()) for metric in chosen],
        "context": BuildContext(num_classes=CLASSES, image_size=SIZE, image_channels=1),
        "device": CPU,
        "batch_size": 10,
    }
    return Evaluator(**{**arguments, **changes})


def samples(seed: int = 1, batch_size: int = 7, labelled: bool = True) -> Iterator[tuple[Tensor, Tensor | None]]:
    random = torch.Generator().manual_seed(seed)
    images = torch.rand(COUNT, 1, SIZE, SIZE, generator=random) * 2 - 1
    labels = torch.arange(COUNT) % CLASSES
    for part in torch.split(torch.arange(COUNT), batch_size):
        yield images[part], labels[part] if labelled else None


def look(images: np.ndarray) -> Tensor:
    with torch.inference_mode():
        features, _ = Linear().eval().forward(to_unit(torch.from_numpy(images)))
    return features


def test_scores_equal_a_direct_computation_on_rounded_samples() -> None:
    result = evaluator().evaluate(samples(), COUNT, sampling=SAMPLING)
    images = torch.cat([images for images, _ in samples()])
    pixels = ((images + 1) * 127.5).round().to(torch.uint8).numpy()
    expected = (look(real_images().images).mean(0) - look(pixels).mean(0)).norm().item()
    assert result.scores["distance"] == pytest.approx(expected, rel=1e-5)
    assert (result.scores["real_count"], result.scores["sample_count"]) == (REAL, COUNT)


def test_real_halves_score_one_half_against_the_other() -> None:
    result = evaluator(seed=5).evaluate(samples(), COUNT, sampling=SAMPLING)
    order = np.random.default_rng(5).permutation(REAL)
    first, second = order[:15], order[15:30]  # of 31
    features = look(real_images().images)
    expected = (features[first].mean(0) - features[second].mean(0)).norm().item()
    assert result.real_halves["distance"] == pytest.approx(expected, rel=1e-5)
    assert (result.real_halves["sample_count"], result.real_halves["real_count"]) == (15, 15)
    assert result.protocol["real_halves"] == {"samples": 15, "reference": 15, "seed": 5}


def test_real_images_are_seen_once_and_their_scores_are_computed_once() -> None:
    extractor, built = Linear(), []

    def build(config: Scale, context: BuildContext) -> Metric:
        built.append(context)
        return MeanDistance(config)

    counted = dataclasses.replace(DISTANCE, build=build)
    many = evaluator(counted, extractor=extractor)
    first = many.evaluate(samples(), COUNT, sampling=SAMPLING)
    second = many.evaluate(samples(), COUNT, sampling=SAMPLING)
    assert extractor.images == REAL + TEST + 2 * COUNT
    assert len(built) == 4
    assert second == first
    other = many.evaluate(samples(seed=2), COUNT, sampling=SAMPLING)
    assert other.scores["distance"] != first.scores["distance"]
    assert other.real_halves == first.real_halves


@pytest.mark.parametrize(("sample_batch", "real_batch"), [(1, 31), (20, 1), (6, 4)])
def test_batch_sizes_do_not_matter(sample_batch: int, real_batch: int) -> None:
    expected = evaluator().evaluate(samples(), COUNT, sampling=SAMPLING)
    result = evaluator(batch_size=real_batch).evaluate(samples(batch_size=sample_batch), COUNT, sampling=SAMPLING)
    assert result.scores == pytest.approx(expected.scores, rel=1e-4)
    assert result.real_halves == pytest.approx(expected.real_halves, rel=1e-4)
    assert result.real_test == pytest.approx(expected.real_test, rel=1e-4)
    assert result.protocol == expected.protocol


def test_the_order_of_samples_does_not_matter() -> None:
    expected = evaluator().evaluate(samples(), COUNT, sampling=SAMPLING)
    result = evaluator().evaluate(reversed(list(samples())), COUNT, sampling=SAMPLING)
    assert result.scores == pytest.approx(expected.scores, rel=1e-4)


def test_metrics_are_built_for_the_extractors_features() -> None:
    contexts: list[BuildContext] = []

    def build(config: NoOptions, context: BuildContext) -> Metric:
        contexts.append(context)
        return Told()

    noting = dataclasses.replace(TOLD, build=build)
    evaluator(noting).evaluate(samples(), COUNT, sampling=SAMPLING)
    assert {context.feature_dim for context in contexts} == {DIM}


def test_unconditional_samples_have_no_labels_and_real_images_do() -> None:
    result = evaluator(TOLD).evaluate(samples(labelled=False), COUNT, sampling=SAMPLING)
    assert result.scores == {"told": None}
    assert (result.real_halves, result.real_test) == ({"told": 1.0}, {"told": 1.0})


def test_values_that_are_not_finite_become_none_and_all_is_json() -> None:
    odd = spec("odd", lambda config, context: constant(a=math.inf, b=math.nan, c=2.0)(), "a", "b", "c")
    result = evaluator(odd).evaluate(samples(), COUNT, sampling=SAMPLING)
    assert result.scores == {"a": None, "b": None, "c": 2.0}
    json.dumps([result.scores, result.real_test, result.real_halves, result.protocol], allow_nan=False)


def test_a_metric_that_reports_something_undeclared_is_named() -> None:
    wrong = spec("wrong", lambda config, context: constant(other=1.0)(), "declared")
    with pytest.raises(PluginError, match='metric "wrong"'):
        evaluator(wrong).evaluate(samples(), COUNT, sampling=SAMPLING)


def by_class(**values: list[float]) -> MetricSpec[Any]:
    class ByClass(constant(mean=1.0)):  # type: ignore[misc]
        def per_class(self) -> dict[str, list[float]]:
            return values

    return spec("by_class", lambda config, context: ByClass(), "mean")


def test_scores_of_each_class_are_kept_in_the_order_of_classes() -> None:
    found = evaluator(by_class(mean=[1.0, math.nan, 3.0])).evaluate(samples(), COUNT, sampling=SAMPLING)
    assert found.per_class == {"mean": [1.0, None, 3.0]}
    assert evaluator().evaluate(samples(), COUNT, sampling=SAMPLING).per_class == {}


@pytest.mark.parametrize("values", [{"mean": [1.0, 2.0]}, {"other": [1.0, 2.0, 3.0]}])
def test_a_metric_that_reports_other_classes_or_an_undeclared_score_is_named(values: dict[str, list[float]]) -> None:
    with pytest.raises(PluginError, match=r'metric "by_class" reports . numbers of'):
        evaluator(by_class(**values)).evaluate(samples(), COUNT, sampling=SAMPLING)


def needs(count: int) -> MetricSpec[Any]:
    class Needs(Metric):
        seen = 0

        def update(self, batch: Evaluated) -> None:
            self.seen += len(batch.images)

        def compute(self) -> Scores:
            if self.seen < count:
                raise CganzooError("too few samples")
            return {"needs": 1.0}

    return spec("needs", lambda config, context: Needs(), "needs")


def test_too_few_samples_is_an_error_and_too_small_halves_are_none() -> None:
    result = evaluator(needs(18)).evaluate(samples(), COUNT, sampling=SAMPLING)
    assert (result.scores, result.real_halves, result.real_test) == ({"needs": 1.0}, {"needs": None}, {"needs": None})
    with pytest.raises(CganzooError, match="too few samples"):
        evaluator(needs(21)).evaluate(samples(), COUNT, sampling=SAMPLING)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_samples_that_are_not_finite_are_refused(value: float) -> None:
    batches = [(torch.full((COUNT, 1, SIZE, SIZE), value), None)]
    with pytest.raises(DivergenceError, match="not finite"):
        evaluator().evaluate(batches, COUNT, sampling=SAMPLING)


@pytest.mark.parametrize("announced", [COUNT - 1, COUNT + 1])
def test_the_number_of_samples_is_the_one_announced(announced: int) -> None:
    with pytest.raises(ValueError, match=f"{announced} samples were announced, {COUNT} came"):
        evaluator().evaluate(samples(), announced, sampling=SAMPLING)


def test_each_stage_tells_its_progress() -> None:
    told: list[tuple[str, int, int]] = []

    @contextmanager
    def stage(what: str) -> Iterator[Callable[[int, int], None]]:
        yield lambda done, total: told.append((what, done, total))

    many = evaluator(stage=stage)
    many.evaluate(samples(), COUNT, sampling=SAMPLING)
    scoring = [("scoring", done, COUNT) for done in (7, 14, 20)]
    looked = [("looking at the train images", done, REAL) for done in (10, 20, 30, 31)]
    tested = [("looking at the test images", done, TEST) for done in (10, 13)]
    rows = [("scoring real images (test)", done, TEST) for done in (10, 13)]
    rows += [("scoring real images (halves)", done, 15) for done in (10, 15)]
    assert sorted(told) == sorted(looked + scoring + tested + rows)
    told.clear()
    many.evaluate(samples(), COUNT, sampling=SAMPLING)
    assert told == scoring


def test_the_test_row_scores_test_images_against_the_training_images() -> None:
    result = evaluator().evaluate(samples(), COUNT, sampling=SAMPLING)
    expected = (look(real_images().images).mean(0) - look(test_images().images).mean(0)).norm().item()
    assert result.real_test["distance"] == pytest.approx(expected, rel=1e-5)
    assert (result.real_test["sample_count"], result.real_test["real_count"]) == (TEST, REAL)


def test_without_test_images_the_test_row_is_empty() -> None:
    result = evaluator(splits={"train": real_images()}).evaluate(samples(), COUNT, sampling=SAMPLING)
    assert result.real_test == {"distance": None, "real_count": None, "sample_count": None}
    assert result.real_halves["distance"] is not None
    assert result.protocol["real_test"] is None


def test_a_metric_may_be_measured_against_the_test_images() -> None:
    against_test = dataclasses.replace(DISTANCE, reference="test")
    result = evaluator(against_test).evaluate(samples(), COUNT, sampling=SAMPLING)
    assert (result.scores["real_count"], result.scores["sample_count"]) == (TEST, COUNT)
    assert (result.real_halves["real_count"], result.real_halves["sample_count"]) == (TEST, 15)
    assert set(result.real_test.values()) == {None}
    evaluator(against_test).check()
    with pytest.raises(DataError, match='"mean_distance" is measured against test images'):
        evaluator(against_test, splits={"train": real_images()}).check()


def test_features_and_real_scores_are_kept_for_every_later_run(tmp_path: Path) -> None:
    first = evaluator(cache=tmp_path).evaluate(samples(), COUNT, sampling=SAMPLING)
    extractor, built = Linear(), []

    def build(config: Scale, context: BuildContext) -> Metric:
        built.append(config)
        return MeanDistance(config)

    counted = dataclasses.replace(DISTANCE, build=build)
    again = evaluator(counted, extractor=extractor, cache=tmp_path).evaluate(samples(), COUNT, sampling=SAMPLING)
    assert again == first
    assert extractor.images == COUNT
    assert len(built) == 1


@pytest.mark.parametrize("change", ["train", "test", "extractor", "seed", "options", "version"])
def test_kept_real_scores_serve_no_other_protocol(tmp_path: Path, change: str) -> None:
    class Other(Linear):
        def protocol(self) -> Mapping[str, Any]:
            return {"kind": "linear", "weights": "def"}

    evaluator(cache=tmp_path).evaluate(samples(), COUNT, sampling=SAMPLING)
    built: list[Config] = []

    def build(config: Scale, context: BuildContext) -> Metric:
        built.append(config)
        return MeanDistance(config)

    splits = {"train": real_images(), "test": test_images()}
    if change in splits:
        splits[change] = dataclasses.replace(splits[change], fingerprint="other")
    changes: dict[str, Any] = {
        "extractor": {"extractor": Other()},
        "seed": {"seed": 1},
        "options": {"options": Scale(scale=2.0)},
        "version": {"versions": {"mean_distance": "2"}},
    }.get(change, {"splits": splits})
    counted = dataclasses.replace(DISTANCE, build=build)
    evaluator(counted, cache=tmp_path, **changes).evaluate(samples(), COUNT, sampling=SAMPLING)
    assert len(built) == 3


def test_damaged_kept_scores_are_made_again_and_damaged_features_are_told(tmp_path: Path) -> None:
    first = evaluator(cache=tmp_path).evaluate(samples(), COUNT, sampling=SAMPLING)
    for file in (tmp_path / "real-scores").iterdir():
        file.write_text("{")
    assert evaluator(cache=tmp_path).evaluate(samples(), COUNT, sampling=SAMPLING) == first
    for file in (tmp_path / "features").glob("*/features.npy"):
        file.write_bytes(b"nothing")
    with pytest.raises(RunError, match=r"is damaged .* remove this folder"):
        evaluator(cache=tmp_path).evaluate(samples(), COUNT, sampling=SAMPLING)


def test_what_a_killed_look_left_behind_is_removed(tmp_path: Path) -> None:
    first = evaluator(cache=tmp_path).evaluate(samples(), COUNT, sampling=SAMPLING)
    for place in list((tmp_path / "features").iterdir()):
        place.rename(place.with_name(f".{place.name}-killed"))
    for file in (tmp_path / "real-scores").iterdir():
        file.unlink()
    assert evaluator(cache=tmp_path).evaluate(samples(), COUNT, sampling=SAMPLING) == first
    assert not [path for path in (tmp_path / "features").iterdir() if path.name.startswith(".")]


def test_a_metric_may_look_at_the_generator_with_gradients() -> None:
    class Doubling(Generator):
        conditional = True

        def __init__(self) -> None:
            super().__init__()
            self.latent_dim = 2
            self.factor = torch.nn.Parameter(torch.tensor(2.0))

        def forward(self, z: Tensor, labels: Tensor) -> Tensor:
            return self.factor * z

    class Slope(Metric):
        slope: float | None = None

        def update_generator(self, generator: Generator, z: Tensor, labels: Tensor) -> None:
            z.requires_grad_()
            (slope,) = torch.autograd.grad(generator(z, labels).sum(), z)
            self.slope = slope.mean().item()

        def update(self, batch: Evaluated) -> None:
            pass

        def compute(self) -> dict[str, float | None]:
            return {"slope": self.slope}

    slope = spec("slope", lambda config, context: Slope(), "slope")
    with torch.inference_mode():
        noise = torch.randn(5, 2), torch.arange(5)
    generator = Doubling()
    result = evaluator(slope).evaluate(samples(), COUNT, sampling=SAMPLING, generator=generator, noise=noise)
    assert (result.scores, result.real_halves, result.real_test) == ({"slope": 2.0}, {"slope": None}, {"slope": None})
    assert generator.factor.grad is None


def test_a_metric_may_draw_a_picture_of_training_images() -> None:
    class Last(Metric):
        def update(self, batch: Evaluated) -> None:
            pass

        def compute(self) -> dict[str, float | None]:
            return {"last": 1.0}

        def pictures(self, recall: Recall) -> Mapping[str, Tensor]:
            return {"last": recall(torch.tensor([REAL - 1, 0]))[0]}

    last = spec("last", lambda config, context: Last(), "last")
    result = evaluator(last).evaluate(samples(), COUNT, sampling=SAMPLING)
    assert torch.equal(result.pictures["last"], to_unit(torch.from_numpy(real_images().images[-1])))


def test_real_images_that_no_metric_looks_at_are_not_read() -> None:
    class Unreadable(np.ndarray):
        def __getitem__(self, key: Any) -> Any:
            raise AssertionError("the pixels were read")

    many = evaluator()
    expected = many.evaluate(samples(), COUNT, sampling=SAMPLING)
    for seen in many._seen.values():
        seen.data = dataclasses.replace(seen.data, images=seen.data.images.view(Unreadable))
    assert many.evaluate(samples(), COUNT, sampling=SAMPLING) == expected


def test_global_randomness_is_left_alone() -> None:
    torch.manual_seed(0)
    before = torch.get_rng_state(), np.random.get_state(legacy=False)["state"]["key"].tobytes()
    evaluator().evaluate(samples(), COUNT, sampling=SAMPLING)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert np.random.get_state(legacy=False)["state"]["key"].tobytes() == before[1]


def test_the_fingerprint_is_of_everything_else_in_the_protocol() -> None:
    protocol = evaluator().evaluate(samples(), COUNT, sampling=SAMPLING).protocol
    rest = {key: value for key, value in protocol.items() if key != "fingerprint"}
    assert protocol["fingerprint"] == fingerprint(rest)
    assert protocol["extractor"] == {"kind": "linear", "weights": "abc"}
    assert protocol["reference"] == {"split": "train", "count": REAL, "fingerprint": "real 0"}
    assert protocol["samples"] == {"count": COUNT, **SAMPLING}
    assert protocol["metrics"] == {"mean_distance": {"scale": 1.0}}


@pytest.mark.parametrize(
    "change", ["extractor", "data", "test data", "halves", "size", "metrics", "options", "weights"]
)
def test_any_change_of_protocol_changes_the_fingerprint(change: str) -> None:
    class Other(Linear):
        def protocol(self) -> Mapping[str, Any]:
            return {"kind": "linear", "weights": "def"}

    changed: dict[str, Evaluator] = {
        "extractor": evaluator(extractor=Other()),
        "data": evaluator(
            splits={"train": dataclasses.replace(real_images(), fingerprint="real 1"), "test": test_images()}
        ),
        "test data": evaluator(
            splits={"train": real_images(), "test": dataclasses.replace(test_images(), fingerprint="test 1")}
        ),
        "halves": evaluator(seed=1),
        "size": evaluator(context=BuildContext(num_classes=CLASSES, image_size=16, image_channels=1)),
        "metrics": evaluator(DISTANCE, TOLD),
        "options": evaluator(DISTANCE, options=Scale(scale=2.0)),
        "weights": evaluator(),
    }
    sampling = {**SAMPLING, "weights": "raw"} if change == "weights" else SAMPLING
    usual = evaluator().evaluate(samples(), COUNT, sampling=SAMPLING).protocol["fingerprint"]
    assert changed[change].evaluate(samples(), COUNT, sampling=sampling).protocol["fingerprint"] != usual
