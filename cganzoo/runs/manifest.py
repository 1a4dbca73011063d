"""``manifest.json``, the record of a run: a typed, versioned model, read and written only here. Imports no torch."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError
from typing_extensions import TypedDict

from cganzoo._util.checked import read_text
from cganzoo._util.files import write_whole
from cganzoo._util.install import install_command
from cganzoo._util.text import shortened
from cganzoo.errors import RunError

VERSION = 2
"""Version of the format. Manifests of cganzoo 0.1 have no version: they count as version 1."""

MOST = 256 << 20
"""Bytes of a manifest that are read; cganzoo writes far fewer."""

WRITE_ANEW = "run the recipe again: the training continues from its checkpoints, and writes the file anew"
"""Advice for a manifest that is lost; one that is damaged must be removed before."""

REMOVE = f"put back a copy of the file, or remove it and {WRITE_ANEW}"
"""Advice for a manifest that is damaged."""

Numbers = dict[str, float | None]
"""Numbers by name; ``None`` where one is not defined or not finite."""


class _Part(BaseModel):
    model_config = ConfigDict(strict=True, validate_assignment=True, protected_namespaces=())


class Distribution(_Part):
    """An installed distribution that the run uses; ``commit`` is that of a git checkout."""

    version: str
    commit: str | None = None


class Versions(_Part):
    """Versions of the software that the run uses."""

    cganzoo: str = ""
    commit: str | None = None
    distributions: dict[str, Distribution] = {}
    torch: str = ""
    python: str = ""
    platform: str = ""


class Environment(_Part):
    """What decides the exact result of a run, in addition to its recipe and its images."""

    versions: Versions = Versions()
    device: str = ""
    threads: int | None = None


class Call(Environment):
    """One call of ``cganzoo run`` that continued the training of the run, from generator step ``from_step``.

    ``steps`` is the recipe's ``train.steps`` in this call; a later call may have more.
    """

    command: str = ""
    from_step: int | None = None
    steps: int | None = None
    training_digest: str = ""
    code: dict[str, str] = {}


class Images(_Part):
    """The training images: their number, their fingerprint, and the number of skipped files."""

    count: int | None = None
    fingerprint: str = ""
    skipped: int | None = None


class InitialWeights(_Part):
    """The file of ``train.init``, its step, the number of tensors taken, and the names of those that began anew."""

    file: str = ""
    sha256: str = ""
    step: int | None = None
    taken: int = 0
    new: list[str] = []


if TYPE_CHECKING:
    Protocol = dict[str, Any]
else:

    class Protocol(TypedDict, total=False):
        """A plain dict of JSON values, of which these keys are checked."""

        __pydantic_config__ = ConfigDict(strict=True, extra="allow")

        fingerprint: str
        fingerprints: dict[str, str]
        metrics: dict[str, dict[str, Any]]


class StoredEvaluation(_Part):
    """The scores of the last step: the fields of :class:`cganzoo.evaluate.evaluation.Evaluation` that are numbers.

    ``StoredEvaluation.model_validate(evaluation)`` and ``Evaluation(**dict(stored))`` convert by field names.
    ``failures`` says by metric why it has no scores.
    """

    model_config = ConfigDict(from_attributes=True)

    scores: Numbers
    real_test: Numbers
    real_halves: Numbers
    protocol: Protocol
    per_class: dict[str, list[float | None]] = {}
    failures: dict[str, str] = {}


class Manifest(Environment):
    """The record of a run. A field that has its default value was not recorded; it is left out of the file.

    Attributes:
        error: why a run failed or diverged.
        recipe_digest: identifies the resolved recipe; see :meth:`cganzoo.recipe.resolve.Resolved.recipe_digest`.
        training_digest: identifies the part of the recipe that decides the weights. A checkpoint has it, too.
        versions: of the first call, as are ``device``, ``threads`` and ``code``.
        code: hash of the source of each distribution; see :func:`cganzoo.runs.provenance.code`.
        parameters: number of parameters of ``"generator"``, ``"trunk"`` and ``"objective"``.
        step: generator step of the newest checkpoint.
        seconds: spent on training until then.
        peak_memory: most bytes held in any call, of ``"process"`` and ``"device"``.
        evaluation: scores of the last step; ``None`` before.
        grid: name of the picture of samples of the last step.
    """

    status: Literal["running", "stopped", "finished", "failed", "diverged"] | None = None
    error: str = ""
    name: str = ""
    recipe_digest: str = ""
    training_digest: str = ""
    seed: int | None = None
    code: dict[str, str] = {}
    calls: list[Call] = []
    parameters: dict[str, int] = {}
    generator_distribution: str = ""
    classes: list[str] = []
    channels: int = 0
    data: Images = Images()
    init: InitialWeights = InitialWeights()
    step: int | None = None
    seconds: float | None = None
    peak_memory: dict[str, int | float | None] = {}
    evaluation: StoredEvaluation | None = None
    grid: str = ""

    @property
    def training_digests(self) -> set[str]:
        """The training digests of all calls. They differ if a later call has more steps."""
        return {self.training_digest, *(call.training_digest for call in self.calls)} - {""}

    def missing(self, *fields: str) -> list[str]:
        """Those of ``fields`` that were not recorded."""
        return [name for name in fields if getattr(self, name) == type(self).model_fields[name].default]


@contextmanager
def system_errors(file: Path, problem: str, advice: str = "") -> Iterator[None]:
    """Raise an ``OSError`` of the block as a :class:`RunError`: the file, the problem, the reason and the advice."""
    try:
        yield
    except OSError as error:
        raise RunError(f"{file}: {problem}: {error.strerror or error}{advice}") from error


def read(file: Path) -> Manifest:
    """Read a manifest of this or an older version; without a file, return an empty one. Unknown keys are ignored."""
    try:
        # Of a file without permission, or on a disk that fails, the reason says enough.
        other = os.path.exists(file) and not os.path.isfile(file)
        with system_errors(file, "cannot be read", f"; {REMOVE}" if other else ""):
            if not file.exists():
                return Manifest()
            text = read_text(file, MOST)
        return _parsed(text)
    except (ValueError, RecursionError, OverflowError) as error:
        reason = _first_problem(error) if isinstance(error, ValidationError) else str(error)
        raise RunError(
            f"{file}: is damaged, or another version of cganzoo wrote it ({shortened(reason, 200)}); {REMOVE}"
        ) from error


def write(file: Path, manifest: Manifest) -> None:
    """Write a manifest completely or not at all."""
    values = {"version": VERSION, **manifest.model_dump(exclude_defaults=True)}
    with system_errors(file, "saving failed"):
        write_whole(file, json.dumps(values, indent=2, allow_nan=False) + "\n")


def _parsed(text: str) -> Manifest:
    def finite(number: str) -> float | None:
        return None if math.isinf(float(number)) else float(number)

    values = json.loads(text, parse_constant=lambda name: None, parse_float=finite)
    if not isinstance(values, dict):
        raise ValueError("the file must hold one JSON object")
    version = values.get("version", 1)
    if type(version) is not int or version < 1:
        raise ValueError("version: must be a whole number from 1")
    if version > VERSION:
        raise ValueError(f"version: {version} is newer than {VERSION}; upgrade with {install_command('-U cganzoo')}")
    return Manifest.model_validate(_from_version_1(values) if version == 1 else values)


def _from_version_1(values: dict[str, Any]) -> dict[str, Any]:
    """Rename the two digests, and move the scores into a table of their own; they count only if they are complete."""
    renamed = {"recipe": "recipe_digest", "training": "training_digest"}
    found = {renamed.get(name, name): value for name, value in values.items()}
    required = [name for name, field in StoredEvaluation.model_fields.items() if field.is_required()]
    if all(name in found for name in required):
        found["evaluation"] = {name: found[name] for name in StoredEvaluation.model_fields if name in found}
    return found


def _first_problem(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    key = ".".join(map(str, first["loc"]))
    if first["type"] == "missing":
        return f'it lacks "{key}"'
    return f"{key}: {'must be an object' if first['type'] in ('model_type', 'dict_type') else first['msg']}"
