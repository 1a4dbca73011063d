"""What is true of each transform of each augmentation, alone and all together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from cganzoo.augmentation import Augmentation

Make = Callable[..., Augmentation]
Images = Callable[..., Tensor]

STRENGTHS = {"brightness": 0.5, "saturation": 1.0, "contrast": 0.5, "translation": 0.125, "cutout": 0.5}
NONE = dict.fromkeys(STRENGTHS, 0.0)
EVERY_TRANSFORM = ["blit", "geom", "color", "filter", "noise", "cutout"]
GEOMETRY = ["flip", "rotate90", "shift", "scale", "rotate", "stretch", "translate"]
SINGLE = [*GEOMETRY, "brightness", "contrast", "luma_flip", "hue", "saturation", "filter", "noise", "cutout"]

CASES: dict[str, tuple[str, dict[str, Any]]] = {
    **{f"diffaugment {name}": ("diffaugment", {**NONE, name: value}) for name, value in STRENGTHS.items()},
    "diffaugment": ("diffaugment", {}),
    **{f"ada {name}": ("ada", {"transforms": [name], "p": 1.0}) for name in SINGLE},
    "ada": ("ada", {"transforms": EVERY_TRANSFORM, "p": 0.7}),
}
EACH = pytest.mark.parametrize("case", CASES)


def seeded(augmentation: Augmentation, images: Tensor, seed: int = 3) -> Tensor:
    torch.manual_seed(seed)
    changed: Tensor = augmentation(images)
    return changed


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize(("channels", "side"), [(1, 8), (3, 8), (3, 33), (1, 64)])
def test_strength_or_probability_0_changes_no_bit(
    make: Make, images: Images, channels: int, side: int, dtype: torch.dtype
) -> None:
    given = images(5, channels, side, dtype)
    for name, options in (("diffaugment", NONE), ("ada", {"transforms": EVERY_TRANSFORM, "p": 0.0})):
        changed = make(name, side, channels, **options)(given)
        assert changed.dtype == dtype
        assert torch.equal(changed, given)
    assert torch.equal(make("ada", side, channels, transforms=EVERY_TRANSFORM)(given), given), (
        "an adapted p begins at 0"
    )


@EACH
def test_images_keep_shape_and_type_and_are_changed(make: Make, images: Images, case: str) -> None:
    name, options = CASES[case]
    colours = any(word in case for word in ("saturation", "hue"))
    for channels, side, dtype in ((3, 8, torch.float16), (3, 33, torch.float32), (1, 8, torch.float64)):
        given = images(16, channels, side, dtype)
        changed = make(name, side, channels, **options)(given)
        assert (changed.shape, changed.dtype) == (given.shape, dtype)
        assert changed.isfinite().all()
        if channels == 1 and colours:
            torch.testing.assert_close(changed, given, rtol=0, atol=1e-6)
        else:
            assert not torch.equal(changed, given)


@EACH
def test_each_sample_is_changed_by_itself(make: Make, images: Images, case: str) -> None:
    name, options = CASES[case]
    augmentation = make(name, 8, **options)
    given = images(24)
    other = given.clone()
    other[5] = images(1)[0]
    one, two = seeded(augmentation, given), seeded(augmentation, other)
    same = [torch.equal(*pair) for pair in zip(one, two, strict=True)]
    assert same == [number != 5 for number in range(24)]


@EACH
def test_samples_and_calls_are_drawn_differently(make: Make, images: Images, case: str) -> None:
    name, options = CASES[case]
    augmentation = make(name, 8, **options)
    given = images(1).expand(48, -1, -1, -1)
    first, second = augmentation(given), augmentation(given)
    kinds = 2 if "flip" in case else 4 if "rotate90" in case else 9
    assert len(torch.unique(first.flatten(1), dim=0)) >= kinds
    assert not torch.equal(first, second)


@EACH
def test_gradients_of_first_and_second_order_reach_every_image(make: Make, images: Images, case: str) -> None:
    name, options = CASES[case]
    augmentation = make(name, 6, **options)
    given = images(3, 3, 6, torch.float64).requires_grad_()

    def energy(pixels: Tensor) -> Tensor:
        return seeded(augmentation, pixels).pow(3)

    assert torch.autograd.gradcheck(energy, given, fast_mode=True)
    assert torch.autograd.gradgradcheck(energy, given, fast_mode=True)
    (gradient,) = torch.autograd.grad(energy(given).sum(), given, create_graph=True)
    (again,) = torch.autograd.grad(gradient.square().sum(), given)
    for reached in (gradient, again):
        assert (reached.flatten(1).abs().sum(1) > 0).all()


def test_nothing_waits_for_the_device(make: Make, images: Images) -> None:
    """Tensors on the device "meta" have no values, so each use of a value or of a tensor of another device fails."""
    given = images(4, 3, 8).to("meta")
    schedule = {"from": 0.0, "to": 1.0}
    for name, options in (
        ("diffaugment", {}),
        ("diffaugment", {"translation": schedule, "cutout": schedule, "contrast": schedule}),
        ("ada", {"transforms": EVERY_TRANSFORM}),
        ("ada", {"transforms": EVERY_TRANSFORM, "p": schedule}),
    ):
        augmentation = make(name, 8, **options).to("meta")
        changed = augmentation(given)
        augmentation.observe(torch.empty(4, device="meta"))
        assert (changed.shape, changed.device.type) == (given.shape, "meta")


@pytest.mark.parametrize("name", ["diffaugment", "ada"])
def test_it_is_compiled_as_a_whole(make: Make, images: Images, name: str) -> None:
    augmentation = make(name, 8, **({"transforms": EVERY_TRANSFORM} if name == "ada" else {}))
    if name == "ada":
        augmentation.get_buffer("p").fill_(0.7)
    given = images(4)

    def step(pixels: Tensor) -> Tensor:
        changed: Tensor = augmentation(pixels)
        augmentation.observe(changed.mean((1, 2, 3)))
        return changed

    compiled = torch.compile(step, fullgraph=True, backend="eager")
    torch.manual_seed(1)
    found = compiled(given)
    torch.manual_seed(1)
    torch.testing.assert_close(found, step(given))


def test_strengths_follow_schedules(make: Make, images: Images) -> None:
    rising = {"from": 0.0, "to": 1.0}
    given = images(8, 3, 8)
    for name, options in (
        ("diffaugment", dict.fromkeys(STRENGTHS, rising)),
        ("ada", {"transforms": EVERY_TRANSFORM, "p": rising}),
    ):
        augmentation = make(name, 8, **options)
        assert torch.equal(augmentation(given), given)
        augmentation.advance(50, 100)
        fixed = make(name, 8, **{key: 0.5 if value == rising else value for key, value in options.items()})
        assert torch.equal(seeded(augmentation, given), seeded(fixed, given))
        assert not torch.equal(seeded(augmentation, given), given)
        assert not augmentation.state_dict(), "the step alone decides scheduled values"
