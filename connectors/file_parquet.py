"""Parquet: typed columns, narrow or wide."""

import json
from collections.abc import Iterator
from pathlib import PurePath

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from padit.codecs.dead_letter import DeadRecord
from padit.connectors.file_columns import is_number, rows_of
from padit.connectors.file_formats import OpenFile, Piece, register
from padit.connectors.file_options import TEXT_ONLY, FileOptions
from padit.connectors.file_plan import Plan, make_plan
from padit.connectors.source import Decoder
from padit.domain.errors import ConfigurationError, SourceError
from padit.domain.findings import Findings
from padit.domain.rows import Rows

__all__ = ["Parquet"]


@register(".parquet", ".pq")
class Parquet:
    """Parquet files with the same mapping."""

    def __init__(self, options: FileOptions, suffix: str) -> None:
        for name in TEXT_ONLY:
            if name in options.model_fields_set:
                message = f"{suffix} files have typed columns and no {name}"
                raise ConfigurationError(message)
        self._options = options

    def count(self, path: str) -> int:
        """Rows of the file, after a look at its columns."""
        with _open(path) as file:
            self._plan(file, path)
            return int(file.metadata.num_rows)

    def findings(self, path: str) -> Findings:
        """None yet."""
        return Findings()

    def open(self, path: str, row: int, decode: Decoder) -> OpenFile:
        """Open at a row; columns are not for the decoder."""
        file = _open(path)
        return _OpenParquet(path, file, row, self._plan(file, path))

    def _plan(self, file: pq.ParquetFile, path: str) -> Plan:
        schema = file.schema_arrow
        numeric = frozenset(field.name for field in schema if is_number(field.type))
        return make_plan(self._options, schema.names, numeric, path, PurePath(path).stem)


def _open(path: str) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(path)
    except (OSError, pa.ArrowException) as error:
        message = f"{path} cannot be read as Parquet: {error}"
        raise SourceError(message) from error


class _OpenParquet:
    def __init__(self, path: str, file: pq.ParquetFile, row: int, plan: Plan) -> None:
        self._path = path
        self._file = file
        self._row = row
        self._plan = plan
        self._batches: Iterator[pa.RecordBatch] | None = None
        self._rest: pa.Table | None = None

    def take(self, most: int) -> Piece:
        table = self._next(most)
        if table is None:
            return Piece(0, Rows.empty(), [])
        chosen, self._rest = table[:most], table[most:] if table.num_rows > most else None
        number = np.arange(self._row, self._row + chosen.num_rows)
        converted = rows_of(self._plan, chosen, number)
        dead = [
            DeadRecord(
                _text(chosen[one.record : one.record + 1]),
                one,
                self._path,
                0,
                int(number[one.record]),
            )
            for one in converted.rejects
        ]
        self._row += chosen.num_rows
        return Piece(chosen.num_rows, converted.rows, dead)

    def close(self) -> None:
        self._file.close()

    def _next(self, most: int) -> pa.Table | None:
        if self._rest is not None:
            return self._rest
        if self._batches is None:
            self._batches = self._from(self._row, most)
        try:
            batch = next(self._batches, None)
        except (OSError, pa.ArrowException) as error:
            message = f"{self._path} cannot be read on at row {self._row}: {error}"
            raise SourceError(message) from error
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


def _text(row: pa.Table) -> bytes:
    """A row as JSON, the nearest thing to its original bytes."""
    return json.dumps(row.to_pylist()[0], default=str, ensure_ascii=False).encode()
