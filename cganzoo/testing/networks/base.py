"""What the checks of a generator and a discriminator share: building one, its inputs, and comparisons."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, ClassVar
from unittest import SkipTest

import torch
from torch import Tensor, nn

from cganzoo.errors import CganzooError
from cganzoo.specs import BuildContext
from cganzoo.testing.conformance import Conformance, build_context

CLASSES = 10
BATCH = 4
USUAL_SIZES = (32, 64, 128, 16, 8, 28, 48, 96, 256)
USUAL_CHANNELS = (1, 3)
NONE_TRAINED = "none of its parameters is trained"  # why checks are skipped

Inputs = tuple[Tensor, ...]


class NetworkChecks(Conformance):
    """Base of the classes that check a network.

    Class attributes:
        image_sizes: sides in pixels that the network must work on; checks that need only one use the first. Default:
            32, or the first of the other usual sizes that it does not refuse.
        image_channels: channels that it must work with; checks that need only one use the last. Default: those of 1
            and 3 that it does not refuse.
    """

    image_sizes: ClassVar[tuple[int, ...]] = ()
    image_channels: ClassVar[tuple[int, ...]] = ()

    def inputs(self, network: Any, count: int = BATCH, *, seed: int = 0, context: BuildContext | None = None) -> Inputs:
        """A batch of random float32 inputs for a network that was built for ``context``."""
        raise NotImplementedError

    def differentiable(self, network: Any, count: int = BATCH, *, seed: int = 0) -> Inputs:
        """:meth:`inputs`, which require gradients if no parameter does: a backward pass must end somewhere."""
        inputs = self.inputs(network, count, seed=seed)
        if not trained(network):
            inputs = tuple(x.requires_grad_() if x.is_floating_point() else x for x in inputs)
        return inputs

    def check_output(self, output: Tensor, count: int, context: BuildContext, network: Any) -> None:
        """Check shape and range."""
        raise NotImplementedError

    @classmethod
    @functools.cache
    def works_on(cls) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Image sizes and channels of the checks: what the class sets, or what the network does not refuse."""
        kit = cls()

        def refused(size: int, channels: int) -> bool:
            try:
                kit.build(kit.context(size=size, channels=channels))
            except CganzooError:
                return True
            except Exception:
                return False  # the checks will report it
            return False

        for size in cls.image_sizes[:1] or USUAL_SIZES:
            accepted = tuple(count for count in cls.image_channels or USUAL_CHANNELS if not refused(size, count))
            if accepted or cls.image_sizes:
                return cls.image_sizes or (size,), cls.image_channels or accepted or USUAL_CHANNELS
        raise AssertionError(f"it refuses images of {', '.join(map(str, USUAL_SIZES))} pixels; set image_sizes")

    def context(self, classes: int = CLASSES, size: int | None = None, channels: int | None = None) -> BuildContext:
        """The context for which the network is built."""
        return build_context(classes, size or self.works_on()[0][0], channels or self.works_on()[1][-1])

    def build(self, context: BuildContext | None = None, *, seed: int = 0) -> Any:
        """A new network in training mode, built with this seed of torch."""
        torch.default_generator.manual_seed(seed)
        return self.spec.build(self.config(), context or self.context())

    def initialized(self, context: BuildContext | None = None) -> Any:
        """A new network after its data-dependent initialisation."""
        network = self.build(context)
        with torch.no_grad():
            network.initialize(*self.inputs(network, 8, context=context))
        return network

    def used(self, context: BuildContext | None = None) -> Any:
        """A network as it may be after some training, in float64 and evaluation mode.

        A new network hides faults: a gain that starts at zero blocks gradients, and class embeddings that start equal
        make all classes look the same. So its weights are changed at random, and it sees two batches.
        """
        network = self.initialized(context).double()
        with torch.no_grad():
            random = torch.Generator().manual_seed(0)
            for parameter in network.parameters():
                scale = 0.1 * parameter.std(correction=0) + 0.02
                parameter += scale * torch.randn(parameter.shape, generator=random, dtype=parameter.dtype)
            for turn in range(2):
                try:
                    network(*double(self.inputs(network, 8, seed=turn, context=context)))
                except RuntimeError as error:
                    raise SkipTest("it does not run in float64; see float64") from error
        return network.eval()

    @classmethod
    @functools.cache
    def is_deterministic(cls) -> bool:
        """Whether equal inputs give equal outputs in evaluation mode."""
        kit = cls()
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            try:
                network = kit.used()
                inputs = double(kit.inputs(network))
            except Exception:  # for example, it does not run in float64; other checks report it
                network = kit.build().eval()
                inputs = kit.inputs(network)
            return torch.equal(network(*inputs), network(*inputs))

    def needs_determinism(self) -> None:
        """Skip a check that compares outputs if equal inputs give different ones: its message would mislead."""
        if not self.is_deterministic():
            raise SkipTest("in evaluation mode equal inputs give different outputs; see use_is_deterministic")

    def assert_same_network(self, one: nn.Module, two: nn.Module, message: str) -> None:
        """Both give the same outputs in evaluation mode, bit for bit. Their modes are restored."""
        self.needs_determinism()
        inputs = self.inputs(one)
        modes = one.training, two.training
        with torch.no_grad():
            outputs = one.eval()(*inputs), two.eval()(*inputs)
        one.train(modes[0]), two.train(modes[1])
        assert torch.equal(*outputs), message


