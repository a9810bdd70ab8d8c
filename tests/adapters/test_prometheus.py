"""Prometheus remote write, from a real Prometheus and from hand-made requests of 1.0 and 2.0."""

import math
import struct
import subprocess
import time
from pathlib import Path
from typing import Any

import cramjam
import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from padit.adapters.base import ListEmitter
from padit.adapters.receiver import BadRequestError, Call
from padit.adapters.registry import create_adapter
from padit.codecs.prometheus_proto import Label, Request, WriteRequest
from padit.devcluster.ports import free_port
from tests.adapters.live import Live, until
from tests.limits import allowed
from tests.parts import required, required_program
from tests.supplies import remote_write_client

LOCAL = {"type": "prometheus", "port": 0}
V2 = "application/x-protobuf;proto=io.prometheus.write.v2.Request"
STALE = b"\x02\x00\x00\x00\x00\x00\xf0\x7f"

CONFIG = """
global: {{scrape_interval: 1s}}
scrape_configs:
  - job_name: self
    static_configs: [{{targets: ["127.0.0.1:{own}"]}}]
remote_write:
  - url: http://127.0.0.1:{port}/api/v1/write
    authorization: {{credentials: secret}}
    metadata_config: {{send_interval: 1s}}
"""


def test_real_prometheus_writes_its_own_metrics(tmp_path: Path) -> None:
    program = required_program("prometheus")
    with Live({**LOCAL, "tokens": ["secret"]}) as live:
        own = free_port()
        config = tmp_path / "prometheus.yml"
        config.write_text(CONFIG.format(own=own, port=live.adapter.port))
        command = [
            program.path,
            f"--config.file={config}",
            f"--storage.tsdb.path={tmp_path / 'data'}",
            f"--web.listen-address=127.0.0.1:{own}",
        ]
        with (tmp_path / "log").open("wb") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log, env=program.environment)
        try:
            # Three scrapes, so that counters have become rates.
            until(lambda: len(live.emitter.values('up{job="self"}')) >= 3, "samples", 60)
        finally:
            process.terminate()
            process.wait(allowed(20))
    found = {m.metric_name: m for m in live.emitter.metrics}
    up = found['up{job="self"}']
    assert up.value == 1.0
    assert up.source_id == f"127.0.0.1:{own}"
    requests = [m for n, m in found.items() if n.startswith("prometheus_http_requests_total_per_s")]
    assert requests
    assert not live.emitter.faults.get("unauthorized")
    assert not any("_bucket" in name for name in found)


def v1(samples: list[tuple[int, float]], name: str = "jobs_total", kind: int = 1) -> bytes:
    message = WriteRequest()
    message.metadata.add(type=kind, metric_family_name=name)
    series = message.timeseries.add()
    for label, text in (("__name__", name), ("instance", "a"), ("code", "200")):
        series.labels.append(Label(name=label, value=text).SerializeToString())
    for time_ms, value in samples:
        series.samples.add(value=value, timestamp=time_ms)
    return bytes(cramjam.snappy.compress_raw(message.SerializeToString()))


def v2(samples: list[tuple[int, float]], created: int = 0, kind: int = 1) -> bytes:
    message = Request()
    message.symbols.extend(["", "__name__", "jobs", "instance", "a", "jobs"])
    series = message.timeseries.add(labels_refs=[1, 2, 3, 4], created_timestamp=created)
    series.metadata.type = kind
    series.metadata.unit_ref = 5
    for time_ms, value in samples:
        series.samples.add(value=value, timestamp=time_ms)
    return bytes(cramjam.snappy.compress_raw(message.SerializeToString()))


def post(live: Live, body: bytes, content: str = "application/x-protobuf") -> httpx.Response:
    headers = {"Content-Encoding": "snappy", "Content-Type": content}
    url = f"http://127.0.0.1:{live.adapter.port}/api/v1/write"
    return httpx.post(url, content=body, headers=headers)


T = 1_767_323_045_000


def test_counter_becomes_a_rate_over_a_reset() -> None:
    with Live(LOCAL) as live:
        body = v1([(T, 100), (T + 10_000, 150), (T + 20_000, 30), (T + 30_000, 60)])
        assert post(live, body).status_code == 204
    assert live.emitter.values('jobs_total_per_s{code="200"}') == [5.0, 3.0, 3.0]


