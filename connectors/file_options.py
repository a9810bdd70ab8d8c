"""How the columns of a file become metrics: the options of a URI's query or of a YAML mapping."""

import encodings
import io
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from padit.connectors.payloads import FORMAT
from padit.connectors.tables.counts import COUNTS
from padit.connectors.tables.stream import BLANKS
from padit.connectors.tables.time_formats import check_format, comes_again
from padit.connectors.tables.times import EPOCHS
from padit.connectors.tables.values import SEPARATORS
from padit.domain.config import explain
from padit.domain.errors import ConfigurationError
from padit.domain.timestamps import parse_timestamp, zone_of

__all__ = ["OF_ANY_FORMAT", "TEXT_ONLY", "FileOptions", "file_options"]

_OF_LABELS = ("idna", "punycode")
"""Encodings of single names, which cannot be read in pieces."""
OF_ANY_FORMAT = frozenset(("order", "repeats", "suffix"))
"""Options that do not depend on what a file looks like."""
TEXT_ONLY = (
    "delimiter", "columns", "encoding", "line_end", "skip_lines", "comment", "decimal",
    "thousands", "states", "missing", "time_format",
)  # fmt: skip
"""Options that only text tables have."""

_DELIMITERS = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";", "space": " ", "pipe": "|",
               "blanks": BLANKS}  # fmt: skip


def _delimiter(value: Any) -> Any:
    return _DELIMITERS.get(value, value) if isinstance(value, str) else value


