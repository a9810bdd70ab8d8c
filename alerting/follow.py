"""A file that grows as an input: what a running job appends is seen within a tenth of a second.

A file that is replaced, or sorted when its run ends, is read again from its beginning; the log
drops what it has by its id. What comes in one look is ordered by event time and id, as topics are.
"""

import time
from collections.abc import Sequence
from pathlib import Path

from padit.alerting.records import Record, entry_of, rank_of
from padit.domain.errors import WireFormatError

__all__ = ["GrowingFile", "GrowingInput"]

_LOOK_SECONDS = 0.05
_PIECE = 4 << 20
_LONGEST_LINE = 16_000_000


class GrowingFile:
    """Whole lines of one file, each once, in the order they stand there.

    Args:
        path: of the file; it may not exist yet.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.number = 0
        self._offset = 0
        self._rest = b""
        self._inode = 0
        self._skipping = False

    def lines(self) -> list[tuple[int, bytes]]:
        """Lines that have come, with their numbers from 1; at most some megabytes at once."""
        try:
            state = self.path.stat()
        except OSError:
            return []
        if state.st_ino != self._inode or state.st_size < self._offset:
            self._inode, self._offset, self.number, self._rest = state.st_ino, 0, 0, b""
        if state.st_size == self._offset:
            return []
        try:
            with self.path.open("rb") as file:
                file.seek(self._offset)
                data = file.read(_PIECE)
        except OSError:
            return []
        self._offset += len(data)
        return self._cut(data)

    def _cut(self, data: bytes) -> list[tuple[int, bytes]]:
        """Whole lines; the beginning of a line waits for its end, unless it is longer than any."""
        *whole, self._rest = (self._rest + data).split(b"\n")
        found = []
        for line in whole:
            self.number += 1
            skipped, self._skipping = self._skipping, False
            if line.strip() and not skipped:
                found.append((self.number, line.rstrip(b"\r")))
        if len(self._rest) > _LONGEST_LINE:
            self._rest, self._skipping = b"", True
        return found


class GrowingInput:
    """Files that grow, as `padit.alerting.service.Input`.

    Args:
        paths: (kind, path) of each; kinds as in `Record`.
    """

    def __init__(self, paths: Sequence[tuple[str, Path]]) -> None:
        self._files = [(kind, GrowingFile(path)) for kind, path in paths]

    def seek(self, positions: dict[tuple[str, int], int]) -> None:
        """All is read; the log knows by its ids what it has."""

    def poll(self, seconds: float) -> Sequence[Record]:
        """What has come, at most after so many seconds."""
        end = time.monotonic() + seconds
        while True:
            found = self._look()
            left = end - time.monotonic()
            if found or left <= 0:
                return found
            time.sleep(min(left, _LOOK_SECONDS))

    def _look(self) -> list[Record]:
        found = []
        for kind, file in self._files:
            for number, line in file.lines():
                record = Record(kind, str(file.path), 0, number, number, line)
                found.append((_rank(record), record))
        found.sort(key=lambda one: one[0])
        return [record for _, record in found]

    @property
    def ended(self) -> bool:
        """A file that grows goes on."""
        return False

    @property
    def reports(self) -> bool:
        """Only an audit log that is a topic has a job's progress."""
        return False

    def close(self) -> None:
        """Nothing is held."""


def _rank(record: Record) -> tuple[int, bool, str]:
    try:
        found = entry_of(record.kind, record.data)
    except WireFormatError:
        return 0, False, ""
    return (0, False, "") if found is None else rank_of(*found)
