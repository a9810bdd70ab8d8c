"""Options and a file's columns together: which column is what."""

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import PurePath
from typing import NamedTuple

from padit.codecs.names import some_of
from padit.codecs.records import MAX_NAME_LENGTH
from padit.connectors.file_options import FileOptions
from padit.connectors.tables.roles import CLOCK_NAMES, run_of_columns
from padit.domain.errors import ConfigurationError, SourceError
from padit.domain.timestamps import MICROS

__all__ = [
    "GivenTimes",
    "LabelColumns",
    "Narrow",
    "NoMetricError",
    "NoTimeError",
    "Plan",
    "Wide",
    "check_names",
    "file_stem",
    "joined_columns",
    "labelled",
    "likely_time",
    "listed",
    "make_plan",
]

_METADATA = "metadata"
_MOST, _LONGEST = 20, 40  # names of columns in a message, and characters of one
_RENAME = "rename one of them where the file is written"
_MOMENTS = (
    "timestamp", "time", "datetime", "datetimeutc", "dateandtime", "ts", "eventtime", "zeitstempel",
    "zeitpunkt", "datumuhrzeit", "horodatage", "fechahora", "dateheure", "createdat", "recordedat",
    "ds", "index", "when", "moment", "unixtime", "epoch", "timems", "timeutc", "timelocal",
    "localtime", "logtime", "logdate", "sampletime", "measuredat", "receivedat", "zeit",
)  # fmt: skip
_DATES = ("date", "datum", "fecha", "jour", "tag", "day")
_CLOCKS = ("time", "uhrzeit", "zeit", "hora", "heure", "timeofday", *CLOCK_NAMES)


class NoMetricError(SourceError):
    """A table without a column that can be a metric."""


class NoTimeError(SourceError):
    """A table without the column of its times.

    Attributes:
        likely: the value of `timestamp` that the columns suggest; "" where none does.
        why: what suggests it.
    """

    def __init__(self, before: str, behind: str, likely: str) -> None:
        perhaps = f"Perhaps you mean timestamp={likely}. " if likely else ""
        super().__init__(f"{before}{perhaps}{behind}")
        self._parts = before, behind
        self.likely = likely
        self.why = "by its name"

    def with_likely(self, likely: str) -> "NoTimeError":
        """The same with what the cells of the columns suggest."""
        found = NoTimeError(*self._parts, likely)
        found.why = self.why if likely == self.likely else "by its cells"
        return found


class GivenTimes(NamedTuple):
    """Times of a file that has none: row i has `start` + i * `step`, in microseconds."""

    start: int
    step: float


class Narrow(NamedTuple):
    """Columns of a narrow table; None where there is none."""

    metric: str
    value: str
    unit: str | None
    kind: str | None


class Wide(NamedTuple):
    """Metric columns of a wide table, with the name and the unit of each."""

    columns: tuple[str, ...]
    names: tuple[str, ...]
    units: tuple[str, ...]


class LabelColumns(NamedTuple):
    """Columns of labels.

    Attributes:
        columns: label and the column that holds it.
        keys: labels that are keys of the JSON text in the column `metadata`.
    """

    columns: tuple[tuple[str, str], ...] = ()
    keys: tuple[str, ...] = ()

    @property
    def needed(self) -> list[str]:
        """The columns that have to be read."""
        return [*(column for _, column in self.columns), *([_METADATA] if self.keys else [])]


class Plan(NamedTuple):
    """Which column is what.

    Attributes:
        time: column of the event time, or how to make it.
        source: column of the source_id, or None.
        source_id: for every row, where `source` is None.
        body: the rest.
        more: further columns of the time, where `time` holds the date or the year alone.
        labels: columns of labels.
    """

    time: str | GivenTimes
    source: str | None
    source_id: str
    body: Narrow | Wide
    more: tuple[str, ...] = ()
    labels: LabelColumns = LabelColumns()

    @property
    def time_columns(self) -> tuple[str, ...]:
        """The columns that hold the event time."""
        if not isinstance(self.time, str):
            return ()
        return (self.time, *self.more)

    @property
    def needed(self) -> list[str]:
        """The columns that have to be read, each once."""
        body = self.body.columns if isinstance(self.body, Wide) else self.body
        names = [*self.time_columns, self.source, *body, *self.labels.needed]
        return list(dict.fromkeys(name for name in names if name is not None))

    @property
    def value_columns(self) -> tuple[str, ...]:
        """The columns of values."""
        return self.body.columns if isinstance(self.body, Wide) else (self.body.value,)


