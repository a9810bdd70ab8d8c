"""Files as a source: JSON Lines, CSV (narrow or wide, in any dialect) and Parquet.

What an item must look like: a line like a Kafka record's value (JSON Lines), or a row of a table;
`FileOptions` defines which column is what. Anything else is a dead letter with its file, row and
original line; an empty cell is no sample. Unit of parallelism: the file; a pattern
names many, in sorted order. An offset is the number of a row, counted from 0 below the header;
unreadable rows and empty lines count.
In a crash: nothing is lost or doubled; reading goes on at the offset that the job has saved. A
file must not change while it is read; what is appended meanwhile is left out.
"""

import dataclasses
import glob
import os
from collections.abc import Mapping, Sequence

import numpy as np

import padit.connectors.file_csv
import padit.connectors.file_parquet  # noqa: F401  # both register themselves
from padit.connectors.file_formats import SUFFIXES, Format, OpenFile, Piece, file_format
from padit.connectors.file_options import FileOptions, file_options
from padit.connectors.source import Decoder, PartitionRange, ReadBatch, Reader
from padit.connectors.uris import Address, Bounds, source_for, suffix_of
from padit.domain.errors import ConfigurationError, SourceError
from padit.domain.findings import Findings
from padit.domain.rows import Rows

__all__ = ["BLOCK_ROWS", "FileSource"]

BLOCK_ROWS = 32_768
"""Rows (lines) that are read at once; what a reader holds in memory."""


@dataclasses.dataclass
class FileSource:
    """One file or all that match a pattern; see the module.

    Attributes:
        pattern: path, or a pattern with `*`, `?`, `[...]` and `**`.
        options: which column is what.
        bounds: rows by event time and by number.
        block_rows: rows that are read at once.
        name: the path or pattern.
        form: their format, with what it has found out of the files.
        files: (path as given, absolute path) by partition, resolved once by `ranges`, because
            a worker may start elsewhere, and files may be added while the job runs.
    """

    pattern: str
    options: FileOptions = FileOptions()  # noqa: RUF009  # frozen
    bounds: Bounds = Bounds()  # noqa: RUF009  # frozen
    block_rows: int = BLOCK_ROWS
    name: str = dataclasses.field(init=False)
    files: tuple[tuple[str, str], ...] = dataclasses.field(init=False, default=())
    form: Format = dataclasses.field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Check options against the format. Raises ConfigurationError."""
        self.name = self.pattern
        if self.suffix not in SUFFIXES:
            message = f"{self.pattern}: files can end with {', '.join(sorted(SUFFIXES))}"
            raise ConfigurationError(message)
        self.form = file_format(self.suffix, self.options)

    @property
    def suffix(self) -> str:
        """The suffix of the files, which decides their format."""
        return suffix_of(self.pattern)

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
        ranges = []
        paths = self.paths()
        self.files = tuple((path, os.path.abspath(path)) for path in paths)
        for number, path in enumerate(paths):
            if not os.path.getsize(path):
                message = f"{path} is empty (0 bytes)"
                raise SourceError(message)
            rows = self.form.count(path)
            stop = rows if self.bounds.stop is None else min(rows, self.bounds.stop)
            ranges.append(PartitionRange(number, min(self._start(), stop), stop))
        return ranges

    def findings(self) -> Findings:
        """What was guessed, and what is left unwatched."""
        found = [self.form.findings(path) for path, _ in self.files]
        return Findings(
            [guess for one in found for guess in one.guesses],
            [column for one in found for column in one.unwatched],
        )

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
        self._open: dict[int, OpenFile] = {}
        self._paused: frozenset[int] = frozenset()

    def read(self, seconds: float) -> list[ReadBatch]:
        """Read about `block_rows` rows, of several files if they are short; never waits."""
        reads: list[ReadBatch] = []
        left = self._source.block_rows
        for number in [number for number in self._waiting if number not in self._paused]:
            one = self._waiting.pop(number)
            piece = self._take(one, left)
            left -= piece.taken
            reads.append(self._moved(one, piece))
            if left <= 0:
                break
        return reads

    def _take(self, one: PartitionRange, most: int) -> Piece:
        most = most if one.stop is None else min(most, one.stop - one.start)
        if most <= 0:
            return Piece(0, Rows.empty(), [])
        if one.partition not in self._open:
            _, path = self._source.files[one.partition]
            self._open[one.partition] = self._format.open(path, one.start, self._decode)
        piece = self._open[one.partition].take(most)
        if not piece.taken:
            given, _ = self._source.files[one.partition]
            message = (
                f"{given} ends at row {one.start}, it had {one.stop} rows "
                "at the start: a file must not change while it is read"
            )
            raise SourceError(message)
        return piece

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
        given, _ = self._source.files[one.partition]
        dead = [dead._replace(topic=given, partition=one.partition) for dead in piece.dead]
        rows = _within(piece.rows, self._source.bounds)
        return ReadBatch(one.partition, following, rows, dead, ended)

    def pause(self, partitions: frozenset[int]) -> None:
        """Read only the other files."""
        self._paused = partitions

    def lag(self) -> Mapping[int, int]:
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


@source_for(*SUFFIXES)
def _from_address(address: Address, bounds: Bounds) -> FileSource:
    return FileSource(address.path, file_options(address.uri, address.options), bounds)
