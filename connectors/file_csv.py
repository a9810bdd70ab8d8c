"""CSV: text columns with any delimiter, narrow or wide.

The line, not the parsed row, is what is counted, so that an offset is a place in the file. A block
is parsed at once when every line of it gives exactly one row; where quotation marks or line ends
make that untrue, it is halved down to the lines that are to blame.
"""

import csv
from collections.abc import Iterator
from pathlib import PurePath
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.csv
from numpy.typing import NDArray

from padit.codecs.contract import Reject, bounded
from padit.codecs.dead_letter import DeadRecord
from padit.connectors.file_columns import event_times, rows_of
from padit.connectors.file_formats import OpenFile, Piece, register
from padit.connectors.file_lines import (
    LineBlock,
    LineReader,
    chunks_of_lines,
    count_lines,
    first_lines,
)
from padit.connectors.file_options import FileOptions
from padit.connectors.file_plan import GivenTimes, Plan, Wide, check_names, make_plan
from padit.connectors.file_sort import ascending
from padit.connectors.source import Decoder
from padit.connectors.text_order import TextOrder, line_starts
from padit.domain.errors import SourceError
from padit.domain.findings import Findings

__all__ = ["Csv"]

_LINES = 32_768
_LOOKED_AT = 1000  # lines by which columns are judged to be numeric
_BOM = b"\xef\xbb\xbf"
_OTHER_DELIMITERS = {"\t": "tab", ";": ";", ",": ",", "|": "pipe"}


class _Shape(NamedTuple):
    """Columns and plan of a file, from its first lines."""

    names: list[str]
    delimiter: str
    header: int
    plan: Plan


@register(".csv", ".tsv", ".txt")
class Csv:
    """CSV files with the same mapping."""

    def __init__(self, options: FileOptions, suffix: str) -> None:
        self._options = options
        self._delimiter = options.delimiter or ("\t" if suffix == ".tsv" else ",")

    def count(self, path: str) -> int:
        """Lines below the header, after a look at the columns."""
        return count_lines(path) - self._shape(path).header

    def open(self, path: str, row: int, decode: Decoder) -> OpenFile:
        """Open at a line below the header; columns are not for the decoder."""
        return _OpenCsv(path, row, self._shape(path))

    def in_order(self, path: str) -> bool:
        """Whether no time goes back; only the column of the time is converted."""
        shape = self._shape(path)
        if isinstance(shape.plan.time, GivenTimes):
            return True
        # The text may ascend where the times do not: a zone has an hour twice.
        as_text = not self._options.model_fields_set & {"time_format", "timezone"}
        if as_text and _seen_in_order(path, shape):
            return True
        return ascending(_times(path, shape))

    def findings(self, path: str) -> Findings:
        """What was guessed about a file."""
        return Findings()

    def _shape(self, path: str) -> _Shape:
        """Columns and plan, always from the head of the file, wherever reading begins."""
        head = first_lines(path, _LOOKED_AT)
        if not head.lines or not head.data.strip():
            message = f"{path} is empty: it has no header line and no rows"
            raise SourceError(message)
        header = 0 if self._options.columns else 1
        names = list(self._options.columns) or self._header(head, path)
        check_names(names, path)
        body = head.data[head.data.index(b"\n") + 1 :] if header else head.data
        table = _parse(body, names, names, self._delimiter).table
        numeric = frozenset(name for name in names if _mostly_numbers(table[name].combine_chunks()))
        plan = make_plan(self._options, names, numeric, path, PurePath(path).stem)
        return _Shape(names, self._delimiter, header, plan)

    def _header(self, head: LineBlock, path: str) -> list[str]:
        line = head.data[: head.data.index(b"\n") + 1].removeprefix(_BOM)
        try:
            cells = next(csv.reader([line.decode()], delimiter=self._delimiter))
        except (UnicodeDecodeError, csv.Error) as error:
            message = f"{path}: the header line cannot be read: {error}"
            raise SourceError(message) from error
        fields = [cell.strip() for cell in cells]
        if len(fields) > 1:
            return fields
        for other, name in _OTHER_DELIMITERS.items():
            if other != self._delimiter and other in fields[0]:
                message = (
                    f"{path} has one column, {fields[0]!r}, when cut at {self._delimiter!r}: "
                    f"the delimiter looks like {name}, so add delimiter={name}"
                )
                raise SourceError(message)
        return fields


def _mostly_numbers(column: pa.Array) -> bool:
    """At least half of the cells that hold something; an empty column might yet hold numbers."""
    filled = [text for text in column.to_pylist() if text]
    # A loop over at most 1,000 cells, once per file: 0.1 ms, halving a column of text took 40.
    return 2 * sum(map(_is_number, filled)) >= len(filled)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


class _Parsed(NamedTuple):
    """Rows of a block, all columns text; `line` is the position of each row's line."""

    table: pa.Table
    line: NDArray[np.int64]
    faults: list[tuple[int, str]]


