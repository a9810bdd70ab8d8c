"""Headers below the first one: several tables in one file, or one file behind another.

A record is such a header if it has names and no numbers, and either names a column of times, or
stands where no row of the table above can stand (behind an empty line, or with another number of
cells) with a row of numbers below it. Few records can be one at all; only these are looked at.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from padit.connectors.file_plan import likely_time
from padit.connectors.tables.dialect import cells_of
from padit.connectors.tables.records import Block
from padit.connectors.tables.units import family
from padit.connectors.tables.values import MISSING
from padit.domain.errors import SourceError

__all__ = ["HeaderFinder", "Table", "units_of"]

_MOST_TABLES = 10_000
_MOST_LOOKED = 20_000  # records of a block that are looked at
_MOST_BETWEEN = 20  # lines between two tables that are no rows
_NUMBER = re.compile(r"\s*[-+]?[0-9.][0-9.,eE+-]*\s*%?\s*")
_UNIT = re.compile(r"\S{0,12}[/°%^·²³]\S{0,12}")  # l/min, °C, %, m³
_UNITS = frozenset(
    (
        "C", "F", "K", "degC", "degF", "deg", "rad", "psi", "rpm", "RPM", "mph", "kn", "N", "kN",
        "Nm", "J", "kJ", "l", "L", "ml", "m3", "m2", "t", "lb", "lbs", "oz", "ft", "in", "gal",
        "ppm", "ppb", "pH", "dB", "dBm", "dBA", "lx", "lm", "cd", "mol", "Ohm", "ohm", "S", "T",
        "Sv", "VA", "kVA", "var", "kvar", "mmHg", "atm", "torr", "um", "pcs", "count", "counts",
        "Volt", "Volts", "volt", "volts", "Ampere", "Amps", "Hertz", "Celsius", "second", "seconds",
        "Second", "Seconds",
    )
)  # fmt: skip
_BRACKETS = {"(": ")", "[": "]", "{": "}", "<": ">"}
_MISSING = frozenset(MISSING.to_pylist())
_LETTER = np.zeros(256, bool)
_LETTER[[*range(65, 91), *range(97, 123), *range(128, 256)]] = True


class Table(NamedTuple):
    """One table of a file.

    Attributes:
        names: cells of its header.
        header: record that is its header; -1 for the one above all records.
        stop: record behind its last row; -1 where that is the end of the file.
        between: a line that stands between it and the next table, or b"".
    """

    names: tuple[str, ...]
    header: int
    stop: int = -1
    between: bytes = b""


class HeaderFinder:
    """Takes the records of a file and finds the headers among them.

    Args:
        place: file, for messages.
        names: of the first header.
        times: columns of the event time.
        delimiter: between cells.
        comment: what a header begins with, or "".
    """

    def __init__(
        self,
        place: str,
        names: Sequence[str],
        times: Sequence[str],
        delimiter: str,
        comment: str = "",
    ) -> None:
        self._comment = comment.encode()
        self._place = place
        self._delimiter = delimiter
        self._times = frozenset(times)
        parts = "|".join(re.escape(name) for name in times)
        sign = re.escape(delimiter)
        self._named = re.compile(rf'(?:^|{sign})"?(?:{parts})"?(?:{sign}|\r?$)'.encode(), re.M)
        self._bytes = [name.encode() for name in times]
        self._empty = False  # whether the last record of the block before is empty
        self._waits: tuple[int, tuple[str, ...]] | None = None  # for a row of numbers below it
        self.tables = [Table(_trimmed(tuple(names)), -1)]

    def see(self, block: Block) -> None:
        """Take in consecutive records. Raises SourceError: too many tables."""
        empty = _empty(block)
        candidates = self._candidates(block, empty)
        for at in candidates[:_MOST_LOOKED].tolist():
            behind = bool(empty[at - 1]) if at else self._empty
            self._look(block, at, empty, behind=behind)
        if self._waits is not None and len(block):
            self._confirm(block, int(np.argmin(empty)))
        self._empty = bool(empty[-1])
        if len(self.tables) > _MOST_TABLES:
            message = f"{self._place} has more than {_MOST_TABLES} tables, one below the other"
            raise SourceError(message)

    def _candidates(self, block: Block, empty: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Records that may be headers."""
        octets = np.frombuffer(block.data, np.uint8)
        starts = np.concatenate(([0], block.ends[:-1]))
        behind = np.concatenate(([self._empty], empty[:-1])) & ~empty
        quoted = octets[starts] == ord('"')
        begin = octets[np.minimum(starts + quoted, len(octets) - 1)]
        letters = _LETTER[begin]
        chosen = behind
        if self._comment:
            chosen = octets[starts] == self._comment[0]
        elif 2 * np.count_nonzero(letters) <= len(block):  # rows begin with something else
            chosen = chosen | letters
        found = np.flatnonzero(chosen)
        if any(name in block.data for name in self._bytes):
            places = [match.start() + 1 for match in self._named.finditer(block.data)]
            hits = np.searchsorted(block.ends, np.array(places, np.int64) - 1, side="right")
            found = np.union1d(found, hits[hits < len(block)])
        return found.astype(np.int64)

    def _look(self, block: Block, at: int, empty: NDArray[np.bool_], *, behind: bool) -> None:
        line = block.record(at)
        if not line.startswith(self._comment):
            return
        line = line[len(self._comment) :].strip() if self._comment else line
        cells = _trimmed(tuple(" ".join(one.split()) for one in cells_of(line, self._delimiter)))
        if not _are_names(cells):
            return
        number = block.first + at
        above = self.tables[-1]
        rows = number > above.header + 1  # of the table above, as far as there are any
        if cells == above.names or self._times & set(cells) or (rows and likely_time(cells)):
            self._found(block, at, empty, Table(cells, number))
            return
        fits = len(cells) > 1 or len(above.names) == 1
        if rows and fits and not self._comment and (behind or len(cells) != len(above.names)):
            below = at + 1
            while below < len(block) and empty[below]:
                below += 1
            self._waits = number, cells
            if below < len(block):
                self._confirm(block, below, at, empty)

    def _confirm(
        self, block: Block, below: int, at: int = 0, empty: NDArray[np.bool_] | None = None
    ) -> None:
        """Whether the record below a likely header is a row of numbers."""
        waits, self._waits = self._waits, None
        if waits is None:
            return
        number, names = waits
        row = cells_of(block.record(below), self._delimiter)
        if len(row) == len(names) and any(_NUMBER.fullmatch(cell) for cell in row):
            self._found(block, at, empty, Table(names, number))

    def _found(self, block: Block, at: int, empty: NDArray[np.bool_] | None, table: Table) -> None:
        """The table above ends; what stands between the two is none of its rows."""
        if table.header <= self.tables[-1].header:
            return
        above, between, stop = self.tables[-1], b"", table.header
        first = max(0, at - _MOST_BETWEEN, above.header + 1 - block.first)
        for back in range(at - 1, first - 1, -1):
            line = block.record(back)
            title = len(cells_of(line, self._delimiter)) == 1 < len(above.names)
            if not ((empty is not None and empty[back]) or title):
                break
            stop = block.first + back
            between = line if title and line.strip() else between
        self.tables[-1] = above._replace(stop=stop, between=between)
        self.tables.append(table)


