"""Environments as a stranger has them: wheels alone, and nothing of this checkout.

There is no network in a test, so third-party packages are those of the environment that runs it, reached through a
folder of links. Every Python of a :class:`Fresh` environment notes each file of the checkout that it opens.
"""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
UV = (sys.executable, "-m", "uv")

WATCH = """
import os, sys

def _watch(event, arguments, root={root!r}, log={log!r}):
    if event in ("open", "os.listdir", "os.scandir") and arguments and isinstance(arguments[0], (str, bytes)):
        path = os.path.abspath(os.fsdecode(arguments[0]))
        if path.startswith(root) and not path.startswith(sys.prefix):
            os.write(log_file, (event + " " + path + chr(10)).encode())

log_file = os.open({log!r}, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
sys.addaudithook(_watch)
"""


class Fresh:
    """A virtual environment with nothing of cganzoo's but what is installed into it.

    Args:
        folder: where to make it.
        third_party: folder of the packages that it may also use.
    """

    def __init__(self, folder: Path, third_party: Path) -> None:
        folder.mkdir()
        self.prefix, self.log = folder / "venv", folder / "opened.txt"
        self.bin = self.prefix / ("Scripts" if os.name == "nt" else "bin")
        subprocess.run([*UV, "venv", "-q", "--offline", "--python", sys.executable, str(self.prefix)], check=True)
        where = [str(self.bin / "python"), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
        site = Path(subprocess.run(where, capture_output=True, text=True, check=True).stdout.strip())
        (site / "cganzoo_watch.py").write_text(WATCH.format(root=str(ROOT) + os.sep, log=str(self.log)))
        (site / "third_party.pth").write_text(f"import cganzoo_watch\n{third_party}\n")
        self.environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("PYTHON", "PYTEST", "CGANZOO", "VIRTUAL_ENV", "COV"))
        }
        self.environment |= {
            "PATH": os.pathsep.join([str(self.bin), os.environ["PATH"]]),
            "VIRTUAL_ENV": str(self.prefix),
            "CGANZOO_CACHE": str(folder / "cache"),
            "COLUMNS": "80",
            "NO_COLOR": "1",
            "OMP_NUM_THREADS": "1",
        }

    def install(self, *what: Path) -> None:
        """Install wheels, or folders with a project, as pip does; nothing is fetched."""
        pip = [*UV, "pip", "install", "-q", "--offline", "--no-deps", "--no-build-isolation"]
        command = [*pip, "--python", str(self.bin / "python"), *map(str, what)]
        ended = subprocess.run(
            command, cwd=self.prefix, env=self.environment, capture_output=True, text=True, check=False
        )
        assert ended.returncode == 0, ended.stderr

    def build(self, project: Path) -> None:
        """What ``python -m build`` does in a project's folder, by the program that builds here."""
        build = [*UV, "build", "-q", "--offline", "--no-build-isolation", "--python", str(self.bin / "python")]
        subprocess.run(build, cwd=project, env=self.environment, check=True)

    def run(self, *command: str, cwd: Path) -> str:
        """Run a program of the environment; what it wrote to standard output.

        Raises:
            AssertionError: it failed.
        """
        program = str(self.bin / command[0])
        ended = subprocess.run(
            [program, *command[1:]], cwd=cwd, env=self.environment, capture_output=True, text=True, check=False
        )
        assert ended.returncode == 0, f"{' '.join(command)}:\n{ended.stdout}\n{ended.stderr}"
        return ended.stdout

    def opened_of_the_checkout(self) -> list[str]:
        """Files and folders of the checkout that any Python of this environment has opened."""
        assert self.log.is_file(), "no Python of this environment was watched"
        return sorted(set(self.log.read_text().splitlines()))


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A wheel of every distribution of this checkout."""
    folder = tmp_path_factory.mktemp("wheels")
    build = ["build", "-q", "--offline", "--no-build-isolation", "--python", sys.executable]
    subprocess.run([*UV, *build, "--all-packages", "--wheel", "-o", str(folder)], cwd=ROOT, check=True)
    return sorted(folder.glob("*.whl"))


@pytest.fixture(scope="session")
def third_party(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Links to what this environment has installed, but for cganzoo's own distributions."""
    folder = tmp_path_factory.mktemp("third_party")
    for path in sorted({sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}):
        for entry in Path(path).iterdir():
            ours = "cganzoo" in entry.name
            if not ours and entry.suffix != ".pth" and not (folder / entry.name).exists():
                (folder / entry.name).symlink_to(entry)
    return folder


@pytest.fixture
def fresh(tmp_path_factory: pytest.TempPathFactory, third_party: Path) -> Callable[[], Fresh]:
    """``fresh()`` makes an environment."""

    def make() -> Fresh:
        return Fresh(tmp_path_factory.mktemp("fresh") / "environment", third_party)

    return make