def make_plan(
    options: FileOptions, columns: Sequence[str], numeric: frozenset[str], place: str, stem: str
) -> Plan:
    """Decide which column is what.

    Args:
        options: of the mapping.
        columns: of the file.
        numeric: those that hold numbers.
        place: file name, for messages.
        stem: default of the source_id.

    Raises:
        SourceError: a column is missing; the message names the columns there are.
        ConfigurationError: names that are too long, or one name for two columns.
    """
    check_names(columns, place)
    time, more = _time(options, columns, place)
    source = options.source_column
    if source is not None:
        _require(source, columns, place, "source_column")
    elif options.source_id is None and "source_id" in columns:
        source = "source_id"
    body = _narrow(options, columns, place)
    plan = Plan(time, source, options.source_id or stem, body or Wide((), (), ()), more)
    if body is None:
        plan = plan._replace(body=_wide(options, columns, numeric, frozenset(plan.needed), place))
    _check_lengths(plan, place)
    return plan


def labelled(plan: Plan, columns: Sequence[str], names: Sequence[str]) -> Plan:
    """The plan with the columns that hold labels.

    A label is the column of its name; or, in a column `metadata`, a field of a struct or a key of
    the JSON text. Columns of times and values are none.

    Args:
        plan: which column is what.
        columns: of the file.
        names: labels of the configuration.
    """
    if not names:
        return plan
    free = set(columns) - {*plan.time_columns, *plan.value_columns}
    found, keys = [], []
    for name in names:
        column = next((one for one in (name, f"{_METADATA}.{name}") if one in free), None)
        if column is not None:
            found.append((name, column))
        elif _METADATA in free:
            keys.append(name)
    return plan._replace(labels=LabelColumns(tuple(found), tuple(keys)))


def file_stem(path: str) -> str:
    """A file's name without the suffixes of format and packing."""
    name = PurePath(path)
    if name.suffix.lower() in (".gz", ".zst"):
        name = PurePath(name.stem)
    return name.stem


def listed(columns: Sequence[str]) -> str:
    """Names of columns as a message has them: not all of very many, and not all of a long one.

    >>> listed(["a", "b"]), listed(["c" * 99] * 22)[-47:]
    ('a, b', 'ccccccccccccccccccccccccccccccccc... and 2 more')
    """
    shown = [one if len(one) <= _LONGEST else one[: _LONGEST - 3] + "..." for one in columns]
    return some_of(shown, _MOST)


def check_names(columns: Sequence[str], place: str, remedy: str = _RENAME) -> None:
    """Every column has a name of its own. Raises SourceError."""
    twice = [name for name, count in Counter(columns).items() if count > 1]
    if twice:
        message = f"{place} has the column {twice[0]!r} twice; {remedy}"
        raise SourceError(message)


def _require(name: str, columns: Sequence[str], place: str, option: str) -> None:
    if name not in columns:
        message = (
            f"{place} has no column {name!r}; its columns are: {listed(columns)}. "
            f"Name the right one with {option}=COLUMN"
        )
        raise SourceError(message)


def _time(
    options: FileOptions, columns: Sequence[str], place: str
) -> tuple[str | GivenTimes, tuple[str, ...]]:
    if options.start is not None and options.step is not None:
        return GivenTimes(options.start, options.step * MICROS), ()
    name = options.timestamp
    if name in columns:
        return name, ()
    parts = joined_columns(name, columns)
    if parts:
        return parts[0], parts[1:]
    before = f"{place} has no column {name!r}; its columns are: {listed(columns)}. "
    behind = (
        "Name the one with the event time with timestamp=COLUMN (or timestamp=DATE+TIME, if two "
        "or more columns hold it; timestamp=COLUMN&start=TIME, if it counts seconds from a "
        "beginning), or give times with start=TIME and step=SECONDS"
    )
    if len(columns) == 1:
        behind += "; if other lines stand before the header, add skip_lines=NUMBER"
        behind += (
            "; or cells with blanks between them, delimiter=blanks" if " " in columns[0] else ""
        )
    if any(re.fullmatch(r"[-+]?[0-9][0-9.,]*", one) for name in columns for one in name.split()):
        behind += "; if the first line is a row, name its columns with columns=NAME,NAME"
    raise NoTimeError(before, behind, likely_time(columns))


