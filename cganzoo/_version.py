"""The version, alone in its file so that the build can read it."""

__version__ = "0.1.0"

API_VERSION = "0.1"
"""Version of the plugin API, which docs/plugin-api.md lists: the host's, without the last figure. Below 1.0 a new one
may break plugins, so a plugin asks for ``cganzoo>=0.1,<0.2``; within one, only names and optional arguments are added.
"""
