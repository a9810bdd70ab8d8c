"""Threads for calls that block: one for each adapter, so that one that hangs harms no other.

Python cannot end a call that blocks. When a poll is given up, its thread stays behind until the
call returns; until then the adapter gets no second one. So an adapter leaks one thread at most,
`/health` shows it as `stuck_calls`, and the process can still end.
"""

import asyncio
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

from padit.adapters.errors import AdapterError

__all__ = ["Worker"]

T = TypeVar("T")


class Worker:
    """One daemon thread, started with the first call; its calls run one after another.

    Args:
        name: of the thread.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._calls: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._abandoned: Future[Any] | None = None
        self._abandoned_at = 0.0

    @property
    def stuck(self) -> bool:
        """Whether a call that was given up has not returned yet."""
        return self._abandoned is not None and not self._abandoned.done()

    async def run(self, work: Callable[..., T], *arguments: Any) -> T:
        """Call `work` in the thread, after the calls before it.

        Raises:
            AdapterError: an earlier call was given up and has not returned.
        """
        if self.stuck:
            seconds = time.monotonic() - self._abandoned_at
            message = f"a call that was given up {seconds:.0f} s ago still blocks its thread"
            raise AdapterError(message, cause="stuck")
        if self._thread is None:
            self._thread = threading.Thread(
                target=_serve, args=(self._calls,), name=self._name, daemon=True
            )
            self._thread.start()
        future: Future[T] = Future()
        self._calls.put((future, work, arguments))
        try:
            return await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            if future.running():
                self._abandoned, self._abandoned_at = future, time.monotonic()
            raise

    def close(self) -> None:
        """End the thread after the calls that wait; `run` starts another."""
        if self._thread is not None:
            self._calls.put(None)
            self._calls, self._thread = queue.SimpleQueue(), None


def _serve(calls: "queue.SimpleQueue[Any]") -> None:
    while (call := calls.get()) is not None:
        future, work, arguments = call
        if not future.set_running_or_notify_cancel():
            continue
        try:
            future.set_result(work(*arguments))
        except BaseException as error:  # the caller's to handle: the thread serves on
            future.set_exception(error)
        del call, future, work, arguments
