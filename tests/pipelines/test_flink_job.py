"""What `padit` makes of the answers of Flink's REST interface."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from padit.domain.errors import ConfigurationError, RunError, StateError
from padit.pipelines import flink_job
from padit.pipelines.flink_job import FlinkJob, new_submission
from padit.pipelines.options import PaditOptions
from padit.pipelines.runners import choose_runner
from tests.serving import Serving

SUBMISSION = new_submission()
NAME = "press_line_3"
JOB = "/jobs/1a2b"
METRICS = f"{JOB}/vertices/v1/subtasks/metrics"
TRACE = """java.lang.RuntimeException: Error received from SDK harness: Traceback (most recent):
  File "transforms/detect.py", line 162, in load
    raise StateError(message)
padit.domain.errors.StateError: the saved state belongs to others [while running 'WatchGroup']
"""


def latest(**found: Any) -> dict[str, Any]:
    """Flink's answer about a job's checkpoints."""
    return {"latest": {"completed": None, "savepoint": None, "restored": None, **found}}


class Flink:
    """Answers by path; what it was asked with a body is in `asked`."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Any]] = []
        self.cancelled: list[str] = []
        self.answers: dict[str, Any] = {
            "/jobs/overview": {"jobs": []},
            JOB: {"state": "RUNNING", "vertices": [{"id": "v1"}]},
            f"{JOB}/exceptions": {"exceptionHistory": {"entries": []}},
            f"{JOB}/checkpoints": latest(),
            f"{JOB}/stop": {"request-id": "r1"},
            f"{JOB}/savepoints/r1": {"status": {"id": "IN_PROGRESS"}},
            "/savepoint-disposal": {"request-id": "r2"},
        }
        self.add("1a2b", 5, SUBMISSION)
        self.ended(0)

    def add(
        self,
        jid: str,
        started: int,
        submission: str | None,
        state: str = "RUNNING",
        name: str = NAME,
    ) -> None:
        """A job, first in the list; without a submission no options of it are shown."""
        jobs = self.answers["/jobs/overview"]["jobs"]
        jobs.insert(0, {"jid": jid, "name": name, "start-time": started, "state": state})
        self.answers.setdefault(f"/jobs/{jid}", {"state": state, "vertices": []})
        options = {"submissionId": submission, "jobName": name} if submission else {}
        self.answers[f"/jobs/{jid}/config"] = {"execution-config": {"user-config": options}}

    def ended(self, partitions: int) -> None:
        """Set the counter of ended partitions."""
        name = "0.padit_partitions_ended"
        self.answers[METRICS] = [{"id": f"x.{name}", "sum": float(partitions)}]
        self.answers[f"{METRICS}?"] = self.answers[METRICS]

    def answer(self, path: str) -> tuple[int, Any]:
        """Return the status and the body for a path."""
        found = self.answers.get(path.partition("?")[0], (404, {"errors": ["not found"]}))
        return found if isinstance(found, tuple) else (200, found)

    def cancel(self, jid: str) -> None:
        """End a job, as PATCH does."""
        self.cancelled.append(jid)
        self.answers[f"/jobs/{jid}"]["state"] = "CANCELED"


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

        def do_PATCH(self) -> None:
            flink.cancel(self.path.partition("?")[0].rpartition("/")[2])
            self._send()

        def _send(self) -> None:
            status, body = flink.answer(self.path)
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps(body).encode())

        def log_message(self, *_: object) -> None:
            pass

    with Serving(ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as serving:
        yield f"127.0.0.1:{serving.port}"


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flink_job, "_ASK_EVERY", -1.0)
    monkeypatch.setattr(flink_job, "_CANCEL_EVERY", 0.01)


