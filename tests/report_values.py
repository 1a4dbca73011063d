"""A comparison's report data with made-up values, for the tests of the page."""

from __future__ import annotations

import base64
import io
import random
from typing import Any

from PIL import Image

EVIL = "<script>alert(1)</script>"
NAMES = ["AM-GAN", "AC-GAN", "LabelGAN", "ProjGAN", "ContraGAN", "ECGAN", "ReACGAN", "DCGAN"]
STEPS = [0, 100, 200, 300, 400, 500]


def picture(rng: random.Random, columns: int, rows: int = 1, size: int = 16) -> str:
    """Coloured noise as a data URI."""
    image = Image.new("RGB", (columns * 2, rows * 2))
    image.putdata([tuple(rng.randrange(256) for _ in range(3)) for _ in range(columns * rows * 4)])
    buffer = io.BytesIO()
    image.resize((columns * size, rows * size), Image.Resampling.NEAREST).save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def curve(rng: random.Random, level: float) -> dict[str, list[Any]]:
    """A noisy rise with one value missing."""
    mean: list[float | None] = [level * (1 - 0.8 ** (1 + place)) + rng.random() * 0.2 for place in range(len(STEPS))]
    mean[3] = None
    low = [None if value is None else value - 0.2 for value in mean]
    high = [None if value is None else value + 0.2 for value in mean]
    return {"step": STEPS, "mean": mean, "low": low, "high": high, "n": [3] * len(STEPS)}


