"""OTLP requests with a damaged part: everything but the part.

Called when a request cannot be decoded as a whole, for example because one attribute is no UTF-8 or
one value is no number. Each metric, and where a metric fails each of its points, is decoded by
itself; what fails is reported as (points, reason). A request whose structure is broken raises.
"""

import json
from collections.abc import Callable, Iterator
from typing import Any

from google.protobuf import json_format
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2
from opentelemetry.proto.metrics.v1 import metrics_pb2

from padit.codecs.bodies import BadRequestError
from padit.codecs.decimals import whole_number
from padit.codecs.proto import build_messages

__all__ = ["salvage_json", "salvage_protobuf"]

Lost = Callable[[int, str], None]

_KINDS = {  # number of the field in Metric
    "gauge": 5,
    "sum": 7,
    "histogram": 9,
    "exponential_histogram": 10,
    "summary": 11,
}
_OUTER, _METRIC = build_messages(
    "padit.otlp",
    {
        "Data": {
            "points": (1, "bytes", True),
            "temporality": (2, "int32", False),
            "monotonic": (3, "int32", False),
        },
        "Metric": {
            "name": (1, "bytes", False),
            "unit": (3, "bytes", False),
            **{kind: (number, "Data", True) for kind, number in _KINDS.items()},
        },
        "Scope": {
            "scope": (1, "bytes", False),
            "metrics": (2, "bytes", True),
            "schema_url": (3, "bytes", False),
        },
        "Resource": {"resource": (1, "bytes", False), "scopes": (2, "Scope", True)},
        "Request": {"resources": (1, "Resource", True)},
    },
    "Request",
    "Metric",
)


def salvage_protobuf(body: bytes, lost: Lost) -> Any:
    """The request without what is damaged; raises DecodeError if its structure is."""
    outer = _OUTER.FromString(body)
    request = metrics_service_pb2.ExportMetricsServiceRequest()
    for resource in outer.resources:
        target = request.resource_metrics.add()
        fault = ""
        try:
            target.resource.ParseFromString(resource.resource)
        except DecodeError:
            fault = "a resource with an attribute that is no UTF-8, or damaged"
        for scope in resource.scopes:
            _salvage_scope(scope, target.scope_metrics.add(), fault, lost)
    return request


def _salvage_scope(scope: Any, target: Any, fault: str, lost: Lost) -> None:
    try:
        target.scope.ParseFromString(scope.scope)
        target.schema_url = scope.schema_url.decode("utf-8")
    except (DecodeError, UnicodeDecodeError):
        fault = fault or "a scope with a text that is no UTF-8, or damaged"
    for raw in scope.metrics:
        if not fault:
            try:
                target.metrics.add().ParseFromString(raw)
                continue
            except DecodeError:
                del target.metrics[-1]
        metric = _METRIC.FromString(raw)
        found = [(kind, data) for kind in _KINDS for data in getattr(metric, kind)]
        for kind, data in found[:1]:
            if fault:
                lost(len(data.points), fault)
            else:
                _salvage_metric(metric, kind, data, target, lost)


def _salvage_metric(metric: Any, kind: str, data: Any, target: Any, lost: Lost) -> None:
    try:
        name, unit = metric.name.decode("utf-8"), metric.unit.decode("utf-8")
    except UnicodeDecodeError:
        lost(len(data.points), "a metric whose name or unit is no UTF-8")
        return
    made = target.metrics.add(name=name, unit=unit)
    into = getattr(made, kind)
    into.SetInParent()
    if kind in ("sum", "histogram", "exponential_histogram"):
        into.aggregation_temporality = data.temporality
    if kind == "sum":
        into.is_monotonic = bool(data.monotonic)
    for raw in data.points:
        try:
            into.data_points.add().ParseFromString(raw)
        except DecodeError:
            del into.data_points[-1]
            lost(1, f"{name[:100]}: a point with a text that is no UTF-8, or damaged")


def salvage_json(body: bytes, lost: Lost) -> Any:
    """The request without what cannot be decoded; raises BadRequestError if it is no object."""
    try:
        # Python's parser reads the literals NaN and Infinity, which no JSON has; as texts they are
        # what OTLP calls a value that is not finite.
        content = json.loads(body, parse_constant=str, parse_int=whole_number)
    except (ValueError, RecursionError) as error:
        message = f"no ExportMetricsServiceRequest: {error}"
        raise BadRequestError(message) from error
    request = metrics_service_pb2.ExportMetricsServiceRequest()
    for resource in _items(content, "resourceMetrics", "resource_metrics"):
        target = request.resource_metrics.add()
        fault = _parse(resource.get("resource"), target.resource)
        for scope in _items(resource, "scopeMetrics", "scope_metrics"):
            within = target.scope_metrics.add()
            reason = fault or _parse(scope.get("scope"), within.scope)
            metrics = list(_items(scope, "metrics"))
            url = scope.get("schemaUrl", scope.get("schema_url"))
            within.schema_url = url if isinstance(url, str) else ""
            for metric in metrics:
                _salvage_object(metric, within, reason, lost)
    return request


def _salvage_object(metric: dict[str, Any], within: Any, fault: str, lost: Lost) -> None:
    made = metrics_pb2.Metric()
    problem = fault or _parse(metric, made)
    if not problem:
        within.metrics.append(made)
        return
    key, data = _data_of(metric)
    points_key = "dataPoints" if "dataPoints" in data else "data_points"
    points = data.get(points_key)
    points = points if isinstance(points, list) else []
    header = {**metric, key: {**data, points_key: []}} if key else metric
    header.pop("description", None)
    made = metrics_pb2.Metric()
    problem = fault or _parse(header, made)
    if problem or not key:
        lost(len(points), f"{str(metric.get('name', ''))[:100]}: {problem}")
        return
    into = getattr(made, str(made.WhichOneof("data")))
    for point in points:
        problem = _parse(point, into.data_points.add())
        if problem:
            del into.data_points[-1]
            lost(1, f"{made.name[:100]}: {problem}")
    within.metrics.append(made)


def _data_of(metric: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    for key in (*_KINDS, "exponentialHistogram"):
        data = metric.get(key)
        if isinstance(data, dict):
            return key, data
    return "", {}


def _parse(content: Any, message: Any) -> str:
    """Why an object cannot be decoded, "" if it is."""
    if content is None:
        return ""
    if not isinstance(content, dict):
        return f"{str(content)[:60]!r} is no object"
    try:
        json_format.ParseDict(content, message, ignore_unknown_fields=True)
        message.SerializeToString()  # a text that is no Unicode shows here only
    except Exception as error:  # the parser's own bugs as well, on shapes it does not expect
        return str(error)[:300]
    return ""


def _items(content: Any, *keys: str) -> Iterator[dict[str, Any]]:
    """The objects of a list in an object; raises BadRequestError if it is none."""
    if not isinstance(content, dict):
        message = f"no ExportMetricsServiceRequest: {str(content)[:60]!r} is no object"
        raise BadRequestError(message)
    found: Any = next((content[key] for key in keys if content.get(key) is not None), [])
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        message = f"no ExportMetricsServiceRequest: {keys[0]} is no list of objects"
        raise BadRequestError(message)
    yield from found
