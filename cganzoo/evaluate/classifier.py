"""The ``classifier`` extractor: an image classifier of the set's own classes, its file, and its training."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from filelock import FileLock
from torch import Tensor

from cganzoo._util.checked import json_checksum, load_safetensors
from cganzoo._util.files import write_whole
from cganzoo._util.memory import is_out_of_memory
from cganzoo._util.text import shortened
from cganzoo.classification import ImageClassifier, accuracy, fit
from cganzoo.classification.networks import Shape
from cganzoo.config import ClassifierConfig
from cganzoo.console.reporter import Progress
from cganzoo.data.cache import ImageSet
from cganzoo.errors import DamageWarning, DataError, DivergenceError, RunError
from cganzoo.extractor import Extractor, weights_hash
from cganzoo.images.bounded import bounded_by
from cganzoo.runs.folder import RunFolder
from cganzoo.specs import ExtractorContext

from .protocol import cache_key

METADATA_KEY = "cganzoo_classifier"


class Classifier(Extractor):
    """A trained classifier; the features are the input of its last linear layer.

    ``accuracy`` is the share of ``accuracy_count`` held-out images that it classifies correctly.
    """

    own_classes = True

    def __init__(self, trained: ImageClassifier, accuracy: float, accuracy_count: int) -> None:
        super().__init__()
        self.trained, self.config, self.weights_hash = trained, trained.config, weights_hash(trained)
        self.accuracy, self.accuracy_count = accuracy, accuracy_count
        self.feature_dim, self.num_classes = trained.feature_dim, trained.shape.num_classes
        self.eval().requires_grad_(False)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """See :class:`Extractor`."""
        return self.trained.features_and_logits(images)

    def protocol(self) -> Mapping[str, Any]:
        """See :class:`Extractor`."""
        return {
            "kind": "classifier",
            "model": self.config.model,
            "width": self.config.width,
            "weights": self.weights_hash,
            "accuracy": self.accuracy,
            "accuracy_count": self.accuracy_count,
        }

    def description(self) -> str:
        """See :class:`Extractor`."""
        return f"classifier {self.config.model}: accuracy {self.accuracy:.4f} on {self.accuracy_count} test images"


def build(config: ClassifierConfig, context: ExtractorContext) -> Classifier:
    """Read the extractor from ``context.run_file`` if that file has these options. Otherwise load or train it.

    An extractor that was not read from ``context.run_file`` is then written to this file.
    """
    splits, run_file = context.splits, context.run_file
    if run_file is not None and run_file.is_file():
        own = _load_or_warn(run_file, context.device)
        if own is not None and own.config == config and own.num_classes == context.num_classes:
            return own
    if "test" not in splits:
        raise DataError(
            "the data set has no test split to measure the classifier on, so nothing can be scored with it; set "
            'metrics = [] to train without scores, or evaluation.extractor = { name = "inception" }'
        )
    folder = context.cache / "classifiers"
    try:
        with context.stage("training the classifier for the scores") as progress:
            trained = load_or_train(splits["train"], splits["test"], config, folder, context.device, progress)
    except DivergenceError as error:  # of a run, it would count as the method's divergence
        raise RunError(str(error)) from error
    if run_file is not None:
        with suppress(OSError):  # of a folder that can only be read, for example: the cache has it, too
            save(trained, run_file)
    return trained


def save(classifier: Classifier, path: Path) -> None:
    """Write weights, options and accuracy to one safetensors file, completely or not at all."""
    entry = {
        "config": classifier.config.model_dump(),
        "shape": asdict(classifier.trained.shape),
        "accuracy": classifier.accuracy,
        "accuracy_count": classifier.accuracy_count,
        "weights": classifier.weights_hash,
    }
    entry["checksum"] = json_checksum(entry)
    weights = {name: tensor.cpu().contiguous() for name, tensor in classifier.trained.state_dict().items()}
    write_whole(path, safetensors.torch.save(weights, metadata={METADATA_KEY: json.dumps(entry)}))


def of_run(folder: RunFolder, device: torch.device) -> Classifier | None:
    """The classifier that measured the scores of a run, if the extractor of the run is a classifier."""
    name = folder.recipe_values()["evaluation"]["extractor"]["name"]
    if name.rpartition("/")[2] != "classifier" or not folder.extractor_file.is_file():
        return None
    try:
        return load(folder.extractor_file, device)
    except RunError as error:
        raise RunError(f"{error}; `cganzoo evaluate` makes it again") from error


def load(path: Path, device: torch.device | str = "cpu") -> Classifier:
    """Read what :func:`save` wrote; files of cganzoo 0.1 have a hash of the weights only, not of the other values."""
    try:
        metadata, weights = load_safetensors(path)
        entry = json.loads(metadata[METADATA_KEY])
        described = {key: value for key, value in entry.items() if key != "checksum"}
        if entry.get("checksum", "") not in ("", json_checksum(described)):
            raise ValueError("its checksum is wrong")
        with bounded_by(weights):
            trained = ImageClassifier(ClassifierConfig(**entry["config"]), Shape(**entry["shape"]))
        trained.load_state_dict(weights)
        classifier = Classifier(trained.to(device), entry["accuracy"], entry["accuracy_count"])
        if classifier.weights_hash != entry["weights"]:
            raise ValueError("the weights are not those that were written")
        return classifier
    except FileNotFoundError as error:
        raise RunError(f"{path}: no such file") from error
    except Exception as error:  # a network has different errors for values that it cannot use
        if is_out_of_memory(error):
            raise
        reason = f"{type(error).__name__}: {error}" if isinstance(error, (KeyError, TypeError)) else str(error)
        raise RunError(
            f"{path}: is no classifier that cganzoo wrote, or is damaged ({shortened(reason, 200)})"
        ) from error


def _load_or_warn(path: Path, device: torch.device) -> Classifier | None:
    """The classifier in a file; without one, ``None``; and if it is damaged, also a :class:`DamageWarning`."""
    try:
        return load(path, device)
    except RunError as error:
        if path.exists():
            warnings.warn(f"{error}; it is made again", DamageWarning, stacklevel=2)
        return None


def load_or_train(
    train_set: ImageSet,
    held_out: ImageSet,
    config: ClassifierConfig,
    folder: Path,
    device: torch.device,
    progress: Progress | None = None,
) -> Classifier:
    """Load the classifier with these data and options from ``folder``; if it is missing or damaged, train it.

    Its accuracy is measured on ``held_out``. If several processes need the same classifier, one process trains it. A
    training that was stopped resumes from its last saved state, which is at most a few minutes older.
    """
    parts = [config.model_dump(), train_set.num_classes, train_set.fingerprint, held_out.fingerprint]
    path = folder / f"{config.model}-{cache_key(parts)}.safetensors"
    if found := _load_or_warn(path, device):  # without the lock, which needs a cache that can be written
        return found
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_suffix(".lock")):
            with suppress(RunError):
                return load(path, device)  # another process trained it meanwhile
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
    """Train a classifier from scratch or from ``state``; see :func:`cganzoo.classification.fit`."""
    images, labels, num_classes = train_set.images, train_set.labels, train_set.num_classes
    trained = fit(images, labels, num_classes, config, device, progress, state=state, where="evaluation.extractor")
    return Classifier(trained, accuracy(trained, held_out.images, held_out.labels), len(held_out.labels))
