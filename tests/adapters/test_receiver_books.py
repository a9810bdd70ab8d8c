"""The law of the books for receivers: sent = became samples + unwatched + refused to the client.

Requests are generated with points of every kind, good and bad side by side, and several requests
go to one receiver, so that counters are compared over them. What is refused is read from the
answer, as the client sees it.
"""

import re
from collections import Counter
from typing import Any

import cramjam
from google.protobuf import json_format
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2

from padit.adapters.base import ListEmitter
from padit.adapters.encode import usable
from padit.adapters.receiver import Call
from padit.adapters.registry import create_adapter
from padit.codecs.prometheus_proto import Request, WriteRequest
from tests.adapters.test_prometheus_series import V2, label

T = 1_767_571_200
BAD, BROKEN = b"BROKEN", b"\xff\xfeOKEN"
ENDINGS = re.compile(r"(_per_s|_mean|_p[0-9]+)?(?=\{|$)")

SECONDS = st.integers(0, 4)
NUMBERS = st.sampled_from([0.0, 1.0, 2.5, -3.0, 1e308, float("nan"), float("inf")])
TEXTS = st.sampled_from(["a", "b", "", BAD.decode()])
TIMES = st.one_of(SECONDS.map(lambda s: (T + s) * 10**9), st.sampled_from([0, T, 2**63]))


@st.composite
def points(draw: st.DrawFn, data: Any, kind: str) -> None:
    for _ in range(draw(st.integers(0, 4))):
        point = data.data_points.add(
            time_unix_nano=draw(TIMES), flags=draw(st.sampled_from([0, 0, 1]))
        )
        point.start_time_unix_nano = draw(st.sampled_from([0, (T - 5) * 10**9, (T + 9) * 10**9]))
        for _ in range(draw(st.integers(0, 2))):
            point.attributes.add(key="k").value.string_value = draw(TEXTS)
        if kind in ("gauge", "sum"):
            if draw(st.booleans()):
                point.as_double = draw(NUMBERS)
            continue
        point.count = draw(st.integers(0, 9))
        if kind == "summary":
            point.quantile_values.add(quantile=draw(NUMBERS), value=draw(NUMBERS))
            continue
        if draw(st.booleans()):
            point.sum = draw(NUMBERS)
        if kind == "histogram":
            point.bucket_counts.extend(draw(st.lists(st.integers(0, 9), max_size=3)))
            point.explicit_bounds.extend(draw(st.sampled_from([[], [1.0, 2.0], [2.0, 1.0]])))
        else:
            point.scale = draw(st.sampled_from([0, 3, -11]))
            point.positive.bucket_counts.extend(draw(st.lists(st.integers(0, 9), max_size=3)))


@st.composite
def otlp_requests(draw: st.DrawFn) -> Any:
    request = metrics_service_pb2.ExportMetricsServiceRequest()
    for _ in range(draw(st.integers(1, 2))):
        resource = request.resource_metrics.add()
        resource.resource.attributes.add(key="host.name").value.string_value = draw(TEXTS)
        scope = resource.scope_metrics.add()
        scope.scope.name = draw(TEXTS)
        for _ in range(draw(st.integers(0, 4))):
            kind = draw(st.sampled_from(
                ["gauge", "sum", "histogram", "exponential_histogram", "summary"]))  # fmt: skip
            metric: Any = scope.metrics.add(
                name=draw(st.sampled_from(["m", "n", "", BAD.decode()]))
            )
            data = getattr(metric, kind)
            data.SetInParent()
            if kind not in ("gauge", "summary"):
                data.aggregation_temporality = draw(st.sampled_from([0, 1, 2, 2]))
            if kind == "sum":
                data.is_monotonic = draw(st.booleans())
            draw(points(data, kind))
    return request


def sent_points(request: Any) -> int:
    return sum(
        len(getattr(metric, metric.WhichOneof("data")).data_points)
        for resource in request.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
    )


def taken(emitter: ListEmitter, start: int) -> int:
    """Points that became samples: a histogram becomes several, told apart by their endings."""
    counts: Counter[tuple[Any, ...]] = Counter()
    for metric in emitter.metrics[start:]:
        ending = ENDINGS.search(metric.metric_name)
        assert ending is not None
        base = ENDINGS.sub("", metric.metric_name, count=1)
        counts[metric.timestamp, metric.source_id, base, ending[0]] += 1
    most: Counter[tuple[Any, ...]] = Counter()
    for (*point, _), count in counts.items():
        most[tuple(point)] = max(most[tuple(point)], count)
    return most.total()


def left(emitter: ListEmitter) -> int:
    return sum(emitter.left.values())


@settings(max_examples=150)
@given(st.lists(st.tuples(otlp_requests(), st.booleans()), min_size=1, max_size=3))
def test_every_point_of_otlp_is_a_sample_or_unwatched_or_rejected(
    requests: list[tuple[Any, bool]],
) -> None:
    adapter: Any = create_adapter({"type": "otlp", "naming": {"drop_labels": ["otel_scope_name"]}})
    adapter._emitter = emitter = ListEmitter()
    for request, as_json in requests:
        before, start, unwatched = sent_points(request), len(emitter.metrics), left(emitter)
        if as_json:
            body = json_format.MessageToJson(request).encode().replace(BAD, b"\\ud800")
        else:
            body = request.SerializeToString().replace(BAD, BROKEN)
        content = "application/json" if as_json else "application/x-protobuf"
        reply = adapter.write(Call(body, {"content-type": content}, {}))
        answer = metrics_service_pb2.ExportMetricsServiceResponse()
        if as_json:
            json_format.Parse(reply.body, answer)
        else:
            answer.ParseFromString(reply.body)
        partial = answer.partial_success
        assert bool(partial.error_message) == bool(partial.rejected_data_points)
        kinds_mixed = _kinds_of_one_name(emitter, start)
        found = taken(emitter, start)
        rest = left(emitter) - unwatched + partial.rejected_data_points
        assert before >= found + rest
        if not kinds_mixed:
            assert before == found + rest
    assert all(usable(metric) for metric in emitter.metrics)


