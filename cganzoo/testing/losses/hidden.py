"""Nothing hidden has a say in the loss: its inputs, its weights and its buffers are all there is."""

from __future__ import annotations

import tempfile
from pathlib import Path

import torch
from torch import Tensor
from torch.autograd import backward

from cganzoo.testing.randomness import seeded, untouched

from .attributes import attributes
from .checks import PLAYERS, SEEDS, LossChecks, each_variant, of_steady_losses
from .trial import CLASSES, Trial, context, kept, losses, total, totals


class LossHidden(LossChecks):
    """No global or hidden state."""

    @each_variant
    def test_no_global_random_numbers(self, trial: Trial) -> None:
        """The losses neither move nor read the random number generators that all share."""
        objective = trial.objective()
        batches = trial.batches(objective)
        results = []
        for seed in (1, 1, 2):
            with seeded(seed), kept(objective), untouched("computing the losses (or a dropout in a head)"):
                both = losses(objective, *batches)
            results.append({method: total(terms) for method, terms in both.items()})
        for method in PLAYERS:
            one, again, other = (result[method] for result in results)
            assert torch.equal(one, other) or not torch.equal(one, again), (  # else it is something else that moves it
                f"{method} depends on the state of a global random number generator; draw from one of your own"
            )

    @each_variant
    @of_steady_losses
    def test_same_call_same_loss(self, trial: Trial) -> None:
        """Called again with the same batch and weights, the losses are the same bits."""
        objective = trial.objective()
        batches = trial.batches(objective)
        results = []
        for _ in range(3):
            with kept(objective):
                results.append(totals(objective, *batches))
        for again in results[1:]:
            for method in PLAYERS:
                assert torch.equal(results[0][method], again[method]), (
                    f"{method} gives {results[0][method].item()!r}, and called again with the same batch "
                    f"{again[method].item()!r}: it keeps something that no checkpoint holds; make it a buffer, or a "
                    "schedule if it follows the step"
                )

    @each_variant
    def test_attributes_stay(self, trial: Trial) -> None:
        """Computing the losses leaves the attributes as they are: it counts, collects and keeps nothing in them."""
        objective = trial.objective()
        batches = trial.batches(objective)
        totals(objective, *batches)  # what is made once, at the first call, may stay
        before = attributes(objective)
        totals(objective, *batches)
        for name, value in attributes(objective).items():
            assert not value.graph, (
                f"after the losses, {name} holds a tensor of their graph, and with it the memory of a whole step: keep "
                "nothing, or what detach() gives in a buffer"
            )
            assert value == before.get(name), (
                f"computing the losses changes {name}, which no checkpoint holds: make it a buffer, or a schedule if "
                "it follows the step"
            )

    @each_variant
    @of_steady_losses
    def test_instances_are_independent(self, trial: Trial) -> None:
        """Building and using a second loss with other classes changes nothing in the first."""
        objective = trial.objective()
        batches = trial.batches(objective)
        with kept(objective):
            before = totals(objective, *batches)
        other = trial.objective(7, seed=1)
        backward(list(totals(other, *trial.batches(other, 7)).values()))
        hint = "what belongs to one loss is an attribute of self, not of the class or the module"
        try:
            after = totals(objective, *batches)
        except Exception as error:
            raise AssertionError(
                f"a second loss with other classes breaks the first ({type(error).__name__}: {error}): {hint}"
            ) from error
        for method in PLAYERS:
            assert torch.equal(before[method], after[method]), (
                f"building and using a second loss with other classes changes {method} of the first: {hint}"
            )

    @each_variant
    def test_seed_decides_the_heads(self, trial: Trial) -> None:
        """The same torch seed builds the same heads, whatever the other generators hold."""
        built = []
        for seed in (1, 2):
            with seeded(seed):
                torch.manual_seed(0)
                built.append(trial.spec.build(trial.config, context(CLASSES)).state_dict())
        one, two = built
        assert one.keys() == two.keys(), "the same torch seed builds other parameters the second time"
        for name, value in one.items():
            same = torch.equal(value, two[name]) if isinstance(value, Tensor) else value == two[name]
            assert same, f"the same torch seed builds another {name}: initialise it with torch's functions alone"

    @each_variant
    @of_steady_losses
    def test_state_goes_round(self, trial: Trial) -> None:
        """Saved, and loaded into another build, a used loss gives the same losses."""
        objective = trial.objective()
        for seed in SEEDS:
            totals(objective, *trial.batches(objective, seed=seed))
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "state.pt"
            torch.save(objective.state_dict(), file)
            try:
                state = torch.load(file, weights_only=True)
            except Exception as error:
                raise AssertionError(
                    "the state dict holds what a checkpoint refuses to load: keep tensors and plain values in it "
                    f"({str(error).partition('.')[0]})"
                ) from error
        again = trial.objective(seed=1)
        again.load_state_dict(state)
        batches = trial.batches(objective, seed=9)
        one, two = totals(objective, *batches), totals(again, *batches)
        for method in PLAYERS:
            assert torch.equal(one[method], two[method]), (
                f"{method} is another after saving and loading: something that it depends on is not in the state dict; "
                "register it as a parameter or as a buffer"
            )
