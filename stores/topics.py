"""The topics behind a store: read from where the store stands, in bounded pieces.

All partitions are assigned by hand, those that are added later too. There is no membership of a
group, so a store that is away for hours costs no rebalance. librdkafka reads ahead at most
`_AHEAD_KIB`.
"""

import logging
import re
from collections.abc import Sequence
from time import monotonic, sleep
from typing import Any, NamedTuple

import numpy as np
from confluent_kafka import (
    OFFSET_INVALID,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)
from confluent_kafka.admin import TopicMetadata

from padit.connectors.kafka_errors import QUIET, ClientErrors
from padit.connectors.kafka_prompt import PROMPT
from padit.connectors.uris import Address, parse_address, read_client_config
from padit.domain.errors import ConfigurationError, SourceError
from padit.stores.base import Content, Place, Positions, Records
from padit.stores.retention import retention_of

__all__ = ["Read", "Topic", "Topics", "topics_of"]

_LOG = logging.getLogger(__name__)
_ASK_SECONDS = 10.0
_LOOK_EVERY_SECONDS = 30.0
_LOOK_AGAIN_SECONDS = 2.0  # at a broker that was away
_NEW_SECONDS = 5.0  # a topic that was created a moment ago is not known to every broker yet
_NEW = (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError.LEADER_NOT_AVAILABLE)
_FARTHEST = 1 << 62
_PIECE = 2000
_MOST_BYTES = 16 << 20
_AHEAD_KIB = 32 << 10
_GROUP = re.compile(r"\{([^{}]*)\}$")


class Topic(NamedTuple):
    """A topic and what its records are."""

    name: str
    content: Content


class Read(NamedTuple):
    """Records of one topic, as they came."""

    topic: str
    records: Records


def topics_of(uris: Sequence[str]) -> tuple[Address, list[Topic]]:
    """The broker's address, and the topics, of `kafka://host:port/topic` URIs.

    `{a,b}` at the end stands for two topics, as in a shell. What a topic holds follows from its
    name, or from the option `content`.

    Raises:
        ConfigurationError: they are of several brokers, or the content of one is not known.
    """
    addresses = [parse_address(one) for uri in uris for one in _spread(uri)]
    for one in addresses:
        if one.kind != "kafka" or not one.host or not one.path or "/" in one.path:
            message = f"--from {one.uri}: a store reads topics, kafka://host:9092/topic"
            raise ConfigurationError(message)
        unknown = sorted(set(one.options) - {"content", "client_config"})
        if unknown:
            message = f"--from {one.uri}: unknown option {unknown[0]}; allowed are content, "
            raise ConfigurationError(message + "client_config")
    if len({(one.host, one.options.get("client_config")) for one in addresses}) > 1:
        message = "--from: all topics have to be of one broker; start a process for each broker"
        raise ConfigurationError(message)
    topics = [Topic(one.path, _content(one)) for one in addresses]
    if len({one.name for one in topics}) < len(topics):
        message = f"--from: a topic is given twice: {', '.join(one.name for one in topics)}"
        raise ConfigurationError(message)
    return addresses[0], topics


def _spread(uri: str) -> list[str]:
    found = _GROUP.search(uri)
    if found is None:
        return [uri]
    return [uri[: found.start()] + name.strip() for name in found[1].split(",")]


def _content(address: Address) -> Content:
    """What the option states, else what the name says."""
    stated = address.options.get("content")
    known = [one.value for one in Content]
    name = address.path if stated is None else stated
    if stated is None and name not in known:
        name = next((one for one in known if re.search(rf"(^|[._-]){one}($|[._-])", name)), name)
    try:
        return Content(name)
    except ValueError:
        message = (
            f"--from {address.uri}: what {address.path} holds does not follow from its name; "
            f"add ?content=ONE of {', '.join(known)}"
        )
        raise ConfigurationError(message) from None


