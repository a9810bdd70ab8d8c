"""State of many series as columns: one row a series, saved as versioned bytes.

What flows in: the series of a table. What flows out: the row of each, made on first sight, reset
after `retention` without a sample. Rows are dropped once no sample can continue them, so the state
has an end; whether a series is reset depends on its own times alone.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from padit.domain.errors import StateError
from padit.domain.features import FeatureTable
from padit.domain.metric import Series
from padit.ops.compiled import kernel, lean_kernel

__all__ = ["Columns", "Field", "Samples", "bounded", "locate", "row_argmax", "samples_of"]


@dataclass(frozen=True, slots=True)
class Field:
    """One column: shape of a row, type, and what a new series begins with.

    Attributes:
        places: numbers of a row by which kernels find others: where each stands, and the greatest
            that it may be (the least is 0). Bytes with another one are refused.
    """

    shape: tuple[int, ...]
    dtype: str
    start: float = 0.0
    places: tuple[tuple[int, int], ...] = ()


@dataclass(slots=True)
class Columns:
    """Rows of state; `row[series]` is the index into every array.

    Attributes:
        row: index of each series.
        seen: int64 (n,), end of the last window with a sample of the series, microseconds.
        data: the columns by name.

    Rows are only added; what takes some away makes new `Columns`.
    """

    row: dict[Series, int]
    seen: NDArray[np.int64]
    data: dict[str, NDArray[np.generic]]
    _frame: "_Frame | None" = field(default=None, repr=False, compare=False)
    _found: "_Found | None" = field(default=None, repr=False, compare=False)

    @classmethod
    def empty(cls, fields: Mapping[str, Field]) -> "Columns":
        """State before the first window."""
        data = {name: np.empty((0, *f.shape), f.dtype) for name, f in fields.items()}
        return cls({}, np.empty(0, np.int64), data)

    def without(self, gone: Collection[Series]) -> "Columns":
        """The rows of all series but these, in their order."""
        if not any(one in self.row for one in gone):
            return self
        stay = {key: at for key, at in self.row.items() if key not in gone}
        keep = np.array(list(stay.values()), np.int64)
        data = {name: column[keep] for name, column in self.data.items()}
        return Columns({key: i for i, key in enumerate(stay)}, self.seen[keep], data)

    def part_of(self, series: Series, oldest: float) -> "Columns":
        """The row of one series alone; none if it was not seen since `oldest`, microseconds."""
        at = self.row.get(series)
        if at is None or self.seen[at] < oldest:
            nothing = {name: column[:0] for name, column in self.data.items()}
            return Columns({}, self.seen[:0], nothing)
        data = {name: column[at : at + 1] for name, column in self.data.items()}
        return Columns({series: 0}, self.seen[at : at + 1], data)

    def dump(self, version: int) -> bytes:
        """Bytes, series in their canonical order."""
        frame = self._frame
        if frame is None or frame.count != len(self.row) or frame.version != version:
            frame = self._frame = _Frame.of(self, version)
        columns = [self.seen, *map(self.data.__getitem__, frame.names)]
        if frame.order is not None:
            columns = [column[frame.order] for column in columns]
        pairs: Any = zip(frame.heads, columns, strict=True)
        return b"".join([*chain.from_iterable(pairs), frame.end])

    def has(self, series: tuple[Series, ...]) -> bool:
        """Whether they were looked up before, and all have a row."""
        known = self._found
        return known is not None and (known.series is series or known.series == series)

    def rows_of(self, series: tuple[Series, ...]) -> NDArray[np.int64]:
        """int64 (series,): the row of each, -1 for those that have none; not to be changed."""
        known = self._found
        if known is not None and self.has(series):
            return known.rows
        rows = np.array([self.row.get(key, -1) for key in series], np.int64)
        if not len(rows) or rows.min() >= 0:
            self._found = _Found(series, rows)
        return rows

    @classmethod
    def load(cls, data: bytes, version: int, fields: Mapping[str, Field]) -> "Columns":
        """State from bytes.

        Raises:
            StateError: damaged, of another version, or of other parameters.
        """
        try:
            saved = _decoder.decode(data)
        except ValueError as error:
            message = f"detector state is damaged ({error}); restore another savepoint"
            raise StateError(message) from error
        if saved.version != version:
            message = (
                f"detector state has version {saved.version}, this code reads {version}; "
                "replay the history instead of restoring it"
            )
            raise StateError(message)
        keys = saved.keys
        try:
            arrays: dict[str, NDArray[np.generic]] = {
                name: np.frombuffer(saved.data[name], f.dtype).reshape(len(keys), *f.shape).copy()
                for name, f in fields.items()
            }
            seen = np.frombuffer(saved.seen, "<i8").reshape(len(keys)).copy()
        except (KeyError, ValueError) as error:
            message = f"detector state does not fit the detector's parameters ({error})"
            raise StateError(message) from error
        _check_places(arrays, fields)
        return cls({key: i for i, key in enumerate(keys)}, seen, arrays)


class _Saved(msgspec.Struct, array_like=True):
    version: int
    keys: list[Series]
    seen: bytes
    data: dict[str, bytes]


def _check_places(arrays: Mapping[str, NDArray[Any]], fields: Mapping[str, Field]) -> None:
    """Raises StateError: a kernel would look beside its memory."""
    for name, one in fields.items():
        for at, most in one.places:
            column = arrays[name][:, at]
            if not ((column >= 0) & (column <= most)).all():
                message = (
                    f"detector state is damaged (number {at} of {name!r} is not within 0 and "
                    f"{most}); restore another savepoint"
                )
                raise StateError(message)


_LAST = 2**63 - 1
_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Saved)


@dataclass(frozen=True, slots=True)
class _Frame:
    """All that the bytes of a state have beside its columns, the same until a series comes or goes.

    Attributes:
        version: of the bytes.
        count: how many series there are.
        names: of the columns, in their order.
        heads: what stands before `seen` and before each column, so that all of it is `_Saved`.
        end: what stands behind.
        order: int64 (count,), the row of each series in canonical order; None where that is theirs.
    """

    version: int
    count: int
    names: list[str]
    heads: list[bytes]
    end: bytes
    order: NDArray[np.int64] | None

    @classmethod
    def of(cls, state: Columns, version: int) -> "_Frame":
        """Of a state as it is now."""
        keys = sorted(state.row)
        places = [state.row[key] for key in keys]
        order = None if places == list(range(len(keys))) else np.array(places, np.int64)
        names = sorted(state.data)
        heads = [b"\x94" + _encoder.encode(version) + _encoder.encode(keys)]
        heads += map(_encoder.encode, names)
        columns = [state.seen, *map(state.data.__getitem__, names)]
        heads = [head + _of_bytes(one.nbytes) for head, one in zip(heads, columns, strict=True)]
        of_data = _of_map(len(names))
        if names:
            heads[1] = of_data + heads[1]
        return cls(version, len(keys), names, heads, b"" if names else of_data, order)


def _of_bytes(size: int) -> bytes:
    """What MessagePack has before so many bytes."""
    if size < 1 << 8:
        return b"\xc4" + size.to_bytes(1, "big")
    if size < 1 << 16:
        return b"\xc5" + size.to_bytes(2, "big")
    return b"\xc6" + size.to_bytes(4, "big")


def _of_map(count: int) -> bytes:
    """What it has before so many names and values."""
    return bytes([0x80 | count]) if count < 1 << 4 else b"\xde" + count.to_bytes(2, "big")


@dataclass(frozen=True, slots=True)
class _Found:
    """The rows of the series of a table, which all have one."""

    series: tuple[Series, ...]
    rows: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Samples:
    """The samples of a table, series by series in order of time.

    Attributes:
        order: int64 (m,), position in the table of each sample.
        value: float64 (m,), finite, within +-1e150 so that squares stay finite.
        start, count: int64 (k,), where the samples of each of the table's series lie.
    """

    order: NDArray[np.int64]
    value: NDArray[np.float64]
    start: NDArray[np.int64]
    count: NDArray[np.int64]


@lean_kernel
def bounded(value: float) -> float:
    """The number, within +-1e150 so that its square stays finite; 0 of NaN."""
    return min(max(value, -1e150), 1e150) if value == value else 0.0


def samples_of(table: FeatureTable) -> Samples:
    """Bring the slices of several windows together, each series in one run."""
    sizes = np.diff(table.offset)
    code = np.repeat(table.code, sizes)
    order = np.argsort(code, kind="stable")
    count = np.bincount(code, minlength=len(table.series)).astype(np.int64)
    start = np.cumsum(count) - count
    value = np.clip(np.nan_to_num(table.value[order]), -1e150, 1e150)
    return Samples(order, value, start, count)


def locate(
    state: Columns,
    fields: Mapping[str, Field],
    table: FeatureTable,
    retention: int,
    closed_until: int | None = None,
) -> tuple[Columns, NDArray[np.int64]]:
    """Rows of the table's series; new ones are made, those unseen for too long are reset.

    Args:
        state: before the table.
        fields: the columns.
        table: the windows that closed.
        retention: after so long without a sample a series counts as new, microseconds.
        closed_until: up to when time has passed for all series; None: as the table says.
    """
    until = table.closed_until if closed_until is None else closed_until
    rows = state.rows_of(table.series)
    before = max(-_LAST, min(until - retention, _LAST))  # the end of the input is beyond 64 bits
    if _goes_on(table.code, table.window_end, rows, state.seen, retention, before):
        return state, rows
    purged = _purge(state, fields, until - retention, rows)
    if purged is not state:
        state = purged
        rows = state.rows_of(table.series)
    rows = rows.copy()
    fresh = (rows < 0).nonzero()[0]
    if len(fresh):
        size = len(state.seen)
        rows[fresh] = np.arange(size, size + len(fresh))
        state.row.update({table.series[i]: size + n for n, i in enumerate(fresh.tolist())})
        state.seen = np.concatenate([state.seen, np.zeros(len(fresh), np.int64)])
        for name, f in fields.items():
            new = np.full((len(fresh), *f.shape), f.start, f.dtype)
            state.data[name] = np.concatenate([state.data[name], new])
    stale = rows[_see(table.code, table.window_end, rows, state.seen, retention)]
    if len(stale):
        for name, f in fields.items():
            state.data[name][stale] = np.array(f.start, f.dtype)
    return state, rows


@kernel
def _goes_on(
    code: NDArray[np.int32],
    end: NDArray[np.int64],
    rows: NDArray[np.int64],
    seen: NDArray[np.int64],
    retention: int,
    before: int,
) -> bool:
    """Whether all series have a row, none begins again and few are to be dropped; then as `_see`.

    That is so at nearly every close; otherwise nothing is written.

    Args:
        code: as in `_see`.
        end: likewise.
        rows: likewise; -1 for a new series.
        seen: likewise.
        retention: likewise.
        before: series unseen since then are dropped.
    """
    for one in rows:
        if one < 0:
            return False
    gone = 0
    for moment in seen:
        gone += moment < before
    if 4 * gone > len(seen):
        return False
    for i in range(len(code)):  # `_see` decides where a window is far from the last one
        last = seen[rows[code[i]]]
        if last > 0 and end[i] - last > retention:
            return False
    for i in range(len(code)):
        row = rows[code[i]]
        seen[row] = max(seen[row], end[i])
    return True


@kernel
def _see(
    code: NDArray[np.int32],
    end: NDArray[np.int64],
    rows: NDArray[np.int64],
    seen: NDArray[np.int64],
    retention: int,
) -> NDArray[np.bool_]:
    """Note the latest window of each series; which were unseen for too long before the first.

    Args:
        code: int32 (n,), the series of each window of the table.
        end: int64 (n,), sorted.
        rows: int64 (series,), the row of each series.
        seen: int64, end of the last window by row, written; 0 for a new one.
        retention: microseconds.
    """
    stale, met = np.zeros(len(rows), np.bool_), np.zeros(len(rows), np.bool_)
    for i in range(len(code)):
        one = code[i]
        before = seen[rows[one]]
        if not met[one]:
            met[one] = True
            stale[one] = before > 0 and end[i] - before > retention
        seen[rows[one]] = max(before, end[i])
    return stale


def _purge(
    state: Columns, fields: Mapping[str, Field], before: int, needed: NDArray[np.int64]
) -> Columns:
    """Drop series unseen since `before`, except those in `needed` (-1: none)."""
    gone = state.seen < before
    if not gone.any():
        return state
    gone[needed[needed >= 0]] = False
    if 4 * int(np.count_nonzero(gone)) <= len(gone):  # copying is worth it only for many
        return state
    keep = np.flatnonzero(~gone)
    number = {int(old): new for new, old in enumerate(keep)}
    row = {key: number[i] for key, i in state.row.items() if i in number}
    return Columns(row, state.seen[keep], {name: state.data[name][keep] for name in fields})


def row_argmax(
    sample: NDArray[np.float64], offset: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Highest score of each row's samples (NaN if none has a score) and where it stands."""
    score = np.full(len(offset) - 1, np.nan)
    best = np.zeros(len(offset) - 1, np.int64)
    size = np.diff(offset)
    some = np.flatnonzero(size)
    if some.size:
        filled = np.nan_to_num(sample, nan=-1.0)
        score[some] = np.fmax.reduceat(sample, offset[some])
        owner = np.repeat(np.arange(len(size)), size)
        order = np.lexsort((-np.arange(len(sample)), filled, owner))  # the last wins
        best[some] = order[offset[some] + size[some] - 1]
    return score, best
