"""Which score ranks methods, and what is said of scores that are too good or of a collapsed generator."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from comparing import PLUGINS, Command, view_of, write_run

Scores = dict[str, float | None]

# Measured: the digits after 300 steps of a generator that draws one image of each class, and real images.
COLLAPSED: Scores = {"am_score": 0.0013, "fid": 7.01, "intra_class_msssim": 0.981, "coverage": 0.134, "recall": 0.002}
VARIED: Scores = {"am_score": 0.093, "fid": 9.34, "intra_class_msssim": 0.6, "coverage": 0.4, "recall": 0.5}
REAL_TEST: Scores = {"am_score": 0.039, "fid": 0.53, "intra_class_msssim": 0.54, "coverage": 0.64, "recall": 0.957}
REAL_HALVES: Scores = {"am_score": 0.024, "fid": 0.70, "intra_class_msssim": 0.57, "coverage": 0.98, "recall": 0.99}
METRICS = ("am_score", "fid", "intra_class_msssim", "prdc")

Write = Callable[..., list[Path]]


@pytest.fixture
def write(tmp_path: Path, tiny: str) -> Write:
    """Write runs of a method: one for each scores, with a little spread between seeds."""
    counter = iter(range(100))

    def written(*seeds: Scores, metrics: tuple[str, ...] = METRICS, real: bool = True) -> list[Path]:
        number = next(counter)
        found = []
        for seed, scores in enumerate(seeds):
            text = tiny.replace(PLUGINS, 'plugins = ["cganzoo-amgan", "cganzoo-dcgan", "cganzoo-scores"]')
            text = text.replace("batch_size = 8", f"batch_size = {8 + number}\nseed = {seed}")
            text += "".join(f'[[metrics]]\nname = "{name}"\n' for name in metrics)
            spread = {name: value and value * (1 + 0.01 * seed) for name, value in scores.items()}
            rows = {"real_test": REAL_TEST, "real_halves": REAL_HALVES} if real else {}
            found.append(write_run(tmp_path / f"m{number}" / f"seed-{seed}", text, spread, **rows))
        return found

    return written


def marks(view: dict[str, Any], score: str) -> list[str]:
    return [row["cells"][score]["mark"] for row in view["tables"][0]["rows"]]


def test_a_collapsed_generator_is_warned_of_and_never_the_best(write: Write, tmp_path: Path):
    view = view_of(tmp_path, *write(COLLAPSED, COLLAPSED), *write(VARIED, VARIED))
    assert view["rank_by"] == "fid", "although the AM Score is listed first"
    collapse, better = view["warnings"][:2]
    assert collapse.startswith("Signs of collapse: m0 (")
    assert "intra_class_msssim 0.9859, real images 0.57" in collapse
    assert "recall" in collapse
    assert better.startswith("Much better than real images: m0 (am_score 0.001306, real images 0.024). This does not")
    assert "docs/metrics.md" in better
    assert "m1" not in collapse + better
    assert {(sign["kind"], sign["method"], sign["score"]) for sign in view["signs"]} == {
        ("collapse", "m0", "intra_class_msssim"),
        ("collapse", "m0", "coverage"),
        ("collapse", "m0", "recall"),
        ("better", "m0", "am_score"),
    }
    # It has the lowest FID and AM Score of the two, and is not the best by either.
    assert marks(view, "fid") == marks(view, "am_score") == ["suspect", ""]
    assert view["summary"][0].startswith("Lowest fid, last checkpoint: m0, 7.0")
    assert view["summary"][0].endswith("m0 is not called the best: see the warnings.")


def test_a_score_that_a_collapsed_generator_can_win_calls_no_method_the_best(write: Write, tmp_path: Path):
    runs = [*write(VARIED, VARIED), *write(VARIED | {"am_score": 0.5}, VARIED | {"am_score": 0.5})]
    view = view_of(tmp_path, *runs, rank_by="am_score")
    assert view["rank_by"] == "am_score"
    assert view["summary"][0] == (
        "Lowest am_score, last checkpoint: m0, 0.09346 ± 0.00066 (2 seeds). A collapsed generator can win am_score, so "
        "no method is called the best."
    )
    view = view_of(tmp_path, *runs, rank_by="fid")
    assert view["summary"][0].startswith("Best by fid, last checkpoint: m0, ")
    assert view["warnings"] == []


def test_without_a_score_that_may_rank_no_method_is_best_and_the_reason_is_given(write: Write, tmp_path: Path):
    only: tuple[str, ...] = ("am_score", "inception_score")
    scores: Scores = {"am_score": 0.1, "inception_score": 9.0}
    runs = [*write(scores, scores, metrics=only), *write(scores, scores, metrics=only)]
    view = view_of(tmp_path, *runs)
    assert view["rank_by"] is None
    assert [table["id"] for table in view["tables"]] == ["last"]
    (sentence,) = view["summary"]
    assert sentence.startswith(
        "No method is called the best: a collapsed generator can have the best value of am_score and inception_score."
    )
    assert "--rank-by" in sentence
    alone = view_of(tmp_path, *write(scores, scores, metrics=only))
    assert alone["summary"] == ["m2: am_score 0.1005 ± 0.00071 (2 seeds)."], "one method needs no rank"


def test_a_score_that_all_methods_have_ranks_before_the_usual_one(write: Write, tmp_path: Path):
    both, few = ("fid", "kid"), ("kid",)
    first: Scores = {"fid": 3.0, "kid": 0.1}
    runs = [*write(first, first, metrics=both), *write({"kid": 0.2}, {"kid": 0.2}, metrics=few)]
    assert view_of(tmp_path, *runs)["rank_by"] == "kid"
    assert view_of(tmp_path, *runs[::-1])["rank_by"] == "kid"
    runs = [*write(first, first, metrics=("kid", "fid")), *write(first, first, metrics=("kid", "fid"))]
    assert view_of(tmp_path, *runs)["rank_by"] == "fid"


def test_one_suspicious_seed_is_named(write: Write, tmp_path: Path):
    view = view_of(tmp_path, *write(VARIED, COLLAPSED, VARIED))
    assert "intra_class_msssim 0.9908 of seed 1, real images 0.57" in view["warnings"][0]


@pytest.mark.parametrize(
    ("score", "value", "sign"),
    [
        ("fid", 0.25, "better"),  # half of the better row of real images
        ("fid", 0.27, None),
        ("am_score", 0.02, None),
        ("coverage", 0.995, None),  # 0.98 is not much worse
        ("recall", 1.0, None),
        ("intra_class_msssim", 0.05, "better"),  # noise
        ("intra_class_msssim", 0.85, None),
        ("intra_class_msssim", 0.9, "collapse"),
        ("coverage", 0.16, "collapse"),
        ("coverage", 0.17, None),
        ("recall", 0.0, "collapse"),
        ("fid", None, None),
    ],
)
def test_what_counts_as_a_sign(write: Write, tmp_path: Path, score: str, value: float | None, sign: str | None):
    view = view_of(tmp_path, *write(VARIED | {score: value}))
    assert [found["kind"] for found in view["signs"] if found["score"] == score] == ([] if sign is None else [sign])


def test_without_scores_of_real_images_there_is_no_sign(write: Write, tmp_path: Path):
    assert view_of(tmp_path, *write(COLLAPSED, real=False))["signs"] == []


def test_one_seed_of_a_collapsed_generator_is_not_best_either(write: Write, tmp_path: Path):
    (sentence,) = view_of(tmp_path, *write(COLLAPSED), *write(VARIED))["summary"]
    assert sentence == (
        "One seed per method: nothing can be concluded. Lowest fid here: m0. m0 is not called the best: see the "
        "warnings."
    )


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nothing", '--rank-by: "nothing" is not a score of these recipes; choose one of "am_score", '),
        ("", '--rank-by: "" is not a score of these recipes'),
        ("am_score_se", '--rank-by: "am_score_se" cannot rank methods: neither high nor low values of it are better'),
    ],
)
def test_rank_by_names_a_score_with_a_direction(
    command: Command, write: Write, tmp_path: Path, name: str, message: str
):
    ended = command("compare", *write(VARIED), "--rank-by", name, "--out", tmp_path / "out")
    assert ended.code == 2
    assert message in " ".join(ended.err.split())
    assert not (tmp_path / "out").exists()


def test_the_command_ranks_by_the_chosen_score_and_shows_the_warnings(command: Command, write: Write, tmp_path: Path):
    runs = [*write(COLLAPSED, COLLAPSED), *write(VARIED, VARIED)]
    ended = command("compare", *runs, "--rank-by", "recall", "--out", tmp_path / "out", "--device", "cpu")
    text = " ".join(ended.out.split())
    assert "Best by recall" not in text
    assert "Highest recall, last checkpoint: m1" in text
    for shown in (text, (tmp_path / "out" / "table.md").read_text(), (tmp_path / "out" / "report.html").read_text()):
        assert "Signs of collapse: m0" in shown.replace("\\", "")
        assert "Much better than real images: m0" in shown
