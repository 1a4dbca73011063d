"""Looking components up: names that several plugins use, and names that do not exist."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from bad_plugins import BAD, load

from cganzoo import Config, ExtractorSpec
from cganzoo._util.install import install_command
from cganzoo.errors import PluginError
from cganzoo.registry import Component, Plugin, Provider, Registry, load_plugins

Install = Callable[..., None]


# --- names that several plugins use ---------------------------------------------------------------------------------


def test_equal_component_names_are_both_kept_and_the_bare_one_is_an_error(install: Install) -> None:
    install("stolen_component", "good")
    registry = load()
    assert {one.full_name for one in registry.components()} == {"cganzoo-good/good", "cganzoo-stolen-component/good"}
    with pytest.raises(PluginError) as caught:
        registry.get("loss", "good")
    assert str(caught.value) == (
        'more than one distribution provides the loss "good"; '
        'write "cganzoo-good/good" or "cganzoo-stolen-component/good"'
    )
    for distribution in ("cganzoo-good", "cganzoo-stolen-component"):
        assert registry.get("loss", f"{distribution}/good").provider.distribution == distribution
    assert load("cganzoo-good").get("loss", "good").provider.distribution == "cganzoo-good"


def test_two_plugins_of_the_same_entry_point_name_are_both_loaded(install: Install) -> None:
    install("stolen_entry_point", "good")
    assert {one.full_name for one in load().components()} == {
        "cganzoo-good/good",
        "cganzoo-stolen-entry-point/impostor",
    }


def test_a_name_of_the_host_stays_the_host_s(install: Install, tmp_path: Path) -> None:
    install(BAD["stolen_digits"].write(tmp_path / "thief", "thief"))
    registry = load_plugins()
    assert registry.get("dataset", "digits").provider.distribution == "cganzoo"
    assert registry.get("dataset", "cganzoo-thief/digits").provider.distribution == "cganzoo-thief"


# --- names that do not exist ------------------------------------------------------------------------------------------


def unknown(registry: Registry, name: str, kind: str = "loss") -> str:
    with pytest.raises(PluginError) as caught:
        registry.get(kind, name)
    return str(caught.value)


def test_a_near_miss_is_suggested(install: Install) -> None:
    install("good", "stolen_entry_point")
    registry = load()
    available = "(available: good, impostor)"
    assert unknown(registry, "godo") == f'there is no loss "godo"; did you mean "good"? {available}'
    assert unknown(registry, "GOOD") == f'there is no loss "GOOD"; did you mean "good"? {available}'
    assert unknown(registry, "xyz") == f'there is no loss "xyz" {available}'
    assert unknown(registry, "cganzoo-god/good") == (
        f'there is no loss "cganzoo-god/good"; did you mean "cganzoo-good/good"? {available}'
    )
    assert unknown(registry, "good", "generator") == 'there is no generator "good" (no generator is available)'


def test_a_first_party_distribution_is_suggested(install: Install) -> None:
    install("stolen_entry_point")
    advice = install_command("cganzoo-tame")
    assert unknown(load(), "tame") == f'there is no loss "tame"; {advice} (available: impostor)'
    assert f"; {install_command('cganzoo-two-words')} " in unknown(load(), "two_words")
    assert "pip install" not in unknown(load(), "third_party")
    assert "pip install" not in unknown(load(), "always")  # the host needs it with any extra or none


@pytest.mark.parametrize(("folder", "name"), [("good", "good"), ("stolen_entry_point", "good")])
def test_an_installed_plugin_that_the_recipe_does_not_require(install: Install, folder: str, name: str) -> None:
    install(folder)
    distribution = f"cganzoo-{folder.replace('_', '-')}"
    registry = load_plugins([], builtin=())
    assert f'{distribution} 1.0 is installed and may provide it: add "{distribution}" to [requires] plugins' in (
        unknown(registry, name)
    )
    assert not [name for name in sys.modules if name.startswith("cganzoo_")]


def test_a_failure_that_may_explain_it(install: Install) -> None:
    install("missing_dependency", "good")
    assert str(load().failures[0]) in unknown(load(), "missing_dependency")
    assert unknown(load(), "lonely") == (
        'there is no loss "lonely"; it may belong to a plugin that failed (see "cganzoo plugins"): '
        "cganzoo-missing-dependency (available: good)"
    )


# --- names that carry an option -------------------------------------------------------------------------------------


class ModelConfig(Config):
    model: str


def extractors(*distributions: str) -> Registry:
    """A registry in which each of these provides the extractor ``timm``, written ``timm/<model>``."""
    spec = ExtractorSpec(name="timm", summary="Models", config=ModelConfig, build=lambda *_: None, argument="model")
    providers = [
        Provider(distribution=name, version="1", entry_point="x", module="x", location="x") for name in distributions
    ]
    return Registry(
        tuple(
            Plugin(
                provider=provider,
                components=(Component(kind="extractor", spec=spec, provider=provider),),
                failures=(),
                seconds=0.0,
                imported_torch=False,
            )
            for provider in providers
        )
    )


def test_a_name_with_an_option_means_the_host_s_component() -> None:
    registry = extractors("cganzoo-aaa", "cganzoo")
    for name, distribution in (
        ("timm/resnet18", "cganzoo"),
        ("cganzoo/timm/resnet18", "cganzoo"),
        ("cganzoo_aaa/timm/resnet18", "cganzoo-aaa"),
    ):
        component, option = registry.named("extractor", name)
        assert (component.provider.distribution, option) == (distribution, {"model": "resnet18"})


def test_a_name_with_an_option_may_be_ambiguous_incomplete_or_unknown() -> None:
    with pytest.raises(PluginError, match='more than one distribution provides the feature extractor "timm"; '):
        extractors("cganzoo-a", "cganzoo-b").named("extractor", "timm/resnet18")
    registry = extractors("cganzoo")
    for name in ("timm", "timm/", "timm/a/b", "cganzoo/timm"):
        with pytest.raises(PluginError, match=f'"{name}" does not name a model; write ".*timm/<model>"'):
            registry.named("extractor", name)
    with pytest.raises(PluginError, match=r'there is no feature extractor "resnet18".*\(available: timm/<model>\)'):
        registry.named("extractor", "resnet18")


def test_an_argument_is_an_option() -> None:
    with pytest.raises(ValueError, match='argument "modle" is not an option of config'):
        ExtractorSpec(name="x", summary="x", config=ModelConfig, build="a.b:C", argument="modle")
