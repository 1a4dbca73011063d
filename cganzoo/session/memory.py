"""Memory of a run: sizes that cannot fit are refused before the first step; running out of it is one clear error.

Only what is certain is refused: a lower bound of what a run needs is compared with all the memory that there is.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from cganzoo._util.memory import is_out_of_memory, memory_limit, what_ran_out
from cganzoo.console.reporter import amount
from cganzoo.errors import RunError
from cganzoo.recipe.keys import Train
from cganzoo.recipe.resolve import Resolved
from cganzoo.train.build import Networks
from cganzoo.train.steps import DiscriminatorStep

T = TypeVar("T")

FLOAT, INTEGER = 4, 8  # bytes of float32 and int64

LOADING, BUILDING, TRAINING, SCORING = "loading the images", "building the networks", "training", "scoring"
"""What a run does; decides which keys :func:`memory_error` names."""


ACTIVATIONS = 300
"""Bytes of activations for a byte of images, about. Only if they might not fit are they measured: it takes seconds."""


def total_memory(device: torch.device) -> tuple[int | None, str]:
    """Bytes of memory of a device, and its name in messages. ``None`` if that is not known."""
    if device.type == "cuda":
        return torch.cuda.get_device_properties(device).total_memory, "the GPU has"
    return (memory_limit() if device.type == "cpu" else None), "this process can have"


def check_batches(resolved: Resolved, device: torch.device, latent_dim: int = 1) -> None:
    """Raise :class:`RunError` if a training batch, or what an evaluation draws at once, cannot fit into the memory.

    ``latent_dim`` is the generator's; if it is not known yet, 1 is a lower bound.
    """
    sections, place = resolved.recipe.sections, resolved.recipe.place
    image = resolved.channels * sections.data.image_size**2 * FLOAT
    # The real images and the samples of one discriminator step, or of a part of it, exist at the same time.
    train = sections.train
    count, at_a_time = train.batch_size, train.batch_size // train.accumulate
    samples = "as many samples" if at_a_time == count else f"{at_a_time:,} samples"
    _refuse(
        f"{place('train', 'batch_size')}: {count:,} images and {samples} take",
        count * (image + latent_dim * FLOAT) + at_a_time * image,
        device,
        "lower it",
    )
    if resolved.metrics:
        check_scoring(resolved, device, latent_dim)


def check_scoring(resolved: Resolved, device: torch.device, latent_dim: int = 1) -> None:
    """:func:`check_batches` for an evaluation."""
    sections, place = resolved.recipe.sections, resolved.recipe.place
    image = resolved.channels * sections.data.image_size**2 * FLOAT
    evaluation, cpu = sections.evaluation, torch.device("cpu")
    noise = latent_dim * FLOAT + 2 * INTEGER  # drawn at once, with the classes, on the CPU
    for key in ("samples", "batch_size"):
        number = getattr(evaluation, key)
        _refuse(f"{place('evaluation', key)}: the noise of {number:,} samples takes", number * noise, cpu, "lower it")
    at_a_time = min(evaluation.samples, evaluation.batch_size)
    _refuse(f"{place('evaluation', 'batch_size')}: {at_a_time:,} samples take", at_a_time * image, device, "lower it")


def check_networks(resolved: Resolved, class_names: tuple[str, ...], device: torch.device) -> None:
    """Raise :class:`RunError` if the networks with all that training keeps of them cannot fit into the memory.

    The networks are built without memory, on torch's device ``"meta"``. If one cannot be, nothing is checked.
    """
    networks = _without_memory(resolved, class_names)
    if networks is None:
        return
    optimizers = resolved.recipe.sections.optimizer
    place = resolved.recipe.place
    generator, discriminator = _bytes(networks.generator), _bytes(networks.trunk) + _bytes(networks.objective)
    # Weights, gradients, the optimizer's state, and the generator's average.
    kept = generator * (3 + _states(optimizers.generator)) + discriminator * (2 + _states(optimizers.discriminator))
    counts = networks.parameter_counts()
    named = f"generator {counts['generator']:,}, discriminator {counts['trunk'] + counts['objective']:,}"
    _refuse(
        f"{place('generator' if generator > discriminator else 'discriminator')}: the networks ({named} parameters) "
        "with their gradients and optimizers take",
        kept,
        device,
        "lower the sizes in this section",
    )
    latent_dim = getattr(networks.generator, "latent_dim", None)
    if not isinstance(latent_dim, int):
        return
    check_batches(resolved, device, latent_dim)
    train, data = resolved.recipe.sections.train, resolved.recipe.sections.data
    images = 2 * (train.batch_size // train.accumulate) * resolved.channels * data.image_size**2 * FLOAT
    limit, _ = total_memory(device)
    # A GPU without memory is a clear error. On the CPU, the system may kill the process without a message.
    if device.type == "cpu" and limit is not None and images * ACTIVATIONS > limit:
        _refuse(
            f"{place('train', 'batch_size')}: a training step on {train.batch_size:,} images takes",
            _step_bytes(networks, resolved) + kept,
            device,
            "lower it, or raise train.accumulate",
        )


def memory_error(error: BaseException, doing: str, resolved: Resolved, device: torch.device) -> RunError | None:
    """The error to show if ``error`` means that memory ran out, else ``None``."""
    if not is_out_of_memory(error):
        return None
    sections, place = resolved.recipe.sections, resolved.recipe.place
    training = (  # the networks are initialised on a batch
        f"{place('train', 'batch_size')} (now {sections.train.batch_size}; try half of it"
        f"{_more_parts(sections.train)}), or the sizes in [generator], [discriminator] and [loss]"
    )
    keys = {
        LOADING: f"{place('data', 'image_size')} (now {sections.data.image_size})",
        BUILDING: training,
        TRAINING: training,
        SCORING: f"{place('evaluation', 'batch_size')} (now {sections.evaluation.batch_size}; try half of it), or "
        f"evaluation.samples (now {sections.evaluation.samples})",
    }
    where = "on the GPU" if device.type == "cuda" else f"on the device {device.type}"
    return RunError(f"{doing} {where}: {what_ran_out(error)}; lower {keys[doing]}")


def _more_parts(train: Train) -> str:
    """The advice to compute a batch in more parts, if it can be divided further."""
    larger = (count for count in range(train.accumulate + 1, train.batch_size + 1) if train.batch_size % count == 0)
    return next((f", or train.accumulate = {count}" for count in larger), "")


def _refuse(what: str, needed: int, device: torch.device, advice: str) -> None:
    limit, has = total_memory(device)
    if limit is not None and needed > limit:
        raise RunError(f"{what} at least {amount(needed)}, but {has} {amount(limit)}; {advice}")


def _without_memory(resolved: Resolved, class_names: tuple[str, ...]) -> Networks | None:
    """The networks of a run, without numbers; ``None`` if one of them needs numbers while it is built."""

    def built(kind: str, make: Callable[[], T]) -> T:
        try:
            return make()
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            where = resolved.recipe.place(kind)
            raise RunError(f"{where}: {what_ran_out(error)}; lower the sizes in this section") from error

    try:
        with torch.device("meta"), _WithoutPowerIterations():
            context = resolved.context(class_names)
            generator = built("generator", lambda: resolved.generator.create(context))
            trunk = built("discriminator", lambda: resolved.discriminator.create(context))
            context = resolved.context(class_names, feature_dim=trunk.feature_dim)
            return Networks(generator, trunk, built("loss", lambda: resolved.loss.create(context)))
    except RunError:
        raise
    except Exception:  # if the network is at fault, building it with numbers fails, too, and reports that
        return None


class _WithoutPowerIterations(TorchFunctionMode):
    """On the device ``"meta"``: products of matrix and vector, and what is written to an ``out``, only get their shape.

    Spectral normalisation computes both 30 times for each layer that it is added to. Without this, a deep network with
    it takes ten seconds to build.
    """

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func is torch.mv and args and args[0].is_meta:
            return args[0].new_empty(len(args[0]))
        out = kwargs.get("out")
        return out if isinstance(out, Tensor) and out.is_meta else func(*args, **kwargs)


class _WithoutAutocast(DiscriminatorStep):
    """A step on the device ``"meta"``, which has no autocast."""

    def _autocast(self, images: Tensor) -> AbstractContextManager[Any]:
        return nullcontext()


class _Peak(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the bytes of all tensors that exist at the same time, of those that are made in its block."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._now, self.bytes = 0, 0
        self._known: weakref.WeakSet[torch.UntypedStorage] = weakref.WeakSet()

    def _add(self, count: int) -> None:
        self._now += count
        self.bytes = max(self.bytes, self._now)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for made in result if isinstance(result, (tuple, list)) else [result]:
            if isinstance(made, Tensor) and (storage := made.untyped_storage()) not in self._known:
                self._known.add(storage)
                self._add(storage.nbytes())
                weakref.finalize(storage, self._add, -storage.nbytes())
        return result


def _step_bytes(networks: Networks, resolved: Resolved) -> int:
    """The most bytes that the forward pass of a discriminator step, or of a part of it, holds at a time, at least.

    Regularizers and augmentations are not counted. 0 if it cannot be measured.
    """
    train, shape = resolved.recipe.sections.train, (resolved.channels, *[resolved.recipe.sections.data.image_size] * 2)
    count = train.batch_size // train.accumulate
    try:
        with torch.device("meta"), _Peak() as peak:
            labels = torch.zeros(count, dtype=torch.int64)
            z = torch.empty(count, networks.generator.latent_dim)
            _WithoutAutocast(*networks)(torch.empty(count, *shape), labels, z, labels)
    except Exception:  # some networks and losses need numbers
        return 0
    smaller = train.compile or train.precision != "float32"  # fused, or half as many bytes
    return 0 if smaller else peak.bytes


def _bytes(module: nn.Module) -> int:
    return sum(weight.numel() * weight.element_size() for weight in module.parameters() if weight.requires_grad)


def _states(optimizer: Any) -> int:
    """How many numbers an optimizer keeps for each weight, at least."""
    moments = 2 if hasattr(optimizer, "betas") else 1 if getattr(optimizer, "momentum", 0) else 0
    return moments + (1 if getattr(optimizer, "amsgrad", False) else 0)
