"""Remote write: which series become rates, and what the sender is told about those refused."""

import struct
from collections.abc import Iterator, Sequence

import cramjam
import httpx
import pytest

from padit.codecs.prometheus_proto import Label, Request, WriteRequest
from tests.adapters.live import Live

T = 1_767_571_200_000
V2 = "application/x-protobuf;proto=io.prometheus.write.v2.Request"
COUNTER, GAUGE, HISTOGRAM, SUMMARY = 1, 2, 3, 5
STALE = struct.unpack("<d", b"\x02\x00\x00\x00\x00\x00\xf0\x7f")[0]
Samples = Sequence[tuple[float, float]]
Labels = Sequence[tuple[str | bytes, str | bytes]]


@pytest.fixture
def live() -> Iterator[Live]:
    with Live({"type": "prometheus", "port": 0}) as made:
        yield made


def named(name: str, **labels: str) -> Labels:
    return [("__name__", name), ("instance", "a:9100"), *labels.items()]


def label(name: str | bytes, value: str | bytes) -> bytes:
    texts = [text.encode() if isinstance(text, str) else text for text in (name, value)]
    return b"".join(bytes([i << 3 | 2, len(text)]) + text for i, text in enumerate(texts, 1))


def request(*series: tuple[Labels, Samples], kinds: dict[str, int] | None = None) -> bytes:
    """Times in seconds after T."""
    message = WriteRequest()
    for labels, samples in series:
        added = message.timeseries.add(labels=[label(*pair) for pair in labels])
        for time, value in samples:
            added.samples.add(value=value, timestamp=int(T + 1000 * time))
    for name, kind in (kinds or {}).items():
        message.metadata.add(metric_family_name=name, type=kind)
    return bytes(message.SerializeToString())


def send(live: Live, body: bytes, **headers: str) -> httpx.Response:
    given = {"Content-Encoding": "snappy", "Content-Type": "application/x-protobuf"}
    url = f"http://127.0.0.1:{live.adapter.port}/api/v1/write"
    packed = bytes(cramjam.snappy.compress_raw(body))
    names = {name.replace("_", "-"): text for name, text in headers.items()}
    return httpx.post(url, content=packed, headers={**given, **names})


PG: tuple[Labels, Samples] = (
    named("pg_stat_activity_count"),
    [(0, 42), (15, 40), (30, 41), (45, 38)],
)
JOBS: tuple[Labels, Samples] = (named("jobs_total"), [(0, 100), (15, 115), (30, 10), (45, 25)])


def test_gauge_that_is_named_like_a_counter_keeps_its_values_without_metadata(live: Live) -> None:
    assert send(live, request(PG)).status_code == 204
    assert live.emitter.values("pg_stat_activity_count") == [42, 40, 41, 38]
    assert "types: {pg_stat_activity_count: counter}" in live.emitter.messages["untyped"]


def test_total_without_metadata_is_a_counter_and_the_log_says_so_once(live: Live) -> None:
    assert send(live, request(JOBS, (named("x_total"), [(0, 1)]))).status_code == 204
    assert live.emitter.values("jobs_total_per_s") == pytest.approx([1.0, 10 / 15, 1.0])
    assert "types: {jobs_total: gauge}" in live.emitter.messages["untyped_total"]
    assert live.emitter.left == {"untyped_total": 0, "first": 2}


def test_count_and_sum_are_counters_beside_the_buckets_or_quantiles_they_belong_to(
    live: Live,
) -> None:
    series: list[tuple[Labels, Samples]] = [
        (named("rpc_count"), [(0, 10), (10, 30)]),
        (named("rpc_sum"), [(0, 1), (10, 2)]),
        (named("rpc", quantile="0.99"), [(0, 0.5), (10, 0.6)]),
        (named("lat_count"), [(0, 10), (10, 60)]),
        (named("lat_bucket", le="+Inf"), [(0, 10), (10, 60)]),
        PG,
    ]
    assert send(live, request(*series)).status_code == 204
    assert live.emitter.values("rpc_count_per_s") == [2.0]
    assert live.emitter.values("rpc_sum_per_s") == [0.1]
    assert live.emitter.values("lat_count_per_s") == [5.0]
    assert live.emitter.values("pg_stat_activity_count") == [42, 40, 41, 38]


