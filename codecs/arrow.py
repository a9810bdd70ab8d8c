"""The Arrow IPC wire format: one Kafka record that carries many samples as columns.

`codecs.arrow_headers` has weighed a stream before Arrow opens it; here its columns become rows.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from padit.codecs.arrow_headers import Layout, weigh
from padit.codecs.arrow_labels import attributes_of, known_kinds, unknown_kinds
from padit.codecs.arrow_text import Names, encode_names
from padit.codecs.contract import NOTHING_LEFT_OUT, Faults, LeftOut, Sampled, shorten
from padit.codecs.names import find_unusable
from padit.domain.errors import WireFormatError
from padit.domain.findings import Unwatched
from padit.domain.metric import Series
from padit.domain.rows import Rows
from padit.domain.timestamps import EARLIEST_US, LATEST_US, micros_from_numbers, parse_timestamp

__all__ = [
    "Together",
    "arrow_from_columns",
    "combine_names",
    "decode_stream",
    "describe_bad_stamp",
    "encode_names",
    "parse_timestamps",
    "rows_from_streams",
]

MOST_TOGETHER = 32 << 20
"""Unpacked bytes of the streams that are decoded in one go; the first one may be larger."""
LONGEST_STAMP = 64
"""Characters of a timestamp in text; the longest RFC 3339 form has 35."""

_REQUIRED = ("timestamp", "source_id", "metric_name", "value")
_SPREAD = 1 << 62
_MOST_COLUMNS = 50
_NO_FIELD = "it is no field of a sample, which has one value"
_COLUMNS = "one sample for each of its values, with a metric_name of its own"


class Together(NamedTuple):
    """The rows of several streams.

    Attributes:
        rows: of the first streams, as many as take `MOST_TOGETHER` bytes.
        counts: int64 (m,), how many rows each of them has.
        left_out: rows of which a label cannot be used.
        unwatched: what becomes no part of a row.
    """

    rows: Rows
    counts: NDArray[np.int64]
    left_out: LeftOut
    unwatched: tuple[Unwatched, ...]


def decode_stream(value: bytes, labels: tuple[str, ...] = ()) -> Sampled:
    """An Arrow IPC stream to rows.

    Args:
        value: the stream.
        labels: keys of the metadata that become labels.

    Raises:
        WireFormatError: a required column is missing or of a type that cannot be converted, or
            the stream asks for too much memory.
        pyarrow.ArrowException: the bytes are no valid stream.
    """
    _, layout, table = _table(value, labels)
    table.validate(full=True)  # buffers come from outside: offsets and UTF-8 are checked
    for name in _REQUIRED:
        if name not in table.column_names:
            message = f"Arrow stream without the column {name}; it has {table.column_names}"
            raise WireFormatError(message)
    if not table.num_rows:
        message = "an Arrow stream without a row"
        raise WireFormatError(message)
    faults = Faults()
    whole, element, kinds = _complete(table.combine_chunks(), faults)
    time, bad = _micros(whole)
    rows, left_out = _rows(whole, time, kinds, labels)
    if layout.no_labels:
        left_out = LeftOut(len(rows), layout.no_labels)
    good = _judge(whole, rows, bad, element, faults)
    left = _left(layout, table.num_rows, kinds, good)
    if not good.all():
        rows, element = rows.select(good), element[good]
    return Sampled(rows, element.astype(np.int32), faults, left_out, left)


def _left(
    layout: Layout, present: int, kinds: Names | None, good: NDArray[np.bool_]
) -> tuple[Unwatched, ...]:
    """Columns of numbers that no sample has, and unknown types of the good rows."""
    names = layout.others[:_MOST_COLUMNS]
    left = [
        Unwatched("", f"field {shorten(name)}", _NO_FIELD, _COLUMNS, present, "fields", present)
        for name in names
    ]
    more = (len(layout.others) - len(names)) * present
    if more:
        left.append(Unwatched("", "other fields", _NO_FIELD, _COLUMNS, more, "fields", more))
    return (*left, *(unknown_kinds(kinds, good, "fields") if kinds else ()))


def rows_from_streams(values: Sequence[bytes], labels: tuple[str, ...] = ()) -> Together | None:
    """Many streams of one schema in one pass, if not a single row of them has a fault.

    Most of the time that a small stream costs is spent on the way to its columns (1 ms for 250
    rows); together they share it.

    Returns:
        None if one of them has a fault: then each is read on its own to find it.
    """
    tables: list[pa.Table] = []
    held = 0
    first: Layout | None = None
    try:
        for value in values:
            weight, layout, table = _table(value, labels)
            first = first or layout
            held += weight
            if tables and held > MOST_TOGETHER:
                break
            if layout is not first and not layout.schema.equals(first.schema):
                return None
            if not table.num_rows or layout.no_labels:
                return None
            tables.append(table)
        whole = pa.concat_tables(tables)
        whole.validate(full=True)
        names = whole.schema.names
        if any(name not in names or whole[name].null_count for name in _REQUIRED):
            return None
        faults = Faults()
        complete, element, kinds = _complete(whole.unify_dictionaries().combine_chunks(), faults)
        time, bad = _micros(complete)
        rows, left_out = _rows(complete, time, kinds, labels)
        good = _judge(complete, rows, bad, element, faults)
        if not good.all() or faults.count or first is None:
            return None
    except (pa.ArrowException, ValueError, OSError):
        return None
    counts = np.array([table.num_rows for table in tables], np.int64)
    return Together(rows, counts, left_out, _left(first, len(rows), kinds, good))


def _table(value: bytes, labels: tuple[str, ...]) -> tuple[int, Layout, pa.Table]:
    """A stream's weight, its layout and the columns of it that are used."""
    weight, layout = weigh(value, labelled=bool(labels))
    with pa.ipc.open_stream(value, options=layout.options) as stream:
        return weight, layout, stream.read_all()


