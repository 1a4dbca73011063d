"""Refuses an option that has no effect because another takes its place; see :class:`cganzoo.config.InsteadOf`."""

from __future__ import annotations

from cganzoo.config import Config, InsteadOf, Since
from cganzoo.errors import RecipeError

from .messages import dotted
from .read import Recipe


def refuse_without_effect(config: Config, recipe: Recipe, keys: tuple[str | int, ...]) -> None:
    """Raise for an option without effect, here and in the tables below; ``keys`` are those of the table.

    Accepted are a value of the command line that takes the place of one in the file, and a table with all options: a
    resolved recipe, which is read again, holds both.
    """
    for name, info in type(config).model_fields.items():
        value = getattr(config, name)
        if isinstance(value, Config):
            refuse_without_effect(value, recipe, (*keys, info.alias or name))
        for mark in info.metadata:
            if not isinstance(mark, InsteadOf) or value is None or mark.other not in config.model_fields_set:
                continue
            where, instead = recipe.place(*keys, mark.other), dotted((*keys, name))
            changed = recipe.place(*keys, name).startswith("--set ")
            if where.startswith("--set ") or not (changed or _is_whole(config)):
                raise RecipeError(
                    f"{where}: has no effect, because {instead} = {value} takes its place; "
                    f"write --set {instead}=... instead, or remove one of the two from the recipe"
                )


def _is_whole(config: Config) -> bool:
    """Whether the table holds every option that the oldest version wrote."""
    return all(
        name in config.model_fields_set
        or getattr(config, name) is None
        or any(isinstance(mark, Since) for mark in info.metadata)
        for name, info in type(config).model_fields.items()
    )
