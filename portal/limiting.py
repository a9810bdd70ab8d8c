"""How often one principal may ask: a moving window, in memory.

The library `limits` was measured first: its memory storage starts a thread with every request (or,
asynchronous, goes to one for each principal), a third of what a request costs.
Ingest is limited in records instead, attempts to log in more tightly.
"""

import time
from collections import deque

__all__ = ["Limiter"]

_LOGINS_A_MINUTE = 10
_FILES_A_SECOND = 2_000
_RECORDS_A_SECOND = 20_000
_MOST_NAMES = 10_000


class _Window:
    """At most so much in so many seconds, by name; of very many names the oldest are forgotten."""

    def __init__(self, most: int, seconds: float) -> None:
        self._most = most
        self._seconds = seconds
        self._taken: dict[str, deque[tuple[float, int]]] = {}
        self._sums: dict[str, int] = {}

    def allows(self, name: str, cost: int = 1) -> bool:
        """Whether so much more is within the limit, and count it if it is."""
        now = time.monotonic()
        taken = self._taken.get(name)
        if taken is None:
            if len(self._taken) >= _MOST_NAMES:
                oldest = next(iter(self._taken))
                del self._taken[oldest], self._sums[oldest]
            taken = self._taken[name] = deque()
            self._sums[name] = 0
        while taken and taken[0][0] <= now - self._seconds:
            self._sums[name] -= taken.popleft()[1]
        if self._sums[name] + cost > self._most:
            return False
        taken.append((now, cost))
        self._sums[name] += cost
        return True


class Limiter:
    """Counts requests.

    Args:
        requests: a second and principal.
    """

    def __init__(self, requests: int = 100) -> None:
        self._requests = _Window(requests, 1.0)
        self._records = _Window(_RECORDS_A_SECOND, 1.0)
        self._logins = _Window(_LOGINS_A_MINUTE, 60.0)
        self._files = _Window(_FILES_A_SECOND, 1.0)

    def allows(self, name: str, role: str = "") -> bool:
        """Whether one more request is within the limit, and count it."""
        return role == "ingest" or self._requests.allows(name)

    trouble = ""

    def start(self) -> None:
        """Begin; nothing to do in memory."""

    def stop(self) -> None:
        """Stop."""

    def allows_login(self, address: str) -> bool:
        """Whether one more attempt to log in is."""
        return self._logins.allows(address)

    def allows_file(self, address: str) -> bool:
        """Whether one more file of the page is.

        It has some thirty, so whoever loads it a few times in a second asks for more than a
        principal may; without one of them it stays empty.
        """
        return self._files.allows(address)

    def allows_records(self, name: str, count: int) -> bool:
        """Whether so many records more are."""
        return self._records.allows(name, count)
