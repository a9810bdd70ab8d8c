"""Results as JSON Lines: one file, one result a line, exactly as on Kafka.

What an item must look like: a `Message`; its JSON becomes a line. Beside `alerts.jsonl` there is
`.alerts.jsonl.index`, with a line `[end, time, key, id]` for each of its lines, so that ids are
known again after a crash without parsing results, and the order needs no guess at their fields; and
`.alerts.jsonl.run.json`, the run that wrote it (see `connectors.runs`).
Unit of parallelism: the file; one worker writes it.
In a crash: a flush makes lines durable, then their index entries, then it returns. Lines without
an entry were never confirmed; the next flush cuts them off, and the repeated bundle brings them
again. An id that is in the file is not written twice.
"""

import heapq
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from itertools import groupby, islice
from operator import attrgetter
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, NamedTuple

import msgspec

from padit.connectors.sink import Message, Sink, Writer
from padit.connectors.sinks._local import (
    Remembered,
    cannot_write,
    lock,
    replace,
    sync,
    unseen,
)
from padit.connectors.sinks._staged import StagedSink
from padit.connectors.uris import Address, sink_for
from padit.domain.errors import SinkError

__all__ = ["JsonLinesSink"]

SORTED_AT_ONCE = 100_000
"""Index entries `finish` holds in memory, about 40 MB; more are sorted in parts on disk."""


class _Entry(NamedTuple):
    end: int
    time: int
    key: str
    id: str


class _Place(NamedTuple):
    """A line with its place in the canonical order."""

    time: int
    key: str
    id: str
    start: int
    end: int


_entries = msgspec.json.Decoder(_Entry)
_places = msgspec.json.Decoder(_Place)


class _Files:
    """The file, its index and run record, and their successors while `finish` is at work.

    Args:
        path: of the file.
        staged: the result that will take the place of the one there.
    """

    def __init__(self, path: str, staged: bool = False) -> None:
        target = Path(path).absolute()
        hidden = target.with_name(f".{target.name}.new" if staged else f".{target.name}")
        self.staged = staged
        self.data = self.results = hidden if staged else target
        self.index = hidden.with_name(f"{hidden.name}.index")
        self.run = hidden.with_name(f"{hidden.name}.run.json")
        self.lock = target.with_name(f".{target.name}.lock")
        self.sorted_data = target.with_name(f".{target.name}.sorted")
        self.sorted_index = target.with_name(f".{target.name}.index.sorted")

    def holds(self) -> bool:
        """Whether there are results."""
        return self.data.exists() and self.data.stat().st_size > 0

    def foreign(self) -> str:
        """The file, if it holds what this sink did not write."""
        if not self.holds() or self.index.exists():
            return ""
        return f"{self.data}, which has no index {self.index.name},"

    def clear(self) -> None:
        """Remove the results; first the record of the run, without which they count as none."""
        # Sorted files without an index would be taken for a `finish` that was cut short.
        cut_short = () if self.staged else (self.sorted_index, self.sorted_data)
        for path in (self.run, *cut_short, self.index, self.data):
            path.unlink(missing_ok=True)

    def recover(self) -> None:
        """Complete a `finish` that was cut short."""
        if not self.index.exists() and self.sorted_index.exists():
            self.take_sorted()

    def make(self) -> None:
        """Make what is missing, and cut off what was never confirmed."""
        self.touch()
        _Repaired(self)

    def touch(self) -> None:
        """Make what is missing."""
        self.data.parent.mkdir(parents=True, exist_ok=True)
        self.data.touch()
        if not self.index.exists():
            if self.data.stat().st_size:
                message = (
                    f"{self.data} was not written by this sink, or its index {self.index.name} "
                    "is gone; move the file away or name another one"
                )
                raise SinkError(message)
            self.index.touch()
            sync(self.data.parent)

    def take_sorted(self) -> None:
        """Put the sorted files in place; can be repeated after a crash at any point."""
        self.index.unlink(missing_ok=True)
        if self.sorted_data.exists():
            replace(self.sorted_data, self.data)
        replace(self.sorted_index, self.index)


class JsonLinesSink(StagedSink["_Files"]):
    """See the module."""

    PLACE = _Files

    def open(self) -> Writer:
        """Open the file; it is read and written at the first flush."""
        return _JsonLinesWriter(_Files(self.path, self.staged))

    def in_order(self, place: "_Files") -> None:
        """Sort the lines into new files; memory stays bounded."""
        place.make()
        _sort(place)

    def take(self, place: "_Files", ready: None) -> None:
        """Put the new files in place."""
        place.take_sorted()


