"""Records of a table to columns of text, with a fault for each record that is no row.

A block is parsed at once if every record of it gives exactly one row. Where quotation marks make
that untrue, the block is halved down to the records that are to blame.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
from numpy.typing import NDArray

from padit.connectors.tables.records import Block
from padit.connectors.tables.values import MISSING

__all__ = ["Parsed", "Typed", "parse"]

_MISSING = MISSING.to_pylist()

Typed = dict[str, pa.DataType]
"""Type of a column, text where it has none."""


class Parsed(NamedTuple):
    """Rows of a block; `position` is that of each row's record in the block."""

    table: pa.Table
    position: NDArray[np.int64]
    faults: list[tuple[int, str]]


class _Shape(NamedTuple):
    names: Sequence[str]
    needed: Sequence[str]
    delimiter: str
    types: Typed


def parse(
    block: Block,
    names: Sequence[str],
    needed: Sequence[str],
    delimiter: str,
    types: Typed | None = None,
) -> Parsed:
    """Records to columns.

    Args:
        block: records.
        names: columns of the table.
        needed: those that are wanted.
        delimiter: between cells.
        types: of columns that are no text.

    Raises:
        pyarrow.ArrowInvalid: a cell is not of its type; not without `types`.
    """
    shape = _Shape(names, needed, delimiter, types or {})
    dense, place = _without_empty(block)
    if types:
        at_once = _parse_at_once(dense, shape)
        if at_once is None:
            message = "not one row for each record"
            raise pa.ArrowInvalid(message)
        pieces = [at_once]
    else:
        pieces = list(_pieces(dense, 0, shape))
    if len(pieces) == 1 and place is None:
        return pieces[0]
    position = np.concatenate([piece.position for piece in pieces] or [np.empty(0, np.int64)])
    faults = [fault for piece in pieces for fault in piece.faults]
    table = pa.concat_tables([piece.table for piece in pieces] or [_no_rows(shape)])
    if place is None:
        return Parsed(table, position, faults)
    return Parsed(table, place[position], [(int(place[at]), fault) for at, fault in faults])


def _without_empty(block: Block) -> tuple[Block, NDArray[np.int64] | None]:
    """A block without empty lines, and the place of each record that is left; None if all are."""
    data = block.data
    if not (b"\n\n" in data or b"\n\r\n" in data or data[:1] in (b"\n", b"\r")):
        return block, None
    octets = np.frombuffer(data, np.uint8)
    sizes = np.diff(block.ends, prepend=0)
    empty = sizes == 1
    two = np.flatnonzero(sizes == 2)
    empty[two] = octets[block.ends[two] - 2] == ord("\r")
    keep = np.repeat(~empty, sizes)
    ends = np.cumsum(sizes[~empty])
    return Block(block.first, octets[keep].tobytes(), ends), np.flatnonzero(~empty)


def _no_rows(shape: _Shape) -> pa.Table:
    return pa.table({name: pa.array([], pa.string()) for name in shape.needed})


def _pieces(block: Block, first: int, shape: _Shape) -> Iterator[Parsed]:
    if not len(block):
        return
    try:
        parsed = _parse_at_once(block, shape)
    except (pa.ArrowInvalid, ValueError) as error:
        parsed, reason = None, str(error)
    else:
        reason = "a quotation mark or a line end within a cell"
    if parsed is not None:
        faults = [(first + at, fault) for at, fault in parsed.faults]
        yield Parsed(parsed.table, parsed.position + first, faults)
    elif len(block) == 1:
        faults = [(first, f"no row of the table: {reason}")] if block.data.strip() else []
        yield Parsed(_no_rows(shape), np.empty(0, np.int64), faults)
    else:
        half = len(block) // 2
        yield from _pieces(block.part(0, half), first, shape)
        yield from _pieces(block.part(half, len(block)), first + half, shape)


def _parse_at_once(block: Block, shape: _Shape) -> Parsed | None:
    """None if records and rows do not agree. Raises pa.ArrowInvalid for invalid UTF-8.

    Line breaks within cells are marks while Arrow reads, so that a record is one line.

    A guard, one more row, follows the records: a quotation mark that is still open at their end
    swallows it. Open quotation marks make rows fewer than records, which is seen; only a lone
    carriage return makes them more, and could make up for that.
    """
    data, marks = _one_line_each(block)
    if not data.isascii():
        _check_utf8(data)
    if b"\r" in data and data.count(b"\r") != data.count(b"\r\n"):
        return None

    table, odd = _read(data, shape)
    if table.num_rows + len(odd) != len(block) + 1:
        return None
    if marks and shape.types:
        return None  # as text it is
    table = _with_breaks(table, marks)
    position = np.arange(len(block))
    if odd:
        position = np.delete(position, [number for number, _ in odd])
    fault = f"not the {len(shape.names)} columns of the table"
    return Parsed(table[:-1], position, [(at, fault) for at, text in odd if text.strip()])


def _read(data: bytes, shape: _Shape) -> tuple[pa.Table, list[tuple[int, str]]]:
    """Rows of lines and a guard, and the lines that have another number of cells."""
    guard = b"0" if len(shape.names) == 1 else b""  # of every type, empty is null
    data += guard + shape.delimiter.encode() * (len(shape.names) - 1) + b"\n"
    odd: list[tuple[int, str]] = []

    def keep(row: pa.csv.InvalidRow) -> str:
        odd.append((row.number - 1, row.text))
        return "skip"

    table = pa.csv.read_csv(
        pa.BufferReader(data),
        read_options=pa.csv.ReadOptions(
            column_names=shape.names, use_threads=False, block_size=len(data) + 1
        ),
        parse_options=pa.csv.ParseOptions(
            delimiter=shape.delimiter,
            ignore_empty_lines=False,
            invalid_row_handler=keep,
        ),
        convert_options=pa.csv.ConvertOptions(
            column_types={name: shape.types.get(name, pa.string()) for name in shape.names},
            include_columns=shape.needed,
            strings_can_be_null=not shape.types,
            null_values=_MISSING if shape.types else [""],
        ),
    )
    return table, odd


def _check_utf8(data: bytes) -> None:
    """Raises pa.ArrowInvalid; Arrow itself would find it out too late in a row that is too long."""
    try:
        data.decode()
    except UnicodeDecodeError as error:
        message = f"invalid UTF-8: {error.reason} at byte {error.start}"
        raise pa.ArrowInvalid(message) from error


def _one_line_each(block: Block) -> tuple[bytes, list[tuple[str, str]]]:
    """Records without line breaks within, and which mark stands for which break."""
    data = block.data
    if data.count(b"\n") == len(block):
        return data, []
    octets = np.frombuffer(data, np.uint8)
    inner = np.setdiff1d(np.flatnonzero(octets == ord("\n")), block.ends - 1)
    free = [mark for mark in range(0x1F, 0, -1) if mark not in b"\t\r\n" and mark not in data]
    if len(free) < 2:
        return data, []  # rows and records will not agree
    changed = octets.copy()
    changed[inner] = free[0]
    before = inner[inner > 0] - 1
    changed[before[octets[before] == ord("\r")]] = free[1]
    return changed.tobytes(), [(chr(free[0]), "\n"), (chr(free[1]), "\r")]


def _with_breaks(table: pa.Table, marks: list[tuple[str, str]]) -> pa.Table:
    for mark, text in marks:
        for at, name in enumerate(table.column_names):
            table = table.set_column(at, name, pc.replace_substring(table[name], mark, text))
    return table
