"""A group file: the recipes to compare, their seeds, and the scores that a paper printed for them. Imports no torch."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationError, model_validator

from cganzoo.config import Config, parse
from cganzoo.errors import RecipeError
from cganzoo.recipe import bundled
from cganzoo.recipe.messages import explain
from cganzoo.recipe.source import parse_toml, read_text

ONE_LINE = r"^[^\x00-\x1f\x7f]+$"
Seed = Annotated[int, Field(ge=0, lt=2**32)]


class GroupMethod(Config):
    """One recipe of the group."""

    recipe: str = Field(description="Recipe file, relative to the group file, or the name of a bundled recipe.")
    name: str | None = Field(
        None, description="Folder of its runs; default: the recipe's name.", pattern=r"^\w[\w.+-]*$"
    )
    label: str | None = Field(None, description="Its name in tables; default: its name.", pattern=ONE_LINE)
    set: tuple[str, ...] = Field((), description='Changes of this recipe, as for --set: "loss.labeling=dynamic".')
    published: dict[str, float] = Field({}, description="Scores printed in the paper, by the names of our scores.")


class Published(Config):
    """The source of the published values, and why they differ from ours."""

    source: str = Field(description="Paper and table.")
    difference: str = Field(description="How its protocol differs from the protocol here.")


class GroupFile(Config):
    """A group of recipes to compare."""

    title: str = Field(description="Title of the report.", pattern=ONE_LINE)
    note: str = Field("", description="What a reader must know about this comparison.")
    seeds: tuple[Seed, ...] = Field((0, 1, 2), min_length=1, description="Seeds that every recipe is trained with.")
    rank_by: str | None = Field(None, description="Score that methods are ranked by; default: see docs/compare.md.")
    set: tuple[str, ...] = Field((), description='Changes of every recipe, as for --set: "train.steps=2000".')
    published: Published | None = Field(None, description="Source of the published values.")
    methods: tuple[GroupMethod, ...] = Field(description="The recipes, one table each.")

    @model_validator(mode="after")
    def _consistent(self) -> GroupFile:
        if not self.methods:  # a bound of the field would also be reported if one method has a mistake
            raise ValueError("there is no method; write a [[methods]] table for each recipe")
        names = Counter(method.name or Path(method.recipe).stem for method in self.methods)
        for name, count in names.items():
            if count > 1:
                raise ValueError(f'two methods are called "{name}"; give one of them another "name"')
        if self.published is None and any(method.published for method in self.methods):
            raise ValueError("methods have published values, so add [published] with their source")
        for change in (*self.set, *(change for method in self.methods for change in method.set)):
            if change.partition("=")[0].strip() == "train.seed":
                raise ValueError(f'set: "{change}": a comparison has several seeds; write them as seeds = [0, 1, 2]')
        if len(set(self.seeds)) < len(self.seeds):
            raise ValueError("a seed is listed more than once")
        return self


@dataclass(frozen=True)
class Group:
    """A group file, and its name in messages."""

    source: str
    file: Path
    content: GroupFile


def read_group(path: str) -> Group | None:
    """Read the group in a file; return ``None`` if the file does not contain a group."""
    file = bundled.find(path)
    try:
        values = parse_toml(read_text(file), path)
    except RecipeError:
        return None  # reading it as a recipe reports what is wrong
    if "methods" not in values:
        return None
    try:
        content = parse(GroupFile, values)
    except ValidationError as error:
        raise RecipeError(explain(error, (GroupFile,), values, path)) from error
    return Group(path, file, content)
