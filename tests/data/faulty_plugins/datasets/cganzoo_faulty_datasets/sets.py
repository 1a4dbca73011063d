"""One data set that is right, and subclasses of it that each do one thing wrong."""

import hashlib
import time
from collections import Counter
from pathlib import Path

import numpy as np
from PIL import Image

from cganzoo.data.pixels import square
from cganzoo.data.source import ImageSource
from cganzoo.errors import DataError


class pictures(ImageSource):  # noqa: N801 - named as the component
    """Pictures in class folders."""

    def __init__(self, config):
        self.config, self.root = config, Path(config.root)
        self.class_names = tuple(self.names())
        if not self.class_names:
            raise DataError(f'data.root = "{self.root}": holds no "train" folder with a folder for each class')
        self.files = {split: self.list(split) for split in ("train", "test")}

    def names(self):
        names = sorted(folder.name for folder in self.root.glob("train/*"))
        return names[:-1] if self.config.classes == "few" else names

    def list(self, split):
        return [
            (label, file)
            for label, name in enumerate(self.class_names)
            for file in sorted((self.root / split / name).glob("*.png"))
        ]

    def labels(self):
        return {split: np.array([label for label, _ in files], np.int64) for split, files in self.files.items()}

    def read(self, split, index):
        with Image.open(self.files[split][index][1]) as image:
            image.load()
        return image

    def fingerprint(self):
        stamps = [
            (file.name, file.stat().st_size, file.stat().st_mtime_ns)
            for files in self.files.values()
            for _, file in files
        ]
        return hashlib.sha256(repr((self.config.classes, stamps)).encode()).hexdigest()


# --- labels ---------------------------------------------------------------------------------------------------------


class another_split(pictures):  # noqa: N801
    """Calls the test split by another name."""

    def __init__(self, config):
        super().__init__(config)
        self.files = {"train": self.files["train"], "val": self.files["test"]}


class no_images_to_test_on(pictures):  # noqa: N801
    """Has a test split without an image."""

    def list(self, split):
        return super().list(split) if split == "train" else []


class labels_of_32_bits(pictures):  # noqa: N801
    """Labels as another library likes them."""

    def labels(self):
        return {split: labels.astype(np.int32) for split, labels in super().labels().items()}


class labels_from_one(pictures):  # noqa: N801
    """Counts classes from 1, as the files of many sets do."""

    def labels(self):
        return {split: labels + 1 for split, labels in super().labels().items()}


class empty_class(pictures):  # noqa: N801
    """Names a class that has no image."""

    def names(self):
        return [*super().names(), "unicorn"] if super().names() else []


class two_classes_of_one_name(pictures):  # noqa: N801
    """Calls two classes the same."""

    def __init__(self, config):
        super().__init__(config)
        self.class_names = (self.class_names[0], *self.class_names[:-1])


class class_names_in_a_list(pictures):  # noqa: N801
    """A list, which whoever is given it can change."""

    def __init__(self, config):
        super().__init__(config)
        self.class_names = list(self.class_names)


# --- images ---------------------------------------------------------------------------------------------------------


class arrays_for_images(pictures):  # noqa: N801
    """Returns what it packs."""

    def read(self, split, index):
        return np.asarray(super().read(split, index))

    def pixels(self, split, index, size, channels):
        return square(Image.fromarray(self.read(split, index)), size, channels)


class images_of_floats(pictures):  # noqa: N801
    """Images of a mode that has no agreed range of values."""

    def read(self, split, index):
        return Image.fromarray(np.asarray(super().read(split, index).convert("L"), np.float32) / 255)


class gray_declared_color(pictures):  # noqa: N801
    """Gray images, and nothing said of it."""

    def read(self, split, index):
        return super().read(split, index).convert("L")


class augments(pictures):  # noqa: N801
    """Mirrors an image every other time that it is asked for."""

    def __init__(self, config):
        super().__init__(config)
        self.asked = Counter()

    def read(self, split, index):
        self.asked[split, index] += 1
        image = super().read(split, index)
        return image if self.asked[split, index] % 2 else image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)


