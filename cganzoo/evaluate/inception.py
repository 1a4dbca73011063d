"""The ``inception`` extractor: the network of the FID and the Inception Score in the literature."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import torch_fidelity
from torch import Tensor
from torch_fidelity.feature_extractor_inceptionv3 import URL_INCEPTION_V3, FeatureExtractorInceptionV3

from cganzoo._util.checked import load_torch
from cganzoo.console.reporter import Progress
from cganzoo.data.batches import to_pixels
from cganzoo.data.download import fetch
from cganzoo.errors import RunError
from cganzoo.extractor import Extractor, weights_hash
from cganzoo.specs import Archive, ExtractorContext

from .extractors import InceptionConfig

ARCHIVE = Archive(url=URL_INCEPTION_V3, checksum="sha256:6726825d", size=95628359)
"""The weights of the TensorFlow graph ``inception-2015-12-05``, as torch-fidelity publishes them."""

PART = 50  # images in a batch: one of 299 x 299 pixels needs 20 MB in the first layers


class Inception(Extractor):
    """Inception v3 of 2015 in the port of torch-fidelity, with its own resizing to 299 pixels.

    Features are the 2048 of the last pooling layer, as for FID and KID; logits are those of 1008 classes without the
    bias, as for the Inception Score (``"2048"`` and ``"logits_unbiased"`` in torch-fidelity). Images are rounded to 8
    bits first, like PNG files; gray images are repeated to three channels.
    """

    feature_dim = 2048
    num_classes = 1008

    def __init__(self, weights: Mapping[str, Tensor]) -> None:
        super().__init__()
        # torch-fidelity can execute code in its file, so it gets a file that was just written from tensors.
        file = io.BytesIO()
        torch.save(dict(weights), file)
        file.seek(0)
        self.network = FeatureExtractorInceptionV3(
            "inception-v3-compat", ["2048", "logits_unbiased"], feature_extractor_weights_path=file
        )
        self._weights_hash = weights_hash(self.network)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """See :class:`Extractor`."""
        pixels = to_pixels(images).expand(-1, 3, -1, -1)
        parts = [self.network(part) for part in torch.split(pixels, PART)]
        features, logits = zip(*parts, strict=True)
        return torch.cat(features), torch.cat(logits)

    def protocol(self) -> Mapping[str, Any]:
        """See :class:`Extractor`."""
        return {
            "kind": "inception",
            "weights": self._weights_hash,
            "library": f"torch-fidelity {torch_fidelity.__version__}",
        }

    def description(self) -> str:
        """See :class:`Extractor`."""
        return (
            f"inception: the FID network of torch-fidelity {torch_fidelity.__version__}, weights {self._weights_hash}"
        )


def build(config: InceptionConfig, context: ExtractorContext) -> Inception:
    """The extractor of a recipe; its weights are downloaded to the cache."""
    with context.stage("downloading the weights of the Inception network", in_bytes=True) as progress:
        return load(config, context.cache / "weights", progress)


def load(config: InceptionConfig, folder: Path, progress: Progress | None = None) -> Inception:
    """The network with the weights of ``config.weights``, or of ``folder``, to which they are downloaded once."""
    if config.weights is None:
        advice = "get the file by other means and set evaluation.extractor.weights to it"
        path = fetch(ARCHIVE, folder, progress, advice=advice)
    else:
        path = Path(config.weights).expanduser()
    try:
        return Inception(load_torch(path, older=True))
    except FileNotFoundError as error:
        raise RunError(f'evaluation.extractor.weights = "{config.weights}": no such file') from error
    except Exception as error:  # torch.load raises different errors for other files
        raise RunError(
            f"{path}: does not hold the weights of torch-fidelity's Inception network, or is damaged; write another "
            "file at evaluation.extractor.weights, or leave it out to have them downloaded"
        ) from error
