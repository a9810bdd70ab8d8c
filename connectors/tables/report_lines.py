"""Lines of a report for people, such as `sar`, `iostat`, `vmstat -t` and `rrdtool fetch` print it.

Columns are aligned with blanks, headers come again, and what a table keeps in each row stands once:
the host and the date in a banner, the time in a line of its own. A line is recognised by its cells,
by the headers that are known, and by the lines above.
"""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

__all__ = ["Clock", "Days", "Kind", "LineReader", "Row", "Seen", "is_header", "kind_of", "moment"]

_IDS = frozenset(
    ("CPU", "IFACE", "DEV", "Device", "Device:", "TTY", "INTR", "NODE", "PID", "TGID", "TID", "UID",
     "USER", "Command", "FILESYSTEM", "MOUNTPOINT", "TEMP", "FAN", "IN", "BUS", "FCHOST", "disk")
)  # fmt: skip
"""Columns that tell rows of one time apart also where they hold numbers."""
_NUMBER = re.compile(r"[-+]?(?:[0-9][0-9.,]*(?:[eE][-+]?[0-9]+)?[%kKMGTB]?|nan|inf)", re.IGNORECASE)
_NAME = re.compile(r"[%#A-Za-z_/\u00c0-\uffff][^()=<>]*")
_CLOCK = re.compile(r"([0-9]{1,2}):([0-9]{2}):([0-9]{2})(?:[.,][0-9]+)?")
_DATE = re.compile(r"[0-9]{1,4}([-/.])[0-9]{1,2}\1[0-9]{1,4}")
_EPOCH = re.compile(r"([0-9]{9,10}):")
_HALVES = ("AM", "PM", "am", "pm")
_ZONES = re.compile(r"[A-Z]{2,5}|[-+][0-9]{4}")
_HOST = re.compile(r"\(([^()\s]{1,100})\)")
_RULER = re.compile(r"[#<]{0,2}-[\w/<>\[\]-]*->?")
_HALF_DAY = 43_200
MOST_KINDS = 200


class Kind(NamedTuple):
    """One header.

    Attributes:
        header: its cells, without a time.
        columns: names of the cells of a row, without what stands above none.
        ids: places of the cells that tell a row from others of its time.
    """

    header: tuple[str, ...]
    columns: tuple[str, ...]
    ids: tuple[int, ...]


class Clock(NamedTuple):
    """A time as a line has it.

    Attributes:
        date: as text; "" where the banner has it.
        seconds: since midnight; -1 where `date` is a whole moment.
    """

    date: str
    seconds: int


class Row(NamedTuple):
    """A row: the time that it or a line above has, its header, and its cells."""

    clock: Clock | None
    kind: Kind
    cells: list[str]


class Seen(NamedTuple):
    """What a line is.

    Attributes:
        row: of a table.
        header: the header of a table.
        summary: cells of a row of averages, which has no time of its own.
        other: a line that is neither, nor a banner, a time, a ruler or empty.
    """

    row: Row | None = None
    header: tuple[str, ...] = ()
    summary: int = 0
    other: int = 0


def is_header(cells: Sequence[str]) -> bool:
    """Whether cells can be the names of columns."""
    return (
        bool(cells)
        and len(set(cells)) == len(cells)
        and all(_NAME.fullmatch(cell) and not _NUMBER.fullmatch(cell) for cell in cells)
    )


def kind_of(header: tuple[str, ...], cells: Sequence[str]) -> Kind | None:
    """The kind of a header above a row's cells; None if they do not belong together.

    >>> kind_of(("IFACE", "rxpck/s"), ["eth0", "1.0"]).ids
    (0,)
    >>> kind_of(("avg-cpu:", "%user", "%idle"), ["1.0", "99.0"]).columns
    ('%user', '%idle')
    """
    names = header
    if len(header) == len(cells) + 1 and header[0].endswith(":"):
        names = header[1:]
    elif len(header) == len(cells) + 1 and _ZONES.fullmatch(header[-1]):
        names = header[:-1]  # vmstat -t names the zone of its times there
    last = len(names) - 1
    if len(cells) > len(names) and not _NUMBER.fullmatch(cells[last]):
        cells = cells[: len(names)]  # a command with its arguments
    if len(names) != len(cells) or not any(_NUMBER.fullmatch(cell) for cell in cells):
        return None
    ids = []
    for at, (name, cell) in enumerate(zip(names, cells, strict=True)):
        if name not in _IDS and _NUMBER.fullmatch(cell):
            break
        ids.append(at)
    if last not in ids and not _NUMBER.fullmatch(cells[last]):
        ids.append(last)
    return Kind(header, names, tuple(ids)) if len(ids) < len(names) else None


