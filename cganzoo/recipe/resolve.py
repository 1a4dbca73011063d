"""Resolving a recipe: finds the named components among the installed plugins and checks their options. No torch."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

import tomli_w
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from pydantic import ValidationError

from cganzoo._util.text import one_line
from cganzoo.config import Config
from cganzoo.errors import CganzooError, PluginError, RecipeError
from cganzoo.needs import Counts
from cganzoo.registry import Provider, Registry, load_plugins
from cganzoo.registry.kinds import KINDS, Kind
from cganzoo.specs import (
    AugmentationSpec,
    BuildContext,
    ComponentTable,
    DatasetSpec,
    DiscriminatorSpec,
    ExtractorSpec,
    GeneratorSpec,
    LossSpec,
    MetricSpec,
    RegularizerSpec,
    Spec,
)

from .declared import check_declarations
from .digests import OBSERVERS, PLACES, digest, drop_later_defaults, training_values, without_places
from .instead import refuse_without_effect
from .keys import ALL_SECTIONS, plain
from .messages import dotted, explain, from_command_line, of_another_name
from .needs import unmet
from .overrides import parse_with_texts
from .read import Recipe
from .requires import load_required

S = TypeVar("S", bound=Spec)


@dataclass(frozen=True)
class Chosen(Generic[S]):
    """A component that a recipe names, with its checked options and the distribution it comes from.

    ``table`` is its table in the recipe; ``config`` is of the class ``spec.config``; ``mistake`` makes a message of an
    error in its options, or of another one that it raises when it is built.
    """

    table: ComponentTable = field(compare=False)
    spec: S
    config: Any
    provider: Provider
    mistake: Callable[[Exception], str] = field(default=str, compare=False, repr=False)

    def create(self, *context: Any) -> Any:
        """Build the component."""
        try:
            return self.spec.build(self.config, *context)
        except ValidationError as error:  # it checks a table of its options only now
            raise RecipeError(self.mistake(error)) from error
        except CganzooError as error:
            if type(error) is not CganzooError:
                raise
            raise RecipeError(self.mistake(error)) from error
        except ImportError as error:
            raise PluginError(f'{self.provider}: "{self.spec.name}" cannot be built: {error}') from error

    def values(self) -> dict[str, Any]:
        """Its table in the resolved recipe, with all defaults."""
        host = {key: getattr(self.table, key) for key in type(self.table).model_fields}
        host = {key: plain(value) if isinstance(value, Config) else value for key, value in host.items()}
        values = {**host, **plain(self.config)}
        argument = getattr(self.spec, "argument", None)
        if argument and self.table.name.endswith(f"/{values[argument]}"):
            del values[argument]  # it is part of the name
        return values


@dataclass(frozen=True)
class Resolved:
    """A recipe in which every name and option has been checked; its components by kind, in the recipe's order."""

    recipe: Recipe
    components: Mapping[str, tuple[Chosen[Any], ...]]

    @property
    def dataset(self) -> Chosen[DatasetSpec[Any]]:
        """The data set."""
        return self.components["dataset"][0]

    @property
    def generator(self) -> Chosen[GeneratorSpec[Any]]:
        """The generator."""
        return self.components["generator"][0]

    @property
    def discriminator(self) -> Chosen[DiscriminatorSpec[Any]]:
        """The discriminator's trunk."""
        return self.components["discriminator"][0]

    @property
    def loss(self) -> Chosen[LossSpec[Any]]:
        """The loss."""
        return self.components["loss"][0]

    @property
    def regularizers(self) -> tuple[Chosen[RegularizerSpec[Any]], ...]:
        """The regularizers."""
        return self.components["regularizer"]

    @property
    def augmentations(self) -> tuple[Chosen[AugmentationSpec[Any]], ...]:
        """The augmentations."""
        return self.components["augmentation"]

    @property
    def extractor(self) -> Chosen[ExtractorSpec[Any]]:
        """The feature extractor."""
        return self.components["extractor"][0]

    @property
    def metrics(self) -> tuple[Chosen[MetricSpec[Any]], ...]:
        """The metrics."""
        return self.components["metric"]

    @property
    def channels(self) -> int:
        """Channels of an image."""
        return self.recipe.sections.data.channels or self.dataset.spec.channels

    @property
    def providers(self) -> list[Provider]:
        """The distributions that decide weights or scores, without repetition."""
        chosen = [one for kind in KINDS.values() if kind.decides != "nothing" for one in self.components[kind.name]]
        return list({one.provider.distribution: one.provider for one in chosen}.values())

    def context(self, class_names: tuple[str, ...], feature_dim: int | None = None) -> BuildContext:
        """The context that the components of this run receive when they are built."""
        return BuildContext(
            num_classes=len(class_names),
            image_size=self.recipe.sections.data.image_size,
            image_channels=self.channels,
            feature_dim=feature_dim,
            class_names=class_names,
        )

    def counts(self, **known: Any) -> Counts:
        """The counts of an evaluation that are in the recipe; ``known`` are further fields."""
        sections, generator = self.recipe.sections, self.generator
        return Counts(
            samples=sections.evaluation.samples,
            conditional=_asked(generator, "conditional"),
            image_size=sections.data.image_size,
            **known,
        )

    def refuse_unmet_needs(self, counts: Callable[[str], Counts]) -> None:
        """Raise an error if a metric cannot be computed of these counts, given for a split of real images."""
        lacks = unmet([(metric.spec, metric.config) for metric in self.metrics], counts)
        if lacks:
            raise RecipeError(f"{self.recipe.place('metrics')}: {lacks}")

    def values(self) -> dict[str, Any]:
        """Every value of the run, with all defaults, in the form of a recipe."""
        values = plain(self.recipe.sections)
        for kind in KINDS.values():
            tables = [chosen.values() for chosen in self.components[kind.name]]
            *path, key = kind.recipe_table.split(".")
            section = values
            for step in path:
                section = section[step]
            section[key] = tables if kind.many else tables[0]
            if not tables and key not in WRITTEN_WHEN_EMPTY:
                del section[key]
        values["data"]["channels"] = self.channels
        return values

    def toml(self) -> str:
        """The resolved recipe as TOML; reading it back gives the same run."""
        return tomli_w.dumps(self.values())

    def identity(self, values: Mapping[str, Any] | None = None, *, places: bool = False) -> dict[str, Any]:
        """The values that say what a run is: without the places of files and without later keys at their default.

        ``values`` are those of an earlier call of the run; default: this recipe's. With ``places``, as cganzoo 0.1
        identified runs.
        """
        kept = copy.deepcopy(dict(self.values() if values is None else values))
        kept = kept if places else without_places(kept)
        drop_later_defaults(ALL_SECTIONS, kept)
        for kind in KINDS.values():
            found: Any = kept
            for step in kind.recipe_table.split("."):
                found = found.get(step, {})
            for chosen, table in zip(self.components[kind.name], found if kind.many else [found], strict=False):
                drop_later_defaults(chosen.spec.config, table)
        return kept

    def recipe_digest(self, data: Mapping[str, Any] | None = None) -> str:
        """Identifies the recipe: equal if and only if all values are equal that weights or scores depend on.

        With the table ``data`` of an earlier call, the digest that cganzoo 0.1 wrote for this recipe with the images in
        that place.
        """
        values = self.identity()
        if data is not None:
            values["data"] |= {key: data[key] for key in PLACES if key in data}
        values = {name: section for name, section in values.items() if name not in OBSERVERS}
        observers = {one.provider.distribution for kind in KINDS.values() for one in self.components[kind.name]}
        observers -= {provider.distribution for provider in self.providers}
        required = values["requires"]["plugins"]
        values["requires"]["plugins"] = [
            text for text in required if canonicalize_name(Requirement(text).name) not in observers
        ]
        return digest(values)

    def training_digest(self) -> str:
        """Identifies the training: equal for recipes that differ only in scoring, logging and checkpoints."""
        return digest(training_values(self.identity()))


