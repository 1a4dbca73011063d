"""A run from recipe to scores: load the data, train, evaluate, and keep the results in the run folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal

import torch

from cganzoo._util.text import shortened
from cganzoo.console.reporter import Reporter
from cganzoo.data.cache import ImageSet
from cganzoo.errors import CganzooError, DivergenceError, RunError
from cganzoo.evaluate.evaluation import Evaluation
from cganzoo.logger import RunInfo
from cganzoo.networks import Generator
from cganzoo.recipe.resolve import Resolved
from cganzoo.runs import checkpoint, provenance
from cganzoo.runs.folder import RunFolder
from cganzoo.runs.manifest import Call, Environment, Images, StoredEvaluation
from cganzoo.train.engine import Engine, build_networks
from cganzoo.train.loop import train
from cganzoo.train.stop import Interrupted, Stop
from cganzoo.train.watch import check_samples

from .dataset import load_data
from .device import device_name, peak_memory, reproducible, reset_peak_memory
from .loggers import Loggers
from .memory import BUILDING, LOADING, SCORING, TRAINING, check_batches, check_networks, memory_error
from .scorer import Scorer, show

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
        if not fresh and self._already_finished():
            return True
        with self._recording_failure(), reproducible(self.device):
            self.log = Loggers(self.resolved, self.reporter)
            check_batches(self.resolved, self.device)
            # The networks are built once before the images are packed, so that a wrong size is found early.
            splits = load_data(self.resolved, self.reporter, self._check_networks)
            data = splits["train"]
            self._doing = BUILDING
            check_networks(self.resolved, data.class_names, self.device)
            self.engine = engine = Engine(self.resolved, data, self.device)
            self.folder.begin(self.resolved, fresh=fresh)
            seconds = self._resume(data)
            self._record_call(data)
            run = RunInfo(
                name=self.resolved.recipe.name,
                seed=engine.settings.seed,
                folder=self.folder.path,
                recipe=self.resolved.values(),
                step=engine.step,
            )
            stage = stop.interrupting(self.reporter.stage)
            self.scorer = Scorer(self.resolved, self.folder, self.reporter, splits, self.device, stage)
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

    def _check_networks(self, class_names: tuple[str, ...]) -> None:
        check_networks(self.resolved, class_names, self.device)
        build_networks(self.resolved, class_names)

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
        if self.resolved.metrics:
            self._doing = SCORING
            self.scorer.check()
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
        if manifest.status != "finished" or manifest.recipe_digest != self.resolved.recipe_digest():
            return False
        if self.resolved.metrics and manifest.evaluation is None:  # scored by an older version
            return False
        self.reporter.say(f"{self.folder.path}: is finished; --fresh starts it again from step 0")
        if manifest.evaluation is not None:
            show(Evaluation(**dict(manifest.evaluation)), self.resolved, self.reporter)
        self.reporter.say(f"samples: {self.folder.samples / manifest.grid}")
        return True

    def _resume(self, data: ImageSet) -> float:
        """Load the newest checkpoint, if there is one; returns the training seconds of earlier calls."""
        state, damaged = checkpoint.newest(self.folder.checkpoints)
        for message in damaged:
            self.reporter.say(f"{message}: skipped", style="yellow")
        if state is None:
            if damaged:
                raise RunError(f"{self.folder.path}: no checkpoint is readable; --fresh starts from step 0")
            return 0.0
        self.folder.check_same_images(data.fingerprint)
        first, now = self.folder.manifest(), self._environment()
        if first.calls and (first.versions, first.device, first.threads) != (now.versions, now.device, now.threads):
            self.reporter.say(
                "note: this run began with other versions or on another device, so the bits may differ from here on",
                style="yellow",
            )
        engine = self.engine
        try:
            engine.load_state(state)
        except (RuntimeError, KeyError) as error:
            raise RunError(
                f"{self.folder.checkpoints}: the checkpoint does not fit this run; --fresh starts from step 0"
            ) from error
        if engine.step < engine.settings.steps:
            self.reporter.say(f"resuming from step {engine.step}")
        return float(state["seconds"])

    def _environment(self) -> Environment:
        return Environment(
            versions=provenance.versions(self.resolved.providers),
            device=device_name(self.device),
            threads=torch.get_num_threads(),
        )

    def _record_call(self, data: ImageSet) -> None:
        """Write this call, and what the run consists of, into the manifest."""
        engine, counts = self.engine, self.engine.networks.parameter_counts()
        environment, code = self._environment(), provenance.code(self.resolved.providers)
        if self.folder.manifest().status == "running":
            self.reporter.say(
                "note: the last call of this run was killed; if memory ran short, lower train.batch_size",
                style="yellow",
            )
        call = Call(command=provenance.command(), from_step=engine.step, code=code, **dict(environment))
        with self.folder.update_manifest() as manifest:
            if not manifest.code:
                manifest.versions, manifest.device, manifest.threads = call.versions, call.device, call.threads
                manifest.code = code
            manifest.calls.append(call)
            manifest.status, manifest.error = "running", ""
            manifest.name = self.resolved.recipe.name
            manifest.recipe_digest = self.resolved.recipe_digest()
            manifest.training_digest = engine.training_digest
            manifest.seed = engine.settings.seed
            manifest.parameters = counts
            manifest.generator_distribution = self.resolved.generator.provider.distribution
            manifest.classes, manifest.channels = list(data.class_names), self.resolved.channels
            manifest.data = Images(count=len(data.labels), fingerprint=data.fingerprint, skipped=len(data.skipped))
        self.reporter.say(
            f"{self.resolved.recipe.name}: {len(data.labels):,} images of {data.num_classes} classes, "
            f"{self.resolved.recipe.sections.data.image_size} px; parameters: generator {counts['generator']:,}, "
            f"discriminator {counts['trunk'] + counts['objective']:,}; {device_name(self.device)}"
        )
