"""The base class of feature extractors: images to features and class logits."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn


class Extractor(nn.Module):
    """A frozen network that computes the features for all metrics of an evaluation.

    Attributes:
        feature_dim: D.
        num_classes: K of the logits; 0 for a network without classes. They may be other classes than the data set's,
            such as those of ImageNet.
        own_classes: whether the logits are of the data set's own classes, in their order.
    """

    feature_dim: int
    num_classes: int
    own_classes: bool = False

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Images (N, C, H, W) in [-1, 1] to features (N, D) and logits (N, K)."""
        raise NotImplementedError

    def protocol(self) -> Mapping[str, Any]:
        """Kind, model, hash of the weights, and everything else that identifies the extractor, as JSON values.

        Part of the fingerprint of every score.
        """
        raise NotImplementedError

    def description(self) -> str:
        """One line for the user: the network, and how reliable its features are."""
        raise NotImplementedError


def weights_hash(module: nn.Module) -> str:
    """16 hexadecimal digits of the SHA-256 of a module's parameters and buffers; the same on every device."""
    digest = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        array = tensor.detach().cpu().contiguous().numpy()
        digest.update(f"{name} {array.dtype} {array.shape}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()[:16]
