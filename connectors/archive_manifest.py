"""The manifest of an archive: which files count, and which offsets they hold.

Every commit writes the whole manifest under the next number, so a commit is one object. A file that
no manifest names does not count: it was left by a writer that ended in between, or is of a
compaction. A reader takes the newest manifest that it can read.
"""

import gzip
import logging
import zlib
from collections.abc import Iterator, Sequence

import msgspec

from padit.connectors.archive_place import ArchivePlace
from padit.domain.errors import ConfigurationError, SourceError

__all__ = [
    "FOLDER",
    "DataFile",
    "Gap",
    "Manifest",
    "Segment",
    "Slice",
    "commit",
    "latest",
    "numbers_of",
    "existing",
]

FOLDER = "_manifest"
_VERSION = 2
_WITHOUT_KEYS = 1  # is read as well; the next commit raises it
_KEPT = 100  # manifests before the newest one
_LOG = logging.getLogger(__name__)


class DataFile(msgspec.Struct, array_like=True, frozen=True):
    """A Parquet file; `name` is its path in the archive."""

    name: str
    rows: int
    size: int


class Slice(msgspec.Struct, array_like=True, frozen=True):
    """A range of offsets that is read at once: one row group of some of the segment's files.

    Attributes:
        following: offset behind it.
        records: in it.
        checksum: CRC-32C of its records, see `codecs.archive_table.checksum_of`.
        newest: the largest time of a record, milliseconds; -1: none has a time.
        groups: (file of the segment, row group).
    """

    following: int
    records: int
    checksum: int
    newest: int
    groups: tuple[tuple[int, int], ...]


class Segment(msgspec.Struct, array_like=True, frozen=True):
    """A range of offsets of one partition.

    Attributes:
        partition: its number.
        first: offset.
        following: offset behind it.
        files: that hold it.
        slices: in the order of offsets.
        raw: records in it that stand whole.
        keyed: whether the keys of its records are there, which version 1 did not keep.
    """

    partition: int
    first: int
    following: int
    files: tuple[DataFile, ...]
    slices: tuple[Slice, ...]
    raw: int = 0
    keyed: bool = False

    @property
    def records(self) -> int:
        """Records in it."""
        return sum(one.records for one in self.slices)


class Gap(msgspec.Struct, array_like=True, frozen=True):
    """Offsets that the topic had lost before they could be archived."""

    partition: int
    first: int
    following: int


class Manifest(msgspec.Struct, frozen=True):
    """All that an archive holds.

    Attributes:
        topic: its name.
        number: of the commit.
        writer: a random name of the process that wrote it.
        groups: of sources, by which rows are divided.
        begins: first offset, by partition.
        segments: by partition and offset.
        gaps: see `Gap`.
        retired: files of earlier manifests that no longer count, with the number of the manifest
            that retired them; they are deleted later, since somebody may be reading them.
        version: of this layout.
    """

    topic: str
    number: int = 0
    writer: str = ""
    groups: int = 1
    begins: dict[str, int] = {}
    segments: tuple[Segment, ...] = ()
    gaps: tuple[Gap, ...] = ()
    retired: tuple[tuple[str, int], ...] = ()
    version: int = _VERSION

    @property
    def partitions(self) -> list[int]:
        """Numbers of the partitions, ascending."""
        return sorted(int(one) for one in self.begins)

    def of(self, partition: int) -> list[Segment]:
        """Segments of a partition, in the order of offsets."""
        return [one for one in self.segments if one.partition == partition]

    def following(self, partition: int) -> int:
        """Where the archive of a partition ends."""
        mine = [one.following for one in self.segments if one.partition == partition]
        mine += [one.following for one in self.gaps if one.partition == partition]
        return max(mine, default=self.begins.get(str(partition), 0))

    def files(self) -> Iterator[DataFile]:
        """All files that count."""
        for one in self.segments:
            yield from one.files

    @property
    def records(self) -> int:
        """Records in it."""
        return sum(one.records for one in self.segments)

    def check(self) -> None:
        """Raise SourceError where offsets are missing or stand twice."""
        for partition in self.partitions:
            at = self.begins[str(partition)]
            parts: list[Segment | Gap] = [*self.of(partition)]
            parts += [one for one in self.gaps if one.partition == partition]
            for one in sorted(parts, key=lambda part: part.first):
                if one.first != at:
                    message = (
                        f"the archive of {self.topic} is damaged: partition {partition} has "
                        f"offsets up to {at}, and goes on at {one.first}"
                    )
                    raise SourceError(message)
                at = one.following


