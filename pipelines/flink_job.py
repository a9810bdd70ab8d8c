"""A job on Flink, through its REST interface: its progress, its failure, its end.

A bounded job does not end by itself. Beam can close the first source of the graph after a
while, but then all reading happens while Flink's tasks are finishing, and a task that finishes
takes part in no checkpoint: a crash near the end of a long replay would send it back to the
start, and no savepoint could be taken. So the source stays open while there is something to
read, and then the job is drained (`stop` with `drain`), which ends it as if the input had ended.

Beam's job server does not report Flink's id of a job, and names do not identify one: a job of
yesterday has the same. So each submission carries an id of its own as an option
(`--submission_id`), which Flink shows with the other options of the job.
"""

import json
import logging
import re
import time
import urllib.error
import urllib.request
import uuid
from typing import Any

from padit.domain.errors import ConfigurationError, PaditError, RunError, StateError
from padit.ops.metric_names import NAMESPACE, PARTITIONS_ENDED
from padit.pipelines.flink_counters import flink_counters

__all__ = ["FlinkJob", "new_submission"]

_LOG = logging.getLogger(__name__)
_SECONDS = 5.0
# Counters begin at zero in a restored job, and stay there if it had already read everything.
# Draining a job that only waits for its broker costs its checkpoints, nothing else.
_NO_RECORDS_SECONDS = 300.0
_NOTHING_SECONDS = 120.0
_ASK_EVERY = 2.0
_CANCEL_EVERY = 0.5
# Flink answers from a copy that it renews every web.refresh-interval, 3 s.
_STALE_SECONDS = 5.0
_ENDED = ("CANCELED", "FINISHED", "FAILED")
_BAD_REQUEST, _NOT_FOUND = 400, 404
# What no restart mends: state of another job, or a worker that is set up in another way.
_HOPELESS = re.compile(
    r"domain\.errors\.(State|Configuration)Error: (.+?)(?: \[while running|$)", re.MULTILINE
)


def new_submission() -> str:
    """An id for one submission to Flink."""
    return uuid.uuid4().hex


