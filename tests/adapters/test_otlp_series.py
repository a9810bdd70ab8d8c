"""OTLP: which points become which series, and what the client is told about the others."""

import json
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource

from tests.adapters.live import Live

T = 1_767_571_200
SHOP = {"service.name": "shop"}
DELTA, CUMULATIVE = 1, 2


@pytest.fixture
def live() -> Iterator[Live]:
    with Live({"type": "otlp", "port": 0, "protocols": ["http"]}) as made:
        yield made


def at(second: float) -> str:
    return str(int((T + second) * 10**9))


def attributes(texts: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {"key": key, "value": {"stringValue": text} if isinstance(text, str) else text}
        for key, text in texts.items()
    ]


def scoped(scope: dict[str, Any], *metrics: dict[str, Any]) -> dict[str, Any]:
    return {"scope": scope, "metrics": list(metrics)}


def gauge(name: str, *points: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "gauge": {"dataPoints": list(points)}}


def total(name: str, temporality: int, *points: dict[str, Any]) -> dict[str, Any]:
    data = {"aggregationTemporality": temporality, "isMonotonic": True, "dataPoints": list(points)}
    return {"name": name, "unit": "1", "sum": data}


def post(live: Live, *scopes: dict[str, Any], resource: dict[str, Any] | None = None) -> Any:
    """The answer to a request with these scopes."""
    named = attributes(SHOP if resource is None else resource)
    body = {"resourceMetrics": [{"resource": {"attributes": named}, "scopeMetrics": list(scopes)}]}
    return send(live, json.dumps(body).encode())


def send(live: Live, body: bytes, content: str = "application/json") -> Any:
    url = f"http://127.0.0.1:{live.adapter.port}/v1/metrics"
    answer = httpx.post(url, content=body, headers={"Content-Type": content})
    assert answer.status_code == 200, answer.text
    return answer.json() if content == "application/json" else answer.content


def rejected(answer: Any) -> tuple[int, str]:
    partial = answer["partialSuccess"]
    return int(partial["rejectedDataPoints"]), partial["errorMessage"]


def series(live: Live) -> dict[tuple[str, str], list[float]]:
    found: dict[tuple[str, str], list[float]] = {}
    for metric in live.emitter.metrics:
        found.setdefault((metric.source_id, metric.metric_name), []).append(metric.value)
    return found


LIB = {"name": ""}


def test_delta_without_a_start_is_divided_by_the_time_since_the_point_before(live: Live) -> None:
    for i in range(3):
        point = {"timeUnixNano": at(10 * i), "asDouble": 10}
        assert post(live, scoped(LIB, total("c", DELTA, point))) == {}
    assert series(live) == {("shop", "c_per_s"): [1.0, 1.0]}
    assert live.emitter.left == {"first": 1}


def test_delta_that_is_not_newer_is_named_in_the_partial_success(live: Live) -> None:
    points = [{"timeUnixNano": at(second), "asInt": "6"} for second in (0, 2, 1, 2)]
    assert rejected(post(live, scoped(LIB, total("c", DELTA, *points)))) == (
        2,
        "2 x c: a delta that is not newer than the last of its series",
    )
    assert series(live) == {("shop", "c_per_s"): [3.0]}


def test_two_scopes_with_one_instrument_name_are_two_series(live: Live) -> None:
    for i in range(3):
        many = {"startTimeUnixNano": at(-100), "timeUnixNano": at(10 * i), "asInt": 1000 + 100 * i}
        few = {"startTimeUnixNano": at(-100), "timeUnixNano": at(10 * i + 1), "asInt": 10 + i}
        answer = post(
            live,
            scoped({"name": "lib.a"}, total("http.client.requests", CUMULATIVE, many)),
            scoped({"name": "lib.b"}, total("http.client.requests", CUMULATIVE, few)),
            scoped({"name": "lib.a"}, gauge("pool", {"timeUnixNano": at(10 * i), "asInt": 5})),
            scoped({"name": "lib.b"}, gauge("pool", {"timeUnixNano": at(10 * i), "asInt": 95})),
        )
        assert answer == {}
    assert series(live) == {
        ("shop", 'http.client.requests_per_s{otel_scope_name="lib.a"}'): [10.0, 10.0],
        ("shop", 'http.client.requests_per_s{otel_scope_name="lib.b"}'): [0.1, 0.1],
        ("shop", 'pool{otel_scope_name="lib.a"}'): [5.0] * 3,
        ("shop", 'pool{otel_scope_name="lib.b"}'): [95.0] * 3,
    }


