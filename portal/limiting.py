"""How often one principal may ask: a moving window of a second (library `limits`), in memory.

Ingest is limited in records instead, attempts to log in more tightly.
"""

from limits import RateLimitItemPerMinute, RateLimitItemPerSecond
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter, MovingWindowRateLimiter

__all__ = ["Limiter"]

_LOGINS_A_MINUTE = 10
_RECORDS_A_SECOND = 20_000


class Limiter:
    """Counts requests.

    Args:
        requests: a second and principal.
    """

    def __init__(self, requests: int = 100) -> None:
        self._requests = RateLimitItemPerSecond(requests)
        self._records = RateLimitItemPerSecond(_RECORDS_A_SECOND)
        self._logins = RateLimitItemPerMinute(_LOGINS_A_MINUTE)
        storage = MemoryStorage()
        self._window = MovingWindowRateLimiter(storage)
        self._fixed = FixedWindowRateLimiter(storage)

    def allows(self, name: str, role: str = "") -> bool:
        """Whether one more request is within the limit, and count it."""
        return role == "ingest" or self._window.hit(self._requests, name)

    def allows_login(self, address: str) -> bool:
        """Whether one more attempt to log in is."""
        return self._window.hit(self._logins, "login", address)

    def allows_records(self, name: str, count: int) -> bool:
        """Whether so many records more are."""
        return count <= _RECORDS_A_SECOND and self._fixed.hit(
            self._records, "records", name, cost=count
        )
