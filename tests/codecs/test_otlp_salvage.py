"""Of an OTLP request with a damaged part all but the part is read, and the loss is counted."""

from __future__ import annotations

import json
from typing import Any

import pytest
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)

from padit.codecs.bodies import BadRequestError
from padit.codecs.otlp_salvage import salvage_json, salvage_protobuf

KINDS = ("gauge", "sum", "histogram", "exponential_histogram", "summary")
BAD = "zzzz"  # becomes bytes that are no UTF-8
Losses = list[tuple[int, str]]


def request() -> Any:
    """A resource with two scopes: one metric of each kind in the first, a gauge in the second."""
    made = ExportMetricsServiceRequest()
    resource = made.resource_metrics.add()
    attribute(resource.resource, "host", "a")
    first = resource.scope_metrics.add(schema_url="https://first")
    first.scope.name = "one"
    for kind in KINDS:
        metric = first.metrics.add(name=kind, unit="s")
        into = getattr(metric, kind)
        for n in range(3):
            point(into, n)
        if kind in ("sum", "histogram", "exponential_histogram"):
            into.aggregation_temporality = 2
    first.metrics[1].sum.is_monotonic = True
    second = resource.scope_metrics.add(schema_url="https://second")
    second.scope.name = "two"
    point(second.metrics.add(name="other").gauge, 9)
    return made


def point(into: Any, number: int) -> Any:
    made = into.data_points.add(time_unix_nano=1000 + number)
    attribute(made, "n", str(number))
    return made


def attribute(owner: Any, key: str, value: str) -> None:
    owner.attributes.add(key=key).value.string_value = value


def salvaged(made: Any) -> tuple[Any, Losses]:
    losses: Losses = []
    damaged = made.SerializeToString().replace(BAD.encode(), b"zz\xff\xfe")
    return salvage_protobuf(damaged, lambda *loss: losses.append(loss)), losses


def test_a_whole_request_comes_out_as_it_went_in() -> None:
    made = request()
    assert salvaged(made) == (made, [])


def metric_of(made: Any, kind: str) -> Any:
    return next(
        one for one in made.resource_metrics[0].scope_metrics[0].metrics if one.name == kind
    )


@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_point_costs_itself_only(kind: str) -> None:
    made = request()
    attribute(getattr(metric_of(made, kind), kind).data_points[1], "bad", BAD)
    found, losses = salvaged(made)
    del getattr(metric_of(made, kind), kind).data_points[1]
    assert found == made
    assert losses == [(1, f"{kind}: a point with a text that is no UTF-8, or damaged")]


@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_point_in_a_metric_without_another_leaves_the_kind(kind: str) -> None:
    made = request()
    points = getattr(metric_of(made, kind), kind).data_points
    del points[1:]
    attribute(points[0], "bad", BAD)
    found, losses = salvaged(made)
    assert metric_of(found, kind).WhichOneof("data") == kind
    assert len(losses) == 1


def test_a_metric_without_a_readable_name_costs_its_points() -> None:
    made = request()
    metric_of(made, "sum").name = BAD
    made.resource_metrics[0].scope_metrics[0].metrics[4].unit = BAD
    found, losses = salvaged(made)
    assert [one.name for one in found.resource_metrics[0].scope_metrics[0].metrics] == [
        "gauge", "histogram", "exponential_histogram",
    ]  # fmt: skip
    assert losses == [(3, "a metric whose name or unit is no UTF-8")] * 2


@pytest.mark.parametrize("where", ["scope", "schema_url"])
def test_a_damaged_scope_costs_its_metrics_and_the_next_is_read(where: str) -> None:
    made = request()
    damaged = made.resource_metrics[0].scope_metrics[0]
    if where == "scope":
        damaged.scope.version = BAD
    else:
        damaged.schema_url = BAD
    found, losses = salvaged(made)
    first, second = found.resource_metrics[0].scope_metrics
    assert (len(first.metrics), len(second.metrics)) == (0, 1)
    assert losses == [(3, "a scope with a text that is no UTF-8, or damaged")] * 5
    assert second == made.resource_metrics[0].scope_metrics[1]


