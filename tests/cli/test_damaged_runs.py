"""A run folder whose files hold anything: every command ends with exit code 0 or 2, and never with a traceback."""

from __future__ import annotations

import io
import json
import os
import random
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from cganzoo.cli.main import main
from cganzoo.console.streams import printable
from cganzoo.runs import checkpoint

RECIPE = """
[requires]
plugins = ["cganzoo-amgan", "cganzoo-dcgan", "cganzoo-scores"]
[data]
name = "digits"
image_size = 8
[generator]
name = "dcgan"
width = 4
latent_dim = 8
conditional = true
[discriminator]
name = "dcgan"
width = 4
[loss]
name = "amgan"
labeling = "predefined"
[optimizer.generator]
name = "adam"
lr = 1e-3
[optimizer.discriminator]
name = "adam"
lr = 1e-3
[train]
steps = 4
batch_size = 16
checkpoint_every = 2
log_every = 2
[evaluation]
samples = 20
extractor = { name = "classifier", width = 2, epochs = 1 }
[[metrics]]
name = "class_accuracy"
"""

NEWEST, OLDER = "checkpoints/step-00000004.pt", "checkpoints/step-00000002.pt"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``tiny.toml`` and the finished run of it."""
    place = tmp_path_factory.mktemp("whole")
    (place / "tiny.toml").write_text(RECIPE)
    with pytest.raises(SystemExit) as ended:
        main(["run", str(place / "tiny.toml"), "--out", str(place / "runs"), "--device", "cpu"])
    assert not ended.value.code
    return place


@pytest.fixture
def copied(whole: Path, tmp_path: Path) -> Iterator[Path]:
    """A copy of it, for a minute: a command that waits for a pipe would never end."""
    shutil.copytree(whole, tmp_path / "copy")
    before = signal.signal(signal.SIGALRM, lambda *arguments: pytest.fail("the command does not end"))
    signal.alarm(60)
    try:
        yield tmp_path / "copy"
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def commands(place: Path) -> dict[str, list[str]]:
    run = str(place / "runs" / "tiny" / "seed-0")
    return {
        # Without scores, so that the finished run is resumed.
        "run": ["run", f"{place / 'tiny.toml'}", "--out", f"{place / 'runs'}", "--set", "metrics=[]"],
        "export": ["export", run, f"{place / 'x.safetensors'}"],
        "sample": ["sample", run, "-n", "10", "-o", f"{place / 'x.png'}"],
        "evaluate": ["evaluate", run, "--json"],
    }


def torch_bytes(value: Any) -> bytes:
    file = io.BytesIO()
    torch.save(value, file)
    return file.getvalue()


def flipped(content: bytes) -> bytes:
    """A bit is another one, of a name in the values of a checkpoint, or in the middle of another file."""
    name = content.find(b"training_digest")
    place = len(content) // 2 if name < 0 else name + 3
    return content[:place] + bytes([content[place] ^ 4]) + content[place + 1 :]


Content = Callable[[bytes], bytes]
ANY: dict[str, Content] = {
    "empty": lambda content: b"",
    "half": lambda content: content[: len(content) // 2],
    "flipped": flipped,
    "zeros": lambda content: bytes(1000),
    "not UTF-8": lambda content: content + b"\xff\xfe",
    "escape codes": lambda content: b"\x1b]0;x\x07 = [/] \x1b[31m",
    "random": lambda content: random.Random(3).randbytes(1000),
}
JSON: dict[str, Content] = {
    text[:20]: lambda content, text=text: text.encode()  # type: ignore[misc]
    for text in ("[]", "null", "3", "[" * 100_000 + "]" * 100_000, "9" * 5000, '"a"', "{}")
}


def manifest(key: str, value: Any) -> Content:
    """The manifest with another value under a dotted key."""

    def change(content: bytes) -> bytes:
        values = json.loads(content)
        *path, last = key.split(".")
        table = values
        for step in path:
            table = table[step]
        table[last] = value
        return json.dumps(values).encode()

    return change


MANIFEST: dict[str, Content] = {
    f"{key} {json.dumps(value)[:20]}": manifest(key, value)
    for key, values in {
        "data": [3, {}],
        "calls": [[]],
        "peak_memory": [[]],
        "evaluation": [{}],
        "classes": [[], ["a"], ["\x1b[31m[/]"] * 10, ["x"] * 1000],
        "channels": [-1, 3, 10**20],
        "generator_distribution": ["", "no-such-thing", "../x", "\x1b[31m"],
        "training_digest": ["", "0" * 16],
        "status": ["failed"],
        "step": [10**400, None],
        "versions": [{}, {"distributions": {}}],
        "seed": [10**30],
    }.items()
    for value in values
}


def state(**changes: Any) -> Content:
    """The checkpoint with other parts, whole by its checksums."""

    def change(content: bytes) -> bytes:
        found = torch.load(io.BytesIO(content), weights_only=True)
        for key, value in changes.items():
            found[key] = value(found.get(key)) if callable(value) else value
        return torch_bytes({key: value for key, value in found.items() if value is not None})

    return change


def other_weights(change: Callable[[torch.Tensor], Any]) -> Callable[[Any], Any]:
    def changed(modules: Any) -> Any:
        return {
            module: {name: change(weight) for name, weight in weights.items()} for module, weights in modules.items()
        }

    return changed


STATE: dict[str, Content] = {
    "list": lambda content: torch_bytes([1]),
    "no step": state(step=None),
    "text as step": state(step="x"),
    "huge step": state(step=10**30, position=10**30),
    "step after the end": state(step=1000),
    "no modules": state(modules=None),
    "empty modules": state(modules={}),
    "modules without weights": state(modules={"generator": {}, "average": {}, "trunk": {}, "objective": {}}),
    "weights of another type": state(modules=other_weights(lambda weight: weight.to(torch.float64))),
    "weights of another shape": state(modules=other_weights(lambda weight: weight.new_ones(3))),
    "weights that are no tensors": state(modules=other_weights(lambda weight: 3)),
    "weights that are not finite": state(modules=other_weights(lambda weight: weight * float("nan"))),
    "no optimizers": state(optimizers=None),
    "empty optimizers": state(optimizers={"generator": {}, "discriminator": {}}),
    "optimizers of another kind": state(optimizers={"generator": {"state": 3, "param_groups": 3}}),
    "random numbers": state(random=torch.ones(3)),
    "short random state": state(random=torch.zeros(3, dtype=torch.uint8)),
    "terms": state(terms=[1]),
    "no digest": state(training_digest=None),
    "another digest": state(training_digest="0" * 16),
    "seconds": state(seconds="x"),
}

LINES: dict[str, Content] = {
    "half line in the middle": lambda content: content.replace(b"\n", b'\n{"step": 3, "te\n'),
    "other shapes": lambda content: content + b'[1]\n{"step": 4, "scores": 3}\n{"step": 2, "terms": []}\nnull\n',
    "bytes": lambda content: b"\x00\xff" * 100 + b"\n" + content,
    "numbers": lambda content: content + b'{"step": ' + b"9" * 5000 + b"}\n" + b'{"step": 1e999}\n',
    "deep": lambda content: content + b"[" * 100_000,
}

TOML: dict[str, Content] = {
    "unknown key": lambda content: content + b"[x]\ny = 1\n",
    "absurd width": lambda content: content.replace(b"width = 4", b"width = 1000000000"),
    "absurd noise": lambda content: content.replace(b"latent_dim = 8", b"latent_dim = 1000000000000"),
    "other weights": lambda content: content.replace(b'weights = "ema"', b'weights = "raw"'),
    "another component": lambda content: content.replace(b'name = "dcgan"', b'name = "\\u001b[31m"'),
}

FILES = ("recipe.toml", "manifest.json", "metrics.jsonl", "extractor.safetensors", NEWEST)
CASES: list[tuple[str, str, Content]] = [
    *((file, how, change) for file in FILES for how, change in ANY.items()),
    *(("manifest.json", how, change) for how, change in (JSON | MANIFEST).items()),
    *((NEWEST, how, change) for how, change in STATE.items()),
    *(("metrics.jsonl", how, change) for how, change in LINES.items()),
    *(("recipe.toml", how, change) for how, change in TOML.items()),
]  # fmt: skip
"""A file, and what it holds."""


def check(place: Path, verb: str, command: Callable[..., Any]) -> Any:
    """Call a command on the run; an exception that is not expected ends the test with its traceback."""
    result = command(*commands(place)[verb])
    assert result.code in (0, 2), result.err
    assert "Traceback" not in result.err
    assert printable(result.err) == result.err
    if result.code:
        assert result.err.startswith("error: ") or "\nerror: " in result.err
    return result


def check_two(place: Path, command: Callable[..., Any], number: int) -> None:
    """Call one of the commands that only read the run, and then the one that resumes it."""
    check(place, ("export", "sample", "evaluate")[number % 3], command)
    check(place, "run", command)


def some(cases: list[Any], count: int) -> list[Any]:
    """Parameters of a test: ``count`` of the cases, chosen at random with a fixed seed; the others are slow."""
    chosen = random.Random(0).sample(range(len(cases)), count)
    return [
        pytest.param(*case, id=" ".join(case[:2])[:60], marks=() if number in chosen else pytest.mark.slow)
        for number, case in enumerate(cases)
    ]


@pytest.mark.parametrize(("file", "how", "change"), some(CASES, 8))
def test_a_file_that_holds_something_else(copied: Path, command, file: str, how: str, change: Content) -> None:
    path = copied / "runs" / "tiny" / "seed-0" / file
    path.write_bytes(change(path.read_bytes()))
    check_two(copied, command, CASES.index((file, how, change)))


KINDS: dict[str, Callable[[Path], object]] = {
    "missing": lambda path: None,
    "folder": lambda path: (path / "inside").mkdir(parents=True),
    "file": lambda path: path.write_bytes(b"x"),
    "link to nothing": lambda path: path.symlink_to("/no/such"),
    "link to a device": lambda path: path.symlink_to("/dev/zero"),
    "pipe": os.mkfifo,
}


OTHER_KINDS = [(file, kind) for file in (*FILES, "log.txt", "checkpoints", "samples") for kind in KINDS]


@pytest.mark.parametrize(("file", "kind"), some(OTHER_KINDS, 4))
def test_something_of_another_kind(copied: Path, command, file: str, kind: str) -> None:
    path = copied / "runs" / "tiny" / "seed-0" / file
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    KINDS[kind](path)
    check_two(copied, command, len(file + kind))


@pytest.mark.parametrize("verb", ["run", "export", "sample", "evaluate"])
def test_an_older_checkpoint_is_used_and_said(copied: Path, command, verb: str) -> None:
    folder = copied / "runs" / "tiny" / "seed-0"
    path = folder / NEWEST
    path.write_bytes(flipped(path.read_bytes()))
    result = check(copied, verb, command)
    assert result.code == 0
    said = " ".join((result.out + result.err).split())
    assert f"{path}: is damaged, or not a checkpoint: a checksum in it is wrong" in said
    if verb == "run":
        assert "resuming from step 2" in said
        assert checkpoint.load(path)["step"] == 4
    else:
        assert "the checkpoint of step 2 is used instead" in said


@pytest.mark.parametrize("verb", ["run", "export", "sample", "evaluate"])
def test_damage_of_all_checkpoints_is_not_a_run_without_checkpoints(copied: Path, command, verb: str) -> None:
    folder = copied / "runs" / "tiny" / "seed-0"
    for name in (NEWEST, OLDER):
        (folder / name).write_bytes(flipped((folder / name).read_bytes()))
    result = check(copied, verb, command)
    assert result.code == 2
    assert "all its checkpoints are damaged" in result.err
    assert (folder / "metrics.jsonl").exists()


@pytest.mark.parametrize("newest", [True, False])
def test_a_removed_manifest_is_written_anew_and_the_checkpoints_are_continued(
    copied: Path, command, newest: bool
) -> None:
    """As the message about a damaged one advises."""
    folder = copied / "runs" / "tiny" / "seed-0"
    file, weights = folder / "manifest.json", (folder / NEWEST).read_bytes()
    before = json.loads(file.read_bytes())
    file.write_bytes(b"[]")
    advice = "remove it and run the recipe again: the training continues from its checkpoints"
    for verb in ("run", "export", "sample", "evaluate"):
        assert advice in " ".join(check(copied, verb, command).err.split())
    file.unlink()
    if not newest:
        (folder / NEWEST).unlink()
    result = command("run", copied / "tiny.toml", "--out", copied / "runs", "--device", "cpu")
    assert result.code == 0, result.err
    assert ("resuming from step 2" in result.out) is not newest
    assert (folder / NEWEST).read_bytes() == weights or not newest
    after = json.loads(file.read_bytes())
    same = ("status", "step", "classes", "channels", "data", "seed", "training_digest", "recipe_digest", "evaluation")
    assert {key: after[key] for key in same} == {key: before[key] for key in same}
    assert check(copied, "export", command).code == 0


def test_a_run_says_to_remove_what_it_could_not_replace(copied: Path, command) -> None:
    path = copied / "runs" / "tiny" / "seed-0" / NEWEST
    path.unlink()
    path.mkdir()
    result = check(copied, "run", command)
    assert result.code == 2
    assert f"{path}: is no regular file; remove it" in result.err


PROTOCOLS = [{}, {"samples": 3}, {"fingerprint": "x", "samples": {"count": "x"}, "real_test": []}]


@pytest.mark.parametrize("protocol", PROTOCOLS, ids=range(len(PROTOCOLS)))
def test_scores_without_their_protocol_are_damage(copied: Path, command, protocol: object) -> None:
    file = copied / "runs" / "tiny" / "seed-0" / "manifest.json"
    file.write_bytes(manifest("evaluation.protocol", protocol)(file.read_bytes()))
    result = command("run", copied / "tiny.toml", "--out", copied / "runs")  # shows the scores of the finished run
    assert result.code == 2
    assert result.err.startswith(f"error: {file}: ")


def test_a_grid_outside_the_folder_is_only_named(copied: Path, command) -> None:
    file = copied / "runs" / "tiny" / "seed-0" / "manifest.json"
    file.write_bytes(manifest("grid", "\x1b[31m[/]")(file.read_bytes()))
    result = command("run", copied / "tiny.toml", "--out", copied / "runs")
    assert result.code == 0
    assert result.out.endswith("\\x1b[31m[/]\n")


def test_damaged_records_are_counted_when_a_run_is_resumed(copied: Path, command) -> None:
    metrics = copied / "runs" / "tiny" / "seed-0" / "metrics.jsonl"
    metrics.write_bytes(b"nothing\n" + metrics.read_bytes() + b'{"step": 4, "sc')
    result = check(copied, "run", command)
    assert result.code == 0
    assert f"{metrics}: 1 damaged lines are left out" in " ".join(result.out.split())


def test_a_damaged_classifier_of_the_run_is_made_again(copied: Path, command) -> None:
    file = copied / "runs" / "tiny" / "seed-0" / "extractor.safetensors"
    before = file.read_bytes()
    file.write_bytes(flipped(before))
    result = check(copied, "evaluate", command)
    assert result.code == 0
    assert f"warning: {file}: is no classifier that cganzoo wrote, or is damaged" in result.err
    assert "; it is made again" in result.err
    assert file.read_bytes() == before
