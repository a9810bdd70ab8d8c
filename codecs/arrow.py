"""The Arrow IPC wire format: one Kafka record that carries many samples as columns."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from padit.domain.errors import WireFormatError
from padit.domain.metric import METRIC_TYPES, Series
from padit.domain.rows import Rows
from padit.domain.timestamps import micros_from_numbers, parse_timestamp

__all__ = [
    "arrow_from_columns",
    "combine_names",
    "encode_names",
    "parse_timestamps",
    "rows_from_arrow",
    "rows_from_streams",
    "shorten",
]

Names = tuple[list[str], NDArray[np.int64]]
"""Distinct strings and the index of each row among them."""

_REQUIRED = ("timestamp", "source_id", "metric_name", "value")


def rows_from_arrow(value: bytes) -> tuple[Rows, list[str]]:
    """An Arrow IPC stream to rows, and a reason for every row that had to be left out.

    Raises:
        WireFormatError: a required column is missing or of a type that cannot be converted.
        pyarrow.ArrowException: the bytes are no valid stream.
    """
    table = _table(value)
    table.validate(full=True)  # buffers come from outside: offsets and UTF-8 are checked
    for name in _REQUIRED:
        if name not in table.column_names:
            message = f"Arrow stream without the column {name}; it has {table.column_names}"
            raise WireFormatError(message)
    if not table.num_rows:
        return Rows.empty(), ["an Arrow stream without a row"]
    whole, reasons = _complete(table.combine_chunks())
    time, faults = _micros(whole)
    rows = _rows(whole, time)
    if not faults:
        return rows, reasons
    readable = np.ones(len(rows), bool)
    readable[list(faults)] = False
    return rows.select(readable), [*reasons, *faults.values()]


def rows_from_streams(values: Sequence[bytes]) -> tuple[Rows, NDArray[np.int64]] | None:
    """Many streams of one schema in one pass, if not a single row of them has a fault.

    Most of the time that a small stream costs is spent on the way to its columns (1 ms for 250
    rows); together they share it.

    Returns:
        All rows, and int64 (len(values),) how many each stream has; None where the streams have
        to be read one by one, to tell what is wrong with which.
    """
    try:
        tables = [_table(value) for value in values]
        schema = tables[0].schema
        if any(not table.schema.equals(schema) or not table.num_rows for table in tables):
            return None
        table = pa.concat_tables(tables)
        table.validate(full=True)
        if any(name not in schema.names or table[name].null_count for name in _REQUIRED):
            return None
        whole, reasons = _complete(table.unify_dictionaries().combine_chunks())
        time, faults = _micros(whole)
        if reasons or faults:
            return None
        counts = np.array([table.num_rows for table in tables], np.int64)
        return _rows(whole, time), counts
    except (pa.ArrowException, ValueError, OSError):
        return None


def _table(value: bytes) -> pa.Table:
    with pa.ipc.open_stream(value) as stream:
        return stream.read_all()


def _complete(table: pa.Table) -> tuple[pa.Table, list[str]]:
    """The rows without a null and with a known metric_type."""
    reasons: list[str] = []
    good = np.ones(table.num_rows, bool)
    for name in _REQUIRED:
        null = np.asarray(pc.is_null(table[name]))
        reasons += [f"{name} is null"] * int((null & good).sum())
        good &= ~null
    if "metric_type" in table.column_names:
        kinds = table["metric_type"]
        kinds = kinds.cast(pa.string()).fill_null("custom")
        known = np.asarray(pc.is_in(kinds, pa.array(METRIC_TYPES)))
        for i in np.flatnonzero(good & ~known).tolist():
            reasons.append(f"Invalid enum value {kinds[i].as_py()[:80]!r} - at `$.metric_type`")
        good &= known
    return (table if good.all() else table.filter(pa.array(good))), reasons


def _rows(table: pa.Table, time: NDArray[np.int64]) -> Rows:
    series, code = combine_names(
        *(
            encode_names(table[name])
            if name in table.column_names
            else ([""], np.zeros(table.num_rows, np.int64))
            for name in Series._fields
        )
    )
    return Rows(series, code, time, _floats(table, "value"))


def _floats(table: pa.Table, name: str) -> NDArray[np.float64]:
    """A column of numbers; whole numbers beyond 2**53 are rounded, as they are in JSON."""
    column = table[name]
    if not (pa.types.is_integer(column.type) or pa.types.is_floating(column.type)):
        message = f"the column {name} holds {column.type}, it must hold numbers"
        raise WireFormatError(message)
    floats: NDArray[np.float64] = column.cast(pa.float64(), safe=False).to_numpy()
    return floats


def encode_names(values: pa.Array | pa.ChunkedArray) -> Names:
    """Strings, plain or dictionary-encoded, as (distinct, int64 index of each); null is ""."""
    if not pa.types.is_dictionary(values.type):
        values = values.cast(pa.string()).fill_null("").dictionary_encode()
    if isinstance(values, pa.ChunkedArray):
        values = values.unify_dictionaries().combine_chunks()
    if isinstance(values, pa.ChunkedArray):  # combine_chunks keeps one chunk as it is
        values = values.chunk(0)
    distinct = values.dictionary.cast(pa.string()).to_pylist()
    codes = values.indices.fill_null(len(distinct)).to_numpy(zero_copy_only=False)
    return [*(text or "" for text in distinct), ""], codes.astype(np.int64)


def combine_names(
    sources: Names, metrics: Names, units: Names
) -> tuple[list[Series], NDArray[np.int32]]:
    """Three encoded name columns of n rows to the distinct series and int32 (n,) codes."""
    rest = len(metrics[0]) * len(units[0])
    combined = sources[1] * rest + metrics[1] * len(units[0]) + units[1]
    keys, code = _compact(combined, len(sources[0]) * rest)
    series = [
        Series(
            sources[0][key // rest],
            metrics[0][key % rest // len(units[0])],
            units[0][key % len(units[0])],
        )
        for key in keys.tolist()
    ]
    return series, code


def _compact(codes: NDArray[np.int64], size: int) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """The distinct values of `codes`, sorted, and each row's index among them.

    Few possible values are found by marking (10 ns a row), many by sorting (50 ns a row).
    """
    if size > 8 * len(codes) + 1024:
        keys, code = np.unique(codes, return_inverse=True)
        return keys, code.astype(np.int32)
    seen = np.zeros(size, bool)
    seen[codes] = True
    keys = np.flatnonzero(seen)
    position = np.empty(size, np.int32)
    position[keys] = np.arange(len(keys), dtype=np.int32)
    return keys, position[codes]


def _micros(table: pa.Table) -> tuple[NDArray[np.int64], dict[int, str]]:
    """Event times, and by row what is wrong with those that are none."""
    column = table["timestamp"]
    kind = column.type
    if pa.types.is_timestamp(kind):
        micros = column.cast(pa.timestamp("us", tz=kind.tz), safe=False).cast(pa.int64())
        return np.asarray(micros, np.int64), {}
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return parse_timestamps(column.to_pylist())
    return micros_from_numbers(_floats(table, "timestamp")), {}


def parse_timestamps(stamps: Sequence[float | str]) -> tuple[NDArray[np.int64], dict[int, str]]:
    """Timestamps of any form one by one (1.1 us each), and by position what is none of them."""
    times = np.zeros(len(stamps), np.int64)
    faults: dict[int, str] = {}
    for i, stamp in enumerate(stamps):  # there is no vectorised RFC 3339 parser
        try:
            times[i] = parse_timestamp(stamp)
        except (ValueError, OverflowError):
            faults[i] = f"timestamp {shorten(stamp)} is neither epoch seconds, ms nor RFC 3339"
    return times, faults


def shorten(value: object) -> str:
    """A value as it may stand in a reason."""
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def arrow_from_columns(
    timestamp: NDArray[np.float64] | NDArray[np.int64],
    source_id: pa.Array,
    metric_name: pa.Array,
    value: NDArray[np.float64],
    unit: pa.Array | None = None,
) -> bytes:
    """Columns to one Arrow IPC stream.

    Args:
        timestamp: epoch seconds (float64) or epoch milliseconds (int64), shape (n,).
        source_id: (n,), best dictionary-encoded.
        metric_name: (n,), best dictionary-encoded.
        value: float64 (n,).
        unit: (n,), optional.
    """
    columns = {
        "timestamp": pa.array(timestamp),
        "source_id": source_id,
        "metric_name": metric_name,
        "value": pa.array(value),
    }
    if unit is not None:
        columns["unit"] = unit
    batch = pa.RecordBatch.from_pydict(columns)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return bytes(sink.getvalue())
