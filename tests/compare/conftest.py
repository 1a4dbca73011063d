"""The plugins are loaded once for all tests of a file, not once for each report."""

from __future__ import annotations

from collections.abc import Iterator
from unittest.mock import patch

import comparing
import pytest


@pytest.fixture(autouse=True)
def _loaded_once() -> Iterator[None]:
    """Other tests load the plugins in a child process first."""
    with patch("cganzoo.compare.comparison.load_survivors", comparing.installed):
        yield
