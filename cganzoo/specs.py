"""What a plugin registers: one frozen, keyword-only specification for each component.

No torch here: a recipe is checked, and components are listed, before torch is imported. ``build`` imports it.
A field that is added later has a default, so that a plugin written for this version keeps working.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Generic, Literal, TypeVar

from pydantic import ConfigDict, Field, model_validator

from ._util.lazy import Importable
from ._util.text import did_you_mean
from .config import ArchiveConfig, Config, Scalar, Since, at_least
from .contexts import BuildContext as BuildContext
from .contexts import ExtractorContext as ExtractorContext
from .needs import NOTHING, Needs

if TYPE_CHECKING:
    from .augmentation import Augmentation
    from .extractor import Extractor
    from .logger import Logger
    from .metric import Metric
    from .networks import Discriminator, Generator
    from .objective import Objective, Reference
    from .regularizer import Regularizer

C = TypeVar("C", bound=Config)

Conditioning = Literal["conditional", "unconditional", "any"]
"""Which generators a loss can train: those that take a class label, those that take noise alone, or both."""

NAME = re.compile(r"[a-z][a-z0-9_]*")


class ComponentTable(Config):
    """A component's table in a recipe: the name, and the component's own options as further keys."""

    model_config = ConfigDict(extra="allow")

    name: str = Field(description='Component name, or "distribution/name" where two plugins share it.')

    @property
    def options(self) -> dict[str, Any]:
        """The component's own options, as the recipe wrote them."""
        return dict(self.model_extra or {})


class DataTable(ComponentTable):
    """The set of images and how they are read; other keys are the data set's own options."""

    image_size: int = Field(ge=4, le=4096, description="Side of the square images, in pixels.")
    channels: Literal[1, 3] | None = Field(None, description="1 (gray) or 3 (RGB); default: as in the set.")
    flip: Annotated[bool, Since("0.2")] = Field(
        False, description="Mirror half of the real training images left-right; not for digits or letters."
    )
    shift: Annotated[int, Since("0.2")] = Field(
        0,
        ge=0,
        description="Move each real training image at random by up to this many pixels in both directions; the pixels "
        "at its edge are repeated.",
    )

    @model_validator(mode="after")
    def _within_the_image(self) -> DataTable:
        if self.shift >= self.image_size:
            raise ValueError(f"shift = {self.shift} must be below image_size = {self.image_size}")
        return self


class LossTable(ComponentTable):
    """The loss, and how its heads are normalised; other keys are its own options."""

    spectral_norm: Annotated[bool, Since("0.2")] = Field(
        False,
        description="Divide each weight matrix of the loss's heads by its largest singular value (arXiv:1802.05957).",
    )


class RegularizerTable(ComponentTable):
    """A regularizer, how strong it is, and how often it is computed; other keys are its own options."""

    weight: Annotated[Scalar, at_least(0)] | None = Field(
        None, description="Factor of its terms; default: that of the regularizer."
    )
    every: int | None = Field(
        None,
        ge=1,
        description="Compute it at each k-th step of a player, with k times the weight; default: that of the "
        "regularizer.",
    )


@dataclass(frozen=True, kw_only=True)
class ComponentSpec(Generic[C]):
    """Fields that every kind of component has.

    Attributes:
        name: the name in a recipe, in lower snake case, like the name of the method in its paper.
        summary: one line for ``cganzoo plugins``.
        config: the options, a torch-free :class:`~cganzoo.Config` with a description for each field.
        paper: arXiv id (``arXiv:1703.02000``) or DOI.
        known_failures: checks of the conformance kit that it cannot pass, each with the reason, for
            ``cganzoo plugin check``; the plugin's own tests use ``expected_failures`` for the same.
        small: options that make it small, so that the checks of the conformance kit are quick and need little memory:
            ``{"width": 8}``. Recipes do not use them.
        build: makes the component: a function or class, or where it is, as ``"cganzoo_mine.loss:MyLoss"``, which is
            imported when a component is built. It is called with the options and the context.
    """

    name: str
    summary: str
    config: type[C]
    paper: str | None = None
    known_failures: Mapping[str, str] = field(default_factory=dict)
    small: Mapping[str, Any] = field(default_factory=dict)
    build: Importable[Callable[..., Any]] = Importable()

    table: ClassVar[type[ComponentTable]] = ComponentTable

    def complete(self, table: ComponentTable) -> ComponentTable:
        """The component's table in a recipe, with the defaults of the keys that the host keeps in it."""
        return table

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not NAME.fullmatch(self.name):
            raise ValueError(f"component name {self.name!r} is not lower snake case ([a-z][a-z0-9_]*)")
        if not isinstance(self.summary, str) or not self.summary or "\n" in self.summary:
            raise ValueError(f"{self.name}: summary must be one non-empty line")
        if not (isinstance(self.config, type) and issubclass(self.config, Config)):
            raise ValueError(f"{self.name}: config must be a subclass of cganzoo.Config")
        for taken in sorted(set(self.table.model_fields) & set(self.config.model_fields)):
            raise ValueError(f'{self.name}: config has a field "{taken}", a key that the host keeps in that table')
        options = self.config.model_fields
        for key in set(self.small) - {*options, *(option.alias for option in options.values())}:
            hint = did_you_mean(key, options)
            raise ValueError(f'{self.name}: small has "{key}", which is no option{f"; {hint}" if hint else ""}')


