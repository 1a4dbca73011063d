"""What the conformance classes of both networks share: a generator and a discriminator are asked much the same."""

from __future__ import annotations

import copy
import functools
import io
import pickle
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar
from unittest import SkipTest

import safetensors.torch
import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from cganzoo.config import parse
from cganzoo.errors import CganzooError
from cganzoo.registry import load_plugins
from cganzoo.specs import BuildContext

from .conformance import Conformance
from .processes import in_two_processes
from .randomness import untouched

CLASSES = 10
BATCH = 4
USUAL_SIZES = (32, 64, 128, 16, 8, 28, 48, 96, 256)
USUAL_CHANNELS = (1, 3)
ODD_SIZES = (7, 36)
"""Image sizes that many networks cannot make or see; each must work, or be refused in a sentence."""

Inputs = tuple[Tensor, ...]


class NetworkConformance(Conformance):
    """Checks of a network; :class:`GeneratorConformance` and :class:`DiscriminatorConformance` add those of their kind.

    Class attributes:
        image_sizes: sides in pixels that the network must work on; the first is used where one is enough. Default: 32,
            or the first of the other usual sizes that it does not refuse.
        image_channels: channels that it must work with; the last is used where one is enough. Default: those of 1 and
            3 that it does not refuse.
    """

    image_sizes: ClassVar[tuple[int, ...]] = ()
    image_channels: ClassVar[tuple[int, ...]] = ()

    # --- what the kinds differ in -----------------------------------------------------------------------------------

    def inputs(self, network: Any, count: int = BATCH, *, seed: int = 0, context: BuildContext | None = None) -> Inputs:
        """A batch of random inputs, in float32, of a network that was built for ``context``."""
        raise NotImplementedError

    def check_output(self, output: Tensor, count: int, context: BuildContext, network: Any) -> None:
        """Shape and range."""
        raise NotImplementedError

    @property
    def works_on(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Image sizes and channels to check with."""
        kit: Any = type(self)  # mypy takes its instances' __hash__ for its own
        return _works_on(kit)

    # --- networks to try --------------------------------------------------------------------------------------------

    def context(self, classes: int = CLASSES, size: int | None = None, channels: int | None = None) -> BuildContext:
        """What the network is built for."""
        return BuildContext(
            num_classes=classes,
            image_size=size or self.works_on[0][0],
            image_channels=channels or self.works_on[1][-1],
            class_names=tuple(f"class {label}" for label in range(classes)),
        )

    def build(self, context: BuildContext | None = None, *, seed: int = 0) -> Any:
        """The network as it is built, in training mode, from torch's random numbers of this seed."""
        torch.manual_seed(seed)
        return self.spec.build(self.config(), context or self.context())

    def used(self, context: BuildContext | None = None, *, seed: int = 0) -> Any:
        """The network as it may be after some training, in float64 and evaluation mode.

        A fresh network hides things: gains that start at zero keep gradients from layers, and class embeddings that
        start equal make all classes look alike. So it is initialised, moved off its first weights, and shown a batch.
        """
        network = self.build(context, seed=seed)
        with torch.no_grad():
            network.initialize(*self.inputs(network, 8, context=context))
            network.double()
            random = torch.Generator().manual_seed(seed)
            for parameter in network.parameters():
                scale = 0.1 * parameter.std(correction=0) + 0.02
                parameter += scale * torch.randn(parameter.shape, generator=random, dtype=parameter.dtype)
            for turn in range(2):
                try:
                    network(*double(self.inputs(network, 8, seed=turn, context=context)))
                except RuntimeError as error:
                    raise SkipTest("it does not run in float64; see the check of that name") from error
        return network.eval()

    # --- the checks -------------------------------------------------------------------------------------------------

    def test_every_image_size(self) -> None:
        """Every image size and number of channels gives finite outputs of the right shape, in training as in use."""
        sizes, every_channels = self.works_on
        for size in sizes:
            for channels in every_channels:
                context = self.context(size=size, channels=channels)
                network = self.build(context)
                inputs = self.inputs(network, context=context)
                for mode in (True, False):
                    network.train(mode)
                    with torch.no_grad():
                        output = network(*inputs)
                    assert output.dtype == torch.float32, f"the output is {output.dtype}; it must be float32, as inputs"
                    self.check_output(output, BATCH, context, network)

    def test_other_image_sizes_are_refused(self) -> None:
        """An image size that is not supported is refused when the network is built, in one sentence."""
        for size in ODD_SIZES:
            context = self.context(size=size)
            advice = (
                f"image_size = {size}: raise a CganzooError in build that says which sizes there are, so that a recipe "
                "is refused before training"
            )
            try:
                network = self.build(context)
            except CganzooError as refusal:
                told = str(refusal)
                assert len(told.splitlines()) == 1, f"the refusal of image size {size} is not one sentence"
                assert str(size) in told, f"the refusal of image size {size} does not name it: {told}"
                continue
            except Exception as error:
                raise AssertionError(f"{advice}; build raised {type(error).__name__}: {error}") from error
            try:
                with torch.no_grad():
                    self.check_output(network(*self.inputs(network, context=context)), BATCH, context, network)
            except Exception as error:
                raise AssertionError(f"{advice}; it is built, and then: {error}") from error

    def test_build_is_seeded(self) -> None:
        """Equal seeds of torch build equal weights, and no other source of random numbers is used."""
        with untouched("build"), torch.random.fork_rng(devices=[]):  # torch's own may move here
            state = tensors(self.build(seed=1))
        again = tensors(self.build(seed=1))
        assert state.keys() == again.keys(), "two builds have other weights by name"
        for name, tensor in state.items():
            assert torch.equal(tensor, again[name]), f"{name} differs between two builds from one torch.manual_seed"

    def test_training_is_seeded(self) -> None:
        """Two passes in training mode with the same seed of torch give the same output: no other randomness is used."""
        network, twin = self.build(), self.build()
        inputs = self.inputs(network)
        with torch.no_grad():
            with untouched("a pass in training mode"), torch.random.fork_rng(devices=[]):
                torch.manual_seed(5)
                one = network(*inputs)
            torch.manual_seed(5)
            two = twin(*inputs)
        assert torch.equal(one, two), (
            "two equal networks on equal inputs and the same torch.manual_seed differ in training mode: random "
            "numbers come from elsewhere, or something is kept outside the network"
        )

    def test_use_is_deterministic(self) -> None:
        """In evaluation mode the same inputs give the same output, and no random number is drawn."""
        network = self.used()
        inputs = double(self.inputs(network))
        with torch.no_grad():
            with untouched("a pass in evaluation mode"):
                first = network(*inputs)
            second = network(*inputs)
        assert torch.equal(first, second), "in evaluation mode the same inputs give another output the second time"

    def test_use_changes_nothing(self) -> None:
        """In evaluation mode no weight and no buffer moves."""
        network = self.used()
        before = {name: tensor.clone() for name, tensor in tensors(network).items()}
        with torch.no_grad():
            network(*double(self.inputs(network, seed=3)))
        for name, tensor in tensors(network).items():
            assert torch.equal(tensor, before[name]), f"{name} is changed by a pass in evaluation mode"

    def test_gradients_reach_every_parameter(self) -> None:
        """Gradients reach every parameter that is trained, and are finite."""
        network = self.used().train()
        torch.manual_seed(0)
        torch.autograd.backward(projected(network(*double(self.inputs(network)))))
        trained = {name: parameter for name, parameter in network.named_parameters() if parameter.requires_grad}
        if not trained:
            raise SkipTest("no parameter of it is trained")
        for name, parameter in trained.items():
            assert parameter.grad is not None, (
                f"{name} gets no gradient: it is not used, or cut off by detach() or torch.no_grad(); "
                "use it, remove it, or set requires_grad_(False)"
            )
            assert parameter.grad.isfinite().all(), f"the gradient of {name} is not finite"
            # Normalisation after a layer makes its bias, or a gain, redundant: those may get none, matrices may not.
            if parameter.numel() > max(parameter.shape, default=1):
                assert parameter.grad.abs().max() > 0, f"the gradient of {name} is zero everywhere"

    def test_gradients_are_the_slopes(self) -> None:
        """Gradients are what a small move of weights or inputs does to the output: none is cut off on its way."""
        self.needs_determinism()
        network = self.used()
        inputs = [
            tensor.requires_grad_() if tensor.is_floating_point() else tensor
            for tensor in double(self.inputs(network, 2))
        ]

        def value() -> Tensor:
            return projected(network(*inputs))

        for moved, leaves in (("weights", network.parameters()), ("inputs", inputs)):
            told, seen = slopes(value, [tensor for tensor in leaves if tensor.requires_grad])
            assert agree(told, seen), (
                f"moving the {moved} changes the output at the rate {seen:.6g}, but the gradients say {told:.6g}: "
                "something on the way is detached, or a backward is wrong"
            )

    def test_batch_in_training(self) -> None:
        """Outputs and gradients of a batch in training mode are finite in float32."""
        network = self.build()
        with torch.no_grad():
            network.initialize(*self.inputs(network, 8))
        inputs = self.inputs(network, 8)
        output = network(*inputs)
        self.check_output(output, 8, self.context(), network)
        torch.autograd.backward(projected(output))
        for name, parameter in network.named_parameters():
            if parameter.grad is not None:
                assert parameter.grad.isfinite().all(), f"the gradient of {name} is not finite"

    def test_any_batch_size(self) -> None:
        """Batches of 2, 3 and 5 pass in training mode."""
        network = self.build()
        for count in (2, 3, 5):
            try:
                with torch.no_grad():
                    output = network(*self.inputs(network, count))
            except (RuntimeError, ValueError, IndexError) as error:
                raise AssertionError(f"a batch of {count} raises {type(error).__name__}: {error}") from error
            self.check_output(output, count, self.context(), network)

    def test_initialize_leaves_things_finite(self) -> None:
        """``initialize`` works under no_grad on the first batch, and leaves weights and outputs finite."""
        network = self.build()
        names = [(name, parameter.shape) for name, parameter in network.named_parameters()]
        with torch.no_grad():
            network.initialize(*self.inputs(network, 8))
            output = network(*self.inputs(network, 8))
        assert names == [(name, parameter.shape) for name, parameter in network.named_parameters()], (
            "initialize adds, removes or reshapes parameters; make them in the constructor"
        )
        assert network.training, "initialize leaves the network in evaluation mode"
        for name, tensor in tensors(network).items():
            assert tensor.isfinite().all(), f"initialize leaves {name} not finite"
        for name, parameter in network.named_parameters():
            assert parameter.grad is None, f"initialize leaves a gradient in {name}"
        self.check_output(output, 8, self.context(), network)

    def test_inputs_are_left_alone(self) -> None:
        """Neither a pass nor its gradients change the inputs in place."""
        network = self.build()
        inputs = self.inputs(network)
        before = [tensor.clone() for tensor in inputs]
        torch.autograd.backward(projected(network(*inputs)))
        for tensor, original in zip(inputs, before, strict=True):
            assert torch.equal(tensor, original), f"an input, {tuple(tensor.shape)}, is changed in place"

    def test_state_dict_is_whole(self) -> None:
        """What a checkpoint keeps of it makes another instance, of another seed, the same network."""
        network = self.build()
        with torch.no_grad():
            network.initialize(*self.inputs(network, 8))
            network(*self.inputs(network, 8))
        file = io.BytesIO()
        torch.save(network.state_dict(), file)
        file.seek(0)
        restored = self.build(seed=99)
        try:
            restored.load_state_dict(torch.load(file, weights_only=True))
        except pickle.UnpicklingError as error:
            raise AssertionError(
                "its state_dict holds more than tensors and plain values, which a checkpoint does not read back; "
                "leave get_extra_state out"
            ) from error
        self.assert_same_network(
            network,
            restored,
            "restored from its state_dict, it gives other outputs: something that the output depends on is not in it; "
            "make it a parameter or register_buffer(...)",
        )

    def test_safetensors_round_trip(self) -> None:
        """The weights survive the safetensors file that ``cganzoo export`` writes."""
        network = self.build()
        state = network.state_dict()
        others = [name for name, value in state.items() if not isinstance(value, Tensor)]
        assert not others, f"its state_dict holds {', '.join(others)}, no tensor; safetensors holds tensors alone"
        try:
            data = safetensors.torch.save({name: tensor.contiguous() for name, tensor in state.items()})
        except RuntimeError as error:
            raise AssertionError(f"its state_dict cannot be written as safetensors: {first_lines(error)}") from error
        restored = self.build(seed=99)
        restored.load_state_dict(safetensors.torch.load(data))
        self.assert_same_network(network, restored, "restored from safetensors, it gives other outputs")

    def test_deep_copy(self) -> None:
        """A deep copy, as the averaged generator is one, gives the same output and stands on its own."""
        network = self.build().eval()
        try:
            twin = copy.deepcopy(network)
        except Exception as error:
            raise AssertionError(f"copy.deepcopy raises {type(error).__name__}: {error}") from error
        self.assert_same_network(network, twin, "a deep copy gives other outputs")
        inputs = self.inputs(network)
        with torch.no_grad():
            before = twin(*inputs)
            for parameter in network.parameters():
                parameter.add_(0.1 * torch.randn_like(parameter))
            after = twin(*inputs)
        assert torch.equal(before, after), (
            "changing the original's weights changes a deep copy: it keeps using them, as it does where a lambda or a "
            "bound method is an attribute of the network"
        )

    def test_instances_are_apart(self) -> None:
        """Instances share nothing: what another one is built for or sees does not change this one."""
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
            after, anew = network(*inputs), self.build().eval()(*inputs)
        assert torch.equal(before, after), (
            "another instance changes what this one gives: they share something, kept in a module or a class"
        )
        assert torch.equal(before, anew), (
            "a network built again from the same seed is another one: something is kept in a module or a class"
        )

    def test_float64(self) -> None:
        """After ``double()`` it gives in float64 what it gives in float32, only closer."""
        network = self.build().eval()
        inputs = self.inputs(network)
        with torch.no_grad():
            single = network(*inputs)
            try:
                output = network.double()(*double(inputs))
            except RuntimeError as error:
                raise AssertionError(
                    f"after double() it raises: {error}; make tensors with the dtype of the inputs"
                ) from error
        assert output.dtype == torch.float64, f"after double() the output is {output.dtype}"
        self.needs_determinism()
        assert same(single.double(), output, 1e-3), "float64 gives other outputs than float32, by more than rounding"

    def test_channels_last(self) -> None:
        """The memory format channels_last, which recipes may ask for, changes nothing but the speed."""
        network = self.build().eval()
        inputs = self.inputs(network)
        with torch.no_grad():
            plain = network(*inputs)
            network.to(memory_format=torch.channels_last)
            inputs = tuple(
                tensor.contiguous(memory_format=torch.channels_last) if tensor.dim() == 4 else tensor
                for tensor in inputs
            )
            try:
                output = network(*inputs)
            except RuntimeError as error:
                raise AssertionError(f"in channels_last it raises: {error}") from error
        self.needs_determinism()
        assert same(plain, output, 1e-3), "in channels_last it gives other outputs"

    def test_bfloat16_autocast(self) -> None:
        """Under bfloat16 autocast outputs and gradients are finite."""
        network = self.build()
        with torch.no_grad():
            network.initialize(*self.inputs(network, 8))
        inputs = self.inputs(network)
        with torch.autocast("cpu", torch.bfloat16):
            output = network(*inputs)
        self.check_output(output, BATCH, self.context(), network)
        torch.autograd.backward(projected(output.float()))
        for name, parameter in network.named_parameters():
            if parameter.grad is not None:
                assert parameter.grad.isfinite().all(), f"under bfloat16 autocast the gradient of {name} is not finite"

    def test_other_devices(self) -> None:
        """Every tensor that it makes is on the device of its inputs, and no value is fetched from there."""
        network = self.build()
        inputs = self.inputs(network)
        try:  # the device without memory; it stands for any that is not the CPU
            output = network.to("meta")(*(tensor.to("meta") for tensor in inputs))
        except (RuntimeError, NotImplementedError) as error:
            raise AssertionError(
                f"on another device it raises: {error}; make tensors with device=... of the inputs, register buffers, "
                "and never ask a tensor for its value in forward"
            ) from error
        assert output.device.type == "meta", "on another device the output is still on the CPU"

    def test_compiles_to_one_graph(self) -> None:
        """``torch.compile(fullgraph=True)`` finds no graph break, in training as in use, and gives the same outputs."""
        network = self.used()
        inputs = double(self.inputs(network))
        state = {name: tensor.clone() for name, tensor in tensors(network).items()}
        torch.compiler.reset()
        compiled = torch.compile(network, fullgraph=True, backend="eager", dynamic=False)

        def output(module: Any, training: bool) -> Tensor:
            network.train(training).load_state_dict(state, strict=False)  # running averages move in training
            torch.manual_seed(3)
            with torch.no_grad():
                result: Tensor = module(*inputs)
            return result

        try:
            for training in (False, True):
                mode = "training" if training else "evaluation"
                try:
                    found = output(compiled, training)
                except Exception as error:
                    raise AssertionError(
                        f"in {mode} mode torch.compile(fullgraph=True) stops: {first_lines(error)}"
                    ) from error
                assert same(output(network, training), found, 1e-9), f"compiled, it gives other outputs in {mode} mode"
        finally:
            torch.compiler.reset()

    def test_two_processes(self) -> None:
        """Two processes that train it together end with the same weights, bit for bit; no parameter is left out."""
        network = self.build()
        if not any(parameter.requires_grad for parameter in network.parameters()):
            raise SkipTest("no parameter of it is trained")
        inputs = [list(self.inputs(network, seed=rank)) for rank in range(2)]
        provider, options = self.component.provider, dict(self.options)
        try:
            weights = in_two_processes(
                _train, provider.distribution, self.kind, self.component.full_name, options, self.context(), inputs
            )
        except AssertionError as error:
            unused = "did not receive grad" in str(error) or "finished reduction" in str(error)
            advice = "a parameter takes no part in the output; use it or remove it: " if unused else ""
            raise AssertionError(f"{advice}{first_lines(error)}") from error
        for name, tensor in weights[0].items():
            assert torch.equal(tensor, weights[1][name]), f"after two steps {name} differs between two processes"

    # --- helpers ----------------------------------------------------------------------------------------------------

    def needs_determinism(self) -> None:
        """Skips a check that compares outputs in evaluation mode where equal inputs do not even give equal ones.

        It would fail, and name another cause.
        """
        kit: Any = type(self)
        if not _repeats_itself(kit):
            raise SkipTest("in evaluation mode the output changes by itself; see use_is_deterministic")

    def assert_same_network(self, one: nn.Module, two: nn.Module, message: str) -> None:
        """Both give bit for bit the same in evaluation mode; leaves them as they were."""
        self.needs_determinism()
        inputs = self.inputs(one)
        modes = one.training, two.training
        with torch.no_grad():
            outputs = one.eval()(*inputs), two.eval()(*inputs)
        one.train(modes[0]), two.train(modes[1])
        assert torch.equal(*outputs), message


@functools.cache
def _works_on(conformance: Any) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """What the class says, or what the network does not refuse; found once for all of its checks."""
    kit = conformance()

    def accepted(size: int) -> tuple[int, ...]:
        return tuple(count for count in kit.image_channels or USUAL_CHANNELS if not refused(size, count))

    def refused(size: int, channels: int) -> bool:
        try:
            kit.build(kit.context(size=size, channels=channels))
        except CganzooError:
            return True
        except Exception:
            return False  # which the checks will tell
        return False

    if kit.image_sizes:
        return kit.image_sizes, kit.image_channels or accepted(kit.image_sizes[0]) or USUAL_CHANNELS
    for size in USUAL_SIZES:
        if channels := accepted(size):
            return (size,), kit.image_channels or channels
    raise AssertionError(f"it refuses images of {', '.join(map(str, USUAL_SIZES))} pixels; set image_sizes")


@functools.cache
def _repeats_itself(conformance: Any) -> bool:
    """Whether equal inputs give equal outputs in evaluation mode; found once for all checks of a class."""
    kit = conformance()
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        try:
            network = kit.used()
            inputs = double(kit.inputs(network))
        except Exception:  # such as that it does not run in float64; other checks tell
            network = kit.build().eval()
            inputs = kit.inputs(network)
        return torch.equal(network(*inputs), network(*inputs))


def _train(
    rank: int,
    distribution: str,
    kind: str,
    name: str,
    options: Mapping[str, Any],
    context: BuildContext,
    inputs: list[list[Tensor]],
) -> dict[str, Tensor]:
    """Two steps of one rank; the weights after them."""
    spec: Any = load_plugins([distribution] if distribution != "cganzoo" else []).get(kind, name).spec
    torch.manual_seed(rank)  # the first process's weights are what both start from
    network = spec.build(parse(spec.config, options), context)
    shared = DistributedDataParallel(network)
    optimizer = torch.optim.SGD((weight for weight in network.parameters() if weight.requires_grad), lr=1e-3)
    for _ in range(2):
        optimizer.zero_grad()
        torch.autograd.backward(projected(shared(*inputs[rank])))
        optimizer.step()
    return {weight: parameter.detach().clone() for weight, parameter in network.named_parameters()}


def double(inputs: Inputs) -> Inputs:
    """The inputs with their noise or images, not their labels, in float64."""
    return tuple(tensor.double() if tensor.is_floating_point() else tensor for tensor in inputs)


def tensors(network: nn.Module) -> dict[str, Tensor]:
    """The tensors of its state dict; what else may be there is for two checks to tell."""
    return {name: value for name, value in network.state_dict().items() if isinstance(value, Tensor)}


def projected(output: Tensor) -> Tensor:
    """A scalar in which every element of the output counts, each by another weight."""
    weights = torch.randn(output.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return (output * weights.to(output.dtype)).sum()


def same(one: Tensor, two: Tensor, tolerance: float) -> bool:
    """Whether two outputs are equal up to ``tolerance``, relative to the largest value."""
    return bool((one - two).abs().max() <= tolerance * (1e-6 + one.abs().max()))


def slopes(value: Callable[[], Tensor], leaves: Sequence[Tensor]) -> tuple[float, float]:
    """How fast a float64 scalar changes as all ``leaves`` make a random move: by its gradients, and by moving them."""
    if not leaves:
        return 0.0, 0.0
    gradients = torch.autograd.grad(value(), leaves, allow_unused=True, materialize_grads=True)
    random = torch.Generator().manual_seed(1)
    # Each leaf moves by its own size, so that a large layer does not drown the others.
    moves = [
        torch.randn(leaf.shape, generator=random, dtype=leaf.dtype) * (leaf.detach().std(correction=0) + 1e-2)
        for leaf in leaves
    ]
    told = sum(float((gradient * move).sum()) for gradient, move in zip(gradients, moves, strict=True))
    step = 1e-8  # so short that it hardly meets a kink of an activation, where a gradient penalty jumps

    def at(distance: float) -> float:
        with torch.no_grad():
            for leaf, move in zip(leaves, moves, strict=True):
                leaf.add_(move, alpha=distance)
        return float(value().detach())

    ahead, behind = at(step), at(-2 * step)
    at(step)
    return told, (ahead - behind) / (2 * step)


def agree(told: float, seen: float) -> bool:
    """Whether two slopes are equal, up to what a difference of float64 numbers can tell."""
    return abs(told - seen) <= 1e-4 * abs(seen) + 1e-6


def positive_int(value: Any) -> bool:
    """Whether it is a plain int above 0, not a tensor, a float or a bool."""
    return type(value) is int and value > 0


def first_lines(error: BaseException, count: int = 3) -> str:
    """The beginning of an error's text: torch's go on for pages."""
    return " ".join(line.strip() for line in str(error).strip().splitlines()[:count] if line.strip())
