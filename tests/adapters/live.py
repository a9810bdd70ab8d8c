"""An adapter that runs, open, in a loop of its own thread, so that real clients can talk to it."""

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Self

from padit.adapters.base import ListEmitter
from padit.adapters.registry import create_adapter
from padit.devcluster.service import Startable
from tests.limits import allowed

__all__ = ["Live", "poll_made", "poll_once", "until"]


def until(condition: Callable[[], Any], what: str, timeout_sec: float = 20.0) -> Any:
    """Wait for a condition; its value."""
    limit = allowed(timeout_sec)
    deadline = time.monotonic() + limit
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"{what}: not within {limit:g} s"
        time.sleep(0.02)


def poll_once(config: Mapping[str, Any], polls: int = 1) -> ListEmitter:
    """Open an adapter, poll it, close it; what came out."""
    with Live(config) as live:
        for _ in range(polls):
            live.poll()
    return live.emitter


def poll_made(adapter: Any) -> ListEmitter:
    """Open an adapter that was made, poll it once, close it; what came out."""
    emitter = ListEmitter()

    async def once() -> None:
        await adapter.open(emitter)
        await adapter.poll(emitter)
        await adapter.close()

    asyncio.run(once())
    return emitter


class Live(Startable):
    """Opens the adapter of a configuration for the length of a `with` block."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        self.adapter: Any = create_adapter(config)
        self.emitter = ListEmitter()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def call(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Run a coroutine in the adapter's loop."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(allowed(30))

    def poll(self) -> None:
        """One poll."""
        self.call(self.adapter.poll(self.emitter))

    def start(self) -> Self:
        self._thread.start()
        try:
            self.call(self.adapter.open(self.emitter))
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        self.call(self.adapter.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(allowed(10))
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()
