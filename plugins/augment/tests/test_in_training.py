"""The augmentations in a recipe and in training: what is refused, what is resumed, and what the trunk sees."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from cganzoo.data.cache import ImageSet
from cganzoo.errors import RecipeError
from cganzoo.recipe.read import parse_recipe
from cganzoo.recipe.resolve import Resolved, resolve
from cganzoo.train.engine import Engine

RECIPE = """
[requires]
plugins = ["cganzoo-{loss}", "cganzoo-augment", "cganzoo-dcgan"]
[data]
name = "digits"
image_size = 8
[generator]
name = "dcgan"
width = 4
[discriminator]
name = "dcgan"
width = 4
[loss]
name = "{loss}"
{augmentations}
[optimizer.generator]
name = "adam"
lr = 4e-4
[optimizer.discriminator]
name = "adam"
lr = 4e-4
[train]
steps = 20
batch_size = 8
"""

DIFFAUGMENT = '[[augmentations]]\nname = "diffaugment"\ntranslation = { from = 0.0, to = 0.5 }'
ADA = '[[augmentations]]\nname = "ada"\ntransforms = ["blit", "geom", "color", "filter", "noise", "cutout"]'
ADAPTED = f"{ADA}\ninterval = 3\nspeed = 100\ntarget = -1.0"


def resolved(*augmentations: str, loss: str = "amgan", overrides: tuple[str, ...] = ()) -> Resolved:
    text = RECIPE.format(loss=loss, augmentations="\n".join(augmentations))
    return resolve(parse_recipe(text, name="augmented", source="augmented.toml", overrides=overrides))


def started(*augmentations: str, loss: str = "amgan", overrides: tuple[str, ...] = ()) -> Engine:
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (64, 1, 8, 8), np.uint8)
    images = ImageSet(pixels, np.arange(64) % 4, tuple("abcd"), "train", "noise")
    return Engine(resolved(*augmentations, loss=loss, overrides=overrides), images, torch.device("cpu"))


def same(one: Any, other: Any) -> bool:
    """Whether two states are equal to the bit."""
    if isinstance(one, Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


def advanced(engine: Engine, steps: int) -> Engine:
    for _ in range(steps):
        engine.advance()
    return engine


@pytest.mark.parametrize("augmentations", [(ADAPTED,), (DIFFAUGMENT, ADAPTED), (DIFFAUGMENT,)])
def test_a_killed_run_is_resumed_to_the_same_bits(augmentations: tuple[str, ...]) -> None:
    stopped = advanced(started(*augmentations), 4)  # in the middle of an interval
    file = io.BytesIO()
    torch.save(stopped.state(), file)
    wanted = advanced(stopped, 5).state()
    fresh = started(*augmentations)
    torch.rand(5)
    file.seek(0)
    fresh.load_state(torch.load(file, weights_only=True))
    found = advanced(fresh, 5).state()
    for part in wanted:
        assert same(found[part], wanted[part]), part
    if ADAPTED in augmentations:
        assert found["modules"]["augmentations"][f"{len(augmentations) - 1}.p"] == pytest.approx(3 * 24 / 100)


def test_the_trunk_sees_changed_images_in_both_steps() -> None:
    plain, augmented = started(), started(f"{ADA}\np = 1.0")
    seen: dict[str, list[Tensor]] = {"plain": [], "augmented": []}
    for name, engine in (("plain", plain), ("augmented", augmented)):
        engine.trunk.register_forward_pre_hook(lambda module, inputs, name=name: seen[name].append(inputs[0].detach()))
        torch.manual_seed(0)
        engine.advance()
    assert len(seen["plain"]) == len(seen["augmented"]) > 0
    for one, other in zip(seen["plain"], seen["augmented"], strict=True):
        assert one.shape == other.shape
        assert (one != other).flatten(1).any(1).all()
    assert all(value.isfinite() for values in augmented.terms.values() for value in values)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (
            f"{ADA}\np = 0.5\ntarget = 0.5",
            r"augmentations\.0\.target: has no effect, because augmentations\.0\.p = 0\.5 takes its place",
        ),
        (f"{ADA}\np = 0.5\nspeed = 1000", "speed: has no effect, because"),
        (f"{ADA}\np = 1.5", r"augmentations\.0\.p: every value must be at most 1"),
        (f"{ADA}\np = {{ from = 0.0, to = 2.0 }}", "every value must be at most 1"),
        (
            '[[augmentations]]\nname = "ada"\ntransforms = ["blits"]',
            r"transforms\.0: \"blits\" does not fit: input should be 'blit', 'flip', [^\n]*$",
        ),
        ('[[augmentations]]\nname = "ada"\ntransforms = []', r"transforms: .*write one name at least"),
        ('[[augmentations]]\nname = "diffaugment"\npolicy = ["color", "color"]', '"color" is named twice'),
        ('[[augmentations]]\nname = "diffaugment"\ncontrast = -0.1', r"contrast: every value must be at least 0"),
    ],
)
def test_mistakes_in_a_recipe_are_named(table: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        resolved(table)


def test_a_resolved_recipe_with_all_options_is_accepted_again() -> None:
    values = resolved(f"{ADA}\np = 0.5").values()["augmentations"]
    assert values[0]["target"] == 0.6
    text = "\n".join(f"{key} = {value!r}".replace("'", '"') for key, value in values[0].items() if value is not None)
    assert resolved(f"[[augmentations]]\n{text}").augmentations[0].config.p == 0.5


@pytest.mark.parametrize("parts", [1, 4])
def test_the_adapted_probability_is_in_the_log(parts: int) -> None:
    engine = advanced(started(ADAPTED, overrides=(f"train.accumulate={parts}",)), 6)
    logged = [value.item() for value in engine.terms["discriminator/ada_p"]]
    after = 3 * 8 / 100  # an interval of three batches; the target of -1 raises p
    assert logged == pytest.approx([0, 0, 0, after, after, after]), "each value is that of its own step"
    assert engine.augmentations[0].p.item() == pytest.approx(2 * after), "parts of a batch are no batches"


def test_the_log_has_the_probability_of_each_augmentation() -> None:
    engine = advanced(started(ADAPTED, ADAPTED.replace("interval = 3", "interval = 2")), 3)
    first, second = (engine.terms[f"discriminator/{name}"][-1].item() for name in ("ada_p", "ada_p_2"))
    assert (first, second) == (0, pytest.approx(2 * 8 / 100))


def test_groups_of_transforms_follow_schedules_of_their_own() -> None:
    """R3GAN's strength: p follows a curve, colours have half of it, and its loss has no score that could adapt it."""
    table = '[[augmentations]]\nname = "ada"\ntransforms = ["{}"]\np = {{ {}, steps = 4, curve = "cosine" }}'
    engine = started(
        table.format("blit", "from = 0, to = 0.4"), table.format("color", "from = 0, to = 0.2"), loss="r3gan"
    )
    for step, of_blit in ((1, 0), (3, 0.2), (7, 0.4)):
        advanced(engine, step - engine.step)
        assert [each.p.item() for each in engine.augmentations] == pytest.approx([of_blit, of_blit / 2], abs=1e-7)
