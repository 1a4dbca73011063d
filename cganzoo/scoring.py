"""Scoring and picturing a generator as a run's recipe asks: the bridge from a run to the evaluation."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

import torch

from . import grids
from .data.cache import ImageSet, cache_folder
from .engine import Engine, build_context
from .evaluate import classifier
from .evaluate.evaluation import Evaluation, Evaluator
from .evaluate.extractor import Extractor
from .networks import Generator
from .resolution import Resolved
from .runs import RunFolder
from .sampling import BATCH_STATISTICS, ready_to_sample, samples
from .terminal import Reporter

GRID_ROWS, GRID_COLUMNS = 20, 10


class Scorer:
    """Evaluates and draws the generator of one run.

    The extractor and the real images' features are made once, when they are first needed.
    """

    def __init__(
        self,
        resolved: Resolved,
        folder: RunFolder,
        reporter: Reporter,
        splits: dict[str, ImageSet],
        device: torch.device,
    ) -> None:
        self.resolved, self.folder, self.reporter = resolved, folder, reporter
        self.splits, self.device = splits, device
        self.plan = resolved.recipe.sections.evaluation
        self.num_classes = splits["train"].num_classes