class FlinkJob:
    """One job.

    Args:
        rest_url: Flink's REST address, "http://host:port" or "host:port".
        beam_job: Beam's id of the job: Flink's name of it, "_" and a UUID.
        submission: the `--submission_id` it was submitted with.
        partitions: of a bounded input; the job is drained once all have ended. None: never.
    """

    def __init__(
        self, rest_url: str, beam_job: str, submission: str, partitions: int | None
    ) -> None:
        self._url = rest_url if rest_url.startswith("http") else f"http://{rest_url}"
        self._name = beam_job.rpartition("_")[0]
        self._submission = submission
        self._others: set[str] = set()
        self._partitions = partitions
        self._path: str | None = None
        self._request: str | None = None
        self._checkpoint: str | None = None
        self._restored = False
        self._counts: dict[str, int] = {}
        self._moved = self._asked = time.monotonic()

    def look(self) -> None:
        """Detect a job that cannot recover, or that has to be ended; called repeatedly.

        Raises:
            StateError: the saved state cannot be restored; Flink would retry for ever.
            ConfigurationError: a worker lacks what the job needs.
            RunError: Flink refuses to end it, or has lost it with its JobManager.
        """
        try:
            if self._find() is None:
                return
            if time.monotonic() - self._asked > _ASK_EVERY:
                self._asked = time.monotonic()
                self._check_unrecoverable()
                self._note_checkpoint()
            if self._partitions is not None:
                self._end(self._partitions)
        except urllib.error.HTTPError as error:
            if error.code == _NOT_FOUND:
                raise self._lost() from error
            _LOG.info("not yet: %s", error)
        except PaditError:
            raise  # a wrong configuration is a ValueError, too
        except (OSError, ValueError, KeyError) as error:
            _LOG.info("no answer from %s: %r", self._url, error)

    def known_as(self, seconds: float) -> str | None:
        """Flink's id of the job, once Flink knows it; None if it does not within `seconds`."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            try:
                path = self._find()
            except (OSError, ValueError, KeyError) as error:
                _LOG.info("no answer from %s: %r", self._url, error)
                path = None
            if path is not None:
                return path.rpartition("/")[2]
            time.sleep(_CANCEL_EVERY)
        return None

    def cancel(self, seconds: float) -> None:
        """End it where it is, and wait until it has ended.

        A job that Flink does not know yet is waited for, since it would start afterwards.

        Args:
            seconds: the longest wait; a warning names a job that has not ended by then.
        """
        deadline = time.monotonic() + seconds
        while not self._cancelled():
            if time.monotonic() > deadline:
                job = self._path.rpartition("/")[2] if self._path else self._name
                _LOG.warning("%s did not end the job %s; it may still run", self._url, job)
                return
            time.sleep(_CANCEL_EVERY)

    def counters(self) -> dict[str, int]:
        """Counters of a job that runs, by name; empty while Flink has none.

        Raises:
            OSError: Flink does not answer.
        """
        path = self._find()
        return {} if path is None else flink_counters(self._url, path.rpartition("/")[2], NAMESPACE)

    def savepoint(self) -> str | None:
        """The savepoint with which the job was stopped from outside, if that ended it."""
        if self._request is not None:
            return None
        deadline = time.monotonic() + _STALE_SECONDS
        try:
            while True:
                latest = self._ask(f"{self._find()}/checkpoints")["latest"]["savepoint"]
                if latest is not None:
                    return str(latest["external_path"])
                if time.monotonic() > deadline:
                    return None
                time.sleep(_ASK_EVERY / 4)
        except (OSError, ValueError, KeyError) as error:
            _LOG.info("no answer from %s: %r", self._url, error)
            return None

    def clear(self) -> None:
        """Remove the savepoint of draining: the end of an input is nothing to restore."""
        try:
            place = self._drained()
            if place is not None:
                self._ask("/savepoint-disposal", {"savepoint-path": place})
        except (OSError, ValueError, KeyError) as error:
            _LOG.info("the savepoint of draining was not removed: %r", error)

    def _find(self) -> str | None:
        if self._path is None:
            jobs = [job for job in self._ask("/jobs/overview")["jobs"] if job["name"] == self._name]
            for job in sorted(jobs, key=lambda one: -int(one["start-time"])):
                if job["jid"] not in self._others and self._is_ours(job):
                    self._path = f"/jobs/{job['jid']}"
                    break
        return self._path

    def _cancelled(self) -> bool:
        """Ask for its end once it is known; whether it has ended."""
        try:
            path = self._find()
            if path is None:
                return False
            if self._state() in _ENDED:
                return True
            self._ask(f"{path}?mode=cancel", method="PATCH")
        except urllib.error.HTTPError as error:
            if error.code == _NOT_FOUND:
                return True
            _LOG.info("not yet: %s", error)
        except (OSError, ValueError, KeyError) as error:
            _LOG.info("no answer from %s: %r", self._url, error)
        return False

    def _is_ours(self, job: dict[str, Any]) -> bool:
        """By its submission; where Flink shows no options, the newest job that has not ended."""
        try:
            config = self._ask(f"/jobs/{job['jid']}/config")
        except urllib.error.HTTPError as error:  # it is being set up, or was just forgotten
            _LOG.info("not yet: %s", error)
            return False
        options = (config.get("execution-config") or {}).get("user-config")
        if not options:
            return job["state"] not in _ENDED
        if options.get("submissionId") == self._submission:
            return True
        self._others.add(job["jid"])
        return False

    def _check_unrecoverable(self) -> None:
        history = self._ask(f"{self._path}/exceptions")["exceptionHistory"]["entries"]
        for entry in history:
            found = _HOPELESS.search(entry["stacktrace"])
            if found is not None:
                kind = StateError if found.group(1) == "State" else ConfigurationError
                raise kind(found.group(2).strip())

    def _note_checkpoint(self) -> None:
        latest = self._ask(f"{self._path}/checkpoints")["latest"]
        self._restored = latest["restored"] is not None
        if latest["completed"] is not None:
            self._checkpoint = str(latest["completed"]["external_path"])

    def _lost(self) -> RunError:
        where = (
            f"--savepoint_path={self._checkpoint.rpartition('/')[0]}" if self._checkpoint else ""
        )
        message = (
            f"Flink at {self._url} does not know the job any more: its JobManager was restarted. "
            + (f"Restore the job's last checkpoint with {where}" if where else "Start again")
        )
        return RunError(message)

    def _end(self, partitions: int) -> None:
        if self._request is not None:
            status = self._ask(f"{self._path}/savepoints/{self._request}")
            failed = "failure-cause" in (status.get("operation") or {})
            if failed and self._state() == "RUNNING":
                _LOG.info("draining failed, retrying: %s", status["operation"]["failure-cause"])
                self._request, self._counts, self._moved = None, {}, time.monotonic()
            return
        counts = self.counters()
        if counts != self._counts:
            self._counts, self._moved = counts, time.monotonic()
        ended = counts.get(PARTITIONS_ENDED, 0) >= partitions
        patience = _NO_RECORDS_SECONDS if counts else _NOTHING_SECONDS
        stalled = self._restored and time.monotonic() - self._moved > patience
        if (ended or stalled) and self._state() == "RUNNING":
            self._drain()

    def _drain(self) -> None:
        try:
            self._request = self._ask(f"{self._path}/stop", {"drain": True})["request-id"]
        except urllib.error.HTTPError as error:
            if error.code != _BAD_REQUEST:
                raise
            reason = error.read().decode(errors="replace")[:300]
            message = (
                f"Flink at {self._url} does not end the job: {reason}; "
                "does its configuration name execution.checkpointing.savepoint-dir?"
            )
            raise RunError(message) from error

    def _state(self) -> str:
        return str(self._ask(str(self._path))["state"])

    def _drained(self) -> str | None:
        if self._request is None:
            return None
        operation = self._ask(f"{self._path}/savepoints/{self._request}").get("operation") or {}
        place: str | None = operation.get("location")
        return place

    def _ask(self, path: str, body: dict[str, Any] | None = None, method: str | None = None) -> Any:
        request = urllib.request.Request(  # noqa: S310 - http only
            self._url + path,
            None if body is None else json.dumps(body).encode(),
            {"Content-Type": "application/json"},
            method=method,
        )
        with urllib.request.urlopen(request, timeout=_SECONDS) as answer:  # noqa: S310
            return json.load(answer)
