"""Scoring and picturing a run's generator as its recipe asks: the bridge from a run to the evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from . import grids
from .data.cache import ImageSet, cache_folder
from .data.loading import load_data
from .errors import DataError, RunError
from .evaluate.config import ClassifierConfig
from .evaluate.evaluation import Evaluation, Evaluator
from .export import from_run
from .networks import Generator
from .resolution import Resolved, resolve
from .runs import RunFolder
from .sampling import BATCH_STATISTICS, samples
from .specs import BuildContext
from .terminal import Reporter, ScoreRow

if TYPE_CHECKING:
    from .evaluate.classifier import Classifier

GRID_ROWS, GRID_COLUMNS = 20, 10
MAX_SORTED = 10_000  # samples to sort by the classifier for one grid


class Scorer:
    """Evaluates and draws the generators of one run.

    The extractor is trained or loaded, and the real images are looked at, when they are first needed.

    Args:
        resolved: the recipe.
        folder: the run's; takes the extractor's weights and the grids.
        reporter: shows progress.
        splits: the packed set; ``"test"`` measures the extractor.
        device: where to work.
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
        self.data = splits["train"]
        self.plan = resolved.recipe.sections.evaluation

    @cached_property
    def extractor(self) -> Classifier:
        """The recipe's feature extractor, its accuracy reported; a copy of it lies in the run folder."""
        extractor = self._own_extractor() or self._new_extractor()
        self.reporter.say(
            f"classifier {extractor.config.model}: accuracy {extractor.accuracy:.4f} "
            f"on {extractor.accuracy_count} test images"
        )
        return extractor

    def _new_extractor(self) -> Classifier:
        """From the cache, or trained now."""
        # Here, because timm takes seconds to import and only scores need it.
        from .evaluate import classifier
        from .evaluate.classifier_training import load_or_train

        config = self.resolved.extractor
        assert isinstance(config, ClassifierConfig)
        if "test" not in self.splits:
            raise DataError(
                f'data set "{self.resolved.dataset.spec.name}": has no test split to measure the classifier on, '
                "so nothing can be scored; set metrics = [] to train without scores"
            )
        with self.reporter.stage("training the classifier for the scores") as progress:
            extractor = load_or_train(
                self.data, self.splits["test"], config, cache_folder() / "classifiers", self.device, progress
            )
        with suppress(OSError):  # of a folder that is only read, say: the cache holds it, too
            classifier.save(extractor, self.folder.extractor_file)
        return extractor

    def _own_extractor(self) -> Classifier | None:
        """The one in the run folder, which its scores were made with, if it is as the recipe says."""
        from .evaluate import classifier

        if not self.folder.extractor_file.is_file():
            return None
        with suppress(RunError):  # a damaged one is made again
            own = classifier.load(self.folder.extractor_file, self.device)
            if own.config == self.resolved.extractor and own.num_classes == self.data.num_classes:
                return own
        return None

    def check(self) -> None:
        """Find mistakes in the scoring options before hours of training, not after: build what scores will need.

        Raises:
            CganzooError: the extractor or a metric cannot be built, or there is nothing to measure the extractor on.
        """
        for metric in self.resolved.metrics:
            metric.spec.build(metric.config, self._evaluator.context)

    @cached_property
    def _evaluator(self) -> Evaluator:
        return Evaluator(
            reference=self.data,
            extractor=self.extractor,
            metrics=[(metric.spec, metric.config) for metric in self.resolved.metrics],
            context=BuildContext(
                num_classes=self.data.num_classes,
                image_size=self.resolved.recipe.sections.data.image_size,
                image_channels=self.resolved.channels,
                class_names=self.data.class_names,
            ),
            device=self.device,
            batch_size=self.plan.batch_size,
            seed=self.plan.seed,
        )

    def score(self, ready: Generator) -> Evaluation:
        """Score a generator that :func:`~cganzoo.sampling.ready_to_sample` gave."""
        evaluator = self._evaluator
        plan = self.plan
        batches = samples(ready, plan.samples, plan.batch_size, self.data.num_classes, seed=plan.seed)
        with self.reporter.stage("scoring") as progress:
            return evaluator.evaluate(
                batches,
                plan.samples,
                sampling={"weights": plan.weights, "batch_statistics": BATCH_STATISTICS, "seed": plan.seed},
                progress=progress,
            )

    def draw(self, ready: Generator, step: int) -> Path:
        """Write a grid of samples, a row a class; an unconditional generator's are sorted by the classifier."""
        classes = list(range(min(self.data.num_classes, GRID_ROWS)))
        count = GRID_COLUMNS * len(classes)
        place = self.folder.samples / f"step-{step:08d}.png"
        if ready.conditional:
            images, labels = _together(ready, count, self.data.num_classes, self.plan.seed, classes)
            assert labels is not None
        elif self.resolved.metrics:
            # Many more than are shown, so that each class that the generator makes fills its row.
            count = min(10 * GRID_COLUMNS * self.data.num_classes, MAX_SORTED)
            images, _ = _together(ready, count, self.data.num_classes, self.plan.seed, None)
            extractor = self.extractor  # outside inference mode: it may have to be trained first
            with torch.inference_mode():
                labels = torch.cat([extractor(part)[1].argmax(1) for part in torch.split(images, 500)])
        else:  # no scores, hence no classifier to sort by
            images, _ = _together(ready, count, self.data.num_classes, self.plan.seed, None)
            return grids.save(grids.grid(images, GRID_COLUMNS), place)
        rows = grids.rows_by_class(images, labels, classes, GRID_COLUMNS)
        return grids.save(grids.grid(rows, GRID_COLUMNS, [self.data.class_names[label] for label in classes]), place)


