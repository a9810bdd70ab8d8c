"""Many adapters in one process: the only loop, the only sleep and the only threads.

Every adapter has a task of its own that opens it, polls it on its schedule and, when anything
raises or takes longer than its `timeout_sec`, closes it, waits with back-off and opens it
again. Schedules follow the monotonic clock, so a step of the wall clock moves no poll. One
event loop serves all, therefore a poll must not block; what has to (a library without
coroutines) goes through a `Worker` of the adapter's own (`adapters.threads`).
`padit_adapters_loop_lag_seconds` shows an adapter that does not keep to this.

The tasks here and the publisher's thread are loops that must not end (`adapters.loops`): one that
gives up ends the process with an error.

`stop` closes all adapters, then delivers what they emitted; what the broker does not take in
time stays on disk for the next start.
"""

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

import msgspec

from padit.adapters.base import Adapter, AdapterOptions, Batch
from padit.adapters.config import AdaptersConfig
from padit.adapters.edges import DEPENDS_ON
from padit.adapters.encode import Record
from padit.adapters.errors import AdapterError
from padit.adapters.loops import LoopState, keep_running
from padit.adapters.publisher import Publisher
from padit.adapters.registry import create_all
from padit.adapters.threads import Worker
from padit.domain.metric import Metric
from padit.domain.rows import Rows
from padit.ops import metric_names
from padit.ops.health import HealthServer
from padit.ops.stats import OncePerCause, Stats

__all__ = ["Delivery", "Runner", "Supervised", "run_adapters"]

_log = logging.getLogger("padit.adapters")

_STOP_SEC = 10.0  # for all adapters together to end and close
_CANCEL_AGAIN_SEC = 0.2


class Delivery(Protocol):
    """The part of a publisher that the runner uses."""

    def put(self, batch: Batch | Record) -> None:
        """Take samples or a record; never blocks."""

    def ready(self) -> bool:
        """Whether more can be taken."""


class _Emitter:
    """The way out of one adapter."""

    def __init__(
        self, options: AdapterOptions, delivery: Delivery, stats: Stats, once: OncePerCause
    ) -> None:
        self._name = options.name
        self._metadata = dict(options.metadata)
        stated = self._metadata.get(DEPENDS_ON)
        self._edge = {} if stated is None else {DEPENDS_ON: stated}
        self._delivery = delivery
        self._stats = stats
        self._once = once

    def emit(self, batch: Batch) -> None:
        if not len(batch):
            return
        self._stats.add(metric_names.ADAPTER_SAMPLES, len(batch), adapter=self._name)
        if self._metadata and not isinstance(batch, Rows):
            batch = [self._extended(metric) for metric in batch]
        self._delivery.put(batch)

    def emit_record(self, topic: str, key: str, value: bytes) -> None:
        self._stats.add(metric_names.ADAPTER_RECORDS, adapter=self._name, topic=topic)
        self._delivery.put(Record(topic, key.encode("utf-8", "replace"), value, -1, 1))

    def ready(self) -> bool:
        return self._delivery.ready()

    def fault(self, cause: str, message: str, count: int = 1) -> None:
        self._stats.add(metric_names.ADAPTER_FAULTS, count, adapter=self._name, cause=cause)
        self._once.warn(self._name, f"fault {cause}", message)

    def unwatched(self, what: str, message: str, count: int = 1) -> None:
        self._stats.add(metric_names.ADAPTER_UNWATCHED, count, adapter=self._name, what=what)
        self._once.warn(self._name, f"unwatched {what}", message)

    def _extended(self, metric: Metric) -> Metric:
        return msgspec.structs.replace(
            metric, metadata={**self._metadata, **metric.metadata, **self._edge}
        )


@dataclass(slots=True)
class Supervised:
    """An adapter and how it is doing.

    Attributes:
        state: "starting", "up", "failing" or "stopped".
        last_error: the latest failure, empty after a good poll.
        last_success: epoch seconds of the latest good poll, 0 before the first.
    """

    adapter: Adapter
    options: AdapterOptions
    emitter: Any
    state: str = "starting"
    last_error: str = ""
    last_success: float = 0.0
    failures: int = field(default=0)

    @property
    def stuck_calls(self) -> int:
        """Blocking calls that were given up and have not returned."""
        return sum(worker.stuck for worker in getattr(self.adapter, "workers", ()))


