"""What tests of the wire share: records, and what they decode to as plain values."""

from collections.abc import Sequence
from typing import Any

import msgspec
import pyarrow as pa
from hypothesis import settings

from padit.codecs.records import Decoded, decode
from padit.domain.attributes import UNSTATED, Attributes
from padit.domain.rows import Rows

MAX_BYTES = 4096
T = 1_767_323_045  # 2026-01-02T03:04:05Z

steady = settings(derandomize=True, max_examples=60, deadline=None)
"""Hypothesis with fixed examples and without deadlines: the machines it runs on are shared."""


def record(**fields: Any) -> bytes:
    """A good record, with the fields given instead of its own; None leaves a field out."""
    whole = {"timestamp": T, "source_id": "a", "metric_name": "b", "value": 1.5} | fields
    return msgspec.json.encode({name: field for name, field in whole.items() if field is not None})


def plain(rows: Rows) -> list[tuple[tuple[str, ...], int, float]]:
    """Rows as values that compare whatever the table of series looks like."""
    return [
        (tuple(rows.series[code]), time, value)
        for code, time, value in zip(
            rows.code.tolist(), rows.time.tolist(), rows.value.tolist(), strict=True
        )
    ]


def attributes(rows: Rows) -> list[Attributes]:
    """Attributes of every row."""
    if rows.attributes is None:
        return [UNSTATED] * len(rows)
    table = rows.attributes.table
    return [table[i] for i in rows.attributes.of_rows(rows.code).tolist()]


def outcome(decoded: Decoded) -> tuple[Any, ...]:
    """Everything that decoding gives."""
    samples = list(zip(plain(decoded.rows), attributes(decoded.rows), strict=True))
    return samples, decoded.record.tolist(), decoded.rejects


def one_by_one(values: Sequence[bytes | None]) -> tuple[Any, ...]:
    """What the records give when each is decoded on its own: the slow, obvious way."""
    rows: list[Any] = []
    positions: list[int] = []
    rejects: list[Any] = []
    for position, value in enumerate(values):
        alone = decode([value], MAX_BYTES)
        rows += zip(plain(alone.rows), attributes(alone.rows), strict=True)
        positions += [position] * len(alone.rows)
        rejects += [reject._replace(record=position) for reject in alone.rejects]
    return rows, positions, rejects


def arrow(**columns: Any) -> bytes:
    """An Arrow IPC stream of any columns."""
    batch = pa.RecordBatch.from_pydict(columns)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return bytes(sink.getvalue())
