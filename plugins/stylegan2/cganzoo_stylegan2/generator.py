"""The generator of StyleGAN2 (arXiv:1912.04958, figures 2 and 7), conditional as in arXiv:2006.06676."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from cganzoo import BuildContext
from cganzoo.errors import CganzooError
from cganzoo.layers import SmoothUpsample
from cganzoo.networks import Generator, class_weights, resolutions

from .config import StyleGAN2GeneratorConfig
from .layers import ModulatedConv2d, ScaledLeakyReLU, UpsampledModulatedConv2d
from .mapping import ClassEmbedding, Mapping, normalized
from .widths import channels

AVERAGED = 1000
"""Codes whose mean is the code of a class without variety."""


class StyleGAN2Generator(Generator):
    """Noise and class -> mapping network -> codes, which scale the channels of the convolutions of a learned constant.

    Args:
        config: the options.
        context: number of classes, size and channels of the images.

    Raises:
        CganzooError: an image size that the networks cannot have.
    """

    mixes_classes = True

    def __init__(self, config: StyleGAN2GeneratorConfig, context: BuildContext) -> None:
        super().__init__()
        self.latent_dim, self.conditional = config.latent_dim, config.conditional
        self.num_classes, self.style_mixing = context.num_classes, config.style_mixing
        sides = resolutions(context.image_size, "stylegan2")
        widths = [channels(side, config.width, config.max_width) for side in sides]
        self.num_codes = 2 * len(sides)
        code_dim, inputs = config.code_dim, config.latent_dim
        if config.conditional:
            self.embedding = ClassEmbedding(context.num_classes, code_dim)
            inputs += code_dim
        self.mapping = Mapping(inputs, code_dim, config.mapping_layers)
        self.constant = nn.Parameter(torch.randn(widths[0], sides[0], sides[0]))
        self.first = Styled(ModulatedConv2d(widths[0], widths[0], 3, code_dim), widths[0], sides[0])
        self.first_image = ToImage(widths[0], context.image_channels, code_dim)
        self.blocks = nn.ModuleList(
            Block(narrow, wide, side, context.image_channels, code_dim)
            for (narrow, wide), side in zip(pairwise(widths), sides[1:], strict=True)
        )

    def forward(self, z: Tensor, labels: Tensor) -> Tensor:
        """See :class:`cganzoo.networks.Generator`."""
        return self.synthesized(self.mapped(z, labels), labels)

    def mapped(self, z: Tensor, labels: Tensor) -> Tensor:
        """The codes (N, num_codes, code_dim), one for each convolution. In training, some images mix two codes.

        Of a mixed image, the convolutions from a random one on get the code of other noise (arXiv:1812.04948, section
        3.1).
        """
        codes = self.code(z, labels)[:, None].expand(-1, self.num_codes, -1)
        if not self.training or self.style_mixing == 0:
            return codes
        others = self.code(torch.randn_like(z), labels)[:, None]
        shape = (len(z), 1)
        crossover = torch.randint(1, self.num_codes, shape, device=z.device)
        mixed = torch.rand(shape, device=z.device) < self.style_mixing
        later = torch.arange(self.num_codes, device=z.device) >= crossover
        return torch.where((mixed & later)[:, :, None], others, codes)

    def code(self, z: Tensor, labels: Tensor) -> Tensor:
        """The code w (N, code_dim) of noise and class."""
        inputs = normalized(z)
        if self.conditional:
            inputs = torch.cat([inputs, self.embedding(labels)], 1)
        code: Tensor = self.mapping(inputs)
        return code

    def synthesized(self, codes: Tensor, labels: Tensor) -> Tensor:
        """Images from codes (N, num_codes, code_dim); the labels are already in the codes.

        The paper's images have no bound; here tanh keeps them in [-1, 1].
        """
        each = codes.unbind(1)
        maps = self.first(self.constant.expand(len(codes), -1, -1, -1), each[0])
        images: Tensor = self.first_image(maps, each[1])
        for number, block in enumerate(self.blocks, 1):
            # An image has the code of the next convolution, so neighbouring blocks share one.
            maps, images = block(maps, images, each[2 * number - 1 : 2 * number + 2])
        return images.tanh()

    def truncated(self, z: Tensor, labels: Tensor, truncation: float) -> Tensor:
        """Images of codes that are closer to the mean code of their class: mean + truncation (w - mean).

        With 0, all images of a class are equal in everything that the code decides; with 1, they are not truncated.
        The mean is that of 1,000 codes, which are the same in each call.

        Raises:
            CganzooError: ``truncation`` is below 0.
        """
        if not truncation >= 0:
            raise CganzooError(f"truncation = {truncation}: must be 0 or more")
        means = self.mean_codes(labels, z)[:, None]
        return self.synthesized(torch.lerp(means, self.mapped(z, labels), truncation), labels)

    def mean_codes(self, labels: Tensor, like: Tensor) -> Tensor:
        """The mean code (N, code_dim) of the class of each label, or of the weights of classes.

        Args:
            labels: (N,), or weights (N, K).
            like: noise of the device and type that the codes shall have.
        """
        noise = self.sample_latent(AVERAGED, torch.device("cpu"), torch.Generator().manual_seed(0)).to(like)
        weights = class_weights(labels, self.num_classes, like.dtype)
        if not self.conditional:
            weights = torch.zeros_like(weights)
        different, places = torch.unique(weights, dim=0, return_inverse=True)
        means = [self.code(noise, row.expand(AVERAGED, -1)).mean(0) for row in different]
        return torch.stack(means)[places]


class Block(nn.Module):
    """A resolution of the skip generator: two modulated convolutions, whose image is added to the upsampled image."""

    def __init__(self, inputs: int, outputs: int, side: int, image_channels: int, code_dim: int) -> None:
        super().__init__()
        self.up = Styled(UpsampledModulatedConv2d(inputs, outputs, code_dim), outputs, side)
        self.convolution = Styled(ModulatedConv2d(outputs, outputs, 3, code_dim), outputs, side)
        self.to_image = ToImage(outputs, image_channels, code_dim)
        self.upsample = SmoothUpsample()

    def forward(self, maps: Tensor, images: Tensor, codes: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
        """Maps and images of one resolution, and three codes (N, code_dim), to maps and images of the next one."""
        maps = self.convolution(self.up(maps, codes[0]), codes[1])
        return maps, self.upsample(images) + self.to_image(maps, codes[2])


class Styled(nn.Module):
    """A modulated convolution, noise, bias and activation (figure 2d).

    The noise of a pixel is the same for all channels. It is new in each call in training, and fixed otherwise.
    """

    noise: Tensor

    def __init__(self, convolution: ModulatedConv2d, outputs: int, side: int) -> None:
        super().__init__()
        self.convolution = convolution
        self.strength = nn.Parameter(torch.zeros(()))
        self.bias = nn.Parameter(torch.zeros(outputs, 1, 1))
        self.activation = ScaledLeakyReLU()
        self.register_buffer("noise", torch.randn(1, side, side))

    def forward(self, maps: Tensor, codes: Tensor) -> Tensor:
        """Maps (N, inputs, H, W) and codes (N, code_dim) to activated maps."""
        maps = self.convolution(maps, codes)
        noise = torch.randn_like(maps[:, :1]) if self.training else self.noise.to(maps.dtype)
        activated: Tensor = self.activation(maps + self.strength * noise + self.bias.to(maps.dtype))
        return activated


class ToImage(nn.Module):
    """Maps to the colours of pixels: a modulated 1x1 convolution without demodulation, and a bias."""

    def __init__(self, inputs: int, image_channels: int, code_dim: int) -> None:
        super().__init__()
        self.convolution = ModulatedConv2d(inputs, image_channels, 1, code_dim, demodulate=False)
        self.bias = nn.Parameter(torch.zeros(image_channels, 1, 1))

    def forward(self, maps: Tensor, codes: Tensor) -> Tensor:
        """Maps (N, inputs, H, W) and codes (N, code_dim) to images (N, C, H, W)."""
        images: Tensor = self.convolution(maps, codes) + self.bias
        return images
