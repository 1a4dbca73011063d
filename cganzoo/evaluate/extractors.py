"""From a recipe's ``[evaluation.extractor]`` to a network that is ready to look at images."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import torch

from cganzoo.config import Config
from cganzoo.console.reporter import Reporter
from cganzoo.data.cache import ImageSet, cache_folder
from cganzoo.errors import DataError, DivergenceError, RunError
from cganzoo.extractor import Extractor
from cganzoo.recipe.extractors import ClassifierConfig, InceptionConfig, TimmConfig


def obtain(
    config: Config,
    splits: dict[str, ImageSet],
    reporter: Reporter,
    device: torch.device,
    run_file: Path | None = None,
) -> Extractor:
    """The feature extractor that a recipe asks for: read, downloaded, or trained now; said in one line.

    Args:
        config: its options, an instance of one of :data:`~cganzoo.recipe.extractors.EXTRACTORS`.
        splits: the packed set. A classifier learns ``"train"`` and is measured on ``"test"``; the others need neither.
        reporter: shows progress, and says what is used.
        device: where the extractor is wanted.
        run_file: where a run keeps its trained classifier. Read if it is as the options say, written otherwise.

    Raises:
        RecipeError: there is no such model, or it does not take such images.
        DataError: a classifier has no images to be measured on, or weights cannot be downloaded.
        RunError: a file of weights is missing, damaged or another network's, the cache cannot be written, or the
            training of a classifier did not stay finite.
    """
    # Each is imported when it is used: timm and torch-fidelity take seconds.
    extractor: Extractor
    if isinstance(config, ClassifierConfig):
        extractor = _classifier(config, splits, reporter, device, run_file)
    elif isinstance(config, InceptionConfig):
        from . import inception

        with reporter.stage("downloading the weights of the Inception network", in_bytes=True) as progress:
            extractor = inception.load(config, cache_folder() / "weights", progress)
    else:
        from . import pretrained

        assert isinstance(config, TimmConfig)
        extractor = pretrained.load(config, image_channels=splits["train"].images.shape[1])
    reporter.say(extractor.description())
    return extractor.to(device)


def _classifier(
    config: ClassifierConfig,
    splits: dict[str, ImageSet],
    reporter: Reporter,
    device: torch.device,
    run_file: Path | None,
) -> Extractor:
    from . import classifier

    if run_file is not None and run_file.is_file():
        with suppress(RunError):  # a damaged one is made again
            own = classifier.load(run_file, device)
            if own.config == config and own.num_classes == splits["train"].num_classes:
                return own
    if "test" not in splits:
        raise DataError(
            "the data set has no test split to measure the classifier on, so nothing can be scored with it; set "
            'metrics = [] to train without scores, or evaluation.extractor = { name = "inception" }'
        )
    try:
        with reporter.stage("training the classifier for the scores") as progress:
            trained = classifier.load_or_train(
                splits["train"], splits["test"], config, cache_folder() / "classifiers", device, progress
            )
    except DivergenceError as error:  # said of a run, it would count as the method's divergence
        raise RunError(str(error)) from error
    if run_file is not None:
        with suppress(OSError):  # of a folder that is only read, say: the cache holds it, too
            classifier.save(trained, run_file)
    return trained
