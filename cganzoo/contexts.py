"""What the host knows when it builds a component. Imports no torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, kw_only=True)
class BuildContext:
    """What the host knows when it builds a component.

    Attributes:
        num_classes: K of the data set.
        image_size: side of the images, in pixels.
        image_channels: 1 or 3.
        feature_dim: for losses and regularizers, of the built discriminator; for metrics, of the extractor.
        class_names: of the data set.
        own_classes: for metrics: whether the extractor's logits are of the data set's classes, in their order.
    """

    num_classes: int
    image_size: int
    image_channels: int = 3
    feature_dim: int | None = None
    class_names: tuple[str, ...] = ()
    own_classes: bool = True

    @property
    def features(self) -> int:
        """Return ``feature_dim``; raise an error if it is not known.

        Raises:
            ValueError: the component is of a kind that is built before features exist.
        """
        if self.feature_dim is None:
            raise ValueError("this context has no feature_dim: only losses, regularizers and metrics have one")
        return self.feature_dim


@dataclass(frozen=True, kw_only=True)
class ExtractorContext(BuildContext):
    """What an extractor can use in addition. Many extractors need none of these values.

    Attributes:
        splits: the packed data set, ``"train"`` and perhaps ``"test"``; each has ``images`` (N, C, H, W) uint8,
            ``labels`` (N,) int64 and a ``fingerprint``. For an extractor that learns these images.
        device: where the extractor will work.
        cache: a folder for downloads and trained weights, shared by all runs.
        run_file: a file of the run itself for weights that were trained for it; ``None``: keep none there.
        stage: ``with stage("downloading the weights") as progress: progress(done, total)`` shows long work.
    """

    splits: Mapping[str, Any]
    device: torch.device
    cache: Path
    run_file: Path | None = None
    stage: Callable[..., AbstractContextManager[Callable[[int, int], None]]]
