"""``cganzoo compare`` and ``cganzoo report``."""
from __future__ import annotations