def joined_columns(name: str, columns: Sequence[str]) -> tuple[str, ...]:
    """The columns that `DATE+TIME` names, two or more; none: it names no such.

    >>> joined_columns("YEAR+DOY HHMM", ["YEAR", "DOY", "HHMM", "a"])
    ('YEAR', 'DOY', 'HHMM')
    """
    for at, sign in enumerate(name):  # a "+" in the query of a URI arrives as a space
        if sign in "+ " and name[:at] in columns:
            rest = name[at + 1 :]
            behind = (rest,) if rest in columns else joined_columns(rest, columns)
            if behind:
                return name[:at], *behind
    return ()


def likely_time(columns: Sequence[str]) -> str:
    """The value of `timestamp` that the names of columns suggest; "" where none does.

    >>> likely_time(["Datum", "Uhrzeit", "Druck"]), likely_time(["cpu", "Time"])
    ('Datum+Uhrzeit', 'Time')
    """
    # Of two columns of one name, the first: `Date Time` stands before `Date Time(RAW)`.
    spelt = reversed(
        [(re.sub(r"[\W_]", "", re.sub(r"[\[(].*", "", one)).lower(), one) for one in columns]
    )
    names = dict(spelt)
    date = next((names[one] for one in _DATES if one in names), None)
    clock = next((names[one] for one in _CLOCKS if one in names), None)
    moment = next((names[one] for one in _MOMENTS if one in names), None)
    run = run_of_columns(columns)
    if run and (moment is None or moment in run):
        return "+".join(run)
    if date and clock:
        return f"{date}+{clock}"
    return moment or date or clock or ""


def _narrow(options: FileOptions, columns: Sequence[str], place: str) -> Narrow | None:
    taken = {options.metric_column, options.value_column}
    if options.metrics or taken & set(options.ignore):  # only a wide table has these
        return None
    for option in ("metric_column", "unit_column"):
        if option in options.model_fields_set:
            _require(getattr(options, option), columns, place, option)
    if options.metric_column not in columns:
        return None
    _require(options.value_column, columns, place, "value_column")
    for name in options.ignore:
        _require(name, columns, place, "ignore")
    return Narrow(
        options.metric_column,
        options.value_column,
        options.unit_column if _there(options.unit_column, columns, options) else None,
        "metric_type" if _there("metric_type", columns, options) else None,
    )


def _there(name: str, columns: Sequence[str], options: FileOptions) -> bool:
    return name in columns and name not in options.ignore


def _wide(
    options: FileOptions,
    columns: Sequence[str],
    numeric: frozenset[str],
    used: frozenset[str],
    place: str,
) -> Wide:
    for option in ("metrics", "ignore", "rename"):
        for name in getattr(options, option):
            _require(name, columns, place, option)
    chosen = options.metrics or tuple(
        name
        for name in columns
        if name in numeric and name not in used and name not in options.ignore
    )
    if not chosen:
        message = (
            f"{place} has no numeric column left for a metric; its columns are: "
            f"{listed(columns)}. Name them with metrics=COLUMN,COLUMN"
        )
        raise NoMetricError(message)
    names = tuple(options.rename.get(name, name) for name in chosen)
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        message = f"{place}: two columns would become the metric {twice[0]!r}; see rename="
        raise ConfigurationError(message)
    _check_units(options, names, place)
    return Wide(chosen, names, tuple(options.units.get(name, "") for name in names))


def _check_units(options: FileOptions, names: Sequence[str], place: str) -> None:
    for name in options.units:
        if name not in names:
            message = f"{place}: units names {name!r}, the metrics are: {', '.join(names)}"
            raise ConfigurationError(message)


def _check_lengths(plan: Plan, place: str) -> None:
    names = (plan.source_id, *(plan.body.names if isinstance(plan.body, Wide) else ()))
    for name in names:
        if not name or len(name) > MAX_NAME_LENGTH:
            message = f"{place}: the name {name[:40]!r} must have 1 to {MAX_NAME_LENGTH} characters"
            raise ConfigurationError(message)
