"""The exceptions a user sees: one sentence each, exit code 2, no traceback (``--debug`` shows it)."""

from __future__ import annotations


class CganzooError(Exception):
    """A mistake or a condition that the user can mend; its text says where it is and what to write instead."""

    exit_code = 2


class RecipeError(CganzooError):
    """A recipe that cannot be read: the file, the key, the value, and what to write instead."""


class PluginError(CganzooError):
    """A plugin that is missing, broken, or answers to an ambiguous name."""


class DataError(CganzooError):
    """A data set that is missing, empty or damaged."""


class RunError(CganzooError):
    """A run folder that cannot be used: another recipe's, in use, incomplete, or on a full disk."""


class DivergenceError(CganzooError):
    """Training reached values that are not finite."""