def test_scopes_are_also_told_apart_by_version_and_attributes(live: Live) -> None:
    scopes: list[dict[str, Any]] = [
        {"name": "lib", "version": "1"},
        {"name": "lib", "version": "2"},
        {"name": "lib", "version": "2", "attributes": attributes({"shard": "b"})},
    ]
    for i in range(2):
        point = {"timeUnixNano": at(10 * i), "asInt": 10 * i}
        post(live, *(scoped(scope, total("c", CUMULATIVE, point)) for scope in scopes))
    assert [name for _, name in series(live)] == [
        'c_per_s{otel_scope_name="lib",otel_scope_version="1"}',
        'c_per_s{otel_scope_name="lib",otel_scope_version="2"}',
        'c_per_s{otel_scope_name="lib",otel_scope_shard="b",otel_scope_version="2"}',
    ]


def test_two_meters_of_the_sdk_with_one_counter_name_are_two_series(live: Live) -> None:
    url = f"http://127.0.0.1:{live.adapter.port}/v1/metrics"
    reader = PeriodicExportingMetricReader(
        OTLPMetricExporter(endpoint=url), export_interval_millis=3_600_000
    )
    provider = MeterProvider([reader], resource=Resource({"service.name": "shop"}))
    many = provider.get_meter("http.lib").create_counter("http.client.requests")
    few = provider.get_meter("grpc.lib").create_counter("http.client.requests")
    for _ in range(3):
        many.add(1000)
        few.add(1)
        provider.force_flush()
        time.sleep(0.01)
    provider.shutdown()
    found = series(live)
    first = found["shop", 'http.client.requests_per_s{otel_scope_name="http.lib"}']
    second = found["shop", 'http.client.requests_per_s{otel_scope_name="grpc.lib"}']
    assert first[:2] == pytest.approx([1000 * rate for rate in second[:2]], rel=0.5)
    assert not live.emitter.faults


HISTOGRAM = {
    "startTimeUnixNano": at(-10),
    "timeUnixNano": at(0),
    "count": "10",
    "explicitBounds": [10, 20],
    "bucketCounts": ["0", "10", "0"],
}


def test_histogram_without_a_sum_has_no_mean(live: Live) -> None:
    exponential = {
        "startTimeUnixNano": at(-10),
        "timeUnixNano": at(0),
        "count": "6",
        "zeroCount": "2",
        "positive": {"offset": 1, "bucketCounts": ["2", "2"]},
    }

    def later(second: int, more: int, **sums: float) -> dict[str, Any]:
        counts = ["0", str(10 + more), "0"]
        return {**HISTOGRAM, "timeUnixNano": at(second), "count": 10 + more,
                "bucketCounts": counts, **sums}  # fmt: skip

    metrics = [
        {"name": "delta", "histogram": {"aggregationTemporality": 1, "dataPoints": [HISTOGRAM]}},
        {"name": "cum", "histogram": {
            "aggregationTemporality": 2, "dataPoints": [later(0, 0), later(10, 10)]}},
        {"name": "gap", "histogram": {  # only one of the two has a sum
            "aggregationTemporality": 2, "dataPoints": [later(0, 0), later(10, 10, sum=300)]}},
        {"name": "exp", "exponentialHistogram": {
            "aggregationTemporality": 1, "dataPoints": [exponential]}},
    ]  # fmt: skip
    assert post(live, scoped(LIB, *metrics)) == {}
    names = [name for _, name in series(live)]
    assert not [name for name in names if name.endswith("_mean")]
    for kind in ("delta", "cum", "gap", "exp"):
        assert {f"{kind}_per_s", f"{kind}_p50", f"{kind}_p99"} <= set(names)


def test_histogram_with_a_sum_of_zero_has_a_mean_of_zero(live: Live) -> None:
    point = {**HISTOGRAM, "sum": 0}
    data = {"aggregationTemporality": 1, "dataPoints": [point]}
    post(live, scoped(LIB, {"name": "h", "histogram": data}))
    assert series(live)["shop", "h_mean"] == [0.0]


def test_histogram_of_no_observations_has_a_rate_of_zero_and_nothing_else(live: Live) -> None:
    point = {**HISTOGRAM, "count": 0, "bucketCounts": [0, 0, 0], "sum": 0}
    data = {"aggregationTemporality": 1, "dataPoints": [point]}
    post(live, scoped(LIB, {"name": "h", "histogram": data}))
    assert series(live) == {("shop", "h_per_s"): [0.0]}


def test_points_with_the_flag_of_no_value_give_nothing_and_are_no_error(live: Live) -> None:
    points = [{"timeUnixNano": at(0), "flags": 1}, {"timeUnixNano": at(0), "flags": 1, "asInt": 0}]
    assert post(live, scoped(LIB, gauge("g", *points))) == {}
    assert not live.emitter.metrics
    assert live.emitter.left == {"stale": 2}


