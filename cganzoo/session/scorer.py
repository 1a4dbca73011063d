"""Scores and pictures of a run's generator, as its recipe says."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from cganzoo._version import __version__
from cganzoo.console.reporter import Reporter, ScoreRow, Stage
from cganzoo.data.cache import ImageSet, cache_folder
from cganzoo.errors import PluginError, RunError
from cganzoo.evaluate.evaluation import Evaluation, Evaluator
from cganzoo.evaluate.protocol import common_fingerprint
from cganzoo.extractor import Extractor
from cganzoo.hookspecs import PROJECT
from cganzoo.images import grids
from cganzoo.images.grids import BATCH_SIZE, COLUMNS
from cganzoo.images.sampling import BATCH_STATISTICS, noise, samples
from cganzoo.images.trained_generator import from_run
from cganzoo.networks import Generator
from cganzoo.recipe.resolve import Chosen, Resolved, resolve
from cganzoo.runs import provenance
from cganzoo.runs.folder import RunFolder
from cganzoo.specs import STANDARD_ERROR, ExtractorContext, ExtractorSpec

from .dataset import load_data
from .memory import check_scoring

GRID_ROWS = 20


class Scorer:
    """Evaluates the generators of one run, and draws samples from them.

    The extractor and the features of the real images are computed or loaded when they are first needed.

    The grids are written to ``folder``; with ``keep_extractor``, also the weights of a trained extractor. The
    ``"test"`` split measures the accuracy of a trained extractor, and gives a row of scores of real images.
    """

    def __init__(
        self,
        resolved: Resolved,
        folder: RunFolder,
        reporter: Reporter,
        splits: dict[str, ImageSet],
        device: torch.device,
        stage: Stage | None = None,
        *,
        keep_extractor: bool = True,
    ) -> None:
        self.resolved, self.folder, self.reporter = resolved, folder, reporter
        self.stage = stage or reporter.stage
        self._extractor_file = folder.extractor_file if keep_extractor else None
        self.splits, self.device = splits, device
        self.data = splits["train"]
        self.settings = resolved.recipe.sections.evaluation

    @cached_property
    def extractor(self) -> Extractor:
        """The recipe's feature extractor."""
        return obtain(self.resolved.extractor, self.splits, self.reporter, self.device, self._extractor_file)

    def check(self) -> None:
        """Build the extractor and the metrics, so that a mistake is found before hours of training, not after."""
        self._evaluator.check()

    @cached_property
    def _evaluator(self) -> Evaluator:
        metrics, provider = self.resolved.metrics, self.resolved.extractor.provider
        # The cache of real images' features must not survive a change of a plugin's code.
        hosted = provider.distribution == PROJECT
        extractor_version = "" if hosted else f"{provider} {provenance.code([provider])[provider.distribution]}"
        return Evaluator(
            splits=self.splits,
            extractor=self.extractor,
            metrics=[(metric.spec, metric.config) for metric in metrics],
            context=self.resolved.context(self.data.class_names),
            device=self.device,
            batch_size=self.settings.batch_size,
            seed=self.settings.seed,
            cache=cache_folder(),
            versions={metric.spec.name: f"{metric.provider}, cganzoo {__version__}" for metric in metrics},
            extractor_version=extractor_version,
            stage=self.stage,
        )

    def score(self, ready: Generator, step: int) -> Evaluation:
        """Score a generator (see :func:`~cganzoo.images.sampling.ready_to_sample`) and save the metrics' pictures."""
        count, batch_size, seed = self.settings.samples, self.settings.batch_size, self.settings.seed
        num_classes = self.data.num_classes
        evaluation = self._evaluator.evaluate(
            samples(ready, count, batch_size, num_classes, seed=seed),
            count,
            sampling={"weights": self.settings.weights, "batch_statistics": BATCH_STATISTICS, "seed": seed},
            generator=ready,
            noise=next(noise(ready, batch_size, batch_size, num_classes, seed=seed)),
        )
        for name, picture in evaluation.pictures.items():
            grids.save(grids.picture(picture), self.folder.picture_file(name, step))
        return evaluation

    def draw(self, ready: Generator, step: int) -> Path:
        """Write a grid of samples with one row for each class.

        Samples of an unconditional generator are sorted by the extractor if it knows the classes, else not at all.
        """
        num_classes, seed = self.data.num_classes, self.settings.seed
        classes = range(min(num_classes, GRID_ROWS))
        classifier = None
        if not ready.conditional and self.resolved.metrics and self.extractor.own_classes:
            classifier = self.extractor  # it may be trained here, so outside inference mode
        # Of many classes, an unconditional generator may not make the first ones.
        many = num_classes > GRID_ROWS
        found = grids.draw_by_class(ready, num_classes, classes, classifier, seed=seed, most_frequent=many)
        if found is None:
            drawn = samples(ready, COLUMNS * len(classes), BATCH_SIZE, num_classes, seed=seed)
            sheet = grids.grid(torch.cat([images for images, _ in drawn]), COLUMNS)
        else:
            sheet = grids.class_grid(found, self.data.class_names)
        return grids.save(sheet, self.folder.grid_file(step))


