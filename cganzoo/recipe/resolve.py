"""From a recipe's names to installed components: options checked, incompatible choices refused. No torch."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeVar

import tomli_w
from pydantic import ValidationError

from cganzoo.config import Config, parse
from cganzoo.errors import PluginError, RecipeError
from cganzoo.registry import Provider, Registry, load_plugins
from cganzoo.specs import DatasetSpec, DiscriminatorSpec, GeneratorSpec, LossSpec, MetricSpec, Spec

from .extractors import EXTRACTORS, extractor_config
from .read import Choice, Recipe, explain

S = TypeVar("S", bound=Spec)


@dataclass(frozen=True)
class Chosen(Generic[S]):
    """A component that a recipe names, with its checked options and the distribution it comes from."""

    spec: S
    config: Any  # the spec's own Config subclass
    provider: Provider


@dataclass(frozen=True)
class Resolved:
    """A recipe whose every name and option is known to be good."""

    recipe: Recipe
    dataset: Chosen[DatasetSpec[Any]]
    generator: Chosen[GeneratorSpec[Any]]
    discriminator: Chosen[DiscriminatorSpec[Any]]
    loss: Chosen[LossSpec[Any]]
    metrics: tuple[Chosen[MetricSpec[Any]], ...]
    extractor: Config

    @property
    def channels(self) -> int:
        """Channels of an image."""
        return self.recipe.sections.data.channels or self.dataset.spec.channels

    @property
    def providers(self) -> list[Provider]:
        """The distributions that the run uses, each once."""
        chosen: list[Chosen[Any]] = [self.dataset, self.generator, self.discriminator, self.loss, *self.metrics]
        return list({choice.provider.distribution: choice.provider for choice in chosen}.values())

    def values(self) -> dict[str, Any]:
        """Every value of the run, defaults included, as a recipe writes it."""
        sections = self.recipe.sections
        values: dict[str, Any] = _plain(sections)
        values["data"] = {
            "name": sections.data.name,
            "image_size": sections.data.image_size,
            "channels": self.channels,
            **_plain(self.dataset.config),
        }
        for kind in ("generator", "discriminator", "loss"):
            values[kind] = {"name": values[kind]["name"], **_plain(getattr(self, kind).config)}
        values["evaluation"]["extractor"] = {
            "name": sections.evaluation.extractor.name,
            **_plain(self.extractor),
        }
        values["metrics"] = [
            {"name": choice.name, **_plain(metric.config)}
            for choice, metric in zip(sections.metrics, self.metrics, strict=True)
        ]
        return values

    def toml(self) -> str:
        """The resolved recipe as TOML; reading it back gives the same run."""
        return tomli_w.dumps(self.values())

    def recipe_digest(self) -> str:
        """Identifies the run's recipe: equal exactly when every resolved value is."""
        return digest(self.values())

    def training_digest(self) -> str:
        """Identifies what decides the weights: equal for recipes that differ only in scoring and bookkeeping."""
        return digest(training_values(self.values()))


BOOKKEEPING = frozenset({"log_every", "checkpoint_every", "keep_checkpoints", "sample_every", "evaluate_every"})
"""Keys of ``[train]`` that do not change a weight."""


def training_values(values: Mapping[str, Any]) -> dict[str, Any]:
    """A recipe's values without those that may change while its run goes on: scoring, bookkeeping, version bounds."""
    kept = {name: section for name, section in values.items() if name not in ("requires", "evaluation", "metrics")}
    return {**kept, "train": {name: value for name, value in kept["train"].items() if name not in BOOKKEEPING}}


def digest(values: Any) -> str:
    """Short hash of plain values, independent of the order of keys."""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:16]


def resolve(recipe: Recipe, registry: Registry | None = None) -> Resolved:
    """Look up the recipe's names, importing only what ``[requires]`` lists, and check every option.

    Raises:
        RecipeError: an unknown option, or choices that do not go together.
        PluginError: a component or a distribution that is missing, broken or ambiguous.
    """
    sections = recipe.sections
    if registry is None:
        try:
            registry = load_plugins(sections.requires.plugins)
        except PluginError as error:
            raise PluginError(f"{recipe.source}: {error}") from error
    chosen = partial(_chosen, recipe, registry)
    generator = chosen("generator", sections.generator, "generator")
    loss = chosen("loss", sections.loss, "loss")
    _check_conditioning(recipe, generator, loss)
    extractor = _extractor(recipe)
    metrics = tuple(chosen("metric", metric, "metrics", i) for i, metric in enumerate(sections.metrics))
    _check_outputs(recipe, metrics)
    return Resolved(
        recipe=recipe,
        dataset=chosen("dataset", sections.data, "data"),
        generator=generator,
        discriminator=chosen("discriminator", sections.discriminator, "discriminator"),
        loss=loss,
        metrics=metrics,
        extractor=extractor,
    )