def job(address: str, partitions: int | None = 2) -> FlinkJob:
    return FlinkJob(address, f"{NAME}_5f6e", SUBMISSION, partitions)


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
def test_only_a_restored_job_is_drained_when_it_is_idle_for_long(
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


def test_a_worker_that_lacks_what_the_job_needs_fails_it_with_its_own_message(
    flink: Flink, address: str
) -> None:
    lacking = TRACE.replace("StateError", "ConfigurationError")
    entries = [{"stacktrace": lacking}]
    flink.answers[f"{JOB}/exceptions"] = {"exceptionHistory": {"entries": entries}}
    with pytest.raises(ConfigurationError, match=r"^the saved state belongs to others$"):
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
    FlinkJob("127.0.0.1:1", f"{NAME}_5f6e", SUBMISSION, 1).look()


def test_a_stop_from_outside_gives_the_savepoint(flink: Flink, address: str) -> None:
    savepoint = {"external_path": "file:/savepoints/9"}
    flink.answers[f"{JOB}/checkpoints"] = latest(savepoint=savepoint)
    assert job(address).savepoint() == "file:/savepoints/9"


def test_a_finished_job_of_the_same_name_is_not_asked(flink: Flink, address: str) -> None:
    flink.add("0001", 1, new_submission(), "FINISHED")
    flink.ended(2)
    job(address).look()
    assert flink.asked == [(f"{JOB}/stop", {"drain": True})]


def test_two_running_jobs_of_one_name_are_told_apart_by_their_submissions(
    flink: Flink, address: str
) -> None:
    flink.add("9999", 9, new_submission())
    job(address).cancel(1)
    assert flink.cancelled == ["1a2b"]


@pytest.mark.parametrize("name", ["press", "press_line", "press_line_3_5f6e", "3"])
def test_a_job_of_another_name_is_left_alone(name: str, flink: Flink, address: str) -> None:
    flink.answers["/jobs/overview"]["jobs"].clear()
    flink.add("1a2b", 5, SUBMISSION, name=name)
    job(address).cancel(0)
    assert flink.cancelled == []


def test_where_options_are_not_shown_the_newest_job_that_runs_is_cancelled(
    flink: Flink, address: str
) -> None:
    flink.answers["/jobs/overview"]["jobs"].clear()
    for jid, started, state in (("r7", 7, "RUNNING"), ("c9", 9, "CANCELED"), ("r1", 1, "RUNNING")):
        flink.add(jid, started, None, state)
    job(address).cancel(1)
    assert flink.cancelled == ["r7"]


def test_a_job_that_flink_does_not_know_yet_is_cancelled_once_it_does(
    flink: Flink, address: str
) -> None:
    shown = flink.answers["/jobs/overview"]
    flink.answers["/jobs/overview"] = {"jobs": []}

    def show() -> None:
        flink.answers["/jobs/overview"] = shown

    timer = threading.Timer(0.2, show)
    timer.start()
    job(address).cancel(10)
    timer.join()
    assert flink.cancelled == ["1a2b"]


def test_a_job_that_does_not_end_is_named(
    flink: Flink, address: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flink, "cancel", flink.cancelled.append)
    job(address).cancel(0)
    assert "did not end the job 1a2b; it may still run" in caplog.text


def test_counters_are_those_of_the_job_itself(flink: Flink, address: str) -> None:
    flink.add("0001", 9, new_submission())
    flink.ended(2)
    assert job(address).counters() == {"partitions_ended": 2}


def test_every_submission_has_an_id_of_its_own_whatever_is_given() -> None:
    argv = ["--runner=FlinkRunner", "--job_endpoint=127.0.0.1:1", "--submission_id=given"]
    one, two = (choose_runner(argv, bounded=False) for _ in range(2))
    for runner in (one, two):
        submitted = runner.options.view_as(PaditOptions).submission_id
        assert submitted == runner.submission != "given"
    assert one.submission != two.submission


@pytest.mark.parametrize(
    ("given", "bounded", "expected"),
    [
        ([], False, ("256", "100")),
        ([], True, ("256", "100")),
        (["--max_bundle_size=7"], False, ("7", "100")),
        (["--max_bundle_time_mills=20"], True, ("256", "20")),
    ],
)
def test_a_bundle_ends_early_unless_other_numbers_are_given(
    given: list[str], bounded: bool, expected: tuple[str, str]
) -> None:
    argv = ["--runner=FlinkRunner", "--job_endpoint=127.0.0.1:1", *given]
    options = choose_runner(argv, bounded=bounded).options.get_all_options(
        retain_unknown_options=True
    )
    found = str(options["max_bundle_size"]), str(options["max_bundle_time_mills"])
    assert found == expected
