"""The mapping network, and the embedding of classes (arXiv:1812.04948, section 2; arXiv:2006.06676, section 4)."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor, nn

from cganzoo.networks import class_weights

from .layers import EPS, EqualizedLinear, ScaledLeakyReLU

LR_FACTOR = 0.01


class Mapping(nn.Sequential):
    """Linear layers and activations, with a hundredth of the learning rate: (N, inputs) to (N, outputs)."""

    def __init__(self, inputs: int, outputs: int, layers: int) -> None:
        def stack() -> Iterator[nn.Module]:
            for layer in range(layers):
                yield EqualizedLinear(outputs if layer else inputs, outputs, lr_factor=LR_FACTOR)
                yield ScaledLeakyReLU()

        super().__init__(*stack())


class ClassEmbedding(EqualizedLinear):
    """A learned vector of mean square 1 for each class; between classes, for weights of them."""

    def __init__(self, num_classes: int, outputs: int) -> None:
        super().__init__(num_classes, outputs)
        self.num_classes = num_classes

    def forward(self, labels: Tensor) -> Tensor:
        """Labels (N,), or weights of the classes (N, K), to (N, outputs)."""
        return normalized(super().forward(class_weights(labels, self.num_classes, self.weight.dtype)))


def normalized(vectors: Tensor) -> Tensor:
    """Vectors (N, L), divided by the root of their mean square."""
    return vectors * (vectors.square().mean(1, keepdim=True) + EPS).rsqrt()
