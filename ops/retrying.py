"""What every caller of something remote needs: pauses that grow, and a circuit breaker.

The breaker opens when more than half of the latest calls fail, waits 60 s, then lets three calls
through, one by one, and closes if more than 60 % of them succeed, which are two. While it is open
nothing is called. Its library comes with an extra, and is imported where a breaker is made: the
modules that know pauses belong to the base, too.
"""

from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from typing import TypeVar

__all__ = ["OPEN_SECONDS", "Breaker", "asked_wait", "backoff"]

OPEN_SECONDS = 60.0
_WINDOW = 20
_LEAST_CALLS = 5
_PROBES = 3
_MORE_THAN_HALF = 0.501
_FIRST_WAIT = 1.0
_LONGEST_WAIT = 600.0
_LONGEST_ASKED = 3600.0
T = TypeVar("T")


def backoff(attempts: int, chance: float, longest: float = _LONGEST_WAIT) -> float:
    """Seconds to wait after so many attempts; `chance` in [0, 1) spreads callers apart.

    >>> backoff(1, 0.0), backoff(3, 0.5), backoff(30, 0.0)
    (0.5, 3.0, 300.0)
    """
    whole = min(_FIRST_WAIT * 2.0 ** min(attempts - 1, 30), longest)
    return whole * (0.5 + chance / 2)


def asked_wait(headers: Mapping[str, str]) -> float:
    """Seconds of `Retry-After`, at most an hour; 0: none that can be read.

    A date counts from the answer's own date, so that no two clocks are compared.

    >>> asked_wait({"retry-after": "7"}), asked_wait({"retry-after": "soon"})
    (7.0, 0.0)
    """
    value = headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        return min(float(value), _LONGEST_ASKED)
    try:
        ahead = parsedate_to_datetime(value) - parsedate_to_datetime(headers.get("date", ""))
    except (ValueError, TypeError, OverflowError):
        return 0.0
    return min(max(ahead.total_seconds(), 0.0), _LONGEST_ASKED)


class Breaker:
    """Calls something remote, unless it has failed too often of late.

    Args:
        name: of what is called.
        wait: seconds that it stays open.
    """

    def __init__(self, name: str, wait: float = OPEN_SECONDS) -> None:
        from interlock import CircuitBreaker, CircuitOpenError, Config
        from interlock.state import State

        self._is_open, self._refusal = State.OPEN, CircuitOpenError
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
        """Whether nothing is called now."""
        return self._breaker.state is self._is_open

    def call(self, attempt: Callable[[], T]) -> T | None:
        """What an attempt gives; None: the breaker is open, so none was made.

        Any exception of the attempt counts as a failure, and gets out.
        """
        try:
            return self._breaker.call_sync(attempt)
        except self._refusal:
            return None
