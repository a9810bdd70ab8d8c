"""The annotated CSV of InfluxDB: tables one below the other, each with types and a header.

A table begins with lines `#group`, `#datatype` and `#default`, then names its columns. `_value`
holds the values of the field in `_field`; a pivoted table has one column for each field. Names
are those that the receiver of line protocol gives: metric `measurement_field`, the first tag of
`SOURCES` is the source, and the other tags stand behind the metric's name.
"""

import csv
from collections.abc import Sequence
from functools import reduce
from pathlib import PurePath
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from padit.codecs.contract import LeftOut, Reject
from padit.connectors.file_columns import Converted, Forms, rows_of
from padit.connectors.file_options import FileOptions
from padit.connectors.file_plan import LabelColumns, Narrow, Plan
from padit.connectors.tables.dialect import Dialect
from padit.connectors.tables.parse import parse
from padit.connectors.tables.records import Block, RecordReader
from padit.connectors.tables.times import TimeForm
from padit.connectors.tables.values import NumberForm
from padit.domain.errors import ConfigurationError, SourceError
from padit.domain.findings import Findings, Guess, Unwatched
from padit.domain.rows import concatenate

__all__ = ["SOURCES", "Annotated", "Section", "lay_out_annotated"]

SOURCES = (
    "service.instance.id", "host.name", "service.name", "instance", "host", "machine", "device",
    "job",
)  # fmt: skip
"""Tags that can be the source; the first that a table has is taken."""
_MOST_SECTIONS = 10_000
_STRUCTURE = ("", "result", "table", "_start", "_stop")
_NUMBERS = ("double", "long", "unsignedlong", "boolean", "int", "float")
_OPTIONS = {
    "delimiter", "encoding", "line_end", "skip_lines", "comment", "timestamp", "source_id",
    "source_column", "ignore",
}  # fmt: skip
_BOOLEAN = NumberForm(states=(("true", 1.0), ("false", 0.0)))
_TAKEN = 1 << 20


class Section(NamedTuple):
    """One table.

    Attributes:
        first: record below its header.
        stop: record behind its last row.
        names: columns.
        kinds: datatype of each, in lower case; "" where none is stated.
        defaults: what an empty cell of each stands for.
        time: column of the event time; "" if the table has none.
        values: columns that are watched.
        source: tag that is the source, or "".
        tags: the other tags.
    """

    first: int
    stop: int
    names: list[str]
    kinds: list[str]
    defaults: list[str]
    time: str
    values: list[str]
    source: str
    tags: list[str]


class Annotated(NamedTuple):
    """The layout of a file of several tables."""

    dialect: Dialect
    sections: list[Section]
    source_id: str
    records: int
    findings: Findings
    labels: tuple[str, ...] = ()

    def labelled(self, names: tuple[str, ...]) -> "Annotated":
        """The same with columns of labels, which are not left unwatched then.

        Args:
            names: labels of the configuration.
        """
        read = {f"column {name!r}" for name in names}
        left = [one for one in self.findings.unwatched if one.what not in read]
        return self._replace(labels=names, findings=Findings(self.findings.guesses, left))

    def section(self, record: int) -> tuple[Section | None, int]:
        """The table that a record belongs to, if it is a row of one, and where that changes."""
        at = int(np.searchsorted([one.stop for one in self.sections], record, side="right"))
        if at == len(self.sections):
            return None, self.records
        one = self.sections[at]
        return (None, one.first) if record < one.first else (one, one.stop)

    def convert(self, block: Block, section: Section) -> tuple[Converted, list[tuple[int, str]]]:
        """Rows of one table; of a pivoted one field after field."""
        delimiter = self.dialect.cut.delimiter
        parsed = parse(block, section.names, section.names, delimiter)
        table = parsed.table
        for name, text in zip(section.names, section.defaults, strict=True):
            if text:
                at = table.column_names.index(name)
                table = table.set_column(at, name, table[name].fill_null(text))
        number = parsed.position + block.first
        if not section.time or not section.values:
            return Converted(concatenate([]), []), parsed.faults
        labels = [
            name for name in self.labels
            if name in section.names and name not in (section.time, *section.values)
        ]  # fmt: skip
        parts = []
        for column in section.values:
            kind = section.kinds[section.names.index(column)]
            form = _BOOLEAN if kind == "boolean" else NumberForm()
            per_second = 1_000_000_000 if _kind(section, section.time) == "datetime:number" else 0
            narrow = pa.table(
                {
                    "time": table[section.time],
                    "source": _source(table, section, self.source_id),
                    "metric": _metric(table, section, column),
                    "value": table[column],
                    **{f"label {name}": table[name] for name in labels},
                }
            )
            plan = Plan("time", "source", "", Narrow("metric", "value", None, None))
            columns = tuple((name, f"label {name}") for name in labels)
            plan = plan._replace(labels=LabelColumns(columns))
            forms = Forms(TimeForm(per_second), {"value": form}, {})
            parts.append(rows_of(plan, narrow, number, forms))
        rejects: dict[int, Reject] = {}
        for one in (reject for part in parts for reject in part.rejects):
            at = int(parsed.position[one.record])
            before = rejects.get(at)
            lost = one.lost + (before.lost if before else 0)
            rejects[at] = (before or one)._replace(record=at, lost=lost)
        rows = concatenate([part.rows for part in parts])
        left_out = reduce(LeftOut.plus, (part.left_out for part in parts))
        return Converted(rows, sorted(rejects.values()), left_out), parsed.faults