def resolve_generator(recipe: Recipe, distribution: str) -> Chosen[GeneratorSpec[Any]]:
    """The generator alone, importing only the distribution it comes from: enough to sample."""
    registry = load_plugins([distribution])
    generator: Chosen[GeneratorSpec[Any]] = _chosen(
        recipe, registry, "generator", recipe.sections.generator, "generator"
    )
    return generator


def resolve_dataset(recipe: Recipe, registry: Registry | None = None) -> Chosen[DatasetSpec[Any]]:
    """The data set alone: enough to pack it and to look at it.

    Raises:
        RecipeError: an unknown option of the set.
        PluginError: there is no such set, or it is ambiguous; or a distribution that is asked for does not load.
    """
    registry = registry or load_plugins(recipe.sections.requires.plugins)
    dataset: Chosen[DatasetSpec[Any]] = _chosen(recipe, registry, "dataset", recipe.sections.data, "data")
    return dataset


def _chosen(recipe: Recipe, registry: Registry, kind: str, choice: Choice, *keys: str | int) -> Chosen[Any]:
    try:
        component = registry.get(kind, choice.name)
    except PluginError as error:
        raise PluginError(f"{recipe.place(*keys, 'name')}: {error}") from error
    config = _options(component.spec.config, type(choice), choice.options, recipe, keys)
    return Chosen(component.spec, config, component.provider)


def _extractor(recipe: Recipe) -> Config:
    choice, keys = recipe.sections.evaluation.extractor, ("evaluation", "extractor")
    model = extractor_config(choice.name)
    if model is None:
        known = ", ".join(f'"{name}"' for name in EXTRACTORS)
        raise RecipeError(f'{recipe.place(*keys, "name")}: "{choice.name}" is not known; choose one of {known}')
    # The name of some extractors is an option, too: it says which model.
    values = {"name": choice.name, **choice.options} if "name" in model.model_fields else choice.options
    return _options(model, type(choice), values, recipe, keys)


def _options(
    model: type[Config], host: type[Choice], values: dict[str, Any], recipe: Recipe, keys: tuple[str | int, ...]
) -> Config:
    try:
        return parse(model, values)
    except ValidationError as error:
        raise RecipeError(
            explain(error, (model, host), values, recipe.source, recipe.overrides, prefix=keys)
        ) from error


def _check_conditioning(recipe: Recipe, generator: Chosen[Any], loss: Chosen[Any]) -> None:
    wanted = _asked(loss, "conditioning")
    conditional = _asked(generator, "conditional")
    if wanted != "any" and conditional != (wanted == "conditional"):
        has, needs = ("a conditional", "an unconditional") if conditional else ("an unconditional", "a conditional")
        raise RecipeError(
            f'{recipe.place("loss")}: loss "{loss.spec.name}" with these options trains {needs} generator, but '
            f'[generator] "{generator.spec.name}" is {has} one; change the generator\'s conditioning '
            f'(for instance "conditional = {str(not conditional).lower()}") or the loss\'s labeling'
        )


def _asked(chosen: Chosen[Any], question: str) -> Any:
    """What a specification says of the options; a plugin whose function fails is told like one that does not load."""
    try:
        return getattr(chosen.spec, question)(chosen.config)
    except Exception as error:
        reason = f'"{chosen.spec.name}": {question} raised {type(error).__name__}: {error}'
        raise PluginError(f"{chosen.provider}: {reason}") from error


def _check_outputs(recipe: Recipe, metrics: tuple[Chosen[MetricSpec[Any]], ...]) -> None:
    owner: dict[str, str] = {}
    for metric in metrics:
        for output in metric.spec.outputs:
            if output.name in owner:
                raise RecipeError(
                    f'{recipe.place("metrics")}: "{owner[output.name]}" and "{metric.spec.name}" both report '
                    f'"{output.name}"; leave one of them out'
                )
            owner[output.name] = metric.spec.name


def _plain(config: Config) -> dict[str, Any]:
    """A config as TOML can write it: no nulls, the recipe's own spelling of keys."""
    plain = config.model_dump(mode="json", by_alias=True, exclude_none=True)
    return {"name": plain.pop("name"), **plain} if "name" in plain else plain
