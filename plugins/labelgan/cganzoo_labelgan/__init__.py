"""LabelGAN: the discriminator with K + 1 classes of arXiv:1606.03498, in the form of arXiv:1703.02000."""

from __future__ import annotations

from collections.abc import Iterable

from cganzoo import LossSpec, hookimpl

from .config import LabelGANConfig


@hookimpl
def cganzoo_losses() -> Iterable[LossSpec[LabelGANConfig]]:
    """The loss ``labelgan``."""
    yield LossSpec(
        name="labelgan",
        summary="K + 1 classes in the discriminator; samples may have any real class",
        config=LabelGANConfig,
        build="cganzoo_labelgan.loss:LabelGAN",
        reference="cganzoo_labelgan.reference",
        paper="arXiv:1606.03498",
    )