@dataclass(frozen=True, kw_only=True)
class GeneratorSpec(ComponentSpec[C]):
    """A generator: noise and class label to image.

    Attributes:
        build: returns a :class:`cganzoo.networks.Generator`.
        conditional: whether the generator that a config describes takes the class label.
    """

    build: Importable[Callable[[C, BuildContext], Generator]] = Importable()
    conditional: Callable[[C], bool] = lambda config: True


@dataclass(frozen=True, kw_only=True)
class DiscriminatorSpec(ComponentSpec[C]):
    """A discriminator trunk: images to features. It does not use classes.

    Attributes:
        build: returns a :class:`cganzoo.networks.Discriminator`.
    """

    build: Importable[Callable[[C, BuildContext], Discriminator]] = Importable()


@dataclass(frozen=True, kw_only=True)
class LossSpec(ComponentSpec[C]):
    """A loss: heads on the trunk's features, and the two losses.

    Attributes:
        build: returns a :class:`cganzoo.objective.Objective`.
        conditioning: which generators the loss with these options can train; checked when the recipe is read.
        reference: returns the formula written naively, a :class:`cganzoo.objective.Reference`, or ``None`` for options
            that it does not cover; or names a module that is one, as ``"cganzoo_mine.reference"``. The conformance kit
            compares the loss with it.
    """

    build: Importable[Callable[[C, BuildContext], Objective]] = Importable()
    conditioning: Callable[[C], Conditioning] = lambda config: "any"
    reference: Importable[Callable[[C], Reference | None] | None] = Importable(None)

    table: ClassVar[type[ComponentTable]] = LossTable


@dataclass(frozen=True, kw_only=True)
class RegularizerSpec(ComponentSpec[C]):
    """A regularizer: penalties that a recipe adds to any loss.

    Attributes:
        build: returns a :class:`cganzoo.regularizer.Regularizer`.
        weight: factor of its terms if the recipe gives none, usually its paper's; at least 0.
        every: it is computed at each k-th step if the recipe does not say otherwise; at least 1.
    """

    build: Importable[Callable[[C, BuildContext], Regularizer]] = Importable()
    weight: float = 1.0
    every: int = 1

    table: ClassVar[type[ComponentTable]] = RegularizerTable

    def __post_init__(self) -> None:
        super().__post_init__()
        if type(self.weight) not in (int, float) or not (math.isfinite(self.weight) and self.weight >= 0):
            raise ValueError(f"{self.name}: weight = {self.weight!r} is not a number of at least 0")
        if type(self.every) is not int or self.every < 1:
            raise ValueError(f"{self.name}: every = {self.every!r} is not a whole number from 1")

    def complete(self, table: ComponentTable) -> ComponentTable:
        """The table with weight and interval."""
        assert isinstance(table, RegularizerTable)
        weight = float(self.weight) if table.weight is None else table.weight
        return table.model_copy(update={"weight": weight, "every": table.every or self.every})


@dataclass(frozen=True, kw_only=True)
class AugmentationSpec(ComponentSpec[C]):
    """An augmentation: a random change of all images that the discriminator sees in training.

    Attributes:
        build: returns a :class:`cganzoo.augmentation.Augmentation`.
        identity: options with which it changes no image, such as ``{"probability": 0.0}``; the conformance kit checks
            that. ``None``: there are none.
    """

    build: Importable[Callable[[C, BuildContext], Augmentation]] = Importable()
    identity: Mapping[str, Any] | None = None


STANDARD_ERROR = "_se"
"""Ending of the name of an output that is the standard error of another one."""


