"""From a recipe's ``[evaluation.extractor]`` to a network that is ready to use."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from cganzoo.config import ClassifierConfig
from cganzoo.console.reporter import Reporter
from cganzoo.data.cache import ImageSet, cache_folder
from cganzoo.errors import DataError, DivergenceError, PluginError, RunError
from cganzoo.extractor import Extractor
from cganzoo.recipe.resolve import Chosen
from cganzoo.specs import ExtractorContext, ExtractorSpec

if TYPE_CHECKING:
    from .builtin import InceptionConfig, TimmConfig


def obtain(
    chosen: Chosen[ExtractorSpec[Any]],
    splits: dict[str, ImageSet],
    reporter: Reporter,
    device: torch.device,
    run_file: Path | None = None,
) -> Extractor:
    """The feature extractor of a recipe: read, downloaded, or trained now; described in one line.

    Args:
        chosen: what the recipe names.
        splits: the packed set.
        reporter: shows progress, and the description.
        device: where the extractor will work.
        run_file: where a run keeps weights that were trained for it.

    Raises:
        RecipeError: there is no such model, or it does not take such images.
        DataError: a classifier has no images to be measured on, or weights cannot be downloaded.
        RunError: a file of weights is missing, damaged or another network's, the cache cannot be written, or the
            training of a classifier did not stay finite.
        PluginError: a plugin built something else.
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


# --- the host's own; each imports its libraries when it is used, because timm and torch-fidelity take seconds --------


def classifier(config: ClassifierConfig, context: ExtractorContext) -> Extractor:
    """The ``classifier`` extractor: the run's own file, or the cache's, or trained now.

    ``context.run_file`` is read if it has these options, and written otherwise.
    """
    from .classifier import load, load_or_train, save

    splits, run_file = context.splits, context.run_file
    if run_file is not None and run_file.is_file():
        with suppress(RunError):  # a damaged one is made again
            own = load(run_file, context.device)
            if own.config == config and own.num_classes == context.num_classes:
                return own
    if "test" not in splits:
        raise DataError(
            "the data set has no test split to measure the classifier on, so nothing can be scored with it; set "
            'metrics = [] to train without scores, or evaluation.extractor = { name = "inception" }'
        )
    try:
        with context.stage("training the classifier for the scores") as progress:
            trained = load_or_train(
                splits["train"], splits["test"], config, context.cache / "classifiers", context.device, progress
            )
    except DivergenceError as error:  # of a run, it would count as the method's divergence
        raise RunError(str(error)) from error
    if run_file is not None:
        with suppress(OSError):  # of a folder that can only be read, for example: the cache has it, too
            save(trained, run_file)
    return trained


def inception(config: InceptionConfig, context: ExtractorContext) -> Extractor:
    """The ``inception`` extractor."""
    from .inception import load

    with context.stage("downloading the weights of the Inception network", in_bytes=True) as progress:
        return load(config, context.cache / "weights", progress)


def pretrained(config: TimmConfig, context: ExtractorContext) -> Extractor:
    """The ``timm/<model>`` extractor."""
    from .pretrained import load

    return load(config, image_channels=context.image_channels)