class Runner:
    """Runs adapters until `stop`.

    Args:
        adapters: what runs.
        delivery: where samples go.
        stats: where it counts.
        seed: of the jitter; None differs in every process.
    """

    def __init__(
        self,
        adapters: Sequence[Adapter],
        delivery: Delivery,
        stats: Stats,
        seed: int | None = None,
    ) -> None:
        self._stats = stats
        self._once = OncePerCause(_log)
        self._random = random.Random(seed)  # noqa: S311 - jitter, no secret
        self._stopping = asyncio.Event()
        self.parts = [
            Supervised(a, a.options, _Emitter(a.options, delivery, stats, self._once))
            for a in adapters
        ]
        self.loops = [
            LoopState(name, stats, self._once)
            for name in ("lag", *(f"adapter {part.options.name}" for part in self.parts))
        ]

    def stop(self) -> None:
        """Ask for a clean stop; `run` returns soon after."""
        self._stopping.set()

    async def run(self) -> None:
        """Run until `stop`; adapters are closed when this returns."""
        asyncio.get_running_loop().set_exception_handler(self._callback_failed)
        lag = asyncio.create_task(keep_running(self.loops[0], self._watch_lag))
        tasks = [
            asyncio.create_task(keep_running(state, partial(self._supervise, part, state)))
            for part, state in zip(self.parts, self.loops[1:], strict=True)
        ]
        await self._stopping.wait()
        lag.cancel()
        for name in await self._end(tasks):
            _log.error("%s did not stop within %g s and is left behind", name, _STOP_SEC)

    async def _end(self, tasks: Sequence["asyncio.Task[None]"]) -> list[str]:
        """Cancel the adapters' tasks; the names of those that did not end.

        `asyncio.wait_for` of Python 3.11 loses a cancellation that meets a finished future, so it
        is repeated; not for an adapter that closes, which has its own limit and would be cut short.
        """
        running = dict(zip(tasks, self.parts, strict=True))
        deadline = time.monotonic() + _STOP_SEC
        for task in tasks:
            task.cancel()
        while running and time.monotonic() < deadline:
            _, pending = await asyncio.wait(running, timeout=_CANCEL_AGAIN_SEC)
            running = {task: part for task, part in running.items() if task in pending}
            for task, part in running.items():
                if part.state != "stopped":
                    task.cancel()
        return [part.options.name for part in running.values()]

    def _callback_failed(self, _loop: Any, context: dict[str, Any]) -> None:
        """Log an exception of a library's callback or of an unwatched task; the loop goes on."""
        error = context.get("exception")
        text = f"{context.get('message', '')}: {error!r}"
        _log.debug("%s", text, exc_info=error)
        self._stats.add(metric_names.CALLBACK_ERRORS)
        self._once.warn("callback", type(error).__name__, text[:500])

    async def _watch_lag(self) -> None:
        while True:
            begin = time.monotonic()
            await asyncio.sleep(0.5)
            lag = max(0.0, time.monotonic() - begin - 0.5)
            self._stats.set(metric_names.LOOP_LAG_SECONDS, lag)
            self.loops[0].worked()

    async def _supervise(self, part: Supervised, state: LoopState) -> None:
        options = part.options
        due = time.monotonic()
        due += self._random.uniform(0, options.jitter) * min(options.interval_sec, 60.0)
        opened = False
        try:
            while not self._stopping.is_set():
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                opened = await self._attempt(part, opened)
                due = self._next(part, due)
                state.worked()
        finally:
            part.state = "stopped"
            await self._close(part)

    async def _attempt(self, part: Supervised, opened: bool) -> bool:
        """Open if needed, poll once; whether the adapter is open afterwards."""
        begin = time.monotonic()
        try:
            async with asyncio.timeout(part.options.timeout_sec) as limit:
                if not opened:
                    await part.adapter.open(part.emitter)
                await part.adapter.poll(part.emitter)
        except TimeoutError as error:
            ours = f"no end within {part.options.timeout_sec:g} s"
            theirs = f"{error}" or "a time limit within the poll"
            self._failed(part, "timeout", ours if limit.expired() else theirs)
        except AdapterError as error:
            self._failed(part, error.cause, str(error))
        except (Exception, SystemExit) as error:  # a bug in one adapter is not another's problem
            _log.debug("%s failed", part.options.name, exc_info=True)
            self._failed(part, type(error).__name__, f"{error}" or "failed")
        else:
            self._succeeded(part, time.monotonic() - begin)
            return True
        await self._close(part)
        return False

    def _succeeded(self, part: Supervised, seconds: float) -> None:
        name = part.options.name
        part.state, part.failures, part.last_error = "up", 0, ""
        part.last_success = time.time()
        self._stats.add(metric_names.ADAPTER_POLLS, adapter=name)
        self._stats.set(metric_names.ADAPTER_UP, 1, adapter=name)
        self._stats.set(metric_names.ADAPTER_STUCK_CALLS, part.stuck_calls, adapter=name)
        self._stats.set(metric_names.ADAPTER_POLL_SECONDS, seconds, adapter=name)
        if self._once.clear(f"{name} "):
            _log.warning("%s works again", name)

    def _failed(self, part: Supervised, cause: str, message: str) -> None:
        name = part.options.name
        part.state, part.last_error = "failing", message
        part.failures += 1
        self._stats.add(metric_names.ADAPTER_FAILURES, adapter=name, cause=cause)
        self._stats.set(metric_names.ADAPTER_UP, 0, adapter=name)
        self._stats.set(metric_names.ADAPTER_STUCK_CALLS, part.stuck_calls, adapter=name)
        self._once.warn(f"{name} ", cause, message)

    def _next(self, part: Supervised, due: float) -> float:
        """When the next poll is due, on the monotonic clock."""
        options = part.options
        moment = time.monotonic()
        if part.failures:
            wait = min(
                options.max_backoff_sec, options.interval_sec * 2.0 ** min(part.failures, 16)
            )
            return moment + wait * self._random.uniform(0.5, 1.0)
        due += options.interval_sec
        if due < moment:
            missed = int((moment - due) // options.interval_sec) + 1
            self._stats.add(metric_names.ADAPTER_OVERRUNS, missed, adapter=options.name)
            due += missed * options.interval_sec
        return due

    async def _close(self, part: Supervised) -> None:
        try:
            async with asyncio.timeout(5.0):
                await part.adapter.close()
        except (Exception, SystemExit) as error:
            self._once.warn(f"{part.options.name} ", "close", f"closing failed: {error!r}")


async def run_adapters(config: AdaptersConfig, stop: asyncio.Event, stats: Stats) -> int:
    """Everything of `padit adapters --config`; returns samples that could not be delivered.

    Args:
        config: what to run.
        stop: set it for a clean stop.
        stats: where everything is counted.

    Raises:
        ConfigurationError: an adapter, the buffer's directory or the health port is wrong.
        AdapterError: a loop has ended that must not; what could be kept is on disk.
    """
    if not _log.isEnabledFor(logging.INFO):
        for library in (
            "padit.adapters.librdkafka",
            "pymodbus",
        ):  # these libraries repeat themselves; each cause is logged once
            logging.getLogger(library).setLevel(logging.CRITICAL)
    adapters = create_all(config.adapters)
    publisher = Publisher(config.kafka, config.buffer, stats)
    runner = Runner(adapters, publisher, stats)
    loops = [publisher.state, *runner.loops]
    health = HealthServer(config.health, stats, runner.parts, publisher.ready, loops)
    publisher.start()
    try:
        await health.start()
        running = asyncio.create_task(runner.run())
        await _stopped(stop, loops, stats)
        runner.stop()
        await running
    finally:
        with contextlib.suppress(Exception):
            await health.stop()
        left = await Worker("stop").run(publisher.stop, config.stop_timeout_sec)
    for state in loops:
        if state.ended:
            message = (
                f"the loop {state.name} ended after {state.failures} failures, the last: "
                f"{state.last_error or 'unknown'}; {left} samples wait on disk for the next start"
            )
            raise AdapterError(message, cause="loop")
    return left


async def _stopped(stop: asyncio.Event, loops: Sequence[LoopState], stats: Stats) -> None:
    """Wait for the signal, or for the end of a loop."""
    while not stop.is_set():
        for state in loops:
            stats.set(metric_names.LOOP_ALIVE, not state.ended, loop=state.name)
        if any(state.ended for state in loops):
            return
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), 0.5)
