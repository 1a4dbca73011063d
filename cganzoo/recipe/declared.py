"""Refuses settings that a loss, a regularizer or an augmentation cannot work with, as it declares about itself.

The declarations are attributes of instances, since options decide them. So the components are built here, small, and
only if the recipe has a setting that may be refused: that imports torch.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from cganzoo.errors import RecipeError

if TYPE_CHECKING:
    from .resolve import Resolved

CLASSES, FEATURES = 2, 8
"""Of the context in which they are built before the data set is read."""


def check_declarations(resolved: Resolved) -> None:
    """Raise :class:`RecipeError` for a setting that a component refuses; builds the components, if needed."""
    train = resolved.recipe.sections.train
    others = (*resolved.regularizers, *resolved.augmentations)
    if not (train.compile or train.accumulate > 1 or train.fake_labels != "uniform" or others):
        return
    context = resolved.context(tuple(map(str, range(CLASSES))), feature_dim=FEATURES)
    import torch

    try:
        with torch.random.fork_rng(devices=[]):
            built = [
                [chosen.create(context) for chosen in some]
                for some in ([resolved.loss], resolved.regularizers, resolved.augmentations)
            ]
    except Exception:  # perhaps the classes are too few; if not, the run builds it again, and reports the error
        return
    (objective,), regularizers, augmentations = built
    check_instances(resolved, objective, regularizers, augmentations)


def check_instances(
    resolved: Resolved, objective: Any, regularizers: Sequence[Any], augmentations: Sequence[Any]
) -> None:
    """:func:`check_declarations` for components that are built; each is in the recipe's order."""
    place, train = resolved.recipe.place, resolved.recipe.sections.train
    loss = f'the loss "{resolved.loss.spec.name}"'
    names = (f'the regularizer "{chosen.spec.name}"' for chosen in resolved.regularizers)
    for one, what in [(objective, loss), *zip(regularizers, names, strict=True)]:
        if train.compile and one.uses_image_gradients:
            raise RecipeError(
                f"{place('train', 'compile')}: {what} differentiates with respect to images, which a compiled step "
                "cannot do; write compile = false"
            )
        if train.accumulate > 1 and one.relational:
            raise RecipeError(
                f"{place('train', 'accumulate')}: {what} compares the samples of a batch with each other, so a batch "
                "must not be split; write accumulate = 1"
            )
    if train.fake_labels != "uniform" and (reason := _without_labels(resolved, objective, loss)):
        raise RecipeError(f"{place('train', 'fake_labels')}: has no effect, because {reason}; remove it")
    if not _has_score(objective):
        for keys, what in _scored(resolved, regularizers, augmentations):
            raise RecipeError(f"{place(*keys)}: {what} needs the score of a loss, but {loss} defines none")


def _without_labels(resolved: Resolved, objective: Any, loss: str) -> str:
    """Why the classes of the samples are not drawn; empty if they are."""
    if objective.fake_labels == "paired":
        return f"{loss} gives the samples the classes of the real images"
    if not resolved.counts().conditional:
        return "the generator does not use classes"
    return ""


def _has_score(objective: Any) -> bool:
    """Whether the loss with these options defines a score."""
    from cganzoo.objective import Objective

    return type(objective).score is not Objective.score


def _scored(
    resolved: Resolved, regularizers: Sequence[Any], augmentations: Sequence[Any]
) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """The keys and the name of each component that uses scores."""
    from cganzoo.augmentation import Augmentation

    for index, (one, chosen) in enumerate(zip(regularizers, resolved.regularizers, strict=True)):
        if one.uses_score:
            yield ("regularizers", index, "name"), f'the regularizer "{chosen.spec.name}"'
    for index, (one, used) in enumerate(zip(augmentations, resolved.augmentations, strict=True)):
        if type(one).observe is not Augmentation.observe:
            yield ("augmentations", index, "name"), f'the augmentation "{used.spec.name}"'
