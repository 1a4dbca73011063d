"""Classification Accuracy Score."""

from __future__ import annotations

from typing import Any

import cganzoo_scores
import pytest
import torch
from torch import Tensor

from cganzoo.errors import CganzooError
from cganzoo.metric import Evaluated

QUICK = {"width": 4, "steps": 40, "batch_size": 16, "crop_padding": 0}


def patches(count: int, classes: int, seed: int) -> tuple[Tensor, Tensor]:
    """Gray noise of 8 pixels with one bright 2 x 2 patch, at a place of the class's own."""
    random = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % classes
    images = torch.rand(count, 1, 8, 8, generator=random) * 0.6 - 1
    for image, label in zip(images, labels.tolist(), strict=True):
        top, left = 2 * (label // 4), 2 * (label % 4)
        image[:, top : top + 2, left : left + 2] = 1.0
    return images, labels


def batch(images: Tensor, labels: Tensor | None) -> Evaluated:
    return Evaluated(images, labels, torch.zeros(len(images), 1), torch.zeros(len(images), 0))


@pytest.fixture
def cas(build: Any) -> Any:
    def make(real: Evaluated, samples: list[Evaluated], classes: int = 4) -> dict[str, float | None]:
        metric = build("cas", classes=classes, size=8, channels=1, classifier=QUICK)
        metric.update_reference(real)
        for part in samples:
            metric.update(part)
        return dict(metric.compute())

    return make


def test_it_is_measured_against_the_test_images() -> None:
    (spec,) = (spec for spec in cganzoo_scores.cganzoo_metrics() if spec.name == "cas")
    assert spec.reference == "test"
    assert {spec.reference for spec in cganzoo_scores.cganzoo_metrics() if spec.name != "cas"} == {"train"}


def test_good_samples_teach_and_samples_of_the_wrong_class_do_not(cas: Any) -> None:
    real, (images, labels) = batch(*patches(40, 4, 0)), patches(60, 4, 1)
    good = cas(real, [batch(images, labels)])
    assert good["cas"] > 0.9
    assert good["cas_top5"] is None
    assert cas(real, [batch(images, (labels + 1) % 4)])["cas"] < 0.1
    assert cas(real, [batch(images[labels < 2], labels[labels < 2])])["cas"] < 0.6


def test_the_same_samples_give_the_same_score_however_they_are_cut(cas: Any) -> None:
    real, (images, labels) = batch(*patches(40, 4, 0)), patches(60, 4, 1)
    images = images + 0.4 * torch.randn(images.shape, generator=torch.Generator().manual_seed(0))
    whole = cas(real, [batch(images, labels)])
    assert cas(real, [batch(images[:7], labels[:7]), batch(images[7:], labels[7:])]) == whole
    with torch.inference_mode():
        assert cas(real, [batch(images.clone(), labels.clone())]) == whole


@pytest.mark.parametrize("classes", [9, 10])
def test_top_five_from_ten_classes_on(classes: int, cas: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    # A classifier that finds class 0 likeliest, then 1, and so on: right in the first k classes of the first k.
    falling = -torch.arange(float(classes))
    monkeypatch.setattr("cganzoo_scores.cas.fit", lambda *_, **__: lambda images: falling.expand(len(images), -1))
    scores = cas(batch(*patches(4 * classes, classes, 0)), [batch(*patches(20, classes, 1))], classes=classes)
    assert scores == {"cas": pytest.approx(1 / classes), "cas_top5": 0.5 if classes == 10 else None}


def test_ranks_count_the_classes_that_are_as_likely(build: Any) -> None:
    metric = build("cas", classes=3, size=8, channels=1, classifier=QUICK)
    metric.update_reference(batch(torch.zeros(3, 1, 8, 8), torch.tensor([0, 1, 2])))
    logits = torch.tensor([[3.0, 2.0, 1.0], [3.0, 2.0, 1.0], [1.0, 1.0, 1.0]])
    assert metric._ranks(lambda images: logits).tolist() == [0, 1, 2]


def test_an_unconditional_generator_has_none(cas: Any) -> None:
    scores = cas(batch(*patches(40, 4, 0)), [batch(patches(20, 4, 1)[0], None)])
    assert scores == {"cas": None, "cas_top5": None}


def test_an_unknown_classifier_is_found_when_the_metric_is_built(build: Any) -> None:
    with pytest.raises(CganzooError, match=r'metrics\.cas\.classifier\.model = "resnet19" .* did you mean'):
        build("cas", classifier={"model": "resnet19"})


def test_images_are_kept_as_bytes(build: Any) -> None:
    metric = build("cas", classes=4, size=8, channels=1, classifier=QUICK)
    metric.update(batch(*patches(20, 4, 1)))
    assert metric._samples.parts[0][0].dtype == torch.uint8
    assert torch.equal(metric._samples.together()[0].unique()[-1:], torch.tensor([255], dtype=torch.uint8))
