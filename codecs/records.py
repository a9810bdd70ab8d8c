"""Wire formats in: the bytes of Kafka records to columns, and what cannot be read to rejects.

The first byte of a record shows its format: `{` one metric as a JSON object, `[` a JSON array of
such objects, 0xFF an Arrow IPC stream with the columns of `codecs.schemas.METRICS`. All three give
the same rows, and keep the contract of `codecs.contract`: rows and at most one bounded reject come
out, never an exception. In an array or an Arrow stream only the broken elements are lost, so a good
sample is never lost with a bad neighbour.

Speed decides the shape of `_decode_slice`: records are joined and parsed in one call, about
10,000 at a time so that they stay in the processor's cache (350 ns a record against 1,400 ns
for 200,000 at a time). The joined parse may only be used when it cannot mistake where one
record ends; `_joints_are_sound` decides that.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from padit.codecs.arrow import MOST_TOGETHER, decode_stream, rows_from_streams
from padit.codecs.arrow_headers import ROW_BYTES
from padit.codecs.contract import (
    NOTHING_LEFT_OUT,
    Codec,
    Faults,
    LeftOut,
    Reject,
    Sampled,
    bounded,
)
from padit.codecs.json_known import Found
from padit.codecs.json_records import UNREADABLE, Samples, json_reader
from padit.codecs.names import MAX_NAME_LENGTH
from padit.domain.findings import Unwatched, add_unwatched
from padit.domain.rows import Rows, concatenate

__all__ = ["CODECS", "MAX_NAME_LENGTH", "Decoded", "Reject", "codec_of", "decode"]

_LOG = logging.getLogger(__name__)
_TOGETHER = 1 << 16  # records that are looked up in one go
_SLICE = 10_000  # records that are parsed in one go
_OPEN, _CLOSE, _BREAK = b"{}\n"
_STREAM = 0xFF  # an Arrow IPC stream begins with the continuation marker 0xFFFFFFFF
_TOMBSTONE = "tombstone: the record has no value"
_KNOWN_ERRORS = (*UNREADABLE, pa.ArrowException, OSError, ValueError)  # OSError: cut streams

CODECS = (
    Codec("JSON array", b"[", True, lambda data, names: json_reader(names).decode_array(data)),
    Codec("Arrow stream", bytes([_STREAM]), True, decode_stream),
    Codec("JSON object", b"", False, lambda data, names: json_reader(names).decode_object(data)),
)
"""Every record format; the first that fits decodes, and the last one names the fault."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """The rows and rejects of a list of records.

    Attributes:
        rows: the readable samples, in the order of the records.
        record: int64 (n,), for every row the position of its record.
        rejects: in the order of the records, at most one for each.
        element: int32 (n,), for every row its number within its record.
        taken: how many of the records were decoded; the others, if any, are for the next call,
            because the rows of these take as much memory as is allowed.
        left_out: rows of which a label could not be used.
        unwatched: what is there and becomes no sample by decision of a mapping; without place.
    """

    rows: Rows
    record: NDArray[np.int64]
    rejects: list[Reject]
    element: NDArray[np.int32]
    taken: int
    left_out: LeftOut = NOTHING_LEFT_OUT
    unwatched: tuple[Unwatched, ...] = ()

    def moved(self, by: int) -> "Decoded":
        """The same behind `by` other records."""
        rejects = [one._replace(record=one.record + by) for one in self.rejects]
        return replace(self, record=self.record + by, rejects=rejects)


def decode(values: Sequence[bytes | None], max_bytes: int, labels: tuple[str, ...] = ()) -> Decoded:
    """Records to rows; no bytes can make it raise.

    Args:
        values: the records' values; None is a tombstone.
        max_bytes: a longer record is rejected unread.
        labels: keys of the samples' metadata that become labels.
    """
    parts = _in_parts(values, _TOGETHER, lambda some: _decode_some(some, max_bytes, labels))
    return _joined(parts)


def _in_parts(
    values: Sequence[bytes | None], size: int, read: Callable[[Sequence[bytes | None]], Decoded]
) -> list[Decoded]:
    """So many records at a time, until one call does not take all it is given."""
    parts: list[Decoded] = []
    start = 0
    while start < len(values):
        chosen = values[start : start + size] if len(values) > size else values
        part = read(chosen)
        parts.append(part.moved(start) if start else part)
        start += part.taken
        if part.taken < len(chosen):
            break
    return parts


def _joined(parts: Sequence[Decoded]) -> Decoded:
    if len(parts) == 1:
        return parts[0]
    return Decoded(
        concatenate([part.rows for part in parts]),
        np.concatenate([part.record for part in parts] or [np.empty(0, np.int64)]),
        [reject for part in parts for reject in part.rejects],
        np.concatenate([part.element for part in parts] or [np.empty(0, np.int32)]),
        sum(part.taken for part in parts),
        _all_left_out(parts),
        _all_unwatched(parts),
    )


def _all_left_out(parts: Sequence[Decoded | Sampled]) -> LeftOut:
    found = NOTHING_LEFT_OUT
    for part in parts:
        found = found.plus(part.left_out)
    return found


def _all_unwatched(parts: Sequence[Decoded | Sampled]) -> tuple[Unwatched, ...]:
    found: tuple[Unwatched, ...] = ()
    for part in parts:
        found = add_unwatched(found, part.unwatched)
    return found


def _decode_some(
    values: Sequence[bytes | None], max_bytes: int, labels: tuple[str, ...]
) -> Decoded:
    """Records that are known, and then the others."""
    known = json_reader(labels).known
    try:
        found = known.read(values, max_bytes)
    except Exception as error:  # no record may stop the job, whatever is wrong with this code
        note_unexpected(error)
        known.forget()
        return _decode_others(values, max_bytes, labels)
    if not len(found.record):
        return _decode_others(values, max_bytes, labels)
    if not len(found.others):
        return Decoded(found.rows, found.record, [], found.element, len(values))
    return _merged(found, values, max_bytes, labels)


def _merged(
    found: Found, values: Sequence[bytes | None], max_bytes: int, labels: tuple[str, ...]
) -> Decoded:
    """The records that are known, with all others in their places."""
    rows, record, element, others = found
    taken = len(values)
    rest = _decode_others([values[i] for i in others.tolist()], max_bytes, labels)
    if rest.taken < len(others):
        taken = int(others[rest.taken])
        kept = record < taken
        rows, record, element = rows.select(kept), record[kept], element[kept]
    record = np.concatenate([record, others[rest.record]])
    order = np.argsort(record, kind="stable")
    element = np.concatenate([element, rest.element])
    rejects = [one._replace(record=int(others[one.record])) for one in rest.rejects]
    whole = concatenate([rows, rest.rows])
    return Decoded(
        whole.select(order), record[order], rejects, element[order], taken, rest.left_out,
        rest.unwatched,
    )  # fmt: skip


def _decode_others(
    values: Sequence[bytes | None], max_bytes: int, labels: tuple[str, ...]
) -> Decoded:
    """Records that are not known, in slices."""
    return _joined(_in_parts(values, _SLICE, lambda some: _decode_slice(some, max_bytes, labels)))


def _decode_slice(
    chosen: Sequence[bytes | None], max_bytes: int, labels: tuple[str, ...]
) -> Decoded:
    try:
        return _decode_unknown(chosen, max_bytes, labels)
    except Exception as error:  # no record may stop the job, whatever is wrong with this code
        note_unexpected(error)
        return _decode_one_by_one(chosen, max_bytes, labels)


def note_unexpected(error: Exception) -> None:
    """Log an error that decoding should not have met, with its place."""
    _LOG.warning("decoding met an error that it does not know; please report it", exc_info=error)


def _decode_unknown(
    chosen: Sequence[bytes | None], max_bytes: int, labels: tuple[str, ...]
) -> Decoded:
    read = _parse_joined(chosen, max_bytes, labels)
    if read is None:
        found = _decode_streams(chosen, max_bytes, labels)
        found = found or _decode_without_empty(chosen, max_bytes, labels)
        return found or _decode_one_by_one(chosen, max_bytes, labels)
    rows, left_out, good, bad, reason = json_reader(labels).columns_of(read)
    record = np.arange(len(chosen)) if good is None else np.flatnonzero(good)
    rejects = [Reject(i, bounded(reason(i))) for i in bad.tolist()]
    return Decoded(rows, record, rejects, np.zeros(len(rows), np.int32), len(chosen), left_out)


def _decode_without_empty(
    chosen: Sequence[bytes | None], max_bytes: int, labels: tuple[str, ...]
) -> Decoded | None:
    """The records that hold something, together: a tombstone must not cost its neighbours.

    None where all of them do.
    """
    kept = np.flatnonzero([bool(value) for value in chosen])
    if len(kept) == len(chosen):
        return None
    rest = _decode_others([chosen[i] for i in kept.tolist()], max_bytes, labels)
    taken = len(chosen) if rest.taken == len(kept) else int(kept[rest.taken])
    rejects = [one._replace(record=int(kept[one.record])) for one in rest.rejects]
    for position, value in enumerate(chosen[:taken]):
        if not value:
            rejects.append(Reject(position, _TOMBSTONE if value is None else "empty"))
    rejects.sort(key=lambda one: one.record)
    return replace(rest, record=kept[rest.record], rejects=rejects, taken=taken)


def _decode_streams(
    values: Sequence[bytes | None], max_bytes: int, labels: tuple[str, ...]
) -> Decoded | None:
    """All records at once, if all are Arrow streams without a fault."""
    streams = [
        value for value in values if value and value[0] == _STREAM and len(value) <= max_bytes
    ]
    if not streams or len(streams) < len(values):
        return None
    found = rows_from_streams(streams, labels)
    if found is None:
        return None
    counts = found.counts
    record = np.repeat(np.arange(len(counts)), counts)
    first = np.repeat(np.cumsum(counts) - counts, counts)
    element = (np.arange(len(record)) - first).astype(np.int32)
    return Decoded(found.rows, record, [], element, len(counts), found.left_out, found.unwatched)


def _parse_joined(
    values: Sequence[bytes | None], max_bytes: int, labels: tuple[str, ...]
) -> Samples | None:
    """All records in one parse, or None where they have to be read one by one."""
    try:
        joined = b"\n".join(values)  # type: ignore[arg-type]  # None raises TypeError
    except TypeError:
        return None
    if not _joints_are_sound(joined, len(values), max_bytes):
        return None
    return json_reader(labels).parse_lines(joined, len(values))


def _joints_are_sound(joined: bytes, records: int, max_bytes: int) -> bool:
    """Whether every record of a joined text holds exactly the values that begin in it.

    There are as many breaks as joints, so no record holds one, and every joint reads `}` break
    `{`: within a JSON value `}` is never followed by `{` without a comma, so no joint lies
    inside a value, every record holds at least one value, and an equal count means one each.
    """
    text = np.frombuffer(joined, np.uint8)
    if not text.size or text[0] != _OPEN or text[-1] != _CLOSE:
        return False
    joint = np.flatnonzero(text == _BREAK)
    longest = int(np.diff(joint, prepend=-1, append=text.size).max()) - 1
    return bool(
        len(joint) == records - 1
        and longest <= max_bytes
        and (text[joint - 1] == _CLOSE).all()
        and (text[joint + 1] == _OPEN).all()
    )


def _decode_one_by_one(
    values: Sequence[bytes | None], max_bytes: int, labels: tuple[str, ...]
) -> Decoded:
    """Each record by itself, until the rows of all take as much memory as is allowed."""
    parts: list[Sampled] = []
    record: list[NDArray[np.int64]] = []
    rejects: list[Reject] = []
    held = 0
    for position, value in enumerate(values):
        if held > MOST_TOGETHER:
            break
        found, reject = _decode_record(value, position, max_bytes, labels)
        parts.append(found)
        record.append(np.full(len(found.rows), position))
        held += ROW_BYTES * len(found.rows)
        if reject is not None:
            rejects.append(reject)
    whole = concatenate([part.rows for part in parts])
    element = np.concatenate([part.element for part in parts])
    left_out, left = _all_left_out(parts), _all_unwatched(parts)
    return Decoded(whole, np.concatenate(record), rejects, element, len(parts), left_out, left)


def _decode_record(
    value: bytes | None, position: int, max_bytes: int, labels: tuple[str, ...]
) -> tuple[Sampled, Reject | None]:
    """One record of any format."""
    nothing = Sampled(Rows.empty(), np.empty(0, np.int32), Faults())
    if not value:
        return nothing, Reject(position, _TOMBSTONE if value is None else "empty")
    if len(value) > max_bytes:
        why = f"{len(value)} bytes, more than the {max_bytes} of --max_record_bytes"
        return nothing, Reject(position, why)
    try:
        found = codec_of(value).decode(value, labels)
        return found, found.faults.reject(position) if found.faults.count else None
    except _KNOWN_ERRORS as error:
        return nothing, Reject(position, bounded(f"{error}"))
    except Exception as error:  # no record may stop the job, whatever is wrong with this code
        note_unexpected(error)
        return nothing, Reject(position, bounded(f"{type(error).__name__}: {error}"))


def codec_of(value: bytes) -> Codec:
    """The codec of a record; white space may precede JSON."""
    begin = value[:1] if not value[:1].isspace() else value.lstrip()[:1]
    return next(codec for codec in CODECS if begin.startswith(codec.begins))