def _kind(section: Section, name: str) -> str:
    return section.kinds[section.names.index(name)]


def _source(table: pa.Table, section: Section, other: str) -> pa.ChunkedArray | pa.Array:
    if not section.source:
        return pa.array([other] * len(table), pa.string())
    return table[section.source].fill_null(other)


def _metric(table: pa.Table, section: Section, column: str) -> pa.Array:
    """`measurement_field`, and the other tags as in `{cpu="cpu0"}`."""
    parts = [table[name].fill_null("") for name in ("_measurement",) if name in section.names]
    named = column == "_value" and "_field" in section.names
    parts.append(table["_field"].fill_null("") if named else pa.scalar(column))
    name = pc.binary_join_element_wise(*parts, "_") if len(parts) > 1 else parts[0]
    if isinstance(name, pa.Scalar):
        name = pa.array([name.as_py()] * len(table))
    labels = pa.array([""] * len(table), pa.string())
    for tag in section.tags:
        text = table[tag].fill_null("")
        for plain, escaped in (("\\", "\\\\"), ('"', '\\"'), ("\n", "\\n")):
            text = pc.replace_substring(text, plain, escaped)
        one = pc.binary_join_element_wise(f'{tag}="', text, '"', "")
        joined = pc.if_else(
            pc.equal(labels, ""), one, pc.binary_join_element_wise(labels, one, ",")
        )
        labels = pc.if_else(pc.equal(text, ""), labels, joined)
    braced = pc.if_else(pc.equal(labels, ""), "", pc.binary_join_element_wise("{", labels, "}", ""))
    return pc.binary_join_element_wise(name, braced, "")


def lay_out_annotated(path: str, options: FileOptions, dialect: Dialect) -> Annotated:
    """Find the tables of a file.

    Raises:
        SourceError: it cannot be read, or no table has a time and a value.
        ConfigurationError: options that say what the file says itself.
    """
    wrong = sorted(options.model_fields_set - _OPTIONS)
    if wrong:
        message = f"{path} is annotated CSV, which names its columns itself: no {', '.join(wrong)}"
        raise ConfigurationError(message)
    sections, records = _sections(path, options, dialect)
    if not any(one.time and one.values for one in sections):
        columns = ", ".join(sections[0].names) if sections else "none"
        message = f"{path}: no table of the annotated CSV has times and numbers; columns: {columns}"
        raise SourceError(message)
    name = PurePath(path)
    stem = PurePath(name.stem).stem if name.suffix in (".gz", ".zst") else name.stem
    guess = Guess(path, f"it is the annotated CSV of InfluxDB, with {len(sections)} tables", "")
    findings = Findings([*dialect.guesses, guess], _unwatched(path, sections))
    return Annotated(dialect, sections, options.source_id or stem, records, findings)


def _sections(path: str, options: FileOptions, dialect: Dialect) -> tuple[list[Section], int]:
    """The tables of a file, and how many records it has."""
    reader = RecordReader(path, dialect.text, dialect.cut)
    finder = _Finder(options, dialect)
    records = 0
    try:
        while len(block := reader.take(_TAKEN)):
            for at, line in _marks(block, header=finder.header):
                finder.see(block.first + at, line)
            if len(finder.found) > _MOST_SECTIONS:
                message = f"{path} has more than {_MOST_SECTIONS} tables"
                raise SourceError(message)
            records += len(block)
    finally:
        reader.close()
    finder.end(records)
    return finder.found, records


