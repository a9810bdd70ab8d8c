"""Monitors one run: starts it, stops it, reads its counters."""

import logging
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, NoReturn

import apache_beam as beam
from apache_beam.runners.runner import PipelineState

from padit.domain.errors import FRESH_START, PaditError, RunError, StateError
from padit.ops.metric_names import NAMESPACE, READ
from padit.ops.run_context import RunContext, RunProgress
from padit.pipelines.flink_job import FlinkJob
from padit.pipelines.runners import Runner
from padit.pipelines.sampler import sampling_often

__all__ = ["RunMonitor"]

_LOG = logging.getLogger(__name__)
_ASK_EVERY = 0.5
_SETTLE = 2.5
_CANCEL_SECONDS = 30.0
_KNOWN_SECONDS = 30.0
_DROPPED = "StatefulParDoDropped"  # by Beam's Java runners, of elements they drop as late


class RunMonitor:
    """One run of a pipeline on a runner.

    Args:
        runner: the runner.
        context: of the run.
        partitions: of a bounded input; None if it has no end.
    """

    def __init__(self, runner: Runner, context: RunContext, partitions: int | None = None) -> None:
        self._runner = runner
        self._context = context
        self._partitions = partitions if runner.drained else None
        self._flink: FlinkJob | None = None
        self._result: Any = None
        self._counts: dict[str, int] = {}
        self._dropped = 0

    def submit(self, pipeline: beam.Pipeline) -> None:
        """Start the run; on a cluster this returns at once."""
        try:
            self._result = pipeline.run()
        except Exception as error:
            raise _readable(error) from error
        url = self._runner.rest_url
        if url is not None and not self._runner.here:
            job, submission = self._result._job_id, self._runner.submission
            self._flink = FlinkJob(url, job, submission, self._partitions)

    def submitted(self) -> str | None:
        """The cluster's id of the job; None if it has no address, or does not know the job yet."""
        return None if self._flink is None else self._flink.known_as(_KNOWN_SECONDS)

    def run(self, pipeline: beam.Pipeline) -> None:
        """Run to the end, or to a clean stop on SIGTERM and Ctrl-C.

        Raises:
            PaditError: the run failed.
        """
        try:
            with self._signals(), sampling_often():
                self.submit(pipeline)
                state = self._wait()
            self.counts()
        finally:
            self._runner.close()
        allowed = {PipelineState.DONE}
        if self._context.stopping:
            allowed |= {PipelineState.CANCELLED, PipelineState.STOPPED, PipelineState.DRAINED}
        if state not in allowed:
            message = f"the job ended as {state}; see `--debug` and the runner's log for the reason"
            raise RunError(message)
        if self._dropped:
            message = (
                f"the runner dropped {self._dropped} elements as late, so results are missing; "
                "on Flink submit with --finish_bundle_before_checkpointing, and report this"
            )
            raise RunError(message)

    @property
    def stopped(self) -> bool:
        """Whether the run was asked to stop before its end."""
        return self._context.stopping

    def look(self) -> RunProgress:
        """Progress of the run."""
        if self._runner.here:
            return self._context.seen()
        return RunProgress(rows=self.counts().get(READ, 0))

    def counts(self) -> dict[str, int]:
        """Totals of the job by name; the last known ones when they cannot be asked for.

        Where its parts run in this process their own totals are at hand; elsewhere there are the
        runner's counters, which are derived from them. The runner of this process is not asked: it
        adds up the counters of all bundles, and drops nothing.
        """
        if not (self._runner.here and self._runner.in_process):
            self._ask()
        return self._context.totals() if self._runner.here else self._counts

    def _ask(self) -> None:
        """Ask the runner for its counters."""
        if self._result is not None:
            try:
                if not self._runner.in_process:
                    self._result._metrics = None  # Beam keeps a job server's first answer
                found = self._result.metrics().query()["counters"]
            except Exception as error:  # a cluster may be away for a moment
                _LOG.info("no counters: %r", error)
                return
            counts: dict[str, int] = {}
            dropped = 0
            for counter in found:
                amount = max(counter.committed or 0, counter.attempted or 0)
                name = counter.key.metric.name
                if counter.key.metric.namespace == NAMESPACE:
                    counts[name] = counts.get(name, 0) + amount
                elif name == _DROPPED:
                    dropped += amount
            self._counts, self._dropped = counts or self._live_counts(), dropped

    def _live_counts(self) -> dict[str, int]:
        """Counters of a job that has not ended by itself; the job server has none of it."""
        if self._flink is None:
            return self._counts
        try:
            found = self._flink.counters()
        except (OSError, ValueError, KeyError) as error:
            _LOG.info("no counters from %s: %r", self._runner.rest_url, error)
            return self._counts
        return found or self._counts

    def _wait(self) -> str:
        while True:
            state = str(self._result.state)
            if PipelineState.is_terminal(state):
                if state == PipelineState.FAILED:
                    self._raise_reason()
                self._report_savepoint()
                return state
            if self._context.stopping and not self._runner.here:
                time.sleep(_SETTLE)  # until the cluster shows what it has counted
                self.counts()
                self._cancel()
                return str(PipelineState.CANCELLED)
            if self._flink is not None:
                try:
                    self._flink.look()
                except PaditError:
                    self._flink.cancel(_CANCEL_SECONDS)
                    raise
            # The result's own wait can be called only once, and a signal would break it.
            time.sleep(_ASK_EVERY)

    def _cancel(self) -> None:
        """Cancel, and wait until Flink has, so that the next job cannot overlap with this one."""
        self._result.cancel()
        if self._flink is not None:
            self._flink.cancel(_CANCEL_SECONDS)  # what the job server does leaves the job running

    def _report_savepoint(self) -> None:
        if self._flink is None:
            return
        place = self._flink.savepoint()
        self._flink.clear()
        if place is not None:
            message = (
                f"the job was stopped with a savepoint; continue with --savepoint_path={place}"
            )
            if self._partitions is not None:
                raise RunError(message)
            _LOG.warning(message)

    def _raise_reason(self) -> NoReturn:
        try:
            self._result.wait_until_finish()
        except Exception as error:
            raise _readable(error) from error
        message = "the job failed; see the runner's log for the reason"
        raise RunError(message)

    @contextmanager
    def _signals(self) -> Iterator[None]:
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {
            number: signal.signal(number, self._stop) for number in (signal.SIGTERM, signal.SIGINT)
        }
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        if self._context.stopping:
            raise KeyboardInterrupt
        _LOG.warning("stopping; once more to stop at once")
        self._context.request_stop()


def _readable(error: BaseException) -> PaditError:
    """PADIT's own error unwrapped from Beam's, or else the last line of the text."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, PaditError):
            return cause
        cause = cause.__cause__ or cause.__context__
    if "Cannot map checkpoint/savepoint state" in str(error):
        return StateError(
            "the savepoint belongs to a job of another shape (another version of PADIT or Beam, or "
            f"other options): {FRESH_START}"
        )
    lines = [line for line in str(error).splitlines() if line.strip()]
    return RunError(f"the job failed: {lines[-1].strip() if lines else type(error).__name__}")
