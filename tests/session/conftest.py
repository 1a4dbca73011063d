"""Fixtures: miniature archives, and a server of files on this machine."""

from archives import *  # noqa: F403
