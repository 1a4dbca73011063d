"""Settings that a loss, a regularizer or an augmentation cannot work with are refused when the recipe is read."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from engines import chosen, with_extras
from own_extras import Adaptive, Anchor, Noisy, Score, Slope
from own_networks import Headless

from cganzoo.config import Config
from cganzoo.errors import CganzooError, RecipeError
from cganzoo.recipe.declared import check_declarations
from cganzoo.recipe.resolve import Resolved
from cganzoo.specs import BuildContext

Resolve = Callable[..., Resolved]
R1 = "regularizers=[{name='r1'}]"


def refusal(resolve: Callable[[], object]) -> str:
    with pytest.raises(CganzooError) as caught:
        resolve()
    return str(caught.value)


# --- what the components declare ------------------------------------------------------------------------------------


class Relational(Headless):
    """Relational by an option, as it says in ``__init__``."""

    def __init__(self, context: BuildContext) -> None:
        super().__init__(context)
        self.relational = True


class Slopes(Score):
    uses_image_gradients = True


class Paired(Score):
    fake_labels = "paired"


OWN: dict[str, tuple[list[str], dict[str, Any], str]] = {
    "compiled loss": (
        ["train.compile=true"],
        {"loss": Slopes},
        '--set train.compile: the loss "own" differentiates with respect to images, which a compiled step cannot do; '
        "write compile = false",
    ),
    "relational loss": (
        ["train.accumulate=2"],
        {"loss": Relational},
        '--set train.accumulate: the loss "own" compares the samples of a batch with each other, so a batch must not '
        "be split; write accumulate = 1",
    ),
    "paired classes": (
        ["train.fake_labels=balanced"],
        {"loss": Paired},
        '--set train.fake_labels: has no effect, because the loss "own" gives the samples the classes of the real '
        "images; remove it",
    ),
    "observer": (
        [],
        {"loss": Headless, "augmentations": [Adaptive]},
        'tiny.toml: augmentations.0.name: the augmentation "adaptive" needs the score of a loss, but the loss "own" '
        "defines none",
    ),
}


@pytest.mark.parametrize("case", OWN)
def test_the_message_says_which_component_refuses_which_setting(resolved: Resolve, case: str) -> None:
    overrides, own, message = OWN[case]
    recipe = with_extras(resolved(*overrides), **own)
    assert refusal(lambda: check_declarations(recipe)) == message
    check_declarations(with_extras(resolved(*overrides), **(own | {"loss": Score})))


def test_a_regularizer_refuses_as_a_loss_does(resolved: Resolve) -> None:
    cases = [
        ("train.compile=true", Slope, 'the regularizer "slope" differentiates'),
        ("train.accumulate=2", Anchor, 'the regularizer "anchor" compares the samples'),
    ]
    for override, regularizer, message in cases:
        recipe = with_extras(resolved(override), (regularizer, 1.0, 1), loss=Score)
        assert message in refusal(lambda recipe=recipe: check_declarations(recipe))
        check_declarations(with_extras(resolved(), (regularizer, 1.0, 1), loss=Score))
    without = with_extras(resolved(), (Slope, 1.0, 1), loss=Headless)
    message = 'regularizers.0.name: the regularizer "slope" needs the score of a loss, but the loss "own" defines none'
    assert message in refusal(lambda: check_declarations(without))


def test_an_unconditional_generator_has_no_classes_to_balance(resolved: Resolve) -> None:
    recipe = "loss={name='labelgan'}", "requires.plugins=[]", "train.fake_labels=data"
    assert "has no effect, because the generator does not use classes; remove it" in refusal(
        lambda: resolved(*recipe, "generator.conditional=false")
    )


def test_components_are_built_only_if_a_setting_may_be_refused_and_the_random_state_stays(resolved: Resolve) -> None:
    built: list[int] = []

    class Counting(Score):
        def __init__(self, context: BuildContext) -> None:
            super().__init__(context)
            built.append(context.num_classes)

    check_declarations(with_extras(resolved(), loss=Counting))
    assert not built
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    check_declarations(with_extras(resolved("train.accumulate=2"), loss=Counting))
    assert len(built) == 1
    assert torch.equal(torch.rand(3), expected)


def test_a_component_that_needs_more_classes_is_checked_when_the_run_builds_it(resolved: Resolve) -> None:
    class Many(Noisy):
        def __init__(self, context: BuildContext) -> None:
            super().__init__(context)
            if context.num_classes < 3:
                raise CganzooError("needs 3 classes")

    check_declarations(with_extras(resolved("train.accumulate=2"), loss=Many))


# --- the tables -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ([R1, "train.compile=true"], 'train.compile: the regularizer "r1" differentiates'),
        (["regularizers=[{name='r1', weight=-1}]"], "regularizers.0.weight.*every value must be at least 0"),
        (["regularizers=[{name='r1', weight={from=1, to=-1}}]"], "regularizers.0.weight.*every value must be at least"),
        (["regularizers=[{name='r1', every=0}]"], "regularizers.0.every.*(greater than or equal to|at least) 1"),
        (["regularizers=[{name='r1', every=1.5}]"], "regularizers.0.every"),
        (["regularizers=[{name='r1', wieght=1}]"], 'regularizers.0.wieght.*did you mean "weight"'),
        (["regularizers=[{name='r11'}]"], 'regularizers.0.name: .*did you mean "r1"'),
        (["augmentations=[{name='diffaugmnet'}]"], 'augmentations.0.name: .*did you mean "diffaugment"'),
        (["augmentations=[{name='r1'}]"], "augmentations.0.name: "),
        (["regularizers=[{weight=1.0}]"], "regularizers.0.name"),
        (["regularizers={name='r1'}"], "regularizers"),
        (["regularizers=[{name='r1'}, {name='r1'}]"], "listed more than once with the same options"),
        (["regularizers=[{name='r1'}, {name='r1', every=1}]"], "listed more than once with the same options"),
        (
            ["regularizers=[{name='r1'}, {name='cganzoo-regularizers/r1', weight=10}]"],
            "listed more than once with the same options: regularizers.0 and regularizers.1",
        ),
        (["augmentations=[{name='diffaugment'}, {name='diffaugment'}]"], "listed more than once with the same options"),
        (["loss={name='contragan'}", "train.accumulate=2"], 'train.accumulate: the loss "contragan" compares'),
        (["train.accumulate=3"], "accumulate = 3 does not divide batch_size = 8"),
        (["train.accumulate=0"], "train.accumulate"),
        (["train.fake_labels=even"], "train.fake_labels"),
        (["train.ema_half_life=0"], "train.ema_half_life.*above 0"),
        (["train.ema_half_life=10", "train.ema_decay=0.9"], "train.ema_decay: has no effect"),
        (["data.shift=8"], "shift = 8 must be below image_size = 8"),
        (["data.shift=-1"], "data.shift"),
        (["optimizer.generator={name='rmsprop', lr=1e-3, momentum={from=0.0, to=0.5}}"], "optimizer.generator"),
        (["generator.class_strength=-1"], "generator.class_strength.*at least 0"),
        (["discriminator.input_noise={from=1, to=-1}"], "discriminator.input_noise.*at least 0"),
    ],
)
def test_a_mistake_is_one_message_that_names_the_key(resolved: Resolve, overrides: list[str], message: str) -> None:
    text = refusal(lambda: resolved("requires.plugins=[]", *overrides))
    assert re.search(message, " ".join(text.split())), text


def test_the_command_refuses_before_it_reads_images(command: Callable[..., Any], tiny_file: Any, tmp_path: Any) -> None:
    data = "data={name='folder', image_size=8, root='/no/such/folder'}"
    options = [part for one in ("requires.plugins=[]", R1, "train.compile=true", data) for part in ("--set", one)]
    result = command("run", tiny_file, "--out", tmp_path / "runs", "--device", "cpu", *options)
    assert result.code == 2
    assert "write compile = false" in " ".join(result.err.split())
    assert "Traceback" not in result.err
    assert not (tmp_path / "runs").exists()


def test_what_provides_regularizers_and_augmentations_is_filled_in(resolved: Resolve) -> None:
    recipe = resolved("requires.plugins=[]", R1, "augmentations=[{name='diffaugment'}]")
    assert {"cganzoo-augment", "cganzoo-regularizers"} <= set(recipe.recipe.sections.requires.plugins)


# --- digests --------------------------------------------------------------------------------------------------------


def test_the_tables_are_part_of_what_a_run_is_however_they_are_written(resolved: Resolve) -> None:
    def of(*overrides: str) -> Resolved:
        plugins = [f"cganzoo-{name}" for name in ("amgan", "augment", "dcgan", "regularizers")]
        return resolved(f"requires.plugins={plugins}", *overrides)

    same = [
        of(R1),
        of("regularizers=[{name='r1', weight=10}]"),
        of("regularizers=[{every=1, weight=10.0, name='r1'}]", "augmentations=[]"),
    ]
    assert len({one.training_digest() for one in same}) == len({one.recipe_digest() for one in same}) == 1
    augmented = "augmentations=[{name='diffaugment', brightness=0.5}, {name='diffaugment', brightness=0.25}]"
    turned = "augmentations=[{name='diffaugment', brightness=0.25}, {name='diffaugment', brightness=0.5}]"
    others = [
        of(), same[0], of("regularizers=[{name='r1', weight=5.0}]"), of("regularizers=[{name='r1', every=2}]"),
        of("regularizers=[{name='r1', weight={from=10.0, to=0.0}}]"), of("regularizers=[{name='r2'}]"),
        of("regularizers=[{name='r1'}, {name='r2'}]"), of(R1, augmented), of(R1, turned),
    ]  # fmt: skip
    assert len({one.training_digest() for one in others}) == len(others)
    assert "regularizers" not in of().values(), "a recipe without the tables is written as before"


def test_keys_of_version_0_2_change_no_digest_at_their_default(resolved: Resolve) -> None:
    defaults = ["train.accumulate=1", "train.fake_labels=uniform", "data.shift=0", "generator.class_strength=1.0"]
    assert resolved(*defaults).training_digest() == resolved().training_digest()
    assert resolved(*defaults).recipe_digest() == resolved().recipe_digest()
    changed = ["train.accumulate=2", "train.fake_labels=data", "data.shift=1", "generator.class_strength=0.5"]
    digests = {resolved(one).training_digest() for one in [*changed, "train.ema_half_life=9"]}
    assert len(digests | {resolved().training_digest()}) == 6


def test_an_option_of_a_loss_decides_whether_a_setting_is_refused(resolved: Resolve) -> None:
    class Options(Config):
        split: bool = True

    class ByOption(Score):
        def __init__(self, context: BuildContext, split: bool) -> None:
            super().__init__(context)
            self.relational = not split

    recipe = with_extras(resolved("train.accumulate=2"), loss=Score)
    component = chosen(recipe, "loss", Score)
    for split in (True, False):
        spec = replace(component.spec, config=Options, build=lambda config, context: ByOption(context, config.split))
        one = replace(component, spec=spec, config=Options(split=split))
        changed = replace(recipe, components={**recipe.components, "loss": (one,)})
        if split:
            check_declarations(changed)
        else:
            with pytest.raises(RecipeError, match="compares the samples"):
                check_declarations(changed)