def _names(value: Any) -> Any:
    """`a,b` as in a URI, or a list as in YAML."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    if isinstance(value, list | tuple):
        return tuple(f"{one}" if isinstance(one, int | float) else one for one in value)
    return value


def _missing(value: Any) -> Any:
    """Names; the "+" of 1e+30 arrives from a URI as a blank."""
    names = _names(value)
    if not isinstance(names, tuple):
        return names
    return tuple(re.sub(r"^([-0-9.]+[eE]) ([0-9]+)$", r"\1+\2", str(one)) for one in names)


def _pairs(value: Any) -> Any:
    """`a:b,c:d` as in a URI, or a mapping as in YAML."""
    if not isinstance(value, str):
        return value
    pairs = [part.rpartition(":") for part in value.split(",") if part.strip()]
    for name, colon, to in pairs:
        if not (name and colon and to):
            message = f"{value!r} must read NAME:VALUE,NAME:VALUE"
            raise ValueError(message)
    return {name.strip(): to.strip() for name, _, to in pairs}


def _moment(value: Any) -> Any:
    """Any timestamp, as microseconds; a number as text is a number, YAML makes datetimes."""
    if value is None:
        return None
    text = str(value)
    try:
        return parse_timestamp(float(text))
    except ValueError:
        return parse_timestamp(text)


def _mark(value: Any) -> Any:
    return SEPARATORS.get(value, value) if isinstance(value, str) else value


def _encoding(value: Any) -> Any:
    if isinstance(value, str):
        try:
            "".encode(value)
            # A file is read in pieces, and a byte that is none of the encoding must not end it.
            io.TextIOWrapper(io.BytesIO(b"\xff"), value, "replace").read()
            if encodings.normalize_encoding(value).lower() in _OF_LABELS:
                raise LookupError(value)
        except (LookupError, UnicodeError) as error:
            message = (
                f"{value!r} is no encoding of files that Python knows, such as utf-8 or cp1252"
            )
            raise ValueError(message) from error
    return value


def _states(value: Any) -> Any:
    """Words, in lower case, with their numbers."""
    pairs = _pairs(value)
    if not isinstance(pairs, dict):
        return pairs
    return {str(word).lower(): number for word, number in pairs.items()}


def _time_format(value: Any) -> Any:
    if isinstance(value, str) and value not in ("iso", *EPOCHS, *COUNTS):
        check_format(value)
    return value


def _zone(value: Any) -> Any:
    if isinstance(value, str) and zone_of(value) is None:
        message = f"{value!r} is no time zone of the IANA database, such as Europe/Berlin"
        raise ValueError(message)
    return value


def _suffix(value: Any) -> Any:
    return value.lstrip(".") if isinstance(value, str) else value


_Names = Annotated[tuple[str, ...], BeforeValidator(_names)]
_Pairs = Annotated[dict[str, str], BeforeValidator(_pairs)]


class FileOptions(BaseModel):
    """Mapping of a CSV or Parquet file; of these JSON Lines has only `order` and `repeats`.

    A table is *narrow* if it has the metric and the value column: a row is one sample. Any
    other table is *wide*: every metric column is one metric, a row is one sample of each.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    delimiter: Annotated[str | None, BeforeValidator(_delimiter)] = Field(
        default=None,
        min_length=1,
        max_length=1,
        description="Character between CSV columns, or `tab`, or `blanks` for columns that are "
        "aligned with blanks; by default a comma, in .tsv a tab.",
    )
    columns: _Names = Field(
        default=(), description="Names of the columns of a CSV file that has no header line."
    )
    encoding: Annotated[str | None, BeforeValidator(_encoding)] = Field(
        default=None,
        description="Of a CSV file: `utf-8`, `utf-16`, `cp1252`, `cp932`, ...; by default found "
        "out, by usual words where it is no UTF-8.",
    )
    line_end: Literal["lf", "cr"] | None = Field(
        default=None,
        description="What ends a line: `lf` (or CR LF) or `cr` alone; by default found out.",
    )
    skip_lines: int = Field(
        default=0, ge=0, le=10_000, description="Title lines above the header of a CSV file."
    )
    comment: str | None = Field(
        default=None,
        max_length=8,
        description="What a comment line begins with, or empty for none; by default `#` if the "
        "first line begins with it.",
    )
    decimal: Annotated[Literal[",", "."] | None, BeforeValidator(_mark)] = Field(
        default=None,
        description="Decimal mark of numbers in text, `comma` or `point`; by default found out.",
    )
    thousands: Annotated[Literal[",", ".", " ", "'", ""] | None, BeforeValidator(_mark)] = Field(
        default=None,
        description="Mark between thousands: `comma`, `point`, `space`, `apostrophe`, or empty for "
        "none; by default found out.",
    )
    states: Annotated[dict[str, float], BeforeValidator(_states)] = Field(
        default_factory=dict,
        description="Words that are numbers (`ok:0,warn:1` in a URI); by default a column of "
        "true/false, on/off, up/down or yes/no is 1 and 0.",
    )
    missing: Annotated[tuple[str, ...], BeforeValidator(_missing)] = Field(
        default=(),
        description="Numbers and words that stand for no value (`-999.25,No Data`), beside empty "
        "cells, `NA`, `NaN`, `null` and the like.",
    )
    timestamp: str = Field(
        default="timestamp",
        description="Column of the event time, or several (`date+time`, `year+doy+hhmm`): "
        "seconds, milliseconds, microseconds or nanoseconds since 1970, RFC 3339, or another form "
        "(see `time_format`).",
    )
    start: Annotated[int | None, BeforeValidator(_moment)] = Field(
        default=None,
        description="Time of the first row, for a file without times; any timestamp. With "
        "`timestamp`: where the numbers of that column begin to count (in seconds, or the unit of "
        "`time_format`), or the day of the first row where times have no year or no date.",
        examples=["2026-01-01T00:00:00Z"],
    )
    step: float | None = Field(
        default=None, gt=0, description="Seconds from row to row; goes with `start`."
    )
    time_format: Annotated[str | None, BeforeValidator(_time_format)] = Field(
        default=None,
        description="Form of the times, as for strptime (`%d.%m.%Y %H:%M:%S`), or `iso`, "
        "`epoch_s`, `epoch_ms`, `epoch_us`, `epoch_ns`, or a count of days or ticks: `excel`, "
        "`matlab`, `julian`, `filetime`, `ticks`; by default found out. `%j` is the day of the "
        "year, `%-H%M` a time of day without zeros before it (930).",
    )
    timezone: Annotated[str | None, BeforeValidator(_zone)] = Field(
        default=None,
        description="Zone of times without an offset, such as `Europe/Berlin`; by default UTC.",
    )
    repeated_hour: Literal["order", "first", "second", "refuse"] = Field(
        default="order",
        description="What a time is that comes twice when clocks are set back: what the order of "
        "rows shows (else refused), the `first`, the `second`, or refused.",
    )
    source_id: str | None = Field(
        default=None,
        min_length=1,
        description="The source_id of every row; by default the file's name without its suffix.",
    )
    source_column: str | None = Field(
        default=None, description="Column of the source_id; by default `source_id` if there is one."
    )
    metric_column: str = Field(default="metric_name", description="Narrow: column of the name.")
    value_column: str = Field(default="value", description="Narrow: column of the value.")
    unit_column: str = Field(default="unit", description="Narrow: column of the unit, if any.")
    metrics: _Names = Field(
        default=(), description="Wide: metric columns; by default every other numeric column."
    )
    ignore: _Names = Field(default=(), description="Wide: columns that are no metrics.")
    rename: _Pairs = Field(
        default_factory=dict, description="Column to metric_name (`a:b,c:d` in a URI)."
    )
    units: _Pairs = Field(default_factory=dict, description="metric_name to unit.")
    format: Any = Field(default=None, description=f"JSON only. {FORMAT}")
    order: Literal["time", "arrival"] = Field(
        default="time",
        description="`time`: rows are read in the order of their times, whatever their order in "
        "the file. `arrival`: the file is the recording of a stream, rows stand in the order in "
        "which they came, and late ones are late.",
    )
    repeats: Literal["keep", "drop"] = Field(
        default="keep",
        description="`keep`: each row is a sample, also where series and time are those of another "
        "row; the times of such samples are a microsecond apart. `drop`: rows with the series, "
        "time and value of another count once, as in a topic.",
    )
    suffix: Annotated[str | None, BeforeValidator(_suffix)] = Field(
        default=None,
        description="How a file is read whose name does not say it: `csv`, `json`, `jsonl`, "
        "`parquet`, `prom`, `tsv`.",
    )

    @property
    def base(self) -> int | None:
        """Where the numbers of the column of times begin to count, microseconds; None: in 1970."""
        return self.start if self.step is None else None


