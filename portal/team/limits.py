"""Limits of a team: what one principal asks of all portals together, counted in Redis.

Nobody waits for Redis. Each portal decides by its own count and by what the others had counted in
this second a tenth of a second ago, so a limit may be exceeded by what comes in that time. While
Redis is away each portal limits by itself.
"""

import logging
import threading
import time

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from padit.connectors.uris import Address
from padit.ops.background import Background
from padit.portal.limiting import Limiter
from padit.stores.redis_settings import Settings
from padit.stores.redis_store import connection_of

__all__ = ["SharedLimiter"]

_LOG = logging.getLogger(__name__)
_EVERY_SECONDS = 0.1
_PAUSE_SECONDS = 1.0
_KEPT_SECONDS = 5
_MOST_NAMES = 10_000
_PREFIX = "padit:portal:asked:"


class SharedLimiter(Limiter):
    """Counts requests over several portals.

    Args:
        address: `redis://host:6379/0`.
        requests: a second and principal.
    """

    def __init__(self, address: Address, requests: int = 100) -> None:
        super().__init__(requests)
        self._most = requests
        settings = Settings(timeout_sec=0.5, **address.options)
        self._client = redis.Redis(
            **connection_of(address, settings), retry=Retry(NoBackoff(), 0), max_connections=2
        )
        self._lock = threading.Lock()
        self._mine: dict[str, int] = {}
        self._sent: dict[str, int] = {}
        self._others: dict[str, int] = {}
        self._second = 0
        self._thread = Background(self._run, "limits")
        self.trouble = ""

    def start(self) -> None:
        """Begin to share."""
        self._thread.start()

    def stop(self) -> None:
        """Stop."""
        self._thread.stop()
        self._client.close()

    def allows(self, name: str, role: str = "") -> bool:
        """Whether one more request is within the limit of all portals, and count it."""
        if not super().allows(name, role):
            return False
        if role == "ingest":
            return True
        with self._lock:
            self._turn(int(time.time()))
            mine = self._mine.get(name, 0)
            if mine + self._others.get(name, 0) >= self._most:
                return False
            if len(self._mine) < _MOST_NAMES or name in self._mine:
                self._mine[name] = mine + 1
        return True

    def _turn(self, second: int) -> None:
        """Counts are of one second of the clock."""
        if second != self._second:
            self._second = second
            self._mine, self._sent, self._others = {}, {}, {}

    def _run(self) -> None:
        while not self._thread.wait(_EVERY_SECONDS):
            try:
                self._exchange()
                self.trouble = ""
            except redis.RedisError as error:
                self.trouble = f"limits are each portal's own: {str(error)[:200]}"
                self._thread.wait(_PAUSE_SECONDS)
            except Exception as error:  # one fault must not end the thread in silence
                self.trouble = f"limits are each portal's own: {type(error).__name__}"
                _LOG.exception("limits cannot be shared")
                self._thread.wait(_PAUSE_SECONDS)

    def _exchange(self) -> None:
        """Add what came since the last time, and see what there is in all."""
        with self._lock:
            second = self._second
            mine = dict(self._mine)
            fresh = {name: n - self._sent.get(name, 0) for name, n in mine.items()}
        if not mine:
            return
        key = f"{_PREFIX}{second}"
        with self._client.pipeline(transaction=False) as pipe:
            for name, n in fresh.items():
                pipe.hincrby(key, name, n)
            pipe.expire(key, _KEPT_SECONDS)
            totals = pipe.execute()[:-1]
        with self._lock:
            if second == self._second:
                self._sent = mine
                self._others = {
                    name: int(total) - mine[name] for name, total in zip(fresh, totals, strict=True)
                }
