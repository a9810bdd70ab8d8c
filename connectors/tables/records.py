"""Records of a table's text: lines, or several of them where a quoted cell holds line breaks.

A quotation mark that is never closed must not swallow the file. So lines are joined only if what
they give together is exactly one row of the table, within `MOST_JOINED` lines and
`LONGEST_JOINED` bytes; otherwise each of them is a record, and bad by itself. What a record is
depends only on the text from the beginning on, never on where a block begins.
"""

import csv
import io
import re
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from padit.connectors.tables.stream import TextStream, Turns
from padit.domain.errors import SourceError

__all__ = ["LONGEST_RECORD", "MOST_JOINED", "Block", "Cut", "RecordReader", "Text"]

LONGEST_RECORD = 16 << 20
"""Bytes of a line that are kept; what follows is dropped and makes the line unreadable."""
MOST_JOINED = 200
LONGEST_JOINED = 256 << 10
_CHUNK = 4 << 20


class Text(NamedTuple):
    """How the text of a file is read."""

    encoding: str = "utf-8"
    lone_cr: bool = False
    without_cr: bool = False
    blanks: bool = False
    turns: Turns | None = None

    def stream(self, path: str) -> TextStream:
        """Open a file."""
        return TextStream(
            path,
            self.encoding,
            lone_cr=self.lone_cr,
            without_cr=self.without_cr,
            blanks=self.blanks,
            turns=self.turns,
        )


class Cut(NamedTuple):
    """How text is cut into records.

    Attributes:
        skipped: lines before the first record.
        delimiter: between cells.
        width: cells of a row, or 0 if it varies.
        comment: what a line begins with that is left empty, or "".
    """

    skipped: int
    delimiter: str
    width: int
    comment: str = ""


class Block(NamedTuple):
    """Consecutive records.

    Attributes:
        first: number of the first one, from 0.
        data: their bytes; every line ends with a line feed, the last one of a file too.
        ends: int64 (n,), position in `data` behind each record.
    """

    first: int
    data: bytes
    ends: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.ends)

    def record(self, number: int) -> bytes:
        """Bytes of one record without its line end, by its position in the block."""
        start = int(self.ends[number - 1]) if number else 0
        return self.data[start : int(self.ends[number])].rstrip(b"\r\n")

    def part(self, first: int, stop: int) -> "Block":
        """Records by their position."""
        start = int(self.ends[first - 1]) if first else 0
        end = int(self.ends[stop - 1]) if stop > first else start
        return Block(self.first + first, self.data[start:end], self.ends[first:stop] - start)


_NOTHING = Block(0, b"", np.empty(0, np.int64))


