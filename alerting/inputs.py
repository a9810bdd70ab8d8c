"""Inputs of alerting: files that are read once, or topics that go on.

Lines of files are ordered by event time and id, as they would have come. Topics are read from
where the store stands, so a restart neither misses nor repeats a record.
"""

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from time import monotonic, sleep, time

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from padit.alerting.merging import Merge
from padit.alerting.records import Record, entry_of, rank_of
from padit.alerting.stamps import Stamps
from padit.connectors.kafka_errors import QUIET, ClientErrors
from padit.connectors.kafka_prompt import PROMPT
from padit.connectors.uris import Address, parse_address, read_client_config
from padit.domain.errors import ConfigurationError, SourceError, WireFormatError
from padit.domain.timestamps import MICROS
from padit.ops.reach import Reach

__all__ = ["FileInput", "TopicInput", "input_of"]

_LOG = logging.getLogger(__name__)
_BATCH = 500
_LONGEST_LINE = 16_000_000
_ASK_SECONDS = 10.0
# While it works, because the leader must report every few seconds that it is alive.
_GLANCE_SECONDS = 2.0
_LOOK_EVERY_SECONDS, _LOOK_AGAIN_SECONDS = 30.0, 5.0


class FileInput:
    """The lines of files, at once.

    Args:
        paths: (kind, path) of each file.
    """

    def __init__(self, paths: Sequence[tuple[str, Path]]) -> None:
        self._paths = list(paths)
        self._records: list[Record] = []
        self._at = 0

    def seek(self, positions: dict[tuple[str, int], int]) -> None:
        """Read the lines behind the positions."""
        found = []
        for kind, path in self._paths:
            begin = positions.get((str(path), 0), 0)
            for number, line in _lines(path):
                if number > begin:
                    found.append(_ranked(Record(kind, str(path), 0, number, number, line)))
        found.sort(key=lambda one: one[0])
        self._records = _with_positions([record for _, record in found])

    def poll(self, seconds: float) -> Sequence[Record]:
        """The next lines; behind the last one it waits, as a topic does."""
        if self.ended:
            sleep(seconds)
        batch = self._records[self._at : self._at + _BATCH]
        self._at += len(batch)
        return batch

    @property
    def ended(self) -> bool:
        """Whether all lines were given."""
        return self._at >= len(self._records)

    @property
    def reports(self) -> bool:
        """Files are read to their end, and then all time passes."""
        return False

    def close(self) -> None:
        """Nothing is held."""


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    yield number, line.rstrip(b"\r\n")[:_LONGEST_LINE]
    except OSError as error:
        message = f"{path} cannot be read: {error.strerror}"
        raise ConfigurationError(message) from error


def _ranked(record: Record) -> tuple[tuple[int, bool, str], Record]:
    """A place in the order of event time and id; what cannot be read comes first."""
    try:
        found = entry_of(record.kind, record.data)
    except WireFormatError:
        found = None
    if found is None:
        return (0, False, ""), record
    identity, entry = found
    return rank_of(identity, entry), record


def _with_positions(records: list[Record]) -> list[Record]:
    """Records out of a file's order: its position moves only behind lines that were all given."""
    waiting: dict[str, set[int]] = {}
    for one in records:
        waiting.setdefault(one.place, set()).add(one.number)
    lowest = {place: sorted(numbers, reverse=True) for place, numbers in waiting.items()}
    given: dict[str, set[int]] = {place: set() for place in waiting}
    reached = dict.fromkeys(waiting, 0)
    moved = []
    for one in records:
        given[one.place].add(one.number)
        left = lowest[one.place]
        while left and left[-1] in given[one.place]:
            reached[one.place] = left.pop()
        moved.append(one._replace(following=reached[one.place]))
    return moved


class _AwayError(SourceError):
    """No broker answers."""


