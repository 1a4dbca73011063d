"""A recipe: the TOML file with every number of a run, read and checked before any slow import.

:func:`load_recipe` reads a file, applies overrides and checks the keys that the host defines. Then
:mod:`cganzoo.recipe.resolve` looks up the component names among the installed plugins and checks their options.
"""

from __future__ import annotations

import difflib
import json
import typing
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from pydantic import Field, ValidationError, create_model, model_validator

from cganzoo._util.toml import tomllib
from cganzoo._version import __version__
from cganzoo.config import Config, parse
from cganzoo.errors import RecipeError
from cganzoo.registry.kinds import KINDS, Kind
from cganzoo.specs import ComponentTable, DataTable

from . import bundled
from .optimizers import OptimizerConfig

Count = Annotated[int, Field(ge=1)]
Interval = Annotated[int, Field(ge=0)]


class Requires(Config):
    """The distributions that a run imports; no other plugin is imported."""

    cganzoo: str = Field("", description='Versions of the host, such as ">=0.1,<0.2".')
    plugins: tuple[str, ...] = Field((), description='Distributions, such as "cganzoo-mine" or "cganzoo-mine>=0.1".')


class Optimizers(Config):
    """One optimizer for each player; the loss's heads belong to the discriminator's."""

    generator: OptimizerConfig = Field(description="The generator's optimizer.")
    discriminator: OptimizerConfig = Field(description="The optimizer of the trunk and the loss's heads.")


class Train(Config):
    """The loop."""

    steps: Count = Field(description="Generator steps.")
    batch_size: Count = Field(description="Images in a batch.")
    seed: Annotated[int, Field(ge=0, lt=2**32)] = Field(0, description="Seed of weights, noise and data order.")
    discriminator_steps: Count = Field(1, description="Discriminator steps before each generator step.")
    ema_decay: Annotated[float, Field(ge=0, lt=1)] = Field(0.999, description="Decay of the generator's average.")
    ema_start: Interval = Field(0, description="Step at which averaging begins; before it the average is a copy.")
    precision: Literal["float32", "bfloat16"] = Field("float32", description="bfloat16: autocast of the networks.")
    compile: bool = Field(False, description="Compile both step modules with torch.compile.")
    channels_last: bool = Field(False, description="Keep images and convolutions in channels-last memory layout.")
    log_every: Count = Field(50, description="Steps between two lines of metrics.jsonl.")
    checkpoint_every: Count = Field(1000, description="Steps between two checkpoints.")
    keep_checkpoints: Count = Field(2, description="Newest checkpoints to keep.")
    sample_every: Interval = Field(0, description="Steps between two sample grids; 0: at the end only.")
    evaluate_every: Interval = Field(0, description="Steps between two evaluations; 0: at the end only.")


class Evaluation(Config):
    """How samples are scored."""

    samples: Count = Field(2000, description="Samples to score.")
    batch_size: Count = Field(250, description="Samples made and scored at a time.")
    weights: Literal["ema", "raw"] = Field("ema", description="Score the averaged generator or the trained one.")
    seed: Annotated[int, Field(ge=0, lt=2**32)] = Field(0, description="Seed of the samples and of the real halves.")
    extractor: ComponentTable = Field(
        ComponentTable(name="classifier"), description="Feature extractor, with its options."
    )


class Sections(Config):
    """A recipe's sections, as TOML writes them."""

    if TYPE_CHECKING:  # the host's own; ALL_SECTIONS has them and a table for each kind of component
        requires: Requires
        data: DataTable
        optimizer: Optimizers
        train: Train
        evaluation: Evaluation

    def tables(self, kind: Kind) -> tuple[ComponentTable, ...]:
        """The tables that name components of this kind, in their order."""
        found: Any = self
        for key in kind.recipe_table.split("."):
            found = getattr(found, key)
        return found if kind.many else (found,)

    @model_validator(mode="after")
    def _each_name_once(self) -> Sections:
        for kind in KINDS.values():
            names = [table.name for table in self.tables(kind)]
            for name in names:
                if names.count(name) > 1:
                    raise ValueError(f'{kind.title} "{name}" is listed more than once')
        return self


def _fields(*, many: bool) -> dict[str, Any]:
    """A field for each kind of component whose table is a section, with one or with many components."""
    fields: dict[str, Any] = {}
    for kind in KINDS.values():
        if kind.many == many and "." not in kind.recipe_table:
            table: Any = kind.spec.table
            one, several = (table, Field(description=f"The {kind.title}.")), (tuple[table, ...], Field(()))
            fields[kind.recipe_table] = several if many else one
    return fields


ALL_SECTIONS: type[Sections] = create_model(
    "Sections",
    __base__=Sections,
    __doc__=Sections.__doc__,
    requires=(Requires, Field(Requires(), description="What must be installed.")),
    **{"data": None, **_fields(many=False)},
    optimizer=(Optimizers, Field(description="The optimizers.")),
    train=(Train, Field(description="The loop.")),
    evaluation=(Evaluation, Field(Evaluation(), description="How samples are scored.")),
    **_fields(many=True),
)
"""The sections of a whole recipe, in the order in which they are written."""


