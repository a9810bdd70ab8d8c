"""Errors of local parts; every message names the remedy."""

from padit.domain.errors import PaditError

__all__ = ["LocalError", "MissingToolError", "PartFailedError"]


class LocalError(PaditError, RuntimeError):
    """A local part could not be resolved, started or stopped."""


class MissingToolError(LocalError):
    """Java, Maven, Go or a Python package is not installed; the message names the command."""


class PartFailedError(LocalError):
    """A part ended, or did not answer in time; the message holds the end of its log."""
