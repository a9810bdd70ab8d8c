"""Tables below each other in one file, each with a header of its own, and a row of units.

Tables with the same header are one. Each is read as if it stood alone, so that the file gives what
its tables give; what cannot be read as a table is named. Offsets are records of the whole file.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from padit.connectors.file_options import FileOptions
from padit.connectors.file_plan import NoTimeError, Wide
from padit.connectors.tables.dialect import Dialect, cells_of, named, with_trailing
from padit.connectors.tables.forms import NumberOptions, judge
from padit.connectors.tables.headers import HeaderFinder, Table, units_of
from padit.connectors.tables.layout import Layout, lay_out
from padit.connectors.tables.parse import parse
from padit.connectors.tables.records import Block
from padit.connectors.tables.survey import Survey, Surveyor, blocks_of
from padit.domain.errors import SourceError
from padit.domain.findings import Findings, Guess, Unwatched

__all__ = ["Section", "Stacked", "begins_with_units", "find_tables", "lay_out_stacked"]

_MOST_HEADERS = 1000
_HEAD = 200


class Section(NamedTuple):
    """The rows of one table.

    Attributes:
        first: record of the first one.
        stop: record behind the last one.
        layout: index of its layout; -1 if it is not read.
    """

    first: int
    stop: int
    layout: int


class Stacked(NamedTuple):
    """The layout of a file of several tables.

    Attributes:
        dialect: of its text.
        sections: rows, in the order of the file.
        layouts: one for each header.
        records: of the file.
        findings: of all tables.
    """

    dialect: Dialect
    sections: list[Section]
    layouts: list[Layout]
    records: int
    findings: Findings

    def labelled(self, names: tuple[str, ...]) -> "Stacked":
        """The same with columns of labels, which are not left unwatched then.

        Args:
            names: labels of the configuration.
        """
        layouts = [one.labelled(names) for one in self.layouts]
        known = {one for layout in self.layouts for one in layout.findings.unwatched}
        others = [one for one in self.findings.unwatched if one not in known]
        own = [one for layout in layouts for one in layout.findings.unwatched]
        guesses = [one for layout in layouts for one in layout.findings.guesses]
        guesses = list(dict.fromkeys([*self.findings.guesses, *guesses]))
        return self._replace(layouts=layouts, findings=Findings(guesses, [*own, *others]))

    def section(self, record: int) -> tuple[Layout | None, int]:
        """The layout of a record, if it is a row, and the record where that changes."""
        at = int(np.searchsorted([one.stop for one in self.sections], record, side="right"))
        if at == len(self.sections):
            return None, self.records
        one = self.sections[at]
        if record < one.first:
            return None, one.first
        return (self.layouts[one.layout] if one.layout >= 0 else None), one.stop


class _Kind:
    """Tables of one header: their rows, and the units below the header."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self.cells = names
        self.surveyor = Surveyor()
        self.head: list[bytes] = []
        self.units: list[str] = []

    def add(self, block: Block, delimiter: str, *, first: bool) -> int:
        """Take in rows; returns how many records of the first block of a table are none."""
        units = 0
        if first:
            rows = [
                (at, line)
                for at in range(min(len(block), _HEAD))
                if (line := block.record(at)).strip()
            ]
            found = units_of([cells_of(line, delimiter) for _, line in rows[:2]], len(self.cells))
            if found:
                self.units = self.units or found
                units = rows[0][0] + 1
            self.head += [line for at, line in rows if at >= units][: _HEAD - len(self.head)]
        self.surveyor.add(block.part(units, len(block)))
        return units


def find_tables(path: str, options: FileOptions, dialect: Dialect) -> tuple[list[Table], Survey]:
    """The tables of a file, and its records. Raises SourceError: too many."""
    names = ["" if name in dialect.unnamed else name for name in dialect.names]
    parts = _parts_of(options.timestamp)
    times = [name for name in names if name in parts]
    comment = dialect.cut.comment if dialect.commented else ""
    finder = HeaderFinder(path, names, times, dialect.cut.delimiter, comment)
    surveyor = Surveyor()
    for block in blocks_of(path, dialect.text, dialect.cut):
        surveyor.add(block)
        if not (options.columns or comment):
            finder.see(block)
    if comment and not options.columns:  # comments are left out of records, so once more with them
        for block in blocks_of(path, dialect.text, dialect.cut._replace(comment="")):
            finder.see(block)
    return finder.tables, surveyor.end()


