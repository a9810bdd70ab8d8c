"""A bounded first-in first-out buffer of records on disk, for while the broker is away.

Segments `<number>.v2.seg` hold frames (`adapters.frames`); those of version 1, `<number>.seg`,
are still read. When the bound is reached the oldest segment goes, and its samples are counted as
dropped. A record that the disk does not take whole is counted as lost and leaves no trace; damage
costs the records that it hit, which are counted by their samples. Nothing is fsynced: what a
crash of the process leaves is complete, what a power cut leaves may miss its end.

After a crash a segment is sent again from its beginning; consumers drop exact repeats. So is one
that could not be removed: that is reported, and tried again.
"""

import contextlib
import fcntl
import os
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from padit.adapters.encode import Record
from padit.adapters.frames import Frames, frame, read_frames, read_frames_v1
from padit.domain.errors import ConfigurationError

__all__ = ["Spool"]

_V2 = ".v2.seg"
_MIDDLE = 1 << 40  # number of the first segment ever; what is put in front counts down from it


@dataclass(slots=True)
class _Segment:
    """A file, its bytes, and the samples that were written to it, damaged ones included."""

    path: Path
    size: int = 0
    samples: int = 0


class Spool:
    """The buffer; used by one thread of one process at a time.

    Args:
        directory: made if it is missing; what it holds from before is sent first.
        max_bytes: bound of all segments together.
        on_loss: called with (reason, samples) of what was dropped.
        on_trouble: called with what the disk refuses otherwise.

    Raises:
        ConfigurationError: another process uses the directory, or it cannot be written.
    """

    def __init__(
        self,
        directory: Path,
        max_bytes: int,
        on_loss: Callable[[str, int], None],
        on_trouble: Callable[[str], None] = lambda _message: None,
    ) -> None:
        self._directory = directory
        self._max = max_bytes
        self._segment_bytes = max(64 << 10, min(max_bytes // 16, 16 << 20))
        self._on_loss = on_loss
        self._on_trouble = on_trouble
        self._lock = self._take_lock()
        self._segments: deque[_Segment] = deque()
        self._reading: deque[Record] = deque()
        self._begun: list[_Segment] = []
        self._undeleted: list[Path] = []
        self._file: IO[bytes] | None = None
        self._file_path = directory
        self._load()

    def _take_lock(self) -> int:
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            handle = os.open(self._directory / "lock", os.O_CREAT | os.O_RDWR, 0o600)
        except OSError as error:
            message = f"buffer.directory {self._directory} cannot be used: {error}"
            raise ConfigurationError(message) from error
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(handle)
            message = (
                f"another process buffers in {self._directory}; give each its own buffer.directory"
            )
            raise ConfigurationError(message) from error
        return handle

    def _load(self) -> None:
        for path in sorted(self._directory.glob("*.seg")):
            data, found = self._read(path)
            samples = found.lost + sum(record.samples for record in found.records)
            self._segments.append(_Segment(path, len(data), samples))

    def _read(self, path: Path) -> tuple[bytes, Frames]:
        try:
            data = path.read_bytes()
        except OSError as error:
            self._on_trouble(f"{path} cannot be read: {error}")
            return b"", Frames([], 0)
        read = read_frames if path.name.endswith(_V2) else read_frames_v1
        return data, read(data)

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return sum(segment.size for segment in self._segments)

    @property
    def samples(self) -> int:
        """Samples that wait here."""
        return sum(segment.samples for segment in self._segments) + self._being_read

    @property
    def _being_read(self) -> int:
        return sum(record.samples for record in self._reading)

    def __bool__(self) -> bool:
        return bool(self._segments or self._reading)

    def append(self, records: Iterable[Record]) -> None:
        """Add records behind all others."""
        for record in records:
            last = self._segments[-1] if self._segments else None
            full = last is None or last.size >= self._segment_bytes
            if full or not self._segments[-1].path.name.endswith(_V2):
                self._segments.append(_Segment(self._path(self._next_number())))
            if not self._write(self._segments[-1], [record]):
                self._on_loss("disk", record.samples)
        self._shrink()

    def prepend(self, records: list[Record]) -> None:
        """Put records in front of all others: what was taken and not delivered."""
        rest = list(self._reading)
        records = [*records, *rest]
        if records:
            segment = _Segment(self._path(self._first_number() - 1))
            written = self._write(segment, records)
            self._segments.appendleft(segment)
            if written < len(records):
                # The rest stays where it was; some of it may be sent twice.
                if failed := records[written : len(records) - len(rest)]:
                    self._on_loss("disk", sum(record.samples for record in failed))
                self._keep_begun()
        self._reading.clear()
        self.release()

    def _keep_begun(self) -> None:
        first = self._segments.popleft()
        self._segments.extendleft(reversed(self._begun))
        self._segments.appendleft(first)
        self._begun.clear()

    def take(self) -> Record | None:
        """The oldest record, or None; it stays on disk until `release`."""
        while not self._reading and self._segments:
            segment = self._segments.popleft()
            _, found = self._read(segment.path)
            lost = segment.samples - sum(record.samples for record in found.records)
            if lost > 0:
                self._on_loss("damaged", lost)
            self._reading.extend(found.records)
            self._begun.append(segment)
        return self._reading.popleft() if self._reading else None

    def release(self) -> None:
        """All that was taken has been delivered: segments that were read to the end go."""
        keep = 1 if self._reading else 0
        done = len(self._begun) - keep
        paths = [*self._undeleted, *(segment.path for segment in self._begun[:done])]
        self._begun = self._begun[done:]
        self._undeleted = [path for path in paths if not self._removed(path)]

    def _removed(self, path: Path) -> bool:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            self._on_trouble(f"{path} cannot be removed: {error}")
            return False
        return True

    def close(self) -> None:
        """Write back what was begun, and let others use the directory."""
        self.prepend([])
        if self._file is not None:
            self._file.close()
        os.close(self._lock)

    def _next_number(self) -> int:
        return max(self._numbers(), default=_MIDDLE - 1) + 1

    def _first_number(self) -> int:
        return min(self._numbers(), default=_MIDDLE)

    def _numbers(self) -> list[int]:
        """Of the files that are there; those of segments in the middle cannot decide."""
        ends = list(self._segments)
        paths = [segment.path for segment in (*self._begun, *ends[:1], *ends[-1:])]
        return [int(path.name.partition(".")[0]) for path in (*paths, *self._undeleted)]

    def _path(self, number: int) -> Path:
        return self._directory / f"{number:016d}{_V2}"

    def _write(self, segment: _Segment, records: list[Record]) -> int:
        """Append records, up to the first that the disk does not take; how many it took."""
        for written, record in enumerate(records):
            data = frame(record, segment.samples)
            try:
                _write_all(self._opened(segment.path), data)
            except OSError as error:
                self._on_trouble(f"{segment.path} cannot be written: {error}")
                with contextlib.suppress(OSError):  # else reading passes over the torn frame
                    os.truncate(segment.path, segment.size)
                return written
            segment.size += len(data)
            segment.samples += record.samples
        return len(records)

    def _opened(self, path: Path) -> IO[bytes]:
        """The segment for writing; it stays open, because opening costs more than a record."""
        if self._file is None or self._file_path != path:
            if self._file is not None:
                self._file.close()
            self._file, self._file_path = path.open("ab", buffering=0), path
        return self._file

    def _shrink(self) -> None:
        while len(self._segments) > 1 and self.size > self._max:
            oldest = self._segments.popleft()
            if not self._removed(oldest.path):
                self._undeleted.append(oldest.path)
            self._on_loss("buffer_full", oldest.samples)


def _write_all(file: IO[bytes], data: bytes) -> None:
    """Write everything; an unbuffered file may take less at once, and only returns how much."""
    left = memoryview(data)
    while left:
        left = left[file.write(left) :]
