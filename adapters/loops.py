"""Loops that must not end unnoticed: the publisher's thread and the tasks of the runner.

A loop counts its failures, waits, and goes on; after `MOST_FAILURES` in a row it gives up, which
ends the process with an error. What a loop is doing can be seen from any thread, at `/health`.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from padit.ops import metric_names
from padit.ops.stats import OncePerCause, Stats

__all__ = ["MOST_FAILURES", "LoopState", "keep_running"]

MOST_FAILURES = 10
"""Failures in a row after which a loop gives up, about 20 s after the first."""

_SHORTEST_SEC, _LONGEST_SEC = 0.1, 5.0


class LoopState:
    """How one loop is doing.

    Args:
        name: of the loop, in logs, metrics and `/health`.
        stats: where its failures are counted, as `padit_loop_failures_total`.
        once: where they are logged, once per cause.
        most_failures: failures in a row after which it gives up.

    Attributes:
        failures: in a row, 0 while it works.
        last_error: the latest failure, "" while it works.
        ended: it gave up, or was ended by something that cannot be caught.
    """

    def __init__(
        self, name: str, stats: Stats, once: OncePerCause, most_failures: int = MOST_FAILURES
    ) -> None:
        self.name = name
        self.failures = 0
        self.last_error = ""
        self.ended = False
        self._stats = stats
        self._once = once
        self._most = most_failures

    def failed(self, error: BaseException) -> float:
        """Note a failure; seconds to wait before the next turn."""
        self.failures += 1
        self.last_error = f"{type(error).__name__}: {error}"
        self._stats.add(metric_names.LOOP_FAILURES, loop=self.name)
        self._once.warn(self.name, type(error).__name__, f"failed and goes on: {self.last_error}")
        if self.failures >= self._most:
            self.ended = True
        return float(min(_LONGEST_SEC, _SHORTEST_SEC * 2.0 ** (self.failures - 1)))

    def worked(self) -> None:
        """Note a turn without a failure."""
        if self.failures:
            self.failures, self.last_error = 0, ""
            self._once.clear(self.name)


async def keep_running(state: LoopState, work: Callable[[], Awaitable[None]]) -> None:
    """Await `work()`, and again after a failure, until it returns, is cancelled or gives up."""
    try:
        while not state.ended:
            try:
                await work()
            except Exception as error:
                logging.getLogger("padit.adapters").debug("%s", state.name, exc_info=True)
                await asyncio.sleep(state.failed(error))
            else:
                return
    except asyncio.CancelledError:
        raise
    except BaseException:
        state.ended = True
        raise
