"""An archive of a topic as a source: the results of the topic itself, to the byte.

What an item must look like: what `padit archive` wrote. The name of the source, partitions, offsets
and times are those of the topic, and records are decoded by the code that reads topics, so dead
letters, late rows and watermarks are the same. Unit of parallelism: the partition. In a crash:
positions live in the job's own checkpoint. What is archived while it is read is left out.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from padit.connectors.archive_log import ArchiveReader, SliceFiles, first_at
from padit.connectors.archive_manifest import Manifest, latest
from padit.connectors.archive_place import ArchivePlace, place_of
from padit.connectors.payloads import FORMAT, SCHEMAS, Payload, payload_of
from padit.connectors.source import Decoder, PartitionRange, Reader
from padit.connectors.uris import Address, Bounds, source_for
from padit.domain.config import explain
from padit.domain.errors import ConfigurationError, SourceError
from padit.domain.findings import Findings
from padit.domain.timestamps import format_utc

__all__ = ["ArchiveSource"]

_LOG = logging.getLogger(__name__)


@dataclass
class ArchiveSource:
    """An archive.

    Attributes:
        place: where it lies.
        bounds: what part of it is read, in the terms of the topic.
        payload: how records are read.
        manifest: what it holds; read once, so that all workers read the same.
    """

    place: ArchivePlace
    bounds: Bounds = Bounds()  # noqa: RUF009  # frozen
    payload: Payload = Payload()  # noqa: RUF009  # frozen
    manifest: Manifest | None = field(default=None, repr=False)

    def read_manifest(self) -> Manifest:
        """What the archive holds.

        Raises:
            SourceError: there is no archive, or it cannot be read.
        """
        if self.manifest is None:
            self.manifest = latest(self.place)
        if self.manifest is None:
            message = (
                f"{self.place.uri}: there is no archive (no {'_manifest/'} with a manifest); "
                "`padit archive` writes one; files are named with their suffix"
            )
            raise SourceError(message)
        return self.manifest

    @property
    def name(self) -> str:
        """The topic."""
        return self.read_manifest().topic

    def ranges(self) -> list[PartitionRange]:
        """Offsets of every partition.

        Raises:
            SourceError: there is no archive, or what was asked for is not in it.
        """
        manifest = self.read_manifest()
        files = SliceFiles(self.place)
        try:
            found = [self._range(files, manifest, number) for number in manifest.partitions]
            self._check(files, manifest, found)
        finally:
            files.close()
        return found

    def _range(self, files: SliceFiles, manifest: Manifest, number: int) -> PartitionRange:
        low, high = manifest.begins[str(number)], manifest.following(number)
        start, stop = self.bounds.start, self.bounds.stop
        first = low
        if self.bounds.start_time is not None:
            at = first_at(files, manifest, number, self.bounds.start_time // 1000)
            first = high if at is None else at
        elif start == "latest":
            first = high
        elif start not in (None, "earliest"):
            first = min(max(_whole(start), low), high)
        end = high if stop is None else min(stop, high)
        if self.bounds.stop_time is not None:
            at = first_at(files, manifest, number, self.bounds.stop_time // 1000)
            end = min(end, high if at is None else at)
        return PartitionRange(number, min(first, end), end)

    def _check(
        self, files: SliceFiles, manifest: Manifest, ranges: Sequence[PartitionRange]
    ) -> None:
        """Report what was asked for and is not there, as for a topic."""
        gone = [text for one in ranges if (text := self._missing(manifest, one.partition))]
        if gone and not self.bounds.allow_missing:
            message = (
                f"{self.place.uri}: {', '.join(gone)} are not in the archive; use "
                "--start_offset=earliest or --allow_missing to read what is there"
            )
            raise SourceError(message)
        if gone:
            _LOG.warning("%s: %s are not in the archive", self.place.uri, ", ".join(gone))
        timed = self.bounds.start_time is not None or self.bounds.stop_time is not None
        if timed and all(one.stop is not None and one.start >= one.stop for one in ranges):
            newest = max((part.newest for one in manifest.segments for part in one.slices),
                         default=-1)  # fmt: skip
            held = f"its newest is of {format_utc(newest * 1000)}" if newest >= 0 else "it is empty"
            message = f"{self.place.uri} has no record in the times that were asked for; {held}"
            raise SourceError(message)

    def _missing(self, manifest: Manifest, number: int) -> str:
        """Records of a partition that were asked for, and are not in the archive, in words."""
        low = manifest.begins[str(number)]
        start = self.bounds.start
        holes = [f"partition {number}: offsets {one.first} to {one.following - 1}"
                 for one in manifest.gaps if one.partition == number]  # fmt: skip
        by_offset = self.bounds.start_time is None and start not in (None, "earliest", "latest")
        if by_offset and _whole(start) < low:
            holes.append(f"partition {number}: offsets {_whole(start)} to {low - 1}")
        return ", ".join(holes)

    def findings(self) -> Findings:
        """Nothing: a topic's records are all read."""
        return Findings()

    def open(self, ranges: Sequence[PartitionRange], decode: Decoder) -> Reader:
        """Open the files of these ranges, each when it is first read."""
        return ArchiveReader(
            self.place,
            self.read_manifest(),
            ranges,
            self.payload.decoder(decode),
            self.bounds.decisions,
            in_headers=self.payload.in_headers,
        )


def _whole(start: Any) -> int:
    try:
        return int(start)
    except (TypeError, ValueError) as error:
        message = f"the start offset {start!r} is neither a number, earliest nor latest"
        raise ConfigurationError(message) from error


class ArchiveOptions(BaseModel):
    """Options of an archive in its URI, beside those of its place."""

    model_config = ConfigDict(extra="forbid")
    format: Any = Field(default=None, description=FORMAT)
    schemas: Any = Field(default=None, description=SCHEMAS)


@source_for("s3", "gs", "/")
def _from_address(address: Address, bounds: Bounds) -> ArchiveSource:
    mine = {name: one for name, one in address.options.items() if name in ("format", "schemas")}
    try:
        options = ArchiveOptions.model_validate(mine)
    except ValidationError as error:
        raise ConfigurationError(explain(address.uri, ArchiveOptions, error)) from error
    payload = payload_of(address.uri, options.format, options.schemas)
    return ArchiveSource(place_of(address, frozenset(mine)), bounds, payload)
