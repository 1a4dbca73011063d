"""The guides for plugin authors: every block is run in order, in an empty folder, as a reader would.

What a block is, its first word says: ``sh`` is run; ``text`` is what that printed, with ``...`` for what changes from
machine to machine; ``diff`` is applied; ``python`` and ``toml`` are the file that their first line names, or, without a
name, a part of a file that is there. What cannot be run here (an upload) begins with ``# not run by the tests:``; what
begins with ``# takes`` (half a minute) is run by the slow tests alone.
"""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
NOT_RUN = "# not run by the tests: "
TAKES = "# takes "
NO_GUIDES = {
    "combinations.md",
    "compare.md",
    "data.md",
    "metrics.md",
    "hooks.md",
    "plugin-api.md",
    "recipe.md",
    "results.md",
    "runs.md",
}  # read, or made and compared with the code


@dataclass(frozen=True)
class Block:
    """A fenced block: where it begins, the first word behind the fence, and what stands in it."""

    line: int
    language: str
    code: str


def blocks(page: str) -> list[Block]:
    """The fenced blocks of a page."""
    return [
        Block(
            page.count("\n", 0, match.start()) + 1, match[2], re.sub(f"^{match[1]}", "", match[3], flags=re.MULTILINE)
        )
        for match in re.finditer(r"^( *)```(\S*)\n(.*?)^\1```$", page, re.DOTALL | re.MULTILINE)
    ]


class Reader:
    """Somebody who does what a page says, in an empty folder, with ``cganzoo`` and its plugins installed.

    ``uv pip install`` and ``uv build`` do what they do elsewhere, without a network: what is installed lies in a
    folder of its own.

    Args:
        folder: an empty one.
        patient: whether what takes long is done, too.
    """

    def __init__(self, folder: Path, *, patient: bool = True) -> None:
        self.patient = patient
        home, site, shims = folder / "home", folder / "site", folder / "bin"
        self.folder = folder / "here"
        for made in (home, site, shims, self.folder):
            made.mkdir()
        # Without the build backend here, uv fetches it.
        offline = ["--offline", "--no-build-isolation"] if importlib.util.find_spec("hatchling") else []
        uv = f'"{sys.executable}" -m uv'
        build = " ".join(["build", "-q", *offline, "--python", f'"{sys.executable}"'])
        install = " ".join(
            [
                "pip install -q --no-deps --reinstall",
                *offline,
                "--python",
                f'"{sys.executable}"',
                "--target",
                f'"{site}"',
            ]
        )
        # No pip and no `build`: an environment that uv makes has neither.
        installs = f'[ "$1 $2" = "pip install" ] && shift 2 && exec {uv} {install} "$@"'
        _script(shims / "uv", f'{installs}\n[ "$1" = build ] && shift && exec {uv} {build} "$@"\nexit 9')
        _script(shims / "pip", "exit 9")
        _script(shims / "python", f'exec "{sys.executable}" "$@"')
        (home / "gitconfig").write_text("[user]\n\tname = Ada Lovelace\n\temail = ada@example.org\n")
        self.environment = {
            **os.environ,
            "PATH": os.pathsep.join([str(shims), str(Path(sys.executable).parent), os.environ["PATH"]]),
            "PYTHONPATH": os.pathsep.join(filter(None, [str(site), os.environ.get("PYTHONPATH")])),
            "GIT_CONFIG_GLOBAL": str(home / "gitconfig"),
            "COLUMNS": "120",
            "NO_COLOR": "1",
            "TERM": "dumb",
            "HERE": str(home / "where"),
        }
        self.printed: str | None = ""  # None after what was not run

    def follow(self, block: Block) -> None:
        """Do what a block says."""
        first, _, rest = block.code.partition("\n")
        if block.language == "sh":
            self.printed = None
            if not first.startswith(NOT_RUN) and (self.patient or not first.startswith(TAKES)):
                self.run(block.code)
        elif block.language == "text":
            claim(self.printed is None or matches(block.code, self.printed), f"printed was:\n{self.printed}")
        elif block.language == "diff":
            self.patch(block.code)
        else:
            claim(block.language in ("python", "toml"), f'a block of "{block.language}" is nothing that can be run')
            if named := re.fullmatch(r"# ([\w./-]+\.\w+)", first):
                file = self.folder / named[1]
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(rest.lstrip("\n"))
            else:
                files = [file for file in self.folder.rglob("*.*") if file.suffix in (".py", ".toml")]
                claim(any(block.code in file.read_text() for file in files), "no file holds these lines")

    def run(self, code: str) -> None:
        """Run shell commands where the ones before ended."""
        ended = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", f"trap 'pwd > \"$HERE\"' EXIT\n{code}"],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        self.printed = ended.stdout + ended.stderr
        claim(ended.returncode == 0, f"ended with {ended.returncode}, printed:\n{self.printed}")
        self.folder = Path(Path(self.environment["HERE"]).read_text().strip())

    def patch(self, diff: str) -> None:
        """Replace each hunk's old lines by its new ones, in the file that the first line names."""
        first, _, rest = diff.partition("\n")
        claim(first.startswith("--- "), 'a diff begins with "--- FILE"')
        file = self.folder / first.removeprefix("--- ")
        text = file.read_text()
        for hunk in rest.split("@@\n"):
            lines = hunk.splitlines()
            old, new = ("".join(f"{line[1:]}\n" for line in lines if line[:1] in kept) for kept in (" -", " +"))
            claim(
                text.count(old) == 1,
                f"{file.name} holds these lines {text.count(old)} times:\n{old}\n{'-' * 80}\n{text}",
            )
            text = text.replace(old, new)
        file.write_text(text)


