"""`padit archive`: from a topic to an archive, until it has caught up or is stopped."""

import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from padit.connectors.archive_manifest import Manifest, latest
from padit.connectors.archive_place import ArchivePlace, PlaceRefusedError, place_of
from padit.connectors.kafka_settings import fetch_settings
from padit.connectors.kafka_source import KafkaSource
from padit.connectors.source import PartitionRange
from padit.connectors.uris import Bounds, parse_address, read_client_config, source_from_uri
from padit.domain.errors import ConfigurationError, PaditError, SinkError, SourceError
from padit.ops.retrying import backoff
from padit.stores.archive_topic import RecordReader
from padit.stores.archive_writer import ArchiveWriter
from padit.stores.base import Stopped
from padit.stores.retention import retention_of, too_short

__all__ = ["Done", "Plan", "archive_topic", "open_place"]

T = TypeVar("T")
_LOG = logging.getLogger(__name__)
_LONGEST_PAUSE = 30.0
_POLL_SECONDS = 0.5
_MOST_BYTES = 512 << 20


@dataclass(frozen=True)
class Plan:
    """What to archive, and how.

    Attributes:
        topic: URI.
        archive: URI.
        live: whether to go on without end.
        commit_sec: longest time until what was read is in the archive.
        commit_records: a commit follows after so many.
        groups: of sources; a new archive keeps them for good.
        allow_missing: whether to go on where the topic has lost what is missing in the archive.
        patience: seconds to wait for a broker, and for the archive unless `live`.
        survive: seconds for which the archive, or this process, may be away without a loss.
    """

    topic: str
    archive: str
    live: bool = False
    commit_sec: float = 60.0
    commit_records: int = 1_000_000
    groups: int = 4
    allow_missing: bool = False
    patience: float = 60.0
    survive: float = 86_400.0


@dataclass
class Done:
    """What was archived: records, of them those that stand whole, commits, failed attempts."""

    records: int = 0
    raw: int = 0
    commits: int = 0
    failures: int = 0


def open_place(uri: str) -> ArchivePlace:
    """The place of an archive. Raises ConfigurationError."""
    remote = "://" in uri and not uri.startswith("file:")
    return place_of(parse_address(uri if remote else f"{uri.rstrip('/')}/"))


def archive_topic(plan: Plan, stopped: Stopped, say: Callable[[str], None]) -> Done:
    """Archive what the topic holds; live: until stopped.

    Raises:
        ConfigurationError: the archive is of another topic, or has another writer; credentials.
        SourceError: the topic cannot be read, or has lost what is missing in the archive.
        SinkError: the archive was away for too long; live it is waited for.
    """
    source = source_from_uri(plan.topic, Bounds(live=plan.live, patience=plan.patience))
    if not isinstance(source, KafkaSource):
        message = f"{plan.topic}: a topic is archived, kafka://host:9092/topic"
        raise ConfigurationError(message)
    done = Done()
    place = open_place(plan.archive)
    attempt = _Attempts(plan, place, stopped, done, say)
    manifest = attempt(lambda: latest(place)) or Manifest(source.topic, groups=plan.groups)
    if manifest.topic != source.topic:
        message = (
            f"{plan.archive} is the archive of the topic {manifest.topic}; give {source.topic} a "
            "place of its own"
        )
        raise ConfigurationError(message)
    writer = ArchiveWriter(place, manifest, attempt)
    reader = None
    try:
        ranges = _ranges(plan, source, writer, say)
        given = read_client_config(source.client_config)
        settings = fetch_settings(source.bootstrap, given, f"client_config={source.client_config}")
        if plan.live:
            held = retention_of({"bootstrap.servers": source.bootstrap, **given}, [source.topic])
            for line in too_short(held, plan.survive, "the archive"):
                say(line)
        look_every = source.look_every if plan.live else None
        reader = RecordReader(settings, source.topic, ranges, look_every, plan.patience)
        _copy(plan, reader, writer, ranges, stopped, done)
    finally:
        if reader is not None:
            reader.close()
        writer.close()
    return done


