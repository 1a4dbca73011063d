"""One small network of many families of timm: the default stages, gradients to the images, and what is trained."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from cganzoo_timm.networks import TimmDiscriminator

Make = Callable[..., TimmDiscriminator]

SMALL: dict[str, dict[str, Any]] = {
    "test_resnet": {},
    "test_efficientnet": {},
    "test_convnext": {},
    "test_convnext2": {},
    "test_byobnet": {},
    "test_mambaout": {},
    "test_nfnet": {},
    "test_vit": {},
    "resnet10t": {},
    "tf_efficientnet_lite0": {},
    "mobilenetv3_small_050": {},
    "lcnet_035": {},
    "regnety_002": {},
    "densenet121": {},
    "vgg11": {},
    "hrnet_w18_small": {},
    "inception_v3": {"input_size": 96},
    "dla46_c": {},
    "fastvit_t8": {},
    "mobilevit_xxs": {"input_size": 64},
    "poolformer_s12": {},
    "test_coatnet": {"input_size": None},
    "swin_tiny_patch4_window7_224": {"input_size": 56},
    "vit_tiny_patch16_224": {},
    "vit_small_patch14_dinov2": {"input_size": 28},
    "deit_tiny_patch16_224": {},
    "beit_base_patch16_224": {},
    "eva02_tiny_patch14_224": {"input_size": 28},
    "cait_xxs24_224": {},
    "xcit_nano_12_p16_224": {},
    "gmlp_ti16_224": {"input_size": None},
    "mixer_s32_224": {"input_size": None},
    "levit_128s": {"input_size": None},
    "twins_svt_small": {"input_size": None},
}

FIRST_ORDER = ("mobilenetv3_small_050", "lcnet_035")
"""In torch, their hard sigmoid has no second derivative, so no gradient penalty."""


@pytest.mark.slow
@pytest.mark.parametrize("model", SMALL)
def test_gradients_of_every_order_pass_and_every_trained_weight_is_used(make: Make, model: str) -> None:
    trunk = make(model=model, trained=True, **SMALL[model])
    images = (torch.rand(2, 3, 8, 8) * 2 - 1).requires_grad_()
    features = trunk(images)
    assert features.shape == (2, trunk.feature_dim)
    second = model not in FIRST_ORDER
    (gradient,) = torch.autograd.grad(features.square().sum(), images, create_graph=second, retain_graph=True)
    assert gradient.abs().amax((2, 3)).min() > 0
    torch.autograd.backward(features.sum() + (gradient.square().sum() if second else 0))
    unused = [name for name, parameter in trunk.named_parameters() if parameter.grad is None]
    assert not unused
