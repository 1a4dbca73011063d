"""Writes the links of the package on an index: a hook that hatchling calls when it builds ``cganzoo``.

An index shows README.md without the files around it, so relative links would lead nowhere there. With the address of
the repository (``repository`` in pyproject.toml, or the environment variable ``CGANZOO_REPOSITORY``) they become whole
addresses, and the address is the project's link; without one, they become plain text, and pictures are left out with
their captions.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

LINK = re.compile(r"(!?)\[([^\[\]]*)\]\((?!\w+:|#)([^()\s]+)\)")
"""A relative link of Markdown, or a picture: ``!``, text, path."""
FIGURE = re.compile(r"^!\[[^\[\]]*\]\((?!\w+:)[^()\s]+\)\n\n(?:\*(?!\*)[^*]+\*\n\n)?", re.MULTILINE)
"""A relative picture that is a paragraph, and its caption if it has one: the next paragraph, in italics."""
CODE = re.compile(r"(^```.*?^```$)", re.MULTILINE | re.DOTALL)


class CustomMetadataHook(MetadataHookInterface):
    """The dynamic fields ``readme`` and ``urls``."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Set the fields; the links that are always there stand in pyproject.toml, in the table of this hook."""
        repository = (os.environ.get("CGANZOO_REPOSITORY") or self.config["repository"]).rstrip("/")
        if repository and not repository.startswith("https://"):
            raise ValueError(f'the address of the repository is "{repository}"; it must begin with https://')
        text = Path(self.root, "README.md").read_text(encoding="utf-8")
        metadata["readme"] = {"content-type": "text/markdown", "text": with_links(text, repository)}
        metadata["urls"] = dict(self.config["urls"])
        if repository:
            metadata["urls"] |= {"Repository": repository, "Documentation": f"{repository}/tree/HEAD/docs"}


def with_links(text: str, repository: str) -> str:
    """The text with relative links to files of ``repository``, or, if that is empty, without relative links."""

    def replaced(match: re.Match[str]) -> str:
        picture, words, path = match.groups()
        if not repository:
            return "" if picture else words
        return f"{picture}[{words}]({repository}/{'raw' if picture else 'blob'}/HEAD/{path})"

    def converted(part: str) -> str:
        return LINK.sub(replaced, part if repository else FIGURE.sub("", part))

    return "".join(part if part.startswith("```") else converted(part) for part in CODE.split(text))
