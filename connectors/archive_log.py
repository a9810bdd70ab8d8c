"""Reading an archive as the log that it was: what a broker would give, from Parquet files.

`ArchiveReader` is the reader of Kafka with another fetcher: rows, dead letters, decisions and
bounds come from the same code. One range of offsets of each partition is held as columns, and the
next one is fetched meanwhile.
"""

import itertools
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from padit.codecs.archive_read import COLUMNS, records_of, with_keys
from padit.codecs.archive_table import checksum_of
from padit.codecs.record_batches import BatchHeader, Walked
from padit.connectors.archive_manifest import Manifest, Segment, Slice
from padit.connectors.archive_place import ArchivePlace
from padit.connectors.kafka_reader import KafkaReader
from padit.connectors.kafka_settings import FetchSettings
from padit.connectors.source import Decoder, PartitionRange
from padit.domain.errors import SourceError, WireFormatError

__all__ = ["ArchiveReader", "Located", "SliceFiles", "first_at", "slice_records", "slices_of"]

_OPEN_FILES = 64
_SETTINGS = FetchSettings({})  # what it says is for brokers


class Located(NamedTuple):
    """A slice, its segment and its first offset."""

    first: int
    part: Slice
    segment: Segment


class SliceFiles:
    """Reads row groups; keeps the files of late open, since each begins with a look at its end."""

    def __init__(self, place: ArchivePlace) -> None:
        self._place = place
        self._open: dict[str, Any] = {}

    def tables(self, one: Located, columns: Sequence[str] = COLUMNS) -> list[pa.Table]:
        """The row groups of a slice.

        Raises:
            SourceError: a file is gone or damaged, or the service is away.
        """
        return [
            self._group(one.segment.files[file].name, group, columns)
            for file, group in one.part.groups
        ]

    def _group(self, name: str, group: int, columns: Sequence[str]) -> pa.Table:
        try:
            file = self._open.pop(name, None) or pq.ParquetFile(
                self._place.open(name), pre_buffer=True, buffer_size=0,
                page_checksum_verification=True,
            )  # fmt: skip
            self._open[name] = file
            while len(self._open) > _OPEN_FILES:
                self._open.pop(next(iter(self._open))).close(force=True)
            table = file.read_row_group(group, columns=list(columns), use_threads=True)
        except FileNotFoundError as error:
            message = (
                f"{self._place.uri}: {name} is gone: the archive was compacted meanwhile, or a "
                "file was deleted; start again, and if it stays, restore the file"
            )
            raise SourceError(message) from error
        except (pa.ArrowException, OSError, IndexError, KeyError, ValueError) as error:
            message = f"{self._place.uri}: {name} cannot be read: {error}"
            raise SourceError(message) from error
        table = with_keys(table) if "key" in columns else table
        missing = set(columns) - set(table.column_names)
        if missing:
            message = (
                f"{self._place.uri}: {name} lacks the column {min(missing)}: somebody has "
                "rewritten it; restore the file"
            )
            raise SourceError(message)
        return table

    def close(self) -> None:
        """Close all files."""
        for one in self._open.values():
            one.close(force=True)
        self._open.clear()


def slices_of(manifest: Manifest, partition: int) -> list[Located]:
    """The slices of a partition, in the order of offsets."""
    found = []
    for segment in manifest.of(partition):
        first = segment.first
        for one in segment.slices:
            found.append(Located(first, one, segment))
            first = one.following
    return found


def first_at(files: SliceFiles, manifest: Manifest, partition: int, moment: int) -> int | None:
    """The first offset whose record is of a time (milliseconds) or later; None: no record is."""
    for one in slices_of(manifest, partition):
        if one.part.newest >= moment:
            found: list[int] = []
            for table in files.tables(one, ("offset", "timestamp")):
                chosen = pc.greater_equal(table["timestamp"].cast(pa.int64()), moment)
                offset = pc.min(table["offset"].filter(chosen)).as_py()
                found += [] if offset is None else [offset]
            if found:
                return min(found)
    return None


class _Answer(NamedTuple):
    """Records from an offset on, and where reading goes on behind them."""

    partition: int
    at: int
    records: Iterator[Walked | BatchHeader]
    following: int


