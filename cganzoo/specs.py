"""What a plugin hands to the zoo: one frozen, keyword-only specification per component.

No torch here: a recipe is checked, and components are listed, before torch is imported. ``build`` imports it.
A field added later has a default, so a plugin written for this version keeps working.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Literal, TypeVar

from .config import ArchiveConfig, Config

if TYPE_CHECKING:
    from .data.source import ImageSource
    from .metric import Metric
    from .networks import Discriminator, Generator
    from .objective import Objective, Reference

C = TypeVar("C", bound=Config)

Conditioning = Literal["conditional", "unconditional", "any"]
"""Which generators a loss can train: those given a class label, those given noise alone, or both."""

NAME = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True, kw_only=True)
class BuildContext:
    """What the host knows when it builds a component.

    Attributes:
        num_classes: K of the data set.
        image_size: side of the images, in pixels.
        image_channels: 1 or 3.
        feature_dim: for losses, of the built discriminator; for metrics, of the extractor.
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
        """``feature_dim`` where there must be one.

        Raises:
            ValueError: the component is of a kind that is built before features exist.
        """
        if self.feature_dim is None:
            raise ValueError("this context has no feature_dim: only losses and metrics are built with one")
        return self.feature_dim


@dataclass(frozen=True, kw_only=True)
class ComponentSpec(Generic[C]):
    """Fields that every kind of component shares.

    Attributes:
        name: what a recipe writes, lower snake case, as the paper's method is called.
        summary: one line for ``cganzoo plugins``.
        config: the options, a torch-free :class:`~cganzoo.Config` with a description for each field.
        paper: arXiv id (``arXiv:1703.02000``) or DOI.
        known_failures: checks of the conformance kit that it cannot pass, each with the reason, for
            ``cganzoo plugin check``; the plugin's own tests say the same by ``expected_failures``.
    """

    name: str
    summary: str
    config: type[C]
    paper: str | None = None
    known_failures: Mapping[str, str] = field(default_factory=dict)

    host_keys: ClassVar[frozenset[str]] = frozenset({"name"})

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not NAME.fullmatch(self.name):
            raise ValueError(f"component name {self.name!r} is not lower snake case ([a-z][a-z0-9_]*)")
        if not isinstance(self.summary, str) or not self.summary or "\n" in self.summary:
            raise ValueError(f"{self.name}: summary must be one non-empty line")
        if not (isinstance(self.config, type) and issubclass(self.config, Config)):
            raise ValueError(f"{self.name}: config must be a subclass of cganzoo.Config")
        for taken in sorted(self.host_keys & set(self.config.model_fields)):
            raise ValueError(f'{self.name}: config has a field "{taken}", a key that the host keeps in that table')


@dataclass(frozen=True, kw_only=True)
class GeneratorSpec(ComponentSpec[C]):
    """A generator: noise and class label to image.

    Attributes:
        build: returns a :class:`cganzoo.networks.Generator`.
        conditional: whether the generator that a config describes is given the class label.
    """

    build: Callable[[C, BuildContext], Generator]
    conditional: Callable[[C], bool] = lambda config: True


@dataclass(frozen=True, kw_only=True)
class DiscriminatorSpec(ComponentSpec[C]):
    """A discriminator trunk: images to features. It knows nothing of classes.

    Attributes:
        build: returns a :class:`cganzoo.networks.Discriminator`.
    """

    build: Callable[[C, BuildContext], Discriminator]


@dataclass(frozen=True, kw_only=True)
class LossSpec(ComponentSpec[C]):
    """A loss: heads on the trunk's features, and the two losses.

    Attributes:
        build: returns a :class:`cganzoo.objective.Objective`.
        conditioning: which generators the loss, so configured, can train; checked when the recipe is read.
        reference: imports and returns the formula written naively, a :class:`cganzoo.objective.Reference`, or ``None``
            for options that it does not cover; the conformance kit compares the loss with it.
    """

    build: Callable[[C, BuildContext], Objective]
    conditioning: Callable[[C], Conditioning] = lambda config: "any"
    reference: Callable[[C], Reference | None] | None = None


STANDARD_ERROR = "_se"
"""Ending of the name of an output that is the standard error of another one."""


@dataclass(frozen=True, kw_only=True)
class MetricOutput:
    """One number that a metric reports; the first output of a metric is its headline.

    Attributes:
        name: its key in what the metric computes, lower snake case.
        summary: one line: what it measures.
        higher_is_better: the direction; ``None`` where neither is better.
        order_tolerance: how far, as a part of itself, it may move when the samples come in another order or are merged
            from parts: 0 but for a number that is itself estimated by random draws, as by a bootstrap.
    """

    name: str
    summary: str
    higher_is_better: bool | None = None
    order_tolerance: float = 0.0

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.name):
            raise ValueError(f"metric output name {self.name!r} is not lower snake case ([a-z][a-z0-9_]*)")


@dataclass(frozen=True, kw_only=True)
class MetricSpec(ComponentSpec[C]):
    """A score of generated images, usually against real ones.

    Attributes:
        build: returns a :class:`cganzoo.metric.Metric`.
        outputs: the numbers it reports, the headline first.
        reference: the split that ``update_reference`` is given.
    """

    build: Callable[[C, BuildContext], Metric]
    outputs: tuple[MetricOutput, ...]
    reference: Literal["train", "test"] = "train"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.outputs or not all(isinstance(output, MetricOutput) for output in self.outputs):
            raise ValueError(f"{self.name}: outputs must be a non-empty tuple of MetricOutput")


@dataclass(frozen=True, kw_only=True)
class Archive:
    """A file to download: where from, and how to know that it is the right one.

    Attributes:
        url: http or https; its last part is the file's name.
        checksum: ``"md5:<hex>"`` or ``"sha256:<hex>"``; of a SHA-256 the first eight digits will do.
        size: in bytes, where known; said before the download.
    """

    url: str
    checksum: str
    size: int | None = None

    @property
    def filename(self) -> str:
        """What the file is called on disk."""
        return self.url.rstrip("/").rpartition("/")[2]


@dataclass(frozen=True, kw_only=True)
class DatasetSpec(ComponentSpec[C]):
    """A labelled set of images.

    Attributes:
        build: returns a :class:`cganzoo.data.source.ImageSource`; reads no pixel yet.
        channels: channels an image has unless the recipe says otherwise.
        image_size: side of its images in pixels, where all have the same: what ``cganzoo data`` uses unless told.
        archive: the official download, if there is one; ``config`` is then an :class:`~cganzoo.ArchiveConfig`, and the
            host sets its ``root`` to the downloaded file where the recipe names no other place.
    """

    host_keys: ClassVar[frozenset[str]] = frozenset({"name", "image_size", "channels"})

    build: Callable[[C], ImageSource]
    channels: Literal[1, 3] = 3
    image_size: int | None = None
    archive: Archive | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.archive is not None and not issubclass(self.config, ArchiveConfig):
            raise ValueError(f"{self.name}: a data set with an archive needs a config derived from ArchiveConfig")


Spec = ComponentSpec[Any]

KINDS: dict[str, type[Spec]] = {
    "generator": GeneratorSpec,
    "discriminator": DiscriminatorSpec,
    "loss": LossSpec,
    "metric": MetricSpec,
    "dataset": DatasetSpec,
}
"""Component kinds by the name that messages and ``cganzoo plugins`` use."""
