"""``train.compile`` and ``train.precision`` change how a step is computed, not what it computes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from cganzoo.data.cache import ImageSet
from cganzoo.recipe.resolve import Resolved
from cganzoo.train.engine import Engine


def noise_images() -> ImageSet:
    pixels = np.random.default_rng(0).integers(0, 256, (64, 1, 8, 8), np.uint8)
    return ImageSet(pixels, np.arange(64) % 4, ("a", "b", "c", "d"), "train", "noise")


def trained(resolved: Resolved, steps: int = 4) -> Engine:
    engine = Engine(resolved, noise_images(), torch.device("cpu"))
    for _ in range(steps):
        engine.advance()
    return engine


@pytest.mark.slow
def test_compiled_steps_equal_the_eager_ones(resolved: Callable[..., Resolved]):
    """With random draws inside the networks off, as a compiled kernel draws other numbers, and without Adam, which
    blows the rounding of a zero gradient (a bias before batch normalisation) up to a whole step.
    """
    quiet = ["discriminator.dropout=0.0", "discriminator.input_noise=0.0", "optimizer.generator={name='sgd', lr=0.05}"]
    eager, compiled = trained(resolved(*quiet)), trained(resolved(*quiet, "train.compile=true"))
    for mine, theirs in zip(eager.generator.parameters(), compiled.generator.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-3, atol=1e-5)


def test_bfloat16_trains_with_float32_weights(resolved: Callable[..., Resolved]):
    engine = trained(resolved("train.precision=bfloat16"))
    exact = trained(resolved())
    for mine, theirs in zip(engine.generator.parameters(), exact.generator.parameters(), strict=True):
        assert mine.dtype == torch.float32
        torch.testing.assert_close(mine, theirs, rtol=0.1, atol=0.02)
    assert any(
        not torch.equal(mine, theirs)
        for mine, theirs in zip(engine.generator.parameters(), exact.generator.parameters(), strict=True)
    )


def test_channels_last_is_only_a_layout(resolved: Callable[..., Resolved]):
    plain, turned = trained(resolved()), trained(resolved("train.channels_last=true"))
    for mine, theirs in zip(plain.generator.parameters(), turned.generator.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-3, atol=1e-5)


@pytest.mark.gpu
def test_a_step_on_the_gpu_never_waits_for_it(resolved: Callable[..., Resolved]):
    engine = Engine(resolved(), noise_images(), torch.device("cuda"))
    engine.advance()  # the first step allocates
    torch.cuda.set_sync_debug_mode("error")
    try:
        for _ in range(3):
            engine.advance()
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert all(torch.isfinite(torch.tensor(value)) for value in engine.mean_terms().values())


@pytest.mark.gpu
def test_the_gpu_gives_the_same_bits_twice(resolved: Callable[..., Resolved]):
    from cganzoo.session.device import reproducible

    device = torch.device("cuda")
    with reproducible(device):
        states = []
        for _ in range(2):
            engine = Engine(resolved(), noise_images(), device)
            for _ in range(5):
                engine.advance()
            states.append([parameter.detach().cpu() for parameter in engine.generator.parameters()])
    assert all(torch.equal(one, other) for one, other in zip(*states, strict=True))