def show(evaluation: Evaluation, resolved: Resolved, reporter: Reporter) -> None:
    """Print the table of scores, real images beside samples."""
    rows = [
        ScoreRow(
            output.name,
            evaluation.scores[output.name],
            evaluation.real[output.name],
            output.higher_is_better,
            headline=output is metric.spec.outputs[0],
        )
        for metric in resolved.metrics
        for output in metric.spec.outputs
    ]
    protocol = evaluation.protocol
    samples_of, halves = protocol["samples"], protocol["real_halves"]
    reporter.scores(
        rows,
        f"{samples_of['count']:,} {samples_of['weights']} samples against {protocol['reference']['count']:,} real "
        f"images; real halves: the same scores of {halves['samples']} real images against the other "
        f"{halves['reference']}; protocol {protocol['fingerprint']}",
    )


def _together(
    ready: Generator, count: int, num_classes: int, seed: int, classes: list[int] | None
) -> tuple[Tensor, Tensor | None]:
    drawn = list(samples(ready, count, 250, num_classes, seed=seed, classes=classes))
    labels = None if drawn[0][1] is None else torch.cat([part for _, part in drawn if part is not None])
    return torch.cat([images for images, _ in drawn]), labels


def evaluate_run(
    folder: RunFolder, reporter: Reporter, device: torch.device, overrides: Sequence[str] = ()
) -> tuple[int, Resolved, Evaluation]:
    """Score a run's newest checkpoint: its step, its recipe, the scores.

    Args:
        folder: the run's.
        reporter: shows progress.
        device: where to work.
        overrides: changes of the recipe for this evaluation, such as another place of the same images.

    Raises:
        CganzooError: the run has no checkpoint or no metrics, or its data set or plugins are gone.
    """
    resolved = resolve(folder.recipe(overrides))
    if not resolved.metrics:
        raise RunError(f"{folder.recipe_file}: lists no [[metrics]], so there is nothing to score")
    trained = from_run(folder, device)
    splits = load_data(resolved, reporter)
    folder.refuse_other_images(splits["train"].fingerprint)
    scorer = Scorer(resolved, folder, reporter, splits, device)
    return trained.origin.step, resolved, scorer.score(trained.generator)