def test_metadata_decide_whether_a_series_is_a_counter(live: Live) -> None:
    series: list[tuple[Labels, Samples]] = [
        (named("odd"), [(0, 100), (10, 150)]),
        (named("even_total"), [(0, 100), (10, 150)]),
        (named("took_count"), [(0, 100), (10, 150)]),
        (named("took_sum"), [(0, 100), (10, 110)]),
        (named("took", quantile="0.5"), [(0, 0.5)]),
        (named("lat_count"), [(0, 1), (10, 21)]),
        (named("level_total"), [(0, 7), (10, 8)]),
        (named("odd_created"), [(0, 5), (10, 5)]),
    ]
    kinds = {"odd": COUNTER, "even": COUNTER, "took": SUMMARY, "lat": HISTOGRAM,
             "level_total": GAUGE}  # fmt: skip
    assert send(live, request(*series, kinds=kinds)).status_code == 204
    found = {m.metric_name: m.value for m in live.emitter.metrics}
    assert found == {
        "odd_per_s": 5.0,
        "even_total_per_s": 5.0,
        "took_count_per_s": 5.0,
        "took_sum_per_s": 1.0,
        'took{quantile="0.5"}': 0.5,
        "lat_count_per_s": 2.0,
        "level_total": 8.0,
        "odd_created": 5.0,
    }
    assert "untyped" not in live.emitter.left


def test_types_of_the_configuration_go_before_metadata() -> None:
    types = {"pg_*_count": "gauge", "*_total": "counter", "*_count": "counter"}
    with Live({"type": "prometheus", "port": 0, "types": types}) as live:
        series: list[tuple[Labels, Samples]] = [
            PG,
            (named("jobs_total"), [(0, 1), (10, 11)]),
            (named("n_count"), [(0, 1), (2, 3)]),
        ]
        send(live, request(*series, kinds={"pg_stat_activity_count": COUNTER, "jobs": GAUGE}))
    assert live.emitter.values("pg_stat_activity_count") == [42, 40, 41, 38]
    assert live.emitter.values("jobs_total_per_s") == [1.0]
    assert live.emitter.values("n_count_per_s") == [1.0]


def test_metadata_that_come_later_make_a_rate_from_then_on(live: Live) -> None:
    labels = named("jobs")
    send(live, request((labels, [(0, 10)])))
    send(live, request(kinds={"jobs": COUNTER}))
    send(live, request((labels, [(10, 20), (20, 50)])))
    assert live.emitter.values("jobs") == [10.0]
    assert live.emitter.values("jobs_per_s") == [3.0]


def test_buckets_are_counted_where_they_are_not_kept(live: Live) -> None:
    bucket = (named("lat_bucket", le="0.1"), [(0, 10), (15, 20)])
    gauge = (named("leaky_bucket"), [(0, 7)])
    body = request(bucket, gauge, kinds={"leaky_bucket": GAUGE})
    assert send(live, body).status_code == 204
    assert live.emitter.left == {"buckets": 2}
    assert live.emitter.values("leaky_bucket") == [7.0]


GOOD: tuple[Labels, Samples] = (named("beside"), [(0, 1.0)])


@pytest.mark.parametrize(
    ("labels", "reason"),
    [
        ([*named("dup", zone="a"), ("zone", "b")], "the label zone is there twice: 'a', 'b'"),
        ([*named("dup"), ("__name__", "other")], "the label __name__ is there twice"),
        ([("instance", "a")], "a series without a name"),
        ([("__name__", ""), ("instance", "a")], "a series without a name"),
        ([("__name__", "x"), ("", "a")], "a label without a name"),
        ([("__name__", "x"), ("instance", b"caf\xe9")], "a label that is no UTF-8"),
        ([("__name__", b"\xff\xfe")], "a label that is no UTF-8"),
    ],
)
def test_series_that_cannot_be_one_is_refused_with_its_reason(
    live: Live, labels: Labels, reason: str
) -> None:
    answer = send(live, request(GOOD, (labels, [(0, 1), (15, 2)]), GOOD))
    assert answer.status_code == 400
    assert f"2 samples were refused, 2 were taken: 2 x {reason}" in answer.text
    assert {m.metric_name for m in live.emitter.metrics} == {"beside"}
    assert live.emitter.faults == {"malformed": 2}


def test_empty_label_is_as_no_label_and_order_does_not_matter(live: Live) -> None:
    send(live, request((named("x", env=""), [(0, 1)])))
    send(live, request(([("zone", "b"), ("instance", "a:9100"), ("__name__", "x")], [(1, 1)])))
    send(live, request(([("__name__", "x"), ("instance", "a:9100"), ("zone", "b")], [(2, 1)])))
    assert [m.metric_name for m in live.emitter.metrics] == ["x", 'x{zone="b"}', 'x{zone="b"}']


@pytest.mark.parametrize("time", [0, -1, 1_767_571_200, T * 10])
def test_time_in_another_unit_is_refused_by_name(live: Live, time: int) -> None:
    samples = [((time - T) / 1000, 1.0), (0.0, 2.0)]
    for kinds in ({}, {"x": COUNTER}):
        answer = send(live, request((named("x"), samples), kinds=kinds))
        assert answer.status_code == 400
        assert f"1 x x: a time of {time} ms is not in the years 2000 to 2199" in answer.text
        assert ("(is it in s? remote write counts ms)" in answer.text) == (time == 1_767_571_200)