def test_a_damaged_resource_costs_all_that_it_holds_and_the_next_is_read() -> None:
    made = request()
    made.resource_metrics.add().CopyFrom(made.resource_metrics[0])
    attribute(made.resource_metrics[0].resource, "bad", BAD)
    found, losses = salvaged(made)
    reason = "a resource with an attribute that is no UTF-8, or damaged"
    assert losses == [(3, reason)] * 5 + [(1, reason)]
    assert found.resource_metrics[1] == made.resource_metrics[1]


def test_a_name_in_a_reason_is_short() -> None:
    made = request()
    metric = metric_of(made, "gauge")
    metric.name = "n" * 300
    attribute(metric.gauge.data_points[0], "bad", BAD)
    _, losses = salvaged(made)
    assert losses == [(1, "n" * 100 + ": a point with a text that is no UTF-8, or damaged")]


def test_a_broken_structure_raises() -> None:
    with pytest.raises(DecodeError):
        salvage_protobuf(request().SerializeToString()[:-1], lambda *_: None)


def as_json(content: Any) -> tuple[Any, Losses]:
    losses: Losses = []
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return salvage_json(body, lambda *loss: losses.append(loss)), losses


def gauge(*values: Any, name: Any = "g", key: str = "dataPoints", **more: Any) -> dict[str, Any]:
    return {"name": name, "gauge": {key: [{"asDouble": one} for one in values]}, **more}


def within(*metrics: Any, resource: Any = None, scope: Any = None, **more: Any) -> dict[str, Any]:
    inner = {"scope": scope, "metrics": [*metrics], **more}
    return {"resourceMetrics": [{"resource": resource, "scopeMetrics": [inner]}]}


def values(found: Any) -> list[tuple[str, list[float]]]:
    return [
        (metric.name, [one.as_double for one in metric.gauge.data_points])
        for resource in found.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
    ]


@pytest.mark.parametrize("key", ["dataPoints", "data_points"])
def test_a_value_that_is_no_number_costs_its_point(key: str) -> None:
    content = within(gauge(1.5, "much", 2.5, key=key), gauge(4.5, name="h"))
    found, losses = as_json(content)
    assert values(found) == [("g", [1.5, 2.5]), ("h", [4.5])]
    assert [count for count, _ in losses] == [1]
    assert losses[0][1].startswith("g: ")
    assert "much" in losses[0][1]


def test_an_integer_of_too_many_digits_costs_its_point() -> None:
    count = {"name": "n", "gauge": {"dataPoints": [{"asInt": 7}, {"asInt": "long"}]}}
    body = json.dumps(within(gauge(1.5), count)).replace('"long"', 5_000 * "9")
    found, losses = as_json(body.encode())
    assert values(found) == [("g", [1.5]), ("n", [0.0])]
    assert found.resource_metrics[0].scope_metrics[0].metrics[1].gauge.data_points[0].as_int == 7
    assert [count for count, _ in losses] == [1]


def test_what_is_not_finite_is_read_as_json_and_as_python_write_it() -> None:
    found, losses = as_json(b'{"resourceMetrics": [{"scopeMetrics": [{"metrics": [{"name": "g",'
                            b'"gauge": {"dataPoints": [{"asDouble": NaN}, {"asDouble": Infinity},'
                            b'{"asDouble": "-Infinity"}]}}]}]}]}')  # fmt: skip
    ((_, found_values),) = values(found)
    assert [str(one) for one in found_values] == ["nan", "inf", "-inf"]
    assert losses == []


def test_the_schema_of_a_scope_is_kept_where_it_is_a_text() -> None:
    for key in ("schemaUrl", "schema_url"):
        found, _ = as_json(within(gauge(1.0), **{key: "https://it"}))
        assert found.resource_metrics[0].scope_metrics[0].schema_url == "https://it"
    found, _ = as_json(within(gauge(1.0), schemaUrl=5))
    assert found.resource_metrics[0].scope_metrics[0].schema_url == ""


