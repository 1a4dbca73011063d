"""A file as ``cganzoo export`` writes it, of a generator that is not trained."""

from __future__ import annotations

from pathlib import Path

from cganzoo.images import export_file
from cganzoo.images.export_file import Origin
from cganzoo.recipe.resolve import Resolved
from cganzoo.specs import BuildContext


def exported(path: Path, resolved: Resolved, names: tuple[str, ...], scale: float = 1) -> Path:
    """An exported generator with random weights; with a large ``scale``, its images differ visibly."""
    context = BuildContext(num_classes=len(names), image_size=8, image_channels=1, class_names=names)
    weights = resolved.generator.create(context).state_dict()
    for weight in weights.values():
        weight.mul_(scale)
    path.write_bytes(export_file.pack(Origin(resolved.toml(), "cganzoo-dcgan", names, 1, 3, {}), weights))
    return path
