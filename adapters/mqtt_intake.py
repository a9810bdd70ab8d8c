"""MQTT messages from their arrival to their reading, in order, without a long halt of the loop.

A small message is read at once. A large one is read in the adapter's thread, and all that arrive
meanwhile wait behind it. When more than `most_bytes` have come to wait, nothing is taken from the
broker until all of it is read.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

from padit.adapters.threads import Worker

__all__ = ["Arrived", "Intake"]

_AT_ONCE_BYTES = 16_384
"""Bytes that are read within the loop: JSON takes 0.6 us a byte, so 10 ms at most."""
_EACH_BYTES = 500  # of a waiting message beside its payload
_LAST_SEC = 2.0  # for what waits at the end; the runner gives a closing adapter 5 s


class Arrived(NamedTuple):
    """One message.

    Attributes:
        reader: of the subscription that it came by.
        topic: of the message.
        payload: of the message.
        time: of arrival, epoch seconds.
        retained: whether the broker had kept it.
    """

    reader: Any
    topic: str
    payload: bytes
    time: float
    retained: bool


class Intake:
    """Messages that are read one after another.

    Args:
        read: reads a message, in the loop or in the thread, never both at once; never raises.
        worker: the thread.
        most_bytes: that may come to wait; with more, `pause` is called.
        pause: stops what calls `put`.
        resume: lets it go on, when nothing waits.
    """

    def __init__(
        self,
        read: Callable[[Arrived], None],
        worker: Worker,
        most_bytes: int,
        pause: Callable[[], None],
        resume: Callable[[], None],
    ) -> None:
        self._read = read
        self._worker = worker
        self._most = most_bytes
        self._pause, self._resume = pause, resume
        self._waiting: deque[Arrived] = deque()
        self._bytes = 0  # that began to wait since nothing did
        self._task: asyncio.Task[None] | None = None

    def put(self, message: Arrived) -> None:
        """Read a message, now or later."""
        if self._task is None and len(message.payload) <= _AT_ONCE_BYTES:
            self._read(message)
            return
        self._waiting.append(message)
        before, self._bytes = self._bytes, self._bytes + len(message.payload) + _EACH_BYTES
        if before <= self._most < self._bytes:
            self._pause()
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._drain())

    async def close(self) -> int:
        """Read what waits, for a moment; returns how many messages are left unread."""
        if (task := self._task) is not None:
            await asyncio.wait([task], timeout=_LAST_SEC)
            task.cancel()
        left = 0
        while self._next() is not None:  # the thread then finds none
            left += 1
        return left

    async def _drain(self) -> None:
        try:
            while self._waiting:
                await self._worker.run(self._read_all)
                paused, self._bytes = self._bytes > self._most, 0
                if paused:
                    self._resume()
        finally:
            self._task = None

    def _read_all(self) -> None:
        while (message := self._next()) is not None:
            self._read(message)

    def _next(self) -> Arrived | None:
        """The message that waits longest: each is given once, to the thread or to `close`."""
        try:
            return self._waiting.popleft()
        except IndexError:
            return None
