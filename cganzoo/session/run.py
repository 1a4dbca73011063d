"""A run from recipe to scores: load the data, train, evaluate, and keep the results in the run folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Literal

import torch

from cganzoo._util.memory import is_out_of_memory
from cganzoo._util.text import shortened
from cganzoo.console.reporter import Reporter
from cganzoo.data.cache import ImageSet
from cganzoo.errors import CganzooError, DivergenceError, RecipeError, RunError
from cganzoo.evaluate.evaluation import Evaluation
from cganzoo.images.drawn import check_truncation
from cganzoo.logger import RunInfo
from cganzoo.networks import Generator
from cganzoo.objective import Objective
from cganzoo.recipe.resolve import Resolved
from cganzoo.runs import checkpoint, provenance
from cganzoo.runs.continuation import START_OVER
from cganzoo.runs.folder import RunFolder
from cganzoo.runs.initial_weights import with_hash
from cganzoo.runs.manifest import REMOVE, Call, Environment, Images, InitialWeights, StoredEvaluation
from cganzoo.train.build import build_networks
from cganzoo.train.engine import Engine
from cganzoo.train.loop import train
from cganzoo.train.stop import Interrupted, Stop
from cganzoo.train.watch import check_samples

from .dataset import load_data
from .device import device_name, peak_memory, reproducible, reset_peak_memory
from .initial_weights import begin_from
from .loggers import Loggers
from .memory import BUILDING, LOADING, SCORING, TRAINING, check_batches, check_networks, memory_error
from .scorer import Scorer, failures, show

Ended = Literal["stopped", "failed", "diverged"]

LONGEST_ERROR = 1000  # characters of an unknown error in the manifest


class Session:
    """One call of ``cganzoo run``, in a folder that this process has claimed."""

    log: Loggers
    engine: Engine
    scorer: Scorer

    def __init__(self, resolved: Resolved, folder: RunFolder, reporter: Reporter, device: torch.device) -> None:
        self.resolved, self.folder, self.reporter, self.device = resolved, folder, reporter, device
        self._doing = LOADING  # for the message if memory runs out
        self._began = False  # whether this call has changed the run

    def run(self, stop: Stop, *, fresh: bool = False) -> bool:
        """Resume the run from its newest checkpoint, or start it; returns whether the run is finished.

        With ``fresh``, the files of earlier calls are removed after the data are loaded and the networks are built.
        After an error, the last good checkpoint is still in the folder, and the manifest has the error.
        """
        self.resolved = with_hash(self.resolved, self.folder, fresh=fresh)
        if not fresh and self._already_finished():
            return True
        with self._recording_failure(), reproducible(self.device):
            self.log = Loggers(self.resolved, self.reporter)
            check_batches(self.resolved, self.device)
            # The networks are built once before the images are packed, so that a wrong size is found early.
            splits = load_data(self.resolved, self.reporter, self._check_networks)
            data = splits["train"]
            if not fresh:
                self.folder.check_same_images(data.fingerprint)
            self._doing = BUILDING
            check_networks(self.resolved, data.class_names, self.device)
            self.engine = engine = Engine(self.resolved, data, self.device)
            self._check_truncation()
            same_run = set() if fresh else self._same_run()
            initial = self._begin_from(data, fresh)
            self._describe(data)
            seconds = 0.0 if fresh else self._resume(same_run)
            stage = stop.interrupting(self.reporter.stage)
            self.scorer = Scorer(self.resolved, self.folder, self.reporter, splits, self.device, stage)
            self._doing = SCORING
            anew = fresh or not self.folder.has_checkpoints()
            if not fresh and (lines := self.folder.damaged_lines()):
                self.reporter.say(f"{self.folder.metrics_file}: {lines:,} damaged lines are left out", style="yellow")
            with self.scorer.checked(anew=anew) if self.resolved.metrics else nullcontext():
                self.folder.begin(self.resolved, fresh=fresh)  # up to here, the folder holds what it held
            self._record_call(data, initial)
            run = RunInfo(
                name=self.resolved.recipe.name,
                seed=engine.settings.seed,
                folder=self.folder.path,
                recipe=self.resolved.values(),
                step=engine.step,
            )
            self._began = True
            self.log.start(run)
            if self._train_and_score(stop, seconds):
                return True
        with self.folder.update_manifest() as manifest:
            manifest.status, manifest.error = "stopped", ""
        self.log.end("stopped")
        again = "the same command without --fresh" if fresh else "the same command"
        self.reporter.say(f"stopped at step {engine.step} of {engine.settings.steps}; {again} resumes there")
        return False

    def _describe(self, data: ImageSet) -> None:
        """Show what the run consists of."""
        counts = self.engine.networks.parameter_counts()
        self.reporter.say(
            f"{self.resolved.recipe.name}: {len(data.labels):,} images of {data.num_classes} classes, "
            f"{self.resolved.recipe.sections.data.image_size} px; parameters: generator {counts['generator']:,}, "
            f"discriminator {counts['trunk'] + counts['objective']:,}; {device_name(self.device)}"
        )

    def _check_networks(self, class_names: tuple[str, ...]) -> None:
        check_networks(self.resolved, class_names, self.device)
        build_networks(self.resolved, class_names)

    def _check_truncation(self) -> None:
        truncation = self.resolved.recipe.sections.evaluation.truncation
        if truncation is None:
            return
        try:
            check_truncation(self.engine.generator, truncation, self.engine.num_classes)
        except CganzooError as error:
            where = f"{self.resolved.recipe.source}: evaluation.truncation = {truncation:g}"
            raise RecipeError(f"{where}: {error}; leave it out") from error

    @contextmanager
    def _recording_failure(self) -> Iterator[None]:
        """Write an error of the block into the manifest and to the loggers, and raise it as it should be shown.

        Running out of memory is an error that the user can correct, so it becomes a :class:`RunError`. A second
        Ctrl+C, or one that comes before training, counts as a stop.
        """
        try:
            yield
        except DivergenceError as error:
            self._record("diverged", str(error))
            kept = checkpoint.kept(self.folder.checkpoints)
            raise DivergenceError(f"{self.folder.path}: {error}; {kept}") from error
        except CganzooError as error:
            self._record("failed", str(error))
            raise
        except Exception as error:
            short = memory_error(error, self._doing, self.resolved, self.device)
            if short is None:
                self._record("failed", shortened(f"{type(error).__name__}: {error}", LONGEST_ERROR))
                raise
            if self._began:
                short = RunError(f"{short}; {checkpoint.kept(self.folder.checkpoints)}")
            self._record("failed", str(short))
            raise short from error
        except BaseException:  # KeyboardInterrupt, SystemExit
            self._record("stopped", "")
            raise

    def _record(self, status: Ended, error: str) -> None:
        """Record how this call ended. What an earlier call recorded stays if this one failed before it began."""
        if self._began:
            if status == "stopped":
                self.log.end("stopped")
            else:
                self.log.fail(status, error)
        with suppress(RunError), self.folder.update_manifest() as manifest:  # the disk may be full
            # A manifest that says "running" is of a call that was killed: this process holds the folder's lock.
            if self._began or manifest.status == "running" or (manifest.status is None and status == "failed"):
                manifest.status, manifest.error = status, error

    def _train_and_score(self, stop: Stop, seconds: float) -> bool:
        self._doing = TRAINING
        with stop.on_signals(), self._recording_peak_memory(), suppress(Interrupted):
            if train(
                self.engine,
                self.folder,
                self.reporter,
                self.log,
                stop,
                draw=self._draw,
                evaluate=lambda: self._score().scores,
                headlines=[metric.spec.outputs[0].name for metric in self.resolved.metrics],
                seconds=seconds,
            ):
                self._finish()
                return True
        return False

    @contextmanager
    def _recording_peak_memory(self) -> Iterator[None]:
        """Write the peak memory into the manifest, also after an error. The highest peak of all calls is kept."""
        reset_peak_memory(self.device)
        try:
            yield
        finally:
            with self.folder.update_manifest() as manifest:
                for name, most in peak_memory(self.device).items():
                    manifest.peak_memory[name] = max(most, manifest.peak_memory.get(name) or 0)

    def _ready_generator(self) -> Generator:
        return self.engine.ready_generator(self.resolved.recipe.sections.evaluation.weights)

    def _draw(self) -> Path:
        """Write a grid of samples."""
        grid = self.scorer.draw(self._ready_generator(), self.engine.step)
        self.log.picture(self.engine.step, "samples", grid)
        return grid

    def _score(self) -> Evaluation:
        """Score the current generator and write the pictures of the metrics."""
        step = self.engine.step
        self._doing = SCORING
        evaluation = self.scorer.score(self._ready_generator(), step)
        for name in evaluation.pictures:
            self.log.picture(step, name, self.folder.picture_file(name, step))
        self._doing = TRAINING
        return evaluation

    def _finish(self) -> None:
        """Score the generator of the last step and draw samples."""
        step = self.engine.step
        if warning := check_samples(self._ready_generator(), self.engine.num_classes, seed=0):
            self.reporter.say(warning, style="yellow")
        if self.resolved.metrics:
            evaluation = self._score()
            self.log.scores(step, evaluation.scores)
            with self.folder.update_manifest() as manifest:
                manifest.evaluation = StoredEvaluation.model_validate(evaluation)
            show(evaluation, self.resolved, self.reporter)
            for name in evaluation.pictures:
                self.reporter.say(f"{name}: {self.folder.picture_file(name, step)}")
        grid = self._draw()
        with self.folder.update_manifest() as manifest:
            manifest.status, manifest.grid = "finished", grid.name
        self.log.end("finished")
        self.reporter.say(f"samples: {grid}")

    def _already_finished(self) -> bool:
        """Return whether an earlier call finished the run; if so, show its scores."""
        manifest = self.folder.manifest()
        if manifest.status != "finished" or not self.folder.is_of(self.resolved):
            return False
        if self.resolved.metrics and manifest.evaluation is None:  # scored by an older version
            return False
        again = manifest.evaluation is not None and bool(manifest.evaluation.failures)
        if again and manifest.step in checkpoint.steps(self.folder.checkpoints):
            self.reporter.say(f"{self.folder.path}: is trained, but a metric failed; it is scored again")
            return False
        if self.folder.names_other_images(self.resolved):  # perhaps other ones, which these scores are not of
            self.folder.check_same_images(load_data(self.resolved, self.reporter)["train"].fingerprint)
        self.reporter.say(f"{self.folder.path}: is finished; more train.steps continue it, --fresh starts it again")
        if manifest.evaluation is not None:
            try:
                evaluation = Evaluation(**dict(manifest.evaluation))
                show(evaluation, self.resolved, self.reporter)
                for message in failures(evaluation):
                    self.reporter.say(message, style="yellow")
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                raise RunError(
                    f"{self.folder.manifest_file}: evaluation.protocol is damaged, or another version of cganzoo wrote "
                    f"it; {REMOVE}"
                ) from error
        self.reporter.say(f"samples: {self.folder.samples / manifest.grid}")
        return True

    def _same_run(self) -> set[str]:
        """The training digests of earlier calls; an error if the loss may not be continued with another horizon."""
        horizon = self.folder.changed_horizon(self.resolved)
        # Its schedules were checked with the recipe, but not what a loss of its own computes from the horizon.
        if horizon and type(self.engine.objective).advance is not Objective.advance:
            raise RunError(
                f'{self.folder.path}: the loss "{self.resolved.loss.spec.name}" follows the length of the run, which '
                f"was {horizon} steps; write train.horizon = {horizon} to continue it, or {START_OVER}"
            )
        return self.folder.training_digests(self.resolved)

    def _begin_from(self, data: ImageSet, fresh: bool) -> InitialWeights | None:
        """Take the initial weights, if the recipe names any and the run begins now."""
        if self.resolved.recipe.sections.train.init is None or (self.folder.has_checkpoints() and not fresh):
            return None
        return begin_from(self.resolved, self.folder, self.engine, data.class_names, self.reporter)

    def _resume(self, same_run: set[str]) -> float:
        """Load the newest checkpoint, if there is one; returns the training seconds of earlier calls."""
        state, damaged = checkpoint.newest(self.folder.checkpoints)
        for message in damaged:
            self.reporter.say(f"{message}: skipped", style="yellow")
        if state is None:
            if damaged:
                raise RunError(f"{self.folder.path}: all its checkpoints are damaged; --fresh starts from step 0")
            return 0.0
        first, now = self.folder.manifest(), self._environment()
        if first.calls and (first.versions, first.device, first.threads) != (now.versions, now.device, now.threads):
            self.reporter.say(
                "note: this run began with other versions or on another device, so the bits may differ from here on",
                style="yellow",
            )
        engine = self.engine
        try:
            engine.load_state(state, same_run)
        except (RuntimeError, KeyError, TypeError, ValueError, AttributeError) as error:
            if is_out_of_memory(error):
                raise
            raise RunError(
                f"{self.folder.checkpoints}: the checkpoint does not fit this run; --fresh starts from step 0"
            ) from error
        if engine.step < engine.settings.steps:
            self.reporter.say(f"resuming from step {engine.step}")
        return float(state.get("seconds", 0.0))

    def _environment(self) -> Environment:
        return Environment(
            versions=provenance.versions(self.resolved.providers),
            device=device_name(self.device),
            threads=torch.get_num_threads(),
        )

    def _record_call(self, data: ImageSet, initial: InitialWeights | None) -> None:
        """Write this call, and what the run consists of, into the manifest."""
        engine, counts = self.engine, self.engine.networks.parameter_counts()
        environment, code = self._environment(), provenance.code(self.resolved.providers)
        if self.folder.manifest().status == "running":
            self.reporter.say(
                "note: the last call of this run was killed; if memory ran short, lower train.batch_size",
                style="yellow",
            )
        call = Call(
            command=provenance.command(),
            from_step=engine.step,
            steps=engine.settings.steps,
            training_digest=engine.training_digest,
            code=code,
            **dict(environment),
        )
        with self.folder.update_manifest() as manifest:
            if not manifest.code:
                manifest.versions, manifest.device, manifest.threads = call.versions, call.device, call.threads
                manifest.code = code
            for earlier in manifest.calls:  # of 0.1; its checkpoints have the digest that is replaced below
                earlier.training_digest = earlier.training_digest or manifest.training_digest
            manifest.calls.append(call)
            manifest.init = initial or manifest.init
            if engine.step < engine.settings.steps:  # the scores of a shorter run stay in metrics.jsonl
                manifest.evaluation, manifest.grid = None, ""
            manifest.status, manifest.error = "running", ""
            manifest.name = self.resolved.recipe.name
            manifest.recipe_digest = self.resolved.recipe_digest()
            manifest.training_digest = engine.training_digest
            manifest.seed = engine.settings.seed
            manifest.parameters, manifest.step = counts, engine.step or None  # the file may have been lost
            manifest.generator_distribution = self.resolved.generator.provider.distribution
            manifest.classes, manifest.channels = list(data.class_names), self.resolved.channels
            manifest.data = Images(count=len(data.labels), fingerprint=data.fingerprint, skipped=len(data.skipped))
