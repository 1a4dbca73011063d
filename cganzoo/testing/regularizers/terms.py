"""The terms of a regularizer: usable for all kinds of batches, networks, precisions and devices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor

from cganzoo.regularizer import Regularizer
from cganzoo.specs import NAME
from cganzoo.testing.conformance import built, explained
from cganzoo.testing.modules import gradients
from cganzoo.testing.randomness import seeded
from cganzoo.testing.variants import TOTAL_STEPS, each_variant

from . import base
from .base import CLASSES, PLAYERS, SEEDS, SIZE, Game, Penalty, RegularizerChecks

IMAGES = ((3, 8, 8), (1, 7, 7), (3, 16, 16))
"""Shapes of images on which every regularizer works."""


class RegularizerTerms(RegularizerChecks):
    """Terms."""

    @each_variant
    def test_terms_are_named_scalars(self, case: Penalty) -> None:
        """Each penalty returns named float32 scalars: names begin with the component's, and are always the same."""
        built(case.regularizer, Regularizer)
        game = Game(case)
        names: dict[str, list[str]] = {}
        for size in (SIZE, 2):
            for method, terms in game.terms(game.inputs(size)).items():
                assert isinstance(terms, Mapping), f"{method} returns {type(terms).__name__}; return a dict of terms"
                for name, term in terms.items():
                    assert isinstance(name, str), f"{method} names a term {name!r}; a name must be a string"
                    assert NAME.fullmatch(name), f"{method} names a term {name!r}; use lower snake case"
                    begins = f"{name}_".startswith(f"{case.spec.name}_")
                    assert begins, f'{method} names a term "{name}"; begin it with the component: "{case.spec.name}"'
                    what = f"{method}, {name}"
                    assert isinstance(term, Tensor), f"{what} is {type(term).__name__}; return a tensor"
                    assert term.shape == (), f"{what} has shape {tuple(term.shape)}; reduce it to a scalar"
                    assert term.dtype == torch.float32, f"{what} is {term.dtype}; compute it in the features' dtype"
                before = names.setdefault(method, list(terms))
                assert before == list(terms), f"{method} has the terms {before} and, for another batch, {list(terms)}"
        if not case.label:
            advice = "override discriminator_penalty or generator_penalty"
            assert any(names.values()), f"with its defaults, it returns no term; {advice}"

    @each_variant
    def test_every_term_teaches(self, case: Penalty) -> None:
        """Each term has a gradient in the player that it trains, unless it is always zero."""
        found: dict[tuple[str, str], tuple[float, float]] = {}
        game = Game(case)
        for step in (0, TOTAL_STEPS // 2, TOTAL_STEPS):
            case.regularizer.advance(step, TOTAL_STEPS)
            for seed in SEEDS:
                with seeded(seed):
                    for method, terms in game.terms(game.inputs(seed=seed)).items():
                        for name, term in terms.items():
                            size, slope = found.get((method, name), (0.0, 0.0))
                            slopes = [one.abs().sum().item() for one in gradients(term, game.trained(method))]
                            found[method, name] = size + abs(term.item()), slope + sum(slopes)
        for (method, name), (size, slope) in found.items():
            problem = f"{method}, {name} is not zero, but has no gradient in the {PLAYERS[method]}"
            advice = "detach nothing on its way, and remove a term that is only for the log"
            assert slope or not size, f"{problem}; {advice}"
        if found and not case.label:
            assert any(slope for _, slope in found.values()), "with its defaults, all of its terms are always zero"

    @each_variant
    def test_any_number_of_classes(self, case: Penalty) -> None:
        """Penalties and gradients are finite with 1, 2, 10 and 200 classes."""
        for classes in base.CLASS_COUNTS:
            game = Game(replace(case, classes=classes))
            game.check_finite(game.inputs(), f"num_classes = {classes}, batch of {SIZE}")

    @each_variant
    def test_missing_classes(self, case: Penalty) -> None:
        """Penalties and gradients are finite if classes are missing from a batch."""
        game = Game(replace(case, classes=4))
        images, _, z, _ = game.inputs()
        for of_real, of_fake in ((0, 0), (3, 3), (0, 3), (2, 1)):
            labels, fake_labels = (torch.full((SIZE,), label) for label in (of_real, of_fake))
            what = f"all real samples of class {of_real}, all fake samples of class {of_fake}, of 4 classes"
            game.check_finite((images, labels, z, fake_labels), what)

    @each_variant
    def test_batch_of_one(self, case: Penalty) -> None:
        """Penalties and gradients are finite for a single sample."""
        for classes in (1, CLASSES):
            game = Game(replace(case, classes=classes))
            game.check_finite(game.inputs(1), f"num_classes = {classes}, batch of 1")

    @each_variant
    def test_any_image(self, case: Penalty) -> None:
        """Penalties and gradients are finite for gray and RGB images of any size."""
        for image in IMAGES:
            game = Game(replace(case, image=image))
            game.check_finite(game.inputs(), f"images of shape {image}")

    @each_variant
    def test_flat_images(self, case: Penalty) -> None:
        """Penalties and gradients are finite if all real images are equal, and of one colour."""
        game = Game(case)
        images, labels, z, fake_labels = game.inputs()
        for value in (-1.0, 0.0):
            flat = torch.full_like(images, value)
            game.check_finite((flat, labels, z, fake_labels), f"all pixels of the real images {value:g}")

    @each_variant
    def test_batch_statistics(self, case: Penalty) -> None:
        """Penalties and gradients are finite for a trunk whose features depend on the rest of the batch."""
        game = Game(case, trunk=base.NormalizedTrunk)
        game.check_finite(game.inputs(), "a trunk with batch normalisation")

    # --- precision and device -----------------------------------------------------------------------------------------

    @each_variant
    def test_runs_in_float64(self, case: Penalty) -> None:
        """From float64 networks the penalties are float64, and close to those in float32."""
        results = {}
        for dtype in (torch.float32, torch.float64):
            game = Game(replace(case, dtype=dtype))
            with seeded(0):
                results[dtype] = game.terms(game.inputs())
        drawn = base.draws(case)
        for method, exact in results[torch.float64].items():
            for name, term in exact.items():
                what = f"{method}, {name}"
                assert term.dtype == torch.float64, f"{what} is {term.dtype}: create tensors with the features' dtype"
                # Random numbers of another type are other numbers.
                other = results[torch.float32][method][name].double()
                same = torch.allclose(other, term, rtol=1e-3, atol=1e-5)
                assert drawn or same, f"{what} is {other.item():.6g} in float32 and {term.item():.6g} in float64"

    @each_variant
    def test_trains_in_bfloat16(self, case: Penalty) -> None:
        """With networks in bfloat16, penalties and gradients are finite, and float32."""
        game = Game(case, autocast=True)
        for seed in SEEDS:
            inputs = game.inputs(seed=seed)
            game.check_finite(inputs, "networks in bfloat16")
        for method, terms in game.terms(inputs).items():
            for name, term in terms.items():
                assert term.dtype == torch.float32, f"with networks in bfloat16, {method}, {name} is {term.dtype}"

    @each_variant
    def test_runs_on_any_device(self, case: Penalty) -> None:
        """The penalties work on the device of their inputs, and copy no value to the CPU."""
        game = Game(case)
        inputs = tuple(value.to("meta") for value in game.inputs())
        for module in (game.generator, game.trunk, game.objective, case.regularizer):
            module.to("meta")  # has no values: a tensor on the CPU, or reading a value, is an error
        advice = "create tensors on the device of the images, register buffers, and read no tensor's value"
        for method in PLAYERS:
            with explained(f"on another device {method}", advice):
                terms = game.step(method, inputs)  # type: ignore[arg-type]
            for name, term in terms.items():
                assert term.is_meta, f"on another device {method}, {name} is still on the CPU; {advice}"
