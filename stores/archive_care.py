"""Looking after an archive: is everything there, and merging what is small."""

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow.parquet as pq

from padit.codecs.archive_read import with_keys
from padit.codecs.archive_table import SCHEMA
from padit.codecs.record_batches import Walked
from padit.connectors.archive_log import SliceFiles, slice_records, slices_of
from padit.connectors.archive_manifest import FOLDER, DataFile, Manifest, Segment, Slice, existing
from padit.connectors.archive_place import ArchivePlace
from padit.domain.errors import SourceError
from padit.stores.archive_files import open_parquet
from padit.stores.archive_writer import ArchiveWriter

__all__ = ["Checked", "Compacted", "check", "compact"]

_ALL = SCHEMA.names
_SEGMENT_RECORDS = 4_000_000
_SEGMENT_SLICES = 512


@dataclass
class Checked:
    """What was found.

    Attributes:
        topic: of the archive.
        records, files, size: that count; bytes.
        raw: records that stand whole.
        keyless: records that were archived before keys were kept.
        damage: what cannot be read, in words.
        strays: files that do not count.
        retired: of those, files that compaction has replaced, and deletes later.
        cleaned: whether the others were deleted.
    """

    topic: str
    records: int = 0
    files: int = 0
    size: int = 0
    raw: int = 0
    keyless: int = 0
    gaps: int = 0
    damage: list[str] = field(default_factory=list)
    strays: list[str] = field(default_factory=list)
    retired: int = 0
    cleaned: bool = False

    @property
    def sound(self) -> bool:
        """Whether a replay would give every record."""
        return not self.damage

    def lines(self) -> Iterator[str]:
        """For people."""
        yield (
            f"{self.topic}: {self.records} records in {self.files} files, {self.size} bytes; "
            f"{self.raw} records stand whole"
        )
        if self.keyless:
            yield f"{self.keyless} records are of an earlier version, which kept no keys"
        if self.gaps:
            yield f"{self.gaps} gaps: the topic had lost records before they were archived"
        yield from self.damage
        if self.retired:
            yield f"{self.retired} files were replaced by compaction and are deleted later"
        for name in self.strays:
            done = "deleted" if self.cleaned else "--clean deletes it"
            yield f"{name} does not count: no manifest names it (half written?); {done}"


@dataclass
class Compacted:
    """Files before and after."""

    before: int
    after: int

    def line(self) -> str:
        """For people."""
        return f"{self.before} files before, {self.after} now"


def check(place: ArchivePlace, *, clean: bool = False) -> Checked:
    """Read all, compare checksums, and look for files that do not count.

    Args:
        place: of the archive.
        clean: whether these, and those that compaction has replaced, are deleted; only while
            nobody reads, writes or compacts.
    """
    manifest = existing(place)
    found = Checked(manifest.topic, gaps=len(manifest.gaps))
    _read_all(place, manifest, found)
    names = {one.name: one for one in manifest.files()}
    found.files, found.size = len(names), sum(one.size for one in names.values())
    found.raw = sum(one.raw for one in manifest.segments)
    found.keyless = sum(one.records for one in manifest.segments if not one.keyed)
    retired = {name for name, _ in manifest.retired}
    for name, _ in place.list():
        if name.startswith(f"{FOLDER}/") or name in names:
            continue
        if name in retired:
            found.retired += 1
        else:
            found.strays.append(name)
    if clean:
        for name in (*found.strays, *sorted(retired)):
            place.delete(name)
        found.cleaned = True
    return found


def _read_all(place: ArchivePlace, manifest: Manifest, found: Checked) -> None:
    files = SliceFiles(place)
    located = [(p, one) for p in manifest.partitions for one in slices_of(manifest, p)]
    try:
        for partition, one in located:
            try:
                for part in slice_records(files.tables(one, _ALL), one, partition, place.uri):
                    found.records += len(part.offset) if isinstance(part, Walked) else 1
            except SourceError as error:
                found.damage.append(str(error))
    finally:
        files.close()


def compact(place: ArchivePlace, records: int = _SEGMENT_RECORDS) -> Compacted:
    """Merge neighbouring small segments; row groups are copied as they are.

    While somebody else writes to the archive this is refused by one of the two.

    Args:
        place: of the archive.
        records: at most so many in a merged segment.
    """
    manifest = existing(place)
    before = len(list(manifest.files()))
    segments: list[Segment] = []
    retired: list[str] = []
    for partition in manifest.partitions:
        for run in _runs(manifest.of(partition), records):
            if len(run) == 1:
                segments += run
                continue
            merged = _merged(place, run)
            segments.append(merged)
            retired += [one.name for part in run for one in part.files]
    if retired:
        writer = ArchiveWriter(place, manifest, lambda call: call())
        try:
            writer.publish(segments, retired)
        finally:
            writer.close()
    return Compacted(before, sum(len(one.files) for one in segments))


def _runs(segments: Sequence[Segment], most: int) -> list[list[Segment]]:
    """Neighbours that become one."""
    found: list[list[Segment]] = []
    for one in segments:
        last = found[-1] if found else []
        together = (
            last
            and last[-1].following == one.first
            and last[-1].keyed == one.keyed
            and sum(part.records for part in last) + one.records <= most
            and sum(len(part.slices) for part in last) + len(one.slices) <= _SEGMENT_SLICES
        )
        if together:
            last.append(one)
        else:
            found.append([one])
    return found


def _merged(place: ArchivePlace, run: Sequence[Segment]) -> Segment:
    """One segment of several: per folder one file, in which row groups follow each other."""
    first, following = run[0].first, run[-1].following
    opened: dict[str, tuple[int, io.BytesIO, Any]] = {}
    rows: list[int] = []
    counts: list[int] = []
    slices: list[Slice] = []
    for segment in run:
        where: dict[tuple[int, int], tuple[int, int]] = {}
        for number, one in enumerate(segment.files):
            folder = one.name.rpartition("/")[0]
            with pq.ParquetFile(place.open(one.name)) as source:
                for group in range(source.num_row_groups):
                    table = with_keys(source.read_row_group(group))
                    if folder not in opened:
                        buffer = io.BytesIO()
                        opened[folder] = (len(rows), buffer, open_parquet(buffer, table))
                        rows.append(0)
                        counts.append(0)
                    target, _, writer = opened[folder]
                    writer.write_table(table, row_group_size=max(1, len(table)))
                    where[number, group] = (target, counts[target])
                    counts[target] += 1
                    rows[target] += len(table)
        for part in segment.slices:
            groups = tuple(where[one] for one in part.groups)
            slices.append(Slice(part.following, part.records, part.checksum, part.newest, groups))
    files = []
    for folder, (number, buffer, writer) in opened.items():
        writer.close()
        data = buffer.getvalue()
        name = f"{folder}/{run[0].partition:05d}-{first:016d}-{following:016d}.parquet"
        place.write(name, data)
        files.append(DataFile(name, rows[number], len(data)))
    return Segment(
        run[0].partition, first, following, tuple(files), tuple(slices),
        sum(one.raw for one in run), run[0].keyed,
    )  # fmt: skip