def test_bad_points_are_counted_by_reason_and_good_ones_beside_them_are_taken(live: Live) -> None:
    good = {"timeUnixNano": at(0), "asDouble": 1}
    answer = post(
        live,
        scoped(
            LIB,
            gauge("g", good, {"timeUnixNano": at(1), "asDouble": "NaN"}, {"asDouble": 5}),
            gauge("g", {"timeUnixNano": str(T), "asDouble": 5}, {"timeUnixNano": at(2)}),
            total("unspecified", 0, good, good),
            total("falls", DELTA, {**good, "startTimeUnixNano": at(-1), "asDouble": -1}),
            gauge("twice", {**good, "attributes": attributes({"a": "x"}) + attributes({"a": "y"})}),
        ),
    )
    count, reasons = rejected(answer)
    assert count == 8
    assert reasons.split("; ") == [
        "1 x g: a point whose value is nan",
        "1 x g: a point without a time",
        "1 x g: a point whose time is 1767571200 ns, not in the years 2000 to 2199 "
        "(is it in s? OTLP counts ns)",
        "1 x g: a point without a value",
        "2 x unspecified: aggregationTemporality is unspecified",
        "it is delta or cumulative",
        "1 x falls: a counter whose value is -1.0",
        "1 x twice: the attribute a is there twice",
    ]
    assert series(live) == {("shop", "g"): [1.0]}
    assert live.emitter.faults == {"rejected_point": 8}


@pytest.mark.parametrize("bad", ["NaN", '"x"', "[]", '"\\ud800"'])
def test_value_that_no_json_or_number_is_costs_its_point_only(live: Live, bad: str) -> None:
    good = f'{{"timeUnixNano":"{T}000000000","asDouble":2}}'
    body = (
        '{"resourceMetrics":[{"resource":{"attributes":[{"key":"service.name","value":'
        '{"stringValue":"shop"}}]},"scopeMetrics":[{"metrics":[{"name":"g","gauge":{"dataPoints":['
        f'{{"timeUnixNano":"{T}000000000","asDouble":{bad}}},{good}]}}}},'
        f'{{"name":"beside","gauge":{{"dataPoints":[{good}]}}}}]}}]}}]}}'
    )
    count, reason = rejected(send(live, body.encode()))
    assert (count, "g: " in reason) == (1, True)
    assert series(live) == {("shop", "g"): [2.0], ("shop", "beside"): [2.0]}


def test_attribute_that_is_no_utf_8_costs_its_point_only(live: Live) -> None:
    from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2

    request = metrics_service_pb2.ExportMetricsServiceRequest()
    for source in ("good", "broken"):
        resource = request.resource_metrics.add()
        resource.resource.attributes.add(key="host.name").value.string_value = f"{source}-host"
        metric: Any = resource.scope_metrics.add().metrics.add(name="m", unit="ms")
        metric.sum.aggregation_temporality = CUMULATIVE
        for i, text in enumerate(("plain", "cafe", "other")):
            point = metric.sum.data_points.add(time_unix_nano=(T + i) * 10**9, as_int=i)
            point.attributes.add(key="place").value.string_value = text
    body = (
        request.SerializeToString().replace(b"cafe", b"caf\xe9").replace(b"broken-", b"broken\xe9")
    )
    response = metrics_service_pb2.ExportMetricsServiceResponse.FromString(
        send(live, body, "application/x-protobuf")
    )
    assert response.partial_success.rejected_data_points == 4
    assert "m: a point with a text that is no UTF-8" in response.partial_success.error_message
    assert "3 x a resource with an attribute" in response.partial_success.error_message
    assert [(m.source_id, m.metric_name, m.value, m.unit) for m in live.emitter.metrics] == [
        ("good-host", 'm{place="plain"}', 0.0, "ms"),
        ("good-host", 'm{place="other"}', 2.0, "ms"),
    ]


def test_request_from_before_scopes_is_refused_not_passed_over(live: Live) -> None:
    old = {"resourceMetrics": [{"instrumentationLibraryMetrics": [{"metrics": [
        gauge("g", {"timeUnixNano": at(0), "asDouble": 5})]}]}]}  # fmt: skip
    url = f"http://127.0.0.1:{live.adapter.port}/v1/metrics"
    answer = httpx.post(url, json=old)
    assert (answer.status_code, "scopeMetrics" in answer.text) == (400, True)