def test_gauge_passes_as_it_is() -> None:
    with Live(LOCAL) as live:
        post(live, v1([(T, 21.5), (T + 1000, 20.5)], "temperature", 2))
    assert live.emitter.values('temperature{code="200"}') == [21.5, 20.5]


def test_stale_marker_and_old_sample_give_nothing_and_are_counted() -> None:
    stale = struct.unpack("<d", STALE)[0]
    with Live(LOCAL) as live:
        post(live, v1([(T, 1), (T + 1000, 2)]))
        post(live, v1([(T + 500, 1.5), (T + 2000, stale), (T + 2500, float("inf"))]))
    assert live.emitter.values('jobs_total_per_s{code="200"}') == [1.0]
    assert live.emitter.left == {"first": 1, "out_of_order": 1, "stale": 1, "not_finite": 1}


def test_version_2_brings_kind_unit_and_start() -> None:
    with Live(LOCAL) as live:
        first = post(live, v2([(T, 7), (T + 1000, 9)], created=T - 5000), V2)
        # A later start is a reset, although the value has grown.
        post(live, v2([(T + 2000, 12)], created=T + 1500), V2)
    assert first.status_code == 204
    assert first.headers["X-Prometheus-Remote-Write-Samples-Written"] == "2"
    assert live.emitter.values("jobs_per_s") == [2.0, 12.0]
    assert live.emitter.metrics[0].unit == "jobs/s"


def native(*points: dict[str, Any]) -> bytes:
    """A request of 2.0 with points of one native histogram `h`."""
    message = Request()
    message.symbols.extend(["", "__name__", "h"])
    series = message.timeseries.add(labels_refs=[1, 2])
    for second, point in enumerate(points):
        histogram = series.histograms.add(timestamp=T + 10_000 * second)
        for side in ("positive", "negative"):
            for offset, length in point.pop(f"{side}_spans", []):
                getattr(histogram, f"{side}_spans").add(offset=offset, length=length)
            for kind in ("deltas", "counts"):
                getattr(histogram, f"{side}_{kind}").extend(point.pop(f"{side}_{kind}", []))
        histogram.custom_values.extend(point.pop("custom_values", []))
        for name, value in point.items():
            setattr(histogram, name, value)
    return bytes(cramjam.snappy.compress_raw(message.SerializeToString()))


def found(live: Live) -> dict[str, list[float]]:
    names = ("h_per_s", "h_mean", "h_p50", "h_p99")
    return {name.partition("_")[2]: live.emitter.values(name) for name in names}


SPANS = [(1, 2), (2, 1)]  # (1, 2], (2, 4] and, two further, (16, 32]


def test_native_histogram_becomes_what_was_observed_since() -> None:
    before = {"positive_spans": SPANS, "positive_deltas": [50, -40, 0], "count_int": 70}
    after = {"positive_spans": SPANS, "positive_deltas": [50, -40, 10], "count_int": 80}
    with Live(LOCAL) as live:
        body = native({**before, "sum": 500.0}, {**after, "sum": 740.0})
        answer = post(live, body, V2)
    assert (answer.status_code, answer.text) == (204, "")
    assert answer.headers["X-Prometheus-Remote-Write-Histograms-Written"] == "2"
    # Ten more, all of them in (16, 32].
    assert found(live) == {"per_s": [1.0], "mean": [24.0], "p50": [24.0], "p99": [31.84]}


def test_native_histogram_that_began_again_or_got_other_buckets_keeps_its_mean() -> None:
    one = {"positive_spans": [(1, 1)], "positive_deltas": [10], "count_int": 10, "sum": 15.0}
    restarted = {"positive_spans": [(3, 1)], "positive_deltas": [5], "count_int": 5, "sum": 30.0}
    coarser = {"schema": -1, "positive_spans": [(2, 1)], "positive_deltas": [9]}
    with Live(LOCAL) as live:
        post(live, native(one, restarted, {**coarser, "count_int": 9, "sum": 62.0}), V2)
    assert found(live) == {"per_s": [0.5, 0.4], "mean": [6.0, 8.0], "p50": [6.0], "p99": [7.96]}


def test_gauge_float_and_custom_histograms_are_read() -> None:
    custom = {"schema": -53, "custom_values": [1.0, 5.0], "positive_spans": [(1, 1)]}
    point = {**custom, "positive_counts": [4.0], "count_float": 4.0, "sum": 12.0, "reset_hint": 3}
    with Live(LOCAL) as live:
        post(live, native(point), V2)
    assert found(live) == {"per_s": [], "mean": [3.0], "p50": [3.0], "p99": [4.96]}


