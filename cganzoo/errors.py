"""Exceptions that are shown to the user as one message, with exit code 2. ``--debug`` adds the traceback.

Warnings of :class:`DamageWarning` are shown as one line, and the command continues.
"""

from __future__ import annotations


class CganzooError(Exception):
    """A mistake that the user can correct; its text says where it is and what to write instead."""

    exit_code = 2


class RecipeError(CganzooError):
    """A recipe that cannot be used; the message has the file, the key, the value, and what to write instead."""


class PluginError(CganzooError):
    """A plugin that is missing or broken, or a name that fits more than one."""


class DataError(CganzooError):
    """A data set that is missing, empty or damaged."""


class RunError(CganzooError):
    """A run folder that cannot be used: it belongs to another recipe, is in use or incomplete, or the disk is full."""


class DivergenceError(CganzooError):
    """Training produced values that are not finite."""


class DamageWarning(UserWarning):
    """A damaged file that was replaced, or an older one that is used instead; the text says which."""