class TopicInput:
    """Topics of one broker, from where the store stands.

    Args:
        topics: (kind, address) of each.

    Raises:
        SourceError: no broker answers, or a topic does not exist.
    """

    def __init__(self, topics: Sequence[tuple[str, Address]]) -> None:
        self._kinds = {address.path: kind for kind, address in topics}
        first = topics[0][1]
        self._place = first.host
        settings = read_client_config(first.options.get("client_config"))
        self._errors = ClientErrors()
        self._reach = Reach(_LOG, f"Kafka at {self._place}")
        self._consumer = Consumer(
            {
                **QUIET,
                **PROMPT,
                "bootstrap.servers": first.host,
                "group.id": "padit-alerting",
                "enable.auto.commit": False,
                "auto.offset.reset": "earliest",
                "isolation.level": "read_committed",
                "enable.partition.eof": True,
                **settings,
                "error_cb": self._errors.note,
            }
        )
        self._positions: dict[tuple[str, int], int] = {}
        self._known: set[tuple[str, int]] = set()
        self._looked = 0.0
        self._merge = Merge()
        self._paused: set[tuple[str, int]] = set()
        self._stamps = Stamps()

    def seek(self, positions: dict[tuple[str, int], int]) -> None:
        """Read from the positions; what has none from its beginning.

        A broker that was read before is waited for, so that whoever takes over while it is away
        keeps the lead.
        """
        self._positions = positions
        try:
            self._look_for_partitions(_ASK_SECONDS)
        except _AwayError as error:
            if {place for place, _ in positions}.isdisjoint(map(self._at, self._kinds)):
                raise
            self._reach.away(str(error))

    def _look_for_partitions(self, seconds: float) -> None:
        """Take partitions that are new, too; all answers within so many seconds."""
        self._looked = monotonic()
        until = self._looked + seconds
        fresh = []
        for topic in self._kinds:
            left = max(until - monotonic(), 0.01)
            try:
                found = self._consumer.list_topics(topic, timeout=left).topics[topic]
            except KafkaException as error:
                reason = self._errors.text or error.args[0].str()
                message = f"no broker answers ({reason}); is it up?"
                raise _AwayError(message) from error
            if found.error is not None:
                message = f"topic {topic} at {self._place}: {found.error.str()}"
                raise SourceError(message)
            fresh += [(topic, number) for number in found.partitions]
        added = sorted(set(fresh) - self._known)
        self._known.update(added)
        for one in added:
            self._merge.begin(one, monotonic())
        if added:
            self._consumer.incremental_assign(
                [
                    TopicPartition(topic, number, self._positions.get((self._at(topic), number), 0))
                    for topic, number in added
                ]
            )

    def _at(self, topic: str) -> str:
        return f"{self._place}/{topic}"

    def poll(self, seconds: float) -> Sequence[Record]:
        """What has come; a broker that is away is waited for."""
        lost = self._reach.lost or self._errors.down
        wait = _LOOK_EVERY_SECONDS if self._known and not lost else _LOOK_AGAIN_SECONDS
        if monotonic() - self._looked > wait:
            try:
                self._look_for_partitions(_GLANCE_SECONDS)
            except SourceError as error:  # the client connects again by itself
                self._reach.away(str(error))
            else:
                self._errors.answered()
                self._reach.back()
        # `consume` with a time waits for all of it, also when something has come.
        first = self._consumer.poll(max(seconds, 0.01))
        if first is not None:
            for one in [first, *self._consumer.consume(_BATCH, 0.0)]:
                self._receive(one)
        found = self._merge.take(monotonic())
        self._pause_what_is_ahead()
        return found

    def _receive(self, one: Message) -> None:
        topic, partition = one.topic(), one.partition() or 0
        error = one.error()
        if error is not None:  # the client tries again by itself
            if error.code() == KafkaError._PARTITION_EOF and topic is not None:
                self._merge.end((topic, partition))
                self._stamps.end((topic, partition), int(time() * MICROS))
            return
        data = one.value()
        if topic is not None and data is not None:
            offset, (_, written) = one.offset() or 0, one.timestamp()
            stamp = self._stamps.written((topic, partition), max(written, 0) * 1000)
            record = Record(
                self._kinds[topic], self._at(topic), partition, offset, offset + 1, data, stamp
            )
            self._merge.add((topic, partition), written, record, monotonic())

    def _pause_what_is_ahead(self) -> None:
        """Partitions with many records that wait for those of others are not read on."""
        ahead = {one for one in self._known if self._merge.crowded(one)}
        for wanted, act in (
            (ahead - self._paused, self._consumer.pause),
            (self._paused - ahead, self._consumer.resume),
        ):
            if wanted:
                act([TopicPartition(topic, number) for topic, number in sorted(wanted)])
        self._paused = ahead

    @property
    def ended(self) -> bool:
        """A topic goes on."""
        return False

    @property
    def reports(self) -> bool:
        """Whether the audit log is read, to which a live job writes its progress."""
        return "audit" in self._kinds.values()

    def close(self) -> None:
        """Leave the broker."""
        self._consumer.close()


def input_of(alerts: str, audit: str | None, commands: str | None) -> FileInput | TopicInput:
    """The input that addresses name: all files, or all topics of one broker.

    Raises:
        ConfigurationError: they are of both kinds, one is incomplete, or a file cannot be read.
    """
    given = [("alert", alerts), ("audit", audit), ("command", commands)]
    addresses = [(kind, parse_address(uri)) for kind, uri in given if uri is not None]
    of_topics = [one.kind == "kafka" for _, one in addresses]
    for one in [one for _, one in addresses if one.kind == "kafka"]:
        if not (one.host and one.path) or "/" in one.path:
            message = f"{one.uri}: a topic is written kafka://host:9092/topic"
            raise ConfigurationError(message)
    if all(of_topics):
        if len({one.host for _, one in addresses}) > 1:
            message = "alerts, audit log and commands have to be topics of one broker"
            raise ConfigurationError(message)
        return TopicInput(addresses)
    if any(of_topics):
        message = "alerts, audit log and commands have to be all files or all topics"
        raise ConfigurationError(message)
    return FileInput([(kind, Path(one.path)) for kind, one in addresses])
