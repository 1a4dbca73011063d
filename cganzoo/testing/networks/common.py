"""The checks of both kinds of networks."""

from __future__ import annotations

import copy
from typing import Any
from unittest import SkipTest

import safetensors.torch
import torch
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel

from cganzoo.config import parse
from cganzoo.errors import CganzooError
from cganzoo.specs import BuildContext
from cganzoo.testing.conformance import check_equal, explained, load_from_checkpoint
from cganzoo.testing.failures import first_lines
from cganzoo.testing.processes import component_in_a_process, in_two_processes
from cganzoo.testing.randomness import untouched

from .base import (
    BATCH,
    NONE_TRAINED,
    NetworkChecks,
    check_gradients_finite,
    check_slopes,
    double,
    projected,
    same,
    slopes,
    tensors,
    trained,
)

ODD_SIZES = (7, 36)
"""Image sizes that many networks do not support; each must work, or be refused when the network is built."""


class NetworkConformance(NetworkChecks):
    """The checks of both kinds of networks."""

    # --- outputs and gradients, for all image sizes and batch sizes ---------------------------------------------------

    def test_every_image_size(self) -> None:
        """Every image size and number of channels gives finite outputs of the right shape, in both modes."""
        sizes, every_channels = self.works_on()
        for size in sizes:
            for channels in every_channels:
                context = self.context(size=size, channels=channels)
                network = self.build(context)
                inputs = self.inputs(network, context=context)
                for mode in (True, False):
                    with torch.no_grad():
                        output = network.train(mode)(*inputs)
                    assert output.dtype == torch.float32, f"the output is {output.dtype}; it must be float32"
                    self.check_output(output, BATCH, context, network)

    def test_other_image_sizes_are_refused(self) -> None:
        """An unsupported image size is refused with a message of one line when the network is built."""
        for size in ODD_SIZES:
            context = self.context(size=size)
            advice = f"image_size = {size}: raise a CganzooError in build that lists the supported sizes"
            try:
                network = self.build(context)
            except CganzooError as refusal:
                message = str(refusal)
                assert len(message.splitlines()) == 1, f"the error for image size {size} must be one line: {message}"
                assert str(size) in message, f"the error for image size {size} must name the size: {message}"
                continue
            except Exception as error:
                raise AssertionError(f"{advice}; build raised {type(error).__name__}: {error}") from error
            with explained(f"{advice}; build accepts it, but forward"), torch.no_grad():
                self.check_output(network(*self.inputs(network, context=context)), BATCH, context, network)

    def test_any_batch_size(self) -> None:
        """Batches of 2, 3 and 5 work in training mode."""
        network = self.build()
        for count in (2, 3, 5):
            with explained(f"a batch of {count}"), torch.no_grad():
                output = network(*self.inputs(network, count))
            self.check_output(output, count, self.context(), network)

    def test_batch_in_training(self) -> None:
        """Outputs and gradients of a batch in training mode are finite in float32."""
        network = self.initialized()
        output = network(*self.differentiable(network, 8))
        self.check_output(output, 8, self.context(), network)
        torch.autograd.backward(projected(output))
        check_gradients_finite(network)

    def test_inputs_are_left_alone(self) -> None:
        """Neither forward nor backward changes the inputs in place."""
        network = self.build()
        inputs = self.differentiable(network)
        before = [tensor.detach().clone() for tensor in inputs]
        torch.autograd.backward(projected(network(*inputs)))
        unchanged = all(map(torch.equal, inputs, before))
        assert unchanged, "forward or backward changes an input in place; compute a new tensor"

    def test_batch_does_not_matter_in_use(self) -> None:
        """In evaluation mode an output does not depend on the rest of its batch; a batch of one works."""
        network = self.used()
        if getattr(network, "batch_statistics", False):
            raise SkipTest("batch_statistics = True")
        self.needs_determinism()
        inputs = double(self.inputs(network, 6))
        torch.manual_seed(11)
        with torch.no_grad():
            whole = network(*inputs)
            for part in (slice(0, 1), slice(3, 6)):
                torch.manual_seed(11)
                difference = float((network(*(tensor[part] for tensor in inputs)) - whole[part]).abs().max())
                problem = f"in evaluation mode an output changes by {difference:.2g} without the rest of the batch"
                assert difference <= 1e-9, f"{problem}; use running statistics (or declare batch_statistics of a trunk)"

    def test_gradients_reach_every_parameter(self) -> None:
        """Gradients reach every parameter that is trained, and are finite."""
        network = self.used().train()
        parameters = trained(network)
        if not parameters:
            raise SkipTest(NONE_TRAINED)
        torch.manual_seed(0)
        torch.autograd.backward(projected(network(*double(self.inputs(network)))))
        check_gradients_finite(network)
        for name, parameter in parameters.items():
            assert parameter.grad is not None, f"{name} gets no gradient; use it, or set requires_grad_(False)"
            # A normalisation after a layer makes its bias or gain redundant: the gradient of a vector may be zero.
            if parameter.numel() > max(parameter.shape, default=1):
                assert parameter.grad.any(), f"the gradient of {name} is zero everywhere; use it, or remove it"

    def test_gradients_are_the_slopes(self) -> None:
        """Gradients are equal to finite differences, in weights and inputs: none is cut off on its way."""
        self.needs_determinism()
        network = self.used()
        inputs = double(self.inputs(network, 2))
        moved = [tensor.requires_grad_() for tensor in inputs if tensor.is_floating_point()]

        def value() -> Tensor:
            return projected(network(*inputs))

        for what, leaves in (("weights", list(trained(network).values())), ("inputs", moved)):
            advice = "remove detach() and torch.no_grad() from forward, or correct its backward"
            check_slopes(slopes(value, leaves), f"a small move of the {what} changes the output", advice)

    # --- state: a network depends on its weights, buffers and torch's seed only ---------------------------------------

    def test_build_is_seeded(self) -> None:
        """Equal seeds of torch build equal weights, and no other random numbers are used."""
        with untouched("build"), torch.random.fork_rng(devices=[]):  # build may use torch's own generator
            state = tensors(self.build(seed=1))
        again = tensors(self.build(seed=1))
        assert state.keys() == again.keys(), "two builds have weights of different names; use the same names each time"
        check_equal(again, state, "differs between two builds of one seed; initialise it with torch's functions only")

    def test_training_is_seeded(self) -> None:
        """In training mode, equal torch seeds give equal outputs, so the network uses no other random numbers."""
        network, twin = self.build(), self.build()
        inputs = self.inputs(network)
        with torch.no_grad():
            with untouched("forward in training mode"), torch.random.fork_rng(devices=[]):
                torch.manual_seed(5)
                one = network(*inputs)
            torch.manual_seed(5)
            two = twin(*inputs)
        assert torch.equal(one, two), "in training mode, one seed gives two outputs; draw with torch only"

    def test_use_is_deterministic(self) -> None:
        """In evaluation mode equal inputs give equal outputs, and no random number is drawn."""
        network = self.used()
        inputs = double(self.inputs(network))
        with torch.no_grad():
            with untouched("forward in evaluation mode"):
                first = network(*inputs)
            second = network(*inputs)
        assert torch.equal(first, second), "in evaluation mode a second call gives another output; draw nothing there"

    def test_use_changes_nothing(self) -> None:
        """In evaluation mode no weight and no buffer changes."""
        network = self.used()
        before = tensors(network)
        with torch.no_grad():
            network(*double(self.inputs(network, seed=3)))
        check_equal(tensors(network), before, "changes in evaluation mode; change buffers only if self.training")

    def test_initialize_leaves_things_finite(self) -> None:
        """``initialize`` works under no_grad on the first batch; weights and outputs are finite after it."""
        network = self.initialized()
        with torch.no_grad():
            output = network(*self.inputs(network, 8))
        before, after = ({name: p.shape for name, p in one.named_parameters()} for one in (self.build(), network))
        assert before == after, "initialize adds, removes or reshapes parameters; create them in the constructor"
        assert network.training, "initialize leaves the network in evaluation mode; do not call eval() there"
        for name, tensor in tensors(network).items():
            assert tensor.isfinite().all(), f"after initialize, {name} is not finite"
        for name, parameter in network.named_parameters():
            assert parameter.grad is None, f"initialize leaves a gradient in {name}; do not call backward() there"
        self.check_output(output, 8, self.context(), network)

    def test_state_dict_is_whole(self) -> None:
        """Another instance that loads its state dict from a checkpoint gives the same outputs."""
        network = self.initialized()
        with torch.no_grad():
            network(*self.inputs(network, 8))
        restored = self.build(seed=99)
        load_from_checkpoint(restored, network)
        problem = "its state_dict does not contain all state; keep all of it in parameters or buffers"
        self.assert_same_network(network, restored, problem)

    def test_safetensors_round_trip(self) -> None:
        """Another instance that loads the safetensors file of ``cganzoo export`` gives the same outputs."""
        network = self.build()
        state = network.state_dict()
        others = [name for name, value in state.items() if not isinstance(value, Tensor)]
        assert not others, f"{', '.join(others)} in its state_dict is no tensor; safetensors saves only tensors"
        with explained("writing its state_dict as safetensors", "let no two of its tensors share memory"):
            data = safetensors.torch.save({name: tensor.contiguous() for name, tensor in state.items()})
        restored = self.build(seed=99)
        restored.load_state_dict(safetensors.torch.load(data))
        self.assert_same_network(network, restored, "loaded from safetensors, it gives other outputs")

    def test_deep_copy(self) -> None:
        """A deep copy gives the same outputs and is independent. The average of the generator is a deep copy."""
        network = self.build().eval()
        with explained("copy.deepcopy"):
            twin = copy.deepcopy(network)
        self.assert_same_network(network, twin, "a deep copy gives other outputs; keep all state in the module")
        inputs = self.inputs(network)
        with torch.no_grad():
            before = twin(*inputs)
            for parameter in network.parameters():
                parameter.add_(0.1 * torch.randn_like(parameter))
            after = twin(*inputs)
        assert torch.equal(before, after), "a deep copy uses the original's weights; keep no lambda as an attribute"

    def test_instances_are_apart(self) -> None:
        """Instances share no state: building and using a second instance does not change the first instance."""
        self.needs_determinism()
        network = self.build().eval()
        inputs = self.inputs(network)
        with torch.no_grad():
            before = network(*inputs)
            for context in (self.context(classes=2, channels=self.works_on()[1][0]), self.context()):
                other = self.build(context, seed=7)
                for turn in range(2):
                    other(*self.inputs(other, 8, seed=turn, context=context))
                other.eval()(*self.inputs(other, 8, context=context))
            after, again = network(*inputs), self.build().eval()(*inputs)
        hint = "keep state in the instance, not in a module or a class"
        assert torch.equal(before, after), f"another instance changes the outputs of this one; {hint}"
        assert torch.equal(before, again), f"a second build from the same seed gives another network; {hint}"

    # --- precision, memory format, device, compiler and processes -----------------------------------------------------

    def test_float64(self) -> None:
        """After ``double()`` the network runs in float64, and its outputs are close to those in float32."""
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
            formats = {4: torch.channels_last}  # by the number of dimensions: images only
            inputs = tuple(x.contiguous(memory_format=formats.get(x.dim(), torch.contiguous_format)) for x in inputs)
            with explained("in channels_last it", "use reshape instead of view"):
                output = network(*inputs)
        self.needs_determinism()
        assert same(plain, output, 1e-3), "in channels_last it gives other outputs; do not use strides in forward"

    def test_bfloat16_autocast(self) -> None:
        """Under bfloat16 autocast outputs and gradients are finite."""
        network = self.initialized()
        with torch.autocast("cpu", torch.bfloat16):
            output = network(*self.differentiable(network))
        self.check_output(output, BATCH, self.context(), network)
        torch.autograd.backward(projected(output.float()))
        check_gradients_finite(network, "under bfloat16 autocast ")

    def test_other_devices(self) -> None:
        """The network creates tensors on the device of its inputs, and copies no value to the CPU."""
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
        """Two processes that train the network together get the same weights, bit for bit, and use every parameter."""
        network = self.build()
        if not trained(network):
            raise SkipTest(NONE_TRAINED)
        inputs = [list(self.inputs(network, seed=rank)) for rank in range(2)]
        where = self.component.provider.distribution, self.kind, self.component.full_name
        try:
            one, two = in_two_processes(_train, where, {**self.spec.small, **self.options}, self.context(), inputs)
        except AssertionError as error:
            unused = "did not receive grad" in str(error) or "finished reduction" in str(error)
            advice = "a parameter does not influence the output; use it or remove it: " if unused else ""
            raise AssertionError(f"{advice}{first_lines(error)}") from error
        check_equal(two, one, "differs between two processes after two steps; forward must not depend on the process")


def _train(
    rank: int, where: tuple[str, str, str], options: dict[str, Any], context: BuildContext, inputs: list[list[Tensor]]
) -> dict[str, Tensor]:
    """Two steps in one process; the weights after them."""
    spec: Any = component_in_a_process(*where).spec
    torch.manual_seed(rank)  # both start from the weights of the first process
    network = spec.build(parse(spec.config, options), context)
    shared = DistributedDataParallel(network)
    optimizer = torch.optim.SGD((weight for weight in network.parameters() if weight.requires_grad), lr=1e-3)
    for _ in range(2):
        optimizer.zero_grad()
        torch.autograd.backward(projected(shared(*inputs[rank])))
        optimizer.step()
    return {weight: parameter.detach().clone() for weight, parameter in network.named_parameters()}
