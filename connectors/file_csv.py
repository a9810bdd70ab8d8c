"""CSV and its relatives: text columns in any dialect, narrow or wide, packed or not.

A record (a line, or several where a quoted cell holds line breaks) is what is counted, so that an
offset is a place in the file; the first one below the header is 0. What a file looks like is found
out once, when its records are counted; `padit.connectors.tables` has the parts.
"""

import os
from collections.abc import Callable
from functools import partial
from typing import Generic, TypeVar

import pyarrow as pa

from padit.codecs.contract import LeftOut, Reject, bounded
from padit.codecs.dead_letter import DeadRecord
from padit.connectors.file_columns import Converted, rows_of
from padit.connectors.file_formats import OpenFile, Piece, register
from padit.connectors.file_options import FileOptions
from padit.connectors.file_plan import Wide
from padit.connectors.side_outputs import label_names, note_left_out
from padit.connectors.source import Decoder
from padit.connectors.tables.annotated import Annotated, Section, lay_out_annotated
from padit.connectors.tables.dialect import find_dialect
from padit.connectors.tables.known_heads import of_known_head
from padit.connectors.tables.labview import of_labview
from padit.connectors.tables.labview_segments import of_segments
from padit.connectors.tables.layout import Layout, lay_out, lay_out_report
from padit.connectors.tables.order import AnyLayout, in_order
from padit.connectors.tables.parse import Parsed, parse
from padit.connectors.tables.records import Block, RecordReader
from padit.connectors.tables.stacked import Stacked, begins_with_units, find_tables, lay_out_stacked
from padit.connectors.tables.survey import blocks_of
from padit.domain.findings import Findings
from padit.domain.rows import Rows

__all__ = ["Csv"]

Note = Callable[[LeftOut], None]
_Section = TypeVar("_Section")


@register(".csv", ".lvm", ".tsv", ".txt")
class Csv:
    """Text tables; the layouts of files that were counted are kept, and travel to workers."""

    def __init__(self, options: FileOptions, suffix: str) -> None:
        self._options = options
        self._suffix = suffix
        self._layouts: dict[str, AnyLayout] = {}

    def count(self, path: str) -> int:
        """Records below the header, after a look at the whole file."""
        place = os.path.abspath(path)
        self._layouts[place] = layout = self._look(path)
        return layout.records

    def findings(self, path: str, labels: tuple[str, ...] = ()) -> Findings:
        """What was guessed of a file, and what is left unwatched."""
        layout = self._layout(path)
        return layout.labelled(labels).findings

    def in_order(self, path: str) -> bool:
        """Whether no time goes back."""
        return in_order(path, self._layout(path))

    def open(self, path: str, row: int, decode: Decoder) -> OpenFile:
        """Open at a record below the header; the decoder only names the labels."""
        layout = self._layout(path).labelled(label_names(decode))
        note = partial(note_left_out, decode)
        if not isinstance(layout, Annotated | Stacked):
            return _OpenCsv(path, row, layout, note)
        records = RecordReader(path, layout.dialect.text, layout.dialect.cut, row)
        if isinstance(layout, Stacked):
            piece = partial(_stacked_piece, note, path)
            return _OpenSections(records, row, layout.section, piece)
        return _OpenSections(
            records, row, layout.section, partial(_annotated_piece, layout, note, path)
        )

    def _layout(self, path: str) -> AnyLayout:
        return self._layouts.get(os.path.abspath(path)) or self._look(path)

    def _look(self, path: str) -> AnyLayout:
        segments = of_segments(path, self._options)
        if segments is not None:
            blocks = partial(blocks_of, path, segments.text, segments.cut)
            return lay_out_report(path, self._options, segments, blocks)
        known = of_labview(path, self._options) or of_known_head(path, self._options)
        options, guesses = known or (self._options, [])
        dialect = find_dialect(path, options, self._suffix)
        dialect.guesses.extend(guesses)
        if dialect.annotated:
            return lay_out_annotated(path, options, dialect)
        blocks = partial(blocks_of, path, dialect.text, dialect.cut)
        if dialect.report is not None:
            return lay_out_report(path, options, dialect, blocks)
        tables, seen = find_tables(path, options, dialect)
        if len(tables) > 1 or begins_with_units(dialect, seen):
            return lay_out_stacked(path, options, dialect)
        return lay_out(path, options, dialect, seen, blocks)


