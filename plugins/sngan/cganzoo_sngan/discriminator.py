"""The discriminator trunk: residual blocks that halve the size, then the sum over positions."""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional as F

from cganzoo import BuildContext
from cganzoo.layers import PooledConv2d
from cganzoo.networks import Discriminator, resolutions

from .config import SNGANDiscriminatorConfig
from .layers import SQRT2, large_widths, prepare


class DiscriminatorBlock(nn.Module):
    """Residual block: (N, C, H, W) to (N, O, H/2, W/2), or to (N, O, H, W) without ``down``.

    ReLU, 3x3 convolution, ReLU, 3x3 convolution, average pooling. The shortcut is average pooling and a 1x1
    convolution, and nothing where neither size nor channels change. The papers convolve first, which gives the same
    values with four times the work.

    Args:
        inputs: C.
        outputs: O.
        down: whether it halves the size.
        first: whether the maps are images: the papers' optimised block, which begins without ReLU.
        spectral_norm: whether its convolutions have spectral normalisation.
    """

    def __init__(self, inputs: int, outputs: int, *, down: bool, first: bool, spectral_norm: bool) -> None:
        super().__init__()
        conv2 = PooledConv2d(outputs, outputs) if down else nn.Conv2d(outputs, outputs, 3, padding=1)
        self.residual = nn.Sequential(
            nn.Identity() if first else nn.ReLU(),
            prepare(nn.Conv2d(inputs, outputs, 3, padding=1), SQRT2, spectral_norm),
            nn.ReLU(),
            prepare(conv2, SQRT2, spectral_norm),
        )
        self.shortcut = nn.Sequential()
        if down:
            self.shortcut.append(nn.AvgPool2d(2))
        if down or inputs != outputs:
            self.shortcut.append(prepare(nn.Conv2d(inputs, outputs, 1), 1, spectral_norm))

    def forward(self, maps: Tensor) -> Tensor:
        """Maps (N, C, H, W) to maps (N, O, H/2, W/2) or (N, O, H, W)."""
        result: Tensor = self.residual(maps) + self.shortcut(maps)
        return result


class SNGANDiscriminator(Discriminator):
    """Trunk: residual blocks that halve the size -> residual blocks that keep it -> ReLU -> sum over positions.

    Args:
        config: the options.
        context: size (8 to 256 px) and channels of the images.

    Raises:
        CganzooError: doubling maps of 4 to 7 pixels does not lead to the size of the images.
    """

    def __init__(self, config: SNGANDiscriminatorConfig, context: BuildContext) -> None:
        super().__init__()
        halvings, widths = layout(context.image_size)
        channels = [context.image_channels, *(width * config.width for width in widths)]
        self.feature_dim = channels[-1]
        self.blocks = nn.Sequential(
            *(
                DiscriminatorBlock(
                    inputs, outputs, down=index < halvings, first=index == 0, spectral_norm=config.spectral_norm
                )
                for index, (inputs, outputs) in enumerate(pairwise(channels))
            )
        )

    def forward(self, images: Tensor) -> Tensor:
        """See :class:`cganzoo.networks.Discriminator`."""
        return F.relu(self.blocks(images)).sum((2, 3))


def layout(image_size: int) -> tuple[int, tuple[int, ...]]:
    """How many blocks halve the size, and the channels of all blocks in units of the width.

    From 64 px, the blocks halve images to 4 to 7 pixels, and one more keeps that. Below, the blocks halve them to 8 to
    15 pixels, but at least once, and two more keep that.
    """
    halvings = len(resolutions(image_size, "sngan")) - 1
    widths = large_widths(image_size)
    if widths:
        return halvings, widths
    halvings = max(1, halvings - 1)
    return halvings, (2,) * (halvings + 2)
