"""From a resolved recipe to its packed images."""

from __future__ import annotations

from cganzoo.errors import DataError
from cganzoo.resolution import Resolved
from cganzoo.terminal import Reporter

from .cache import ImageSet, packed


def load_data(resolved: Resolved, reporter: Reporter) -> dict[str, ImageSet]:
    """The recipe's packed splits, ``"train"`` and ``"test"``.

    Raises:
        DataError: the set is missing or damaged, or or has fewer than two training images.
    """
    choice, data = resolved.dataset, resolved.recipe.sections.data
    source = choice.spec.build(choice.config)
    with reporter.stage("packing images") as progress:
        splits = packed(
            source, name=data.name, image_size=data.image_size, channels=resolved.channels, progress=progress
        )
    skipped = splits["train"].skipped
    if skipped:
        reporter.say(f"{len(skipped)} unreadable images were left out; the first: {skipped[0]}", style="yellow")
    if len(splits["train"].labels) < 2:
        raise DataError(f'data set "{data.name}": has {len(splits["train"].labels)} training images; two are needed')
    return splits
