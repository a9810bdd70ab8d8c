"""Files as a source: JSON Lines, CSV (narrow or wide, in any dialect) and Parquet.

What an item must look like: a line like a Kafka record's value (JSON Lines), or a row of a table;
`FileOptions` defines which column is what. Anything else is a dead letter with its file, row and
original line; an empty cell of a wide table is no sample. The order of the rows has no meaning: a
file whose times go back is read in the order of time (`file_sort`). Unit of parallelism: the file;
a pattern names many, in sorted order. An offset is the number of a row, counted from 0 below the
header; unreadable rows and empty lines count.
In a crash: nothing is lost or doubled; reading goes on at the offset that the job has saved. A
file must not change while it is read; what is appended meanwhile is left out.
"""

import dataclasses
import glob
import os
import stat
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import NamedTuple

import numpy as np

import padit.connectors.file_csv
import padit.connectors.file_json
import padit.connectors.file_parquet
import padit.connectors.file_points  # noqa: F401  # they register themselves
from padit.connectors.file_bytes import PACKED, unpacked_suffix
from padit.connectors.file_formats import SUFFIXES, Format, OpenFile, Piece, file_format
from padit.connectors.file_json import JSON, decode_own
from padit.connectors.file_options import FileOptions, file_options
from padit.connectors.file_sort import SortedFile, Span
from padit.connectors.source import Decoder, PartitionRange, ReadBatch, Reader
from padit.connectors.spill import SORT_BYTES, Sorter, SpillFile
from padit.connectors.spread import Spread
from padit.connectors.tables.forms import CELLS_ARE_TEXT
from padit.connectors.uris import Address, Bounds, source_for
from padit.domain.errors import ConfigurationError, SourceError
from padit.domain.findings import Findings, Guess, Unwatched
from padit.domain.rows import Rows, concatenate

__all__ = ["BLOCK_ROWS", "FileSource"]

BLOCK_ROWS = 32_768
"""Rows (lines) that are read at once; what a reader holds in memory."""


_RECALLED = 1024  # rows that are read again at first when reading goes on
_SORTED = "the rows are not in the order of their times, and are sorted"


class Entry(NamedTuple):
    """One file of a source.

    Attributes:
        given: path as it was given.
        path: absolute, because a worker may start elsewhere.
        span: the rows that are read.
        sorts: whether they are read in the order of time, because they do not stand in it.
    """

    given: str
    path: str
    span: Span
    sorts: bool


