"""A run from recipe to scores: load the data, train, evaluate, and keep the results in the run folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Literal

import torch

from cganzoo._util.memory import is_out_of_memory
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

from .dataset import load_data
from .device import device_name, peak_memory, reproducible, reset_peak_memory
from .loggers import Loggers
from .scorer import Scorer, show


class Session:
    """One call of ``cganzoo run``, in a folder that this process has claimed."""

    log: Loggers
    engine: Engine
    scorer: Scorer

    def __init__(self, resolved: Resolved, folder: RunFolder, reporter: Reporter, device: torch.device) -> None:
        self.resolved, self.folder, self.reporter, self.device = resolved, folder, reporter, device

    def run(self, stop: Stop, *, fresh: bool = False) -> bool:
        """Resume the run from its newest checkpoint, or start it; returns whether the run is finished.

        With ``fresh``, the files of earlier calls are removed after the data are loaded and the networks are built.
        After an error, the last good checkpoint is still in the folder.
        """
        if not fresh and self._already_finished():
            return True
        self.log = Loggers(self.resolved, self.reporter)
        with reproducible(self.device):
            # The networks are built once before the images are packed, so that a wrong size is found early.
            splits = load_data(self.resolved, self.reporter, partial(build_networks, self.resolved))
            data = splits["train"]
            self.engine = engine = Engine(self.resolved, data, self.device)
            if not fresh and (lines := self.folder.damaged_lines()):
                self.reporter.say(f"{self.folder.metrics_file}: {lines:,} damaged lines are left out", style="yellow")
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
            try:
                self.log.start(run)
                if self._train_and_score(stop, seconds):
                    return True
            except CganzooError as error:
                status: Literal["failed", "diverged"] = "diverged" if isinstance(error, DivergenceError) else "failed"
                self.log.fail(status, str(error))
                with suppress(RunError), self.folder.update_manifest() as manifest:  # the disk may be full
                    manifest.status, manifest.error = status, str(error)
                if status == "failed":
                    raise
                kept = checkpoint.kept(self.folder.checkpoints)
                raise DivergenceError(f"{self.folder.path}: {error}; {kept}") from error
            except Exception as error:
                self.log.fail("failed", f"{type(error).__name__}: {error}")
                raise
        with self.folder.update_manifest() as manifest:
            manifest.status, manifest.error = "stopped", ""
        self.log.end("stopped")
        again = "the same command without --fresh" if fresh else "the same command"
        self.reporter.say(f"stopped at step {engine.step} of {engine.settings.steps}; {again} resumes there")
        return False

    def _train_and_score(self, stop: Stop, seconds: float) -> bool:
        if self.resolved.metrics:
            self.scorer.check()
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
        evaluation = self.scorer.score(self._ready_generator(), step)
        for name in evaluation.pictures:
            self.log.picture(step, name, self.folder.picture_file(name, step))
        return evaluation

    def _finish(self) -> None:
        """Score the generator of the last step and draw samples."""
        step = self.engine.step
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
            try:
                show(Evaluation(**dict(manifest.evaluation)), self.resolved, self.reporter)
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                raise RunError(
                    f"{self.folder.manifest_file}: evaluation.protocol is damaged, or another version of cganzoo wrote "
                    "it; put back a copy of the file, or run the recipe again with --fresh"
                ) from error
        self.reporter.say(f"samples: {self.folder.samples / manifest.grid}")
        return True

    def _resume(self, data: ImageSet) -> float:
        """Load the newest checkpoint, if there is one; returns the training seconds of earlier calls."""
        state, damaged = checkpoint.newest(self.folder.checkpoints)
        for message in damaged:
            self.reporter.say(f"{message}: skipped", style="yellow")
        if state is None:
            if damaged:
                raise RunError(f"{self.folder.path}: all its checkpoints are damaged; --fresh starts from step 0")
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

    def _record_call(self, data: ImageSet) -> None:
        """Write this call, and what the run consists of, into the manifest."""
        engine, counts = self.engine, self.engine.networks.parameter_counts()
        environment, code = self._environment(), provenance.code(self.resolved.providers)
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
