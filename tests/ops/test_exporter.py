"""Metrics of a process and of the workers below it, and logs as JSON."""

from __future__ import annotations

import io
import json
import logging
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from opentelemetry.sdk.trace import TracerProvider
from prometheus_client.parser import text_string_to_metric_families

from padit.domain.errors import ConfigurationError
from padit.ops import metric_names
from padit.ops.exporter import answer_on_socket, gathered, serving
from padit.ops.job_metrics import Delays, job_stats, memory_limit
from padit.ops.logs import configure_logs
from padit.ops.run_context import RunContext
from padit.ops.stats import Stats
from padit.pipelines.worker_pool import WorkerPool
from tests.limits import allowed


def _get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=allowed(10)) as answer:  # noqa: S310
        return str(answer.read().decode())


def test_totals_lag_and_watermark_of_all_runs_are_shown() -> None:
    runs = [RunContext(), RunContext()]
    before = _values(job_stats(now=1000.0))
    runs[0].account("reader", 0, {"read": 70, "late": 2})
    runs[1].account("reader", 0, {"read": 30})
    runs[1].account("group", 4, {"series": 5})
    runs[0].note(0, 990_000_000)
    runs[0].note_lag(0, 7)
    runs[1].note(0, 970_000_000)
    runs[1].note_lag(0, 5)
    found = _values(job_stats(now=1000.0))
    assert found["padit_job_read_total"] - before.get("padit_job_read_total", 0) == 100
    assert found["padit_job_late_total"] - before.get("padit_job_late_total", 0) == 2
    assert found["padit_job_series"] - before.get("padit_job_series", 0) == 5
    assert found[metric_names.JOB_WATERMARK_DELAY] >= 30
    assert found[metric_names.JOB_LAG] - before.get(metric_names.JOB_LAG, 0) == 12
    assert found["process_resident_memory_bytes"] > 1e6


def _values(stats: Stats) -> dict[str, float]:
    return {name: value for name, _, value in stats.series()}


def test_a_histogram_is_one_for_prometheus() -> None:
    delays = Delays((1, 10))
    delays.observe([0.5, 1.0, 7, 99])
    stats = Stats()
    delays.write(stats, metric_names.JOB_ALERT_DELAY, process="1")
    (family,) = text_string_to_metric_families(stats.render())
    assert (family.name, family.type) == (metric_names.JOB_ALERT_DELAY, "histogram")
    buckets = {one.labels.get("le"): one.value for one in family.samples}
    assert (buckets["1"], buckets["10"], buckets["+Inf"]) == (2, 3, 4)


def test_it_answers_over_http_and_says_whether_it_is_healthy() -> None:
    fine = [True]
    with serving("127.0.0.1:0", healthy=lambda: fine[0]) as address:
        names = {
            one.name for one in text_string_to_metric_families(_get(f"http://{address}/metrics"))
        }
        assert metric_names.JOB_ALERT_DELAY in names
        assert _get(f"http://{address}/health") == "ok\n"
        fine[0] = False
        for path, status in {"/health": 503, "/other": 404}.items():
            with pytest.raises(urllib.error.HTTPError) as refused:
                _get(f"http://{address}{path}")
            assert refused.value.code == status
            refused.value.close()
        with (
            pytest.raises(ConfigurationError, match="choose another"),
            serving(address, healthy=lambda: True),
        ):
            pass


@pytest.mark.parametrize("address", ["9464", "host:", ":12", "127.0.0.1:http", "h:99999"])
def test_an_address_that_is_none_is_named(address: str) -> None:
    with pytest.raises(ConfigurationError, match="HOST:PORT"), serving(address, healthy=bool):
        pass


_WORKER = """
import sys, time
from padit.ops.exporter import answer_on_socket
from padit.ops.run_context import RunContext
run = RunContext()
run.account("group", 0, {"scored": int(sys.argv[2])})
answer_on_socket(sys.argv[1])
print("ready", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def workers(tmp_path: Path) -> Iterator[list[subprocess.Popen[str]]]:
    made = [
        subprocess.Popen(
            [sys.executable, "-c", _WORKER, str(tmp_path), str(count)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for count in (40, 2)
    ]
    for one in made:
        assert one.stdout
        assert one.stdout.readline() == "ready\n"
    yield made
    for one in made:
        one.kill()
        one.communicate()


def test_a_pool_shows_its_workers_and_forgets_those_that_ended(
    workers: list[subprocess.Popen[str]], tmp_path: Path
) -> None:
    pool = WorkerPool(0, 0, 1, str(tmp_path))
    assert _scored(pool.stats()) == [2, 40]
    workers[0].kill()
    workers[0].wait()
    assert _scored(pool.stats()) == [2]
    assert len(list(tmp_path.glob("*.sock"))) == 1
    assert not pool.ready
    assert _values(pool.stats())[metric_names.POOL_STARTED] == 0


def _scored(stats: Stats) -> list[float]:
    return sorted(value for name, _, value in stats.series() if name == "padit_job_scored_total")


def test_what_is_no_worker_is_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "1.sock").write_text("no socket")
    answer_on_socket(str(tmp_path), lambda: Stats())
    assert gathered(tmp_path, Stats()).series() == []


@pytest.mark.parametrize(("text", "limit"), [("123456\n", 123456), ("max\n", None), ("", None)])
def test_the_limit_of_memory_is_that_of_the_container(
    tmp_path: Path, text: str, limit: int | None
) -> None:
    (tmp_path / "memory.max").write_text(text)
    found = memory_limit(tmp_path / "memory.max")
    assert found == limit if limit else found > 1 << 28


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    root.handlers = []
    yield io.StringIO()
    root.handlers, root.level = before, level


def test_a_log_line_is_one_object_with_the_trace_it_belongs_to(log: io.StringIO) -> None:
    configure_logs(logging.INFO, "json", stream=log)
    logger = logging.getLogger("padit.test")
    logger.info("plain %d", 7)
    with TracerProvider().get_tracer("t").start_as_current_span("s") as span:
        logger.warning('in a span: "quoted"\nsecond line')
    try:
        raise ValueError("wrong")
    except ValueError:
        logger.exception("failed")
    plain, traced, failed = map(json.loads, log.getvalue().splitlines())
    assert (plain["event"], plain["level"], plain["logger"]) == ("plain 7", "info", "padit.test")
    assert plain["timestamp"].endswith("Z")
    assert "trace_id" not in plain
    assert traced["trace_id"] == f"{span.get_span_context().trace_id:032x}"
    assert traced["event"] == 'in a span: "quoted"\nsecond line'
    assert "ValueError: wrong" in failed["exception"]


def test_a_log_format_that_does_not_exist_is_named(log: io.StringIO) -> None:
    with pytest.raises(ConfigurationError, match="xml"):
        configure_logs(logging.INFO, "xml", stream=log)