def _complete(table: pa.Table, faults: Faults) -> tuple[pa.Table, NDArray[np.int64], Names | None]:
    """The rows without a null, their numbers, and the types they state."""
    types: Names | None = None
    good = np.ones(table.num_rows, bool)
    for name in _REQUIRED:
        if table[name].null_count:
            null = np.asarray(pc.is_null(table[name]))
            faults.note(np.flatnonzero(null & good), f"{name} is null")
            good &= ~null
    if "metric_type" in table.column_names:
        types = encode_names(table["metric_type"])
    element = np.flatnonzero(good)
    if len(element) == len(good):
        return table, element, types
    return table.filter(pa.array(good)), element, types and (types[0], types[1][good])


def _judge(
    table: pa.Table, rows: Rows, bad: NDArray[np.int64], element: NDArray[np.int64], faults: Faults
) -> NDArray[np.bool_]:
    """A mask of the usable rows; the faults of the others are added to `faults`."""
    good = np.ones(len(rows), bool)

    def refuse(found: NDArray[np.bool_], reason: Callable[[int], str]) -> None:
        chosen = np.flatnonzero(found & good)
        if len(chosen):
            faults.note(element[chosen], lambda i: reason(int(chosen[i])))
            good[chosen] = False

    unusable = find_unusable(rows.series)
    if unusable:
        named = np.isin(rows.code, np.fromiter(unusable, np.int32, len(unusable)))
        refuse(named, lambda i: unusable[int(rows.code[i])])
    finite = np.isfinite(rows.value)
    if not finite.all():
        refuse(~finite, lambda i: f"value {rows.value[i]} is not a finite number")
    if len(bad):
        unread = np.zeros(len(rows), bool)
        unread[bad] = True
        refuse(unread, lambda i: describe_bad_stamp(table["timestamp"][i].as_py()))
    in_range = (rows.time >= EARLIEST_US) & (rows.time < LATEST_US)
    if not in_range.all():
        refuse(
            ~in_range, lambda i: f"timestamp {_stamp(table, i)} lies outside the years 2000 to 2199"
        )
    return good


def _stamp(table: pa.Table, row: int) -> str:
    column = table["timestamp"]
    if pa.types.is_timestamp(column.type):  # as_py cannot show every one
        return f"{column[row].value} {column.type.unit}"
    return shorten(column[row].as_py())


def _rows(
    table: pa.Table, time: NDArray[np.int64], kinds: Names | None, labels: tuple[str, ...]
) -> tuple[Rows, LeftOut]:
    series, code = combine_names(
        *(
            encode_names(table[name])
            if name in table.column_names
            else ([""], np.zeros(table.num_rows, np.int64))
            for name in Series._fields
        )
    )
    attributes, left_out = None, NOTHING_LEFT_OUT
    if kinds is not None or labels:
        known = kinds and known_kinds(kinds)
        attributes, left_out = attributes_of(table, known, labels, (code, len(series)))
    return Rows(series, code, time, _floats(table, "value"), attributes), left_out


