"""A run from recipe to scores: the data, the engine, the loop, the evaluation, the folder that keeps them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Literal

import torch

from cganzoo._util import memory
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
from cganzoo.train.engine import Engine, check_networks
from cganzoo.train.loop import Interrupted, Stop, train

from .dataset import load_data
from .loggers import Loggers
from .scorer import Scorer, show


class Session:
    """One call of ``cganzoo run``.

    Args:
        resolved: the recipe.
        folder: the run's folder, claimed by this process.
        reporter: shows what happens.
        device: where to train.
    """

    def __init__(self, resolved: Resolved, folder: RunFolder, reporter: Reporter, device: torch.device) -> None:
        self.resolved, self.folder, self.reporter, self.device = resolved, folder, reporter, device
        self.log = Loggers(resolved, reporter)

    def run(self, stop: Stop, *, fresh: bool = False) -> bool:
        """Go on from the newest checkpoint, or start; returns whether the run came to its end.

        What an earlier call left is removed (``fresh``) only when this one is known to be able to start.

        Raises:
            CganzooError: with the folder's last good checkpoint in place.
        """
        if not fresh and self._finished_before():
            return True
        with reproducible(self.device):
            splits = load_data(self.resolved, self.reporter, partial(check_networks, self.resolved))
            engine = Engine(self.resolved, splits["train"], self.device)
            self.folder.begin(self.resolved, fresh=fresh)
            seconds = self._resume(engine, splits["train"])
            self._describe(engine, splits["train"])
            self.log.start(self._info(engine.step))
            stage = stop.watching(self.reporter.stage)
            scorer = Scorer(self.resolved, self.folder, self.reporter, splits, self.device, stage)
            try:
                if self._train_and_score(engine, scorer, stop, seconds):
                    return True
            except DivergenceError as error:
                self._ended("diverged", error)
                last = checkpoint.steps(self.folder.checkpoints)
                kept = f"the checkpoint of step {last[-1]} is kept" if last else "no checkpoint was written yet"
                raise DivergenceError(f"{self.folder.path}: {error}; {kept}") from error
            except CganzooError as error:
                self._ended("failed", error)
                raise
            except Exception as error:
                self.log.fail("failed", f"{type(error).__name__}: {error}")
                raise
        self._ended("stopped")
        again = "the same command without --fresh" if fresh else "the same command"
        self.reporter.say(f"stopped at step {engine.step} of {engine.plan.steps}; {again} goes on from there")
        return False

    def _ended(self, status: Literal["stopped", "failed", "diverged"], error: CganzooError | None = None) -> None:
        with self.folder.update_manifest() as manifest:
            manifest.status, manifest.error = status, str(error or "")
        if status == "stopped":
            self.log.end(status)
        else:
            self.log.fail(status, str(error))

    def _info(self, step: int) -> RunInfo:
        return RunInfo(
            name=self.resolved.recipe.name,
            seed=self.resolved.recipe.sections.train.seed,
            folder=self.folder.path,
            recipe=self.resolved.values(),
            step=step,
        )

    def _train_and_score(self, engine: Engine, scorer: Scorer, stop: Stop, seconds: float) -> bool:
        if self.resolved.metrics:
            scorer.check()
        with stop.on_signals(), self._measuring():
            ended = train(
                engine,
                self.folder,
                self.reporter,
                self.log,
                stop,
                draw=lambda: self._draw(engine, scorer),
                evaluate=lambda: self._score(engine, scorer).scores,
                headlines=[metric.spec.outputs[0].name for metric in self.resolved.metrics],
                seconds=seconds,
            )
            try:
                if ended:
                    self._finish(engine, scorer)
                    return True
            except Interrupted:
                pass
        return False

    @contextmanager
    def _measuring(self) -> Iterator[None]:
        """Keep the run's peak of memory, however this call ends; of several calls, the highest."""
        memory.forget_peak(self.device)
        try:
            yield
        finally:
            with self.folder.update_manifest() as manifest:
                for name, most in memory.peak(self.device).items():
                    manifest.peak_memory[name] = max(most, manifest.peak_memory.get(name) or 0)

    def _ready(self, engine: Engine) -> Generator:
        return engine.ready_generator(self.resolved.recipe.sections.evaluation.weights)

    def _draw(self, engine: Engine, scorer: Scorer) -> Path:
        """Write a grid of samples."""
        grid = scorer.draw(self._ready(engine), engine.step)
        self.log.picture(engine.step, "samples", grid)
        return grid

    def _score(self, engine: Engine, scorer: Scorer) -> Evaluation:
        """Score the generator as it is now, and write the metrics' pictures."""
        evaluation = scorer.score(self._ready(engine), engine.step)
        for name in evaluation.pictures:
            self.log.picture(engine.step, name, self.folder.picture_file(name, engine.step))
        return evaluation

    def _finish(self, engine: Engine, scorer: Scorer) -> None:
        """Score and draw the generator after the last step."""
        if self.resolved.metrics:
            evaluation = self._score(engine, scorer)
            self.log.scores(engine.step, evaluation.scores)
            with self.folder.update_manifest() as manifest:
                manifest.evaluation = StoredEvaluation.model_validate(evaluation)
            show(evaluation, self.resolved, self.reporter)
            for name in evaluation.pictures:
                self.reporter.say(f"{name}: {self.folder.picture_file(name, engine.step)}")
        grid = self._draw(engine, scorer)
        with self.folder.update_manifest() as manifest:
            manifest.status, manifest.grid = "finished", grid.name
        self.log.end("finished")
        self.reporter.say(f"samples: {grid}")

    def _finished_before(self) -> bool:
        """Whether there is nothing left to do; then the scores are shown again."""
        manifest = self.folder.manifest()
        if manifest.status != "finished" or manifest.recipe_digest != self.resolved.recipe_digest():
            return False
        if self.resolved.metrics and manifest.evaluation is None:  # scored by an older version
            return False
        self.reporter.say(f"{self.folder.path}: is finished; --fresh starts over")
        if self.resolved.metrics and manifest.evaluation is not None:
            show(Evaluation(**dict(manifest.evaluation)), self.resolved, self.reporter)
        self.reporter.say(f"samples: {self.folder.samples / manifest.grid}")
        return True

    def _resume(self, engine: Engine, data: ImageSet) -> float:
        """Take over the newest checkpoint, if there is one; returns the training seconds spent so far."""
        state, damaged = checkpoint.newest(self.folder.checkpoints)
        for sentence in damaged:
            self.reporter.say(f"{sentence}: passed over", style="yellow")
        if state is None:
            if damaged:
                raise RunError(f"{self.folder.path}: no checkpoint is readable; --fresh starts over")
            return 0.0
        self.folder.refuse_other_images(data.fingerprint)
        first, now = self.folder.manifest(), self._environment()
        if first.calls and (first.versions, first.device, first.threads) != (now.versions, now.device, now.threads):
            self.reporter.say(
                "note: this run began with other versions or on another device; going on may not give the same bits",
                style="yellow",
            )
        try:
            engine.load_state(state)
        except (RuntimeError, KeyError) as error:
            raise RunError(f"{self.folder.checkpoints}: the checkpoint does not fit; --fresh starts over") from error
        if engine.step < engine.plan.steps:
            self.reporter.say(f"going on from step {engine.step}")
        return float(state["seconds"])

    def _environment(self) -> Environment:
        return Environment(
            versions=provenance.versions(self.resolved.providers),
            device=device_name(self.device),
            threads=torch.get_num_threads(),
        )

    def _describe(self, engine: Engine, data: ImageSet) -> None:
        """Write the manifest: what the run began with, and each call that took it further."""
        counts = {
            name: sum(parameter.numel() for parameter in module.parameters())
            for name, module in (
                ("generator", engine.generator),
                ("trunk", engine.trunk),
                ("objective", engine.objective),
            )
        }
        environment, code = self._environment(), provenance.code(self.resolved.providers)
        call = Call(command=provenance.command(), from_step=engine.step, code=code, **dict(environment))
        with self.folder.update_manifest() as manifest:
            if not manifest.calls:
                manifest.versions, manifest.device, manifest.threads = call.versions, call.device, call.threads
                manifest.code = code
            manifest.calls.append(call)
            manifest.status, manifest.error = "running", ""
            manifest.name = self.resolved.recipe.name
            manifest.recipe_digest = self.resolved.recipe_digest()
            manifest.training_digest = engine.training_digest
            manifest.seed = engine.plan.seed
            manifest.parameters = counts
            manifest.generator_distribution = self.resolved.generator.provider.distribution
            manifest.classes, manifest.channels = list(data.class_names), self.resolved.channels
            manifest.data = Images(count=len(data.labels), fingerprint=data.fingerprint, skipped=len(data.skipped))
        self.reporter.say(
            f"{self.resolved.recipe.name}: {len(data.labels):,} images of {data.num_classes} classes, "
            f"{engine.context.image_size} px; parameters: generator {counts['generator']:,}, "
            f"discriminator {counts['trunk'] + counts['objective']:,}; {device_name(self.device)}"
        )


def pick_device(name: str) -> torch.device:
    """``"auto"``: the GPU where there is one.

    Raises:
        RunError: no such device here.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise RunError(f'--device {name}: is not available here; write "cpu", or "auto"') from error
    return device


def device_name(device: torch.device) -> str:
    """For people: the GPU's name, or how many threads the CPU works with."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    if device.type != "cpu":
        return str(device)
    threads = torch.get_num_threads()
    return f"CPU, {threads} thread{'s' if threads > 1 else ''}"


@contextmanager
def reproducible(device: torch.device) -> Iterator[None]:
    """Only deterministic kernels meanwhile, where there is a choice: the same bits on every run of one machine."""
    if device.type != "cuda":
        yield
        return
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    before = torch.are_deterministic_algorithms_enabled(), torch.backends.cudnn.benchmark
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.backends.cudnn.benchmark = False
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before[0])
        torch.backends.cudnn.benchmark = before[1]
