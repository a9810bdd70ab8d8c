"""Tables below a head of several lines that says what they are: dstat, Campbell's TOA5, LAS.

The head becomes options, as if somebody had stated them; what the options state already stays.
"""

import csv
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from padit.connectors.file_options import FileOptions
from padit.connectors.tables.detected import day_of
from padit.connectors.tables.stream import BLANKS, read_pieces
from padit.connectors.tables.time_formats import parse_format, possible_without_year
from padit.domain.errors import SourceError
from padit.domain.findings import Guess
from padit.domain.timestamps import MICROS

__all__ = ["of_known_head"]

_HEAD = 1 << 18
_NUMBER = re.compile(r"\s*(?:[-+]?[0-9.][0-9.eE+-]*|NAN|INF)?\s*", re.IGNORECASE)
_DSTAT = re.compile(r'"?(?:pcp-)?(?:dstat|dool) [0-9.]+ CSV output', re.IGNORECASE)
_LAS_LINE = re.compile(r"\s*([^.\s]+)\s*\.(\S*)\s*(.*?)\s*:[^:]*$")

_Found = tuple[dict[str, Any], str]


def of_known_head(path: str, options: FileOptions) -> tuple[FileOptions, list[Guess]] | None:
    """The options that read a file with such a head; None: it has none, or options name the rows.

    Raises:
        SourceError: it cannot be read, or its head shows that it cannot be watched.
    """
    if options.skip_lines or options.columns:
        return None
    head = read_pieces(path, _HEAD, 0, 0)[0]
    lines = head.decode("utf-8", "replace").lstrip("\ufeff").replace("\r\n", "\n").split("\n")
    for begins, read in _KINDS:
        if begins(lines[0]):
            found = read(path, lines, options)
            if found is not None:
                stated = options.model_fields_set
                update = {name: value for name, value in found[0].items() if name not in stated}
                return options.model_copy(update=update), [Guess(path, found[1], "")]
    return None


def _cells(line: str) -> list[str]:
    return [" ".join(cell.split()) for cell in next(csv.reader([line]), [])]


