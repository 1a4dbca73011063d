"""The data sets that come with the host and their options, registered by the hook of plugins. No torch, no numpy."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from cganzoo.config import ArchiveConfig, Config
from cganzoo.hookspecs import hookimpl
from cganzoo.specs import Archive, DatasetSpec

if TYPE_CHECKING:
    from cganzoo.data.source import ArraySource


class DigitsConfig(Config):
    """Options of ``digits``."""

    test_fraction: float = Field(0.2, ge=0.01, le=0.99, description="Share of each class held out as the test split.")


Grayscale = Literal["keep", "drop"]
"""Use or leave out images that are stored without colour."""


class FolderConfig(Config):
    """Options of ``folder``."""

    unpacks_tar: ClassVar[bool] = True

    root: str = Field(
        description="Folder, zip or tar archive: one folder a class, or folders of splits holding those, or images "
        "with a label file.",
    )
    labels: str | None = Field(
        None,
        min_length=1,
        description='Label file below root, such as "labels.csv", or "folders" to use class folders; default: found.',
    )
    label_column: str | None = Field(
        None, min_length=1, description="Column of the label file that names the classes; default: found."
    )
    test_fraction: float = Field(
        0.1, gt=0, lt=1, description='Share of each class held out where there is no "test" folder.'
    )
    unreadable: Literal["stop", "skip"] = Field("stop", description="Stop at an image that cannot be read, or skip it.")
    grayscale: Grayscale = Field("keep", description="Whether images that are stored without colour are used.")


class ImageNetConfig(Config):
    """Options of ``imagenet``."""

    root: str = Field(description='Folder with "train" and "val", each with one folder for each WordNet id.')
    unreadable: Literal["stop", "skip"] = Field("stop", description="Stop at an image that cannot be read, or skip it.")


class TinyImageNetConfig(ArchiveConfig):
    """Options of ``tinyimagenet``."""

    grayscale: Grayscale = Field(
        "keep", description="Whether gray JPEGs (about 2 % of the set) are used; the AM-GAN authors drop them."
    )


class CIFAR100Config(ArchiveConfig):
    """Options of ``cifar100``."""

    labels: Literal["fine", "coarse"] = Field("fine", description="100 classes, or the 20 that they belong to.")


def digits(config: DigitsConfig) -> ArraySource:
    """1,797 gray images of 8x8 pixels in ten classes (UCI Optical Recognition of Handwritten Digits, test part)."""
    import numpy as np
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    from cganzoo.data.source import ArraySource

    bunch = load_digits()
    images = np.rint(bunch.images * (255 / 16)).astype(np.uint8)  # stored as counts of 0 to 16
    train, test = train_test_split(
        np.arange(len(images)), test_size=config.test_fraction, stratify=bunch.target, random_state=0
    )
    return ArraySource(
        {"train": (images[train], bunch.target[train]), "test": (images[test], bunch.target[test])},
        class_names=tuple(str(name) for name in bunch.target_names),
    )


@hookimpl
def cganzoo_datasets() -> Iterable[DatasetSpec[Any]]:
    """The host's own data sets."""
    yield DatasetSpec(
        name="digits",
        summary="1,797 handwritten digits of 8x8 pixels, from scikit-learn; nothing to download",
        config=DigitsConfig,
        build=digits,
        channels=1,
        image_size=8,
    )
    yield DatasetSpec(
        name="folder",
        summary="Your own images: one folder a class, any format and size",
        config=FolderConfig,
        build="cganzoo.data.sets.folder:FolderSource",
    )
    yield DatasetSpec(
        name="cifar10",
        summary="60,000 photographs of 32x32 pixels in ten classes",
        config=ArchiveConfig,
        build="cganzoo.data.sets.cifar:cifar10",
        image_size=32,
        archive=Archive(
            url="https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
            checksum="md5:c58f30108f718f92721af3b95e74349a",
            size=170_498_071,
        ),
    )
    yield DatasetSpec(
        name="cifar100",
        summary="60,000 photographs of 32x32 pixels in 100 classes of 20 kinds",
        config=CIFAR100Config,
        build="cganzoo.data.sets.cifar:cifar100",
        image_size=32,
        archive=Archive(
            url="https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz",
            checksum="md5:eb9058c3a382ffc7106e4002c42a8d85",
            size=169_001_437,
        ),
    )
    yield DatasetSpec(
        name="tinyimagenet",
        summary="110,000 photographs of 64x64 pixels in 200 of ImageNet's classes",
        config=TinyImageNetConfig,
        build="cganzoo.data.sets.tinyimagenet:TinyImageNetSource",
        image_size=64,
        archive=Archive(
            url="http://cs231n.stanford.edu/tiny-imagenet-200.zip",
            checksum="md5:90528d7ca1a48142e341f4ef8d21d0de",
            size=248_100_043,
        ),
    )
    yield DatasetSpec(
        name="imagenet",
        summary="ImageNet-1k from its class folders: train/ and val/, one folder for each WordNet id",
        config=ImageNetConfig,
        build="cganzoo.data.sets.folder:ImageNetSource",
    )
    yield DatasetSpec(
        name="cub200",
        summary="11,788 photographs of 200 bird species (Caltech-UCSD Birds-200-2011)",
        config=ArchiveConfig,
        build="cganzoo.data.sets.cub200:CUB200Source",
        archive=Archive(
            url="https://data.caltech.edu/records/65de6-vp158/files/CUB_200_2011.tgz",
            checksum="md5:97eceeb196236b17998738112f37df78",
            size=1_150_585_339,
        ),
    )
