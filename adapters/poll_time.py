"""How long a poll may take, so that an adapter of many requests can end one and report what it has.

The runner cancels opening and polling together after `timeout_sec`. What an adapter that is
cancelled had read would be lost, and nothing would say what was not read.
"""

import asyncio
import contextlib
import time
from collections.abc import Iterator

__all__ = ["PollTime"]

_SHARE = 0.95  # of the runner's limit, so that ours is the first


class PollTime:
    """The time of an adapter's polls.

    Args:
        timeout_sec: the adapter's option.
    """

    def __init__(self, timeout_sec: float) -> None:
        self._most = _SHARE * timeout_sec
        self._spent = 0.0

    @contextlib.contextmanager
    def opening(self) -> Iterator[None]:
        """Note how long opening takes: the first poll has what is left."""
        begin = time.monotonic()
        try:
            yield
        finally:
            self._spent = time.monotonic() - begin

    def limit(self) -> asyncio.Timeout:
        """The limit of the next poll, for `async with`.

        A library may swallow the cancellation with which it ends a request; check `expired()`
        before each.
        """
        left, self._spent = self._most - self._spent, 0.0
        return asyncio.timeout(max(0.0, left))
