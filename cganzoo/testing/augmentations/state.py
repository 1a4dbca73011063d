"""The state of an augmentation: buffers that checkpoints save, changed by ``observe`` only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from unittest import SkipTest

import torch
from torch import Tensor

from cganzoo.augmentation import Augmentation
from cganzoo.testing.conformance import check_equal, explained, load_from_checkpoint
from cganzoo.testing.modules import attributes, check_attributes, check_seeded, state
from cganzoo.testing.randomness import seeded, untouched
from cganzoo.testing.toy_losses import ToyLogistic
from cganzoo.testing.toys import FEATURE_DIM, LATENT_DIM, ToyGenerator, ToyTrunk
from cganzoo.testing.variants import TOTAL_STEPS, check_schedules, each_variant
from cganzoo.train.steps import DiscriminatorStep, GeneratorStep, update

from .base import CLASSES, SIZE, AugmentationChecks, Augmented, drawn, observes

UNSAVED = "no checkpoint saves that state; make it a buffer, or a schedule if it follows the step"
SIZES = (SIZE, 1, SIZE)
"""Sizes of the batches of a short training."""


def _needs_observe(augmentation: Augmentation) -> None:
    if not observes(augmentation):
        raise SkipTest("it does not use scores: observe is not overridden")


class AugmentationState(AugmentationChecks):
    """State."""

    @each_variant
    def test_has_no_parameters(self, case: Augmented) -> None:
        """The augmentation has no parameters: nothing would train them."""
        names = [name for name, _ in case.augmentation.named_parameters()]
        assert not names, f"it has the parameter {', '.join(names)}; make it a buffer"

    @each_variant
    def test_forward_changes_no_state(self, case: Augmented) -> None:
        """Changing images changes no attribute and no buffer: how often it is called depends on the recipe."""
        augmentation = case.augmentation
        drawn(augmentation, case.images())  # the first call may create an attribute once
        before, buffers = attributes(augmentation), state(augmentation)
        drawn(augmentation, case.images(seed=1), 1)
        check_attributes(augmentation, before, "forward", UNSAVED)
        check_equal(state(augmentation), buffers, "is changed by forward; change buffers in observe only")

    @each_variant
    def test_observe_changes_buffers_only(self, case: Augmented) -> None:
        """``observe`` changes no attribute, not the scores, and draws no random numbers."""
        augmentation = case.new()
        _needs_observe(augmentation)
        augmentation.observe(_scores(0))
        before, shapes = attributes(augmentation), _shapes(augmentation)
        for seed in range(1, 4):
            scores = _scores(seed)
            with untouched("observe"):
                augmentation.observe(scores)
            assert torch.equal(scores, _scores(seed)), "observe changes the scores in place; compute new tensors"
        check_attributes(augmentation, before, "observe", UNSAVED)
        assert _shapes(augmentation) == shapes, "observe changes shapes or types of buffers; change their values only"

    @each_variant
    def test_observe_accepts_any_scores(self, case: Augmented) -> None:
        """One score, large scores and zeros keep the buffers finite."""
        augmentation = case.new()
        _needs_observe(augmentation)
        for what, scores in {
            "one score": torch.ones(1),
            "large scores": torch.full((SIZE,), 1e30),
            "zeros": torch.zeros(SIZE),
            "negative scores": torch.full((SIZE,), -1e30),
        }.items():
            with explained(f"observe for {what}"):
                for _ in range(8):
                    augmentation.observe(scores)
            for name, value in state(augmentation).items():
                finite = not value.is_floating_point() or value.isfinite().all()
                assert finite, f"after observe got {what}, the buffer {name} is not finite"

    @each_variant
    def test_observe_never_waits(self, case: Augmented) -> None:
        """``observe`` works on any device, and copies no value to the CPU: the training never waits for it."""
        augmentation = case.new().to("meta")
        _needs_observe(augmentation)
        advice = "use no item(), and no if on a tensor: torch.where and clamp_ work on the device"
        with explained("on another device observe", advice):
            for _ in range(8):
                augmentation.observe(torch.zeros(SIZE, device="meta"))
        left = [name for name, buffer in augmentation.named_buffers() if not buffer.is_meta]
        assert not left, f"on another device observe puts {', '.join(left)} on the CPU; {advice}"

    @each_variant
    def test_instances_are_independent(self, case: Augmented) -> None:
        """Building and using a second augmentation changes nothing in the first."""
        before = {"an image": drawn(case.augmentation, case.images())}
        other = replace(case, seed=1)
        drawn(other.augmentation, case.images(), 1)
        other.augmentation.observe(torch.zeros(SIZE))
        hint = "keep the state of one in attributes of self, not of the class or the module"
        after = {"an image": drawn(case.augmentation, case.images())}
        check_equal(after, before, f"is changed differently when a second augmentation was used: {hint}")

    @each_variant
    def test_build_is_seeded(self, case: Augmented) -> None:
        """The same torch seed builds the same buffers, for any state of the other random number generators."""
        check_seeded(lambda: case.spec.build(case.config, case.context))

    @each_variant
    def test_state_goes_round(self, case: Augmented) -> None:
        """An augmentation that was used, saved, and loaded into another instance changes images in the same way."""
        used, again = replace(case).augmentation, replace(case, seed=1).new()
        load_from_checkpoint(again, used)
        again.advance(0, TOTAL_STEPS)
        used.advance(0, TOTAL_STEPS)
        for turn in range(3):
            found, expected = ({"an image": drawn(one, case.images(seed=turn), turn)} for one in (again, used))
            check_equal(found, expected, "is changed differently after saving and loading: keep all state in buffers")
            for one in (again, used):
                one.observe(_scores(turn))
            check_equal(state(again), state(used), "is different after saving, loading and observe")

    def test_schedules(self) -> None:
        """Each option that accepts a schedule follows it: at each step, images change as for the scheduled number."""
        check_schedules(self, _results, "results")

    @each_variant
    def test_trains(self, case: Augmented) -> None:
        """Both players take steps through it, in float32 and bfloat16; the batches have several images, and one."""
        for autocast in (False, True):
            with seeded(0):
                weights = _train(replace(case), autocast=autocast)
            for name, weight in weights.items():
                where = f"after {len(SIZES)} steps{' in bfloat16' if autocast else ''}"
                assert weight.isfinite().all(), f"{where}, {name} is not finite"


def _scores(seed: int) -> Tensor:
    return torch.randn(SIZE, generator=torch.Generator().manual_seed(seed))


def _shapes(augmentation: Augmentation) -> dict[str, tuple[torch.Size, torch.dtype]]:
    return {name: (buffer.shape, buffer.dtype) for name, buffer in augmentation.named_buffers()}


def _results(case: Augmented, step: int) -> Mapping[str, Tensor]:
    """What a new augmentation does at a step: images of two batches, and the buffers after it saw scores."""
    augmentation = case.new()
    augmentation.advance(step, TOTAL_STEPS)
    found = {}
    for turn in range(4):
        found[f"an image of batch {turn + 1}"] = drawn(augmentation, case.images(seed=turn), turn)
        for _ in range(4):
            augmentation.observe(torch.full((1000,), 0.5, dtype=case.dtype))
    return {**found, **{f"buffer {name}": value for name, value in state(augmentation).items()}}


def _train(case: Augmented, *, autocast: bool) -> dict[str, Tensor]:
    """The weights of toy networks after a few steps."""
    channels, size, _ = case.image
    generator, trunk = ToyGenerator(CLASSES, size, channels), ToyTrunk(size, channels)
    objective = ToyLogistic(CLASSES, FEATURE_DIM)
    augmentation = case.augmentation
    steps = [
        step(generator, trunk, objective, augmentations=[augmentation], autocast=autocast)
        for step in (DiscriminatorStep, GeneratorStep)
    ]
    discriminator = [*trunk.parameters(), *objective.parameters()]
    optimizers = [torch.optim.SGD(discriminator, 1e-2), torch.optim.SGD(generator.parameters(), 1e-2)]
    for number, count in enumerate(SIZES):
        augmentation.advance(number, len(SIZES))
        labels = torch.arange(count) % CLASSES
        z = torch.randn(count, LATENT_DIM)
        update(steps[0], optimizers[0], case.images(count, number), labels, z, labels)
        update(steps[1], optimizers[1], z, labels, freeze=discriminator)
    named = {**dict(generator.named_parameters()), **dict(trunk.named_parameters()), **state(augmentation)}
    return {name: value.detach() for name, value in named.items()}
