"""OTLP from the OpenTelemetry SDK's own exporters, over HTTP and gRPC, and by hand."""

import json
from collections.abc import Iterator
from typing import Any

import grpc
import httpx
import pytest
from google.rpc import error_details_pb2, status_pb2
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import (
    OTLPMetricExporter as GrpcExporter,
)
from opentelemetry.exporter.otlp.proto.http.metric_exporter import (
    OTLPMetricExporter as HttpExporter,
)
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2, metrics_service_pb2_grpc
from opentelemetry.sdk.metrics import Counter, Histogram, MeterProvider
from opentelemetry.sdk.metrics.export import AggregationTemporality, PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource

from padit.adapters.receiver import BadRequestError, Call
from padit.adapters.registry import create_adapter
from tests.adapters.live import Live
from tests.limits import allowed

LOCAL = {"type": "otlp", "port": 0, "grpc_port": 0}
T = 1_767_323_045_000_000_000
SECOND = 1_000_000_000


@pytest.fixture
def live() -> Iterator[Live]:
    with Live({**LOCAL, "tokens": ["secret"]}) as made:
        yield made


@pytest.mark.parametrize("temporality", list(AggregationTemporality)[1:])
@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_sdk_exports_arrive(live: Live, protocol: str, temporality: AggregationTemporality) -> None:
    preferred = {Counter: temporality, Histogram: temporality}
    headers = {"authorization": "Bearer secret"}
    exporter: Any
    if protocol == "http":
        url = f"http://127.0.0.1:{live.adapter.port}/v1/metrics"
        exporter = HttpExporter(
            endpoint=url,
            headers=headers,
            preferred_temporality=preferred,
        )
    else:
        place = f"127.0.0.1:{live.adapter.grpc_port}"
        exporter = GrpcExporter(
            endpoint=place,
            insecure=True,
            headers=headers,
            preferred_temporality=preferred,
        )
    reader = PeriodicExportingMetricReader(exporter, export_interval_millis=3_600_000)
    resource = Resource.create({"service.name": "shop", "service.instance.id": "shop-1"})
    provider = MeterProvider([reader], resource=resource)
    meter = provider.get_meter("test")
    counter, histogram = meter.create_counter("orders"), meter.create_histogram("duration", "ms")
    for _ in range(2):
        counter.add(10, {"region": "eu"})
        for value in range(100):
            histogram.record(float(value))
        provider.force_flush()
    provider.shutdown()
    names = {m.metric_name.partition("{")[0] for m in live.emitter.metrics}
    assert {"orders_per_s", "duration_per_s", "duration_mean", "duration_p95"} <= names
    assert {m.source_id for m in live.emitter.metrics} == {"shop/shop-1"}
    units = {m.metric_name.partition("{")[0]: m.unit for m in live.emitter.metrics}
    assert (units["duration_per_s"], units["duration_mean"]) == ("1/s", "ms")
    means = [m.value for m in live.emitter.metrics if m.metric_name.startswith("duration_mean")]
    assert means[-1] == pytest.approx(49.5)


def request_of(points: list[dict[str, Any]], **data: Any) -> Any:
    request = metrics_service_pb2.ExportMetricsServiceRequest()
    resource = request.resource_metrics.add()
    attribute = resource.resource.attributes.add(key="service.name")
    attribute.value.string_value = "s"
    metric = resource.scope_metrics.add().metrics.add(name="m")
    metric.sum.aggregation_temporality = data.get("temporality", 2)
    metric.sum.is_monotonic = data.get("monotonic", True)
    for point in points:
        metric.sum.data_points.add(**point)
    return request


def send(live: Live, request: Any) -> Any:
    answer = httpx.post(
        f"http://127.0.0.1:{live.adapter.port}/v1/metrics",
        content=request.SerializeToString(),
        headers={"Content-Type": "application/x-protobuf", "Authorization": "Bearer secret"},
    )
    assert answer.status_code == 200, answer.text
    response = metrics_service_pb2.ExportMetricsServiceResponse()
    response.ParseFromString(answer.content)
    return response


def cumulative(*values: tuple[int, float, int]) -> Any:
    return request_of(
        [
            {
                "time_unix_nano": T + second * SECOND,
                "as_double": value,
                "start_time_unix_nano": T + start * SECOND,
            }
            for second, value, start in values
        ]
    )


def test_cumulative_sum_becomes_a_rate_over_a_restart(live: Live) -> None:
    # The process starts again at 25 s and has counted more than before when it is read.
    send(live, cumulative((10, 100, 0), (20, 150, 0), (30, 180, 25), (40, 190, 25)))
    assert live.emitter.values("m_per_s") == [5.0, 18.0, 1.0]


def test_delta_sum_is_divided_by_its_duration(live: Live) -> None:
    point = {"time_unix_nano": T + 4 * SECOND, "start_time_unix_nano": T, "as_int": 20}
    send(live, request_of([point], temporality=1))
    assert live.emitter.values("m_per_s") == [5.0]


def test_sum_that_can_fall_is_a_level_also_as_delta(live: Live) -> None:
    points: list[dict[str, Any]] = [
        {"time_unix_nano": T + i, "as_int": value} for i, value in enumerate((5, -2, 4))
    ]
    send(live, request_of(points, temporality=1, monotonic=False))
    assert live.emitter.values("m") == [5.0, 3.0, 7.0]


