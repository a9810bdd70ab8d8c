"""Reports for people as one table: `sar`, `mpstat`, `pidstat`, `iostat`, `vmstat`, `rrdtool fetch`.

Every line of the file stays one line, so that a row keeps its number: the first one becomes the
header with the columns of all tables, a row its time, its source (the host, and what tells rows of
one time apart, such as `vm/eth0`) and its cells, anything else an empty line, which is counted.
"""

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from padit.connectors.file_options import FileOptions
from padit.connectors.file_plan import file_stem
from padit.connectors.tables.detected import day_of
from padit.connectors.tables.report_lines import Days, Kind, LineReader, Row, moment
from padit.connectors.tables.stream import LineTurning
from padit.domain.errors import SourceError
from padit.domain.findings import Findings, Guess, Unwatched
from padit.domain.timestamps import MICROS, format_utc

__all__ = ["Report", "ReportText", "find_report", "options_of"]

_FORMATS = (
    "%Y-%m-%d", "%m/%d/%y", "%d/%m/%y", "%m/%d/%Y", "%d/%m/%Y", "%d.%m.%Y", "%d.%m.%y", "%Y/%m/%d",
    "%y-%m-%d", "%d-%m-%Y",
)  # fmt: skip
_MOST_DATES = 1000
_NO_NUMBER = re.compile("-?nan", re.IGNORECASE)
_BEGIN = 200


class Report(NamedTuple):
    """How the lines of a report become rows of one table; travels to workers.

    Attributes:
        kinds: its headers.
        names: column of the table for each column of each kind.
        host: where no banner names one.
        form: of dates; "" where there are none.
        date: of times of day, where no banner has one.
        start: microseconds, of the first row of a report without times.
        step: seconds from row to row, or from block to block, of such a report.
        lines: of the file up to the first one that is not empty.
    """

    kinds: tuple[Kind, ...]
    names: tuple[tuple[str, ...], ...]
    host: str
    form: str
    date: str = ""
    start: int = 0
    step: float = 0.0
    lines: int = 0

    @property
    def columns(self) -> list[str]:
        """All columns of the table but time and source, in their order."""
        return list(dict.fromkeys(name for names in self.names for name in names if name))

    def start_turning(self) -> "ReportText":
        """For the text of the file, from its beginning on."""
        return ReportText(self)


class _Counts:
    """What a pass over a report shows."""

    def __init__(self) -> None:
        self.kinds: dict[tuple[str, ...], Kind] = {}
        self.reader = LineReader(self.kinds, learn=True)
        self.dates: dict[str, None] = {}
        self.rows = self.stamped = self.summaries = self.others = self.lost = self.filled = 0
        self.example = ""
        self.timed = False

    def see(self, line: str) -> None:
        """Take in a line."""
        self.filled += bool(line.strip())
        seen = self.reader.see(line)
        reader = self.reader
        if seen.row is not None:
            self.rows += 1
            clock = seen.row.clock
            self.stamped += clock is not None
            self.timed = self.timed or (clock is not None and clock.seconds < 0)
            self._date(clock.date if clock is not None and clock.seconds >= 0 else "")
        elif seen.summary:
            self.summaries += 1
        elif seen.other:
            self.others += 1
            self.lost += seen.other - 1
            self.example = self.example or line.strip()[:80]
        self._date(reader.date)

    def _date(self, text: str) -> None:
        if text and len(self.dates) < _MOST_DATES:
            self.dates[text] = None

    @property
    def is_report(self) -> bool:
        """Whether what was seen is a report, and no plain table."""
        sound = 5 * (self.others + self.summaries) <= 2 * self.filled and self.rows >= 2
        return sound and bool(self.reader.evidence and self.kinds)


def find_report(
    path: str, head: Sequence[str], lines: Iterator[str], options: FileOptions
) -> tuple[Report, Findings] | None:
    """The report that a file is; None: it is none.

    Args:
        path: of the file, for messages.
        head: its first lines; these tell whether it is a report.
        lines: all of them, looked at only then.
        options: of the mapping.

    Raises:
        SourceError: its times are not known without an option, which the message names.
    """
    first = _Counts()
    for line in head[:_BEGIN]:
        first.see(line)
    if not first.is_report:
        return None
    whole = _Counts()
    for line in lines:
        whole.see(line)
    form = _form_of(path, list(whole.dates), whole.reader.halves, options)
    kinds = tuple(whole.kinds.values())
    begin = next((at for at, line in enumerate(head) if line.strip()), 0)
    report = Report(kinds, _names(kinds), options.source_id or file_stem(path), form, lines=begin)
    report = _with_times(path, report, whole, options)
    return report, _findings(path, report, whole, options)


def options_of(options: FileOptions) -> FileOptions:
    """The options that are left for the table that a report becomes."""
    used = {"start": None, "step": None, "time_format": None, "source_id": None, "delimiter": None}
    return options.model_copy(update={**used, "timestamp": "timestamp"})


def _names(kinds: Sequence[Kind]) -> tuple[tuple[str, ...], ...]:
    """Columns of the table for each kind; "" for what is part of the source.

    Two tables without such columns may have a column of one name; the second then gets another
    name, or both would be one series.
    """
    taken: set[str] = set()
    found = []
    for kind in kinds:
        names = ["" if at in kind.ids else name for at, name in enumerate(kind.columns)]
        if not kind.ids:
            names = [_free(name, taken) if name in taken else name for name in names]
            taken |= set(names)
        found.append(tuple(names))
    return tuple(found)


def _free(name: str, taken: set[str]) -> str:
    return next(one for one in (f"{name} ({i})" for i in range(2, 10_000)) if one not in taken)