def _ranges(
    plan: Plan, source: KafkaSource, writer: ArchiveWriter, say: Callable[[str], None]
) -> list[PartitionRange]:
    """Where reading begins: behind what is in the archive."""
    manifest, found, lost = writer.manifest, [], []
    for one in source.ranges():
        number, first = one.partition, one.start
        if str(number) in manifest.begins:
            at = manifest.following(number)
            if at < one.start:
                lost.append(f"partition {number}: offsets {at} to {one.start - 1}")
            first = max(at, one.start)
        stop = one.stop if one.stop is None else max(one.stop, first)
        if one.stop is not None and first > one.stop:
            message = (
                f"{plan.archive} holds partition {number} up to offset {first}, and the topic "
                f"ends at {one.stop}: it was made anew; archive it to another place"
            )
            raise SourceError(message)
        found.append(PartitionRange(number, first, stop))
    if lost and not plan.allow_missing:
        message = (
            f"the topic has lost to retention what is missing in {plan.archive}: "
            f"{'; '.join(lost)}; --allow_missing notes the gap and goes on"
        )
        raise SourceError(message)
    if lost:
        say(f"noted as a gap of the archive: {'; '.join(lost)}")
    for one in found:
        writer.begin(one.partition, one.start)
    return found


def _copy(
    plan: Plan,
    reader: RecordReader,
    writer: ArchiveWriter,
    ranges: list[PartitionRange],
    stopped: Stopped,
    done: Done,
) -> None:
    known = 1 + max((one.partition for one in ranges), default=-1)
    running = {one.partition for one in ranges if one.stop is None or one.start < one.stop}
    since = time.monotonic()
    while (running or plan.live) and not stopped.is_set():
        for piece in reader.pieces(_POLL_SECONDS):
            writer.add(piece)
            if piece.ended:
                running.discard(piece.partition)
        if plan.live and (added := reader.added(known)):
            for one in added:
                writer.begin(one.partition, one.start)
            reader.extend(added)
            known += len(added)
        late = time.monotonic() - since >= plan.commit_sec
        if writer.records >= plan.commit_records or writer.size >= _MOST_BYTES or late:
            _commit(writer, done)
            since = time.monotonic()
    _commit(writer, done)


def _commit(writer: ArchiveWriter, done: Done) -> None:
    before = writer.manifest
    records = writer.records
    writer.commit()
    done.records += records
    done.commits += writer.manifest.number - before.number
    known = {(one.partition, one.first) for one in before.segments}
    done.raw += sum(
        one.raw for one in writer.manifest.segments if (one.partition, one.first) not in known
    )


class _Attempts:
    """Calls the service as often as it takes: live without end, else as long as `patience`.

    Live a service that has taken something, and refuses it now, is waited for, too: a key was
    changed, a bucket deleted. Credentials are read anew for each of these attempts.
    """

    def __init__(
        self,
        plan: Plan,
        place: ArchivePlace,
        stopped: Stopped,
        done: Done,
        say: Callable[[str], None],
    ) -> None:
        self._plan, self._place, self._stopped = plan, place, stopped
        self._done, self._say = done, say

    def __call__(self, call: Callable[[], T]) -> T:
        started, attempts = time.monotonic(), 0
        while True:
            try:
                return call()
            except SourceError as error:
                late = time.monotonic() - started >= self._plan.patience
                self._again(error, attempts := attempts + 1, late and not self._plan.live)
            except PlaceRefusedError as error:
                if not self._plan.live or not self._done.commits:
                    raise
                self._again(error, attempts := attempts + 1, False)
                self._place.forget()

    def _again(self, error: PaditError, attempts: int, given_up: bool) -> None:
        """Wait for the next attempt. Raises SinkError where there is none."""
        self._done.failures += 1
        if given_up or self._stopped.is_set():
            message = (
                f"{error}; given up after {attempts} attempts; what is not committed is "
                "read again by the next run"
            )
            raise SinkError(message) from error
        pause = backoff(attempts, random.random(), _LONGEST_PAUSE)  # noqa: S311
        self._say(f"{error}; trying again in {pause:.1f} s")
        self._stopped.wait(pause)
