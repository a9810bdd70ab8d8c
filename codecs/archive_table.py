"""Rows of an archive: records of a topic as an Arrow table, and back to the byte.

A record is a row for each of its samples, and one row if it has none. A plain sample has `form`,
the text of its record without time and value; every other record stands whole in `raw`, in the row
of its first sample. So columns can be queried, and the record can be written again.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import crc32c
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from padit.codecs.archive_forms import NO_FORM
from padit.codecs.archive_split import FormReader
from padit.codecs.record_batches import BatchHeader, Walked
from padit.codecs.records import decode
from padit.codecs.values import JoinedValues
from padit.domain.metric import Series

__all__ = ["SCHEMA", "SliceBuilder", "checksum_of"]

_TEXT = pa.dictionary(pa.int32(), pa.string())
SCHEMA = pa.schema(
    [
        ("partition", pa.int32()),
        ("offset", pa.int64()),
        ("timestamp", pa.timestamp("ms", "UTC")),
        ("element", pa.int32()),
        ("source_id", _TEXT),
        ("metric_name", _TEXT),
        ("unit", _TEXT),
        ("metric_type", _TEXT),
        ("time", pa.timestamp("us", "UTC")),
        ("value", pa.float64()),
        ("form", _TEXT),
        ("time_style", pa.int8()),
        ("value_style", pa.int8()),
        ("time_exact", pa.float64()),
        ("raw", pa.binary()),
        ("headers", pa.binary()),
        ("damage", pa.string()),
        ("damage_last", pa.int64()),
        ("damage_records", pa.int32()),
        ("key", pa.binary()),
    ]
)
"""Columns of every file of an archive, as docs/archive.md describes them."""


Ints = NDArray[np.int64]
Codes = NDArray[np.int32]


def checksum_of(values: JoinedValues, before: int = 0) -> int:
    """CRC-32C over records that lie together, with the line breaks between them."""
    if not len(values):
        return before
    end = int(values.start[-1] + max(int(values.length[-1]), 0))
    return int(crc32c.crc32c(values.text[int(values.start[0]) : end + 1], before))


class _Names:
    """Names of samples, each once: a number for (series, family)."""

    def __init__(self) -> None:
        self.pairs: list[tuple[Series, str]] = []
        self._number: dict[tuple[Series, str], int] = {}

    def number(self, series: Series, metric_type: str) -> int:
        pair = (series, metric_type)
        found = self._number.setdefault(pair, len(self.pairs))
        if found == len(self.pairs):
            self.pairs.append(pair)
        return found


class _Part(NamedTuple):
    """Columns of some rows; `name` -1: no sample; `raw` is a position in the texts, -1: none."""

    offset: Ints
    stamp: Ints
    element: Codes
    name: Codes
    time: Ints
    value: NDArray[np.float64]
    form: Codes
    time_style: NDArray[np.int8]
    value_style: NDArray[np.int8]
    exact: NDArray[np.float64]
    raw: Ints


class _Piece(NamedTuple):
    """Values of a column, and the number of the row of each."""

    row: Ints
    values: pa.Array


def binary_array(texts: JoinedValues, shortest: int = 0) -> pa.Array:
    """Texts that lie one behind the other; null where one is shorter than `shortest`."""
    length = np.maximum(texts.length, 0)
    first, count = int(texts.start[0]), len(texts)
    ends = np.zeros(count + 1, np.int32)
    np.cumsum(length, out=ends[1:])
    data = texts.text[first : first + int(ends[-1])].copy()  # the text of all else may go
    there = pa.array(texts.length >= shortest).buffers()[1]
    buffers = [there, pa.py_buffer(ends), pa.py_buffer(data)]
    return pa.Array.from_buffers(pa.binary(), count, buffers)


@dataclass
class SliceBuilder:
    """Collects records of one partition, in the order of their offsets, for one table.

    Attributes:
        partition: its number.
        forms: shared by all slices of a writer.
        max_bytes: records that are longer are not read for samples.
        records: collected so far; a damaged batch counts as one.
        rows: of the table so far.
        size: bytes of the records so far, with their keys and headers.
        raw: records that stand whole in the table.
        checksum: see `checksum_of`; damaged batches are left out.
        newest: the largest time of a record so far, milliseconds; -1: none has a time.
    """

    partition: int
    forms: FormReader
    max_bytes: int = 4 << 20
    records: int = 0
    rows: int = 0
    size: int = 0
    raw: int = 0
    checksum: int = 0
    newest: int = -1
    _parts: list[_Part] = field(default_factory=list)
    _names: _Names = field(default_factory=_Names)
    _texts: list[bytes | None] = field(default_factory=list)
    _beside: dict[str, list[_Piece]] = field(default_factory=lambda: {"headers": [], "key": []})
    _damaged: dict[int, BatchHeader] = field(default_factory=dict)
    _form_names: Codes = field(default_factory=lambda: np.empty(0, np.int32))

    def add(self, walked: Walked) -> None:
        """Take in records."""
        values = walked.values
        if not len(values):
            return
        found = self.forms.split(values)
        self._learn()
        others = np.flatnonzero(found.form < 0)
        formed: Any = np.flatnonzero(found.form >= 0) if len(others) else slice(None)
        form = found.form[formed]
        parts = [
            _Part(
                walked.offset[formed], walked.time[formed], np.zeros(len(form), np.int32),
                self._form_names[form] if len(form) else np.empty(0, np.int32),
                found.time[formed], found.value[formed], form,
                found.time_style[formed], found.value_style[formed], found.exact[formed],
                np.full(len(form), -1, np.int64),
            )
        ]  # fmt: skip
        if len(others):
            parts += self._whole(walked, others)
        part = _joined(parts)
        if len(parts) > 1:
            order = np.lexsort((part.element, part.offset))
            part = _Part(*(column[order] for column in part))  # type: ignore[arg-type]
        self._note(walked, part)
        self._parts.append(part)
        self.records += len(values)
        self.rows += len(part.offset)
        self.raw += len(others)
        self.size += int(np.maximum(values.length, 0).sum())
        self.checksum = checksum_of(values, self.checksum)
        self.newest = max(self.newest, int(walked.time.max()))

    def _learn(self) -> None:
        more = self.forms.forms[len(self._form_names) :]
        if more:
            numbers = [
                -1 if one is None else self._names.number(one.series, one.metric_type)
                for one in more
            ]
            self._form_names = np.append(self._form_names, np.array(numbers, np.int32))

    def _whole(self, walked: Walked, others: Ints) -> Iterator[_Part]:
        """Records that stand whole, with the samples that they hold."""
        texts = [walked.values[i] for i in others.tolist()]
        first = 0
        while first < len(texts):
            decoded = decode(texts[first:], self.max_bytes)
            chosen = others[first : first + decoded.taken]
            yield self._decoded(walked, chosen, texts[first : first + decoded.taken], decoded)
            first += decoded.taken

    def _decoded(
        self, walked: Walked, chosen: Ints, texts: Sequence[bytes | None], decoded: Any
    ) -> _Part:
        rows, record = decoded.rows, decoded.record
        empty = np.setdiff1d(np.arange(len(texts)), record)
        every = np.concatenate([record, empty])
        count = len(every)
        name = np.full(count, -1, np.int32)
        time, value = np.zeros(count, np.int64), np.zeros(count, np.float64)
        if len(record):
            name[: len(record)] = self._numbers(rows)
            time[: len(record)], value[: len(record)] = rows.time, rows.value
        element = np.zeros(count, np.int32)
        begins = np.searchsorted(record, record)
        element[: len(record)] = np.arange(len(record)) - begins
        raw = np.where(element == 0, every + len(self._texts), -1)
        self._texts += texts
        style = np.full(count, -1, np.int8)
        return _Part(
            walked.offset[chosen[every]], walked.time[chosen[every]], element, name, time, value,
            np.full(count, NO_FORM, np.int32), style, style, np.full(count, np.nan), raw,
        )  # fmt: skip

    def _numbers(self, rows: Any) -> Codes:
        """A number of names for each row."""
        table = ["custom"]
        code = np.zeros(len(rows), np.int32)
        if rows.attributes is not None:
            table = [one.metric_type for one in rows.attributes.table]
            code = rows.attributes.of_rows(rows.code)
        pairs, place = np.unique(
            rows.code.astype(np.int64) * len(table) + code, return_inverse=True
        )
        made = [
            self._names.number(rows.series[one // len(table)], table[one % len(table)])
            for one in pairs.tolist()
        ]
        return np.array(made, np.int32)[place]

    def _note(self, walked: Walked, part: _Part) -> None:
        """Headers and keys of records that have some, beside the number of their first row."""
        for column, texts, shortest in (("headers", walked.headers, 2), ("key", walked.keys, 0)):
            if texts is None or int(texts.length.max()) < shortest:  # one byte: no headers
                continue
            first = np.flatnonzero(part.element == 0)
            found = binary_array(texts, shortest)
            self._beside[column].append(_Piece(self.rows + first, found))
            self.size += found.nbytes

    def add_damaged(self, batch: BatchHeader) -> None:
        """Take in a batch that cannot be read: its bytes, and what its dead letter says."""
        one = np.zeros(1, np.int64)
        self._damaged[self.rows] = batch
        small, code, nothing = np.full(1, -1, np.int8), np.full(1, -1, np.int32), np.full(1, np.nan)
        self._parts.append(
            _Part(one + batch.first, one - 1, np.zeros(1, np.int32), code, one, np.zeros(1), code,
                  small, small, nothing, one + len(self._texts))
        )  # fmt: skip
        self._texts.append(bytes(batch.body))
        self.records += 1
        self.rows += 1
        self.size += len(batch.body)

    def keys(self) -> tuple[Ints, Codes, list[str]]:
        """Of each row its time (milliseconds, -1) and the number of its source (-1); the sources.

        Sources stand there once for each of their series.
        """
        part = self._whole_part()
        return part.stamp, part.name, [one.source_id for one, _ in self._names.pairs]

    def _whole_part(self) -> _Part:
        if len(self._parts) > 1:
            self._parts = [_joined(self._parts)]
        return self._parts[0]

    def table(self) -> pa.Table:
        """All rows, as they came."""
        (found,) = self.tables([np.arange(self.rows)])
        return found

    def tables(self, orders: Iterable[Ints]) -> Iterator[pa.Table]:
        """For each of some selections of rows a table of them, in that order."""
        whole, damaged = self._whole_part(), self._damaged.items()
        texts = pa.array(self._texts, pa.binary())
        at = np.array(list(self._damaged), np.int64)
        pieces = dict(self._beside)
        for column, values in (
            ("damage", [one.damage for _, one in damaged]),
            ("damage_last", [one.last for _, one in damaged]),
            ("damage_records", [one.records for _, one in damaged]),
        ):
            pieces[column] = [_Piece(at, pa.array(values, SCHEMA.field(column).type))]
        sparse = {
            column: _Sparse(found, self.rows, SCHEMA.field(column).type)
            for column, found in pieces.items()
        }
        for order in orders:
            part = _Part(*(column[order] for column in whole))  # type: ignore[arg-type]
            columns = self._columns(part)
            columns["raw"] = _taken(texts, part.raw)
            columns |= {name: one.of_rows(order) for name, one in sparse.items()}
            arrays = [columns[one.name].cast(one.type) for one in SCHEMA]
            yield pa.table(arrays, schema=SCHEMA)

    def _columns(self, part: _Part) -> dict[str, pa.Array]:
        """Columns of some rows, but for those that most records lack."""
        pairs = self._names.pairs
        name, series = _Coded(part.name, len(pairs)), [one for one, _ in pairs]
        form = _Coded(part.form, len(self.forms.forms))
        nameless, formless = name.missing, form.missing
        unlike = ~np.isnan(part.exact)
        return {
            "partition": pa.array(np.full(len(part.offset), self.partition, np.int32)),
            "offset": pa.array(part.offset),
            "timestamp": pa.array(part.stamp, mask=_mask(part.stamp == -1)),
            "element": pa.array(part.element),
            "source_id": name.named(lambda n: series[n].source_id),
            "metric_name": name.named(lambda n: series[n].metric_name),
            "unit": name.named(lambda n: series[n].unit),
            "metric_type": name.named(lambda n: pairs[n][1]),
            "time": pa.array(part.time, mask=nameless),
            "value": pa.array(part.value, mask=nameless),
            "form": form.named(lambda n: self.forms.forms[n].text),  # type: ignore[union-attr]
            "time_style": pa.array(part.time_style, mask=formless),
            "value_style": pa.array(part.value_style, mask=formless),
            "time_exact": pa.array(part.exact, mask=~unlike)
            if unlike.any()
            else pa.nulls(len(unlike), pa.float64()),
        }


def _joined(parts: Sequence[_Part]) -> _Part:
    if len(parts) == 1:
        return parts[0]
    return _Part(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def _mask(missing: NDArray[np.bool_]) -> NDArray[np.bool_] | None:
    """What `pa.array` wants; None where nothing is missing."""
    return missing if missing.any() else None


def _taken(values: pa.Array, place: Ints) -> pa.Array:
    """The values at these places; null at -1."""
    if not len(values) or not (place >= 0).any():
        return pa.nulls(len(place), values.type)
    return values.take(pa.array(place, mask=place < 0))


class _Coded:
    """A column of numbers that stand for texts; -1 for none.

    Args:
        code: of each row.
        count: the numbers are smaller.

    Attributes:
        missing: which rows have none; None where each has one.
    """

    def __init__(self, code: Codes, count: int) -> None:
        self.missing = _mask(code < 0)
        known = code if self.missing is None else code[code >= 0]
        self._used = np.flatnonzero(np.bincount(known, minlength=count)).tolist()
        self._code = code if self.missing is None else np.maximum(code, 0)
        self._count = count

    def named(self, text: Callable[[int], str]) -> pa.DictionaryArray:
        """A column of texts, each different one of those that occur once."""
        place: dict[str, int] = {}
        remap = np.zeros(max(self._count, 1), np.int32)
        for number in self._used:
            remap[number] = place.setdefault(text(number), len(place))
        index = pa.array(remap[self._code], mask=self.missing)
        return pa.DictionaryArray.from_arrays(index, pa.array(list(place), pa.string()))


class _Sparse:
    """A column that is null but in some of all rows."""

    def __init__(self, pieces: Sequence[_Piece], rows: int, kind: pa.DataType) -> None:
        found = [one for one in pieces if len(one.values)]
        self._values = pa.concat_arrays([one.values for one in found] or [pa.array([], kind)])
        self._place = np.full(rows if found else 0, -1, np.int64)
        if found:
            self._place[np.concatenate([one.row for one in found])] = np.arange(len(self._values))

    def of_rows(self, order: Ints) -> pa.Array:
        """The column in some order."""
        if not len(self._values):
            return pa.nulls(len(order), self._values.type)
        return _taken(self._values, self._place[order])
