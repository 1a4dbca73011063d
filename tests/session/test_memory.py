"""Networks without memory: what is not computed there."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm
from torch.utils._python_dispatch import TorchDispatchMode

from cganzoo.session import memory


class _Count(TorchDispatchMode):  # type: ignore[no-untyped-call]
    calls = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.calls += 1
        return func(*args, **(kwargs or {}))


def test_spectral_normalisation_is_measured_without_its_iterations() -> None:
    count = _Count()  # type: ignore[no-untyped-call]
    with count, torch.device("meta"), memory._WithoutPowerIterations():
        layer = spectral_norm(nn.Conv2d(4, 6, 3))
    assert count.calls < 100  # with the iterations: 200
    shapes = {name.split(".")[-1]: tuple(value.shape) for name, value in layer.state_dict().items()}
    assert shapes == {"bias": (6,), "original": (6, 4, 3, 3), "_u": (6,), "_v": (36,)}


def test_tensors_with_numbers_are_computed_while_networks_are_measured() -> None:
    matrix, vector, out = torch.eye(2), torch.tensor([1.0, 2.0]), torch.zeros(2)
    with memory._WithoutPowerIterations():
        assert torch.mv(matrix, vector).tolist() == [1, 2]
        torch.add(vector, vector, out=out)
    assert out.tolist() == [2, 4]
