"""What each score needs: a little less gives no number, so nothing is refused that could be scored.

That exactly as much is enough, the conformance kit checks.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import cganzoo_scores
import pytest

from cganzoo import Counts, Needs
from cganzoo.errors import CganzooError

PAGE = (Path(__file__).parents[3] / "docs" / "metrics.md").read_text()
SPECS = {spec.name: spec for spec in cganzoo_scores.cganzoo_metrics()}
COUNTS = Counts(
    samples=40,
    conditional=True,
    image_size=16,
    class_names=("a", "b"),
    real_images_per_class=(20, 20),
    feature_dim=6,
    predicted_classes=2,
    own_classes=True,
)


def needs(name: str, **options: Any) -> Needs:
    spec = SPECS[name]
    found: Needs = spec.needs(spec.config(**options))
    return found


@pytest.mark.parametrize(
    ("name", "options", "real", "samples"),
    [
        ("inception_score", {"splits": 8}, 10, 7),
        ("fid", {}, 10, 1),
        ("fid", {}, 1, 10),
        ("kid", {}, 10, 1),
        ("kid", {}, 1, 10),
        ("prdc", {"nearest_k": 7}, 10, 7),
        ("prdc", {"nearest_k": 7}, 7, 10),
        ("nearest_neighbours", {"neighbours": 8}, 8, 10),
        ("intra_fid", {}, 10, 9),  # of five classes
        ("intra_fid", {}, 9, 10),
        ("intra_class_msssim", {}, 10, 5),
        ("intra_class_vendi", {}, 10, 5),
        ("intra_class_vendi", {}, 5, 10),
    ],
)
def test_a_little_less_gives_no_number(
    name: str, options: dict[str, Any], real: int, samples: int, score: Any, evaluated: Any
) -> None:
    per_class = tuple(len(range(label, real, 5)) for label in range(5))
    counts = replace(COUNTS, samples=samples, class_names=tuple("abcde"), real_images_per_class=per_class)
    assert needs(name, **options).unmet(counts)
    try:
        scores = score(name, evaluated(0, real), evaluated(1, samples), **options)
    except CganzooError:
        return
    assert set(scores.values()) == {None}


@pytest.mark.parametrize("name", ["inception_score", "am_score", "class_accuracy"])
def test_scores_of_predictions_need_an_extractor_that_predicts(name: str) -> None:
    assert needs(name).unmet(COUNTS) is None
    lacks = needs(name).unmet(replace(COUNTS, predicted_classes=0, own_classes=False))
    assert lacks is not None
    assert lacks.startswith("class predictions, and the extractor has none")


@pytest.mark.parametrize("name", ["intra_class_msssim", "intra_class_vendi"])
def test_scores_within_predicted_classes_need_predictions_only_of_an_unconditional_generator(name: str) -> None:
    without = replace(COUNTS, predicted_classes=0, own_classes=False)
    assert needs(name).unmet(without) is None
    lacks = needs(name).unmet(replace(without, conditional=False))
    assert lacks is not None
    assert lacks.startswith("class predictions, because the generator takes no class")


def test_scores_without_a_number_for_an_unconditional_generator() -> None:
    unconditional = replace(COUNTS, conditional=False, real_images_per_class=(1, 1))
    found = {name for name in SPECS if needs(name).undefined(unconditional)}
    assert found == {"class_accuracy", "cas", "intra_fid"}
    assert not any(needs(name).unmet(unconditional) for name in found)


def test_a_vendi_score_of_cosines_needs_no_pair_of_real_images() -> None:
    single = replace(COUNTS, real_images_per_class=(1, 1))
    lacks = needs("intra_class_vendi").unmet(single)
    assert lacks is not None
    assert lacks.endswith('set kernel = "cosine"')
    assert needs("intra_class_vendi", kernel="cosine").unmet(single) is None


# --- the page -------------------------------------------------------------------------------------------------------


def test_the_page_says_what_each_score_needs() -> None:
    section = PAGE.partition("\n## What a score needs\n")[2].partition("\n## ")[0]
    listed = {
        name for row in re.findall(r"^\| (`.*?) \|", section, re.MULTILINE) for name in re.findall("`(.*?)`", row)
    }
    assert listed | {"noise_sensitivity"} == set(SPECS)


@pytest.mark.parametrize(
    "heading",
    [
        "## When two scores can be compared",
        "## How to read the scores of real images",
        "### Much better than real images",
        "### Collapse",
        "## What a score needs",
        "## The scores of known cases",
    ],
)
def test_headings_that_messages_and_reports_name_stay(heading: str) -> None:
    assert f"\n{heading}\n" in PAGE
