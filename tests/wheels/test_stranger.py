"""What somebody does who has never seen this repository: a loss of one's own, from an empty folder to a wheel.

Everything here happens with installed wheels alone, by the commands that the guides name.
"""

from __future__ import annotations

import difflib
import json
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

EDITS = {
    # The discriminator learns the classes of fakes, too: another method than the template's.
    "cganzoo_softgan/loss.py": [
        ('real images."""\n', 'all images."""\n'),
        (
            "self.classes(real.features), real.labels),\n",
            "self.classes(real.features), real.labels),\n"
            '            "class_fake": self.weight * F.cross_entropy(self.classes(fake.features), fake.labels),\n',
        ),
    ],
    "cganzoo_softgan/reference.py": [
        (
            '"class_real": class_term(real, heads, config),\n',
            '"class_real": class_term(real, heads, config),\n        "class_fake": class_term(fake, heads, config),\n',
        )
    ],
    "cganzoo_softgan/__init__.py": [("Real or fake, and which class", "Real or fake, and which class of both")],
    "cganzoo_softgan/config.py": [("Field(1.0,", "Field(0.5,")],
    "recipes/softgan_digits.toml": [("weight = 1.0", "weight = 0.5")],
}


def edit(folder: Path) -> int:
    """Make it another loss; the number of lines that changed."""
    changed = 0
    for name, replacements in EDITS.items():
        before = text = (folder / name).read_text()
        for old, new in replacements:
            text = text.replace(old, new, 1)
        assert text != before, f"{name}: nothing to edit was found"
        (folder / name).write_text(text)
        lines = list(difflib.ndiff(before.splitlines(), text.splitlines()))
        changed += max(sum(line.startswith(sign) for line in lines) for sign in "+-")
    return changed


@pytest.mark.slow
def test_a_stranger_publishes_a_loss(wheels: list[Path], fresh: Callable[[], Any], tmp_path: Path) -> None:
    here = tmp_path / "empty"
    here.mkdir()
    mine = fresh()
    mine.install(*wheels)

    printed = mine.run("cganzoo", "plugin", "new", "softgan", "--kind", "loss", "--author", "A Stranger", cwd=here)
    assert "cd cganzoo-softgan" in printed
    project = here / "cganzoo-softgan"
    assert edit(project) <= 10

    mine.install(project)
    listed = mine.run("cganzoo", "plugins", cwd=project)
    assert re.search(r"^softgan +loss +cganzoo-softgan", listed, re.MULTILINE)
    (found,) = components(mine, project, "softgan")
    assert found["location"].startswith(str(mine.prefix))

    tested = mine.run("python", "-m", "pytest", "-q", cwd=project)
    assert re.search(r"^loss softgan: \d+ checks: \d+ passed(, 1 skipped)?$", tested, re.MULTILINE), tested

    train = ["cganzoo", "run", "recipes/softgan_digits.toml", "--set", "train.steps=40"]
    quick = [
        "evaluation.samples=100",
        "evaluation.extractor.epochs=1",
        'metrics=[{name="fid"}, {name="class_accuracy"}]',
    ]
    shown = mine.run(*train, *(word for value in quick for word in ("--set", value)), cwd=project)
    assert re.search(r"^ *fid\b", shown, re.MULTILINE)
    assert re.search(r"^ *class_accuracy\b", shown, re.MULTILINE)
    run = project / "runs" / "softgan_digits" / "seed-0"
    records = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert {"discriminator/class_fake", "generator/class_fake"} <= set(
        next(r for r in records if "terms" in r)["terms"]
    )
    assert any("fid" in record["scores"] for record in records if "scores" in record)
    assert list((run / "samples").glob("*.png"))

    mine.build(project)
    names = sorted(path.name for path in (project / "dist").iterdir() if not path.name.startswith("."))
    assert names == ["cganzoo_softgan-0.1.0-py3-none-any.whl", "cganzoo_softgan-0.1.0.tar.gz"]
    wheel = project / "dist" / names[0]
    packed = {
        name.partition("/")[2] for name in zipfile.ZipFile(wheel).namelist() if name.startswith("cganzoo_softgan/")
    }
    assert packed == {"__init__.py", "config.py", "loss.py", "reference.py", "py.typed"}

    theirs = fresh()
    theirs.install(*wheels, wheel)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (found,) = components(theirs, elsewhere, "softgan")
    assert found["location"].startswith(str(theirs.prefix))
    assert found["summary"] == "Real or fake, and which class of both"
    checked = theirs.run("cganzoo", "plugin", "check", "softgan", cwd=elsewhere)
    assert "class_fake" not in checked
    assert "passed" in checked

    assert mine.opened_of_the_checkout() == []
    assert theirs.opened_of_the_checkout() == []


def components(environment: Any, cwd: Path, name: str) -> list[dict[str, str]]:
    """What ``cganzoo plugins --json`` says of the components of this name."""
    listed = json.loads(environment.run("cganzoo", "plugins", "--json", cwd=cwd))
    return [found for found in listed["components"] if found["component"] == name]