def obtain(
    chosen: Chosen[ExtractorSpec[Any]],
    splits: dict[str, ImageSet],
    reporter: Reporter,
    device: torch.device,
    run_file: Path | None = None,
) -> Extractor:
    """Read, download or train the feature extractor of a recipe, and show its description.

    Weights that were trained for a run are stored in its ``run_file``.
    """
    data = splits["train"]
    extractor = chosen.create(
        ExtractorContext(
            num_classes=data.num_classes,
            image_size=data.images.shape[-1],
            image_channels=data.images.shape[1],
            class_names=data.class_names,
            splits=splits,
            device=device,
            cache=cache_folder(),
            run_file=run_file,
            stage=reporter.stage,
        )
    )
    if not isinstance(extractor, Extractor):
        raise PluginError(
            f'{chosen.provider}: the extractor "{chosen.spec.name}" builds {type(extractor).__name__}, not a '
            "cganzoo.extractor.Extractor; report this to the plugin's author"
        )
    reporter.say(extractor.description())
    return extractor.to(device)


def show(evaluation: Evaluation, resolved: Resolved, reporter: Reporter) -> None:
    """Print the table of the scores of samples and of real images."""
    declared = {output.name for metric in resolved.metrics for output in metric.spec.outputs}
    rows = [
        ScoreRow(
            output.name,
            evaluation.scores.get(output.name),
            evaluation.real_test.get(output.name),
            evaluation.real_halves.get(output.name),
            output.higher_is_better,
            headline=output is metric.spec.outputs[0],
            error=evaluation.scores.get(output.name + STANDARD_ERROR),
        )
        for metric in resolved.metrics
        for output in metric.spec.outputs
        if not (output.name.endswith(STANDARD_ERROR) and output.name.removesuffix(STANDARD_ERROR) in declared)
    ]
    protocol = evaluation.protocol
    made, test, halves = protocol["samples"], protocol["real_test"], protocol["real_halves"]
    tested = f"real test: {test['count']:,} test images instead of samples; " if test else ""
    reporter.scores(
        rows,
        f"{made['count']:,} {made['weights']} samples against {protocol['reference']['count']:,} training images; "
        f"{tested}real halves: {halves['samples']:,} training images against the other {halves['reference']:,}; "
        f"protocol {common_fingerprint(protocol)}; fingerprint of each score: cganzoo evaluate --json",
    )


def evaluate_run(
    folder: RunFolder, reporter: Reporter, device: torch.device, overrides: Sequence[str] = ()
) -> tuple[int, Resolved, Evaluation]:
    """Score a run's newest checkpoint. Returns its step, the recipe, and the scores.

    ``overrides`` change the recipe for this evaluation: another place of the same images, for example.
    """
    resolved = resolve(folder.recipe(overrides))
    if not resolved.metrics:
        raise RunError(f"{folder.recipe_file}: lists no [[metrics]], so there is nothing to score")
    of_run, used = folder.recipe_values(), resolved.values()
    trained = from_run(folder, device, resolved.generator if of_run["generator"] == used["generator"] else None)
    check_scoring(resolved, device, trained.generator.latent_dim)
    splits = load_data(resolved, reporter)
    folder.check_same_images(splits["train"].fingerprint)
    # Another extractor than the run's must not replace it in the folder.
    unchanged = not any(override.strip().startswith("evaluation") for override in overrides)
    own = unchanged or of_run["evaluation"]["extractor"] == used["evaluation"]["extractor"]
    scorer = Scorer(resolved, folder, reporter, splits, device, keep_extractor=own)
    return trained.origin.step, resolved, scorer.score(trained.generator, trained.origin.step)
