"""A generator trained on digits or photographs scores far better than an untrained one, and than one fixed image.

The photographs are those of CIFAR-10 at 16 px. They are not part of the project: ``CGANZOO_TEST_CIFAR10`` is the path
of the official archive, of its unpacked folder, or of a folder of class folders; without it, that case is skipped.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from rich.console import Console
from torch import Tensor, nn

from cganzoo.console.reporter import Reporter
from cganzoo.data.batches import to_unit
from cganzoo.networks import Generator
from cganzoo.recipe.resolve import Resolved
from cganzoo.runs.folder import RunFolder
from cganzoo.session.dataset import load_data
from cganzoo.session.scorer import Scorer
from cganzoo.train.engine import Engine

CPU = torch.device("cpu")
SCORES = ("am_score", "fid", "coverage")

RECIPE = """
[requires]
plugins = ["cganzoo-amgan", "cganzoo-dcgan", "cganzoo-scores"]
[data]
name = "digits"
image_size = 8
[generator]
name = "dcgan"
latent_dim = 64
width = 16
parametrization = "none"
conditional = true
[discriminator]
name = "dcgan"
width = 16
parametrization = "none"
extra_conv = true
dropout = 0.1
[loss]
name = "amgan"
labeling = "predefined"
[optimizer.generator]
name = "adam"
lr = { from = 2e-3, to = 0.0, after = 0.5 }
betas = [0.5, 0.999]
[optimizer.discriminator]
name = "adam"
lr = { from = 1e-3, to = 0.0, after = 0.5 }
betas = [0.5, 0.999]
[train]
steps = 300
batch_size = 64
ema_decay = 0.99
[evaluation]
samples = 1000
extractor = { name = "classifier", model = "resnet18", width = 8, epochs = 6 }
[[metrics]]
name = "am_score"
[[metrics]]
name = "fid"
[[metrics]]
name = "prdc"
max_images = 1000
"""


def cifar10() -> list[str]:
    place = os.environ.get("CGANZOO_TEST_CIFAR10")
    if place is None:
        pytest.skip("CGANZOO_TEST_CIFAR10 does not name CIFAR-10")
    name = "folder" if (Path(place) / "train").is_dir() else "cifar10"
    return [
        f"data.name={name}",
        f"data.root={place}",
        "data.image_size=16",
        "data.channels=3",
        "generator.width=32",
        "discriminator.width=32",
        "train.steps=1500",
        "evaluation.extractor.width=16",
        "evaluation.extractor.epochs=2",
        "evaluation.extractor.flip=true",
        "evaluation.samples=5000",
    ]


class OneImage(Generator):
    """Always returns the first image of the training set."""

    latent_dim, conditional = 4, True

    def __init__(self, image: Tensor) -> None:
        super().__init__()
        self.image = nn.Parameter(image)

    def forward(self, z: Tensor, labels: Tensor) -> Tensor:
        return self.image.expand(len(z), -1, -1, -1)


@pytest.mark.parametrize("images", ["digits", "cifar10"])
def test_training_beats_not_training_and_one_image(
    images: str, resolved: Callable[..., Resolved], tmp_path: Path
) -> None:
    recipe = resolved(*(cifar10() if images == "cifar10" else []), text=RECIPE)
    reporter = Reporter(Console(file=io.StringIO()))
    splits = load_data(recipe, reporter)
    engine = Engine(recipe, splits["train"], CPU)
    scorer = Scorer(recipe, RunFolder(tmp_path), reporter, splits, CPU)
    one = OneImage(to_unit(torch.from_numpy(splits["train"].images[0].copy())))
    scores = {
        "one image": scorer.score(one, 0).scores,
        "initial weights": scorer.score(engine.ready_generator("raw"), 0).scores,
    }
    while engine.step < engine.settings.steps:
        engine.advance()
    trained = scorer.score(engine.ready_generator("ema"), engine.step)
    scores |= {"trained": trained.scores, "real test": trained.real_test, "real halves": trained.real_halves}
    for name, row in scores.items():
        print(f"{images:8} {name:16}", *(f"{score} {row[score]:.4f}" for score in SCORES))
    for name in ("one image", "initial weights"):
        worse = scores[name]
        assert trained.scores["am_score"] < 0.5 * worse["am_score"], name
        assert trained.scores["fid"] < 0.5 * worse["fid"], name
        assert trained.scores["coverage"] > 0.2 + worse["coverage"], name
