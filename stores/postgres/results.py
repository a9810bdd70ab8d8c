"""Features, scores and alerts to their tables; alerts and their outbox in one statement.

A message that lacks what its table needs is refused with the reason. Messages are few beside
samples, so they are staged as JSON: one parameter, whatever their number.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
from psycopg import sql

from padit.domain.features import FEATURES
from padit.domain.message import digest_of, key_of
from padit.domain.metric import Series
from padit.domain.timestamps import EARLIEST_US, LATEST_US, format_utc, parse_timestamp
from padit.stores.base import Batch, Content
from padit.stores.postgres.connect import Connection
from padit.stores.postgres.series import SeriesTable

__all__ = ["MAKERS", "Row", "write_rows"]

Row = dict[str, Any]
_NUMBERS = (*FEATURES, "score", "level", "expected_low", "expected_high")
_KINDS = ("opened", "updated", "resolved")

_FEATURE = sql.SQL(
    "INSERT INTO feature (series, window_end, {names}) SELECT series, window_end, {names} "
    "FROM jsonb_to_recordset(%s::jsonb) AS r(series int, window_end timestamptz, {typed}) "
    "ON CONFLICT DO NOTHING"
).format(
    names=sql.SQL(", ").join(map(sql.Identifier, _NUMBERS)),
    typed=sql.SQL(", ").join(sql.SQL("{} float8").format(sql.Identifier(n)) for n in _NUMBERS),
)
_SCORE = sql.SQL("""
INSERT INTO anomaly_score
    (id, event_time, source_id, metric_name, composite, confidence, is_anomaly, detector, scores,
     evidence, labels)
SELECT id, event_time, source_id, metric_name, composite, confidence, is_anomaly, detector, scores,
    evidence, labels
FROM jsonb_to_recordset(%s::jsonb) AS r(id text, event_time timestamptz, source_id text,
    metric_name text, composite float8, confidence float8, is_anomaly boolean, detector text,
    scores jsonb, evidence jsonb, labels jsonb)
