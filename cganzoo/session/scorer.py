"""Scores and pictures of a run's generator, as its recipe says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from cganzoo._util.files import write_whole
from cganzoo._version import __version__
from cganzoo.console.reporter import Reporter, ScoreRow, Stage
from cganzoo.data.cache import ImageSet, cache_folder
from cganzoo.errors import DataError, PluginError, RunError
from cganzoo.evaluate.evaluation import Evaluation, Evaluator, check_splits
from cganzoo.evaluate.protocol import common_fingerprint
from cganzoo.extractor import Extractor
from cganzoo.hookspecs import PROJECT
from cganzoo.images import grids
from cganzoo.images.drawn import drawn, in_equal_parts, protocol
from cganzoo.images.grids import BATCH_SIZE, COLUMNS
from cganzoo.images.sampling import noise, samples
from cganzoo.images.trained_generator import from_run
from cganzoo.needs import Counts
from cganzoo.networks import Generator
from cganzoo.recipe.needs import undefined
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
        """Refuse, before the training, what cannot be scored after it.

        The counts come first, then the extractor, which may be trained here, and the metrics are built.

        Raises:
            RecipeError: a metric needs more samples or images than there are, or predictions of the extractor.
            DataError: the data set lacks a split that a metric uses.
        """
        metrics = [(metric.spec, metric.config) for metric in self.resolved.metrics]
        check_splits((spec for spec, _ in metrics), self.splits)
        self.resolved.refuse_unmet_needs(self._counts)
        extractor = self.extractor
        found: dict[str, Any] = {
            "feature_dim": extractor.feature_dim,
            "predicted_classes": extractor.num_classes,
            "own_classes": extractor.own_classes,
        }
        self.resolved.refuse_unmet_needs(partial(self._counts, **found))
        for note in undefined(metrics, partial(self._counts, **found)):
            self.reporter.say(note, style="yellow")
        self._evaluator.check()

    @contextmanager
    def checked(self, *, anew: bool) -> Iterator[None]:
        """:meth:`check` before the block in which the folder becomes this run's.

        If something cannot be scored, the folder still has the extractor of its earlier run. ``anew``: the files of
        that run are removed in the block, so its extractor, which may be of other images, is not used.
        """
        file = self.folder.extractor_file
        before = file.read_bytes() if file.is_file() else None
        if anew:
            file.unlink(missing_ok=True)
        try:
            self.check()
        except BaseException:
            if before is not None:
                write_whole(file, before)
            else:
                file.unlink(missing_ok=True)
            raise
        trained = file.read_bytes() if file.is_file() else None
        yield
        if trained is not None and not file.is_file():
            write_whole(file, trained)

    def _counts(self, split: str, **known: Any) -> Counts:
        """What the evaluation has, with the real images of a split."""
        names, labels = self.data.class_names, self.splits[split].labels
        per_class = np.bincount(labels, minlength=len(names)).tolist()
        return self.resolved.counts(class_names=names, real_images_per_class=tuple(per_class), **known)

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
        if self.settings.batch_statistics == "batch":
            batch_size = in_equal_parts(count, batch_size)
        how = protocol(self.settings.batch_statistics, self.settings.truncation, batch_size)
        evaluation = self._evaluator.evaluate(
            samples(self._drawn(ready), count, batch_size, num_classes, seed=seed),
            count,
            sampling={"weights": self.settings.weights, **how, "seed": seed},
            generator=ready,
            noise=next(noise(ready, batch_size, batch_size, num_classes, seed=seed)),
        )
        for name, picture in evaluation.pictures.items():
            grids.save(grids.picture(picture), self.folder.picture_file(name, step))
        for message in failures(evaluation):
            self.reporter.say(message, style="yellow")
        return evaluation

    def _drawn(self, ready: Generator) -> Generator:
        return drawn(ready, self.settings.batch_statistics, self.settings.truncation)

    def draw(self, ready: Generator, step: int) -> Path:
        """Write a grid of samples with one row for each class.

        Samples of an unconditional generator are sorted by the extractor if it knows the classes, else not at all.
        """
        ready, num_classes, seed = self._drawn(ready), self.data.num_classes, self.settings.seed
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


def failures(evaluation: Evaluation) -> list[str]:
    """A message for each metric that failed, and for each that failed for real images only."""
    found = [f'metric "{name}" failed: {why}' for name, why in evaluation.failures.items()]
    real = [(name, why) for name, why in evaluation.real_failures.items() if name not in evaluation.failures]
    return found + [f'metric "{name}" failed for real images: {why}' for name, why in real]


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
            failed=metric.spec.name in evaluation.failures,
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
    generator = resolved.generator if of_run["generator"] == used["generator"] else None
    trained = from_run(folder, device, generator, warn=lambda text: reporter.say(text, style="yellow"))
    check_scoring(resolved, device, trained.generator.latent_dim)
    try:
        splits = load_data(resolved, reporter)
    except DataError as error:
        root = resolved.recipe.sections.data.options.get("root")
        if root is None or Path(root).expanduser().exists():
            raise
        again = f"cganzoo evaluate {folder.path} --set data.root=PLACE"
        raise DataError(f"{error}; if the images moved, name their new place: {again}") from error
    folder.check_same_images(splits["train"].fingerprint)
    # Another extractor than the run's must not replace it in the folder.
    unchanged = not any(override.strip().startswith("evaluation") for override in overrides)
    own = unchanged or of_run["evaluation"]["extractor"] == used["evaluation"]["extractor"]
    scorer = Scorer(resolved, folder, reporter, splits, device, keep_extractor=own)
    scorer.check()
    return trained.origin.step, resolved, scorer.score(trained.generator, trained.origin.step)