def _dead(block: Block, rejects: list[Reject], path: str, delimiter: str = "") -> list[DeadRecord]:
    """A letter for each record that is to blame; a line without any filled cell is no row."""
    nothing = b' \t\r\n"' + delimiter.encode()
    return [
        DeadRecord(line, one, path, 0, block.first + one.record)
        for one in sorted(rejects)
        if (line := block.record(one.record)).strip(nothing)
    ]


def _piece(layout: Layout, block: Block, note: Note, path: str) -> Piece:
    """Records of one table as rows and dead letters."""
    parsed, converted = _converted(layout, block)
    note(converted.left_out)
    body = layout.plan.body
    cells = len(body.columns) if isinstance(body, Wide) else 1
    rejects = [
        *(Reject(i, bounded(reason), cells) for i, reason in parsed.faults),
        *(one._replace(record=int(parsed.position[one.record])) for one in converted.rejects),
    ]
    dead = _dead(block, rejects, path, layout.dialect.cut.delimiter)
    return Piece(len(block), converted.rows, dead, converted.unwatched)


def _converted(layout: Layout, block: Block) -> tuple[Parsed, Converted]:
    """As numbers and times where all cells are plain, which is the usual case; else as text."""
    names, needed = layout.dialect.names, layout.plan.needed
    for types in (layout.types, None):
        try:
            parsed = parse(block, names, needed, layout.dialect.cut.delimiter, types)
        except pa.ArrowInvalid:
            continue  # not with `types` None
        number = parsed.position + block.first
        converted = rows_of(layout.plan, parsed.table, number, layout.forms)
        if not converted.rejects:
            break  # reasons quote cells as they stand in the text
    return parsed, converted


class _OpenCsv:
    def __init__(self, path: str, row: int, layout: Layout, note: Note) -> None:
        self._path = path
        self._note = note
        self._layout = layout
        self._records = RecordReader(path, layout.dialect.text, layout.dialect.cut, row)

    def take(self, most: int) -> Piece:
        block = self._records.take(most)
        if not len(block):
            return Piece(0, Rows.empty(), [])
        return _piece(self._layout, block, self._note, self._path)

    def close(self) -> None:
        self._records.close()


class _OpenSections(Generic[_Section]):
    """Several tables: a piece never holds rows of two of them.

    Args:
        records: of the file, from a row on.
        row: that row.
        section: the table of a row (None: it is none), and the row where that changes.
        piece: rows of a block of one table.
    """

    def __init__(
        self,
        records: RecordReader,
        row: int,
        section: Callable[[int], tuple[_Section | None, int]],
        piece: Callable[[_Section, Block], Piece],
    ) -> None:
        self._records = records
        self._row = row
        self._section = section
        self._piece = piece

    def take(self, most: int) -> Piece:
        section, change = self._section(self._row)
        block = self._records.take(min(most, change - self._row))
        self._row += len(block)
        if section is None or not len(block):
            return Piece(len(block), Rows.empty(), [])
        return self._piece(section, block)

    def close(self) -> None:
        self._records.close()


def _stacked_piece(note: Note, path: str, layout: Layout, block: Block) -> Piece:
    return _piece(layout, block, note, path)


def _annotated_piece(
    layout: Annotated, note: Note, path: str, section: Section, block: Block
) -> Piece:
    converted, faults = layout.convert(block, section)
    note(converted.left_out)
    rejects = [*(Reject(i, bounded(reason)) for i, reason in faults), *converted.rejects]
    return Piece(len(block), converted.rows, _dead(block, rejects, path))
