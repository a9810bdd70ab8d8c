"""The circuit breaker of a receiver.

It opens when more than half of the latest calls fail, waits 60 s, then lets three calls through,
one by one, and closes if more than 60 % of them succeed, which are two. While it is open nothing is
sent, and no attempt is counted.
"""

from collections.abc import Callable

from interlock import CircuitBreaker, CircuitOpenError, Config
from interlock.state import State

from padit.alerting.notifiers.base import Result

__all__ = ["Breaker"]

_WAIT_SECONDS = 60.0
_WINDOW = 20
_LEAST_CALLS = 5
_PROBES = 3
_MORE_THAN_HALF = 0.501


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

    def __init__(self, name: str, wait: float = _WAIT_SECONDS) -> None:
        self._breaker = CircuitBreaker(
            name=name,
            config=Config(
                failure_rate_threshold=_MORE_THAN_HALF,
                minimum_number_of_calls=_LEAST_CALLS,
                permitted_calls_in_half_open=_PROBES,
                wait_duration_in_open=wait,
                window_size=_WINDOW,
            ),
        )

    @property
    def open(self) -> bool:
        """Whether nothing is sent now."""
        return self._breaker.state is State.OPEN

    def call(self, attempt: Callable[[], Result]) -> Result | None:
        """The result of an attempt; None: the breaker is open, so none was made."""

        def guarded() -> Result:
            result = attempt()
            if result.state == "retry":
                raise _FailedError(result)
            return result

        try:
            return self._breaker.call_sync(guarded)
        except CircuitOpenError:
            return None
        except _FailedError as error:
            return error.result