def begins_with_units(dialect: Dialect, seen: Survey) -> bool:
    """Whether the first row below the header holds units."""
    lines = (seen.sample.record(at) for at in range(min(len(seen.sample), _HEAD)))
    rows = [cells_of(line, dialect.cut.delimiter) for line in lines if line.strip()]
    return bool(units_of(rows[:2], len(dialect.names)))


def _parts_of(option: str) -> set[str]:
    """Names that `timestamp` may stand for: a "+" may join two, or be part of one."""
    marks = [at for at, sign in enumerate(option) if sign in "+ "]
    return {option, *(option[:at] for at in marks), *(option[at + 1 :] for at in marks)}


def lay_out_stacked(path: str, options: FileOptions, dialect: Dialect) -> Stacked:
    """Look at a file of several tables, or of one with a row of units.

    Raises:
        SourceError: none of them can be read.
        ConfigurationError: options that fit none of them.
    """
    dialect = dialect._replace(cut=dialect.cut._replace(width=0))  # rows differ in width
    tables, whole = find_tables(path, options, dialect)
    order = list(dict.fromkeys(one.names for one in tables))
    if len(order) > _MOST_HEADERS:
        message = f"{path} has more than {_MOST_HEADERS} different headers; split the file"
        raise SourceError(message)
    kinds = [_Kind(names) for names in order]
    sections = _sections(path, dialect, tables, whole.records, kinds, order)
    layouts, left = _layouts(path, options, dialect, sections, kinds)
    numbers = {kind: number for number, kind in enumerate(layouts)}
    sections = [one._replace(layout=numbers.get(one.layout, -1)) for one in sections]
    guesses = _guesses(path, dialect, tables, kinds)
    guesses += [guess for one in layouts.values() for guess in one.findings.guesses]
    left = [*(each for one in layouts.values() for each in one.findings.unwatched), *left]
    findings = Findings(list(dict.fromkeys(guesses)), [*left, *_between(path, tables)])
    return Stacked(dialect, sections, list(layouts.values()), whole.records, findings)


def _sections(
    path: str,
    dialect: Dialect,
    tables: Sequence[Table],
    records: int,
    kinds: Sequence[_Kind],
    order: Sequence[tuple[str, ...]],
) -> list[Section]:
    """The rows of each table; `layout` is the index of its header."""
    found = [
        Section(one.header + 1, one.stop if one.stop >= 0 else records, order.index(one.names))
        for one in tables
    ]
    for at, block in _rows(path, dialect, found):
        one = found[at]
        first = block.first == one.first
        units = kinds[one.layout].add(block, dialect.cut.delimiter, first=first)
        found[at] = one._replace(first=one.first + units)
    return found


def _rows(path: str, dialect: Dialect, sections: Sequence[Section]) -> Iterator[tuple[int, Block]]:
    """Rows with the number of their section; its first block has some of them at least."""
    spans = [(one.first, one.stop) for one in sections]
    at, held = 0, None
    for block in blocks_of(path, dialect.text, dialect.cut):
        end = block.first + len(block)
        while at < len(spans) and spans[at][0] < end:
            first, stop = spans[at]
            part = block.part(max(0, first - block.first), min(len(block), stop - block.first))
            held = part if held is None else _joined(held, part)
            whole = stop <= end
            if len(held) and (whole or held.first > first or len(held) >= _HEAD):
                yield at, held
                held = None
            if not whole:
                break
            at, held = at + 1, None


def _joined(one: Block, other: Block) -> Block:
    ends = np.concatenate((one.ends, other.ends + len(one.data)))
    return Block(one.first, one.data + other.data, ends)


def _layouts(
    path: str,
    options: FileOptions,
    dialect: Dialect,
    sections: Sequence[Section],
    kinds: Sequence[_Kind],
) -> tuple[dict[int, Layout], list[Unwatched]]:
    """Layouts by kind, and the tables that have none."""
    dialects = [_dialect_of(dialect, one) for one in kinds]
    _check_names(options, [name for one in dialects for name in one.names], path)
    layouts: dict[int, Layout] = {}
    left: list[Unwatched] = []
    first_error: SourceError | None = None
    for at, (kind, own) in enumerate(zip(kinds, dialects, strict=True)):
        seen = kind.surveyor.end()

        def blocks(at: int = at) -> Iterable[Block]:
            chosen = [one for one in sections if one.layout == at]
            return (block for _, block in _rows(path, dialect, chosen))

        try:
            layout = lay_out(path, _options_of(options, own), own, seen, blocks)
        except SourceError as error:
            if first_error is None or (_names_times(error) and not _names_times(first_error)):
                first_error = error
            left.append(_table_left(path, own, seen, str(error)))
            continue
        layouts[at] = _completed(layout, options, dict(zip(own.names, kind.units, strict=False)))
    if first_error is not None and not layouts:
        raise first_error
    return layouts, left