def _is_open(time_format: str | None) -> bool:
    """Whether times of a format have no year, so that `start` gives it."""
    known = (None, "iso", *EPOCHS, *COUNTS)
    return time_format not in known and bool(comes_again(time_format or ""))


def file_options(place: str, options: Mapping[str, Any]) -> FileOptions:
    """Check options.

    Args:
        place: URI, for the message.
        options: values as text (URI) or as YAML has them.

    Raises:
        ConfigurationError: unknown keys (the allowed ones are named), wrong or contradicting
            values.
    """
    try:
        checked = FileOptions.model_validate(options)
    except ValidationError as error:
        raise ConfigurationError(explain(place, FileOptions, error)) from error
    named = "timestamp" in checked.model_fields_set
    faults = {
        "start needs step, the seconds from row to row, or timestamp, the column that counts "
        "seconds from start": checked.start is not None and checked.step is None and not named,
        "step needs start, the time of the first row": (
            checked.step is not None and checked.start is None
        ),
        "step and timestamp contradict each other: give one of them": (
            checked.step is not None and named
        ),
        "numbers that count from start have a unit as time_format: epoch_s, epoch_ms, ...": (
            checked.start is not None
            and named
            and checked.time_format not in (None, *EPOCHS)
            and not _is_open(checked.time_format)
        ),
        f"time_format={checked.time_format} has no year: add start= with the day of the first "
        "row, such as start=2026-01-05": (checked.start is None and _is_open(checked.time_format)),
        "source_id and source_column contradict each other: give one of them": (
            checked.source_id is not None and checked.source_column is not None
        ),
        "decimal and thousands cannot be the same mark": (
            checked.decimal is not None and checked.decimal == checked.thousands
        ),
        "metrics and ignore contradict each other: give one of them": (
            bool(checked.metrics) and bool(checked.ignore)
        ),
    }
    for fault, applies in faults.items():
        if applies:
            message = f"{place}: {fault}"
            raise ConfigurationError(message)
    return checked
