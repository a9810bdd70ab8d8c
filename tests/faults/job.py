"""A replay on Flink that goes on after whatever happens to it, as its operator would make it."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Self

from tests.faults.site import Site
from tests.faults.workload import WINDOWS
from tests.integration.helpers import Live, Run, live
from tests.limits import allowed

__all__ = ["Job", "JobEnded", "Outputs", "Stopped"]

_CHECKPOINT_MS = 2000
# Flink's metrics are up to 1 s old, and asked for twice a second.
_STALE_S = 2.0
_NOT_RUNNING = "Not all required tasks are currently running"
_TERMINAL = ("FINISHED", "CANCELED", "FAILED")


class JobEnded(Exception):
    """The job came to its end before it could be disturbed."""


@dataclass(frozen=True)
class Outputs:
    """Where a run writes.

    Attributes:
        alerts: a file or a topic, by turns.
        anomalies: the other of the two.
        features, audit: files.
    """

    alerts: str
    anomalies: str
    features: Path
    audit: Path

    @classmethod
    def of(cls, site: Site, name: str, *, alerts_to_topic: bool) -> Outputs:
        """Places for the run of this name."""
        directory = site.directory / name
        directory.mkdir(parents=True, exist_ok=True)
        topic = f"kafka://{site.broker.bootstrap}/{name}?delivery=exactly_once"
        file = str(directory / "results.jsonl")
        alerts, anomalies = (topic, file) if alerts_to_topic else (file, topic)
        features, audit = directory / "features.jsonl", directory / "audit.jsonl"
        return cls(alerts, anomalies, features, audit)

    def options(self) -> list[str]:
        """As options of `padit replay`."""
        return [
            f"--output={self.alerts}",
            f"--anomalies={self.anomalies}",
            f"--features={self.features}",
            f"--audit={self.audit}",
        ]


class Stopped(NamedTuple):
    """A stop with a savepoint.

    Attributes:
        place: of the savepoint.
        said: by the command that had waited for the job.
    """

    place: str
    said: str


@dataclass
class Job:
    """One replay and the processes and Flink jobs that it takes.

    Attributes:
        site: where.
        outputs: where to.
        slowed_s: seconds in which the broker hands out the topic.
        jobs: Flink's ids, one for every submission.
        stopped: every stop with a savepoint after which it went on.
    """

    site: Site
    outputs: Outputs
    slowed_s: float
    jobs: list[str] = field(default_factory=list)
    stopped: list[Stopped] = field(default_factory=list)
    _run: Live = field(init=False)
    _known: set[str] = field(default_factory=set)
    _commands: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> Self:
        """Nothing runs yet."""
        return self

    def __exit__(self, *_: object) -> None:
        """End what still waits for the job, and the job."""
        self._commands.close()
        for job in self._overview():
            if job["jid"] in self.jobs and job["state"] not in _TERMINAL:
                self.site.cancel(job["jid"])

    def command(self, parallelism: int, savepoint: str | None) -> list[str]:
        """Start it, or go on from a savepoint: the arguments of `padit`."""
        options = [f"--checkpointing_interval={_CHECKPOINT_MS}", *WINDOWS]
        options += self.site.cluster.options(parallelism)
        if savepoint is not None:
            options.append(f"--savepoint_path={savepoint}")
        return ["replay", "--input", self.site.input, *self.outputs.options(), *options]

    def submit(self, parallelism: int = 2, savepoint: str | None = None) -> None:
        """Start it, or go on from a savepoint, and wait until Flink runs it."""
        self._known = {job["jid"] for job in self._overview()}
        arguments = self.command(parallelism, savepoint)
        self._run = self._commands.enter_context(live(self.site.directory, *arguments))
        self._until(self._is_submitted, 180, "Flink shows no new job")
        found = self._new()
        assert found is not None
        self.jobs.append(found)

    def end(self, seconds: float = 400) -> Run:
        """Wait until it has come to its own end."""
        return self._run.end(code=None, seconds=seconds)

    def leave(self, patience_s: float = 20) -> str:
        """End the command that waits for the job, when the job is gone; what it had said.

        Args:
            patience_s: that it has for ending by itself.
        """
        process = self._run.process
        try:
            process.communicate(timeout=allowed(patience_s))
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
        return self._run.said

    def details(self) -> dict[str, Any]:
        """The Flink job now. Raises OSError."""
        found: dict[str, Any] = self.site.cluster.rest(f"/jobs/{self.jobs[-1]}")
        return found

    def read(self) -> int:
        """Records read so far, by Flink's metrics."""
        return self.site.rows_read(self.jobs[-1])

    def wait_progress(self, beyond: int, seconds: float = 240) -> float:
        """Wait until it has read further than `beyond`, and has a checkpoint; seconds it took.

        What the metrics may have been behind when `beyond` was asked for is added to it, so that
        records from before a fault are never taken for progress after it.
        """
        goal = beyond + round(self.site.records / self.slowed_s * _STALE_S)
        return self._until(lambda: self._is_beyond(goal), seconds, f"it does not get to {goal}")

    def _is_beyond(self, goal: int) -> bool:
        details = self.details()
        self._check_state(details)
        return self.site.rows_read(self.jobs[-1]) > goal and self.checkpoint() is not None

    def _check_state(self, details: dict[str, Any]) -> None:
        if details["state"] == "FINISHED":
            raise JobEnded
        if details["state"] in ("FAILED", "CANCELED"):
            message = f"the job is {details['state']}: {self._run.said[-3000:]}"
            raise AssertionError(message)

    def checkpoint(self) -> str | None:
        """The last checkpoint that is complete, or None."""
        jobs = self.site.cluster.directory / "checkpoints" / self.jobs[-1]
        done = [place.parent for place in jobs.glob("chk-*/_metadata")]
        return str(max(done, key=lambda one: int(one.name[4:]))) if done else None

    def restored(self) -> float:
        """When Flink last restored its state, seconds since 1970; 0 if it never did."""
        checkpoints = self.site.cluster.rest(f"/jobs/{self.jobs[-1]}/checkpoints")
        latest = checkpoints["latest"]["restored"]
        return 0.0 if latest is None else latest["restore_timestamp"] / 1000

    def wait_restored(self, moment: float, seconds: float = 120) -> None:
        """Wait until Flink has restored state after this moment, seconds since 1970.

        Where a fault costs a restore, progress counts from there on only: Flink's metrics may be
        older than they should, and then show records from before the fault as progress after it.
        """

        def is_restored() -> bool:
            self._check_state(self.details())
            return self.restored() > moment

        self._until(is_restored, seconds, "no state is restored")

    def save(self, *, cancel: bool) -> str:
        """Take a savepoint and end the job: at once (`cancel`), or once its sources stop.

        As an operator would, it asks again while some of the job's tasks are only being started.
        """
        places: list[str] = []

        def taken() -> bool:
            place = self._savepoint(cancel)
            places.extend([] if place is None else [place])
            return bool(places)

        self._until(taken, 60, "not all tasks run")
        self._until(lambda: self.details()["state"] in _TERMINAL, 60, "it goes on")
        return places[0]

    def _savepoint(self, cancel: bool) -> str | None:
        path = "savepoints" if cancel else "stop"
        body = {"cancel-job": True} if cancel else {"drain": False}
        job = f"/jobs/{self.jobs[-1]}"
        request = self.site.post(f"{job}/{path}", body)["request-id"]
        status: dict[str, Any] = {}

        def done() -> bool:
            status.update(self.site.cluster.rest(f"{job}/savepoints/{request}"))
            return bool(status["status"]["id"] == "COMPLETED")

        self._until(done, 180, "the savepoint is not completed")
        failure = status["operation"].get("failure-cause")
        if failure is None:
            return str(status["operation"]["location"])
        if self.details()["state"] == "FINISHED":
            raise JobEnded
        if _NOT_RUNNING in failure["stack-trace"]:
            return None
        raise AssertionError(failure["stack-trace"][:2000])

    def _overview(self) -> list[dict[str, Any]]:
        try:
            found: list[dict[str, Any]] = self.site.cluster.rest("/jobs/overview")["jobs"]
        except OSError:
            return []
        return found

    def _is_submitted(self) -> bool:
        assert self._run.process.poll() is None, f"not submitted: {self._run.said[-3000:]}"
        return self._new() is not None

    def _new(self) -> str | None:
        new = [job for job in self._overview() if job["jid"] not in self._known]
        return new[0]["jid"] if new and new[0]["state"] != "INITIALIZING" else None

    def _until(self, done: Callable[[], bool], seconds: float, what: str) -> float:
        started = time.monotonic()
        while True:
            try:
                if done():
                    return time.monotonic() - started
            except (OSError, KeyError) as error:  # the JobManager is away, or about to be
                print(f"  {error!r}", file=sys.stderr)
            if time.monotonic() - started > allowed(seconds):
                message = f"{what} within {allowed(seconds):g} s: {self._run.said[-3000:]}"
                raise AssertionError(message)
            time.sleep(0.25)