@dataclass(frozen=True, kw_only=True)
class MetricOutput:
    """One number that a metric reports; the first output of a metric is its headline.

    Attributes:
        name: its key in what the metric computes, lower snake case.
        summary: one line: what it measures.
        higher_is_better: the direction; ``None`` where neither is better.
        order_tolerance: the largest relative change when the samples come in another order or are merged from parts.
            0, except for a number that is itself estimated by random draws, as by a bootstrap.
        low: the least possible value, whatever the images and the options; ``None`` if there is none. An interval of
            this output never reaches below it.
        high: the greatest possible value, likewise: 1 for a share.
        rank_order: a number from 1 if ``cganzoo compare`` may rank methods by this output without being asked; of
            several, the lowest number ranks. Only for an output that a collapsed generator cannot win, because it
            compares the samples with the variety of the real images. ``None``: only if the user chooses it.
        diversity: whether it measures how much the samples vary. A collapsed generator is then near the worst possible
            value, so that bound is required: ``high`` if lower is better, else ``low``.
    """

    name: str
    summary: str
    higher_is_better: bool | None = None
    order_tolerance: float = 0.0
    low: float | None = None
    high: float | None = None
    rank_order: int | None = None
    diversity: bool = False

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.name):
            raise ValueError(f"metric output name {self.name!r} is not lower snake case ([a-z][a-z0-9_]*)")
        bounds = [bound for bound in (self.low, self.high) if bound is not None]
        if not all(math.isfinite(bound) for bound in bounds):
            raise ValueError(f"{self.name}: low and high must be finite numbers, or None if there is no bound")
        if len(bounds) == 2 and bounds[0] >= bounds[1]:
            raise ValueError(f"{self.name}: low = {self.low:g} is not below high = {self.high:g}")
        if self.higher_is_better is None and (self.rank_order is not None or self.diversity):
            raise ValueError(f"{self.name}: rank_order and diversity need a direction; set higher_is_better")
        if self.rank_order is not None and (type(self.rank_order) is not int or self.rank_order < 1):
            raise ValueError(f"{self.name}: rank_order = {self.rank_order!r} is not a whole number from 1")
        if self.diversity and (self.low if self.higher_is_better else self.high) is None:
            side = "low" if self.higher_is_better else "high"
            raise ValueError(f"{self.name}: diversity needs the worst possible value; set {side}")


@dataclass(frozen=True, kw_only=True)
class MetricSpec(ComponentSpec[C]):
    """A score of generated images, usually against real ones.

    Attributes:
        build: returns a :class:`cganzoo.metric.Metric`.
        outputs: the numbers it reports, the headline first.
        reference: the split that ``update_reference`` gets.
        needs: the least of which the metric with these options can be computed: ``lambda config: Needs(samples=2)``.
            Checked before a run is trained.
    """

    build: Importable[Callable[[C, BuildContext], Metric]] = Importable()
    outputs: tuple[MetricOutput, ...]
    reference: Literal["train", "test"] = "train"
    needs: Callable[[C], Needs] = lambda config: NOTHING

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.outputs or not all(isinstance(output, MetricOutput) for output in self.outputs):
            raise ValueError(f"{self.name}: outputs must be a non-empty tuple of MetricOutput")


@dataclass(frozen=True, kw_only=True)
class Archive:
    """A file to download: its address, and how to verify it.

    Attributes:
        url: http or https; its last part is the file's name.
        checksum: ``"md5:<hex>"`` or ``"sha256:<hex>"``; the first eight digits of a SHA-256 are enough.
        size: in bytes, if it is known; shown before the download.
    """

    url: str
    checksum: str
    size: int | None = None

    @property
    def filename(self) -> str:
        """The file's name on disk."""
        return self.url.rstrip("/").rpartition("/")[2]


@dataclass(frozen=True, kw_only=True)
class DatasetSpec(ComponentSpec[C]):
    """A labelled set of images.

    Attributes:
        build: returns a :class:`cganzoo.data.source.ImageSource` and reads no pixel. Called with the options only.
        channels: channels of an image unless the recipe says otherwise.
        image_size: side of its images in pixels, where all have the same: the default of ``cganzoo data``.
        archive: the official download, if there is one; ``config`` is then an :class:`~cganzoo.ArchiveConfig`, and the
            host sets its ``root`` to the downloaded file where the recipe names no other place.
    """

    build: Importable[Callable[[C], Any]] = Importable()
    channels: Literal[1, 3] = 3
    image_size: int | None = None
    archive: Archive | None = None

    table: ClassVar[type[ComponentTable]] = DataTable

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.archive is not None and not issubclass(self.config, ArchiveConfig):
            raise ValueError(f"{self.name}: a data set with an archive needs a config derived from ArchiveConfig")


@dataclass(frozen=True, kw_only=True)
class ExtractorSpec(ComponentSpec[C]):
    """A feature extractor: the frozen network that all metrics of an evaluation use.

    Attributes:
        build: returns a :class:`cganzoo.extractor.Extractor`.
        argument: an option that a recipe may write behind the name: with ``"model"``, ``name = "timm/resnet18"`` is
            the extractor ``timm`` with ``model = "resnet18"``.
    """

    build: Importable[Callable[[C, ExtractorContext], Extractor]] = Importable()
    argument: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.argument is not None and self.argument not in self.config.model_fields:
            raise ValueError(f'{self.name}: argument "{self.argument}" is not an option of config')


@dataclass(frozen=True, kw_only=True)
class LoggerSpec(ComponentSpec[C]):
    """A logger: it receives the records of a run while the run is in progress.

    Attributes:
        build: returns a :class:`cganzoo.logger.Logger`. It is called with the options only.
    """

    build: Importable[Callable[[C], Logger]] = Importable()


Spec = ComponentSpec[Any]
