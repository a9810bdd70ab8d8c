"""Errors of adapters, in addition to those of `domain.errors`.

SourceError
└── AdapterError    a target, a device or a port cannot be used; the runner backs off and retries
    └── TimedOutError   it did not answer in time
"""

from padit.domain.errors import SourceError

__all__ = ["AdapterError", "TimedOutError"]


class AdapterError(SourceError):
    """One poll, or the opening of an adapter, failed.

    Args:
        message: for people; names the target and the remedy.
        cause: a short, fixed word for what failed, such as "dns" or "port_taken"; failures are
            counted by it and written to the log once per cause.
    """

    def __init__(self, message: str, cause: str) -> None:
        super().__init__(message)
        self.cause = cause


class TimedOutError(AdapterError):
    """The target did not answer in time."""

    def __init__(self, message: str) -> None:
        super().__init__(message, "timeout")