def _kinds_of_one_name(emitter: ListEmitter, start: int) -> bool:
    """Whether `taken` cannot tell points apart: two kinds have one name, source and time."""
    endings: dict[tuple[Any, ...], set[bool]] = {}
    for metric in emitter.metrics[start:]:
        ending = ENDINGS.search(metric.metric_name)
        base = ENDINGS.sub("", metric.metric_name, count=1)
        plain = ending is not None and not ending[0]
        endings.setdefault((metric.timestamp, metric.source_id, base), set()).add(plain)
    return any(len(found) > 1 for found in endings.values())


@st.composite
def labels_v1(draw: st.DrawFn, series: Any) -> None:
    names = st.sampled_from(["__name__", "k", "", "le"])
    texts = st.sampled_from(["m", "n_total", "m_bucket", "", BAD.decode()])
    pairs = draw(st.lists(st.tuples(names, texts), max_size=3))
    if draw(st.booleans()):
        name = draw(st.sampled_from(["m", "m", "n_total", "m_bucket"]))
        pairs = [("__name__", name), ("k", draw(TEXTS)), ("le", "1")]
    series.labels.extend(label(name, text).replace(BAD, BROKEN) for name, text in pairs)


@st.composite
def labels_v2(draw: st.DrawFn, series: Any) -> None:
    series.labels_refs.extend(draw(st.lists(st.integers(0, 7), max_size=6)))
    if draw(st.booleans()):
        series.labels_refs[:] = [1, draw(st.integers(2, 3)), 4, draw(st.integers(0, 6))]
    series.metadata.type = draw(st.integers(0, 5))


@st.composite
def remote_writes(draw: st.DrawFn) -> tuple[bytes, str, int]:
    """Body, content type and number of samples and histograms."""
    second = draw(st.booleans())
    message: Any
    if second:
        message = Request(symbols=["", "__name__", "m", "n_total", "k", "a", BAD.decode()])
    else:
        message = WriteRequest()
        for name in draw(st.sets(st.sampled_from(["m", "n", BAD.decode()]))):
            kind = draw(st.sampled_from([0, 1, 1, 2, 3]))
            message.metadata.add(metric_family_name=name, type=kind)
    count = 0
    for _ in range(draw(st.integers(0, 5))):
        series = message.timeseries.add()
        draw(labels_v2(series) if second else labels_v1(series))
        times = st.one_of(SECONDS.map(lambda s: (T + s) * 1000), st.sampled_from([0, -5, T, 2**62]))
        for _ in range(draw(st.integers(0, 3))):
            series.samples.add(value=draw(NUMBERS), timestamp=draw(times))
        for _ in range(draw(st.integers(0, 1))):
            histogram = series.histograms.add(timestamp=draw(times), sum=draw(NUMBERS))
            histogram.count_int = draw(st.integers(0, 9))
            histogram.reset_hint = draw(st.sampled_from([0, 3]))
            histogram.positive_spans.add(offset=1, length=draw(st.integers(0, 2)))
            histogram.positive_deltas.extend(draw(st.lists(st.integers(0, 5), max_size=2)))
        count += len(series.samples) + len(series.histograms)
    body = message.SerializeToString().replace(BAD, BROKEN)
    packed = bytes(cramjam.snappy.compress_raw(body))
    return packed, V2 if second else "application/x-protobuf", count


@settings(max_examples=150)
@given(st.lists(remote_writes(), min_size=1, max_size=3), st.booleans(), st.booleans())
def test_every_sample_of_remote_write_is_a_sample_or_unwatched_or_refused(
    requests: list[tuple[bytes, str, int]], buckets: bool, drop: bool
) -> None:
    naming = {"drop_labels": ["k"] if drop else []}
    adapter: Any = create_adapter({"type": "prometheus", "buckets": buckets, "naming": naming})
    adapter._emitter = emitter = ListEmitter()
    for body, content, count in requests:
        start, unwatched = len(emitter.metrics), left(emitter)
        reply = adapter.write(Call(body, {"content-type": content}, {}))
        counted = re.match(rb"([0-9]+) samples were refused, ([0-9]+) were taken", reply.body)
        refused, accepted = map(int, counted.groups()) if counted else (0, count)
        assert reply.status == (400 if refused else 204)
        assert refused + accepted == count
        if content == V2:
            names = ("Samples", "Histograms")
            told = [int(reply.headers[f"X-Prometheus-Remote-Write-{n}-Written"]) for n in names]
            assert sum(told) == accepted
        if not _kinds_of_one_name(emitter, start):
            assert taken(emitter, start) + left(emitter) - unwatched == accepted
    assert all(usable(metric) for metric in emitter.metrics)
    assert "internal" not in str(emitter.messages)
