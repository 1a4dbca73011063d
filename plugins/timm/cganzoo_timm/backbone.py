"""A timm model as a function from images to feature maps of several depths."""

from __future__ import annotations

from typing import Any

import timm
import torch
from timm.layers.format import Format
from torch import Tensor, nn

from cganzoo import BuildContext
from cganzoo.errors import CganzooError, RunError
from cganzoo.extractor import weights_hash
from cganzoo.pretrained import check_model, pretrained_model, size_arguments

from .config import TimmDiscriminatorConfig
from .frozen import freeze
from .resize import resize

KEY, WEIGHTS = "discriminator.model", "discriminator.weights"


class Backbone(nn.Module):
    """Images (N, C, H, W) in [-1, 1] to the maps of the chosen stages, each (N, C_l, H_l, H_l), the finest first.

    Images are resized (bilinear, antialiased) and normalised with the mean and standard deviation of the model's
    training; gray images are repeated to its channels. The model always works as in evaluation: no dropout, and batch
    normalisation with its running averages. So the features of an image do not depend on its batch.

    A frozen model's weights are buffers. If they come from the hub or from a file, the state dict has only their hash,
    and loading another one is refused; random ones are in the state dict.

    Attributes:
        shapes: channels and side (C_l, H_l) of each map.
    """

    scale: Tensor
    shift: Tensor
    weights_hash: Tensor

    def __init__(self, config: TimmDiscriminatorConfig, context: BuildContext) -> None:
        super().__init__()
        check_model(config.model, key=KEY)
        known: Any = timm.get_pretrained_cfg(config.model)
        training = known.to_dict()
        channels, *_, own_size = training["input_size"]
        if context.image_channels not in (1, channels):
            raise CganzooError(
                f'model = "{config.model}" takes images of {channels} channels, not {context.image_channels}; '
                "write another model"
            )
        fixed = bool(size_arguments(config.model, own_size))
        size = config.input_size or (own_size if fixed else max(own_size, context.image_size))
        mean, std = (torch.tensor(training[key])[:, None, None] for key in ("mean", "std"))
        self.register_buffer("scale", 0.5 / std, persistent=False)
        self.register_buffer("shift", (0.5 - mean) / std, persistent=False)
        self.resize = resize(context.image_size, size)

        self.config = config
        # Torch's device "meta" has no values: a network is built there only for its shapes.
        loaded = config.weights != "random" and not self.scale.is_meta
        self.model = feature_model(config, size, loaded=loaded)
        self.channels_last = getattr(self.model, "output_fmt", None) == Format.NHWC
        for module in self.model.modules():
            if hasattr(module, "fused_attn"):
                module.fused_attn = False  # fused attention has no second derivative, as gradient penalties need it
        if not config.trained:
            if loaded:
                digest = bytes.fromhex(weights_hash(self.model))
                self.register_buffer("weights_hash", torch.tensor(list(digest), dtype=torch.uint8))
            freeze(self.model, persistent=config.weights == "random")
        self.eval()
        self.shapes = self._shapes(context)

    def forward(self, images: Tensor) -> list[Tensor]:
        """See the class."""
        maps = self.model(self.resize(images) * self.scale + self.shift)
        return [one.permute(0, 3, 1, 2) if self.channels_last else one for one in maps]

    def train(self, mode: bool = True) -> Backbone:
        """Training does not change how the model works: it stays in evaluation mode."""
        super().train(mode)
        self.model.eval()
        for module in self.model.modules():
            if hasattr(module, "attention_bias_cache"):
                module.training = True  # in evaluation mode it would use the biases of its first call for ever
        return self

    @torch.no_grad()
    def _shapes(self, context: BuildContext) -> list[tuple[int, int]]:
        images = torch.zeros(1, context.image_channels, context.image_size, context.image_size)
        try:
            maps = self(images)
        except Exception as error:  # timm models raise different errors for sizes that they do not take
            raise CganzooError(
                f'input_size = {self.config.input_size or "its own"}: timm\'s "{self.config.model}" does not take '
                f"images of this size ({first_line(error)}); write another input_size, or another model"
            ) from error
        return [(one.shape[1], one.shape[2]) for one in maps]

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        saved, own = state_dict.get(f"{prefix}weights_hash"), getattr(self, "weights_hash", None)
        if saved is not None and own is not None and not torch.equal(saved.cpu(), own.cpu()):
            found, expected = (bytes(one.tolist()).hex() for one in (own, saved))
            raise RunError(
                f'{WEIGHTS} = "{self.config.weights}": these weights of "{self.config.model}" have the hash {found}; '
                f"those of the checkpoint have {expected}; restore the earlier weights"
            )
        super()._load_from_state_dict(state_dict, prefix, *rest)


def feature_model(config: TimmDiscriminatorConfig, size: int, *, loaded: bool) -> Any:
    """The timm model as a module from normalised images to a list of maps; random, or with weights if ``loaded``."""
    arguments = {"features_only": True, **size_arguments(config.model, size)}
    try:
        random: Any = timm.create_model(config.model, **arguments)
    except Exception as error:  # timm raises different errors
        raise CganzooError(
            f'model = "{config.model}": cannot be built for feature maps with images of {size} px '
            f"({first_line(error)}); write another input_size or another model, such as tf_efficientnet_lite0"
        ) from error
    maps = random.feature_info.info
    stages = config.stages or default_stages([one["reduction"] for one in maps])
    if stages[-1] >= len(maps):
        raise CganzooError(
            f'stages = {list(stages)}, but timm\'s "{config.model}" has the maps 0 to {len(maps) - 1}; '
            "write numbers of these"
        )
    arguments["out_indices"] = stages
    if loaded:
        # The whole model is loaded first: it refuses a file of another network, which some feature models accept.
        file = None if config.weights == "pretrained" else config.weights
        whole = pretrained_model(config.model, file, key=KEY, weights_key=WEIGHTS)
        arguments |= {"pretrained": True, "pretrained_cfg_overlay": {"state_dict": whole.state_dict()}}
    return timm.create_model(config.model, **arguments)


def default_stages(reductions: list[int]) -> tuple[int, ...]:
    """The last map of each of the four coarsest sizes; if all have one size, four evenly spaced ones.

    Args:
        reductions: of each map of a model, the size of the images divided by that of the map.
    """
    if len(set(reductions)) == 1:
        count = min(4, len(reductions))
        return tuple(len(reductions) * number // count - 1 for number in range(1, count + 1))
    last = {reduction: number for number, reduction in enumerate(reductions)}
    return tuple(sorted(last.values())[-4:])


def first_line(error: Exception) -> str:
    """The first line of a library's message."""
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".:")
