"""From a recipe's names to components: what does not go together is refused, what does can be written down."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from cganzoo import BuildContext, Config, MetricOutput, MetricSpec
from cganzoo.errors import CganzooError, PluginError, RecipeError
from cganzoo.metric import Metric
from cganzoo.recipe.digests import digest as digest_of
from cganzoo.recipe.read import parse_recipe
from cganzoo.recipe.resolve import Resolved, resolve
from cganzoo.registry import Component, Plugin, Registry, load_plugins

Resolver = Callable[..., Resolved]


@pytest.mark.parametrize(
    "overrides",
    [
        (),
        ("train.seed=7", "data.channels=3", "requires.cganzoo=>=0.0.1"),
        ("optimizer.generator.lr={from=1e-3, to=1e-300, steps=0.5}",),
        ("optimizer.generator={name='rmsprop', lr={from=1, curve='step', every=3}}",),
        ("evaluation.extractor={name='classifier', epochs=3, width=8}",),
        ("data={name='folder', image_size=8, root='/a \"b\"/\\u00e9'}",),
    ],
)
def test_a_resolved_recipe_reads_back_as_itself(resolved: Resolver, overrides: tuple[str, ...]) -> None:
    first = resolved(*overrides)
    again = resolved(text=first.toml())
    assert again.toml() == first.toml()
    assert again.recipe_digest() == first.recipe_digest()
    assert again.recipe.sections.train == first.recipe.sections.train
    assert again.generator.config == first.generator.config
    assert again.loss.config == first.loss.config
    assert again.extractor == first.extractor


def test_keys_are_written_as_a_recipe_spells_them(resolved: Resolver) -> None:
    rate = resolved().values()["optimizer"]["discriminator"]["lr"]
    assert rate["from"] == 8e-4
    assert "start" not in rate


def test_the_resolved_recipe_holds_every_default(resolved: Resolver) -> None:
    values = resolved().values()
    host = {"name": "digits", "image_size": 8, "channels": 1, "flip": False, "shift": 0}
    assert values["data"] == {**host, "test_fraction": 0.2}
    assert values["loss"] == {"name": "amgan", "labeling": "predefined", "spectral_norm": False}
    assert values["train"]["ema_decay"] == 0.999
    assert values["evaluation"]["extractor"]["model"] == "resnet18"


def test_the_digest_tells_values_not_ways_of_writing(tiny: str, resolved: Resolver) -> None:
    digest = resolved().recipe_digest()
    assert resolved("train.ema_decay=0.999", "generator.conditional=true").recipe_digest() == digest, (
        "defaults, written out"
    )
    assert resolved(text=tiny.replace("lr = 4e-4", "lr = 0.0004")).recipe_digest() == digest
    assert digest_of({"a": 1, "b": 2}) == digest_of({"b": 2, "a": 1})
    changed = ["train.steps=21", "data.test_fraction=0.3", "generator.width=5", "evaluation.seed=1", "train.seed=1"]
    assert len({digest, *(resolved(change).recipe_digest() for change in changed)}) == 1 + len(changed)


@pytest.mark.parametrize(
    ("override", "error", "expected"),
    [
        ("loss.name=amgam", PluginError, '--set loss.name: there is no loss "amgam"; did you mean "amgan"?'),
        ("generator.name=zzz", PluginError, '--set generator.name: there is no generator "zzz" (available: '),
        ("data.name=digit", PluginError, '--set data.name: there is no data set "digit"; did you mean "digits"?'),
        ("metrics=[{name='zzz'}]", PluginError, '--set metrics.0.name: there is no metric "zzz"'),
        ("loss.labelling=dynamic", RecipeError, '--set loss.labelling: unknown key; did you mean "labeling"?'),
        ("loss.number=3", RecipeError, "--set loss.number: unknown key; "),
        ("data.chanels=1", RecipeError, '--set data.chanels: unknown key; did you mean "channels"?'),
        ("data.root=/a", RecipeError, "--set data.root: unknown key; known here: channels, flip, image_size, "),
        ("generator.width=0", RecipeError, "--set generator.width: 0 does not fit: input should be greater than or eq"),
        (
            "generator.conditional=1",
            RecipeError,
            "--set generator.conditional: 1 does not fit: input should be a valid",
        ),
        ("data.test_fraction=0.001", RecipeError, "--set data.test_fraction: 0.001 does not fit: "),
        ("data={name='folder', image_size=8}", RecipeError, "--set data.root: is missing"),
        (
            "evaluation.extractor={name='zzz'}",
            PluginError,
            '--set evaluation.extractor.name: there is no feature extractor "zzz" (available: classifier, ',
        ),
        (
            "loss.labeling=dynamic",
            RecipeError,
            'tiny.toml: loss: loss "amgan" with these options trains an unconditional generator, but [generator] '
            '"dcgan" is a conditional one; change the generator\'s conditioning (for instance "conditional = false")',
        ),
        (
            "requires.plugins=['cganzoo-dcgan', 'cganzoo-nowhere']",
            PluginError,
            '--set requires.plugins: "cganzoo-nowhere" is not installed',
        ),
        (
            "requires.plugins=['cganzoo-dcgan', 'cganzoo-amgan>=99']",
            PluginError,
            '--set requires.plugins: wants "cganzoo-amgan>=99", but cganzoo-amgan ',
        ),
    ],
)
def test_a_mistake_is_named_where_it_was_made(
    resolved: Resolver, override: str, error: type[CganzooError], expected: str
) -> None:
    with pytest.raises(error) as caught:
        resolved(override)
    assert str(caught.value).startswith(expected)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 2


EXTRACTOR = "[evaluation.extractor]\nname = 'classifier'\n"


@pytest.mark.parametrize(
    ("text", "override", "where"),
    [
        (EXTRACTOR + "steps = 9\n", "evaluation.extractor.epochs=1", "--set evaluation.extractor.epochs"),
        (EXTRACTOR + "steps = 9\n", "evaluation.extractor.epochs=30", "--set evaluation.extractor.epochs"),
        (EXTRACTOR + "steps = 9\nepochs = 1\n", "train.steps=1", "tiny.toml: evaluation.extractor.epochs"),
        ("", "metrics=[{name='cas', classifier={steps=9, epochs=1}}]", "--set metrics.0.classifier.epochs"),
    ],
)
def test_an_option_without_effect_is_refused(
    resolved: Resolver, tiny: str, text: str, override: str, where: str
) -> None:
    with pytest.raises(RecipeError) as caught:
        resolved(override, text=tiny + text)
    instead = where.rpartition(" ")[2].replace("epochs", "steps")
    assert str(caught.value) == (
        f"{where}: has no effect, because {instead} = 9 takes its place; write --set {instead}=... instead, or remove "
        "one of the two from the recipe"
    )


def test_a_length_of_the_command_line_takes_the_place_of_one_in_the_file(resolved: Resolver, tiny: str) -> None:
    first = resolved("evaluation.extractor.steps=9", text=tiny + EXTRACTOR + "epochs = 1\n")
    assert first.extractor.config.steps == 9
    assert resolved(text=first.toml()).recipe_digest() == first.recipe_digest(), "a resolved recipe holds both"


def test_the_options_of_another_extractor_are_replaced_with_its_name(resolved: Resolver, tiny: str) -> None:
    with pytest.raises(RecipeError) as caught:
        resolved("evaluation.extractor.name=timm/x", text=tiny + EXTRACTOR + "model = 'y'\n")
    assert str(caught.value).startswith("tiny.toml: evaluation.extractor.model: is already part of the name; remove it")
    assert str(caught.value).endswith("replace all of it with --set 'evaluation.extractor={name=\"timm/x\"}'")


def test_what_a_network_refuses_is_named_with_its_place(resolved: Resolver, tiny: str) -> None:
    context = BuildContext(num_classes=3, image_size=9)
    with pytest.raises(RecipeError, match=r"^tiny\.toml: data\.image_size = 9, but "):
        resolved().generator.create(context)
    with pytest.raises(RecipeError, match=r"^--set data\.image_size = 9, but "):
        resolved("data.image_size=9").generator.create(context)


def test_the_other_conditioning_is_accepted(resolved: Resolver) -> None:
    assert resolved("loss.labeling=dynamic", "generator.conditional=false").loss.config.labeling == "dynamic"


def test_two_metrics_that_report_the_same_score_are_refused(tiny: str) -> None:
    def build(config: Config, context: BuildContext) -> Metric:
        raise AssertionError("a recipe is checked without building anything")

    def metric(name: str) -> Component:
        output = MetricOutput(name="score", summary="A score")
        spec: MetricSpec[Config] = MetricSpec(
            name=name, summary="A metric", config=Config, build=build, outputs=(output,)
        )
        return Component(kind="metric", spec=spec, provider=provider)

    registry = load_plugins(["cganzoo-amgan", "cganzoo-dcgan"])
    provider = registry.plugins[0].provider
    extra = Plugin(
        provider=provider, components=(metric("one"), metric("other")), failures=(), seconds=0, imported_torch=False
    )
    registry = Registry((*registry.plugins, extra))
    text = tiny + "[[metrics]]\nname = 'one'\n"
    assert len(resolve(parse_recipe(text, name="t", source="t.toml"), registry).metrics) == 1
    with pytest.raises(RecipeError) as caught:
        resolve(parse_recipe(text + "[[metrics]]\nname = 'other'\n", name="t", source="t.toml"), registry)
    assert str(caught.value) == 't.toml: metrics: "one" and "other" both report "score"; remove one of them'
    with pytest.raises(
        RecipeError, match=r'^--set metrics\.0\.name: "one" and "other" both report "score"; change one'
    ):
        resolve(
            parse_recipe(
                text.replace("'one'", "'x'") + "[[metrics]]\nname = 'other'\n",
                name="t",
                source="t.toml",
                overrides=["metrics.0.name=one"],
            ),
            registry,
        )


def test_the_providers_of_a_run_are_each_named_once(resolved: Resolver) -> None:
    names = [provider.distribution for provider in resolved().providers]
    assert sorted(names) == ["cganzoo", "cganzoo-amgan", "cganzoo-dcgan"]


def test_a_recipe_resolves_without_torch(tiny_file: Path) -> None:
    code = (
        "import sys; from cganzoo.recipe.read import load_recipe; from cganzoo.recipe.resolve import resolve; "
        f"resolve(load_recipe({str(tiny_file)!r})).toml(); "
        "print(sorted({'torch', 'numpy', 'PIL'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