def test_partial_success_names_what_was_rejected(live: Live) -> None:
    points: list[dict[str, Any]] = [
        {"time_unix_nano": 0, "as_int": 1},
        {"time_unix_nano": T, "as_double": float("nan")},
        {"time_unix_nano": T, "flags": 1},
        {"time_unix_nano": T + 1, "as_int": 3},
    ]
    response = send(live, request_of(points, monotonic=False))
    assert response.partial_success.rejected_data_points == 2
    assert "without a time" in response.partial_success.error_message
    assert live.emitter.values("m") == [3.0]
    assert live.emitter.faults == {"rejected_point": 2}
    assert live.emitter.left == {"stale": 1}


def test_exponential_histogram_gives_its_quantiles(live: Live) -> None:
    request = metrics_service_pb2.ExportMetricsServiceRequest()
    metric: Any = request.resource_metrics.add().scope_metrics.add().metrics.add(name="h")
    metric.exponential_histogram.aggregation_temporality = 1
    point = metric.exponential_histogram.data_points.add(
        time_unix_nano=T + SECOND, start_time_unix_nano=T, count=4, sum=24.0, scale=0
    )
    point.positive.offset = 2  # (4, 8]
    point.positive.bucket_counts.extend([4])
    send(live, request)
    assert live.emitter.values("h_p50") == [6.0]
    assert live.emitter.values("h_mean") == [6.0]


def test_cumulative_exponential_histogram_counts_new_observations_also_in_a_new_bucket(
    live: Live,
) -> None:
    request = metrics_service_pb2.ExportMetricsServiceRequest()
    metric: Any = request.resource_metrics.add().scope_metrics.add().metrics.add(name="h")
    metric.exponential_histogram.aggregation_temporality = 2
    for second, counts, total in ((1, [4], 24.0), (2, [4, 1], 34.0)):
        point = metric.exponential_histogram.data_points.add(
            time_unix_nano=T + second * SECOND, count=sum(counts), sum=total, scale=0
        )
        point.positive.offset = 2  # (4, 8], (8, 16]
        point.positive.bucket_counts.extend(counts)
    send(live, request)
    assert live.emitter.values("h_mean") == [10.0]
    assert live.emitter.values("h_p50") == [12.0]


def test_json_is_read_too(live: Live) -> None:
    point = {
        "timeUnixNano": str(T),
        "asDouble": 1.5,
        "exemplars": [{"traceId": "0af7651916cd43dd"}],
    }
    body = {"resourceMetrics": [{"scopeMetrics": [{"metrics": [
        {"name": "g", "gauge": {"dataPoints": [point]}}]}]}]}  # fmt: skip
    answer = httpx.post(
        f"http://127.0.0.1:{live.adapter.port}/v1/metrics",
        content=json.dumps(body),
        headers={"Content-Type": "application/json", "Authorization": "Bearer secret"},
    )
    assert (answer.status_code, answer.json()) == (200, {})
    assert live.emitter.values("g") == [1.5]


def export_over_grpc(live: Live, token: str) -> Any:
    with grpc.insecure_channel(f"127.0.0.1:{live.adapter.grpc_port}") as channel:
        stub: Any = metrics_service_pb2_grpc.MetricsServiceStub(channel)
        metadata = (("authorization", f"Bearer {token}"),)
        return stub.Export(cumulative((1, 1.0, 0)), metadata=metadata, timeout=allowed(10))


def test_grpc_answer_names_what_was_rejected_too(live: Live) -> None:
    request = cumulative((1, 1.0, 0), (2, float("nan"), 0), (3, 5.0, 0), (2, 4.0, 0))
    with grpc.insecure_channel(f"127.0.0.1:{live.adapter.grpc_port}") as channel:
        stub: Any = metrics_service_pb2_grpc.MetricsServiceStub(channel)
        metadata = (("authorization", "Bearer secret"),)
        answer = stub.Export(request, metadata=metadata, timeout=allowed(10))
    assert answer.partial_success.rejected_data_points == 2
    assert answer.partial_success.error_message == (
        "1 x m: a point whose value is nan; "
        "1 x m: a point that is not newer than the last of its series"
    )
    assert live.emitter.values("m_per_s") == [2.0]
    assert live.emitter.left == {"first": 1}


def test_grpc_write_without_the_token_is_refused(live: Live) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        export_over_grpc(live, "wrong")
    assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
    assert live.emitter.faults == {"unauthorized": 1}


def test_grpc_writers_get_the_time_to_wait(live: Live) -> None:
    live.emitter.open = False
    with pytest.raises(grpc.RpcError) as caught:
        export_over_grpc(live, "secret")
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    trailing: Any = caught.value.trailing_metadata()
    details = dict(trailing)["grpc-status-details-bin"]
    status = status_pb2.Status.FromString(details)
    info = error_details_pb2.RetryInfo()
    assert status.details[0].Unpack(info)
    assert info.retry_delay.seconds == 5


def test_grpc_message_that_is_too_large_is_refused() -> None:
    big = cumulative(*((i, 1.0, 0) for i in range(1000)))
    with (
        Live({**LOCAL, "max_body_bytes": 10_000}) as live,
        grpc.insecure_channel(f"127.0.0.1:{live.adapter.grpc_port}") as channel,
    ):
        stub: Any = metrics_service_pb2_grpc.MetricsServiceStub(channel)
        with pytest.raises(grpc.RpcError) as caught:
            stub.Export(big, timeout=allowed(10))
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


@given(st.one_of(st.binary(max_size=300), st.text(max_size=100).map(str.encode)), st.booleans())
def test_no_body_breaks_the_receiver(body: bytes, as_json: bool) -> None:
    adapter: Any = create_adapter(LOCAL)
    content = "application/json" if as_json else "application/x-protobuf"
    try:
        adapter.write(Call(body, {"content-type": content}, {}))
    except BadRequestError:
        return
