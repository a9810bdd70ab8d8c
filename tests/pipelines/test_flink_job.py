"""What `padit` makes of the answers of Flink's REST interface."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from padit.domain.errors import RunError, StateError
from padit.pipelines import flink_job
from padit.pipelines.flink_job import FlinkJob

JOB = "/jobs/1a2b"
METRICS = f"{JOB}/vertices/v1/subtasks/metrics"
TRACE = """java.lang.RuntimeException: Error received from SDK harness: Traceback (most recent):
  File "transforms/detect.py", line 162, in load
    raise StateError(message)
padit.domain.errors.StateError: the saved state belongs to others [while running 'WatchGroup']
"""


def latest(**found: Any) -> dict[str, Any]:
    """What Flink says of a job's checkpoints."""
    return {"latest": {"completed": None, "savepoint": None, "restored": None, **found}}


class Flink:
    """Answers by path; what it was asked with a body is in `asked`."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Any]] = []
        self.answers: dict[str, Any] = {
            "/jobs/overview": {"jobs": [{"jid": "1a2b", "name": "BeamApp-1"}]},
            JOB: {"state": "RUNNING", "vertices": [{"id": "v1"}]},
            f"{JOB}/exceptions": {"exceptionHistory": {"entries": []}},
            f"{JOB}/checkpoints": latest(),
            f"{JOB}/stop": {"request-id": "r1"},
            f"{JOB}/savepoints/r1": {"status": {"id": "IN_PROGRESS"}},
            "/savepoint-disposal": {"request-id": "r2"},
        }
        self.ended(0)

    def ended(self, partitions: int) -> None:
        """Let its counters say so."""
        name = "0.padit_partitions_ended"
        self.answers[METRICS] = [{"id": f"x.{name}", "sum": float(partitions)}]
        self.answers[f"{METRICS}?"] = self.answers[METRICS]

    def answer(self, path: str) -> tuple[int, Any]:
        """Return the status and the body for a path."""
        found = self.answers.get(path.partition("?")[0], (404, {"errors": ["not found"]}))
        return found if isinstance(found, tuple) else (200, found)


@pytest.fixture
def flink() -> Flink:
    return Flink()


@pytest.fixture
def address(flink: Flink) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._send()

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            flink.asked.append((self.path, json.loads(body)))
            self._send()

        def _send(self) -> None:
            status, body = flink.answer(self.path)
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps(body).encode())

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flink_job, "_ASK_EVERY", -1.0)


def job(address: str, partitions: int | None = 2) -> FlinkJob:
    return FlinkJob(address, "BeamApp-1_5f6e", partitions)


def test_a_job_is_drained_once_when_all_partitions_have_ended(flink: Flink, address: str) -> None:
    watched = job(address)
    flink.ended(1)
    watched.look()
    assert flink.asked == []
    flink.ended(2)
    watched.look()
    watched.look()
    assert flink.asked == [(f"{JOB}/stop", {"drain": True})]


def test_a_live_job_is_never_drained(flink: Flink, address: str) -> None:
    flink.ended(9)
    job(address, None).look()
    assert flink.asked == []


@pytest.mark.parametrize("restored", [True, False])
def test_only_a_restored_job_is_drained_because_it_says_nothing_for_long(
    restored: bool, flink: Flink, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flink_job, "_NO_RECORDS_SECONDS", -1.0)
    if restored:
        flink.answers[f"{JOB}/checkpoints"] = latest(restored={"id": 7})
    job(address).look()
    assert flink.asked == ([(f"{JOB}/stop", {"drain": True})] if restored else [])


def test_a_drain_that_a_crash_undid_is_asked_for_again(flink: Flink, address: str) -> None:
    watched = job(address)
    flink.ended(2)
    watched.look()
    failure = {"failure-cause": {"stack-trace": "a task was lost"}}
    flink.answers[f"{JOB}/savepoints/r1"] = {"status": {"id": "COMPLETED"}, "operation": failure}
    watched.look()
    watched.look()
    assert [path for path, _ in flink.asked] == [f"{JOB}/stop"] * 2


def test_the_savepoint_that_draining_leaves_is_removed(flink: Flink, address: str) -> None:
    watched = job(address)
    flink.ended(2)
    watched.look()
    done = {"location": "file:/savepoints/1"}
    flink.answers[f"{JOB}/savepoints/r1"] = {"status": {"id": "COMPLETED"}, "operation": done}
    watched.clear()
    assert flink.asked[-1] == ("/savepoint-disposal", {"savepoint-path": "file:/savepoints/1"})


def test_a_cluster_without_a_place_for_savepoints_is_an_error_that_names_the_key(
    flink: Flink, address: str
) -> None:
    flink.ended(2)
    flink.answers[f"{JOB}/stop"] = (400, {"errors": ["Config key is not set"]})
    with pytest.raises(RunError, match=r"Config key.*execution\.checkpointing\.savepoint-dir"):
        job(address).look()


def test_state_that_cannot_be_restored_fails_with_its_own_message(
    flink: Flink, address: str
) -> None:
    entries = [{"stacktrace": "java.io.IOException: a worker was lost"}, {"stacktrace": TRACE}]
    flink.answers[f"{JOB}/exceptions"] = {"exceptionHistory": {"entries": entries}}
    with pytest.raises(StateError, match=r"^the saved state belongs to others$"):
        job(address).look()


def test_a_job_that_was_lost_with_its_jobmanager_names_its_last_checkpoint(
    flink: Flink, address: str
) -> None:
    watched = job(address)
    completed = {"external_path": "file:/checkpoints/1a2b/chk-7"}
    flink.answers[f"{JOB}/checkpoints"] = latest(completed=completed)
    watched.look()
    for path in [path for path in flink.answers if path.startswith(JOB)]:
        del flink.answers[path]
    with pytest.raises(RunError, match=r"--savepoint_path=file:/checkpoints/1a2b$"):
        watched.look()


def test_a_jobmanager_that_is_not_ready_is_asked_again(flink: Flink, address: str) -> None:
    flink.answers[f"{JOB}/exceptions"] = (500, {"errors": ["the JobManager is initializing"]})
    watched = job(address)
    watched.look()
    flink.answers[f"{JOB}/exceptions"] = {"exceptionHistory": {"entries": []}}
    flink.ended(2)
    watched.look()
    assert flink.asked == [(f"{JOB}/stop", {"drain": True})]


def test_a_cluster_that_is_away_is_no_error() -> None:
    FlinkJob("127.0.0.1:1", "BeamApp-1_5f6e", 1).look()


def test_a_stop_from_outside_gives_the_savepoint(flink: Flink, address: str) -> None:
    savepoint = {"external_path": "file:/savepoints/9"}
    flink.answers[f"{JOB}/checkpoints"] = latest(savepoint=savepoint)
    assert job(address).savepoint() == "file:/savepoints/9"
