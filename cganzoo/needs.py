"""What a metric needs at least, and what an evaluation has: a score that cannot be is refused before the training."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ._util.text import shortened


@dataclass(frozen=True, kw_only=True)
class Counts:
    """What an evaluation will have.

    Attributes:
        samples: generated images. The classes are requested in turn, so each gets an equal share.
        conditional: whether the generator takes a class, so that samples have labels.
        image_size: side of the images, in pixels.
        class_names: of the data set, K of them; empty while the data set is not read.
        real_images_per_class: K numbers: real images of the spec's ``reference`` split. ``None`` while the data set is
            not read.
        feature_dim: D of the extractor; ``None`` while it is not built.
        predicted_classes: classes that the extractor predicts, 0 if it has none; ``None`` while it is not built.
        own_classes: whether these are the data set's classes; ``None`` while the extractor is not built.
    """

    samples: int
    conditional: bool
    image_size: int
    class_names: tuple[str, ...] = ()
    real_images_per_class: tuple[int, ...] | None = None
    feature_dim: int | None = None
    predicted_classes: int | None = None
    own_classes: bool | None = None

    @property
    def num_classes(self) -> int:
        """K of the data set; 0 while it is not read."""
        return len(self.class_names)

    @property
    def real_images(self) -> int:
        """Real images of all classes; 0 while the data set is not read."""
        return sum(self.real_images_per_class or ())

    @property
    def samples_per_class(self) -> int:
        """Samples of the class that gets the fewest, of a conditional generator."""
        return self.samples // max(1, self.num_classes)


@dataclass(frozen=True, kw_only=True)
class Needs:
    """The least of which a metric can be computed.

    The host checks it when a recipe is read, with the counts that are in the recipe, and again before the training,
    when the data set and the extractor are known. A run that cannot be scored is refused then, with a message that
    names the metric, the number, and what to change.

    Attributes:
        samples: generated images, of all classes.
        samples_per_class: generated images of each class. The classes of an unconditional generator are not known
            before it is trained; then this many samples in all are enough.
        real_images: images of the spec's ``reference`` split.
        real_images_per_class: images of each class of that split.
        classes: classes of the data set.
        image_size: side of the images, in pixels.
        predictions: whether the extractor must predict classes, of the data set or others.
        own_predictions: whether the score is defined only if the extractor predicts the data set's classes. If not, the
            score is ``None``: the run is not refused, but the user is warned before the training.
        requested_classes: whether the score is defined only if the generator takes a class. If not, likewise, and the
            other needs are not checked.
        because: the options that decide these numbers, for the message: ``f"splits = {config.splits}"``.
        check: for a need that the other fields cannot express: returns ``None``, or what the metric needs and does not
            have, and what to change: "more samples than features; raise evaluation.samples". Called when the data set
            is known, and again when the extractor is.
    """

    samples: int = 1
    samples_per_class: int = 0
    real_images: int = 0
    real_images_per_class: int = 0
    classes: int = 1
    image_size: int = 1
    predictions: bool = False
    own_predictions: bool = False
    requested_classes: bool = False
    because: str = ""
    check: Callable[[Counts], str | None] | None = None

    def undefined(self, counts: Counts) -> str | None:
        """Why these counts leave the score undefined, which is no error; ``None`` if they do not."""
        if self.requested_classes and not counts.conditional:
            return "the generator takes no class"
        if (
            self.own_predictions
            and counts.own_classes is False
            and not (self.predictions and not counts.predicted_classes)
        ):
            other = "other classes than those of the data set" if counts.predicted_classes else "no classes"
            return f"the extractor predicts {other}"
        return None

    def unmet(self, counts: Counts, split: str = "train") -> str | None:
        """The first need that these counts do not meet, and what to change; ``None`` if all are met.

        What ``counts`` does not know yet is not checked. ``split`` is the spec's ``reference``, for the message.
        """
        if self.undefined(counts):
            return None
        found = self._sizes(counts) or self._samples(counts) or self._real(counts, split)
        if found is None and self.check and counts.real_images_per_class is not None:
            return self.check(counts)
        return found

    def _sizes(self, counts: Counts) -> str | None:
        if counts.image_size < self.image_size:
            return (
                f"images of at least {self.image_size} pixels{self._because}, and data.image_size = "
                f"{counts.image_size}; raise data.image_size"
            )
        if 0 < counts.num_classes < self.classes:
            least = f"at least {self.classes} classes{self._because}"
            return f"{least}, and the data set has {counts.num_classes}; add some"
        if self.predictions and counts.predicted_classes == 0:
            return "class predictions, and the extractor has none; write another name in [evaluation.extractor]"
        return None

    def _samples(self, counts: Counts) -> str | None:
        each = self.samples_per_class
        least = max(self.samples, each)
        if counts.samples < least:
            return (
                f"at least {_number(least, 'sample')}{self._because}, and evaluation.samples = {counts.samples}; "
                f"{self._lower}raise evaluation.samples"
            )
        if counts.conditional and counts.num_classes and counts.samples_per_class < each:
            return (
                f"at least {_number(each, 'sample')} of each class{self._because}, and evaluation.samples = "
                f"{counts.samples} gives some of the {counts.num_classes} classes {counts.samples_per_class}; "
                f"{self._lower}raise evaluation.samples to {counts.num_classes * each}"
            )
        return None

    def _real(self, counts: Counts, split: str) -> str | None:
        found = counts.real_images_per_class
        if found is None:
            return None
        if counts.real_images < self.real_images:
            return (
                f"at least {_number(self.real_images, 'real image')}{self._because}, and the {split} split has "
                f"{counts.real_images}; {self._lower}add images"
            )
        few = [index for index, count in enumerate(found) if count < self.real_images_per_class]
        if few:
            more = {1: "", 2: " (1 other class has too few)"}.get(
                len(few), f" ({len(few) - 1} other classes have too few)"
            )
            return (
                f"at least {_number(self.real_images_per_class, 'real image')} of each class{self._because}, and class "
                f'"{shortened(counts.class_names[few[0]])}" has {found[few[0]]} in the {split} split{more}; '
                f"{self._lower}add images of it, or leave the class out"
            )
        return None

    @property
    def _because(self) -> str:
        return f" with {self.because}" if self.because else ""

    @property
    def _lower(self) -> str:
        return "change that option, or " if self.because else ""


NOTHING = Needs()
"""The needs of a metric that can be computed of any evaluation."""


def _number(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"