def _parse(data: bytes, names: list[str], needed: list[str], delimiter: str) -> _Parsed:
    """Lines to text columns; a fault for each line that is no row of them."""
    pieces = list(_pieces(data, 0, data.count(b"\n"), names, needed, delimiter))
    if len(pieces) == 1:
        return pieces[0]
    empty = pa.table({name: pa.array([], pa.string()) for name in needed})
    return _Parsed(
        pa.concat_tables([piece.table for piece in pieces] or [empty]),
        np.concatenate([piece.line for piece in pieces] or [np.empty(0, np.int64)]),
        [fault for piece in pieces for fault in piece.faults],
    )


def _pieces(
    data: bytes, first: int, count: int, names: list[str], needed: list[str], delimiter: str
) -> Iterator[_Parsed]:
    if not count:
        return
    try:
        parsed = _parse_at_once(data, first, count, names, needed, delimiter)
    except pa.ArrowInvalid as error:
        parsed, reason = None, str(error)
    else:
        reason = "a quotation mark or a line end within a cell"
    if parsed is not None:
        yield parsed
    elif count == 1:
        empty = pa.table({name: pa.array([], pa.string()) for name in needed})
        faults = [(first, f"no row of the table: {reason}")] if data.strip() else []
        yield _Parsed(empty, np.empty(0, np.int64), faults)
    else:
        half = count // 2
        cut = _position(data, half)
        yield from _pieces(data[:cut], first, half, names, needed, delimiter)
        yield from _pieces(data[cut:], first + half, count - half, names, needed, delimiter)


def _position(data: bytes, line: int) -> int:
    """Where a line begins."""
    breaks = np.flatnonzero(np.frombuffer(data, np.uint8) == ord("\n"))
    return int(breaks[line - 1]) + 1


def _parse_at_once(
    data: bytes, first: int, count: int, names: list[str], needed: list[str], delimiter: str
) -> _Parsed | None:
    """None if lines and rows do not agree. Raises pa.ArrowInvalid for invalid UTF-8.

    A guard, one more row, follows the lines: a quotation mark that is still open at their end
    swallows it. Open quotation marks and line ends in cells make rows fewer than lines, which is
    seen; only a lone carriage return makes them more, and could make up for that.
    """
    if data.count(b"\r") != data.count(b"\r\n"):
        return None
    data += b"0" + delimiter.encode() * (len(names) - 1) + b"\n"
    odd: list[tuple[int, str]] = []

    def keep(row: pa.csv.InvalidRow) -> str:
        odd.append((row.number - 1, row.text))
        return "skip"

    table = pa.csv.read_csv(
        pa.BufferReader(data),
        read_options=pa.csv.ReadOptions(
            column_names=names, use_threads=False, block_size=len(data) + 1
        ),
        parse_options=pa.csv.ParseOptions(
            delimiter=delimiter, ignore_empty_lines=False, invalid_row_handler=keep
        ),
        convert_options=pa.csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()),
            include_columns=needed,
            strings_can_be_null=True,
            null_values=[""],
        ),
    )
    if table.num_rows + len(odd) != count + 1:
        return None
    line = np.arange(first, first + count)
    if odd:
        line = np.delete(line, [number for number, _ in odd])
    columns = f"not the {len(names)} columns of the table"
    return _Parsed(table[:-1], line, [(first + i, columns) for i, text in odd if text.strip()])


def _seen_in_order(path: str, shape: _Shape) -> bool:
    """Whether the times stand in front of each line and do not go back, to the byte."""
    if shape.plan.time != shape.names[0]:
        return False
    order = TextOrder(shape.delimiter.encode() + b'"\r\n')
    for number, chunk in enumerate(chunks_of_lines(path)):
        starts = line_starts(chunk)
        if not order.take(chunk, starts if number else starts[shape.header :]):
            return False
    return True


def _times(path: str, shape: _Shape) -> Iterator[NDArray[np.int64]]:
    """Event times of all rows that have one."""
    lines = LineReader(path, shape.header)
    plan = shape.plan._replace(source=None, body=Wide((), (), ()))
    try:
        while (block := lines.take(_LINES)).lines:
            data = block.data if block.first else block.data.removeprefix(_BOM)
            table = _parse(data, shape.names, plan.needed, shape.delimiter).table
            yield event_times(plan, table)
    finally:
        lines.close()


class _OpenCsv:
    def __init__(self, path: str, row: int, shape: _Shape) -> None:
        self._path = path
        self._shape = shape
        self._lines = LineReader(path, row + shape.header)

    def take(self, most: int) -> Piece:
        block = self._lines.take(most)
        shape = self._shape
        first = block.first - shape.header
        needed = shape.plan.needed
        data = block.data
        if not block.first:
            data = data.removeprefix(_BOM)
        parsed = _parse(data, shape.names, needed, shape.delimiter)
        converted = rows_of(shape.plan, parsed.table, parsed.line + first)
        rejects = [
            *(Reject(i, bounded(reason)) for i, reason in parsed.faults),
            *(one._replace(record=int(parsed.line[one.record])) for one in converted.rejects),
        ]
        dead = []
        if rejects:
            lines = data.split(b"\n")
            dead = [
                DeadRecord(lines[one.record].rstrip(b"\r"), one, self._path, 0, first + one.record)
                for one in sorted(rejects)
                if lines[one.record].strip()  # an empty line is no row
            ]
        return Piece(block.lines, converted.rows, dead)

    def close(self) -> None:
        self._lines.close()
