"""A loss in float64, in bfloat16, on another device and compiled: the same results, as far as the precision allows."""

from __future__ import annotations

from dataclasses import replace

import torch

from cganzoo.objective import Batch
from cganzoo.testing.conformance import explained

from .base import (
    METHODS,
    SEEDS,
    Loss,
    LossChecks,
    buffers_restored,
    check_close,
    check_losses_close,
    each_repeatable_variant,
    each_variant,
    gan_inputs,
    gradients,
    total,
    with_features,
)


class LossExecution(LossChecks):
    """Precision, device and compiler."""

    @each_variant
    def test_runs_in_float64(self, loss: Loss) -> None:
        """From float64 features the losses are float64, and close to those in float32."""
        results = {}
        for dtype in (torch.float32, torch.float64):
            loss = replace(loss, dtype=dtype)
            results[dtype] = loss.values(*loss.batches())
        for method, exact in results[torch.float64].items():
            assert exact.dtype == torch.float64, (
                f"{method} of float64 features is {exact.dtype}: create tensors with the features' dtype"
            )
            check_close(results[torch.float32][method].double(), exact, f"{method} differs in float32", 1e-3)

    @each_variant
    def test_rounded_features(self, loss: Loss) -> None:
        """Features rounded to bfloat16 give finite losses and gradients, close to those of exact features."""
        for scale in (0.3, 1.0, 5.0):
            batches = loss.batches(scale=scale)
            for squash, what in ((lambda x: x, f"features of size {scale:g}"), (torch.tanh, "features in [-1, 1]")):
                exact = [with_features(batch, squash(batch.features)) for batch in batches]
                rounded = [with_features(batch, batch.features.bfloat16().float()) for batch in exact]
                loss.check_finite(rounded[0], rounded[1], f"{what} rounded to bfloat16")
                problem = f"of {what} changes too much when bfloat16 rounds them"
                check_losses_close(loss.values(*rounded), loss.values(*exact), problem, 0.05)

    @each_variant
    def test_trains_in_bfloat16(self, loss: Loss) -> None:
        """With networks in bfloat16, losses are finite, float32, and close to those in full precision."""
        full, low = loss.gan(), loss.gan(autocast=True)
        for seed in SEEDS:
            inputs = gan_inputs(full, seed=seed)
            for method in METHODS:
                wanted, found = (getattr(gan, method)(*inputs) for gan in (full, low))
                assert found.dtype == torch.float32, f"with networks in bfloat16, {method} is {found.dtype}"
                assert found.isfinite(), f"with networks in bfloat16, {method} is {found.item()}"
                leaves = low.discriminator_parameters if method == METHODS[0] else low.generator_parameters
                for gradient in gradients(found, leaves):
                    assert gradient.isfinite().all(), f"a gradient of {method} in bfloat16 is not finite"
                check_close(found, wanted, f"with networks in bfloat16, {method} is very different", 0.05)

    @each_variant
    def test_runs_on_any_device(self, loss: Loss) -> None:
        """The losses work on the device of their inputs, and never read a value back."""
        loss.objective.to("meta")  # has no values: a tensor on the CPU, or reading a value, is an error
        batches = [
            Batch(batch.images.to("meta"), batch.labels.to("meta"), batch.features.to("meta"))
            for batch in loss.batches()
        ]
        advice = (
            "create tensors with device=features.device, register constants as buffers, and use no item(), tolist(), "
            "boolean index or if on a tensor's value"
        )
        for method, call in loss.calls(*batches).items():
            with explained(f"on another device {method}", advice):
                call()

    @each_repeatable_variant
    def test_compiles_whole(self, loss: Loss) -> None:
        """``torch.compile(fullgraph=True)`` compiles both losses without a graph break, with the same results."""
        import torch._dynamo

        def both(real: Batch, fake: Batch) -> dict[str, torch.Tensor]:
            return {method: total(terms) for method, terms in loss.terms(real, fake).items()}

        torch._dynamo.reset()
        compiled = torch.compile(both, backend="eager", fullgraph=True, dynamic=False)
        try:
            for seed in (0, 1):
                batches = loss.batches(seed=seed)
                with buffers_restored(loss.objective):
                    wanted = both(*batches)
                advice = "use only tensor operations in the losses"
                with buffers_restored(loss.objective), explained("torch.compile(fullgraph=True)", advice):
                    found = compiled(*batches)
                check_losses_close(found, wanted, "differs when it is compiled", 1e-5)
        finally:
            torch._dynamo.reset()