class Topics:
    """Topics of one broker.

    Args:
        address: of the broker.
        topics: their names and contents.
        group: under which positions are committed.
        headers: whether headers are read for metrics, too.

    Raises:
        SourceError: no broker answers, or a topic does not exist.
    """

    def __init__(
        self, address: Address, topics: Sequence[Topic], group: str, headers: bool = False
    ) -> None:
        self.topics = list(topics)
        self._with_headers = {
            one.name for one in topics if headers or one.content is not Content.METRICS
        }
        self._place = address.host
        self._trouble = ClientErrors()
        self._settings: dict[str, Any] = {
            "bootstrap.servers": address.host,
            **read_client_config(address.options.get("client_config")),
        }
        self._consumer = Consumer(
            {
                "enable.auto.commit": False,
                "auto.offset.reset": "error",
                "isolation.level": "read_committed",
                "enable.partition.eof": True,
                "queued.max.messages.kbytes": _AHEAD_KIB,
                **PROMPT,
                **QUIET,
                **self._settings,
                "group.id": group,
                "error_cb": self._trouble.note,
            }
        )
        self._known: set[Place] = set()
        self._ended: set[Place] = set()  # those that were read to their end
        self._looked = 0.0
        self._positions: Positions | None = None
        self._anew: dict[Place, int] = {}

    def check(self) -> None:
        """Ask for every topic once, before anything is opened.

        Raises:
            SourceError: no broker answers, or a topic does not exist.
        """
        for topic, _ in self.topics:
            self._partitions(topic)

    def seek(self, positions: Positions | None) -> None:
        """Read from these positions on, or from those that were committed; others from the start.

        Raises:
            SourceError: no broker answers, or a topic does not exist.
        """
        self._positions = positions
        if self._known:
            self._consumer.unassign()
            self._known.clear()
            self._ended.clear()
        self._look()

    def _look(self) -> None:
        """Take partitions that are new, too."""
        self._looked = monotonic()
        fresh = []
        for topic, _ in self.topics:
            fresh += [Place(topic, number) for number in self._partitions(topic)]
        self._trouble.answered()
        added = sorted(set(fresh) - self._known)
        if added:
            self._consumer.incremental_assign(self._from_where(added))
            self._known.update(added)

    def anew(self) -> Positions:
        """Partitions that were made anew since the last call, and where they begin."""
        found, self._anew = self._anew, {}
        return found

    def _partitions(self, topic: str) -> list[int]:
        until = monotonic() + _NEW_SECONDS
        found = self._described(topic)
        while found.error is not None and found.error.code() in _NEW and monotonic() < until:
            sleep(0.2)
            found = self._described(topic)
        if found.error is not None:
            message = f"topic {topic} at {self._place}: {found.error.str()}; create it first"
            raise SourceError(message)
        return list(found.partitions)

    def _described(self, topic: str) -> TopicMetadata:
        try:
            return self._consumer.list_topics(topic, timeout=_ASK_SECONDS).topics[topic]
        except KafkaException as error:
            reason = self._trouble.text or error.args[0].str()
            message = f"no broker answers at {self._place} ({reason}); is it up?"
            raise SourceError(message) from error

    def _from_where(self, places: Sequence[Place]) -> list[TopicPartition]:
        known = self._positions
        if known is None:
            known = self._committed(places)
        return [self._begin(one, known.get(one, 0)) for one in places]

    def _begin(self, place: Place, position: int) -> TopicPartition:
        """Where a partition is read from; what it no longer holds is said."""
        try:
            low, high = self._consumer.get_watermark_offsets(
                TopicPartition(*place), timeout=_ASK_SECONDS
            )
        except KafkaException as error:
            message = f"{self._place} does not give the offsets: {error.args[0].str()}"
            raise SourceError(message) from error
        if position > high:
            _LOG.warning(
                "%s, partition %d ends at %d, before position %d: it was made anew, and is read "
                "from its beginning", place.topic, place.partition, high, position,
            )  # fmt: skip
            position = self._anew[place] = low
        elif position < low:
            if position:
                _LOG.warning(
                    "%s, partition %d begins at %d: %d records were deleted before they were read; "
                    "raise retention.ms", place.topic, place.partition, low, low - position,
                )  # fmt: skip
            position = low
        return TopicPartition(*place, position)

    def _committed(self, places: Sequence[Place]) -> dict[Place, int]:
        asked = [TopicPartition(one.topic, one.partition) for one in places]
        try:
            found = self._consumer.committed(asked, timeout=_ASK_SECONDS)
        except KafkaException as error:
            message = f"{self._place} does not give the committed offsets: {error.args[0].str()}"
            raise SourceError(message) from error
        return {
            Place(one.topic, one.partition): one.offset
            for one in found
            if one.offset != OFFSET_INVALID
        }

    def poll(self, most: int, seconds: float) -> list[Read]:
        """What has come, by topic: at most `most` records, or 16 MiB and the piece beyond.

        Raises:
            SourceError: the broker does not answer.
            ConfigurationError: it refuses, for a reason that waiting does not heal.
        """
        down = self._trouble.down  # then the look says so, and when it is over
        if monotonic() - self._looked > (_LOOK_AGAIN_SECONDS if down else _LOOK_EVERY_SECONDS):
            self._look()
        found: dict[str, list[Message]] = {}
        size = count = 0
        wait = max(seconds, 0.01)
        while count < most and size < _MOST_BYTES:
            piece = self._consumer.consume(min(_PIECE, most - count), wait)
            for one in piece:
                place = Place(one.topic() or "", one.partition() or 0)
                if one.error() is not None:
                    self._note(one.error(), place)
                    continue
                self._ended.discard(place)
                size += len(one)
                found.setdefault(one.topic() or "", []).append(one)
            count += len(piece)
            wait = 0.01
            if not piece:
                break
        return [Read(topic, self._records(topic, some)) for topic, some in sorted(found.items())]

    def _note(self, error: KafkaError, place: Place) -> None:
        if error.code() == KafkaError._PARTITION_EOF:
            self._ended.add(place)
            return
        if error.code() == KafkaError._AUTO_OFFSET_RESET:  # deleted while it was being read
            at = self._consumer.position([TopicPartition(*place)])[0].offset
            self._consumer.incremental_unassign([TopicPartition(*place)])
            self._consumer.incremental_assign([self._begin(place, max(at, 1))])
            return
        if error.fatal() or self._trouble.hopeless:
            message = f"--from {self._place}: {self._trouble.text or error.str()}"
            raise ConfigurationError(message)
        _LOG.info("%s: %s", self._place, error.str())  # the client tries again by itself

    def _records(self, topic: str, some: Sequence[Message]) -> Records:
        headers = None
        if topic in self._with_headers:
            headers = [one.headers() or [] for one in some]
        return Records(
            np.array([one.partition() for one in some], np.int32),
            np.array([one.offset() for one in some], np.int64),
            np.array([_time(one.timestamp()) for one in some], np.int64),
            [one.key() for one in some],
            [one.value() for one in some],
            headers,
        )

    def commit(self, positions: Positions) -> None:
        """Tell the broker where the store stands. A failure repeats records and loses none."""
        if not positions:
            return
        offsets = [TopicPartition(*place, offset) for place, offset in sorted(positions.items())]
        try:
            self._consumer.commit(offsets=offsets, asynchronous=False)
        except KafkaException as error:
            _LOG.warning("positions are not committed yet: %s", error.args[0].str())

    def lag(self, positions: Positions) -> int:
        """Records behind these positions, as far as the client knows; asks nobody."""
        behind = 0
        for place in self._known:
            low, high = self._consumer.get_watermark_offsets(TopicPartition(*place), cached=True)
            if high >= 0:
                behind += max(high - max(positions.get(place, 0), low), 0)
        return behind

    def caught_up(self) -> bool:
        """Whether every partition was read to its end."""
        return self._known <= self._ended

    def retention(self) -> dict[str, float]:
        """Seconds for which each topic keeps its records; infinite where it keeps all."""
        return retention_of(self._settings, [one.name for one in self.topics])

    def close(self) -> None:
        """Leave the broker."""
        self._consumer.close()


def _time(stamp: tuple[int, int]) -> int:
    """Microseconds; -1 for none. A producer may state any milliseconds, also those of year 10^8."""
    return max(-_FARTHEST, min(stamp[1] * 1000, _FARTHEST)) if stamp[0] else -1