class _Repaired:
    """The end of a file and its index, after cutting off what was never confirmed."""

    def __init__(self, files: _Files, at: int = 0, end: int = 0) -> None:
        """Read the index from byte `at` on, where the file had `end` bytes."""
        self.new: list[str] = []
        self.at, self.end = at, end
        with files.index.open("rb") as index:
            index.seek(at)
            for line in index:
                if not line.endswith(b"\n"):
                    os.truncate(files.index, self.at)
                    break
                entry = _entry(files, line)
                self.new.append(entry.id)
                self.at += len(line)
                self.end = entry.end
        size = files.data.stat().st_size
        if size < self.end:
            message = (
                f"{files.data} has {size} bytes, {self.end} were written: something cut it; "
                "remove it and its index, and start again"
            )
            raise SinkError(message)
        if size > self.end:
            os.truncate(files.data, self.end)


def _entry(files: _Files, line: bytes) -> _Entry:
    try:
        return _entries.decode(line)
    except msgspec.DecodeError as error:
        message = f"{files.index} is damaged ({error}); remove it and {files.data}"
        raise SinkError(message) from error


class _JsonLinesWriter:
    """Appends; others may append between two flushes, their lines are taken into account."""

    def __init__(self, files: _Files) -> None:
        self._files = files
        self._pending: list[Message] = []
        self._forget()

    def _forget(self) -> None:
        self._seen = Remembered()
        self._inode = -1
        self._at = 0
        self._end = 0

    def write(self, messages: Sequence[Message]) -> None:
        self._pending += messages

    def flush(self) -> None:
        if not self._pending:
            return
        try:
            with lock(self._files.lock):
                self._catch_up()
                self._append()
        except OSError as error:
            raise cannot_write(self._files.data, error) from error
        self._pending = []

    def close(self) -> None:
        self._pending = []

    def _catch_up(self) -> None:
        if not self._files.staged:
            self._files.recover()
        self._files.touch()
        found = self._files.index.stat()
        if found.st_ino != self._inode or found.st_size < self._at:
            self._forget()
            self._inode = found.st_ino
        repaired = _Repaired(self._files, self._at, self._end)
        self._seen.add(repaired.new)
        self._at, self._end = repaired.at, repaired.end

    def _append(self) -> None:
        new = unseen(self._pending, self._seen)
        lines, entries = bytearray(), bytearray()
        for one in new:
            lines += one.json.replace(b"\n", b" ") + b"\n"  # within JSON only white space
            end = self._end + len(lines)
            entries += msgspec.json.encode(_Entry(end, one.time, one.key, one.id)) + b"\n"
        if not lines:
            return
        _append(self._files.data, lines)
        _append(self._files.index, entries)
        self._seen.add(one.id for one in new)
        self._at += len(entries)
        self._end += len(lines)


def _append(path: Path, data: bytearray) -> None:
    with path.open("ab") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sort(files: _Files) -> None:
    """Write the lines in canonical order to new files."""
    with ExitStack() as stack:
        index = stack.enter_context(files.index.open("rb"))
        data = stack.enter_context(files.data.open("rb"))
        new_data = stack.enter_context(files.sorted_data.open("wb"))
        new_index = stack.enter_context(files.sorted_index.open("wb"))
        runs = [_spill(run, stack) for run in _runs(_read_places(index))]
        end = 0
        for _, same in groupby(heapq.merge(*runs), key=attrgetter("id")):
            place = next(same)
            data.seek(place.start)
            end += new_data.write(data.read(place.end - place.start))
            entry = _Entry(end, place.time, place.key, place.id)
            new_index.write(msgspec.json.encode(entry) + b"\n")
        for file in (new_data, new_index):
            file.flush()
            os.fsync(file.fileno())


def _read_places(index: IO[bytes]) -> Iterator[_Place]:
    start = 0
    for line in index:
        entry = _entries.decode(line)
        yield _Place(entry.time, entry.key, entry.id, start, entry.end)
        start = entry.end


def _runs(places: Iterator[_Place]) -> Iterator[list[_Place]]:
    while run := sorted(islice(places, SORTED_AT_ONCE)):
        yield run


def _spill(run: list[_Place], stack: ExitStack) -> Iterable[_Place]:
    """A short run as it is, a full one through a file on disk."""
    if len(run) < SORTED_AT_ONCE:
        return run
    file = stack.enter_context(TemporaryFile())  # noqa: SIM115  # the stack closes it
    file.writelines(msgspec.json.encode(place) + b"\n" for place in run)
    file.seek(0)
    return map(_places.decode, file)


@sink_for(".jsonl", ".ndjson")
def _from_address(address: Address) -> Sink:
    address.refuse_options()
    return JsonLinesSink(address.path)
