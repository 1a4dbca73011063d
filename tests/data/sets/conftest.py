"""Sets with label files, as a folder and as an archive."""

from __future__ import annotations

from pathlib import Path

import pytest
from label_files import Files, Open, write_folder, write_zip

from cganzoo.data.sets.folder import FolderSource
from cganzoo.data.sets.specs import FolderConfig


@pytest.fixture(params=[write_folder, write_zip])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Open:
    """A set with these files, as a folder and as an archive."""

    def build(files: Files, **options: str) -> FolderSource:
        return FolderSource(
            FolderConfig(root=str(request.param(tmp_path / "set", files)), test_fraction=0.5, **options)
        )

    return build
