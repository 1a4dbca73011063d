"""One run's networks, their average, the optimizers and the data order, and the step that moves them all."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from cganzoo.data.batches import Batches
from cganzoo.data.cache import ImageSet
from cganzoo.errors import DivergenceError, RunError
from cganzoo.images.sampling import ready_to_sample
from cganzoo.networks import Generator
from cganzoo.recipe.declared import check_instances
from cganzoo.recipe.resolve import Resolved

from .average import Average, decay_at
from .build import build_augmentations, build_networks, build_regularizers, check_trained
from .labels import FakeLabels
from .optimizers import Rates, grouped
from .steps import DiscriminatorStep, GeneratorStep, update
from .watch import first_bad, problem


class Engine:
    """Everything that a training step reads or changes; :meth:`state` returns all of it.

    Attributes:
        settings: the section ``[train]`` of the recipe.
        step: generator steps done.
        terms: loss terms since the last log record, on the device. The loop clears them after :meth:`mean_terms`.
    """

    def __init__(self, resolved: Resolved, data: ImageSet, device: torch.device) -> None:
        sections = resolved.recipe.sections
        self.settings = settings = sections.train
        self.training_digest = resolved.training_digest()
        self.device, self.num_classes = device, data.num_classes

        torch.manual_seed(settings.seed)
        self.networks = build_networks(resolved, data.class_names)
        for module in self.networks:
            module.to(device)
        self.generator, self.trunk, self.objective = self.networks
        context = resolved.context(data.class_names, feature_dim=self.trunk.feature_dim)
        self.regularizers = build_regularizers(resolved, context)
        self.augmentations = build_augmentations(resolved, context)
        for extra in (*self.regularizers, *self.augmentations):
            extra.to(device)
        check_instances(resolved, self.objective, [one.regularizer for one in self.regularizers], self.augmentations)
        self.batches = Batches(
            data,
            settings.batch_size,
            settings.seed,
            device,
            flip=sections.data.flip,
            shift=sections.data.shift,
        )
        self._fake_labels = FakeLabels(settings.fake_labels, self.num_classes, self.batches.labels)
        self._layout = torch.channels_last if settings.channels_last else torch.contiguous_format
        self.generator.to(memory_format=self._layout)
        self.trunk.to(memory_format=self._layout)
        self._initialize()

        self.average = Average(self.generator, settings.ema_start)
        self._discriminator_parameters = [*self.trunk.parameters(), *self.objective.parameters()]
        check_trained(resolved, list(self.generator.parameters()), self._discriminator_parameters)
        self.optimizers = {
            "generator": sections.optimizer.generator.build(self.generator.parameters()),
            "discriminator": sections.optimizer.discriminator.build(grouped(self.trunk, self.objective)),
        }
        self._rates = [
            Rates(optimizer, getattr(sections.optimizer, name), settings.schedule_steps)
            for name, optimizer in self.optimizers.items()
        ]

        extras: dict[str, Any] = {
            "regularizers": self.regularizers,
            "augmentations": self.augmentations,
            "autocast": settings.precision == "bfloat16",
        }
        self._discriminator_step = DiscriminatorStep(*self.networks, **extras, parts=settings.accumulate)
        self._generator_step = GeneratorStep(*self.networks, **extras)
        if settings.compile:
            self._discriminator_step.compile(dynamic=False)
            self._generator_step.compile(dynamic=False)

        self.step = self._finite_at = 0
        self.terms: dict[str, list[Tensor]] = {}
        self._set_rates()

    def _initialize(self) -> None:
        """Data-dependent initialisation, on the batch that the first step will use."""
        images, _ = self._real()
        self.batches.position = 0
        with torch.no_grad():
            self.trunk.initialize(images)
            self.generator.initialize(*self._noise())

    def _set_rates(self) -> None:
        for rates in self._rates:
            rates.set(self.step)

    def advance(self) -> None:
        """The discriminator steps and one generator step. Never waits for the device."""
        settings, objective = self.settings, self.objective
        self._set_rates()
        for module in (*self.networks, *self.regularizers, *self.augmentations):
            module.advance(self.step, settings.schedule_steps)

        for number in range(settings.discriminator_steps):
            images, labels = self._real()
            z, fake_labels = self._noise(labels)
            due = self._due("discriminator", self.step * settings.discriminator_steps + number)
            inputs = images, labels, z, fake_labels, due
            # A gradient of a gradient through the generator would reach its parameters, too.
            other = self.generator.parameters() if objective.uses_networks or any(due) else ()
            self._update("discriminator", self._discriminator_step, inputs, freeze=other)

        due = self._due("generator", self.step)
        real: tuple[Tensor | None, Tensor | None] = None, None
        uses_real = self._uses_real(due)
        if uses_real or objective.fake_labels == "paired":
            real = self._real()
        z, fake_labels = self._noise(real[1])
        inputs_of_generator = z, fake_labels, *(real if uses_real else (None, None)), due
        self._update("generator", self._generator_step, inputs_of_generator, freeze=self._discriminator_parameters)
        self.step += 1
        self.average.update(self.step, decay_at(settings, self.step - 1))

    def _due(self, player: str, update: int) -> tuple[bool, ...]:
        """For each regularizer, whether it is computed in this update of a player."""
        return tuple(weighted.is_due(player, update) for weighted in self.regularizers)

    def _uses_real(self, due: tuple[bool, ...]) -> bool:
        """Whether this update of the generator needs a real batch."""
        computed = (one.regularizer for one, is_due in zip(self.regularizers, due, strict=True) if is_due)
        return self.objective.uses_real_in_generator_loss or any(one.uses_real_in_generator_loss for one in computed)

    def _real(self) -> tuple[Tensor, Tensor]:
        images, labels = self.batches.next()
        return images.contiguous(memory_format=self._layout), labels

    def _noise(self, real_labels: Tensor | None = None) -> tuple[Tensor, Tensor]:
        z = self.generator.sample_latent(self.settings.batch_size, self.device)
        if self.objective.fake_labels == "paired" and real_labels is not None:
            return z, real_labels
        return z, self._fake_labels.draw(self.settings.batch_size)

    def _update(
        self, player: str, step: nn.Module, inputs: tuple[Any, ...], freeze: Iterable[nn.Parameter] = ()
    ) -> None:
        parts = self.settings.accumulate
        for name, term in update(step, self.optimizers[player], *inputs, freeze=freeze, parts=parts).items():
            self.terms.setdefault(f"{player}/{name}", []).append(term)

    def newest_terms(self, steps: int) -> dict[str, list[Tensor]]:
        """Those of :attr:`terms` of the last ``steps`` steps, of all terms that were computed in one of them."""
        found = {}
        for name in self._ordered_terms():
            updates, every = self._updates(name), self._every(name)
            first, end = (self.step - steps) * updates, self.step * updates
            count = (end - 1) // every - (first - 1) // every  # multiples of every from first up to end
            if count:
                found[name] = self.terms[name][-count:]
        return found

    def _updates(self, term: str) -> int:
        """Updates of a loss term's player in one generator step."""
        return self.settings.discriminator_steps if term.startswith("discriminator/") else 1

    def _every(self, term: str) -> int:
        """Of how many updates a loss term has one value."""
        number = self._owner(term)
        return 1 if number is None else self.regularizers[number].every

    def _owner(self, term: str) -> int | None:
        """The place in the recipe of the regularizer that a loss term belongs to; ``None`` if it is the loss's."""
        matches = [one.match(term.partition("/")[2]) for one in self.regularizers]
        return matches.index(max(matches)) if any(matches) else None

    def _ordered_terms(self) -> list[str]:
        """The names of the loss terms in an order that does not depend on which was computed first.

        For each player: the terms of the loss, those of the regularizers, and what augmentations log.
        """
        last = {f"discriminator/{name}" for augmentation in self.augmentations for name in augmentation.logged()}

        def place(term: str) -> tuple[bool, bool, int]:
            number = self._owner(term)
            return term.startswith("generator/"), term in last, -1 if number is None else number

        return sorted(self.terms, key=place)

    def mean_terms(self) -> dict[str, float]:
        """Mean of each loss term in :attr:`terms`, or a :class:`DivergenceError`. Waits for the device."""
        means = {name: torch.stack(self.terms[name]).mean().item() for name in self._ordered_terms()}
        self.check_terms(means)
        return means

    def check_terms(self, means: Mapping[str, float]) -> None:
        """Raise :class:`DivergenceError` if the mean of a loss term is not finite, or extreme.

        The message says since which step, if the values of that step are in :attr:`terms`.
        """
        name = problem(means)
        if name is None:
            return
        values = self.terms.get(name)
        began = first_bad(values, self.step, self._updates(name), self._every(name)) if values else None
        when = f"by step {self.step}" if began is None else f"since step {began}"
        raise self._diverged(f"loss term {name} is {means[name]:.4g} {when}")

    def check_finite(self) -> None:
        """Raise :class:`DivergenceError` if a loss term or a weight is not finite. Waits for the device."""
        self.mean_terms()
        for player, module in self.modules().items():
            finite = [weight.isfinite().all() for weight in module.parameters()]
            if finite and not torch.stack(finite).all():
                since = f"; at step {self._finite_at}, all were finite" if self._finite_at < self.step else ""
                raise self._diverged(f"a weight of the {player} is not finite by step {self.step}{since}")
        self._finite_at = self.step

    def _diverged(self, what: str) -> DivergenceError:
        return DivergenceError(f"training diverged: {what}; lower the learning rates, or pick another seed")

    def ready_generator(self, weights: str) -> Generator:
        """A copy of the averaged (``"ema"``) or the trained (``"raw"``) generator, ready to sample."""
        self.average.sync_buffers()
        return ready_to_sample(self.average.generator if weights == "ema" else self.generator, self.num_classes)

    def modules(self) -> dict[str, nn.Module]:
        """The modules whose weights a checkpoint holds."""
        self.average.sync_buffers()
        extras: dict[str, Sequence[nn.Module]] = {
            "regularizers": self.regularizers,
            "augmentations": self.augmentations,
        }
        return {
            **self.networks._asdict(),
            "average": self.average.generator,
            **{name: nn.ModuleList(modules) for name, modules in extras.items() if modules},
        }

    def state(self) -> dict[str, Any]:
        """Tensors and plain values from which :meth:`load_state` resumes exactly."""
        return {
            "training_digest": self.training_digest,
            "step": self.step,
            "position": self.batches.position,
            "modules": {name: module.state_dict() for name, module in self.modules().items()},
            "optimizers": {name: optimizer.state_dict() for name, optimizer in self.optimizers.items()},
            "random": torch.get_rng_state(),
            "random_cuda": torch.cuda.get_rng_state(self.device) if self.device.type == "cuda" else None,
            "terms": {name: torch.stack(values) for name, values in self.terms.items()},
        }

    def begin_from(self, weights: Mapping[str, Mapping[str, Tensor]]) -> None:
        """Replace tensors of the networks before the first step; the average begins as a copy of the generator."""
        for name, tensors in weights.items():
            module: nn.Module = getattr(self.networks, name)
            module.load_state_dict({**module.state_dict(), **tensors})
        self.average.update(0, 0.0)

    def load_state(self, state: dict[str, Any], same_run: Collection[str] = ()) -> None:
        """Resume from what :meth:`state` returned. ``same_run`` are further training digests of this run."""
        if state.get("training_digest") not in (self.training_digest, *same_run):
            raise RunError("the checkpoint is from another run; --fresh starts from step 0")
        self.step, self.batches.position = state["step"], state["position"]
        self._finite_at = self.step
        for name, module in self.modules().items():
            _check_types(module, state["modules"][name])
            module.load_state_dict(state["modules"][name])
        for name, optimizer in self.optimizers.items():
            optimizer.load_state_dict(state["optimizers"][name])
        self.terms = {name: list(values.to(self.device).unbind()) for name, values in state["terms"].items()}
        torch.set_rng_state(state["random"].cpu())
        if self.device.type == "cuda" and state["random_cuda"] is not None:
            torch.cuda.set_rng_state(state["random_cuda"].cpu(), self.device)


def _check_types(module: nn.Module, weights: dict[str, Any]) -> None:
    """Raise ``TypeError`` if a tensor has another type than the module's: ``load_state_dict`` would convert it."""
    for name, own in module.state_dict().items():
        other = weights.get(name)
        if isinstance(own, Tensor) and isinstance(other, Tensor) and own.dtype != other.dtype:
            raise TypeError(f"{name}: is {other.dtype}, not {own.dtype}")
