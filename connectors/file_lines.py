"""Lines of a file of any size, in blocks, from any line on, with bounded memory."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from padit.connectors.file_bytes import Stream, open_unpacked
from padit.domain.errors import SourceError

__all__ = [
    "LONGEST_LINE",
    "LineBlock",
    "LineReader",
    "chunks_of_lines",
    "count_lines",
    "first_lines",
]

LONGEST_LINE = 16 << 20
"""Bytes of a line that are kept; what follows is dropped and makes the line unreadable."""
_CHUNK = 4 << 20


class LineBlock(NamedTuple):
    """Consecutive lines.

    Attributes:
        first: number of the first line, from 0.
        lines: how many there are.
        data: their bytes; every line ends with a line feed, the last one of a file too.
    """

    first: int
    lines: int
    data: bytes


class LineReader:
    """A file, read line block by line block."""

    def __init__(
        self, path: str, line: int, opened: Callable[[str], Stream] = open_unpacked
    ) -> None:
        """Open `path` with `opened` and stand at a line number.

        Raises:
            SourceError: it cannot be opened, or has fewer lines.
        """
        self._path = path
        try:
            self._file = opened(path)
        except OSError as error:
            raise SourceError(_unreadable(path, error)) from error
        self._data = b""  # whole lines, handed out up to `_at`
        self._breaks = np.empty(0, np.int64)  # positions of their line feeds
        self._next = 0  # index into `_breaks` of the next line's
        self._rest = b""  # begin of a line whose end has not been read yet
        self._line = 0
        self._ended = False
        self._skip(line)

    def take(self, most: int) -> LineBlock:
        """Read the next lines, `most` of them or fewer; none at the end of the file."""
        if self._next == len(self._breaks):
            self._fill()
        first = self._next
        self._next = min(first + most, len(self._breaks))
        start = int(self._breaks[first - 1]) + 1 if first else 0
        end = int(self._breaks[self._next - 1]) + 1 if self._next > first else start
        block = LineBlock(self._line, self._next - first, self._data[start:end])
        self._line += block.lines
        return block

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _skip(self, line: int) -> None:
        while self._line < line:
            if not self.take(line - self._line).lines:
                self.close()
                message = (
                    f"{self._path} has {self._line} lines now, reading was at {line}: it has been "
                    "cut; start again without the saved position"
                )
                raise SourceError(message)

    def _fill(self) -> None:
        """Read on until there is a whole line, or nothing more."""
        parts = [self._rest]
        size = len(self._rest)
        while not self._ended:
            try:
                chunk = self._file.read(_CHUNK)
            except OSError as error:
                raise SourceError(_unreadable(self._path, error)) from error
            self._ended = not chunk
            if self._ended and size:
                chunk = b"\n"
            cut = chunk.rfind(b"\n") + 1
            if cut or size < LONGEST_LINE:
                parts.append(chunk[:cut] if cut else chunk)
                size += len(parts[-1])
            if cut:
                self._rest = chunk[cut:]
                break
        else:
            self._rest = b""
        self._data = b"".join(parts)
        self._breaks = np.flatnonzero(np.frombuffer(self._data, np.uint8) == ord("\n"))
        self._next = 0


def count_lines(path: str, opened: Callable[[str], Stream] = open_unpacked) -> int:
    """Lines of a file; the last one counts with or without a line feed.

    Raises:
        SourceError: it cannot be read.
    """
    lines, last = 0, b"\n"
    try:
        file = opened(path)
        try:
            while chunk := file.read(_CHUNK):
                lines += chunk.count(b"\n")
                last = chunk[-1:]
        finally:
            file.close()
    except OSError as error:
        raise SourceError(_unreadable(path, error)) from error
    return lines + (last != b"\n")


def chunks_of_lines(path: str, opened: Callable[[str], Stream] = open_unpacked) -> Iterator[bytes]:
    """A file in chunks of whole lines; ends, with an empty line, at one that is too long.

    Raises:
        SourceError: it cannot be read.
    """
    rest = b""
    try:
        file = opened(path)
        try:
            while len(rest) < LONGEST_LINE and (chunk := file.read(_CHUNK)):
                cut = chunk.rfind(b"\n") + 1
                if cut:
                    yield rest + chunk[:cut]
                    rest = chunk[cut:]
                else:
                    rest += chunk
        finally:
            file.close()
    except OSError as error:
        raise SourceError(_unreadable(path, error)) from error
    if rest:
        yield rest + (b"\n\n" if len(rest) >= LONGEST_LINE else b"\n")


def first_lines(path: str, count: int) -> LineBlock:
    """The first lines of a file, as many as lie within its first blocks.

    Raises:
        SourceError: it cannot be read.
    """
    reader = LineReader(path, 0)
    try:
        return reader.take(count)
    finally:
        reader.close()


def _unreadable(path: str, error: OSError) -> str:
    return f"{path} cannot be read: {error.strerror or error}"
