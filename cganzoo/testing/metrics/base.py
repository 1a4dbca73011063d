"""What the checks of a metric share: synthetic images, building and feeding a metric, and comparing scores."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, ClassVar

import torch
from torch import Tensor

from cganzoo.errors import CganzooError
from cganzoo.metric import Evaluated, Metric
from cganzoo.networks import Generator
from cganzoo.specs import BuildContext
from cganzoo.testing.conformance import Conformance, build_context, built
from cganzoo.testing.randomness import seeded
from cganzoo.testing.toys import ToyGenerator

from .synthetic import KnownScores, World

Scores = Mapping[str, float | None]


class MetricChecks(Conformance):
    """Base of the classes that check a metric.

    Class attributes, in addition to those of :class:`Conformance`:
        num_classes: of the synthetic images.
        image_size: in pixels; raise it for a metric that needs larger images.
        channels: 1 or 3.
        feature_dim: D of the extractor.
        count: samples; there are a few more real images.
        tolerance: relative, of scores that should be equal except for rounding; lower it for a metric in float64.
        known_values: cases with known scores.
    """

    num_classes: ClassVar[int] = 4
    image_size: ClassVar[int] = 16
    channels: ClassVar[int] = 3
    feature_dim: ClassVar[int] = 8
    count: ClassVar[int] = 40
    tolerance: ClassVar[float] = 1e-5
    known_values: ClassVar[Sequence[KnownScores]] = ()

    def world(self, **changes: int) -> World:
        """The distribution of the real images."""
        names = ("num_classes", "image_size", "channels", "feature_dim")
        sizes = {name: getattr(self, name) for name in names} | changes
        return World(**{"num_logits": sizes["num_classes"], **sizes})

    def wrong_samples(self) -> Evaluated:
        """Samples that a score should find worse than real images: all of them are one image.

        Override it for a metric that prefers such samples.
        """
        return self.world().collapse(self.count, seed=3)

    @cached_property
    def reference(self) -> Evaluated:
        """Real images."""
        return self.world().draw(self.count + 4, seed=0)

    @cached_property
    def samples(self) -> Evaluated:
        """Samples of an ideal generator: other images of the same distribution."""
        return self.world().draw(self.count, seed=1)

    def generator(self, world: World | None = None) -> tuple[Generator, Tensor, Tensor]:
        """A generator, for metrics that use it, noise (N, L) and labels (N,); the samples do not come from it."""
        world = world or self.world()
        with seeded(0):
            generator = ToyGenerator(world.num_classes, world.image_size, world.channels).eval()
        z = torch.randn(self.count, ToyGenerator.latent_dim, generator=torch.Generator().manual_seed(0))
        return generator, z, torch.arange(self.count) % world.num_classes

    def build(self, world: World | None = None, **options: Any) -> Metric:
        """The metric, built for these images."""
        world = world or self.world()
        return built(self.spec.build(self.config(**options), context(world)), Metric)  # type: ignore[type-abstract]

    def feed(
        self,
        reference: Sequence[Evaluated],
        samples: Sequence[Evaluated],
        *,
        metric: Metric | None = None,
        generator: bool = True,
        given: tuple[Generator, Tensor, Tensor] | None = None,
        world: World | None = None,
    ) -> Metric:
        """Give an evaluation to a metric, by default a new one, in the host's order; ``given``: generator and noise."""
        metric = self.build(world) if metric is None else metric
        for batch in reference:
            metric.update_reference(batch)
        if generator:
            metric.update_generator(*(given or self.generator(world)))
        for batch in samples:
            metric.update(batch)
        return metric

    def score(self, reference: Evaluated | None = None, samples: Evaluated | None = None) -> Scores:
        """The scores of a new metric for one batch of each."""
        return dict(self.feed([reference or self.reference], [samples or self.samples]).compute())

    @classmethod
    @functools.cache
    def expected(cls) -> Scores:
        """The scores of :attr:`samples`; computed once for each class, as a metric may be slow."""
        return cls().score()

    # --- comparing --------------------------------------------------------------------------------------------------

    def check_outputs(self, scores: Scores, when: str) -> None:
        """The scores are the declared outputs, each a finite number or None."""
        declared = sorted(output.name for output in self.spec.outputs)
        assert sorted(scores) == declared, f"{when}, it reports {sorted(scores)}; its spec declares {declared}"
        for name, value in scores.items():
            kind = type(value).__name__
            assert value is None or isinstance(value, (int, float)), f'{when}, "{name}" is a {kind}; report a float'
            assert value is None or math.isfinite(value), f'{when}, "{name}" is {value}; report None if it is undefined'

    def check_same(self, found: Scores | None, expected: Scores | None, when: str, *, estimates: bool = False) -> None:
        """Scores are equal except for rounding and, with ``estimates``, ``order_tolerance``. ``None`` means refused."""
        if found is None or expected is None:
            assert found is expected, f"one of two equal evaluations is scored and the other one refused, {when}"
            return
        for output in self.spec.outputs:
            ours, theirs = found[output.name], expected[output.name]
            tolerance = max(self.tolerance, output.order_tolerance if estimates else 0.0)
            equal = close(ours, theirs, tolerance, self.tolerance * 1e-2)
            assert equal, f'"{output.name}" is {theirs}, but {ours} {when}'


def context(world: World) -> BuildContext:
    """The context in which a metric of these images is built."""
    own, dim = world.num_logits == world.num_classes, world.feature_dim
    return build_context(world.num_classes, world.image_size, world.channels, feature_dim=dim, own_classes=own)


def close(found: float | None, expected: float | None, relative: float, absolute: float) -> bool:
    """Whether two scores are equal; None equals None only."""
    if found is None or expected is None:
        return found is expected
    return math.isclose(found, expected, rel_tol=relative, abs_tol=absolute)


def unless_refused(compute: Callable[[], Scores], what: str) -> Scores | None:
    """The scores, or ``None`` if the metric refuses with an error of one line."""
    try:
        return compute()
    except CganzooError as refusal:
        message = str(refusal)
        assert message and "\n" not in message, f"the error for {what} must be one line, but is {message!r}"  # noqa: PT018
        return None
    except Exception as error:
        advice = "report None for an output that is not defined, or raise a CganzooError that says what to change"
        raise AssertionError(f"{what}: {type(error).__name__}: {error}; {advice}") from error