WRITTEN_WHEN_EMPTY = frozenset({"metrics"})
"""Lists that a resolved recipe holds even if they are empty, because that is part of existing digests."""


def as_written(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a recipe without the empty lists that a resolved recipe leaves out."""
    return {name: table for name, table in values.items() if table != [] or name in WRITTEN_WHEN_EMPTY}


def resolve(recipe: Recipe, registry: Registry | None = None) -> Resolved:
    """Look up the recipe's names and check every option.

    Imports only the distributions in ``[requires]`` and those that provide the other names, which it fills in there.
    """
    if registry is None:
        recipe, registry = load_required(recipe)
    components = {name: _all_chosen(recipe, registry, kind) for name, kind in KINDS.items()}
    resolved = Resolved(recipe, components)
    _check_conditioning(resolved)
    _check_outputs(resolved)
    _check_repeated(resolved)
    _check_needs(resolved)
    refuse_without_effect(recipe.sections.train, recipe, ("train",))
    check_declarations(resolved)
    return resolved


def resolve_generator(recipe: Recipe, distribution: str) -> Chosen[GeneratorSpec[Any]]:
    """Look up the generator only, and import its distribution only. This is enough to sample."""
    return _all_chosen(recipe, load_plugins([distribution]), KINDS["generator"])[0]


def takes_class(recipe: Recipe, registry: Registry) -> bool:
    """Whether the recipe's generator gets a class, so that images of a class can be drawn from it."""
    return bool(_asked(_all_chosen(recipe, registry, KINDS["generator"])[0], "conditional"))


def resolve_dataset(recipe: Recipe, registry: Registry | None = None) -> Chosen[DatasetSpec[Any]]:
    """Look up the data set only. This is enough to pack and show it."""
    if registry is None:
        recipe, registry = load_required(recipe, [KINDS["dataset"]])
    return _all_chosen(recipe, registry, KINDS["dataset"])[0]


def _all_chosen(recipe: Recipe, registry: Registry, kind: Kind) -> tuple[Chosen[Any], ...]:
    keys = kind.recipe_table.split(".")
    tables = recipe.sections.tables(kind)
    return tuple(
        _chosen(recipe, registry, kind, table, *keys, *([index] if kind.many else []))
        for index, table in enumerate(tables)
    )


def _chosen(recipe: Recipe, registry: Registry, kind: Kind, table: ComponentTable, *keys: str | int) -> Chosen[Any]:
    try:
        component, argument = registry.named(kind.name, table.name)
    except PluginError as error:
        raise PluginError(f"{recipe.place(*keys, 'name')}: {error}") from error
    values, model, named = {**table.options, **argument}, component.spec.config, {"name": table.name}
    for option in argument.keys() & table.options.keys():
        where = recipe.place(*keys, option)
        hint = of_another_name(keys, keys, named, recipe.overrides, {}) if not where.startswith("--set") else ""
        raise RecipeError(f"{where}: is already part of the name; remove it{hint}")

    def mistake(error: Exception) -> str:
        if not isinstance(error, ValidationError):  # such as "data.image_size = 9, but this network ..."
            key = re.match(r"\w+(\.\w+)+(?= = )", str(error))
            where = recipe.place(*key[0].split(".")) if key else f"{recipe.place(*keys)}: "
            return where + str(error)[key.end() if key else 0 :]
        shown = {**values, **named}
        return explain(error, (model, type(table)), shown, recipe.source, recipe.overrides, prefix=keys)

    try:
        config = parse_with_texts(model, values, recipe.texts, keys)
    except ValidationError as error:
        raise RecipeError(mistake(error)) from error
    refuse_without_effect(config, recipe, keys)
    if kind.name == "dataset":
        _check_path(values.get("root"), recipe.place(*keys, "root"))
    return Chosen(component.spec.complete(table), component.spec, config, component.provider, mistake)


def _check_path(path: Any, where: str) -> None:
    """Raise for the path of a data set that would silently be the current folder, or is of an unknown user."""
    if not isinstance(path, str):
        return
    if not path.strip():
        raise RecipeError(f'{where}: is empty; write the path of the images, or "." for the current folder')
    try:
        Path(path).expanduser()
    except RuntimeError as error:
        user = path.partition("/")[0]
        raise RecipeError(f'{where}: there is no user "{one_line(user)}"; write the whole path') from error


def _check_conditioning(resolved: Resolved) -> None:
    generator, loss = resolved.generator, resolved.loss
    wanted = _asked(loss, "conditioning")
    conditional = _asked(generator, "conditional")
    if wanted != "any" and conditional != (wanted == "conditional"):
        has, needs = ("a conditional", "an unconditional") if conditional else ("an unconditional", "a conditional")
        raise RecipeError(
            f'{resolved.recipe.place("loss")}: loss "{loss.spec.name}" with these options trains {needs} generator, '
            f'but [generator] "{generator.spec.name}" is {has} one; change the generator\'s conditioning '
            f'(for instance "conditional = {str(not conditional).lower()}") or the loss\'s labeling'
        )


def _asked(chosen: Chosen[Any], question: str) -> Any:
    """Call a function of the specification with the options; its failure is reported as a fault of the plugin."""
    try:
        return getattr(chosen.spec, question)(chosen.config)
    except ValidationError as error:  # it checks a table of its options only now
        raise RecipeError(chosen.mistake(error)) from error
    except Exception as error:
        reason = f'"{chosen.spec.name}": {question} raised {type(error).__name__}: {one_line(str(error), 300)}'
        raise PluginError(f"{chosen.provider}: {reason}") from error


def _check_needs(resolved: Resolved) -> None:
    """Refuse metrics that the recipe alone makes impossible: too few samples, too small images."""
    counts = resolved.counts()
    resolved.refuse_unmet_needs(lambda split: counts)


def _check_outputs(resolved: Resolved) -> None:
    owner: dict[str, int] = {}
    for index, metric in enumerate(resolved.metrics):
        for output in metric.spec.outputs:
            if (other := owner.setdefault(output.name, index)) != index:
                where = from_command_line(resolved.recipe.place("metrics", one, "name") for one in (other, index))
                raise RecipeError(
                    f'{where or resolved.recipe.place("metrics")}: "{resolved.metrics[other].spec.name}" and '
                    f'"{metric.spec.name}" both report "{output.name}"; '
                    f"{'change' if where else 'remove'} one of them"
                )


def _check_repeated(resolved: Resolved) -> None:
    """Refuse a component that is listed again with the same options, given or by default."""
    for kind in KINDS.values():
        first: dict[tuple[Provider, str], int] = {}
        for index, chosen in enumerate(resolved.components[kind.name] if kind.repeats else ()):
            key = chosen.provider, digest({**chosen.values(), "name": chosen.spec.name})
            if (other := first.setdefault(key, index)) != index:
                both = [(kind.recipe_table, number) for number in (other, index)]
                where = from_command_line(resolved.recipe.place(*keys, "name") for keys in both)
                raise RecipeError(
                    f'{where or resolved.recipe.source}: {kind.title} "{chosen.spec.name}" is listed more than once '
                    f"with the same options: {' and '.join(map(dotted, both))}"
                )
