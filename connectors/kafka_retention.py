"""What a topic still holds of what was asked for, told to people."""

from typing import NamedTuple

from confluent_kafka import Consumer, KafkaError, TopicPartition

from padit.connectors.kafka_lookup import Lookup
from padit.domain.errors import SourceError
from padit.domain.timestamps import format_utc

__all__ = ["RequestedRange", "nothing_there", "what_is_gone"]

_SECONDS = 10.0


class RequestedRange(NamedTuple):
    """The part of a topic that was asked for; fields as in `KafkaSource`."""

    start: int | str
    stop: int | None
    start_time: int | None
    stop_time: int | None


def what_is_gone(
    consumer: Consumer, lookup: Lookup, topic: str, number: int, asked: RequestedRange
) -> str | None:
    """Which part of what was asked for a partition does not have any more; None: all is there.

    By time it can only be told that the log has been cut and that its first record is younger
    than the start; whether a deleted record lay between them, nobody knows.
    """
    low, high = lookup.kept(number)
    begins = f"partition {number} begins at offset {low}"
    if asked.start_time is None:
        if not isinstance(asked.start, int) or asked.start >= low:
            return None
        last = (low if asked.stop is None else min(low, asked.stop)) - 1
        return f"{begins}: offsets {asked.start} to {last}"
    oldest = _time_of(consumer, topic, number, low) if 0 < low < high else None
    if low == 0 or (oldest is not None and oldest <= asked.start_time):
        return None
    until = "now" if oldest is None else format_utc(oldest)
    return f"{begins}: records of {format_utc(asked.start_time)} to {until}"


def nothing_there(
    consumer: Consumer, lookup: Lookup, topic: str, numbers: list[int], asked: RequestedRange
) -> str:
    """Say that no record lies in the time asked for, and what times there are."""
    times = []
    for number in numbers:
        low, high = lookup.kept(number)
        ends = (low, high - 1) if low < high else ()
        found = [_time_of(consumer, topic, number, offset) for offset in ends]
        times += [one for one in found if one is not None]
    after = "" if asked.start_time is None else f" from {format_utc(asked.start_time)} on"
    before = "" if asked.stop_time is None else f" before {format_utc(asked.stop_time)}"
    held = "it is empty"
    if times:
        held = f"its records are of {format_utc(min(times))} to {format_utc(max(times))}"
    return f"topic {topic} has no record{after}{before}; {held}"


def _time_of(consumer: Consumer, topic: str, number: int, offset: int) -> int | None:
    """Time of the record at an offset or the next one, microseconds; None if there is none.

    Raises:
        SourceError: the broker does not say, which is not the same as none.
    """
    consumer.assign([TopicPartition(topic, number, offset)])
    try:
        record = consumer.poll(_SECONDS)
        while record is not None and record.error() is not None:
            if record.error().code() == KafkaError._PARTITION_EOF:
                return None
            record = consumer.poll(_SECONDS)
        if record is None:
            message = f"{topic} partition {number}: no answer for offset {offset}; try again"
            raise SourceError(message)
        return int(record.timestamp()[1]) * 1000
    finally:
        consumer.unassign()