@pytest.mark.parametrize(
    ("resource", "source", "suffix"),
    [
        ({"service.name": "shop", "service.instance.id": "eu-1"}, "shop/eu-1", ""),
        ({"service.name": "shop", "host.name": "vm7", "os.type": "linux"}, "shop/vm7", ""),
        ({"service.name": "shop", "service.version": "1.2", "process.pid": "77"}, "shop", ""),
        ({"service.name": "shop", "tenant": "a"}, "shop", '{tenant="a"}'),
        # Made anew with every start: a random UUID, a pod of a Deployment, a container's id.
        ({"service.name": "shop", "service.instance.id": "627cc493-f310-47de-96bd-71410b7dec09"},
         "shop", ""),
        ({"service.name": "shop", "host.name": "shop-7d9f8b6c5d-x2x9z"}, "shop", ""),
        ({"service.name": "shop", "host.name": "9f1c0a77be21"}, "shop", ""),
        # Stable: a UUID made from a name, a pod of a StatefulSet.
        ({"service.name": "shop", "service.instance.id": "f47ac10b-58cc-5372-8567-0e02b2c3d479"},
         "shop/f47ac10b-58cc-5372-8567-0e02b2c3d479", ""),
        ({"service.name": "shop", "host.name": "shop-0"}, "shop/shop-0", ""),
        # No service: all attributes tell it apart.
        ({"host.name": "vm7", "process.pid": "77", "telemetry.sdk.name": "x"}, "vm7",
         '{process.pid="77"}'),
        ({}, "otlp", ""),
    ],
)  # fmt: skip
def test_resource_gives_a_source_that_is_stable_over_restarts(
    live: Live, resource: dict[str, str], source: str, suffix: str
) -> None:
    point = {"timeUnixNano": at(0), "asDouble": 5}
    assert post(live, scoped(LIB, gauge("g", point)), resource=resource) == {}
    (metric,) = live.emitter.metrics
    assert (metric.source_id, metric.metric_name) == (source, f"g{suffix}")
    shown = {metric.source_id, *metric.source_id.split("/"), *metric.metadata.values()}
    assert all(text in shown or text in suffix for text in resource.values())


def test_own_rule_for_the_source_is_followed_to_the_letter() -> None:
    random_id = "627cc493-f310-47de-96bd-71410b7dec09"
    naming = {"source_labels": ["{service.name}:{service.instance.id}"]}
    with Live({"type": "otlp", "port": 0, "protocols": ["http"], "naming": naming}) as live:
        resource = {**SHOP, "service.instance.id": random_id}
        post(live, scoped(LIB, gauge("g", {"timeUnixNano": at(0), "asInt": 1})), resource=resource)
    assert live.emitter.metrics[0].source_id == f"shop:{random_id}"


def test_restarted_service_goes_on_with_its_series_and_two_at_once_are_not_mixed(
    live: Live,
) -> None:
    first, second = (
        {**SHOP, "service.instance.id": f"627cc493-f310-47de-96bd-71410b7dec0{i}"} for i in (1, 2)
    )

    def write(resource: dict[str, str], second: int, value: float) -> Any:
        point = {"timeUnixNano": at(second), "asDouble": value}
        return post(live, scoped(LIB, gauge("mem", point)), resource=resource)

    assert write(first, 0, 100) == {}
    count, reason = rejected(write(second, 5, 900))  # the first is still there
    assert count == 1
    assert "mem of shop would be mixed with another series: resource:service.instance.id=" in reason
    assert "naming.source_labels" in reason
    assert write(first, 10, 101) == {}
    assert write(second, 80, 902) == {}  # the first has been silent for more than a minute
    assert series(live) == {("shop", "mem"): [100.0, 101.0, 902.0]}


def test_attributes_in_another_order_are_the_same_series(live: Live) -> None:
    for i, names in enumerate((["a", "b"], ["b", "a"], ["a", "b"])):
        texts = attributes({name: f"{name}1" for name in names})
        point = {"timeUnixNano": at(10 * i), "asInt": 10 * i, "attributes": texts}
        post(live, scoped(LIB, total("c", CUMULATIVE, point)))
    assert series(live) == {("shop", 'c_per_s{a="a1",b="b1"}'): [1.0, 1.0]}


def test_attributes_of_another_type_are_another_series_and_not_mixed_in(live: Live) -> None:
    for i in range(2):
        for value in ({"stringValue": "1"}, {"intValue": "1"}):
            point = {"timeUnixNano": at(10 * i), "asInt": i, "attributes": attributes({"a": value})}
            post(live, scoped(LIB, gauge("g", point)))
    assert series(live) == {("shop", 'g{a="1"}'): [0.0, 1.0]}
    assert live.emitter.faults == {"rejected_point": 2}


def test_exact_repeat_of_a_counter_is_no_error_and_counts_once(live: Live) -> None:
    metric = total("c", CUMULATIVE, *({"timeUnixNano": at(s), "asInt": s} for s in (0, 10)))
    assert post(live, scoped(LIB, metric)) == {}
    last = total("c", CUMULATIVE, {"timeUnixNano": at(10), "asInt": 10})
    assert post(live, scoped(LIB, last)) == {}
    count, reason = rejected(
        post(live, scoped(LIB, total("c", CUMULATIVE, {"timeUnixNano": at(5), "asInt": 7})))
    )
    assert (count, "not newer" in reason) == (1, True)
    assert series(live) == {("shop", "c_per_s"): [1.0]}
    assert live.emitter.left == {"first": 1, "repeated": 1}