@pytest.mark.parametrize(
    "point",
    [
        {"schema": 99, "count_int": 1},
        {"positive_spans": [(0, 3)], "positive_deltas": [1], "count_int": 1},
        {"schema": -53, "positive_spans": [(7, 1)], "positive_deltas": [1], "count_int": 1},
    ],
)
def test_version_2_names_what_it_refuses(point: dict[str, Any]) -> None:
    with Live(LOCAL) as live:
        answer = post(live, native(point), V2)
    assert answer.status_code == 400
    assert "1 samples were refused, 0 were taken: 1 x h: a damaged histogram: " in answer.text
    assert live.emitter.faults == {"malformed": 1}
    assert not live.emitter.metrics


@given(
    schema=st.sampled_from([-53, -4, 0, 8, 9]),
    spans=st.lists(st.tuples(st.integers(-(2**31), 2**31 - 1), st.integers(0, 4)), max_size=3),
    deltas=st.lists(st.integers(-(2**40), 2**40), max_size=6),
    bounds=st.lists(st.floats(), max_size=3),
    total=st.floats(),
    side=st.sampled_from(["positive", "negative"]),
)
def test_no_histogram_breaks_the_receiver(
    schema: int, spans: Any, deltas: Any, bounds: Any, total: float, side: str
) -> None:
    def point() -> dict[str, Any]:
        shape = {f"{side}_spans": spans, f"{side}_deltas": deltas, "custom_values": bounds}
        return {**shape, "schema": schema, "sum": total, "count_int": 7}

    adapter: Any = create_adapter(LOCAL)
    adapter._emitter = emitter = ListEmitter()
    assert adapter.write(Call(native(point(), point()), {"content-type": V2}, {})).status
    assert all(math.isfinite(metric.value) for metric in emitter.metrics)


def test_prometheus_own_client_writes_version_2_and_retries_after_503() -> None:
    program = required(remote_write_client)
    with Live({**LOCAL, "tokens": ["secret"], "retry_after_sec": 1}) as live:
        url = f"http://127.0.0.1:{live.adapter.port}"
        wrong = subprocess.run([program, url, "wrong", str(T)], capture_output=True, text=True,
                               check=False)  # fmt: skip
        live.emitter.open = False
        writer = subprocess.Popen([program, url, "secret", str(T)], stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, text=True)  # fmt: skip
        assert writer.stderr is not None
        assert writer.stderr.readline() == "again\n"
        live.emitter.open = True
        out, _ = writer.communicate(timeout=allowed(30))
    assert (wrong.returncode, "401" in wrong.stdout) == (1, True)
    assert out == "4 2 1\n"
    assert {m.source_id for m in live.emitter.metrics} == {"shop-1"}
    values = {m.metric_name: (m.value, m.unit) for m in live.emitter.metrics}
    assert values == {
        'orders_per_s{code="200"}': (5.0, "orders/s"),
        "queue": (7.5, ""),
        "took_seconds_per_s": (2.0, "1/s"),
        "took_seconds_mean": (3.75, ""),
        "took_seconds_p50": (2.0, ""),
        "took_seconds_p95": (pytest.approx(7.6), ""),
        "took_seconds_p99": (pytest.approx(7.92), ""),
    }
    assert live.emitter.faults == {"unauthorized": 1, "blocked": 1}
    assert live.emitter.left == {"first": 2, "stale": 1}


def test_snappy_bomb_is_refused_by_its_header() -> None:
    with Live({**LOCAL, "max_body_bytes": 100_000}) as live:
        begin = time.monotonic()
        answer = post(live, bytes(cramjam.snappy.compress_raw(bytes(1_000_000))))
        assert time.monotonic() - begin < 5
    assert answer.status_code == 413
    assert "100000 bytes" in answer.text


@pytest.mark.parametrize("content", ["application/x-protobuf", V2])
@given(body=st.one_of(st.binary(max_size=200), st.just(v1([(T, 1)])), st.just(v2([(T, 1)]))))
def test_no_body_breaks_the_receiver(content: str, body: bytes) -> None:
    adapter: Any = create_adapter(LOCAL)
    for data in (body, bytes(cramjam.snappy.compress_raw(body))):
        try:
            adapter.write(Call(data, {"content-type": content}, {}))
        except BadRequestError:
            continue