def _names_times(error: SourceError) -> bool:
    """Whether an error says which column holds the times."""
    return isinstance(error, NoTimeError) and bool(error.likely)


def _dialect_of(dialect: Dialect, kind: _Kind) -> Dialect:
    cells = with_trailing(list(kind.cells), kind.head, dialect.cut.delimiter)
    names, unnamed = named(cells)
    return dialect._replace(names=names, unnamed=unnamed, guesses=[])


def _check_names(options: FileOptions, columns: Sequence[str], path: str) -> None:
    """Columns that the options name have to be in one of the tables."""
    for option in ("metrics", "ignore", "rename"):
        for name in getattr(options, option):
            if name not in columns:
                known = ", ".join(dict.fromkeys(columns))
                message = f"{path} has no column {name!r} in any table; {option}= may name: {known}"
                raise SourceError(message)


def _options_of(options: FileOptions, dialect: Dialect) -> FileOptions:
    """The options that concern the columns of one table. Raises SourceError: none of metrics=."""
    names = dialect.names
    if options.metrics and not set(options.metrics) & set(names):
        message = "metrics= names none of its columns"
        raise SourceError(message)
    metrics = {options.rename.get(name, name) for name in names}
    own = {
        "metrics": tuple(name for name in options.metrics if name in names),
        "ignore": tuple(name for name in options.ignore if name in names),
        "rename": {name: to for name, to in options.rename.items() if name in names},
        "units": {name: unit for name, unit in options.units.items() if name in metrics},
    }
    return options.model_copy(update=own)


def _completed(layout: Layout, options: FileOptions, units: Mapping[str, str]) -> Layout:
    """With units from below the header where no others are known, and all names in remedies."""
    body = layout.plan.body
    if isinstance(body, Wide):
        pairs = zip(body.columns, body.units, strict=True)
        body = body._replace(units=tuple(unit or units.get(name, "") for name, unit in pairs))
    findings = layout.findings
    if options.metrics:
        left = [
            one._replace(remedy=",".join((f"metrics={options.metrics[0]}", *options.metrics[1:],
                                          one.remedy.rpartition(",")[2])))
            if one.remedy.startswith("metrics=") else one
            for one in findings.unwatched
        ]  # fmt: skip
        findings = findings._replace(unwatched=left)
    return layout._replace(plan=layout.plan._replace(body=body), findings=findings)


def _table_left(path: str, dialect: Dialect, seen: Survey, why: str) -> Unwatched:
    """A table that cannot be read: its rows' cells, and those of them that are numbers."""
    names, delimiter = dialect.names, dialect.cut.delimiter
    sample = parse(seen.sample, names, names, delimiter).table
    columns = judge(sample, names, NumberOptions(), delimiter, {})
    rows = seen.records - seen.empty
    numeric = sum(round(one.numbers * rows) for one in columns.values())
    what = f"table with the header {delimiter.join(names)[:80]!r}"
    reason = why.removeprefix(f"{path} has ").removeprefix(f"{path}: ")
    return Unwatched(path, what, reason, "", rows * len(names), "cells", numeric)


def _guesses(
    path: str, dialect: Dialect, tables: Sequence[Table], kinds: Sequence[_Kind]
) -> list[Guess]:
    found = list(dialect.guesses)
    if len(tables) > 1:
        headers = "the same header" if len(kinds) == 1 else f"{len(kinds):,} different headers"
        what = f"it holds {len(tables):,} tables, one below the other, with {headers}"
        found.append(Guess(path, what, ""))
    for one in kinds:
        if one.units:
            pairs = zip(one.cells, one.units, strict=False)
            shown = ",".join(f"{name}:{unit}" for name, unit in pairs if name and unit)
            found.append(Guess(path, "the row below the header holds units", f"units={shown}"))
    return found


def _between(path: str, tables: Sequence[Table]) -> list[Unwatched]:
    lines = [one.between for one in tables if one.between.strip()]
    if not lines:
        return []
    shown = lines[0].decode("utf-8", "replace").strip()[:80]
    reason = f"they are no rows of one, such as {shown!r}"
    return [Unwatched(path, "titles between tables", reason, "", len(lines), "lines")]
