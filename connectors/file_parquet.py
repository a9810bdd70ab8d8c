"""Parquet: typed columns, narrow or wide.

Only the columns that are needed are read, a batch of rows of one row group at a time, and names as
dictionaries. So memory is bounded by the cells of a batch, however far a small file expands.
"""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import PurePath
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from padit.codecs.dead_letter import DeadRecord
from padit.connectors.file_columns import Forms, rows_of
from padit.connectors.file_formats import OpenFile, Piece, register
from padit.connectors.file_options import TEXT_ONLY, FileOptions
from padit.connectors.file_parquet_plan import Layout, lay_out
from padit.connectors.file_plan import GivenTimes, Wide
from padit.connectors.file_sort import ascending
from padit.connectors.file_times import event_times, local_times
from padit.connectors.file_types import as_numbers, flattened, shown, valid_text
from padit.connectors.side_outputs import label_names, note_left_out
from padit.connectors.source import Decoder
from padit.connectors.tables.layout import guess_of_passes
from padit.connectors.tables.zones import Passes, passes_of
from padit.domain.errors import ConfigurationError, PaditError, SourceError
from padit.domain.findings import Findings
from padit.domain.rows import Rows

__all__ = ["Parquet"]

_TIMES = 262_144  # rows, where only times are read
_MOST_CELLS = 4 << 20  # of a batch
_MOST_PAGE = 1 << 30
_EXPANDS = 100
_BUFFER = 1 << 20


@register(".parquet", ".pq")
class Parquet:
    """Parquet files with the same mapping."""

    def __init__(self, options: FileOptions, suffix: str) -> None:
        for name in TEXT_ONLY:
            if name in options.model_fields_set:
                message = f"{suffix} files have typed columns and no {name}"
                raise ConfigurationError(message)
        self._options = options
        self._passes: dict[str, Passes] = {}

    def count(self, path: str) -> int:
        """Rows of the file, after a look at its columns."""
        with _reading(path, "cannot be read as Parquet"):
            file, layout = self._open(path)
            with file:
                _check_sizes(file.metadata, layout, path)
                rows = int(file.metadata.num_rows)
                if layout.form.zone and layout.form.repeated == "order":
                    self._passes[os.path.abspath(path)] = _passes(file, layout)
        if rows < 0:
            message = f"{path} cannot be read as Parquet: it claims to have {rows} rows"
            raise SourceError(message)
        return rows

    def in_order(self, path: str) -> bool:
        """Whether no time goes back; only the column of the time is read."""
        with _reading(path, "cannot be read"):
            file, layout = self._open(path)
            with file:
                if isinstance(layout.plan.time, GivenTimes):
                    return True
                return ascending(_times(file, layout))

    def findings(self, path: str, labels: tuple[str, ...] = ()) -> Findings:
        """What was guessed about a file, and which columns are not watched."""
        with _reading(path, "cannot be read"):
            file, layout = self._open(path, labels)
            with file:
                found = layout.findings(file.metadata, path)
        if not layout.form.passes:
            return found
        guesses = [*found.guesses, guess_of_passes(path, layout.form.zone)]
        return found._replace(guesses=guesses)

    def open(self, path: str, row: int, decode: Decoder) -> OpenFile:
        """Open at a row; the decoder only names the labels."""
        with _reading(path, "cannot be read as Parquet"):
            file, layout = self._open(path, label_names(decode))
            if layout.plan.labels.needed:
                _check_sizes(file.metadata, layout, path)
        return _OpenParquet(path, file, row, layout, decode)

    def _open(self, path: str, labels: tuple[str, ...] = ()) -> tuple[pq.ParquetFile, Layout]:
        with _file(path, []) as file:
            layout = lay_out(self._options, file, path, PurePath(path).stem, labels)
        passes = self._passes.get(os.path.abspath(path), ())
        layout = layout._replace(form=layout.form._replace(passes=passes))
        return _file(path, layout.texts), layout


def _file(path: str, texts: list[str]) -> pq.ParquetFile:
    return pq.ParquetFile(
        path, read_dictionary=texts, coerce_int96_timestamp_unit="us", buffer_size=_BUFFER
    )


@contextmanager
def _reading(path: str, what: str) -> Iterator[None]:
    """Whatever damaged bytes raise as a SourceError."""
    try:
        yield
    except PaditError:
        raise
    except Exception as error:  # the reader's errors are those of its C++ libraries
        message = f"{path} {what}: {error}"
        raise SourceError(message) from error