class LineReader:
    """Recognises the lines of a report, in order.

    Args:
        kinds: by header.
        learn: whether other headers are added to them, once a row stands below.

    Attributes:
        host: of the latest banner.
        date: of the latest banner, as text.
        kind: of the latest header.
        evidence: how often something was seen that only reports have.
        halves: whether times of day have AM or PM.
    """

    def __init__(self, kinds: dict[tuple[str, ...], Kind], *, learn: bool = False) -> None:
        self._kinds = kinds
        self._learn = learn
        self._offered: tuple[str, ...] = ()
        self._above: Clock | None = None
        self._clocked = False  # whether rows have times of their own
        self.host = self.date = ""
        self.kind: Kind | None = None
        self.evidence = 0
        self.halves = False

    def see(self, line: str) -> Seen:
        """The next line."""
        cells = line.split()
        if cells[:1] == ["#"]:
            cells = cells[1:]
        if not cells or self._is_said(line, cells):
            return Seen()
        clock, rest = self._begin(cells)
        numbers = sum(_NUMBER.fullmatch(cell) is not None for cell in rest)
        if clock is None and self._clocked and rest[0].endswith(":"):
            return Seen(summary=1 + numbers)  # Average: and its header
        if is_header(rest):
            return self._header(clock, tuple(rest))
        found = self._row(clock, rest)
        if found is not None:
            return Seen(row=found)
        return Seen(other=1 + numbers)

    def _is_said(self, line: str, cells: list[str]) -> bool:
        """Whether the line is a ruler, a banner, or a time above rows."""
        if _RULER.fullmatch(cells[-1]) and all(
            one == "procs" or _RULER.fullmatch(one) for one in cells
        ):
            self.evidence += 1
            return True
        clock, rest = self._moment(cells[1:] if cells[0] in ("Time:", "zzz") else cells)
        if clock is not None and not rest:
            self._above = clock
            self.evidence += 1
            return True
        host = _HOST.search(line)
        date = next((one for one in cells if _DATE.fullmatch(one)), None)
        if host is None or date is None or clock is not None:
            return False
        self.host, self.date = host[1], date
        self.evidence += 1
        return True

    def _moment(self, cells: list[str]) -> tuple[Clock | None, list[str]]:
        """A date and a time at the beginning of cells, and what is behind it."""
        date = ""
        if len(cells[0]) > 10 and "T" in cells[0][4:11]:
            try:
                datetime.fromisoformat(cells[0])
            except ValueError:
                return None, cells
            return Clock(cells[0], -1), cells[1:]
        rest = cells
        if _DATE.fullmatch(cells[0]):
            date, rest = cells[0], cells[1:]
        seconds, rest = self._seconds(rest)
        if seconds is None:
            return None, cells
        if date and rest and _ZONES.fullmatch(rest[0]):
            rest = rest[1:]
        return Clock(date, seconds), rest

    def _seconds(self, cells: list[str]) -> tuple[int | None, list[str]]:
        found = _CLOCK.fullmatch(cells[0]) if cells else None
        if found is None:
            return None, cells
        hour, rest = int(found[1]), cells[1:]
        if rest and rest[0] in _HALVES and 1 <= hour <= 12:
            hour = hour % 12 + (12 if rest[0].upper() == "PM" else 0)
            rest, self.halves = rest[1:], True
        return hour * 3600 + int(found[2]) * 60 + int(found[3]), rest

    def _begin(self, cells: list[str]) -> tuple[Clock | None, list[str]]:
        """The time that a row has, at its begin or its end, and its other cells."""
        epoch = _EPOCH.fullmatch(cells[0])
        if epoch is not None:
            self.evidence += 1
            when = datetime.fromtimestamp(int(epoch[1]), UTC)
            return Clock(when.isoformat(), -1), cells[1:]
        clock, rest = self._moment(cells)
        if clock is not None:
            return clock, rest
        at = len(cells) - 2
        if at > 0 and _ZONES.fullmatch(cells[-1]) and _CLOCK.fullmatch(cells[-2]):
            at -= 1
        if at > 0 and _DATE.fullmatch(cells[at]) and _CLOCK.fullmatch(cells[at + 1]):
            clock, _ = self._moment(cells[at:])
            return clock, cells[:at]
        return None, cells

    def _header(self, clock: Clock | None, cells: tuple[str, ...]) -> Seen:
        if cells[0] in ("Time", "#Time", "time") and len(cells) > 1:
            cells = cells[1:]
        if clock is not None:
            self.evidence += 1
        self._offered = cells
        if cells not in self._kinds:
            return Seen() if self._learn else Seen(other=1)
        self.kind = self._kinds[cells]
        return Seen(header=cells)

    def _row(self, clock: Clock | None, cells: list[str]) -> Row | None:
        offered, self._offered = self._offered, ()
        if self._learn and offered and offered not in self._kinds:
            found = kind_of(offered, cells)
            if found is not None and len(self._kinds) < MOST_KINDS:
                self._kinds[offered] = self.kind = found
        kind = self.kind
        if kind is None:
            return None
        columns = len(kind.columns)
        if len(cells) > columns and columns - 1 in kind.ids:
            cells = [*cells[: columns - 1], " ".join(cells[columns - 1 :])]
        if len(cells) == columns:
            self._clocked = self._clocked or clock is not None
            return Row(clock or self._above, kind, cells)
        return None


class Days:
    """The dates of times of day: those of one header go on over midnight."""

    def __init__(self) -> None:
        self._last: dict[tuple[str, ...], tuple[str, int, int]] = {}

    def of(self, date: str, kind: Kind, seconds: int, formats: str) -> str:
        """Date and time of a row; "" if the date is none."""
        known, days, last = self._last.get(kind.header, ("", 0, seconds))
        if known != date:
            days, last = 0, seconds
        if seconds + _HALF_DAY < last:
            days += 1
        self._last[kind.header] = date, days, seconds
        return moment(date, formats, seconds, days)


def moment(date: str, form: str, seconds: int, days: int = 0) -> str:
    """Date and time in one form; "" if the date is none.

    >>> moment("11/29/26", "%m/%d/%y", 3661)
    '2026-11-29 01:01:01'
    """
    try:
        day = datetime.strptime(date, form)  # noqa: DTZ007  # the zone is that of the option
    except ValueError:
        return ""
    return (day + timedelta(days=days, seconds=seconds)).isoformat(" ")
