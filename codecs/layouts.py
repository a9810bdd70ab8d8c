"""JSON that is no list of samples: series of points, and tables by columns, laid out as elements.

Query answers of Prometheus, Graphite, OpenTSDB, InfluxDB, Grafana, Elasticsearch, Datadog and
CloudWatch, tables as pandas writes them, SenML, NGSI and reports of iperf3 hold names in one place
and numbers in another. A layout turns such a message into elements of one form, which its preset
maps like any other:

    {"source": "web01", "labels": {"cpu": "0"}, "time": 1767571200, "unit": "", "values": {"up": 1}}

Elements come one at a time, so a message takes no more memory than its content. What has not the
form of a point is handed on as it is, and so is refused with its reason; what a layout has no use
for is counted as unwatched. The tables are in `codecs.layouts_tables`.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from padit.codecs.contract import shorten
from padit.codecs.layouts_tables import (
    UNUSED,
    columns,
    frames,
    pandas,
    rrdtool,
    series_tables,
    source_of,
)
from padit.codecs.layouts_things import iperf, ngsi, senml
from padit.codecs.mapping_watch import Left, count_numbers
from padit.codecs.names import shortened

__all__ = ["LAYOUTS", "LayoutError", "WHOLE", "elements_of", "layout_of"]

_DEEPEST = 12
_EARLIEST_MS = 946_684_800_000  # the year 2000: what is less is no time in milliseconds


class LayoutError(ValueError):
    """A message is laid out otherwise than `format` says; the text shows it."""


def layout_of(message: Any) -> str:
    """The preset whose layout a message has, or "".

    >>> layout_of([{"target": "cpu", "datapoints": [[1.5, 1767571200]]}])
    'graphite'
    """
    one = message[0] if type(message) is list and message else message
    if type(one) is not dict:
        return ""
    return next((name for name, (fits, _) in LAYOUTS.items() if fits(one)), "")


def elements_of(name: str, message: Any, left: Left) -> Iterator[Any]:
    """The elements of a message.

    Args:
        name: of the layout.
        message: parsed JSON.
        left: takes what no element holds.

    Raises:
        LayoutError: the message has another layout.
    """
    fits, read = LAYOUTS[name]
    several = type(message) is list
    if several and message and name in WHOLE:
        if not all(type(one) is dict and fits(one) for one in message[:1]):
            text = f"{shorten(message)} has not the layout that format: {name} reads"
            raise LayoutError(text)
        yield from read(message, left)
        return
    for one in message if several else (message,):
        if type(one) is not dict or not fits(one):
            text = f"{shorten(one)} has not the layout that format: {name} reads"
            raise LayoutError(text)
        yield from read(one, left)


def _series(name: Any, labels: Any, given: str = "") -> tuple[str, dict[str, Any]]:
    """The source among the labels, and all that is left of them; texts within bounds."""
    kept = {
        str(key)[:200]: shortened(one) if type(one) is str else one
        for key, one in (labels.items() if type(labels) is dict else ())
        if key != "__name__" and type(one) in (str, int, float, bool)
    }
    return source_of(kept, given)


def _points(
    series: tuple[Any, Any], pairs: Any, when: int, unit: Any = "", given: str = ""
) -> Iterator[Any]:
    """Elements of one series whose points are pairs; `when` is the place of the time, 0 or 1."""
    source, labels = _series(*series, given)
    name = shortened(series[0]) if type(series[0]) is str and series[0] else "value"
    unit = unit if type(unit) is str else ""
    for pair in pairs:
        if type(pair) is list and len(pair) == 2:
            yield {"source": source, "labels": labels, "time": pair[when], "unit": unit,
                   "values": {name: pair[1 - when]}}  # fmt: skip
        else:
            yield pair


def _list(one: Any, *path: str) -> Any:
    """The list at a path of names; None where there is none."""
    for name in path:
        one = one.get(name) if type(one) is dict else None
    return one if type(one) is list else None


def _rest(one: dict[str, Any], used: Sequence[str], place: str, left: Left) -> None:
    """Count the numbers of all other members."""
    for name, value in one.items():
        if name not in used:
            count_numbers(value, f"{place}{name}", left, UNUSED)


def _is_prometheus(one: dict[str, Any]) -> bool:
    return _list(one, "data", "result") is not None and one["data"].get("resultType") != "streams"


def _prometheus(message: dict[str, Any], left: Left) -> Iterator[Any]:
    """`query_range` and `query`: series of [seconds, text]; a scalar is one such pair."""
    _rest(message, ("data",), "", left)
    data = message["data"]
    _rest(data, ("result",), "data.", left)
    if data.get("resultType") in ("scalar", "string"):
        yield from _points(("", {}), [data["result"]], 0)
        return
    for one in data["result"]:
        if type(one) is not dict:
            yield one
            continue
        labels = one.get("metric")
        name = labels.get("__name__") if type(labels) is dict else ""
        pairs = [one["value"]] if "value" in one else _list(one, "values") or []
        _rest(one, ("metric", "value", "values"), "data.result[*].", left)
        yield from _points((name, labels), pairs, 0)


def _graphite(message: dict[str, Any], left: Left) -> Iterator[Any]:
    """`render?format=json`: [value, seconds] of each target."""
    _rest(message, ("target", "datapoints", "tags"), "", left)
    labels = message.get("tags")
    if type(labels) is dict:
        labels = {name: one for name, one in labels.items() if name != "name"}
    yield from _points((message["target"], labels), message["datapoints"], 1)


def _opentsdb(message: dict[str, Any], left: Left) -> Iterator[Any]:
    """`/api/query`: points as an object by their times, or as an array of pairs."""
    _rest(message, ("metric", "tags", "aggregateTags", "dps"), "", left)
    points = message["dps"]
    pairs = map(list, points.items()) if type(points) is dict else points
    yield from _points((message["metric"], message.get("tags")), pairs, 0)


def _datadog(message: dict[str, Any], left: Left) -> Iterator[Any]:
    """`/api/v1/query`: [milliseconds, value], of a scope or a set of tags."""
    _rest(message, ("series", "from_date", "to_date", "query", "status"), "", left)
    for one in message["series"]:
        if type(one) is not dict or _list(one, "pointlist") is None:
            yield one
            continue
        tags = _list(one, "tag_set") or str(one.get("scope", "")).split(",")
        pairs = [tag.partition(":") for tag in tags if type(tag) is str]
        labels = {name: value for name, colon, value in pairs if colon}
        unit = (_list(one, "unit") or [None])[0]
        short = unit.get("short_name") if type(unit) is dict else ""
        yield from _points((one.get("metric"), labels), one["pointlist"], 0, short)


def _cloudwatch(message: dict[str, Any], left: Left) -> Iterator[Any]:
    """`get-metric-data`: times and values side by side."""
    _rest(message, ("MetricDataResults",), "", left)
    for one in message["MetricDataResults"]:
        times, values = _list(one, "Timestamps"), _list(one, "Values")
        if times is None or values is None or len(times) != len(values):
            yield one
            continue
        _rest(one, ("Timestamps", "Values"), "MetricDataResults[*].", left)
        name = one.get("Label") or one.get("Id")
        yield from _points((name, {}), map(list, zip(times, values, strict=True)), 0)


def _is_elasticsearch(one: dict[str, Any]) -> bool:
    return _list(one, "hits", "hits") is not None or type(one.get("aggregations")) is dict


def _elasticsearch(message: dict[str, Any], left: Left) -> Iterator[Any]:
    """`_search`: documents, and the buckets of a date histogram with what is in them."""
    for hit in _list(message, "hits", "hits") or ():
        found = hit.get("_source") if type(hit) is dict else None
        if type(found) is not dict:
            yield hit
            continue
        when = next((name for name in ("@timestamp", "timestamp", "time") if name in found), "")
        host = found.get("host")
        source = host.get("name") if type(host) is dict else host
        values = {name: one for name, one in found.items() if name not in (when, "host")}
        yield {"source": source if type(source) is str else "", "labels": {}, "unit": "",
               "time": found.get(when), "values": values}  # fmt: skip
    found = message.get("aggregations")
    if type(found) is dict:
        yield from _buckets(found, None, {}, left, 0)


def _buckets(
    aggregations: dict[str, Any], when: Any, labels: dict[str, Any], left: Left, depth: int
) -> Iterator[Any]:
    """Elements of aggregations: what is named by a bucket is a label, its time is theirs."""
    values: dict[str, Any] = {}
    for name, one in aggregations.items():
        inner = one.get("buckets") if type(one) is dict else None
        if inner is None:
            values |= _numbers(name, one)
            continue
        if type(inner) is not list or depth >= _DEEPEST:
            count_numbers(inner, f"{name}.buckets", left, "no list of buckets, or too deep")
            continue
        for bucket in inner:
            key = bucket.get("key") if type(bucket) is dict else None
            if type(bucket) is not dict:
                yield bucket
                continue
            timed = isinstance(key, int | float) and key >= _EARLIEST_MS
            mine = {n: v for n, v in bucket.items() if n not in ("key", "key_as_string")}
            told = labels if timed else labels | {name: bucket.get("key_as_string", key)}
            yield from _buckets(mine, key if timed else when, told, left, depth + 1)
    if values and when is not None:
        source, rest = _series("", labels)
        yield {"source": source, "labels": rest, "time": when, "unit": "", "values": values}
    elif values:
        reason = "it lies in no bucket of a date_histogram, so it has no time"
        count_numbers(values, "aggregations", left, reason, "add a date_histogram to the query")


def _numbers(name: str, one: Any) -> dict[str, Any]:
    """What an aggregation of numbers holds: one value, percentiles, or statistics."""
    if type(one) is not dict:
        return {name: one}
    if "value" in one:
        return {name: one["value"]}
    inner = one["values"] if type(one.get("values")) is dict else one
    return {f"{name}.{part}": value for part, value in inner.items()
            if not part.endswith("_as_string")}  # fmt: skip


WHOLE = frozenset(("senml",))
"""Layouts of an array whose elements depend on those before them."""

LAYOUTS: dict[
    str, tuple[Callable[[dict[str, Any]], bool], Callable[[dict[str, Any], Left], Iterator[Any]]]
] = {
    "prometheus": (_is_prometheus, _prometheus),
    "graphite": (
        lambda one: type(one.get("target")) is str and _list(one, "datapoints") is not None,
        _graphite,
    ),
    "opentsdb_query": (
        lambda one: type(one.get("metric")) is str and type(one.get("dps")) in (dict, list),
        _opentsdb,
    ),
    "elasticsearch": (_is_elasticsearch, _elasticsearch),
    "datadog": (
        lambda one: (
            bool(_list(one, "series"))
            and any(_list(each, "pointlist") is not None for each in one["series"])
        ),
        _datadog,
    ),
    "cloudwatch": (lambda one: _list(one, "MetricDataResults") is not None, _cloudwatch),
    "senml": senml,
    "ngsi": ngsi,
    "iperf": iperf,
    "influxdb": series_tables,
    "grafana": frames,
    "rrdtool": rrdtool,
    "columns": columns,
    "pandas": pandas,
}
"""By name: whether an object has the layout, and its elements."""