class _Fetcher:
    """What `KafkaReader` fetches with; see `kafka_fetch.Fetcher`."""

    def __init__(self, place: ArchivePlace, manifest: Manifest) -> None:
        self._place, self._manifest = place, manifest
        self._files = SliceFiles(place)
        self._slices = {one: slices_of(manifest, one) for one in manifest.partitions}
        self._starts = {
            number: np.array([one.part.following for one in slices], np.int64)
            for number, slices in self._slices.items()
        }
        self._thread = ThreadPoolExecutor(1)
        self._waiting: dict[int, Future[_Answer]] = {}
        self._paused: frozenset[int] = frozenset()

    def go_on(self, partition: int, offset: int, epoch: int = -1) -> None:
        self._waiting[partition] = self._thread.submit(self._fetch, partition, offset)

    def forget(self, partition: int) -> None:
        found = self._waiting.pop(partition, None)
        if found is not None:
            found.cancel()

    def pause(self, partitions: frozenset[int]) -> None:
        self._paused = partitions

    def take(self, seconds: float) -> Any:
        until = time.monotonic() + seconds
        while True:
            there = {one: n for n, one in self._waiting.items() if n not in self._paused}
            left = until - time.monotonic()
            if not there or left < 0:
                if not there:
                    time.sleep(max(0.0, min(left, 0.05)))
                return None
            done, _ = wait(there, left, FIRST_COMPLETED)
            ready = [number for one, number in there.items() if one in done]
            if ready:
                return self._waiting.pop(ready[0]).result()

    def ends(self, *, lately: bool = False) -> Mapping[int, int]:
        return {one: self._manifest.following(one) for one in self._manifest.partitions}

    def partitions(self) -> frozenset[int]:
        return frozenset(self._manifest.partitions)

    def close(self) -> None:
        self._thread.shutdown(cancel_futures=True)
        self._files.close()

    def _fetch(self, partition: int, offset: int) -> _Answer:
        slices = self._slices.get(partition, [])
        number = int(np.searchsorted(self._starts[partition], offset, side="right"))
        if number >= len(slices):
            return _Answer(partition, offset, iter(()), self._manifest.following(partition))
        one = slices[number]
        records = slice_records(self._files.tables(one), one, partition, self._place.uri)
        return _Answer(partition, offset, _from(records, offset), one.part.following)


def slice_records(
    tables: Sequence[pa.Table], one: Located, partition: int, uri: str
) -> Iterator[Walked | BatchHeader]:
    """The records of a slice, which have to be those that were archived.

    Args:
        tables: the row groups of the slice.
        one: the slice.
        partition: its number.
        uri: of the archive, for messages.

    Raises:
        SourceError: they are not, or cannot be read; records before that came out already.
    """
    if not tables:
        return
    checksum = records = 0
    place = f"{uri}: partition {partition} from offset {one.first} on"
    try:
        for part in records_of(tables, one.part.following):
            if isinstance(part, Walked):
                checksum = checksum_of(part.values, checksum)
                records += len(part.offset)
            else:
                records += 1
            yield part
    except WireFormatError as error:
        message = f"{place}: {error}; restore the file"
        raise SourceError(message) from error
    if (checksum, records) != (one.part.checksum, one.part.records):
        message = f"{place} does not give the records that were archived; restore its files"
        raise SourceError(message)


def _from(parts: Iterator[Walked | BatchHeader], offset: int) -> Iterator[Walked | BatchHeader]:
    """Records from an offset on."""
    for one in parts:
        if isinstance(one, BatchHeader):
            if one.last >= offset:
                yield one
        elif len(one.offset) and one.offset[-1] >= offset:
            begin = int(np.searchsorted(one.offset, offset))
            yield one.part(begin) if begin else one


class ArchiveReader(KafkaReader):
    """A `Reader` of an archive; see the module.

    Args:
        place: of the archive.
        manifest: what is read of it.
        ranges: what to read.
        decode: record values to rows.
        decisions: (partition, offset, watermark) of a recorded run, to be repeated there.
        in_headers: whether the attributes of CloudEvents may stand in the headers of a record.
    """

    def __init__(
        self,
        place: ArchivePlace,
        manifest: Manifest,
        ranges: Sequence[PartitionRange],
        decode: Decoder,
        decisions: Sequence[tuple[int, int, int]] = (),
        *,
        in_headers: bool = False,
    ) -> None:
        self._place, self._manifest = place, manifest
        super().__init__(
            _SETTINGS, manifest.topic, ranges, decode, None, decisions, in_headers=in_headers
        )

    def _connected(self, patience: float) -> Any:
        return _Fetcher(self._place, self._manifest)

    def _begin(self, answer: Any) -> None:
        number = answer.partition
        if number not in self._reading:
            return
        stop = self._stop[number]
        if stop is None or answer.following < stop:
            self._fetcher.go_on(number, answer.following)
        parts = answer.records
        if not self._in_headers:
            parts = (one._replace(headers=None) if isinstance(one, Walked) else one
                     for one in parts)  # fmt: skip
        self._open[number] = itertools.chain(parts), answer.following
