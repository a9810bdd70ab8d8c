"""A bounded first-in first-out buffer of records on disk, for while the broker is away.

Segments `<number>.seg` hold frames: length and CRC-32 (big-endian, 4 bytes each), then the
record as MessagePack. When the bound is reached the oldest segment goes, and its samples are
counted as dropped. Nothing is fsynced: what a crash of the process leaves is complete, what a
power cut leaves may miss its end, which the CRC tells.

After a crash a segment is sent again from its beginning; consumers drop exact repeats.
"""

import contextlib
import fcntl
import os
import struct
import zlib
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import msgspec

from padit.adapters.encode import Record
from padit.domain.errors import ConfigurationError

__all__ = ["Spool"]

_HEAD = struct.Struct(">II")
_MIDDLE = 1 << 40  # number of the first segment ever; what is put in front counts down from it


@dataclass(slots=True)
class _Segment:
    path: Path
    size: int = 0
    samples: int = 0


class Spool:
    """The buffer; used by one thread of one process at a time.

    Args:
        directory: made if it is missing; what it holds from before is sent first.
        max_bytes: bound of all segments together.
        on_loss: told (reason, samples) about what was dropped.

    Raises:
        ConfigurationError: another process uses the directory, or it cannot be written.
    """

    def __init__(
        self, directory: Path, max_bytes: int, on_loss: Callable[[str, int], None]
    ) -> None:
        self._directory = directory
        self._max = max_bytes
        self._segment_bytes = max(64 << 10, min(max_bytes // 16, 16 << 20))
        self._on_loss = on_loss
        self._lock = self._take_lock()
        self._segments: deque[_Segment] = deque()
        self._reading: deque[Record] = deque()
        self._begun: list[Path] = []
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
            records = _read(path, self._on_loss)
            samples = sum(record.samples for record in records)
            self._segments.append(_Segment(path, path.stat().st_size, samples))

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
            if not self._segments or self._segments[-1].size >= self._segment_bytes:
                self._segments.append(_Segment(self._path(self._next_number())))
            self._write(self._segments[-1], [record])
        self._shrink()

    def prepend(self, records: list[Record]) -> None:
        """Put records in front of all others: what was taken and not delivered."""
        records = [*records, *self._reading]
        self._reading.clear()
        if records:
            segment = _Segment(self._path(self._first_number() - 1))
            self._write(segment, records)
            self._segments.appendleft(segment)
        self.release()

    def take(self) -> Record | None:
        """The oldest record, or None; it stays on disk until `release`."""
        while not self._reading and self._segments:
            segment = self._segments.popleft()
            self._reading.extend(_read(segment.path, self._on_loss))
            self._begun.append(segment.path)
        return self._reading.popleft() if self._reading else None

    def release(self) -> None:
        """All that was taken has been delivered: segments that were read to the end go."""
        keep = 1 if self._reading else 0
        for path in self._begun[: len(self._begun) - keep]:
            path.unlink(missing_ok=True)
        self._begun = self._begun[len(self._begun) - keep :]

    def close(self) -> None:
        """Write back what was begun, and let others use the directory."""
        self.prepend([])
        if self._file is not None:
            self._file.close()
        os.close(self._lock)

    def _next_number(self) -> int:
        names = [path.stem for path in self._begun]
        names += [segment.path.stem for segment in list(self._segments)[-1:]]
        return max(map(int, names), default=_MIDDLE - 1) + 1

    def _first_number(self) -> int:
        names = [path.stem for path in self._begun]
        names += [segment.path.stem for segment in list(self._segments)[:1]]
        return min(map(int, names), default=_MIDDLE)

    def _path(self, number: int) -> Path:
        return self._directory / f"{number:016d}.seg"

    def _write(self, segment: _Segment, records: list[Record]) -> None:
        data = b"".join(_frame(record) for record in records)
        samples = sum(record.samples for record in records)
        try:
            self._opened(segment.path).write(data)
        except OSError:  # the disk is full or gone: the samples are, too
            self._on_loss("disk", samples)
            with contextlib.suppress(OSError):
                os.truncate(segment.path, segment.size)
            return
        segment.size += len(data)
        segment.samples += samples

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
            oldest.path.unlink(missing_ok=True)
            self._on_loss("buffer_full", oldest.samples)


def _frame(record: Record) -> bytes:
    body = msgspec.msgpack.encode(tuple(record))
    return _HEAD.pack(len(body), zlib.crc32(body)) + body


_decoder = msgspec.msgpack.Decoder(tuple[str, bytes | None, bytes, int, int])


def _read(path: Path, on_loss: Callable[[str, int], None]) -> list[Record]:
    """The records of a segment, up to the first damage."""
    try:
        data = path.read_bytes()
    except OSError:
        on_loss("disk", 0)
        return []
    records: list[Record] = []
    position = 0
    while position + _HEAD.size <= len(data):
        length, crc = _HEAD.unpack_from(data, position)
        body = data[position + _HEAD.size : position + _HEAD.size + length]
        position += _HEAD.size + length
        if len(body) < length or zlib.crc32(body) != crc:
            on_loss("damaged", 1)
            return records
        try:
            records.append(Record(*_decoder.decode(body)))
        except msgspec.DecodeError:
            on_loss("damaged", 1)
    if position < len(data):
        on_loss("damaged", 1)
    return records
