"""A network in other precisions and memory formats, on another device, compiled, and in two processes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from unittest import SkipTest

import torch
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel

from cganzoo.config import parse
from cganzoo.specs import BuildContext
from cganzoo.testing.conformance import check_equal, explained, first_lines
from cganzoo.testing.processes import component_in_a_process, in_two_processes

from .base import BATCH, NetworkChecks, check_gradients_finite, double, projected, same, tensors


class NetworkExecution(NetworkChecks):
    """Precision, memory format, device, compiler and processes."""

    def test_float64(self) -> None:
        """After ``double()`` it runs in float64, with outputs close to those in float32."""
        network = self.build().eval()
        inputs = self.inputs(network)
        with torch.no_grad():
            single = network(*inputs)
            with explained("after double() it", "create tensors with the dtype of the inputs"):
                output = network.double()(*double(inputs))
        assert output.dtype == torch.float64, f"after double() the output is {output.dtype}; it must be float64"
        self.needs_determinism()
        assert same(single.double(), output, 1e-3), "float64 outputs differ from float32 ones by more than rounding"

    def test_channels_last(self) -> None:
        """The memory format channels_last, which recipes may use, gives the same outputs."""
        network = self.build().eval()
        inputs = self.inputs(network)
        with torch.no_grad():
            plain = network(*inputs)
            network.to(memory_format=torch.channels_last)
            inputs = tuple(
                tensor.contiguous(memory_format=torch.channels_last) if tensor.dim() == 4 else tensor
                for tensor in inputs
            )
            with explained("in channels_last it", "use reshape instead of view"):
                output = network(*inputs)
        self.needs_determinism()
        assert same(plain, output, 1e-3), "in channels_last it gives other outputs; do not use strides in forward"

    def test_bfloat16_autocast(self) -> None:
        """Under bfloat16 autocast outputs and gradients are finite."""
        network = self.initialized()
        with torch.autocast("cpu", torch.bfloat16):
            output = network(*self.inputs(network))
        self.check_output(output, BATCH, self.context(), network)
        torch.autograd.backward(projected(output.float()))
        check_gradients_finite(network, "under bfloat16 autocast ")

    def test_other_devices(self) -> None:
        """It creates tensors on the device of its inputs, and reads no value back."""
        network = self.build()
        inputs = self.inputs(network)
        advice = "create tensors on the device of the inputs, register buffers, and read no tensor's value in forward"
        with explained("on another device it", advice):  # the meta device has no values, and represents all others
            output = network.to("meta")(*(tensor.to("meta") for tensor in inputs))
        assert output.device.type == "meta", "on another device the output is still on the CPU"

    def test_compiles_to_one_graph(self) -> None:
        """``torch.compile(fullgraph=True)`` finds no graph break, in both modes, and gives the same outputs."""
        network = self.used()
        inputs = double(self.inputs(network))
        state = tensors(network)
        torch.compiler.reset()
        compiled = torch.compile(network, fullgraph=True, backend="eager", dynamic=False)

        def output(module: Any, training: bool) -> Tensor:
            network.train(training).load_state_dict(state, strict=False)  # running averages change in training
            torch.manual_seed(3)
            with torch.no_grad():
                result: Tensor = module(*inputs)
            return result

        try:
            for training in (False, True):
                mode = "training" if training else "evaluation"
                with explained(f"torch.compile(fullgraph=True) in {mode} mode", "use only tensor operations"):
                    found = output(compiled, training)
                assert same(output(network, training), found, 1e-9), f"compiled, it gives other outputs in {mode} mode"
        finally:
            torch.compiler.reset()

    def test_two_processes(self) -> None:
        """Two processes that train it together get the same weights, bit for bit; every parameter is used."""
        network = self.build()
        if not any(parameter.requires_grad for parameter in network.parameters()):
            raise SkipTest("none of its parameters is trained")
        inputs = [list(self.inputs(network, seed=rank)) for rank in range(2)]
        where = self.component.provider.distribution, self.kind, self.component.full_name
        try:
            one, two = in_two_processes(_train, *where, dict(self.options), self.context(), inputs)
        except AssertionError as error:
            unused = "did not receive grad" in str(error) or "finished reduction" in str(error)
            advice = "a parameter does not influence the output; use it or remove it: " if unused else ""
            raise AssertionError(f"{advice}{first_lines(error)}") from error
        check_equal(two, one, "differs between two processes after two steps; forward must not depend on the process")


def _train(
    rank: int,
    distribution: str,
    kind: str,
    name: str,
    options: Mapping[str, Any],
    context: BuildContext,
    inputs: list[list[Tensor]],
) -> dict[str, Tensor]:
    """Two steps in one process; the weights after them."""
    spec: Any = component_in_a_process(distribution, kind, name).spec
    torch.manual_seed(rank)  # both start from the weights of the first process
    network = spec.build(parse(spec.config, options), context)
    shared = DistributedDataParallel(network)
    optimizer = torch.optim.SGD((weight for weight in network.parameters() if weight.requires_grad), lr=1e-3)
    for _ in range(2):
        optimizer.zero_grad()
        torch.autograd.backward(projected(shared(*inputs[rank])))
        optimizer.step()
    return {weight: parameter.detach().clone() for weight, parameter in network.named_parameters()}