def _floats(table: pa.Table, name: str) -> NDArray[np.float64]:
    """A column of numbers; whole numbers beyond 2**53 are rounded, as they are in JSON."""
    column = table[name]
    if not (pa.types.is_integer(column.type) or pa.types.is_floating(column.type)):
        message = f"the column {name} holds {column.type}, it must hold numbers"
        raise WireFormatError(message)
    floats: NDArray[np.float64] = column.cast(pa.float64(), safe=False).to_numpy()
    return floats


def combine_names(
    sources: Names, metrics: Names, units: Names
) -> tuple[list[Series], NDArray[np.int32]]:
    """Three encoded name columns of n rows to the distinct series and int32 (n,) codes."""
    rest = len(metrics[0]) * len(units[0])
    if len(sources[0]) * rest > _SPREAD:  # of names that do not occur, since rows are fewer
        return _combine_by_sorting(sources, metrics, units)
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


def _combine_by_sorting(
    sources: Names, metrics: Names, units: Names
) -> tuple[list[Series], NDArray[np.int32]]:
    codes = np.stack([sources[1], metrics[1], units[1]], axis=1)
    keys, code = np.unique(codes, axis=0, return_inverse=True)
    series = [Series(sources[0][s], metrics[0][m], units[0][u]) for s, m, u in keys.tolist()]
    return series, code.reshape(-1).astype(np.int32)


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


def _micros(table: pa.Table) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Event times, and rows whose text is no time; a time out of range becomes one before 2000."""
    column = table["timestamp"]
    kind = column.type
    none = np.empty(0, np.int64)
    if pa.types.is_timestamp(kind):
        ticks = np.asarray(column.cast(pa.int64()), np.int64)
        return _micros_of_ticks(ticks, kind.unit), none
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return parse_timestamps(column.to_pylist())
    return micros_from_numbers(_floats(table, "timestamp")), none


def _micros_of_ticks(ticks: NDArray[np.int64], unit: str) -> NDArray[np.int64]:
    if unit == "us":
        return ticks
    if unit == "ns":
        return ticks // 1000
    factor = {"s": 1_000_000, "ms": 1000}[unit]
    # Others would wrap around, perhaps into the range.
    near = (ticks >= 0) & (ticks <= LATEST_US // factor)
    return np.where(near, ticks, 0) * factor


def parse_timestamps(
    stamps: Sequence[float | str],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Timestamps of any form one by one (1.1 us each), and the positions of invalid ones."""
    times = np.zeros(len(stamps), np.int64)
    bad = []
    for i, stamp in enumerate(stamps):  # there is no vectorised RFC 3339 parser
        if isinstance(stamp, str) and len(stamp) > LONGEST_STAMP:
            bad.append(i)
            continue
        try:
            times[i] = parse_timestamp(stamp)
        except (ValueError, OverflowError):
            bad.append(i)
    return times, np.array(bad, np.int64)


def describe_bad_stamp(stamp: object) -> str:
    """Why a text is no timestamp."""
    if isinstance(stamp, str) and len(stamp) > LONGEST_STAMP:
        return f"timestamp {shorten(stamp)} has {len(stamp)} characters, at most {LONGEST_STAMP}"
    return f"timestamp {shorten(stamp)} is neither epoch seconds, ms nor RFC 3339"


def arrow_from_columns(
    timestamp: NDArray[np.float64] | NDArray[np.int64],
    source_id: pa.Array,
    metric_name: pa.Array,
    value: NDArray[np.float64],
    unit: pa.Array | None = None,
    metric_type: pa.Array | None = None,
) -> bytes:
    """Columns to one Arrow IPC stream.

    Args:
        timestamp: epoch seconds (float64) or epoch milliseconds (int64), shape (n,).
        source_id: (n,), best dictionary-encoded.
        metric_name: (n,), best dictionary-encoded.
        value: float64 (n,).
        unit: (n,), optional.
        metric_type: (n,), optional.
    """
    columns = {
        "timestamp": pa.array(timestamp),
        "source_id": source_id,
        "metric_name": metric_name,
        "value": pa.array(value),
    }
    if unit is not None:
        columns["unit"] = unit
    if metric_type is not None:
        columns["metric_type"] = metric_type
    batch = pa.RecordBatch.from_pydict(columns)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return bytes(sink.getvalue())