def _dstat(path: str, lines: Sequence[str], options: FileOptions) -> _Found | None:
    """Titles, the groups of columns, their names, and a time that has no year."""
    rows = [_cells(line) for line in lines[:20]]
    timed = [bool({"time", "epoch"} & set(row)) for row in rows]
    at = next((i for i in range(len(rows) - 2) if timed[i + 1] and not timed[i + 2]), -1)
    if at < 0:
        return None
    group, names = "", []
    groups = rows[at] + [""] * len(rows[at + 1])
    for above, name in zip(groups, rows[at + 1], strict=False):
        group = above or group
        alone = group in ("system", "epoch") or name in (group, "time", "epoch")
        names.append(name if alone else f"{group} {name}".strip())
    told = {row[i].rstrip(":"): row[i + 1]
            for row in rows[:at] for i in range(len(row) - 1) if row[i].endswith(":")}  # fmt: skip
    found: dict[str, Any] = {"skip_lines": at + 2, "columns": tuple(names)}
    if told.get("Host") and options.source_column is None:
        found["source_id"] = told["Host"]
    if "epoch" in names:
        return found | {"timestamp": "epoch"}, "it is a recording of dstat"
    place = names.index("time")
    cell = next((row[place] for row in rows[at + 2 :] if len(row) > place), "")
    day = _dstat_day(told.get("Date", ""))
    formats = possible_without_year(cell)
    found["timestamp"] = "time"
    if not formats:
        return found, "it is a recording of dstat"
    if day is None:
        if options.start is None:
            message = (
                f"{path}: its times, such as {cell!r}, have no year, and its head has no date; add "
                f"the day of the first row, such as start={day_of(path)}"
            )
            raise SourceError(message)
        day = datetime.fromtimestamp(options.start // MICROS, UTC)
    form = next((one for one in formats if _is_on(cell, one, day)), formats[0])
    found |= {"time_format": form, "start": int(day.timestamp()) * MICROS}
    return (
        found,
        f"it is a recording of dstat, whose times, such as {cell!r}, are {form} of {day:%Y}",
    )


def _dstat_day(text: str) -> datetime | None:
    found = re.match(r"([0-9]{1,2} [A-Za-z]{3} [0-9]{4})", text)
    try:
        return datetime.strptime(found[1], "%d %b %Y").replace(tzinfo=UTC) if found else None
    except ValueError:
        return None


def _is_on(cell: str, form: str, day: datetime) -> bool:
    """Whether a cell in a form is of a day, or of the one behind it."""
    parsed = parse_format(pa.array([cell]), form, day.year)
    apart = int(parsed.micros[0]) - int(day.timestamp()) * MICROS
    return 0 <= apart < 2 * 86_400 * MICROS


def _toa5(path: str, lines: Sequence[str], options: FileOptions) -> _Found | None:
    """Campbell: the station, names, units and kinds of values, then rows."""
    if len(lines) < 4:
        return None
    station, names, units = _cells(lines[0]), _cells(lines[1]), _cells(lines[2])
    first = _cells(lines[4]) if len(lines) > 4 else []
    found: dict[str, Any] = {"skip_lines": 4, "columns": tuple(names)}
    if "TIMESTAMP" in names:
        found["timestamp"] = "TIMESTAMP"
    if len(station) > 1 and station[1] and options.source_column is None:
        found["source_id"] = station[1]
    if "RECORD" in names and not options.metrics:
        found["ignore"] = ("RECORD",)
    found["units"] = {
        name: unit
        for name, unit, cell in zip(names, units, first, strict=False)
        if unit and name not in ("TIMESTAMP", "RECORD", *options.ignore)
        and name not in options.rename
        and (not options.metrics or name in options.metrics)
        and _NUMBER.fullmatch(cell)
    }  # fmt: skip
    return found, "it is a table of Campbell's TOA5, with names and units in its head"


def _pdh(path: str, lines: Sequence[str], options: FileOptions) -> _Found | None:
    """Windows' performance counters: the month comes first, the head has minutes behind UTC."""
    name = next(csv.reader([lines[0]], delimiter="\t" if "\t" in lines[0] else ","))[0]
    behind = re.search(r"\((-?[0-9]+)\)$", name)
    minutes = int(behind[1]) if behind else 0
    found: dict[str, Any] = {"timestamp": name}
    zone = ""
    if options.timezone is None and minutes % 60 == 0 and abs(minutes) <= 12 * 60:
        zone = f"Etc/GMT{minutes // 60:+d}" if minutes else "UTC"
        found["timezone"] = zone
    if options.time_format is None:
        found["time_format"] = "%m/%d/%Y %H:%M:%S"
    told = f", of the zone {zone}" if zone else ""
    if options.timezone is None and not zone:
        told = (
            f"; its head says {-minutes:+d} minutes from UTC, and its times are read as those of "
            "UTC unless timezone= names their zone"
        )
    return found, f"it is a log of Windows' performance counters, with the month first{told}"


def _las(path: str, lines: Sequence[str], options: FileOptions) -> _Found | None:
    """A well log: its curves and the number that stands for no value; the first curve is the index.

    Raises:
        SourceError: the index is a depth, or the file is wrapped.
    """
    sections = [i for i, line in enumerate(lines) if line.startswith("~")]
    begin = next((i for i in sections if lines[i][1:2].upper() == "A"), -1)
    if begin < 0:
        return None
    fields: dict[str, str] = {}
    curves: list[tuple[str, str]] = []
    section = ""
    for line in lines[:begin]:
        section = line[1:2].upper() if line.startswith("~") else section
        found = _LAS_LINE.match(line)
        if found is not None and not line.startswith(("~", "#")):
            fields[found[1].upper()] = found[3]
            if section == "C":
                curves.append((found[1], found[2]))
    if fields.get("WRAP", "NO").upper().startswith("Y") or len(curves) < 2:
        message = f"{path} is a LAS file that is wrapped or names no curves: export it as CSV"
        raise SourceError(message)
    index, unit = curves[0]
    values: dict[str, Any] = {
        "skip_lines": begin + 1,
        "columns": tuple(name for name, _ in curves),
        "delimiter": BLANKS,
        "missing": (fields["NULL"],) if fields.get("NULL") else (),
    }
    if "units" not in options.model_fields_set and not (options.metrics or options.ignore):
        values["units"] = {name: one for name, one in curves[1:] if one}
    _refuse_depth(path, index, unit, options)
    if options.step is None and options.timestamp == "timestamp":
        values["timestamp"] = index
    null = f", in which {fields['NULL']} stands for no value" if fields.get("NULL") else ""
    return values, f"it is a well log (LAS) of {len(curves)} curves{null}"


def _refuse_depth(path: str, index: str, unit: str, options: FileOptions) -> None:
    """Refuse an index that is no time, or that counts from a moment nothing says."""
    if options.step is not None or (options.start is not None and options.timestamp == index):
        return
    if unit.upper() in ("S", "SEC", "SECONDS", "SECOND"):
        message = (
            f"{path} is a well log whose index {index} counts seconds; add the time of its first "
            f"row, such as start={day_of(path)}T00:00:00Z&timestamp={index}"
        )
        raise SourceError(message)
    if "TIME" not in index.upper() and options.timestamp == "timestamp":
        message = (
            f"{path} is a well log whose index is {index} ({unit or 'no unit'}) and no time; to "
            f"watch it row by row as if each took a second, add start={day_of(path)}&step=1"
        )
        raise SourceError(message)


_KINDS: tuple[
    tuple[Callable[[str], Any], Callable[[str, Sequence[str], FileOptions], _Found | None]],
    ...,
] = (
    (_DSTAT.match, _dstat),
    (re.compile(r'"?TOA5"?,').match, _toa5),
    (re.compile(r'"?\(PDH-(?:CSV|TSV) 4\.0\)').match, _pdh),
    (re.compile(r"~V", re.IGNORECASE).match, _las),
)