class _Finder:
    """Finds tables by their notes, headers and the empty lines between them."""

    def __init__(self, options: FileOptions, dialect: Dialect) -> None:
        self._options = options
        self._dialect = dialect
        self._notes: dict[str, list[str]] = {}
        self.found: list[Section] = []
        self.header = True  # whether the next record that is no note is a header

    def see(self, number: int, line: bytes) -> None:
        """Take in a record that is no row of the table above."""
        if line.startswith(b"#"):
            cells = _cells(line, self._dialect.cut.delimiter)
            self._notes[cells[0].lower()] = cells
            self.header = True
        elif not line.strip():
            self.header = True
        elif self.header:
            self.end(number)
            one = _section(line, self._notes, number + 1, self._options, self._dialect)
            self.found.append(one)
            self.header, self._notes = False, {}
        if self.header:
            self.end(number)

    def end(self, stop: int) -> None:
        """The last table ends here, if it has not ended yet."""
        if self.found and self.found[-1].stop < 0:
            self.found[-1] = self.found[-1]._replace(stop=stop)


def _marks(block: Block, *, header: bool) -> list[tuple[int, bytes]]:
    """Records that are no rows, and those behind them: empty ones, notes and headers."""
    octets = np.frombuffer(block.data, np.uint8)
    starts = np.concatenate(([0], block.ends[:-1]))
    first = octets[starts]
    special = np.isin(first, np.frombuffer(b"#\n\r", np.uint8))
    behind = np.concatenate(([header], special[:-1]))
    chosen = np.flatnonzero(special | behind)
    return [(at, block.record(at)) for at in chosen.tolist()]


def _cells(line: bytes, delimiter: str) -> list[str]:
    try:
        return next(csv.reader([line.decode("utf-8", "replace")], delimiter=delimiter), [""])
    except csv.Error:
        return [""]


def _section(
    line: bytes, notes: dict[str, list[str]], first: int, options: FileOptions, dialect: Dialect
) -> Section:
    names = _cells(line, dialect.cut.delimiter)
    width = len(names)

    def note(name: str) -> list[str]:
        cells = notes.get(name, [])
        return ["", *cells[1:width], *[""] * (width - max(1, len(cells)))][:width]

    kinds = [kind.lower() for kind in note("#datatype")]
    groups = [one.lower() == "true" for one in note("#group")]
    names = [name or f"column {at}" for at, name in enumerate(names, 1)]
    own = {"result", "table", "_start", "_stop", "_time", "_value", "_field", "_measurement"}
    tags = [
        name
        for name, kind, group in zip(names, kinds, groups, strict=True)
        if name not in own and not name.startswith("column ") and (group or kind == "string")
    ]
    time = next((name for name in (options.timestamp, "_time", "time") if name in names), "")
    values = ["_value"] if "_value" in names else [
        name
        for name, kind, group in zip(names, kinds, groups, strict=True)
        if kind in _NUMBERS and not group and name not in own
    ]  # fmt: skip
    if values == ["_value"] and kinds[names.index("_value")] not in (*_NUMBERS, ""):
        values = []
    order = (options.source_column,) if options.source_column else SOURCES
    source = "" if options.source_id else next((name for name in order if name in tags), "")
    rest = sorted(tag for tag in tags if tag not in (source, *options.ignore))
    return Section(first, -1, names, kinds, note("#default"), time, values, source or "", rest)


def _unwatched(path: str, sections: Sequence[Section]) -> list[Unwatched]:
    """What of the tables gives no samples, alike tables together."""
    counts: dict[tuple[str, str], list[int]] = {}
    for one in sections:
        rows = one.stop - one.first
        used = {one.time, one.source, "_field", "_measurement", *one.values, *one.tags}
        for name in one.names:
            if name in used or name.startswith("column "):
                continue
            kind = one.kinds[one.names.index(name)]
            reason, numbers = _why(name, kind, one)
            amount = counts.setdefault((f"column {name!r}", reason), [0, 0])
            amount[0] += rows
            amount[1] += rows * numbers
    return [
        Unwatched(path, what, reason, "", amount, "cells", numeric)
        for (what, reason), (amount, numeric) in counts.items()
    ]


def _why(name: str, kind: str, section: Section) -> tuple[str, bool]:
    if name in _STRUCTURE:
        return "it describes the table", False
    if not section.time:
        return f"its table has no _time (columns: {', '.join(section.names)})", kind in _NUMBERS
    if kind in _NUMBERS:
        return "another column holds the values of its table", True
    return f"its cells are {kind or 'text'}, not numbers", False
