"""What a loss declares about itself is true: the flags for gradients of images, networks, and random numbers."""

from __future__ import annotations

import inspect
import math
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import torch

from cganzoo.objective import Batch

from . import base
from .base import METHODS, Loss, LossChecks
from .hints import IMAGE_GRADIENTS, NETWORKS, PARAMETER, hint


class LossFlags(LossChecks):
    """Flags and groups of parameters."""

    @base.each_variant
    def test_uses_image_gradients_is_true(self, loss: Loss) -> None:
        """``uses_image_gradients`` is declared if the losses differentiate with respect to images, and only then.

        Or with respect to points of their own, by the networks: a compiled step cannot do that either.
        """
        if loss.objective.uses_image_gradients:
            used = self._in_any_choice(lambda one: _differentiates_images(one) or _differentiates_networks(one), loss)
            assert used, f"uses_image_gradients = True, but no loss differentiates {_IN_IMAGES}; remove it"
        else:
            error = _error(loss)
            if hint(error) == f"; {IMAGE_GRADIENTS}":
                raise AssertionError(f"a loss differentiates {_IN_IMAGES}; {IMAGE_GRADIENTS}") from error

    @base.each_variant
    def test_uses_networks_is_true(self, loss: Loss) -> None:
        """The losses use ``networks`` if ``uses_networks`` says so, and only then."""
        with_parameter = [method for method in METHODS if "networks" in _parameters(getattr(loss.objective, method))]
        if not loss.objective.uses_networks:
            error = _error(loss) if with_parameter else None
            if error is not None:
                problem = f"{' and '.join(with_parameter)} fails if it gets no networks"
                raise AssertionError(f"{problem}; {NETWORKS}") from error
            return
        for method in METHODS:
            problem = f"{method} does not accept the argument networks; {PARAMETER}"
            assert method in with_parameter or "kwargs" in _parameters(getattr(loss.objective, method)), problem
        used = self._in_any_choice(_uses_networks, loss)
        assert used, "uses_networks = True, but no loss uses networks; remove it"

    @base.each_variant
    def test_stochastic_is_true(self, loss: Loss) -> None:
        """A loss with ``stochastic`` draws random numbers. One without it: see no_global_random_numbers."""
        if loss.objective.stochastic:
            used = self._in_any_choice(base.draws_random_numbers, loss)
            assert used, "stochastic = True, but no loss draws random numbers; remove it"

    @base.each_variant
    def test_parameter_groups(self, loss: Loss) -> None:
        """``parameter_groups`` has each parameter of the loss once, and positive factors of the learning rate."""
        names = {id(parameter): name for name, parameter in loss.objective.named_parameters()}
        found: Counter[int] = Counter()
        for group in loss.objective.parameter_groups():
            factor: Any = group.lr_factor
            positive = isinstance(factor, (int, float)) and math.isfinite(factor) and factor > 0
            assert positive, f"parameter_groups has the lr_factor {factor!r}; it must be a number above 0"
            found.update(map(id, group.parameters))
        missing = [name for key, name in names.items() if key not in found]
        assert not missing, f"parameter_groups does not have {', '.join(missing)}, which nothing trains then; add it"
        repeated = [names.get(key, "a parameter") for key, count in found.items() if count > 1]
        assert not repeated, f"parameter_groups has {', '.join(repeated)} more than once; keep it in one group"
        assert len(found) == len(names), "parameter_groups has a parameter that is not one of the loss; remove it"

    def _in_any_choice(self, uses: Callable[[Loss], bool], loss: Loss) -> bool:
        """Whether the loss uses something with these options or with others."""
        return any(uses(replace(one)) for one in (loss, *self._others()))

    def _others(self) -> Iterator[Loss]:
        yield from self.each()
        yield from self.other_numbers()


_IN_IMAGES = "with respect to the images of a batch"


def _error(loss: Loss) -> Exception | None:
    """The error that the losses raise, if any."""
    try:
        with base.buffers_restored(loss.objective):
            loss.terms(*loss.batches())
    except Exception as error:
        return error
    return None


def _differentiates_images(loss: Loss) -> bool:
    """Whether the losses fail, or change, if the images require no gradients."""

    def plain(batch: Batch) -> Batch:
        return replace(batch, images=batch.images.detach())

    real, fake = loss.batches()
    try:
        without = loss.values(plain(real), plain(fake))
    except RuntimeError:
        return True
    return any(not torch.equal(value, without[method]) for method, value in loss.values(real, fake).items())


class _Watched:
    """Networks that note whether they are used."""

    def __init__(self, networks: Any) -> None:
        self._networks, self.used = networks, False

    def __getattr__(self, name: str) -> Any:
        self.used = True
        return getattr(self._networks, name)


class _Hooked:
    """Networks that note whether a loss differentiates what they return."""

    def __init__(self, networks: Any) -> None:
        self._networks, self.used = networks, False

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._networks, name)

        def hooked(*inputs: Any) -> Any:
            output = method(*inputs)
            if isinstance(output, torch.Tensor) and output.requires_grad:
                output = output.view_as(output)  # the input itself, if a network returns it, has no hook
                output.register_hook(self._note)  # type: ignore[no-untyped-call]
            return output

        return hooked

    def _note(self, gradient: torch.Tensor) -> None:
        self.used = True


def _uses_networks(loss: Loss) -> bool:
    return _used(loss, _Watched)


def _differentiates_networks(loss: Loss) -> bool:
    return loss.objective.uses_networks and _used(loss, _Hooked)


def _used(loss: Loss, watch: type[_Watched] | type[_Hooked]) -> bool:
    """Whether the losses, with networks that are watched, do what ``watch`` notes."""
    watched = {method: watch(networks) for method, networks in loss.networks.items()}
    calls = loss.calls(*loss.batches(), watched)
    with base.buffers_restored(loss.objective):
        for method in METHODS:
            calls[method]()
    return any(one.used for one in watched.values())


def _parameters(function: Callable[..., Any]) -> list[str]:
    return list(inspect.signature(function).parameters)
