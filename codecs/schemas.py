"""Results as columns: the Arrow schema of each kind, and JSON objects to rows of it.

Nested fields (evidence, scores, detector, metadata) are kept as JSON text, because they differ from
detector to detector and a column's type must not depend on which result came first.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from padit.domain.features import FEATURES
from padit.domain.message import Kind

__all__ = [
    "ALERTS",
    "DEAD_LETTERS",
    "FEATURE_ROWS",
    "LAYOUTS",
    "METRICS",
    "OTHER",
    "SCORES",
    "Layout",
    "columns_of",
]

_TIME = pa.timestamp("us", tz="UTC")
_TEXT = pa.string()


@dataclass(frozen=True, slots=True)
class Layout:
    """How one kind of result stands in columns.

    Attributes:
        name: of the kind.
        schema: names and types; a string column takes nested values as JSON text.
        inside: field that holds the result itself (CloudEvents), or "".
    """

    name: str
    schema: pa.Schema
    inside: str = ""


METRICS = Layout(
    "metrics",
    pa.schema(
        [
            ("timestamp", pa.float64()),
            ("source_id", _TEXT),
            ("metric_name", _TEXT),
            ("value", pa.float64()),
            ("unit", _TEXT),
            ("metric_type", _TEXT),
            ("protocol", _TEXT),
            ("metadata", _TEXT),
        ]
    ),
)
ALERTS = Layout(
    "alerts",
    pa.schema(
        [
            ("type", _TEXT),
            ("alert_id", _TEXT),
            ("source_id", _TEXT),
            ("metric_name", _TEXT),
            ("severity", _TEXT),
            ("score", pa.float64()),
            ("summary", _TEXT),
            ("event_time", _TIME),
            ("opened", _TIME),
            ("detector", _TEXT),
            ("evidence", _TEXT),
            ("tags", _TEXT),
            ("metadata", _TEXT),
            ("acknowledged", pa.bool_()),
            ("acknowledged_by", _TEXT),
            ("acknowledged_at", _TIME),
            ("resolved", pa.bool_()),
            ("resolved_by", _TEXT),
            ("resolved_at", _TIME),
            ("metric_type", _TEXT),
            ("labels", _TEXT),
            ("baseline", _TEXT),
            ("shift", pa.float64()),
        ]
    ),
    inside="data",
)
SCORES = Layout(
    "scores",
    pa.schema(
        [
            ("source_id", _TEXT),
            ("metric_name", _TEXT),
            ("event_time", _TIME),
            ("scores", _TEXT),
            ("composite", pa.float64()),
            ("is_anomaly", pa.bool_()),
            ("confidence", pa.float64()),
            ("detector", _TEXT),
            ("evidence", _TEXT),
            ("metric_type", _TEXT),
            ("labels", _TEXT),
        ]
    ),
)
FEATURE_ROWS = Layout(
    "features",
    pa.schema(
        [
            ("source_id", _TEXT),
            ("metric_name", _TEXT),
            ("unit", _TEXT),
            ("window_end", _TIME),
            *((name, pa.float64()) for name in FEATURES),
            ("score", pa.float64()),
            ("level", pa.float64()),
            ("expected_low", pa.float64()),
            ("expected_high", pa.float64()),
            ("extractions", pa.int64()),
            ("judged_by", _TEXT),
            ("metric_type", _TEXT),
            ("labels", _TEXT),
        ]
    ),
)
DEAD_LETTERS = Layout(
    "dead_letters",
    pa.schema(
        [
            ("reason", _TEXT),
            ("topic", _TEXT),
            ("partition", pa.int32()),
            ("offset", pa.int64()),
            ("original", _TEXT),  # base64, as in the JSON
            ("size", pa.int64()),
            ("digest", _TEXT),
            ("lost", pa.int64()),
            ("elements", _TEXT),  # JSON
        ]
    ),
)
OTHER = Layout("other", pa.schema([("value", _TEXT)]))
"""Anything else: the JSON text as it is."""

LAYOUTS: Mapping[Kind, Layout] = {
    Kind.ALERT: ALERTS,
    Kind.ANOMALY: SCORES,
    Kind.FEATURE: FEATURE_ROWS,
    Kind.LATE: METRICS,
    Kind.DEAD_LETTER: DEAD_LETTERS,
    Kind.AUDIT: OTHER,
}
"""The layout of each kind of message."""

_objects = msgspec.json.Decoder(dict[str, msgspec.Raw])
_strings = msgspec.json.Decoder(str)


def columns_of(layout: Layout, values: Sequence[bytes]) -> dict[str, pa.Array]:
    """Results of one kind as columns in the order of the layout's schema.

    Args:
        layout: of their kind, see `LAYOUTS`.
        values: JSON objects; a field that is missing or null becomes null.

    Raises:
        ValueError: a field is of another type than its column.
    """
    if layout is OTHER:
        return {"value": pa.array([value.decode() for value in values], _TEXT)}
    rows = [_objects.decode(value) for value in values]
    if layout.inside:
        inner = [_objects.decode(row[layout.inside]) for row in rows]
        # The outer id is the step's, the inner one the alert's.
        rows = [
            {**data, "alert_id": data.get("id", _NULL), "type": row["type"]}
            for row, data in zip(rows, inner, strict=True)
        ]
    return {
        field.name: _column(field, [row.get(field.name, _NULL) for row in rows])
        for field in layout.schema
    }


_NULL = msgspec.Raw(b"null")


def _column(field: pa.Field, raws: list[msgspec.Raw]) -> pa.Array:
    read = _text if field.type in (_TEXT, _TIME) else _reader_of(field.type)
    try:
        array = pa.array([read(raw) for raw in raws], _TEXT if field.type == _TIME else field.type)
        return pc.cast(array, field.type)
    except (msgspec.DecodeError, pa.ArrowException) as error:
        message = f"{field.name}: {error}"
        raise ValueError(message) from error


def _text(raw: msgspec.Raw) -> str | None:
    """A string as it is, anything else as JSON text."""
    data = bytes(raw)
    if data[:1] == b'"':
        return _strings.decode(data)
    return None if data == b"null" else data.decode()


def _reader_of(kind: pa.DataType) -> Callable[[msgspec.Raw], Any]:
    if pa.types.is_boolean(kind):
        return msgspec.json.Decoder(bool | None).decode
    if pa.types.is_integer(kind):
        return msgspec.json.Decoder(int | None).decode
    return msgspec.json.Decoder(float | None).decode