def trained(network: nn.Module) -> dict[str, nn.Parameter]:
    """The parameters that are trained, by name."""
    return {name: parameter for name, parameter in network.named_parameters() if parameter.requires_grad}


def double(inputs: Inputs) -> Inputs:
    """The inputs, with noise or images in float64; labels stay integers."""
    return tuple(tensor.double() if tensor.is_floating_point() else tensor for tensor in inputs)


def tensors(network: nn.Module) -> dict[str, Tensor]:
    """Copies of the tensors of its state dict; two checks report other values there."""
    return {name: value.clone() for name, value in network.state_dict().items() if isinstance(value, Tensor)}


def projected(output: Tensor) -> Tensor:
    """A weighted sum of all elements of the output, a scalar; the weights are random and fixed."""
    weights = torch.randn(output.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return (output * weights.to(output.dtype)).sum()


def check_gradients_finite(network: nn.Module, where: str = "") -> None:
    """The gradients that the parameters have are finite."""
    for name, parameter in network.named_parameters():
        if parameter.grad is not None:
            assert parameter.grad.isfinite().all(), f"{where}the gradient of {name} is not finite"


def same(one: Tensor, two: Tensor, tolerance: float) -> bool:
    """Whether two outputs are equal up to ``tolerance``, relative to the largest value."""
    return bool((one - two).abs().max() <= tolerance * (1e-6 + one.abs().max()))


def smallest_difference(outputs: Tensor) -> float:
    """The largest difference of an element between the two most similar outputs of a batch."""
    flat = outputs.flatten(1)
    distances = (flat[:, None] - flat[None]).abs().amax(2)
    return float(distances[~torch.eye(len(flat), dtype=torch.bool)].min())


def slopes(value: Callable[[], Tensor], leaves: Sequence[Tensor]) -> tuple[float, float]:
    """The derivative of a float64 scalar in a random direction: by gradients, and by finite difference."""
    if not leaves:
        return 0.0, 0.0
    gradients = torch.autograd.grad(value(), leaves, allow_unused=True, materialize_grads=True)
    random = torch.Generator().manual_seed(1)
    # Each leaf moves by its own size, so that a large layer does not hide the others.
    moves = [
        torch.randn(leaf.shape, generator=random, dtype=leaf.dtype) * (leaf.detach().std(correction=0) + 1e-2)
        for leaf in leaves
    ]
    by_gradients = sum(float((gradient * move).sum()) for gradient, move in zip(gradients, moves, strict=True))
    step = 1e-8  # so short that it rarely crosses a kink of an activation, where a gradient penalty jumps

    def after(distance: float) -> float:
        with torch.no_grad():
            for leaf, move in zip(leaves, moves, strict=True):
                leaf.add_(move, alpha=distance)
        return float(value().detach())

    ahead, behind = after(step), after(-2 * step)
    after(step)
    return by_gradients, (ahead - behind) / (2 * step)


def check_slopes(found: tuple[float, float], change: str, advice: str) -> None:
    """Two results of :func:`slopes` are equal, up to the precision of a finite difference in float64."""
    by_gradients, by_difference = found
    equal = abs(by_gradients - by_difference) <= 1e-4 * abs(by_difference) + 1e-6
    assert equal, f"{change} by {by_difference:.6g} per unit, but the gradients give {by_gradients:.6g}: {advice}"


def check_positive_int(name: str, value: Any) -> None:
    """It is a plain int above 0, not a tensor, a float or a bool."""
    assert type(value) is int and value > 0, f"{name} is {value!r}; it must be a positive int"  # noqa: PT018
