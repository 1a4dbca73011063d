"""One damaged, moved or killed run never ends a comparison: it is named, and the others are compared."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from comparing import PLUGINS, Command, view_of, write_run

from cganzoo.compare import run_files
from cganzoo.compare.matrix import build_matrix
from cganzoo.compare.read import read_states
from cganzoo.compare.report_files import write_files
from cganzoo.compare.run_files import find_runs
from cganzoo.runs.folder import RunFolder

NO_PICTURES = {"grids": {"note": "", "classes": [], "methods": {}}, "neighbours": {}}
RECORD = '{"step": 10, "seconds": 1.0, "images_per_second": 5.0, "terms": {"discriminator/real": 1.0}}\n'

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path, tiny: str) -> Write:
    """Write a run: ``write("name", seed, score)``."""

    def written(name: str, seed: int = 0, fid: float = 1.0, steps: int = 20) -> Path:
        text = tiny.replace(PLUGINS, 'plugins = ["cganzoo-amgan", "cganzoo-dcgan", "cganzoo-scores"]')
        text = text.replace("steps = 20", f"steps = {steps}\nseed = {seed}")
        text = text.replace("batch_size = 8", f"batch_size = {sum(name.encode())}")  # each name is a method of its own
        text += '[[metrics]]\nname = "fid"\n'
        run = write_run(tmp_path / "runs" / name / f"seed-{seed}", text, {"fid": fid})
        (run / "metrics.jsonl").write_text(RECORD)
        return run

    return written


def shown(tmp_path: Path) -> dict[str, Any]:
    """The view of all runs, after its files were written."""
    view = view_of(tmp_path / "out", tmp_path / "runs")
    write_files(view | NO_PICTURES, tmp_path / "out")
    return view


def changed(file: Path, **values: Any) -> None:
    file.write_text(json.dumps(json.loads(file.read_text()) | values))


CONTENTS: list[bytes] = [
    b"",
    b"\xff\xfe\xff",
    b"\x00" * 100,
    b"null",
    b"3",
    b"[]",
    b'"text"',
    b"[" * 100_000,
    b'{"a": ' * 50_000,
    b'{"version": 1e999}',
    b'{"step": ' + b"9" * 5_000 + b"}",
    b'{"status": "finished", "step": 20}',
    b'{"status": "finished", "step": 20, "evaluation": {"scores": 3, "real_test": {}, "real_halves": {}, '
    b'"protocol": {}}}',
    b'{"status": "finished", "step": 20, "peak_memory": [], "data": 3, "calls": 3}',
    b"[train]\nsteps = " + b"9" * 5_000,
    b"a" + b".a" * 3_000 + b" = 1",
    b"x = " + b"[" * 3_000,
]


@pytest.mark.parametrize("name", ["manifest.json", "recipe.toml"])
@pytest.mark.parametrize("content", CONTENTS, ids=lambda content: repr(content[:20]))
def test_a_file_of_any_content_leaves_out_one_run_only(write: Write, tmp_path: Path, name: str, content: bytes):
    write("good", 0)
    bad = write("bad", 0)
    (bad / name).write_bytes(content)
    view = shown(tmp_path)
    assert [run["method"] for run in view["reproduce"]["runs"] if run["state"] == "finished"] == ["good"]
    if name == "recipe.toml" or content not in (b"null",):
        (message,) = view["reproduce"]["damaged"]
        assert str(bad) in message
        assert len(message) < 1_000
        assert f"Damaged, and left out: {message.rstrip('.')}." in view["warnings"]


@pytest.mark.parametrize(
    "line",
    [
        b"\xff\xfe\n",
        b"\x00\x00\n",
        b'{"step": 10, "scores": 3}\n',
        b'{"step": 10, "scores": {"fid": "x"}}\n',
        b'{"step": 10, "scores": {"fid": 1e999}}\n',
        b'{"step": 10, "scores": {"fid": 1' + b"0" * 400 + b"}}\n",
        b'{"step": 10, "terms": {}, "images_per_second": 1e999, "seconds": 1e999}\n',
        b'{"step": 10, "terms": {}, "images_per_second": "x", "seconds": 1}\n',
        b'{"step": 10, "terms": []}\n',
        b'{"step": 10, "scores": {"fid": ' + b"9" * 400 + b"}}\n",
        b'{"step": ' + b"9" * 5_000 + b', "scores": {}}\n',
        b'{"step": -1, "scores": {"fid": 1.0}}\n',
        b"[" * 100_000 + b"\n",
    ],
    ids=lambda line: repr(line[:40]),
)
def test_records_of_any_content_do_not_end_the_comparison(write: Write, tmp_path: Path, line: bytes):
    write("good", 0)
    bad = write("bad", 0)
    (bad / "metrics.jsonl").write_bytes(line + RECORD.encode())
    view = shown(tmp_path)
    assert "good" in {run["method"] for run in view["reproduce"]["runs"]}
    assert len(view["reproduce"]["runs"]) + len(view["reproduce"]["damaged"]) == 2


def test_damaged_lines_of_the_records_are_counted(write: Write, tmp_path: Path):
    run = write("some", 0)
    (run / "metrics.jsonl").write_bytes(RECORD.encode() + b"\xff\n{}\n" + RECORD.encode() + b'{"step": 30, "ter')
    view = shown(tmp_path)
    expected = f"some, seed 0: 2 damaged lines of {run / 'metrics.jsonl'} left out, so curves and earlier scores may"
    assert any(warning.startswith(expected) for warning in view["warnings"])
    for line in ('{"step": 10, "scores": {"fid": "x"}}', RECORD.strip().replace("5.0", '"x"').replace("10", "11")):
        (run / "metrics.jsonl").write_text(f"{RECORD}{line}\n" + '{"step": 12, "scores": {"fid": 2.0}}\n')
        view = shown(tmp_path)
        assert any(warning.startswith("some, seed 0: 1 damaged line of ") for warning in view["warnings"])
        assert len(view["reproduce"]["runs"]) == 1
    (run / "metrics.jsonl").write_bytes(RECORD.encode() + b'{"step": 30, "ter')  # as a kill leaves it
    assert not any("damaged line" in warning for warning in shown(tmp_path)["warnings"])


@pytest.mark.parametrize("value", [1e308, -1e308, 5e-324, 1e999])
def test_absurd_scores_are_shown_or_left_out(write: Write, tmp_path: Path, value: float):
    for seed in (0, 1):
        run = write("absurd", seed)
        values = json.loads((run / "manifest.json").read_text())
        values["evaluation"]["scores"]["fid"] = value
        values["seconds"] = 1e308
        (run / "manifest.json").write_text(json.dumps(values))
    write("good", 0)
    assert len(shown(tmp_path)["reproduce"]["runs"]) == 3
    json.loads((tmp_path / "out" / "scores.json").read_text())


@pytest.mark.parametrize("protocol", [{}, {"metrics": {}}, {"metrics": []}, {"samples": {"count": 40}}])
def test_scores_whose_protocol_names_no_metric_are_damage(write: Write, tmp_path: Path, protocol: dict[str, Any]):
    write("good", 0)
    manifest = write("bad", 0) / "manifest.json"
    evaluation = json.loads(manifest.read_text())["evaluation"]
    changed(manifest, evaluation=evaluation | {"protocol": protocol})
    view = shown(tmp_path)
    assert [run["method"] for run in view["reproduce"]["runs"]] == ["good"]
    assert [text.startswith(f"{manifest}: is damaged") for text in view["reproduce"]["damaged"]] == [True]


def test_a_protocol_nested_too_deep_is_damage(write: Write, tmp_path: Path):
    write("good", 0)
    bad = write("bad", 0)
    text = (bad / "manifest.json").read_text()
    (bad / "manifest.json").write_text(
        text.replace('"protocol": {', '"protocol": {"x": ' + "[" * 500 + "]" * 500 + ", ")
    )
    assert "good" in {run["method"] for run in shown(tmp_path)["reproduce"]["runs"]}


@pytest.mark.parametrize("name", ["manifest.json", "recipe.toml", "metrics.jsonl"])
@pytest.mark.parametrize("kind", ["pipe", "folder", "link to nothing", "link to a device"])
def test_another_kind_of_file_is_never_opened(write: Write, tmp_path: Path, name: str, kind: str):
    write("good", 0)
    file = write("bad", 0) / name
    file.unlink()
    if kind == "pipe":
        os.mkfifo(file)
    elif kind == "folder":
        file.mkdir()
    else:
        file.symlink_to("/dev/zero" if kind == "link to a device" else "nothing")
    view = shown(tmp_path)
    assert "good" in {run["method"] for run in view["reproduce"]["runs"]}
    absent = (name, kind) == ("metrics.jsonl", "link to nothing")  # as before the first record
    assert len(view["reproduce"]["damaged"]) == (0 if absent else 1)


def test_a_folder_that_cannot_be_read_is_named(write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    write("good", 0)
    locked, scandir = write("locked", 0), os.scandir

    def refuse(path: Any) -> Any:
        if Path(path) == locked:
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(run_files.os, "scandir", refuse)
    assert shown(tmp_path)["reproduce"]["damaged"] == [f"{locked}: cannot be read (Permission denied)"]


def test_a_run_that_lost_both_files_is_not_forgotten(write: Write, tmp_path: Path):
    write("good", 0)
    lost = write("lost", 0)
    (lost / "checkpoints").mkdir()
    (lost / "checkpoints" / "step-00000020.pt").write_bytes(b"")
    for name in ("manifest.json", "recipe.toml"):
        (lost / name).unlink()
    (message,) = shown(tmp_path)["reproduce"]["damaged"]
    assert message.startswith(str(lost))


def test_runs_are_found_in_deep_folders_and_links_are_not_followed(write: Write, tmp_path: Path):
    run = write("good", 0)
    (tmp_path / "runs" / "loop").symlink_to(tmp_path / "runs")
    deep = [tmp_path / "runs"]
    for _ in range(1_200):  # more than functions can be nested
        deep.append(deep[-1] / "d")
        deep[-1].mkdir()
    try:
        assert find_runs(tmp_path / "runs") == ([run], [])
    finally:
        for folder in deep[:0:-1]:  # pytest cannot remove them
            folder.rmdir()


def test_the_command_compares_the_rest_and_ends_with_2(command: Command, write: Write, tmp_path: Path):
    write("good", 0)
    bad = write("bad", 0)
    (bad / "manifest.json").write_text("{")
    ended = command("compare", tmp_path / "runs", "--out", tmp_path / "out", "--device", "cpu")
    assert ended.code == 2
    assert f"Damaged, and left out: {bad / 'manifest.json'}: is damaged" in " ".join(ended.out.split())
    assert "Damaged runs, which are left out" in (tmp_path / "out" / "report.html").read_text()
    (bad / "manifest.json").unlink()
    (bad / "recipe.toml").unlink()
    ended = command("compare", tmp_path / "runs", "--out", tmp_path / "out", "--device", "cpu")
    assert ended.code == 0


# --- ended without a word -------------------------------------------------------------------------------------------


def test_a_run_whose_process_is_dead_is_interrupted(write: Write, tmp_path: Path):
    run = write("killed", 0)
    changed(run / "manifest.json", status="running", step=12)
    (run / ".lock").touch()  # a kill leaves it
    view = shown(tmp_path)
    (row,) = view["reproduce"]["runs"]
    assert row["state"] == "interrupted"
    assert "killed, seed 0: was interrupted after step 12: its process has ended. Its recipe" in view["warnings"][1]
    assert view["methods"][0]["unfinished"] == 1
    with RunFolder(run).claimed():
        view = shown(tmp_path)
    assert view["reproduce"]["runs"][0]["state"] == "running"
    assert not any("interrupted" in warning for warning in view["warnings"])


def test_a_run_on_a_drive_without_locks_is_unfinished(write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    run = write("unknown", 0)
    changed(run / "manifest.json", status="running")
    monkeypatch.setattr("cganzoo.compare.read.is_held", lambda folder: None)
    matrix = build_matrix([str(run)], seeds=None, overrides=[], out=tmp_path / "out")
    assert set(read_states(matrix).of.values()) == {"unfinished"}


def test_the_last_final_score_of_an_extended_run_counts(write: Write, tmp_path: Path):
    run = write("longer", 0, fid=1.0, steps=40)
    final = '{"step": 20, "scores": {"fid": 9.0}}\n'  # of the end before it was extended, recorded twice
    (run / "metrics.jsonl").write_text(final + final + '{"step": 40, "scores": {"fid": 1.0}}\n')
    (row,) = shown(tmp_path)["tables"][0]["rows"]
    assert (row["cells"]["fid"]["mean"], row["cells"]["fid"]["n"]) == (1.0, 1)
    changed(run / "manifest.json", status="stopped", step=30)  # extended again, not finished
    (row,) = shown(tmp_path)["tables"][0]["rows"]
    assert row["cells"]["fid"]["n"] == 0