def _form_of(path: str, dates: list[str], halves: bool, options: FileOptions) -> str:
    """The format of the dates. Raises SourceError: it is not clear."""
    if not dates:
        return ""
    stated = options.time_format
    forms = (stated,) if stated and stated.startswith("%") else _FORMATS
    fits = [one for one in forms if all(moment(date, one, 0) for date in dates)]
    twice = {"%m/%d/%y", "%d/%m/%y"} <= set(fits) or {"%m/%d/%Y", "%d/%m/%Y"} <= set(fits)
    if twice and not halves:
        message = (
            f"{path}: its dates, such as {dates[0]!r}, do not show whether the day or the month "
            f"comes first; add time_format={fits[0]} or time_format={fits[1]}"
        )
        raise SourceError(message)
    if not fits:
        likely = _forms_for(dates)
        told = f"add time_format={' or time_format='.join(likely)}"
        if not likely:
            told = "add time_format= with its form, such as time_format=%d/%m/%Y"
        message = f"{path}: its dates, such as {dates[0]!r}, have no known format; {told}"
        raise SourceError(message)
    return fits[0]


def _forms_for(dates: Sequence[str]) -> list[str]:
    """Formats of any order of year, month and day that all dates have."""
    mark = next((one for one in dates[0] if not one.isdigit()), "")
    orders = (
        mark.join(one)
        for year in ("%Y", "%y")
        for one in ((year, "%m", "%d"), ("%d", "%m", year), ("%m", "%d", year))
    )
    return [one for one in orders if all(moment(date, one, 0) for date in dates)]


def _with_times(path: str, report: Report, seen: _Counts, options: FileOptions) -> Report:
    """With what the options say of times that the lines do not have. Raises SourceError."""
    if not seen.stamped:
        if options.start is None or options.step is None:
            message = (
                f"{path} is a report without times; add start=TIME of its first row, such as "
                f"start={day_of(path)}T00:00:00Z, and step=SECONDS (vmstat and iostat print times "
                "with -t)"
            )
            raise SourceError(message)
        return report._replace(start=options.start, step=options.step)
    if report.form:
        return report
    if not _dated(seen) and options.start is None:
        message = (
            f"{path} has times of day and no date; add the day of its first row, such as "
            f"start={day_of(path)}&timestamp=time"
        )
        raise SourceError(message)
    date = format_utc(options.start)[:10] if options.start is not None else ""
    return report._replace(date=date, form="%Y-%m-%d")


def _dated(seen: _Counts) -> bool:
    return bool(seen.dates) or seen.timed


def _findings(path: str, report: Report, seen: _Counts, options: FileOptions) -> Findings:
    many = len(report.kinds)
    what = "it is a report of aligned columns"
    guesses = [
        Guess(path, f"{what}, of {many} tables that are read as one" if many > 1 else what, "")
    ]
    if (
        report.form
        and seen.dates
        and seen.stamped
        and not (options.time_format or "").startswith("%")
    ):
        date = next(iter(seen.dates))
        guesses.append(
            Guess(
                path,
                f"its dates, such as {date!r}, are {report.form}",
                f"time_format={report.form}",
            )
        )
    left = []
    if seen.summaries:
        reason = "they are averages of the rows above"
        left.append(Unwatched(path, "lines of averages", reason, "", seen.summaries, "lines"))
    if seen.others:
        reason = f"they are no rows of a table, such as {seen.example!r}"
        lost = min(seen.others, seen.lost)
        left.append(Unwatched(path, "other lines", reason, "", seen.others, "lines", lost))
    return Findings(guesses, left)


class ReportText(LineTurning):
    """Turns the lines of a report, in order, into those of the table."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._reader = LineReader({kind.header: kind for kind in report.kinds})
        self._columns = report.columns
        places = {name: at for at, name in enumerate(self._columns)}
        self._places = {
            kind.header: [(i, places[name]) for i, name in enumerate(names) if name]
            for kind, names in zip(report.kinds, report.names, strict=True)
        }
        single = len(report.kinds) == 1 and not report.kinds[0].ids
        self._block = None if single else report.kinds[0].header
        self._step = -1
        self._days = Days()
        self._number = 0

    def _line(self, data: bytes) -> bytes:
        number, self._number = self._number, self._number + 1
        seen = self._reader.see(data.decode("utf-8", "replace"))
        if seen.header and seen.header == self._block:
            self._step += 1
        if number == self._report.lines:
            return "\t".join(["timestamp", "source_id", *self._columns]).encode() + b"\n"
        return b"\n" if seen.row is None else self._row(seen.row)

    def _row(self, row: Row) -> bytes:
        if self._block is None:
            self._step += 1
        cells = [""] * len(self._columns)
        for place, at in self._places[row.kind.header]:
            cell = row.cells[place]
            cells[at] = "" if _NO_NUMBER.fullmatch(cell) else cell
        return "\t".join([self._time(row), self._source(row), *cells]).encode() + b"\n"

    def _time(self, row: Row) -> str:
        report, clock = self._report, row.clock
        if report.step:
            return format_utc(report.start + round(max(self._step, 0) * report.step * MICROS))
        if clock is None:
            return ""
        if clock.seconds < 0:
            return clock.date
        date = clock.date or self._reader.date or report.date
        if clock.date:
            return moment(date, report.form, clock.seconds)
        return self._days.of(date, row.kind, clock.seconds, report.form)

    def _source(self, row: Row) -> str:
        """The host, and behind it what tells the row from others of its time."""
        parts = [self._reader.host or self._report.host]
        for at in row.kind.ids:
            cell = row.cells[at]
            parts.append(f"{row.kind.columns[at]}{cell}" if cell.lstrip("-").isdigit() else cell)
        return "/".join(parts).replace('"', "'")
