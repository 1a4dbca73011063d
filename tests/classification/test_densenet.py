"""DenseNet-BC of growth 40 and depth 40, against what its paper says of it."""

from __future__ import annotations

import torch
from torch import nn

from cganzoo.classification import ImageClassifier, Shape
from cganzoo.config import ClassifierConfig

DENSENET = ClassifierConfig(model="densenet_bc_40_40")


def parameters(growth: int, bottlenecks: int, blocks: int, image_channels: int, classes: int) -> int:
    """Counted layer by layer from the description in arXiv:1608.06993."""
    channels = 2 * growth
    total = 9 * image_channels * channels  # the stem; convolutions have no bias, as a normalisation follows
    for block in range(blocks):
        for _ in range(bottlenecks):
            total += 2 * channels + channels * 4 * growth  # normalisation, then 1x1 to 4k channels
            total += 2 * 4 * growth + 9 * 4 * growth * growth  # normalisation, then 3x3 to k
            channels += growth
        if block < blocks - 1:
            total += 2 * channels + channels * (channels // 2)  # transition: normalisation, then 1x1 to half
            channels //= 2
    return total + 2 * channels + channels * classes + classes


def test_it_has_the_papers_parameters() -> None:
    for image_channels, classes in [(3, 10), (1, 200)]:
        network = ImageClassifier(DENSENET, Shape(image_channels, 32, classes)).network
        counted = sum(parameter.numel() for parameter in network.parameters())
        assert counted == parameters(40, 6, 3, image_channels, classes)
    assert parameters(40, 6, 3, 3, 10) == 1_901_930


def test_the_same_count_gives_a_number_that_the_paper_prints() -> None:
    """DenseNet-BC of L = 100, k = 12: 0.8 million; of L = 250, k = 24: 15.3 million (its table 2)."""
    assert round(parameters(12, 16, 3, 3, 10) / 1e6, 1) == 0.8
    assert round(parameters(24, 41, 3, 3, 10) / 1e6, 1) == 15.3


def test_it_has_forty_layers_and_no_dropout() -> None:
    network = ImageClassifier(DENSENET, Shape(3, 32, 10)).network
    assert sum(isinstance(module, (nn.Conv2d, nn.Linear)) for module in network.modules()) == 40
    assert all(module.p == 0 for module in network.modules() if isinstance(module, nn.Dropout))


def test_maps_halve_between_blocks_only() -> None:
    classifier = ImageClassifier(DENSENET, Shape(3, 32, 10)).eval()
    sizes: list[tuple[int, int]] = []
    for block in (1, 2, 3):
        layer = getattr(classifier.network.features, f"denseblock{block}")
        layer.register_forward_hook(lambda _, inputs, output: sizes.append((inputs[0].shape[1], output.shape[-1])))
    with torch.no_grad():
        features, logits = classifier.features_and_logits(torch.randn(2, 3, 32, 32))
    assert sizes == [(80, 32), (160, 16), (200, 8)]
    assert features.shape == (2, 440)
    assert torch.equal(classifier.network.classifier(features), logits)


def test_nothing_is_between_the_stem_and_the_first_block() -> None:
    classifier = ImageClassifier(DENSENET, Shape(3, 32, 10)).eval()
    seen: list[torch.Tensor] = []
    features = classifier.network.features
    features.conv0.register_forward_hook(lambda _, inputs, output: seen.append(output))
    features.denseblock1.register_forward_hook(lambda _, inputs, output: seen.append(inputs[0]))
    with torch.no_grad():
        classifier(torch.randn(1, 3, 32, 32))
    assert torch.equal(*seen)
    assert seen[0].min() < 0