@dataclass(frozen=True)
class Recipe:
    """A recipe as it was read: where from, and its sections.

    Attributes:
        name: the file's name without its ending; runs are kept under it.
        source: what messages call it.
        sections: the checked values.
        overrides: dotted keys that ``--set`` changed, for messages.
    """

    name: str
    source: str
    sections: Sections
    overrides: frozenset[str] = field(default_factory=frozenset)

    def place(self, *keys: str | int) -> str:
        """How a message names a key: the file, or ``--set`` where that gave the value."""
        return place(self.source, keys, self.overrides)


def load_recipe(path: str | Path, overrides: Iterable[str] = ()) -> Recipe:
    """Read a recipe file, or a bundled recipe by name, and apply ``key.path=value`` overrides.

    Raises:
        RecipeError: no such file, not TOML, an unknown key, a wrong type or a value out of range.
    """
    file = bundled.find(path)
    try:
        text = file.read_text(encoding="utf-8-sig")  # Windows editors may begin a file with a byte-order mark
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path}: cannot be read as a recipe: {error}") from error
    return parse_recipe(text, name=file.stem, source=str(path), overrides=overrides)


def parse_recipe(text: str, *, name: str, source: str, overrides: Iterable[str] = ()) -> Recipe:
    """As :func:`load_recipe`, from a recipe's text."""
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(f"{source}: is not TOML: {error}") from error
    if "methods" in values:
        raise RecipeError(f"{source}: is a group of recipes; run it with `cganzoo compare {source}`")
    changed = frozenset(set_value(values, override) for override in overrides)
    try:
        sections = parse(ALL_SECTIONS, values)
    except ValidationError as error:
        raise RecipeError(explain(error, (ALL_SECTIONS,), values, source, changed)) from error
    _check_host(sections.requires, place(source, ("requires", "cganzoo"), changed))
    return Recipe(name=name, source=source, sections=sections, overrides=changed)


def dataset_recipe(name: str, overrides: Iterable[str] = (), image_size: int | None = None) -> Recipe:
    """A recipe of a data set and nothing else: enough to look at it.

    Args:
        name: of the set.
        overrides: ``data.key=value``.
        image_size: unless an override gives it.

    Raises:
        RecipeError: an unknown key, a wrong type or a value out of range.
    """
    source = f'data set "{name}"'
    values: dict[str, Any] = {"data": {"name": name} | ({} if image_size is None else {"image_size": image_size})}
    changed = frozenset(set_value(values, override) for override in overrides)
    others = sorted(set(values) - {"data"})
    if others:
        raise RecipeError(f"--set {others[0]}: is no option of a data set; those are keys of data, like data.root")
    try:
        sections: dict[str, Any] = {"data": parse(DataTable, values["data"])}
    except ValidationError as error:
        raise RecipeError(explain(error, (DataTable,), values["data"], source, changed, prefix=("data",))) from error
    return Recipe(name=name, source=source, sections=ALL_SECTIONS.model_construct(**sections), overrides=changed)


def _check_host(requires: Requires, where: str) -> None:
    try:
        wanted = SpecifierSet(requires.cganzoo)
    except InvalidSpecifier as error:
        raise RecipeError(f'{where}: "{requires.cganzoo}" is no version range; write one like ">=0.1,<0.2"') from error
    if not wanted.contains(__version__, prereleases=True):
        raise RecipeError(
            f"{where}: wants cganzoo {requires.cganzoo}, but {__version__} is installed; "
            f'install that version: pip install "cganzoo{requires.cganzoo}"'
        )


def set_value(values: dict[str, Any], override: str) -> str:
    """Set one ``key.path=value`` in ``values``. Returns the path down to what is new, for messages."""
    path, equals, text = override.partition("=")
    keys = [key.strip() for key in path.split(".")]
    if not equals or not all(keys) or not text.strip():
        raise RecipeError(f'--set {override}: write it as section.key=value, like "--set train.steps=200"')
    value = _value(text.strip(), override)
    node: Any = values
    new_from = len(keys)
    for depth, key in enumerate(keys):
        last = depth == len(keys) - 1
        if isinstance(node, list):
            index = _index(node, key, override)
            if last:
                node[index] = value
            node = node[index]
        elif isinstance(node, dict):
            if key not in node:
                new_from = min(new_from, depth + 1)
            if last:
                node[key] = value
            node = node.setdefault(key, {})
        else:
            raise RecipeError(f"--set {override}: {'.'.join(keys[:depth])} is a single value, not a section")
    return ".".join(keys[:new_from])


