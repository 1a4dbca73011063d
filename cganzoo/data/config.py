"""Options of the data sets that come with the host. No torch, no numpy."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from cganzoo.config import Config


class DigitsConfig(Config):
    """Options of ``digits``."""

    test_fraction: float = Field(0.2, ge=0.01, le=0.99, description="Share of each class held out as the test split.")


class FolderConfig(Config):
    """Options of ``folder``."""

    root: str = Field(description='Folder with one sub-folder a class, or with "train" and "test" holding those.')
    test_fraction: float = Field(
        0.1, gt=0, lt=1, description='Share of each class held out where there is no "test" folder.'
    )
    unreadable: Literal["stop", "skip"] = Field("stop", description="What an image that cannot be read does.")
    origin: str | None = Field(None, description="How to get the images; said where the folder is missing.")
