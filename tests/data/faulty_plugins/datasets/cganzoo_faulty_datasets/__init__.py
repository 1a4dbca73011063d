"""A data set without fault, and the same with one fault each; which, is said in ``sets.py``."""

import dataclasses
from typing import Literal

from pydantic import Field

from cganzoo import Config, DatasetSpec, hookimpl

OF_THE_SPEC = ("wrong_size", "color_declared_gray", "gray_declared_color")
OF_THE_CODE = (
    "another_split",
    "no_images_to_test_on",
    "labels_of_32_bits",
    "labels_from_one",
    "empty_class",
    "two_classes_of_one_name",
    "class_names_in_a_list",
    "arrays_for_images",
    "images_of_floats",
    "augments",
    "pixels_in_another_order",
    "pixels_scaled_otherwise",
    "pixels_of_others_in_one_go",
    "shares_state_among_threads",
    "trains_on_test_images",
    "splits_at_random",
    "splits_by_the_global_generator",
    "fingerprint_of_the_time",
    "fingerprint_by_hash",
    "fingerprint_without_options",
    "fingerprint_of_what_was_read",
    "fingerprint_of_pixels",
    "decodes_when_built",
    "tracebacks_without_data",
)


class PicturesConfig(Config):
    """Options of each."""

    root: str = Field(description="Folder with train/<class>/*.png and test/<class>/*.png.")
    classes: Literal["all", "few"] = Field("all", description="Whether the last class is used.")


def build(name):
    def build_one(config):
        from . import sets

        return getattr(sets, name)(config)

    return build_one


@hookimpl
def cganzoo_datasets():
    faultless = DatasetSpec(
        name="pictures",
        summary="Pictures of 8 pixels",
        config=PicturesConfig,
        build=build("pictures"),
        image_size=8,
    )
    yield faultless
    for name in OF_THE_CODE:
        yield dataclasses.replace(faultless, name=name, build=build(name))
    yield dataclasses.replace(faultless, name="wrong_size", image_size=16)
    yield dataclasses.replace(faultless, name="color_declared_gray", channels=1)
    yield dataclasses.replace(faultless, name="gray_declared_color", build=build("gray_declared_color"))