def view(methods: int = 4, classes: int = 10, *, scored: bool = True, seed: int = 0) -> dict[str, Any]:
    """A whole view of random numbers.

    Args:
        methods: how many; the second has a script for a name.
        classes: how many.
        scored: whether there are scores and all that depends on them.
        seed: seed of the numbers.
    """
    rng = random.Random(seed)
    labels = [NAMES[place] if place < len(NAMES) else f"method {place + 1}" for place in range(methods)]
    if methods > 1:
        labels[1] = EVIL
    ids = [f"m{place}" for place in range(methods)]
    class_names = [f"class {place}" for place in range(classes)]
    scores = [
        {"name": "am_score", "summary": "How sure, how diverse.", "higher_is_better": False, "headline": True},
        {"name": "inception_score", "summary": "Diversity.", "higher_is_better": True, "headline": True},
        {"name": "fid", "summary": "A distance of features.", "higher_is_better": False, "headline": True},
        {"name": "am_score.entropy", "summary": "A part of it.", "higher_is_better": None, "headline": False},
    ]
    levels = {"am_score": 1.0, "inception_score": 8.0, "fid": 40.0, "am_score.entropy": 0.3}
    if not scored:
        scores = []

    def cells(marked: bool) -> dict[str, dict[str, dict[str, Any]]]:
        drawn = {key: {score["name"]: levels[score["name"]] * rng.uniform(0.8, 1.2) for score in scores} for key in ids}
        result: dict[str, dict[str, dict[str, Any]]] = {}
        for key, row in drawn.items():
            result[key] = {}
            for name, mean in row.items():
                sd = mean * 0.02
                order = sorted(drawn[other][name] for other in ids)
                mark = {0: "best", 1: "tie"}.get(order.index(mean), "") if marked and methods > 1 else ""
                cell = {
                    "mean": mean,
                    "sd": sd,
                    "low": mean - sd,
                    "high": mean + sd,
                    "bootstrap": [mean - sd, mean + sd],
                    "n": 3,
                    "mark": mark,
                }
                result[key][name] = cell
        if scores and methods > 2:
            result[ids[2]]["fid"] = dict.fromkeys(("mean", "sd", "low", "high", "bootstrap")) | {"n": 0, "mark": ""}
        return result

    def table(key: str, title: str) -> dict[str, Any]:
        rows = [{"method": name, "cells": row} for name, row in cells(True).items()]
        real = [{"label": "real test images", "cells": {"am_score": 0.1, "inception_score": 11.2, "fid": None}}]
        return {
            "id": key,
            "title": title,
            "note": f"The scores of the {title.lower()} of each run.",
            "rows": rows,
            "real": real,
        }

    pairs, ranks = [], []
    if scored and methods > 1:
        for name in ("inception_score", "am_score"):
            for place, a in enumerate(ids):
                ranks.append(
                    {
                        "score": name,
                        "method": a,
                        "rank": place + 1,
                        "low": max(place, 1),
                        "high": min(place + 2, methods),
                    }
                )
                for b in ids[place + 1 :]:
                    p = rng.random() ** 3
                    pairs.append(
                        {
                            "score": name,
                            "a": a,
                            "b": b,
                            "difference": rng.gauss(0, 1),
                            "p": p,
                            "p_corrected": min(3 * p, 1),
                            "ahead": rng.random() if place else 0.9997,
                        }
                    )
    per_class = {}
    if scored:
        per_class = {name: {key: [rng.random() for _ in class_names] for key in ids} for name in ("accuracy", "recall")}
        per_class["accuracy"][ids[0]][1] = None
    shown = min(classes, 10)
    grids = {
        key: {
            "sheet": picture(rng, 8, shown),
            "rows": [picture(rng, 8) if place < shown else None for place in range(classes)],
        }
        for key in ids
    }
    runs = [
        {
            "method": key,
            "seed": s,
            "state": "finished",
            "recipe": "3f2a" * 16,
            "code": {"cganzoo": "9e1b" * 16},
            "commit": "abcd" * 10,
            "device": "cpu",
            "folder": f"runs/{key}/seed-{s}",
            "error": "",
        }
        for key in ids
        for s in range(3)
    ]
    runs[-1] |= {
        "state": "failed",
        "recipe": None,
        "commit": None,
        "device": None,
        "error": "OSError: no space left on the device " * 2,
    }
    return {
        "title": f"{methods} methods on digits",
        "note": "All with the same networks, of three seeds each.",
        "version": "cganzoo 0.1.0",
        "created": "2026-11-25 12:40 UTC",
        "summary": [
            "AM-GAN has the best am_score (0.92 ± 0.02).",
            "It is not significantly different from AC-GAN (p = 0.21).",
        ],
        "warnings": ["1 of 12 runs failed: ECGAN, seed 2."],
        "methods": [
            {
                "id": key,
                "label": label,
                "seeds": [0, 1, 2],
                "finished": 3,
                "diverged": 0,
                "failed": 0,
                "unfinished": 0,
                "protocol": "3f2a" * 16,
            }
            for key, label in zip(ids, labels, strict=True)
        ],
        "scores": scores,
        "rank_by": "am_score",
        "tables": [table("last", "Last checkpoint"), table("best", "Best checkpoint")] if scored else [],
        "published": {
            "source": "A paper (2018), table 2.",
            "difference": "There with other networks.",
            "values": {ids[0]: {"am_score": 0.08}},
        },
        "pairs": pairs,
        "ranks": ranks,
        "curves": {
            "scores": {score["name"]: {key: curve(rng, levels[score["name"]]) for key in ids} for score in scores},
            "terms": {"discriminator/real": {key: curve(rng, 2.0) for key in ids}} if scored else {},
        },
        "per_class": {"classes": class_names, "scores": per_class},
        "grids": {"note": "Of the first seed, by its averaged weights.", "classes": class_names, "methods": grids},
        "neighbours": {key: picture(rng, 8, 4) for key in ids},
        "fairness": {
            "differences": [
                {"key": "loss.name", "values": dict(zip(ids, labels, strict=True)), "expected": True},
                {"key": "train.batch_size", "values": dict.fromkeys(ids, "64"), "expected": False},
            ],
            "facts": [
                {"name": "generator parameters", "values": dict.fromkeys(ids, "1,234,567")},
                {"name": "discriminator parameters", "values": dict.fromkeys(ids, "987,654")},
                *(
                    {
                        "name": f"{player}'s optimizer",
                        "values": {
                            key: f"adam, lr (curve linear, from 0.00{place}, to 0.0, after 0.5), weight_decay 0.0, "
                            "betas [0.5, 0.999], eps 1e-08, amsgrad False"
                            for place, key in enumerate(ids)
                        },
                    }
                    for player in ("generator", "discriminator")
                ),
                *({"name": f"fact {n}", "values": {key: f"{n} of {key}" for key in ids}} for n in range(7)),
            ],
            "notes": ["The seeds are the same for all methods."],
        },
        "speed": [
            {"name": "images per second", "values": {key: f"{rng.randrange(900, 1200)}" for key in ids}, "note": ""},
            {"name": "time to reach 1", "values": dict.fromkeys(ids, "3 min 12 s"), "note": "Time until the score."},
        ],
        "reproduce": {
            "commands": ["cganzoo run recipes/digits-amgan.toml", "cganzoo compare recipes/digits-*.toml --seeds 3"],
            "versions": {"cganzoo": "0.1.0", "torch": "2.15.0", "python": "3.12"},
            "runs": runs,
            "damaged": ["runs/m9/seed-0/manifest.json: is damaged"],
        },
    }