_decoder = msgspec.json.Decoder(Manifest)


def _name(number: int) -> str:
    return f"{FOLDER}/{number:012d}.json.gz"


def numbers_of(place: ArchivePlace) -> list[int]:
    """Numbers of the manifests there are, ascending."""
    found = []
    for name, _ in place.list(FOLDER):
        digits = name.rpartition("/")[2].removesuffix(".json.gz")
        if digits.isdecimal() and name == _name(int(digits)):
            found.append(int(digits))
    return sorted(found)


def latest(place: ArchivePlace) -> Manifest | None:
    """The newest manifest that can be read; None where there is no archive.

    Raises:
        SourceError: the service is away.
        ConfigurationError: none of those there are can be read, it is of another version, or the
            credentials are wrong.
    """
    numbers = numbers_of(place)
    found = _newest(place, numbers)
    if found is None and numbers:
        message = (
            f"{place.uri}: no manifest can be read, the newest is {_name(numbers[-1])}; restore "
            "it, or delete the archive to begin again"
        )
        raise ConfigurationError(message)
    if found is not None:
        found.check()
    return found


def existing(place: ArchivePlace) -> Manifest:
    """The newest manifest of an archive that has to be there; raises as `latest`.

    Raises:
        SourceError: there is no archive.
    """
    found = latest(place)
    if found is None:
        message = f"{place.uri}: there is no archive"
        raise SourceError(message)
    return found


def _newest(place: ArchivePlace, numbers: Sequence[int]) -> Manifest | None:
    """The newest of these manifests that can be read."""
    for number in reversed(numbers):
        try:
            found = _decoder.decode(gzip.decompress(place.read(_name(number))))
        except (OSError, EOFError, zlib.error, msgspec.DecodeError, FileNotFoundError) as error:
            _LOG.warning(
                "%s: %s is half written or damaged (%s); taking the one before",
                place.uri, _name(number), error,
            )  # fmt: skip
            continue
        if found.version not in (_WITHOUT_KEYS, _VERSION):
            message = (
                f"{place.uri}: the archive has version {found.version}, this code reads "
                f"{_WITHOUT_KEYS} and {_VERSION}: use the version of padit that wrote it"
            )
            raise ConfigurationError(message)
        return msgspec.structs.replace(found, version=_VERSION)
    return None


def commit(place: ArchivePlace, manifest: Manifest) -> None:
    """Write the next manifest, which makes its files count.

    Raises:
        ConfigurationError: another process writes to the same archive; or it was deleted.
        SourceError: the service is away.
    """
    numbers = numbers_of(place)
    if not numbers and manifest.number > 1:
        message = (
            f"{place.uri}: the archive is gone, with all that was committed: was its bucket or "
            "folder deleted? Restore it; or start again, and a new one begins with what the topic "
            "still holds"
        )
        raise ConfigurationError(message)
    if numbers and numbers[-1] >= manifest.number and (found := _newest(place, numbers)):
        if found == manifest:  # the answer to an attempt was lost
            return
        if found.number >= manifest.number:
            message = (
                f"{place.uri}: another process writes to this archive (commit {found.number} is "
                "not mine); an archive has one writer: end the other one, or give this one a "
                "place of its own"
            )
            raise ConfigurationError(message)
    data = gzip.compress(msgspec.json.encode(manifest), 6, mtime=0)
    place.write(_name(manifest.number), data)


def forget_old(place: ArchivePlace, newest: int) -> None:
    """Delete manifests that are long past. Raises SourceError."""
    for number in numbers_of(place):
        if number <= newest - _KEPT:
            place.delete(_name(number))