class RecordReader:
    """A table's records, block by block."""

    def __init__(self, path: str, text: Text, cut: Cut, record: int = 0) -> None:
        """Open `path` and stand at a record.

        Raises:
            SourceError: it cannot be read, or has fewer records.
        """
        self._stream = text.stream(path)
        self._cut = cut
        self._comments = (
            re.compile(rb"(?m)^" + re.escape(cut.comment.encode()) + rb"[^\n]*")
            if cut.comment
            else None
        )
        self._held = _NOTHING  # whole records, handed out up to `_next`
        self._next = 0
        self._rest = b""  # begin of a line or record whose end has not been read yet
        self._ended = False
        self._to_skip = cut.skipped
        try:
            self._skip(path, record)
        except SourceError:
            self.close()
            raise

    def take(self, most: int) -> Block:
        """Read the next records, `most` of them or fewer; none at the end of the file."""
        if self._next == len(self._held):
            self._fill()
        first = self._next
        self._next = min(first + most, len(self._held))
        if not first and self._next == len(self._held):
            return self._held
        return self._held.part(first, self._next)

    def close(self) -> None:
        """Close the file."""
        self._stream.close()

    def _skip(self, path: str, record: int) -> None:
        at = 0
        while at < record:
            taken = len(self.take(record - at))
            if not taken:
                message = (
                    f"{path} has {at} rows now, reading was at {record}: it has been "
                    "cut; start again without the saved position"
                )
                raise SourceError(message)
            at += taken

    def _fill(self) -> None:
        """Read on until there is a whole record, or nothing more."""
        first = self._held.first + len(self._held)
        self._held, self._next = Block(first, b"", np.empty(0, np.int64)), 0
        while not self._ended:
            data = self._lines()
            if self._to_skip and data:
                data = self._behind_skipped(data)
            if not data:
                continue
            if self._comments is not None and self._cut.comment.encode() in data:
                data = self._comments.sub(b"", data)
            ends, stop = _record_ends(data, self._cut, ended=self._ended)
            self._rest = data[stop:] + self._rest
            if len(ends):
                self._held = Block(first, data[:stop], ends)
                return

    def _lines(self) -> bytes:
        """Whole lines: what was left over, and more; sets `_rest`, and `_ended` at the end."""
        parts, size = [self._rest], len(self._rest)
        while True:
            chunk = self._stream.read(_CHUNK)
            self._ended = not chunk
            if self._ended:
                self._rest = b""
                data = b"".join(parts)
                return data if not data or data.endswith(b"\n") else data + b"\n"
            cut = chunk.rfind(b"\n") + 1
            if cut or size < LONGEST_RECORD:
                parts.append(chunk[:cut] if cut else chunk)
                size += len(parts[-1])
            if cut:
                self._rest = chunk[cut:]
                return b"".join(parts)

    def _behind_skipped(self, data: bytes) -> bytes:
        """Leave out lines at the beginning of the file."""
        at = 0
        while self._to_skip and at < len(data):
            at = data.index(b"\n", at) + 1
            self._to_skip -= 1
        return data[at:]


def _record_ends(data: bytes, cut: Cut, *, ended: bool) -> tuple[NDArray[np.int64], int]:
    """Ends of the records in whole lines, and where those that are complete end."""
    octets = np.frombuffer(data, np.uint8)
    breaks = np.flatnonzero(octets == ord("\n"))
    if b'"' not in data:
        return breaks + 1, len(data)
    quotes = np.searchsorted(np.flatnonzero(octets == ord('"')), breaks)
    odd = np.flatnonzero(np.diff(quotes, prepend=0) & 1)
    keep = np.ones(len(breaks), bool)
    complete = len(breaks)
    for first, last in _pairs(data, breaks, odd, cut):
        if last >= 0:
            keep[first:last] = False
        elif not ended and _may_go_on(breaks, first):
            complete = first
            break
    ends = breaks[:complete][keep[:complete]] + 1
    return ends, int(ends[-1]) if len(ends) else 0


def _pairs(
    data: bytes, breaks: NDArray[np.int64], odd: NDArray[np.int64], cut: Cut
) -> Iterator[tuple[int, int]]:
    """Lines that open a cell, each with the one that closes it; -1 where none is there yet."""
    i = 0
    while i < len(odd):
        first = int(odd[i])
        if i + 1 == len(odd):
            yield first, -1
            return
        last = int(odd[i + 1])
        start = int(breaks[first - 1]) + 1 if first else 0
        end = int(breaks[last]) + 1
        joined = last - first < MOST_JOINED and end - start <= LONGEST_JOINED
        if joined and _is_one_row(data[start:end], cut):
            yield first, last
            i += 2
        else:
            i += 1


def _may_go_on(breaks: NDArray[np.int64], first: int) -> bool:
    """Whether the line that closes a cell may follow behind the lines that are there."""
    start = int(breaks[first - 1]) + 1 if first else 0
    return len(breaks) - first < MOST_JOINED and int(breaks[-1]) + 1 - start <= LONGEST_JOINED


def _is_one_row(text: bytes, cut: Cut) -> bool:
    try:
        lines = io.StringIO(text.decode("latin-1"), newline="")
        rows = list(csv.reader(lines, delimiter=cut.delimiter, strict=True))
    except csv.Error:
        return False
    return len(rows) == 1 and (not cut.width or len(rows[0]) == cut.width)
