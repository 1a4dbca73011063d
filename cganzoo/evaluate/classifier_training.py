"""Training the ``classifier`` extractor on a set, once: the file in the cache serves every later run."""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from pathlib import Path

import torch
from filelock import FileLock

from cganzoo.classification import Progress, accuracy, fit
from cganzoo.config import ClassifierConfig
from cganzoo.data.cache import ImageSet
from cganzoo.errors import RunError

from .classifier import Classifier, load, save

TABLE = "evaluation.extractor"
"""Where a recipe has the options."""


def load_or_train(
    train_set: ImageSet,
    held_out: ImageSet,
    config: ClassifierConfig,
    folder: Path,
    device: torch.device,
    progress: Progress | None = None,
) -> Classifier:
    """The classifier of a set, from ``folder`` where an intact one of the same data and options lies, else trained.

    Processes that want the same one at once train it once. A training that is stopped goes on from where it was,
    a few minutes before the end at most, when the same classifier is wanted again.

    Args:
        train_set: what it learns.
        held_out: what its accuracy is measured on; images that it does not learn.
        config: the options.
        folder: where classifiers are kept.
        device: where to train; the classifier is returned there.
        progress: called after each step of the training, if there is any.

    Raises:
        RecipeError: the options fit no network for these images.
        DivergenceError: the training did not stay finite.
        RunError: the cache cannot be written.
    """
    parts = [config.model_dump(), train_set.num_classes, train_set.fingerprint, held_out.fingerprint]
    key = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]
    path = folder / f"{config.model}-{key}.safetensors"
    with suppress(RunError):  # not there, or damaged
        return load(path, device)  # without the lock, which a cache that may only be read does not allow
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_suffix(".lock")):
            try:
                return load(path, device)  # another process may have trained it meanwhile
            except RunError:
                state = path.with_suffix(".partial")
                classifier = train(train_set, held_out, config, device, progress, state)
                save(classifier, path)
                state.unlink(missing_ok=True)
                return classifier
    except OSError as error:
        raise RunError(
            f"{folder}: the cache cannot be written ({error.strerror or error}); set CGANZOO_CACHE"
        ) from error


def train(
    train_set: ImageSet,
    held_out: ImageSet,
    config: ClassifierConfig,
    device: torch.device,
    progress: Progress | None = None,
    state: Path | None = None,
) -> Classifier:
    """A classifier trained from scratch, or from ``state`` on: see :func:`cganzoo.classification.fit`."""
    trained = fit(
        train_set.images,
        train_set.labels,
        train_set.num_classes,
        config,
        device,
        progress,
        state=state,
        where=TABLE,
    )
    return Classifier(trained, accuracy(trained, held_out.images, held_out.labels), len(held_out.labels))