def claim(condition: bool, message: str) -> None:
    """An assertion that tells nothing but its message."""
    if not condition:
        raise AssertionError(message)


def matches(expected: str, printed: str) -> bool:
    """Whether ``printed`` holds ``expected``, whose ``...`` stand for anything; spaces and frames do not count."""
    wanted, found = (" ".join(text.split()) for text in (expected, printed))
    return re.search(re.escape(wanted).replace(re.escape("..."), ".*"), found) is not None


def _script(path: Path, code: str) -> None:
    path.write_text(f"#!/bin/sh\n{code}\n")
    path.chmod(0o755)


GUIDES = sorted(path.name for path in DOCS.glob("*.md") if path.name not in NO_GUIDES)


@pytest.mark.parametrize("page", GUIDES)
@pytest.mark.parametrize("patient", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["quick", "whole"])
def test_what_a_guide_says_works(page: str, patient: bool, tmp_path: Path) -> None:
    reader = Reader(tmp_path, patient=patient)
    for block in blocks((DOCS / page).read_text()):
        start = time.perf_counter()
        try:
            reader.follow(block)
        except AssertionError as error:
            pytest.fail(f"docs/{page}, line {block.line}: {error}\n\n{block.code}", pytrace=False)
        print(f"{time.perf_counter() - start:6.1f} s  docs/{page}, line {block.line}")


# --- the test itself ------------------------------------------------------------------------------------------------


def guide(text: str) -> list[Block]:
    return blocks(text.replace("~~~", "```"))


def test_the_guides_are_there_and_hold_blocks() -> None:
    wanted = {"what-a-loss-may-rely-on.md", "write-a-regularizer.md", "write-an-augmentation.md"}
    others = {"write-a-loss.md", "write-a-metric.md", "write-a-network.md", "publish.md", "security.md"}
    assert wanted | others <= set(GUIDES)
    for page in DOCS.glob("*.md"):
        text = page.read_text()
        assert 2 * len(blocks(text)) == len(re.findall("^ *```", text, re.MULTILINE)), f"{page.name}: an unclosed block"
    counts = {page: len(blocks((DOCS / page).read_text())) for page in GUIDES}
    assert counts["write-a-loss.md"] >= 12, counts
    assert counts["write-a-metric.md"] >= 6, counts
    assert counts["write-a-network.md"] >= 12, counts
    assert all(counts[page] >= 12 for page in wanted), counts


def test_a_reader_follows_every_kind_of_block(tmp_path: Path) -> None:
    reader = Reader(tmp_path)
    page = """
~~~python
# hello/said.py

WORD = "hello"
print(WORD, 3.25)
~~~
~~~python
WORD = "hello"
~~~
~~~diff
--- hello/said.py
-WORD = "hello"
+WORD = "good bye"
 print(WORD, 3.25)
~~~
~~~sh
cd hello
~~~
~~~sh
python said.py; echo "$(basename "$PWD")"
~~~
~~~text
good   bye ...
hello
~~~
~~~sh
# not run by the tests: it would fail
exit 1
~~~
~~~text
of what is not run, nothing is known
~~~
~~~sh
# takes a while
echo done > done
~~~
"""
    for block in guide(page):
        reader.follow(block)
    assert (tmp_path / "here" / "hello" / "done").exists()
    assert (tmp_path / "here" / "hello" / "said.py").read_text() == 'WORD = "good bye"\nprint(WORD, 3.25)\n'


def test_a_hasty_reader_leaves_out_what_takes_long(tmp_path: Path) -> None:
    reader = Reader(tmp_path, patient=False)
    for block in guide("~~~sh\n# takes long\nfalse\n~~~\n~~~text\nanything\n~~~\n~~~sh\necho b > a\n~~~"):
        reader.follow(block)
    assert (tmp_path / "here" / "a").exists()


@pytest.mark.parametrize(
    ("page", "sentence"),
    [
        ("~~~sh\nfalse\ntrue\n~~~", "ended with 1"),
        ("~~~sh\necho one\n~~~\n~~~text\ntwo\n~~~", "printed was"),
        ("~~~sh\necho one three\n~~~\n~~~text\none two ...\n~~~", "printed was"),
        ("~~~toml\nlr = 1\n~~~", "no file holds these lines"),
        ("~~~toml\n# a.toml\n\nlr = 1\n~~~\n~~~toml\nlr = 2\n~~~", "no file holds these lines"),
        ("~~~toml\n# a.toml\n\nlr = 1\n~~~\n~~~diff\n--- a.toml\n-lr = 2\n+lr = 3\n~~~", "0 times"),
        ("~~~rust\nfn main() {}\n~~~", "nothing that can be run"),
        ("~~~\nwords\n~~~", "nothing that can be run"),
    ],
)
def test_what_does_not_work_is_told(page: str, sentence: str, tmp_path: Path) -> None:
    reader = Reader(tmp_path)
    *before, last = guide(page)
    for block in before:
        reader.follow(block)
    with pytest.raises(AssertionError, match=sentence):
        reader.follow(last)
