"""A network depends on its weights, buffers and torch's seed only: it has no other state, and shares none."""

from __future__ import annotations

import copy
import io

import safetensors.torch
import torch
from torch import Tensor

from cganzoo.testing.conformance import check_equal, explained
from cganzoo.testing.randomness import untouched

from .base import NetworkChecks, double, tensors


class NetworkState(NetworkChecks):
    """Seeds, state dict and copies."""

    def test_build_is_seeded(self) -> None:
        """Equal seeds of torch build equal weights, and no other random numbers are used."""
        with untouched("build"), torch.random.fork_rng(devices=[]):  # build may use torch's own generator
            state = tensors(self.build(seed=1))
        again = tensors(self.build(seed=1))
        assert state.keys() == again.keys(), "two builds have weights of different names; use the same names each time"
        check_equal(again, state, "differs between two builds of one seed; initialise it with torch's functions only")

    def test_training_is_seeded(self) -> None:
        """In training mode, equal seeds of torch give equal outputs: no other random numbers are used."""
        network, twin = self.build(), self.build()
        inputs = self.inputs(network)
        with torch.no_grad():
            with untouched("forward in training mode"), torch.random.fork_rng(devices=[]):
                torch.manual_seed(5)
                one = network(*inputs)
            torch.manual_seed(5)
            two = twin(*inputs)
        assert torch.equal(one, two), (
            "in training mode, one torch.manual_seed gives different outputs; draw random numbers with torch only, and "
            "keep state in buffers"
        )

    def test_use_is_deterministic(self) -> None:
        """In evaluation mode equal inputs give equal outputs, and no random number is drawn."""
        network = self.used()
        inputs = double(self.inputs(network))
        with torch.no_grad():
            with untouched("forward in evaluation mode"):
                first = network(*inputs)
            second = network(*inputs)
        assert torch.equal(first, second), (
            "in evaluation mode a second call gives another output; draw random numbers in training mode only"
        )

    def test_use_changes_nothing(self) -> None:
        """In evaluation mode no weight and no buffer changes."""
        network = self.used()
        before = tensors(network)
        with torch.no_grad():
            network(*double(self.inputs(network, seed=3)))
        check_equal(tensors(network), before, "changes in evaluation mode; change buffers only if self.training")

    def test_initialize_leaves_things_finite(self) -> None:
        """``initialize`` works under no_grad on the first batch; weights and outputs are finite after it."""
        before = [(name, parameter.shape) for name, parameter in self.build().named_parameters()]
        network = self.initialized()
        with torch.no_grad():
            output = network(*self.inputs(network, 8))
        assert before == [(name, parameter.shape) for name, parameter in network.named_parameters()], (
            "initialize adds, removes or reshapes parameters; create them in the constructor"
        )
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
        file = io.BytesIO()
        torch.save(network.state_dict(), file)
        file.seek(0)
        restored = self.build(seed=99)
        with explained("loading its state_dict from a checkpoint", "keep only tensors and plain values in it"):
            restored.load_state_dict(torch.load(file, weights_only=True))
        self.assert_same_network(
            network,
            restored,
            "after its state_dict is loaded, it gives other outputs; keep all state in parameters or buffers",
        )

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
        """A deep copy, as the average of the generator is one, gives the same outputs and is independent."""
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
        assert torch.equal(before, after), (
            "a deep copy uses the original's weights; keep no lambda or bound method as an attribute"
        )

    def test_instances_are_apart(self) -> None:
        """Instances share no state: building and using another one does not change this one."""
        self.needs_determinism()
        network = self.build().eval()
        inputs = self.inputs(network)
        with torch.no_grad():
            before = network(*inputs)
            for context in (self.context(classes=2, channels=self.works_on[1][0]), self.context()):
                other = self.build(context, seed=7)
                for turn in range(2):
                    other(*self.inputs(other, 8, seed=turn, context=context))
                other.eval()(*self.inputs(other, 8, context=context))
            after, again = network(*inputs), self.build().eval()(*inputs)
        hint = "keep state in the instance, not in a module or a class"
        assert torch.equal(before, after), f"another instance changes the outputs of this one; {hint}"
        assert torch.equal(before, again), f"a second build from the same seed gives another network; {hint}"