ON CONFLICT DO NOTHING
""")
_ALERT = sql.SQL("""
WITH given AS (
    SELECT * FROM jsonb_to_recordset(%s::jsonb) AS r(n int, transition_id text, at timestamptz,
        alert_id text, kind text, opened timestamptz, source_id text, metric_name text,
        severity text, score float8, summary text, detector text, incident text, reason text,
        labels jsonb, evidence jsonb, aggregate text, type text, payload text)
), fresh AS (
    INSERT INTO anomaly_history (transition_id, "time", alert_id, kind, opened, source_id,
        metric_name, severity, score, summary, detector, incident, reason, labels, evidence)
    SELECT transition_id, at, alert_id, kind, opened, source_id, metric_name, severity, score,
        summary, detector, incident, reason, labels, evidence
    FROM given ORDER BY n
    ON CONFLICT DO NOTHING
    RETURNING transition_id
)
INSERT INTO outbox (id, aggregatetype, aggregateid, type, payload)
SELECT transition_id, 'anomaly-alerts', aggregate, type, payload
FROM (SELECT DISTINCT ON (transition_id) * FROM given ORDER BY transition_id, n) AS once
JOIN fresh USING (transition_id) ORDER BY n
""")


def _number(message: Row, name: str) -> float | None:
    value = message.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{name} is {value!r:.80}, no number")  # noqa: EM102
    return float(value)


def _text(message: Row, name: str) -> str:
    value = message.get(name)
    if not isinstance(value, str) or not value:
        raise ValueError(f"{name} is {value!r:.80}, no text")  # noqa: EM102
    return value


def _time(message: Row, name: str) -> str:
    value = message.get(name)
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError(f"{name} is {value!r:.80}, no time")  # noqa: EM102
    micros = parse_timestamp(value)
    if not EARLIEST_US <= micros < LATEST_US:
        raise ValueError(f"{name} is {value!r:.80}, not between 2000 and 2200")  # noqa: EM102
    return format_utc(micros)


def _named(value: Any) -> str | None:
    """Name and version of a detector."""
    if isinstance(value, Mapping):
        return " ".join(str(value[key]) for key in ("name", "version") if key in value) or None
    return None


def _identity(batch: Batch, position: int) -> str:
    """The header `id`, which the job writes; without it a digest of the bytes."""
    number = int(batch.record[position])
    headers = batch.records.headers
    for name, value in headers[number] if headers else ():
        if name == "id" and value:
            return value.decode("utf-8", "replace")
    return digest_of((batch.records.values[number] or b"").decode("utf-8", "replace"))


def _feature(batch: Batch, position: int) -> Row:
    message = batch.messages[position]
    unit = message.get("unit", "")
    series = Series(_text(message, "source_id"), _text(message, "metric_name"), str(unit))
    row: Row = {name: _number(message, name) for name in _NUMBERS}
    return row | {"of": series, "window_end": _time(message, "window_end")}


def _score(batch: Batch, position: int) -> Row:
    message = batch.messages[position]
    return {
        "id": _identity(batch, position),
        "event_time": _time(message, "event_time"),
        "source_id": _text(message, "source_id"),
        "metric_name": _text(message, "metric_name"),
        "composite": _number(message, "composite"),
        "confidence": _number(message, "confidence"),
        "is_anomaly": bool(message.get("is_anomaly")),
        "detector": _named(message.get("detector")),
        "scores": message.get("scores"),
        "evidence": message.get("evidence"),
        "labels": message.get("labels"),
    }


def _alert(batch: Batch, position: int) -> Row:
    event = batch.messages[position]
    data = event.get("data")
    if not isinstance(data, dict):
        raise ValueError("data is no object: it is no alert")  # noqa: EM101
    kind = _text(event, "type").rpartition(".")[2]
    if kind not in _KINDS:
        raise ValueError(f"type is {event['type']!r:.80}, no step of an alert")  # noqa: EM102
    source, metric = _text(data, "source_id"), _text(data, "metric_name")
    metadata = data.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    payload = batch.records.values[int(batch.record[position])] or b""
    return {
        "n": position,
        "transition_id": _text(event, "id"),
        "at": _time(event, "time"),
        "alert_id": _text(data, "id"),
        "kind": kind,
        "opened": _time(data, "opened"),
        "source_id": source,
        "metric_name": metric,
        "severity": _text(data, "severity"),
        "score": _number(data, "score"),
        "summary": _text(data, "summary"),
        "detector": _named(data.get("detector")),
        "incident": metadata.get("incident"),
        "reason": metadata.get("reason"),
        "labels": data.get("labels"),
        "evidence": data.get("evidence"),
        "aggregate": key_of(source, metric),
        "type": event["type"],
        "payload": payload.decode(),
    }


MAKERS: dict[Content, tuple[str, str, Callable[[Batch, int], Row]]] = {
    Content.FEATURES: ("feature", "window_end", _feature),
    Content.ANOMALIES: ("anomaly_score", "event_time", _score),
    Content.ALERTS: ("anomaly_history", "at", _alert),
}
"""By content: the table, the name of the time in a row, and what makes a row of a message. The
maker raises ValueError for a message that is none."""
_STATEMENTS: dict[str, sql.SQL | sql.Composed] = {
    "feature": _FEATURE,
    "anomaly_score": _SCORE,
    "anomaly_history": _ALERT,
}


def write_rows(connection: Connection, table: str, rows: Sequence[Row], series: SeriesTable) -> int:
    """Write rows that are not there yet, alerts with their outbox; how many."""
    if not rows:
        return 0
    if table == "feature":
        names = sorted({row["of"] for row in rows})
        found = series.numbers(names, [None] * len(names))
        numbers = dict(zip(names, found, strict=True))
        rows = [{**row, "of": None, "series": numbers[row["of"]]} for row in rows]
    statement = _STATEMENTS[table]
    encoded = msgspec.json.encode(rows).decode()
    return connection.execute(statement, (encoded,)).rowcount