def test_a_damaged_description_costs_nothing() -> None:
    found, losses = as_json(within(gauge(1.0, 2.0, description=5)))
    assert values(found) == [("g", [1.0, 2.0])]
    assert losses == []


@pytest.mark.parametrize(
    ("metric", "lost"),
    [
        (gauge(1.0, 2.0, name=5), 2),
        ({"name": "g", "unit": []}, 0),
        ({"name": "g", "gauge": {"dataPoints": 7}, "unit": 3}, 0),
        ({"name": "g", "exponentialHistogram": {"dataPoints": [{}, {}]}, "unit": 3}, 2),
    ],
)  # fmt: skip
def test_a_metric_that_cannot_be_read_costs_its_points(metric: Any, lost: int) -> None:
    found, losses = as_json(within(metric, gauge(4.5, name="h")))
    assert values(found) == [("h", [4.5])]
    assert [count for count, _ in losses] == [lost]


def test_a_metric_of_a_form_of_its_own_is_read_without_its_bad_points() -> None:
    points = [{"count": "3"}, {"count": "many"}, {"count": 4}]
    found, losses = as_json(within({"name": "e", "exponentialHistogram": {"dataPoints": points}}))
    (metric,) = found.resource_metrics[0].scope_metrics[0].metrics
    assert [one.count for one in metric.exponential_histogram.data_points] == [3, 4]
    assert len(losses) == 1


@pytest.mark.parametrize("where", ["resource", "scope"])
def test_a_damaged_resource_or_scope_costs_what_it_holds(where: str) -> None:
    for damage in ("text", {"attributes": 5}):
        content = within(gauge(1.0, 2.0), **{where: damage})
        content["resourceMetrics"] += within(gauge(3.0))["resourceMetrics"]
        found, losses = as_json(content)
        assert values(found) == [("g", [3.0])]
        assert [count for count, _ in losses] == [2]
        assert losses[0][1].startswith("g: ")


def test_a_text_that_is_no_object_is_named_and_short() -> None:
    _, losses = as_json(within(gauge(1.0), resource="x" * 90))
    assert losses == [(1, f"g: {'x' * 60!r} is no object")]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"[]", "no ExportMetricsServiceRequest: '[]' is no object"),
        (b'"%s"' % (b"x" * 90), f"no ExportMetricsServiceRequest: {'x' * 60!r} is no object"),
        (b'{"resourceMetrics": 5}',
         "no ExportMetricsServiceRequest: resourceMetrics is no list of objects"),
        (b'{"resource_metrics": [5]}',
         "no ExportMetricsServiceRequest: resourceMetrics is no list of objects"),
        (b'{"resourceMetrics": [{"scopeMetrics": [5]}]}',
         "no ExportMetricsServiceRequest: scopeMetrics is no list of objects"),
        (b'{"resourceMetrics": [{"scopeMetrics": [{"metrics": {}}]}]}',
         "no ExportMetricsServiceRequest: metrics is no list of objects"),
    ],
)  # fmt: skip
def test_what_has_no_structure_is_refused_with_the_place(body: bytes, reason: str) -> None:
    with pytest.raises(BadRequestError) as caught:
        as_json(body)
    assert str(caught.value) == reason


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 100_000])
def test_what_is_no_json_is_refused(body: bytes) -> None:
    with pytest.raises(BadRequestError, match=r"^no ExportMetricsServiceRequest: "):
        as_json(body)


def test_a_name_of_either_spelling_that_is_null_is_as_if_it_were_not_there() -> None:
    content = {"resourceMetrics": None, "resource_metrics": within(gauge(1.0))["resourceMetrics"]}
    found, losses = as_json(content)
    assert values(found) == [("g", [1.0])]
    assert losses == []
    assert values(as_json({})[0]) == []
