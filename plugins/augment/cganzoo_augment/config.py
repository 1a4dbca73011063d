"""Options of the augmentations."""

from __future__ import annotations

from typing import Annotated, Literal, TypeVar

from pydantic import AfterValidator, Field

from cganzoo import Config, InsteadOf, Scalar, at_least, at_most

Name = TypeVar("Name", bound=str)


def _some_once(names: tuple[Name, ...]) -> tuple[Name, ...]:
    if not names:
        raise ValueError("write one name at least, or remove the augmentation")
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f'"{name}" stands twice; write each name once')
    return names


Strength = Annotated[Scalar, at_least(0)]
Share = Annotated[Scalar, at_least(0), at_most(1)]


class DiffAugmentConfig(Config):
    """Options of ``diffaugment``; the defaults are the paper's. A strength of 0 changes no image."""

    policy: Annotated[tuple[Literal["color", "translation", "cutout"], ...], AfterValidator(_some_once)] = Field(
        ("color", "translation", "cutout"),
        description="The changes in their order; color is brightness, saturation and contrast.",
    )
    brightness: Strength = Field(
        0.5, description="Greatest change of brightness; the distance from black to white is 2."
    )
    saturation: Strength = Field(
        1.0, description="The factor of the saturation is from 1 - saturation to 1 + saturation."
    )
    contrast: Strength = Field(0.5, description="The factor of the contrast is from 1 - contrast to 1 + contrast.")
    translation: Share = Field(0.125, description="Greatest translation, as a part of the image's side.")
    cutout: Share = Field(0.5, description="Side of the gray square, as a part of the image's side.")


Transform = Literal[
    "blit",
    "flip",
    "rotate90",
    "shift",
    "geom",
    "scale",
    "rotate",
    "stretch",
    "translate",
    "color",
    "brightness",
    "contrast",
    "luma_flip",
    "hue",
    "saturation",
    "filter",
    "noise",
    "cutout",
]

GROUPS: dict[str, tuple[str, ...]] = {
    "blit": ("flip", "rotate90", "shift"),
    "geom": ("scale", "rotate", "stretch", "translate"),
    "color": ("brightness", "contrast", "luma_flip", "hue", "saturation"),
}
"""The paper's groups of several transforms; filter, noise and cutout are groups of one."""


class AdaConfig(Config):
    """Options of ``ada``; the defaults are the paper's."""

    transforms: Annotated[tuple[Transform, ...], AfterValidator(_some_once)] = Field(
        ("blit", "geom", "color"),
        description="The transforms that may be applied, in the pipeline's order. blit is flip, rotate90 and shift; "
        "geom is scale, rotate, stretch and translate; color is brightness, contrast, luma_flip, hue and saturation.",
    )
    p: Annotated[Share | None, InsteadOf("target"), InsteadOf("interval"), InsteadOf("speed")] = Field(
        None, description="Probability of each transform; default: adapted, from 0 on."
    )
    target: float = Field(
        0.6, ge=-1, le=1, description="p rises while the mean sign of the scores of real images is above this."
    )
    interval: int = Field(4, ge=1, description="p changes after this many batches of real images.")
    speed: float = Field(500_000, gt=0, description="Real images in which p rises from 0 to 1, if it never falls.")

    def chosen(self) -> set[str]:
        """The names of the single transforms."""
        return {single for name in self.transforms for single in GROUPS.get(name, (name,))}
