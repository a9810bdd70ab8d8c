"""Looks up where partitions begin and end, until there is an answer for every one of them.

librdkafka answers for each partition on its own: a call that succeeds can hold an offset of -1 and
an error for one of them. Taken for "nothing there", such an answer would silently skip the
partition, for example while its leader changes; so every answer is checked, and asked for again
while its error is temporary.
"""

import logging
import time
from collections.abc import Callable, Mapping
from typing import TypeVar

from confluent_kafka import (
    OFFSET_END,
    Consumer,
    KafkaError,
    KafkaException,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, ConfigResource, ResourceType

from padit.connectors.kafka_errors import QUIET
from padit.domain.errors import SourceError

__all__ = ["Lookup", "passes", "record_clock", "refresh"]

T = TypeVar("T")
_LOG = logging.getLogger(__name__)
_ASK_SECONDS = 5.0
_PAUSE_SECONDS = 0.2
_HOPELESS = (
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    KafkaError.SASL_AUTHENTICATION_FAILED,
    KafkaError._AUTHENTICATION,
    KafkaError._SSL,
    KafkaError.TOPIC_EXCEPTION,
)


def passes(error: KafkaError) -> bool:
    """Whether waiting can help: the leader changes, a broker starts, an answer is overdue."""
    return not error.fatal() and error.code() not in _HOPELESS


class Lookup:
    """Offsets of the partitions of a topic.

    Args:
        consumer: connected.
        topic: name of the topic.
        place: the brokers, for messages.
        patience: seconds, from now on, in which an answer with an error is asked for again.
    """

    def __init__(self, consumer: Consumer, topic: str, place: str, patience: float) -> None:
        self._consumer = consumer
        self._topic = topic
        self._place = place
        self._until = time.monotonic() + patience

    def kept(self, number: int) -> tuple[int, int]:
        """The first offset a partition still has, and the one after the last.

        Raises:
            SourceError: the broker does not answer within `patience`.
        """

        def ask() -> tuple[int, int]:
            low, high = self._consumer.get_watermark_offsets(
                TopicPartition(self._topic, number), timeout=_ASK_SECONDS
            )
            return int(low), int(high)

        return self._patiently(ask, f"the offsets of partition {number}")

    def at_time(self, number: int, moment: int) -> int | None:
        """The first offset whose record is of a time (microseconds) or later; None: no record is.

        Raises:
            SourceError: the broker does not answer within `patience`.
        """

        def ask() -> int | None:
            wanted = TopicPartition(self._topic, number, moment // 1000)
            (found,) = self._consumer.offsets_for_times([wanted], timeout=_ASK_SECONDS)
            if found.error is not None:
                raise KafkaException(found.error)
            return None if found.offset in (OFFSET_END, -1) else int(found.offset)

        return self._patiently(ask, f"the offset of a time in partition {number}")

    def _patiently(self, ask: Callable[[], T], what: str) -> T:
        level = logging.WARNING
        while True:
            try:
                return ask()
            except KafkaException as error:
                reason = error.args[0]
                if not passes(reason) or time.monotonic() >= self._until:
                    message = (
                        f"{self._topic} at {self._place}: the broker does not give {what}: "
                        f"{reason.str()}; try again, or be more patient with --broker_timeout_sec"
                    )
                    raise SourceError(message) from error
                _LOG.log(level, "%s: asking again for %s: %s", self._topic, what, reason.str())
                level = logging.DEBUG
                time.sleep(_PAUSE_SECONDS)
                refresh(self._consumer, self._topic)


def refresh(consumer: Consumer, topic: str) -> None:
    """Make a client look up the partitions and their leaders again.

    By itself it does so every five minutes, and until then answers from what it remembers.
    """
    try:
        consumer.list_topics(topic, timeout=_ASK_SECONDS)
    except KafkaException as error:
        _LOG.debug("%s: %s", topic, error)


def record_clock(settings: Mapping[str, str | int | float | bool], topic: str) -> str | None:
    """Whose clock a topic's records carry: CreateTime or LogAppendTime; None if unknown.

    Args:
        settings: of a client.
        topic: name of the topic.
    """
    wanted = ConfigResource(ResourceType.TOPIC, topic)
    try:
        admin = AdminClient({**QUIET, **settings})  # an answer dies with its client
        answer = admin.describe_configs([wanted])[wanted]
        found = answer.result(_ASK_SECONDS)["message.timestamp.type"].value
    except (KafkaException, KeyError, TimeoutError) as error:
        _LOG.info("%s: its settings cannot be read: %s", topic, error)
        return None
    return str(found)
