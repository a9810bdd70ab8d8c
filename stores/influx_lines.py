"""Records as InfluxDB's line protocol, with tags and times that follow from them alone.

A name that the protocol cannot hold (a line break, a backslash at its end) makes no line.
https://docs.influxdata.com/influxdb/v1/write_protocols/line_protocol_reference/
"""

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from padit.domain.rows import Rows
from padit.stores.decode import float_of, micros_of

__all__ = ["lines_of_messages", "lines_of_rows"]

_BAD = re.compile(r"[\n\r\0]|\\$")
_TAG = str.maketrans({",": "\\,", "=": "\\=", " ": "\\ "})
_MEASUREMENT = str.maketrans({",": "\\,", " ": "\\ "})
_TEXT = str.maketrans({'"': '\\"', "\\": "\\\\"})
_IDENTITY = ("source_id", "metric_name", "unit", "metric_type")


def _head(measurement: str, tags: Mapping[str, str]) -> str | None:
    """Measurement and tags; None if one of them cannot be written."""
    texts = (measurement, *tags.values())
    if not measurement or any(_BAD.search(one) for one in texts):
        return None
    written = "".join(
        f",{name.translate(_TAG)}={value.translate(_TAG)}"
        for name, value in sorted(tags.items())
        if value
    )
    return f"{measurement.translate(_MEASUREMENT)}{written}"


def lines_of_rows(rows: Rows) -> list[str | None]:
    """A line for each sample: its metric is the measurement, source and unit are tags.

    NaN and infinities, which the protocol does not have, make no line.
    """
    heads = [
        _head(one.metric_name, {"source_id": one.source_id, "unit": one.unit})
        for one in rows.series
    ]
    columns = zip(rows.code.tolist(), rows.value.tolist(), rows.time.tolist(), strict=True)
    return [
        f"{heads[code]} value={value!r} {time}000"
        if heads[code] is not None and math.isfinite(value)
        else None
        for code, value, time in columns
    ]


def lines_of_messages(
    kind: str, messages: Sequence[Mapping[str, Any]], prefix: str
) -> Iterator[str | None]:
    """A line for each feature vector, anomaly or alert; None where it makes none.

    Args:
        kind: "features", "anomalies" or "alerts".
        messages: decoded.
        prefix: of the measurement.
    """
    tags, fields, when = _KINDS[kind]
    for one in messages:
        found = {name: value for name, value in fields(one) if value is not None}
        time = _nanoseconds(one.get(when))
        head = _head(f"{prefix}{kind}", tags(one))
        if not found or time is None or head is None or "source_id" not in tags(one):
            yield None
        else:
            written = ",".join(f"{name.translate(_TAG)}={value}" for name, value in found.items())
            yield f"{head} {written} {time}"


def _nanoseconds(time: Any) -> int | None:
    try:
        return micros_of(time) * 1000
    except (TypeError, ValueError):
        return None


def _number(value: Any) -> str | None:
    """A field of a number or a truth value."""
    if isinstance(value, bool):
        return "true" if value else "false"
    number = float_of(value)
    return repr(number) if number is not None else None


def _text(value: Any) -> str | None:
    if not isinstance(value, str):
        return None
    return f'"{value.translate(_TEXT)}"'


def _identity(one: Mapping[str, Any]) -> dict[str, str]:
    return {name: one[name] for name in _IDENTITY if isinstance(one.get(name), str) and one[name]}


def _feature_fields(one: Mapping[str, Any]) -> Iterator[tuple[str, str | None]]:
    for name, value in one.items():
        if not _BAD.search(name) and name:
            yield name, _number(value)


def _anomaly_fields(one: Mapping[str, Any]) -> Iterator[tuple[str, str | None]]:
    yield "composite", _number(one.get("composite"))
    yield "confidence", _number(one.get("confidence"))
    scores = one.get("scores")
    for name, value in scores.items() if isinstance(scores, dict) else ():
        if not _BAD.search(name):
            yield f"score_{name}", _number(value)


def _alert_tags(one: Mapping[str, Any]) -> dict[str, str]:
    """The type is a tag: an alert may open and close at one time, and both are points."""
    data = one.get("data")
    found = _identity(data) if isinstance(data, dict) else {}
    if isinstance(one.get("type"), str):
        found["type"] = one["type"]
    return found


def _alert_fields(one: Mapping[str, Any]) -> Iterator[tuple[str, str | None]]:
    data = one.get("data")
    data = data if isinstance(data, dict) else {}
    yield "id", _text(one.get("id"))
    yield "alert", _text(data.get("id"))
    yield "severity", _text(data.get("severity"))
    yield "summary", _text(data.get("summary"))
    yield "score", _number(data.get("score"))


_Tags = Callable[[Mapping[str, Any]], dict[str, str]]
_Fields = Callable[[Mapping[str, Any]], Iterator[tuple[str, str | None]]]
_KINDS: Mapping[str, tuple[_Tags, _Fields, str]] = {
    "features": (_identity, _feature_fields, "window_end"),
    "anomalies": (_identity, _anomaly_fields, "event_time"),
    "alerts": (_alert_tags, _alert_fields, "time"),
}
