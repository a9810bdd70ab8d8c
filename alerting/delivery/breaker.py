"""The circuit breaker of a receiver: that of `ops.retrying`, over results instead of errors.

While it is open nothing is sent, and no attempt is counted.
"""

from collections.abc import Callable

from padit.alerting.notifiers.base import Result
from padit.ops import retrying

__all__ = ["Breaker"]


class _FailedError(Exception):
    """An attempt that failed for a reason of the receiver."""

    def __init__(self, result: Result) -> None:
        super().__init__(result.reason)
        self.result = result


class Breaker:
    """Calls a receiver, unless it has failed too often of late.

    Args:
        name: of the receiver.
        wait: seconds that it stays open.
    """

    def __init__(self, name: str, wait: float = retrying.OPEN_SECONDS) -> None:
        self._breaker = retrying.Breaker(name, wait)

    @property
    def open(self) -> bool:
        """Whether nothing is sent now."""
        return self._breaker.open

    def call(self, attempt: Callable[[], Result]) -> Result | None:
        """The result of an attempt; None: the breaker is open, so none was made."""

        def guarded() -> Result:
            result = attempt()
            if result.state == "retry":
                raise _FailedError(result)
            return result

        try:
            return self._breaker.call(guarded)
        except _FailedError as error:
            return error.result