def _empty(block: Block) -> NDArray[np.bool_]:
    octets = np.frombuffer(block.data, np.uint8)
    sizes = np.diff(block.ends, prepend=0)
    empty: NDArray[np.bool_] = sizes == 1
    two = np.flatnonzero(sizes == 2)
    empty[two] = octets[block.ends[two] - 2] == ord("\r")
    return empty


def _trimmed(cells: tuple[str, ...]) -> tuple[str, ...]:
    """Without empty cells at the end, which stand behind a trailing delimiter."""
    while cells and not cells[-1]:
        cells = cells[:-1]
    return cells


def _are_names(cells: tuple[str, ...]) -> bool:
    """Whether cells can be the names of columns: all different, none a number."""
    named = cells[1:] if cells and not cells[0] else cells  # pandas gives its index no name
    if not named or len(set(named)) < len(named):
        return False
    return not any(_NUMBER.fullmatch(cell) or cell in _MISSING for cell in named)


def units_of(rows: Sequence[Sequence[str]], width: int) -> list[str]:
    """The units in the first of two rows; empty if it is no row of units.

    It is one if it stands above numbers, has neither a number nor a time, and everything above a
    number is a unit: in brackets, of a known kind, or with a sign that only units have.

    Args:
        rows: the first two of a table.
        width: of its header.
    """
    if len(rows) < 2 or abs(len(rows[0]) - width) > 1 or abs(len(rows[1]) - width) > 1:
        return []
    units, found = [], 0
    for cell, below in zip(rows[0], rows[1], strict=False):
        text = cell.strip()
        number = _NUMBER.fullmatch(below) is not None
        if number and text[:1].isdigit() and not text.startswith("1/"):
            return []
        unit = _unit(text)
        if number and text not in ("", "-") and not unit:
            return []
        units.append(unit if number else "")
        found += bool(number and unit)
    timeless = not any(re.search("[0-9]{2}", cell) for cell in rows[0])
    return units if found and timeless else []


def _unit(text: str) -> str:
    if len(text) > 2 and _BRACKETS.get(text[0]) == text[-1]:
        return text[1:-1].strip()
    known = family(text) is not None or text in _UNITS or _UNIT.fullmatch(text)
    return text if known and text not in _MISSING else ""
