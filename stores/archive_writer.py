"""Writes an archive: pieces of a topic in, commits out.

Files are written first and then the manifest that names them, so a commit is there as a whole or
not at all; its offsets stand in it, so a writer goes on where the last commit ended, whatever
happened to it. Kafka is the spool: while the archive is away the topic is not read on.
"""

import secrets
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import TypeVar

import msgspec

from padit.codecs.archive_split import FormReader
from padit.codecs.archive_table import SliceBuilder
from padit.codecs.record_batches import BatchHeader
from padit.connectors.archive_manifest import Gap, Manifest, commit, forget_old
from padit.connectors.archive_place import ArchivePlace
from padit.stores.archive_files import Built, SegmentBuilder
from padit.stores.archive_topic import Piece

__all__ = ["SLICE_RECORDS", "ArchiveWriter"]

T = TypeVar("T")
Attempt = Callable[[Callable[[], T]], T]

SLICE_RECORDS = 131_072
"""Records that are read back at once."""
_SLICE_BYTES = 32 << 20
_ENCODERS = 2  # threads, and so slices that wait at most
_KEPT_COMMITS = 10  # for which retired files stay, since somebody may read them


class _Partition:
    """What is being built of one partition."""

    def __init__(self, number: int, first: int, groups: int) -> None:
        self.number, self.first, self.following, self.groups = number, first, first, groups
        self.segment = SegmentBuilder(number, first, groups)
        self.slice: SliceBuilder | None = None
        self.encoding: Future[None] | None = None  # the latest of its slices


def _encode(
    part: _Partition, one: SliceBuilder, following: int, before: Future[None] | None
) -> None:
    """Slices of a partition in their order; those of others meanwhile."""
    if before is not None:
        before.result()  # it was begun before this one, so no two can wait for each other
    part.segment.add(one, following)


class ArchiveWriter:
    """Builds segments and commits them; used by one thread.

    Args:
        place: of the archive.
        manifest: its newest one, or that of a new archive.
        attempt: calls what needs the service, as often as it takes.

    Attributes:
        manifest: of the last commit.
        records: taken since the last commit.
    """

    def __init__(self, place: ArchivePlace, manifest: Manifest, attempt: Attempt[None]) -> None:
        self.manifest = manifest
        self.records = 0
        self.size = 0
        self._place, self._attempt = place, attempt
        self._name = secrets.token_hex(8)
        self._forms = FormReader()
        self._parts: dict[int, _Partition] = {}
        self._begins = dict(manifest.begins)
        self._gaps = list(manifest.gaps)
        self._threads = ThreadPoolExecutor(_ENCODERS)  # Parquet, while records are read
        self._encoding: list[Future[None]] = []

    def begin(self, partition: int, first: int) -> None:
        """Start a partition; a new one begins there, a known one has lost what lies between."""
        known = str(partition) in self._begins
        at = self.manifest.following(partition) if known else first
        if not known:
            self._begins[str(partition)] = first
        elif first > at:
            self._gaps.append(Gap(partition, at, first))
        self._parts[partition] = _Partition(partition, first, self.manifest.groups)

    def add(self, piece: Piece) -> None:
        """Take in records."""
        part = self._parts[piece.partition]
        found = piece.records
        if found is not None:
            if part.slice is None:
                part.slice = SliceBuilder(part.number, self._forms)
            before = part.slice.size
            if isinstance(found, BatchHeader):
                part.slice.add_damaged(found)
                self.records += 1
            else:
                part.slice.add(found)
                self.records += len(found.offset)
            self.size += part.slice.size - before
        part.following = max(part.following, piece.following)
        one = part.slice
        if one is not None and (one.rows >= SLICE_RECORDS or one.size >= _SLICE_BYTES):
            self._close_slice(part)

    def _close_slice(self, part: _Partition) -> None:
        one, part.slice = part.slice, None
        if one is None:
            return
        while len(self._encoding) >= _ENCODERS:
            self._encoding.pop(0).result()
        part.encoding = self._threads.submit(_encode, part, one, part.following, part.encoding)
        self._encoding.append(part.encoding)

    def commit(self) -> None:
        """Make everything durable that was taken. Raises what `attempt` raises."""
        for part in self._parts.values():
            self._close_slice(part)
        for encoded in self._encoding:
            encoded.result()
        self._encoding.clear()
        built = [
            one for part in self._parts.values()
            if (one := part.segment.finish(part.following)) is not None
        ]  # fmt: skip
        if built or self._gaps != list(self.manifest.gaps) or not self.manifest.number:
            self._write(built)
        for part in list(self._parts.values()):
            self._parts[part.number] = _Partition(part.number, part.following, part.groups)
        if self._forms.full:
            self._forms.forget()
        self.records = self.size = 0

    def _write(self, built: Sequence[Built]) -> None:
        for one in built:
            for name, data in one.files.items():
                self._attempt(partial(self._place.write, name, data))
        segments = [*self.manifest.segments, *(one.segment for one in built)]
        self.publish(segments, [])

    def publish(self, segments: Sequence[object], retired: Sequence[str]) -> None:
        """Write the next manifest, and delete what was retired long ago."""
        number = self.manifest.number + 1
        gone = [(name, at) for name, at in self.manifest.retired if at > number - _KEPT_COMMITS]
        made = msgspec.structs.replace(
            self.manifest,
            number=number,
            writer=self._name,
            begins=dict(sorted(self._begins.items(), key=lambda pair: int(pair[0]))),
            segments=tuple(sorted(segments, key=lambda one: (one.partition, one.first))),
            gaps=tuple(self._gaps),
            retired=(*gone, *((name, number) for name in retired)),
        )
        made.check()
        self._attempt(lambda: commit(self._place, made))
        before, self.manifest = self.manifest, made
        for name, at in before.retired:
            if at <= number - _KEPT_COMMITS:
                self._attempt(partial(self._place.delete, name))
        if number % 20 == 0:
            self._attempt(lambda: forget_old(self._place, number))

    def close(self) -> None:
        """Let go of everything; what is not committed is read again by the next writer."""
        self._threads.shutdown(cancel_futures=True)
