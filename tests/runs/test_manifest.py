"""``manifest.json``: what is written is read back, old files too, and a damaged file is one clear message."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from cganzoo._util.install import install_command
from cganzoo.errors import RunError
from cganzoo.evaluate.evaluation import Evaluation
from cganzoo.runs import manifest as manifests
from cganzoo.runs.manifest import Call, Distribution, Images, Manifest, StoredEvaluation, Versions

VERSIONS = {
    "cganzoo": "0.1.0",
    "commit": "c0ffee",
    "distributions": {"cganzoo-amgan": {"version": "0.1.0", "commit": "a1b2+"}},
    "torch": "2.11.0",
    "python": "3.11.7",
    "platform": "Linux",
}
EVALUATION: dict[str, Any] = {
    "scores": {"fid": 12.5, "recall": None},
    "real_test": {"fid": 3.25, "recall": 0.5},
    "real_halves": {"fid": None, "recall": 1.0},
    "protocol": {"fingerprint": "f" * 16, "metrics": {"fid": {"k": 3}}, "samples": {"count": 50}, "real_test": None},
    "per_class": {"recall": [0.5, None]},
}
PLACE = {"versions": VERSIONS, "device": "CPU, 2 threads", "threads": 2}
REST = {
    "name": "amgan_digits",
    "seed": 0,
    **PLACE,
    "calls": [{"command": "cganzoo run amgan_digits", "from_step": 0, **PLACE, "code": {"cganzoo": "ab" * 8}}],
    "parameters": {"generator": 10, "trunk": 20, "objective": 3},
    "generator_distribution": "cganzoo-dcgan",
    "classes": ["0", "Größe", "\udcff"],  # the last one is a folder whose name is not UTF-8
    "channels": 1,
    "data": {"count": 90, "fingerprint": "cd" * 8, "skipped": 0},
    "code": {"cganzoo": "ab" * 8},
    "status": "finished",
    "step": 6,
    "seconds": 1.5,
    "peak_memory": {"process": 1000},
    "grid": "step-00000006.png",
}
OF_0_1 = {"recipe": "1" * 16, "training": "2" * 16, **REST, **EVALUATION}
"""All keys that cganzoo 0.1 wrote."""
OF_2 = {"version": 2, "recipe_digest": "1" * 16, "training_digest": "2" * 16, **REST, "evaluation": EVALUATION}
ALL = {
    **OF_2,
    "calls": [{**REST["calls"][0], "steps": 6, "training_digest": "2" * 16}],
    "init": {"file": "a.pt", "sha256": "e" * 64, "step": 9, "taken": 3, "new": ["objective.head.weight"]},
}
"""Every key, those that cganzoo 0.1 did not know, too."""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "manifest.json"


def written(file: Path, values: Any) -> Path:
    file.write_text(values if isinstance(values, str) else json.dumps(values), encoding="utf-8")
    return file


def message(file: Path) -> str:
    """The message of the RunError for a damaged file: one line that begins with the file."""
    with pytest.raises(RunError) as caught:
        manifests.read(file)
    text = str(caught.value)
    assert caught.value.exit_code == 2
    assert text.startswith(f"{file}: ")
    assert len(text) < len(str(file)) + 400
    assert "\n" not in text
    return text.removeprefix(f"{file}: ")


def test_no_file_is_an_empty_manifest(file: Path) -> None:
    assert manifests.read(file) == Manifest()
    manifests.write(file, Manifest())
    assert json.loads(file.read_text()) == {"version": manifests.VERSION}
    assert manifests.read(file) == Manifest()


def test_every_field_is_written_and_read_back(file: Path) -> None:
    found = manifests.read(written(file, ALL))
    manifests.write(file, found)
    assert json.loads(file.read_text()) == ALL
    assert manifests.read(file) == found
    assert not found.missing(*(Manifest.model_fields.keys() - {"error"}))


def test_a_manifest_of_0_1_is_read_and_written_anew(file: Path) -> None:
    assert manifests.read(written(file, OF_0_1)) == manifests.read(written(file.with_name("new"), OF_2))
    manifests.write(file, manifests.read(file))
    assert json.loads(file.read_text()) == OF_2


def test_a_manifest_of_0_1_without_per_class_scores_or_with_incomplete_scores_is_read(file: Path) -> None:
    older = {key: value for key, value in OF_0_1.items() if key != "per_class"}
    found = manifests.read(written(file, older)).evaluation
    assert found is not None
    assert found.per_class == {}
    for key in ("scores", "real_test", "real_halves", "protocol"):
        incomplete = {name: value for name, value in OF_0_1.items() if name != key}
        assert manifests.read(written(file, incomplete)).evaluation is None
    assert manifests.read(written(file, {"step": 3, "status": "running"})) == Manifest(step=3, status="running")


def test_unknown_keys_are_ignored(file: Path) -> None:
    assert manifests.read(written(file, {**OF_2, "mood": "good"})) == manifests.read(written(file, OF_2))


def test_numbers_that_are_not_finite_are_none(file: Path) -> None:
    text = json.dumps(OF_2).replace("12.5", "NaN").replace("3.25", "-Infinity").replace("1.5", "1e999")
    found = manifests.read(written(file, text.replace('"k": 3', '"k": Infinity')))
    assert found.seconds is None
    assert found.evaluation is not None
    assert found.evaluation.scores["fid"] is None
    assert found.evaluation.real_test["fid"] is None
    assert found.evaluation.protocol["metrics"]["fid"] == {"k": None}


@pytest.mark.parametrize(
    "text",
    ["[]", "[1]", "null", "3", '"text"', "true", "", "{", '{"step": 1,}', "nonsense", "[" * 100_000 + "]" * 100_000,
     '{"protocol": ' + "[" * 100_000, "9" * 10_000],
)  # fmt: skip
def test_what_is_no_json_object_is_damage(file: Path, text: str) -> None:
    assert message(written(file, text)).startswith("is damaged, or another version of cganzoo wrote it (")


@pytest.mark.parametrize("data", [b"\xff\xfe", b'{"device": "\xff"}', b"\x00" * 100])
def test_bytes_that_are_no_text_are_damage(file: Path, data: bytes) -> None:
    file.write_bytes(data)
    assert message(file).startswith("is damaged, or another version of cganzoo wrote it (")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("status", "dancing"),
        ("status", 5),
        ("error", ["x"]),
        ("name", None),
        ("recipe_digest", 5),
        ("training_digest", {}),
        ("seed", "0"),
        ("seed", 0.5),
        ("device", 5),
        ("threads", True),
        ("versions", "x"),
        ("versions", None),
        ("versions.torch", 2),
        ("versions.distributions", ["cganzoo-amgan"]),
        ("versions.distributions.cganzoo-amgan", "0.1.0"),
        ("versions.distributions.cganzoo-amgan.version", 0.1),
        ("calls", 3),
        ("calls", [3]),
        ("calls.0.command", 3),
        ("calls.0.code", [3]),
        ("parameters", []),
        ("parameters.generator", "x"),
        ("generator_distribution", 1),
        ("classes", 5),
        ("classes", "abc"),
        ("classes.1", 1),
        ("channels", "1"),
        ("data", []),
        ("data.count", "90"),
        ("code", "x"),
        ("code.cganzoo", 1),
        ("step", "6"),
        ("seconds", "x"),
        ("peak_memory", [1]),
        ("peak_memory.process", "x"),
        ("evaluation", []),
        ("evaluation.scores", [1]),
        ("evaluation.scores.fid", "12"),
        ("evaluation.real_test", None),
        ("evaluation.real_halves", 1),
        ("evaluation.protocol", "x"),
        ("evaluation.protocol.fingerprint", 1),
        ("evaluation.protocol.metrics", ["fid"]),
        ("evaluation.protocol.metrics.fid", 1),
        ("evaluation.per_class", [1]),
        ("evaluation.per_class.recall", 1),
        ("grid", 1),
    ],
)
def test_a_value_of_another_type_is_named_by_its_key(file: Path, key: str, value: object) -> None:
    values = json.loads(json.dumps(OF_2))
    *parents, last = (int(part) if part.isdecimal() else part for part in key.split("."))
    table = values
    for parent in parents:
        table = table[parent]
    table[last] = value
    assert f"({key}" in message(written(file, values))


@pytest.mark.parametrize("key", ["scores", "real_test", "real_halves", "protocol"])
def test_a_part_of_the_evaluation_that_is_missing_is_named(file: Path, key: str) -> None:
    incomplete = {name: value for name, value in EVALUATION.items() if name != key}
    assert f'it lacks "evaluation.{key}"' in message(written(file, {**OF_2, "evaluation": incomplete}))


@pytest.mark.parametrize("version", [None, "2", 2.0, 0, -1, True, [2]])
def test_a_version_that_is_no_version_is_damage(file: Path, version: object) -> None:
    assert "(version: must be a whole number from 1)" in message(written(file, {**OF_2, "version": version}))


def test_a_newer_version_asks_for_an_upgrade(file: Path) -> None:
    advice = f"upgrade with {install_command('-U cganzoo')}"
    assert f"(version: 3 is newer than 2; {advice})" in message(written(file, {"version": 3}))


def test_a_file_that_cannot_be_read_is_an_error(file: Path) -> None:
    file.mkdir()
    assert message(file).startswith("cannot be read: ")


def test_an_unknown_field_or_a_wrong_type_cannot_be_set() -> None:
    manifest = Manifest()
    with pytest.raises(ValueError, match="mood"):
        manifest.mood = "good"  # type: ignore[attr-defined]
    with pytest.raises(ValidationError):
        manifest.step = "six"  # type: ignore[assignment]
    with pytest.raises(ValidationError):
        manifest.calls = [3]  # type: ignore[list-item]


def test_an_evaluation_makes_the_round_trip_by_the_names_of_its_fields(file: Path) -> None:
    evaluation = Evaluation(**EVALUATION)
    manifest = Manifest(evaluation=StoredEvaluation.model_validate(evaluation))
    manifests.write(file, manifest)
    found = manifests.read(file).evaluation
    assert found is not None
    assert Evaluation(**dict(found)) == evaluation


def test_missing_fields_are_those_that_were_not_recorded() -> None:
    manifest = Manifest(classes=["a"], step=0, versions=Versions(torch="2.11"))
    assert manifest.missing("classes", "channels", "step", "versions", "data") == ["channels", "data"]


def test_default_values_are_not_shared_between_manifests() -> None:
    first = Manifest()
    first.calls.append(Call(command="cganzoo run"))
    first.data.count = 3
    first.versions.distributions["x"] = Distribution(version="1")
    assert Manifest() == Manifest(data=Images(), versions=Versions(), calls=[])