def _check_sizes(metadata: pq.FileMetaData, layout: Layout, path: str) -> None:
    """Refuse a column that might unpack into more than memory holds, page by page or not."""
    needed = set(layout.plan.needed)
    for group in range(metadata.num_row_groups):
        for number in range(metadata.num_columns):
            column = metadata.row_group(group).column(number)
            unpacked, packed = column.total_uncompressed_size, column.total_compressed_size
            if column.path_in_schema not in needed or unpacked <= _MOST_PAGE:
                continue
            if unpacked > _EXPANDS * max(1, packed):
                message = (
                    f"{path}: {packed} bytes of the column {column.path_in_schema!r} (row group "
                    f"{group}) unpack into {unpacked}, more than {_EXPANDS} times as many and than "
                    f"{_MOST_PAGE}: write the file with smaller row groups"
                )
                raise SourceError(message)


def _times(file: pq.ParquetFile, layout: Layout) -> Iterator[NDArray[np.int64]]:
    """Event times of all rows that have one."""
    plan = layout.plan._replace(source=None, body=Wide((), (), ()))
    for first, table in _column_of_times(file, layout):
        number = np.arange(first, first + table.num_rows)
        yield event_times(plan, table, number, layout.form)


def _column_of_times(file: pq.ParquetFile, layout: Layout) -> Iterator[tuple[int, pa.Table]]:
    """The column of the time alone, each part with the number of its first row."""
    first, column = 0, str(layout.plan.time)
    for batch in file.iter_batches(_TIMES, columns=[column], use_threads=False):
        yield first, _prepared(pa.Table.from_batches([batch]), layout, [column])
        first += batch.num_rows


def _passes(file: pq.ParquetFile, layout: Layout) -> Passes:
    """Which rows of hours that come twice are the first and which the second ones."""
    column = layout.plan.time
    if isinstance(column, GivenTimes):
        return ()

    def locals_of(part: tuple[int, pa.Table]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        first, table = part
        found = local_times(table[column])
        chosen = found.local & ~found.bad
        return found.micros[chosen], np.flatnonzero(chosen) + first

    alone = isinstance(layout.plan.body, Wide) and layout.plan.source is None
    return passes_of(map(locals_of, _column_of_times(file, layout)), layout.form.zone, alone=alone)


def _prepared(table: pa.Table, layout: Layout, needed: list[str]) -> pa.Table:
    """The needed columns in forms that every table may have."""
    table = flattened(table)
    if table.column_names == needed and not layout.special:
        return table
    columns: dict[str, Any] = {}
    for name in needed:
        column = table[name]
        if name in layout.special:
            kind = layout.special[name]
            column = valid_text(column) if name in layout.texts else as_numbers(column, kind)
        columns[name] = column
    return pa.table(columns)


class _OpenParquet:
    def __init__(
        self, path: str, file: pq.ParquetFile, row: int, layout: Layout, decode: Decoder
    ) -> None:
        self._path = path
        self._decode = decode
        self._file = file
        self._row = row
        self._layout = layout
        self._plan = layout.plan
        self._batches: Iterator[pa.RecordBatch] | None = None
        self._rest: pa.Table | None = None

    def take(self, most: int) -> Piece:
        with _reading(self._path, f"cannot be read on at row {self._row}"):
            table = self._next(most)
            if table is None:
                return Piece(0, Rows.empty(), [])
            chosen, self._rest = table[:most], table[most:] if table.num_rows > most else None
            return self._piece(_prepared(chosen, self._layout, self._plan.needed))

    def _piece(self, chosen: pa.Table) -> Piece:
        number = np.arange(self._row, self._row + chosen.num_rows)
        converted = rows_of(self._plan, chosen, number, Forms(self._layout.form))
        note_left_out(self._decode, converted.left_out)
        dead = [
            DeadRecord(_text(chosen, one.record), one, self._path, 0, int(number[one.record]))
            for one in converted.rejects
        ]
        self._row += chosen.num_rows
        return Piece(chosen.num_rows, converted.rows, dead, converted.unwatched)

    def close(self) -> None:
        self._file.close()

    def _next(self, most: int) -> pa.Table | None:
        if self._rest is not None:
            return self._rest
        if self._batches is None:
            width = max(1, len(self._plan.needed))
            self._batches = self._from(self._row, max(1, min(most, _MOST_CELLS // width)))
        batch = next(self._batches, None)
        return None if batch is None else pa.Table.from_batches([batch])

    def _from(self, row: int, size: int) -> Iterator[pa.RecordBatch]:
        """Batches from a row on; row groups before it are not read."""
        groups = self._file.metadata.num_row_groups
        first = 0
        while first < groups and row >= (rows := self._file.metadata.row_group(first).num_rows):
            row, first = row - rows, first + 1
        batches = self._file.iter_batches(
            size, row_groups=range(first, groups), columns=self._plan.needed, use_threads=False
        )
        for batch in batches:
            if row < batch.num_rows:
                yield batch[row:]
            row = max(0, row - batch.num_rows)


def _text(table: pa.Table, row: int) -> bytes:
    """A row as JSON, the nearest thing to its original bytes."""
    values = {name: table[name][row] for name in table.column_names}
    return json.dumps(shown(values), default=str, ensure_ascii=False).encode("utf-8", "replace")