def _value(text: str, override: str) -> Any:
    """TOML, or a bare string: ``data.root=/a/b`` needs no quotes."""
    try:
        value = tomllib.loads(f"value = {text}")
    except tomllib.TOMLDecodeError as error:
        if text[0] in "\"'[{":
            raise RecipeError(f"--set {override}: the value is not TOML: {error}") from error
        return text
    return value["value"] if len(value) == 1 else text  # a second line would be a second key


def _index(node: list[Any], key: str, override: str) -> int:
    if not key.isdecimal() or int(key) >= len(node):
        positions = f"one of the positions 0 to {len(node) - 1}" if node else "a position: the list is empty"
        raise RecipeError(f"--set {override}: {key} is not {positions}")
    return int(key)


# --- messages -------------------------------------------------------------------------------------------------------


def place(source: str, keys: Iterable[str | int], overrides: frozenset[str] = frozenset()) -> str:
    """``file: section.key``, or ``--set section.key`` where the command line gave the value."""
    dotted = ".".join(str(key) for key in keys)
    from_command_line = any(dotted == key or dotted.startswith(f"{key}.") for key in overrides)
    return f"--set {dotted}" if from_command_line else f"{source}: {dotted}"


def explain(
    error: ValidationError,
    models: tuple[type[Config], ...],
    values: Any,
    source: str,
    overrides: frozenset[str] = frozenset(),
    prefix: tuple[str | int, ...] = (),
) -> str:
    """One sentence for each mistake: the file, the key, the value, and what to write instead.

    Args:
        error: what checking ``values`` raised.
        models: the checked model, and others whose keys stand in the same table.
        values: as TOML gave them.
        source: what to call the file.
        overrides: keys that ``--set`` changed.
        prefix: where ``values`` sits in the recipe.
    """
    sentences: dict[str, None] = {}
    for item in error.errors():
        keys = prefix + _keys(item, values)
        where = place(source, keys, overrides) if keys else source
        # A value that fits no type of a union is reported once for each: the first will do.
        if not any(sentence.startswith(f"{where}: ") for sentence in sentences):
            sentences[f"{where}: {_sentence(item, models)}"] = None
    return "\n".join(sentences)


def _keys(item: Mapping[str, Any], values: Any) -> tuple[str | int, ...]:
    """The recipe's keys to a mistake: pydantic's path also has steps that name a branch of a union."""
    keys: list[str | int] = []
    node = values
    for depth, step in enumerate(item["loc"], start=1):
        if item["type"] == "missing" and depth == len(item["loc"]):
            keys.append(step)
        elif (isinstance(node, dict) and step in node) or (isinstance(node, list) and isinstance(step, int)):
            keys.append(step)
            node = node[step]
    if item["type"].startswith("union_tag"):
        keys.append(item["ctx"]["discriminator"].strip("'"))
    return tuple(keys)


def _sentence(item: Mapping[str, Any], models: Iterable[type[Config]]) -> str:
    kind, value, context = item["type"], item.get("input"), item.get("ctx", {})
    if kind == "extra_forbidden":
        return _unknown_key(str(item["loc"][-1]), _known_keys(models, item["loc"]))
    if kind in ("missing", "union_tag_not_found"):
        return "is missing"
    if kind == "union_tag_invalid":
        expected = str(context.get("expected_tags", "")).replace("'", '"')
        return f'"{context.get("tag")}" is not known; choose one of {expected}'
    if kind == "value_error":
        return str(context.get("error", item["msg"]))
    message = str(item["msg"])
    for theirs, ours in (("an object", "a table"), ("Tuple", "the array"), (" after validation", "")):
        message = message.replace(theirs, ours)
    return f"{_toml(value)} does not fit: {message[0].lower()}{message[1:]}"


def _unknown_key(key: str, known: Iterable[str]) -> str:
    known = sorted(known)
    close = difflib.get_close_matches(key, known, n=1)
    if close:
        return f'unknown key; did you mean "{close[0]}"?'
    return f"unknown key; known here: {', '.join(known)}" if known else "unknown key; none is known here"


def _known_keys(models: Iterable[type[Config]], location: tuple[Any, ...]) -> set[str]:
    """Keys that may stand beside the last step of ``location``."""

    def within(annotation: Any) -> list[type[Config]]:
        if isinstance(annotation, type) and issubclass(annotation, Config):
            return [annotation]
        return [found for part in typing.get_args(annotation) for found in within(part)]

    here = list(models)
    for step in location[:-1]:
        below = [
            found
            for model in here
            for name, info in model.model_fields.items()
            if step in (name, info.alias)
            for found in within(info.annotation)
        ]
        branch = [
            model for model in here if "name" in model.model_fields and model.model_fields["name"].default == step
        ]
        here = below or branch or here
    return {info.alias or name for model in here for name, info in model.model_fields.items()}


def _toml(value: Any) -> str:
    return "a table" if isinstance(value, dict) else json.dumps(value, ensure_ascii=False)
