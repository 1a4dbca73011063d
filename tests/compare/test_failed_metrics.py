"""A metric that failed in a run: shown as failed, with its reason, and not as missing."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from cganzoo_scores.fid import FID
from comparing import PLUGINS, SCORED, Command, cells, compare, scores_of

from cganzoo.errors import CganzooError


def test_a_failed_metric_is_shown_as_failed_everywhere(
    command: Command, tmp_path: Path, tiny: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    plugins = PLUGINS.replace("]", ', "cganzoo-scores"]')
    text = tiny.replace(PLUGINS, plugins).replace("steps = 20", "steps = 2") + SCORED
    (tmp_path / "good.toml").write_text(text)
    (tmp_path / "bad.toml").write_text(text.replace('name = "amgan"', 'name = "amgan"\nlabeling = "predefined"'))

    def refuse(metric: FID) -> None:
        raise CganzooError("fid: the images are odd")

    out = tmp_path / "out"
    with monkeypatch.context() as patch:
        patch.setattr(FID, "compute", refuse)
        ended = compare(command, out, tmp_path / "bad.toml", "--seeds", "0,1")
    assert ended.code == 0, ended.err
    assert 'metric "fid" failed: fid: the images are odd' in ended.out
    ended = compare(command, out, tmp_path / "bad.toml", tmp_path / "good.toml", "--seeds", "0,1")
    assert ended.code == 0, ended.err
    rows = {row["method"]: row["cells"] for row in cells(out)[0]["rows"]}
    assert (rows["bad"]["fid"]["failed"], rows["bad"]["fid"]["n"]) == (2, 0)
    assert "failed" not in rows["bad"]["class_accuracy"]
    assert "failed" not in rows["good"]["fid"]
    data = scores_of(out)
    warned = [text for text in data["warnings"] if 'metric "fid" failed: fid: the images are odd.' in text]
    assert len(warned) == 2
    failures = {(run["method"], run["seed"]): run["failures"] for run in data["reproduce"]["runs"]}
    assert failures["bad", 1] == {"fid": "fid: the images are odd"}
    assert failures["good", 1] == {}
    table = next(line for line in (out / "table.md").read_text().splitlines() if line.startswith("| bad"))
    assert "failed" in table
    assert re.search(r'<td class="[^"]*" data-value="">failed</td>', (out / "report.html").read_text())
    assert re.search(r"^ *bad .* failed ", ended.out, re.MULTILINE)