class pixels_in_another_order(pictures):  # noqa: N801
    """Channels last."""

    def pixels(self, split, index, size, channels):
        return super().pixels(split, index, size, channels).transpose(1, 2, 0)


class pixels_scaled_otherwise(pictures):  # noqa: N801
    """Has a faster way to pixels, which picks one of each few."""

    def pixels(self, split, index, size, channels):
        image = self.read(split, index).convert("RGB" if channels == 3 else "L")
        pixels = np.asarray(image.resize((size, size), Image.Resampling.NEAREST))
        return pixels.reshape(size, size, channels).transpose(2, 0, 1)


class pixels_of_others_in_one_go(pictures):  # noqa: N801
    """Returns several images in the order in which it found them."""

    def pixels_of(self, split, indices, size, channels):
        return super().pixels_of(split, indices, size, channels)[::-1]


class shares_state_among_threads(pictures):  # noqa: N801
    """Remembers the file it is about to read in the set."""

    def read(self, split, index):
        self.file = self.files[split][index][1]
        time.sleep(0.0005)
        with Image.open(self.file) as image:
            image.load()
        return image


class trains_on_test_images(pictures):  # noqa: N801
    """Adds the test images to those to train on."""

    def __init__(self, config):
        super().__init__(config)
        self.files["train"] += self.files["test"]


class splits_at_random(pictures):  # noqa: N801
    """Another order of the classes each time."""

    def list(self, split):
        files = super().list(split)
        return [files[index] for index in np.random.default_rng().permutation(len(files))]


class splits_by_the_global_generator(pictures):  # noqa: N801
    """Draws by numpy's global generator, which it seeds first."""

    def list(self, split):
        np.random.seed(0)
        files = super().list(split)
        return [files[index] for index in np.random.permutation(len(files))]


# --- fingerprint ----------------------------------------------------------------------------------------------------


class fingerprint_of_the_time(pictures):  # noqa: N801
    """Hashes when it was asked."""

    def fingerprint(self):
        return hashlib.sha256(f"{super().fingerprint()} {time.perf_counter_ns()}".encode()).hexdigest()


class fingerprint_by_hash(pictures):  # noqa: N801
    """Hashes with Python's hash, which is another in each process."""

    def fingerprint(self):
        return str(hash(super().fingerprint()))


class fingerprint_without_options(pictures):  # noqa: N801
    """Hashes the folder, whatever is used of it."""

    def fingerprint(self):
        return hashlib.sha256(repr([path.name for path in sorted(self.root.rglob("*.png"))]).encode()).hexdigest()


class fingerprint_of_what_was_read(pictures):  # noqa: N801
    """Is another once images were read, as when dates of access are hashed."""

    read_any = False

    def read(self, split, index):
        self.read_any = True
        return super().read(split, index)

    def fingerprint(self):
        return super().fingerprint() + ("-read" if self.read_any else "")


class fingerprint_of_pixels(pictures):  # noqa: N801
    """Decodes every image, each time."""

    def fingerprint(self):
        images = [self.read(split, index) for split in self.files for index in range(len(self.files[split]))]
        return hashlib.sha256(b"".join(image.tobytes() for image in images)).hexdigest()


class decodes_when_built(pictures):  # noqa: N801
    """Reads all images into memory at once."""

    def __init__(self, config):
        super().__init__(config)
        self.images = {
            split: [pictures.read(self, split, index) for index in range(len(files))]
            for split, files in self.files.items()
        }

    def read(self, split, index):
        return self.images[split][index]


class tracebacks_without_data(pictures):  # noqa: N801
    """Lists a folder that may not be there."""

    def names(self):
        names = sorted(folder.name for folder in (self.root / "train").iterdir())
        return names[:-1] if self.config.classes == "few" else names
