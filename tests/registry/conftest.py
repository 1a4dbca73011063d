"""``install``: distributions for one test, and nothing that is really installed."""

from __future__ import annotations

import importlib
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest
from bad_plugins import FOLDER

from cganzoo import __version__


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[object]:
    """``install(folder, ...)``: the only distributions are those in these folders and a host with a ``zoo`` extra.

    A relative folder is one of ``tests/fixtures/broken_plugins``. ``import torch`` imports an empty module.
    """
    host = tmp_path / "host" / f"cganzoo-{__version__}.dist-info"
    host.mkdir(parents=True)
    (host / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: cganzoo\nVersion: {__version__}\nRequires-Dist: pluggy>=1.5\n"
        "Requires-Dist: cganzoo-always; python_version >= '3'\n"
        "Provides-Extra: zoo\n"
        + "".join(f"Requires-Dist: cganzoo-{name}>=0.1; extra == 'zoo'\n" for name in ("good", "tame", "two-words"))
    )
    (tmp_path / "host" / "torch.py").touch()

    stdlib = {sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib")}
    kept = [entry for entry in sys.path if "site-packages" not in entry and any(entry.startswith(s) for s in stdlib)]
    torch = sys.modules.pop("torch", None)
    monkeypatch.delenv("CGANZOO_LOAD_PLUGINS", raising=False)

    def install(*folders: Path | str) -> None:
        paths = [str(FOLDER / folder) for folder in folders]
        monkeypatch.setattr(sys, "path", [*paths, str(tmp_path / "host"), *kept])
        importlib.invalidate_caches()

    plugins = {name: sys.modules.pop(name) for name in [*sys.modules] if name.startswith("cganzoo_")}
    install()
    yield install
    for module in [name for name in sys.modules if name.startswith("cganzoo_")]:
        del sys.modules[module]
    sys.modules.update(plugins)  # other tests use their classes
    sys.modules.pop("torch", None)
    if torch is not None:
        sys.modules["torch"] = torch