def test_stale_marker_and_values_that_are_not_finite_are_counted_not_refused(live: Live) -> None:
    samples = [(0, 1.5), (15, STALE), (30, float("nan")), (45, float("inf")), (60, 2.0)]
    assert send(live, request((named("load"), samples))).status_code == 204
    assert live.emitter.values("load") == [1.5, 2.0]
    assert live.emitter.left == {"stale": 1, "not_finite": 2}


def pods(second: float, *names: str) -> bytes:
    series = []
    for i, pod in enumerate(names):
        time = second + 5 * i
        series += [
            (named("req_total", pod=pod), [(time, 10_000 * i + (i + 1) * time)]),
            (named("mem", pod=pod), [(second, 100.0 + i)]),
        ]
    return request(*series, kinds={"req_total": COUNTER})


def test_series_that_a_dropped_label_told_apart_are_not_mixed() -> None:
    naming = {"drop_labels": ["pod"]}
    with Live({"type": "prometheus", "port": 0, "naming": naming}) as live:
        answers = [send(live, pods(15.0 * i, "p-1", "p-2")) for i in range(4)]
        alone = send(live, pods(200.0, "p-2"))  # p-1 has gone
    assert [answer.status_code for answer in answers] == [400] * 4
    assert "pod='p-2' against pod='p-1'" in answers[-1].text
    assert "naming.drop_labels" in answers[-1].text
    assert alone.status_code == 204
    assert live.emitter.values("mem")[:4] == [100.0] * 4
    rates = live.emitter.values("req_total_per_s")
    assert rates[:3] == [1.0] * 3


def test_rollout_goes_on_with_the_series_of_the_pod_that_ended() -> None:
    naming = {"drop_labels": ["pod"]}
    with Live({"type": "prometheus", "port": 0, "naming": naming}) as live:
        send(live, request((named("mem", pod="p-1"), [(0, 1.0), (15, STALE)])))
        answer = send(live, request((named("mem", pod="p-2"), [(16, 2.0)])))
    assert answer.status_code == 204
    assert live.emitter.values("mem") == [1.0, 2.0]


def test_two_series_whose_sources_read_alike_are_not_mixed(live: Live) -> None:
    body = request(([("__name__", "up"), ("instance", "db")], [(0, 1)]),
                   ([("__name__", "up"), ("job", "db")], [(0, 0)]))  # fmt: skip
    answer = send(live, body)
    assert (answer.status_code, "job='db' against instance='db'" in answer.text) == (400, True)
    assert live.emitter.values("up") == [1.0]


@pytest.mark.parametrize("encoding", ["zstd", "gzip", "br", "none", "snappy, gzip"])
def test_other_encoding_is_refused_in_plain_words(live: Live, encoding: str) -> None:
    answer = send(live, request(GOOD), Content_Encoding=encoding)
    assert answer.status_code == 415
    assert answer.text == f"content-encoding {encoding!r}; one of: snappy"
    assert send(live, request(GOOD)).status_code == 204


def test_metadata_that_are_no_utf_8_cost_only_themselves(live: Live) -> None:
    message = WriteRequest.FromString(request(GOOD, (named("x"), [(0, 1), (1, 3)])))
    message.metadata.add(metric_family_name="cafe", type=COUNTER)
    message.metadata.add(metric_family_name="x", type=COUNTER)
    body = message.SerializeToString().replace(b"cafe", b"caf\xe9")
    assert send(live, body).status_code == 204
    assert live.emitter.values("x_per_s") == [2.0]


def test_symbol_of_version_2_that_is_no_utf_8_costs_its_series_only(live: Live) -> None:
    message = Request(symbols=["", "__name__", "m", "host", "cafe", "a"])
    for value in (4, 5):
        series = message.timeseries.add(labels_refs=[1, 2, 3, value])
        series.samples.add(value=1.0, timestamp=T)
    twice = message.timeseries.add(labels_refs=[1, 2, 3, 5, 3, 2])
    twice.samples.add(value=1.0, timestamp=T)
    body = message.SerializeToString().replace(b"cafe", b"caf\xe9")
    answer = send(live, body, Content_Type=V2)
    assert answer.status_code == 400
    assert answer.headers["X-Prometheus-Remote-Write-Samples-Written"] == "1"
    assert "1 x a label that is no UTF-8; 1 x the label host is there twice" in answer.text
    assert [m.source_id for m in live.emitter.metrics] == ["a"]


def test_refused_write_that_is_sent_again_counts_nothing_twice(live: Live) -> None:
    bad = ([("instance", "a")], [(0, 1)])
    body = request((named("jobs_total"), [(0, 10), (10, 20)]), bad, kinds={"jobs": COUNTER})
    first, second = send(live, body), send(live, body)
    assert (first.status_code, second.status_code) == (400, 400)
    assert live.emitter.values("jobs_total_per_s") == [1.0]
    assert live.emitter.left == {"first": 1, "out_of_order": 2}


def test_label_helper_writes_what_protobuf_writes() -> None:
    assert label("zone", "a") == Label(name="zone", value="a").SerializeToString()
    assert isinstance(request(GOOD), bytes)
