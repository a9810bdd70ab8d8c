"""Figures of the job on Health: from its audit log, from `/metrics`, and from Flink over HTTP."""

import json
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from padit.domain.audit import RunTotals, encode_record
from padit.ops import metric_names as names
from padit.portal.watching import Watch
from tests.portal.making import append, served, transition, wait_for
from tests.serving import Serving

_JOB = {"read": 100, "scored": 80, "late": 9, "duplicate": 1, "dead_lettered": 2, "waiting": 5}


class _Plant:
    """What the processes say: by path."""

    def __init__(self) -> None:
        self.pages: dict[str, str] = {}
        self.address = ""


@pytest.fixture
def plant(monkeypatch: pytest.MonkeyPatch) -> Iterator[_Plant]:
    """A server on the loopback that is asked every 50 ms."""
    monkeypatch.setattr("padit.portal.watching._EVERY_SECONDS", 0.05)
    found = _Plant()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            page = found.pages.get(self.path)
            self.send_response(404 if page is None else 200)
            self.end_headers()
            self.wfile.write((page or "").encode())

        def log_message(self, *args: Any) -> None:
            """Nothing."""

    with Serving(ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as serving:
        found.address = f"http://127.0.0.1:{serving.port}"
        yield found


def _metrics(job: dict[str, int]) -> str:
    lines = [f'{names.job_metric(name)}{{job="a"}} {value}' for name, value in job.items()]
    return "\n".join([
        *lines, f'{names.JOB_WATERMARK_DELAY}{{group="0"}} 3.5',
        f'{names.JOB_WATERMARK_DELAY}{{group="1"}} 7.25', f'{names.JOB_LAG}{{partition="0"}} 40',
        f'{names.JOB_LAG}{{partition="1"}} 2', f'{names.ALERTING_BREAKER_OPEN}{{receiver="ops"}} 1',
        f'{names.ALERTING_BREAKER_OPEN}{{receiver="mail"}} 0', "# HELP x", "not a sample", "",
    ])  # fmt: skip


def test_live_figures_add_up_and_a_place_that_is_away_is_named(plant: _Plant) -> None:
    plant.pages["/metrics"] = _metrics(_JOB)
    away = f"{plant.address}/elsewhere"
    watch = Watch([f"{plant.address}/metrics", away])
    watch.start()
    try:
        wait_for(lambda: "per_second" in watch.figures.get("job", {}))
        job = watch.figures["job"]
        assert {name: job[name] for name in _JOB} == _JOB
        assert (job["residue"], job["lag_records"], job["watermark_delay_seconds"]) == (3, 42, 7.25)
        assert watch.figures["breakers"] == [
            {"name": "ops", "open": True}, {"name": "mail", "open": False},
        ]  # fmt: skip
        assert [one.partition(": ")[0] for one in watch.figures["away"]] == [away]
        plant.pages["/metrics"] = _metrics(_JOB | {"read": 10_000, "scored": 9_983})
        wait_for(lambda: watch.figures["job"]["per_second"] > 0)
        assert watch.figures["job"]["residue"] == 0
        del plant.pages["/metrics"]
        wait_for(lambda: len(watch.figures["away"]) == 2)
        plant.pages["/metrics"] = _metrics(_JOB)
        wait_for(lambda: "job" in watch.figures)
    finally:
        watch.stop()


def test_the_age_of_the_latest_checkpoint_is_that_of_the_job_that_lags_most(plant: _Plant) -> None:
    def state(age: float) -> str:
        taken = (time.time() - age) * 1000
        latest = {"latest_ack_timestamp": taken, "end_to_end_duration": 250, "state_size": 10}
        return json.dumps({"counts": {"failed": 1}, "latest": {"completed": latest}})

    jobs = [{"id": "a", "status": "RUNNING"}, {"id": "b", "status": "RUNNING"},
            {"id": "c", "status": "FINISHED"}]  # fmt: skip
    plant.pages |= {"/jobs": json.dumps({"jobs": jobs}), "/jobs/a/checkpoints": state(5),
                    "/jobs/b/checkpoints": state(700)}  # fmt: skip
    watch = Watch((), plant.address)
    watch.start()
    try:
        wait_for(lambda: "checkpoints" in watch.figures)
        found = watch.figures["checkpoints"]
        assert 700 <= found["age_seconds"] < 760
        assert [one["seconds"] for one in found["jobs"]] == [0.25, 0.25]
        plant.pages["/jobs"] = "<html>"
        wait_for(lambda: watch.figures["away"])
    finally:
        watch.stop()


def test_of_a_run_in_files_the_audit_log_gives_the_conservation_line(tmp_path: Path) -> None:
    append(tmp_path / "alerts.jsonl", transition("opened", 0))
    totals = [
        RunTotals({0: (100, 4, 2)}, 50, 1, 9, 0, 1, 2, 2),
        RunTotals({0: (100, 4, 2)}, 43, 0, 9, 0, 0, 2, 2, group=1),
    ]
    audit = tmp_path / "alerts.audit.jsonl"
    audit.write_bytes(b"no record\n" + b"".join(encode_record(one) + b"\n" for one in totals))
    with served(tmp_path) as one:
        viewer = one.client("viewer")
        wait_for(lambda: viewer.get("/api/health").json()["watch"].get("job"))
        job = viewer.get("/api/health").json()["watch"]["job"]
    assert (job["read"], job["scored"], job["late"], job["duplicate"], job["dead_lettered"]) == (
        100, 93, 4, 1, 2,
    )  # fmt: skip
    assert (job["residue"], job["ended"]) == (0, True)