@dataclasses.dataclass
class FileSource:
    """One file or all that match a pattern; see the module.

    Attributes:
        pattern: path, or a pattern with `*`, `?`, `[...]` and `**`.
        options: which column is what.
        bounds: rows by event time and by number.
        block_rows: rows that are read at once.
        sort_bytes: samples that a sort holds in memory.
        labels: that the configuration names; columns of these names are not left unwatched. What
            a reader reads of them its decoder decides.
        name: the path or pattern.
        form: their format, with what it has found out of the files.
        files: by partition, resolved once by `ranges`: files may be added while the job runs.
    """

    pattern: str
    options: FileOptions = FileOptions()  # noqa: RUF009  # frozen
    bounds: Bounds = Bounds()  # noqa: RUF009  # frozen
    block_rows: int = BLOCK_ROWS
    sort_bytes: int = SORT_BYTES
    labels: tuple[str, ...] = ()
    name: str = dataclasses.field(init=False)
    files: tuple[Entry, ...] = dataclasses.field(init=False, default=())
    form: Format = dataclasses.field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Check options against the format. Raises ConfigurationError."""
        self.name = self.pattern
        if self.suffix not in SUFFIXES:
            message = (
                f"{self.pattern}: files can end with {', '.join(sorted(SUFFIXES))}, "
                f"and behind it {' or '.join(PACKED)}"
            )
            raise ConfigurationError(message)
        if self.options.format and self.suffix not in JSON:
            message = f"{self.pattern}: format maps JSON; a table has timestamp=, metrics= ..."
            raise ConfigurationError(message)
        self.form = file_format(self.suffix, self.options)

    def labelled(self, labels: tuple[str, ...]) -> "FileSource":
        """The same for a configuration that names labels."""
        return dataclasses.replace(self, labels=labels)

    @property
    def suffix(self) -> str:
        """The suffix of the files, which decides their format; without that of a compression."""
        stated = self.options.suffix
        return f".{stated}".lower() if stated else unpacked_suffix(self.pattern)

    @property
    def spreads(self) -> bool:
        """Whether samples of one series at one time are moved apart."""
        return self.options.repeats == "keep" and self.options.order == "time"

    def paths(self) -> list[str]:
        """The files, sorted; the partition number is the position.

        Raises:
            SourceError: there is none.
        """
        if os.path.exists(self.pattern):
            return [self.pattern]
        found = sorted(path for path in glob.glob(self.pattern, recursive=True))
        if not found:
            message = f"{self.pattern} does not exist; relative paths start at {os.getcwd()}"
            raise SourceError(message)
        return found

    def ranges(self) -> list[PartitionRange]:
        """Count the rows of every file and check its columns.

        Raises:
            SourceError: a file is missing, empty or lacks a column.
            ConfigurationError: options that do not fit the columns.
        """
        entries = []
        for path in self.paths():
            _check_file(path)
            rows = self.form.count(path)
            stop = rows if self.bounds.stop is None else min(rows, self.bounds.stop)
            span = Span(min(self._start(), stop), stop)
            sorts = self.options.order == "time" and not self.form.in_order(path)
            entries.append(Entry(path, os.path.abspath(path), span, sorts))
        self.files = tuple(entries)
        return [
            PartitionRange(number, one.span.start, one.span.end, one.span.stop - one.span.start)
            if one.sorts
            else PartitionRange(number, one.span.start, one.span.stop)
            for number, one in enumerate(entries)
        ]

    def findings(self) -> Findings:
        """What was guessed, and what is left unwatched."""
        guesses: list[Guess] = []
        unwatched: list[Unwatched] = []
        for one in self.files:
            found = self.form.findings(one.path, self.labels)
            guesses += [guess._replace(place=one.given) for guess in found.guesses]
            unwatched += [other._replace(place=one.given) for other in found.unwatched]
            if one.sorts:
                guesses.append(Guess(one.given, _SORTED, "order=arrival"))
        rounds = self._rounds_at_the_start()
        if rounds > 1:
            what = f"up to {rounds} samples of a series have one time, and are a microsecond apart"
            texts = [one.what for one in unwatched if one.reason.startswith(CELLS_ARE_TEXT)]
            if rounds == 2:
                what += "; in an hour that comes twice, timezone= tells local times apart"
            if texts:
                name = texts[0].removeprefix("column ").strip("'")
                what += f"; if {texts[0]} tells series apart: source_column={name}"
            guesses.append(Guess(self.files[0].given, what, "repeats=drop"))
        return Findings(guesses, unwatched)

    def _rounds_at_the_start(self) -> int:
        """Samples that a series has at one time, in the first rows of the first file."""
        if not self.files or not self.spreads:
            return 1
        file = self.form.open(self.files[0].path, 0, decode_own)
        try:
            rows = file.take(self.block_rows).rows
        finally:
            file.close()
        spread = Spread()
        spread.apply(rows.select(np.argsort(rows.time, kind="stable")))
        return spread.rounds

    def _start(self) -> int:
        start = self.bounds.start or 0
        if start in ("earliest", "latest"):  # a file has no "now": both read all of it
            return 0
        try:
            return max(0, int(start))
        except ValueError as error:
            message = f"the start offset {start!r} is neither a number, earliest nor latest"
            raise ConfigurationError(message) from error

    def open(self, ranges: Sequence[PartitionRange], decode: Decoder) -> Reader:
        """Open the files of these ranges, each when it is first read; call `ranges` first."""
        return _FileReader(self, ranges, decode)


class _FileReader:
    """Files, read in turn, a block at a time."""

    def __init__(
        self, source: FileSource, ranges: Sequence[PartitionRange], decode: Decoder
    ) -> None:
        self._source = source
        self._decode = decode
        self._format = source.form
        self._waiting = {one.partition: one for one in ranges}  # in turn, first comes next
        self._open: dict[int, OpenFile | SortedFile] = {}
        self._spread: dict[int, Spread] = {}
        self._spill = SpillFile()
        self._paused: frozenset[int] = frozenset()

    def read(self, seconds: float) -> list[ReadBatch]:
        """Read about `block_rows` rows, of several files if they are short; never waits."""
        reads: list[ReadBatch] = []
        left = self._source.block_rows
        for number in self._next():
            one = self._waiting.pop(number)
            piece = self._take(one, left)
            left -= piece.taken
            reads.append(self._moved(one, piece))
            if left <= 0:
                break
        return reads

    def _next(self) -> list[int]:
        """Files to read now: of those whose samples are being collected one at a time."""
        collecting = {
            number
            for number, opened in self._open.items()
            if isinstance(opened, SortedFile) and opened.collecting
        }
        chosen: list[int] = []
        for number in self._waiting:
            if number in self._paused:
                continue
            if self._source.files[number].sorts and number not in self._open:
                if collecting:
                    continue
                collecting.add(number)
            chosen.append(number)
        return chosen

    def _take(self, one: PartitionRange, most: int) -> Piece:
        most = most if one.stop is None else min(most, one.stop - one.start)
        if most <= 0:
            return Piece(0, Rows.empty(), [])
        entry = self._source.files[one.partition]
        if one.partition not in self._open:
            spread = self._spread[one.partition] = Spread()
            self._open[one.partition] = self._opened(entry, one.start, spread)
        piece = self._open[one.partition].take(most)
        if not piece.taken:
            message = (
                f"{entry.given} ends before row {entry.span.stop}, which it had "
                "at the start: a file must not change while it is read"
            )
            raise SourceError(message)
        return piece

    def _opened(self, entry: Entry, offset: int, spread: Spread) -> OpenFile | SortedFile:
        if not entry.sorts:
            if offset and self._source.spreads:
                self._recall(entry, offset, spread)
            return self._format.open(entry.path, offset, self._decode)
        alone = sum(other.sorts for other in self._source.files) == 1
        sorter = Sorter(self._spill, self._source.sort_bytes, keep=alone)

        def scan(row: int) -> OpenFile:
            return self._format.open(entry.path, row, self._decode)

        apply = spread.apply if self._source.spreads else _as_they_are
        return SortedFile(scan, entry.span, offset, sorter, apply)

    def _recall(self, entry: Entry, offset: int, spread: Spread) -> None:
        """Read the rows before an offset again, from where the time of the last one begins."""
        back = _RECALLED
        while True:
            first = max(0, offset - back)
            rows = self._between(entry, first, offset)
            if not first or (len(rows) and rows.time[0] < rows.time[-1]):
                spread.apply(rows)
                return
            back *= 4

    def _between(self, entry: Entry, first: int, stop: int) -> Rows:
        file = self._format.open(entry.path, first, self._decode)
        parts = []
        try:
            while first < stop and (piece := file.take(stop - first)).taken:
                parts.append(piece.rows)
                first += piece.taken
        finally:
            file.close()
        return concatenate(parts)

    def _moved(self, one: PartitionRange, piece: Piece) -> ReadBatch:
        """Put the file behind the others, or close it at its end."""
        following = one.start + piece.taken
        ended = one.stop is not None and following >= one.stop
        if ended:
            opened = self._open.pop(one.partition, None)
            if opened is not None:
                opened.close()
        else:
            self._waiting[one.partition] = dataclasses.replace(one, start=following)
        given = self._source.files[one.partition].given
        dead = [dead._replace(topic=given, partition=one.partition) for dead in piece.dead]
        rows = piece.rows
        if self._source.spreads and len(rows) and not self._source.files[one.partition].sorts:
            rows = self._spread[one.partition].apply(rows)
        rows = _within(rows, self._source.bounds)
        left = tuple(each._replace(place=given) for each in piece.unwatched)
        return ReadBatch(one.partition, following, rows, dead, ended, unwatched=left)

    def pause(self, partitions: frozenset[int]) -> None:
        """Read only the other files."""
        self._paused = partitions

    def lag(self, *, lately: bool = False) -> Mapping[int, int]:
        """Rows that are left."""
        return {number: (one.stop or 0) - one.start for number, one in self._waiting.items()}

    def added(self, known: int) -> list[PartitionRange]:
        """None: the files are resolved at the start."""
        return []

    def extend(self, ranges: Sequence[PartitionRange]) -> None:
        """Read these files too."""
        self._waiting.update({one.partition: one for one in ranges})

    def close(self) -> None:
        """Close all files."""
        for opened in self._open.values():
            opened.close()
        self._open.clear()
        self._spill.close()


def _check_file(path: str) -> None:
    """Refuse what has no rows to count. Raises SourceError."""
    try:
        found = os.stat(path)
    except OSError as error:
        message = f"{path} cannot be read: {error.strerror}"
        raise SourceError(message) from error
    if stat.S_ISDIR(found.st_mode):
        message = (
            f"{path} is a directory; name the files in it, '{path}/*{PurePath(path).suffix}', or "
            f"an archive with a slash behind it, {path}/"
        )
        raise SourceError(message)
    if not stat.S_ISREG(found.st_mode):
        message = (
            f"{path} is a pipe or a device, and a file is read more than once: write what comes "
            "from it to a file first"
        )
        raise SourceError(message)
    if not found.st_size:
        message = f"{path} is empty (0 bytes)"
        raise SourceError(message)


def _as_they_are(rows: Rows) -> Rows:
    return rows


def _within(rows: Rows, bounds: Bounds) -> Rows:
    """The rows whose event time lies within the bounds."""
    if bounds.start_time is None and bounds.stop_time is None:
        return rows
    chosen = np.ones(len(rows), bool)
    if bounds.start_time is not None:
        chosen &= rows.time >= bounds.start_time
    if bounds.stop_time is not None:
        chosen &= rows.time < bounds.stop_time
    return rows.select(chosen)


@source_for(*SUFFIXES, *PACKED)
def _from_address(address: Address, bounds: Bounds) -> FileSource:
    return FileSource(address.path, file_options(address.uri, address.options), bounds)
