"""Reads alerts from a file or a topic, in their canonical order; and dead letters."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import TopicMetadata

from padit.connectors.kafka_errors import QUIET
from padit.connectors.kafka_prompt import PROMPT
from padit.connectors.uris import parse_address, read_client_config
from padit.domain.dead_letter import DeadLetter
from padit.domain.errors import ConfigurationError, SourceError
from padit.domain.message import key_of
from padit.domain.timestamps import parse_timestamp

__all__ = ["Event", "read_events", "read_letters", "read_lines"]

_QUIET_SECONDS = 10.0
_TEXTS = ("id", "reason", "topic", "digest")


class Event(NamedTuple):
    """One transition of an alert, as it was written.

    Attributes:
        time: event time in microseconds.
        key: of source_id and metric_name, as `domain.message.key_of` makes it.
        id: of the transition.
        line: its bytes.
    """

    time: int
    key: str
    id: str
    line: bytes

    @property
    def content(self) -> dict[str, Any]:
        """The CloudEvent."""
        return msgspec.json.decode(self.line, type=dict[str, Any])


def read_events(uri: str) -> list[Event]:
    """All transitions of a file or a topic, each id once, sorted by (time, key, id).

    Raises:
        SourceError: unreadable, or a line is no alert.
    """
    events: dict[str, Event] = {}
    for number, line in enumerate(read_lines(uri)):
        event = _event(uri, number, line)
        events.setdefault(event.id, event)
    return sorted(events.values())


def read_lines(uri: str) -> Iterator[bytes]:
    """The records of a run: the lines of a file, or a topic up to its end.

    Raises:
        SourceError: unreadable.
    """
    address = parse_address(uri)
    if address.kind == "kafka":
        settings = read_client_config(address.options.get("client_config"))
        return (value for value, _ in _from_topic(address.host, address.path, settings))
    if address.kind in (".jsonl", ".json", ".ndjson"):
        return _from_file(Path(address.path))
    message = f"{uri}: alerts are read from a .jsonl file or from kafka://host:port/topic"
    raise ConfigurationError(message)


def _event(uri: str, number: int, line: bytes) -> Event:
    try:
        content = msgspec.json.decode(line)
        alert = content["data"]
        key = key_of(alert["source_id"], alert["metric_name"])
        return Event(parse_timestamp(content["time"]), key, content["id"], line)
    except (msgspec.DecodeError, KeyError, TypeError, ValueError) as error:
        message = f"{uri}, line {number + 1}, is not an alert of PADIT: {error!r}"
        raise SourceError(message) from error


def _from_file(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            for line in file:
                if line.strip():
                    yield line.rstrip(b"\n")
    except OSError as error:
        message = f"{path} cannot be read: {error.strerror}"
        raise SourceError(message) from error


def read_letters(uri: str) -> Iterator[DeadLetter]:
    """The dead letters of a run: of a file, or of a topic, where headers hold all but the bytes.

    Raises:
        ConfigurationError: a record is no dead letter.
        SourceError: unreadable.
    """
    address = parse_address(uri)
    if address.kind != "kafka":
        for number, line in enumerate(read_lines(uri)):
            yield _letter(line, f"{uri}, line {number}")
        return
    settings = read_client_config(address.options.get("client_config"))
    for number, (value, headers) in enumerate(_from_topic(address.host, address.path, settings)):
        yield _letter_of(value, headers, f"{uri}, record {number}")


def _letter(line: bytes, place: str) -> DeadLetter:
    try:
        return msgspec.json.decode(line, type=DeadLetter)
    except msgspec.DecodeError as error:
        raise _no_letter(place, error) from error


def _letter_of(value: bytes, headers: Sequence[tuple[str, bytes]], place: str) -> DeadLetter:
    """Of a record of a topic: texts stand as they are in its headers, all else as JSON."""
    fields: dict[str, Any] = {"original": value}
    try:
        for name, field in headers:
            text = name in _TEXTS
            fields[name] = field.decode(errors="replace") if text else msgspec.json.decode(field)
        fields.pop("id", None)
        return msgspec.convert(fields, DeadLetter)
    except msgspec.MsgspecError as error:
        raise _no_letter(place, error) from error


def _no_letter(place: str, error: Exception) -> ConfigurationError:
    return ConfigurationError(f"{place}: no dead letter of the job: {error}")


def _from_topic(
    bootstrap: str, topic: str, settings: dict[str, str]
) -> Iterator[tuple[bytes, list[tuple[str, bytes]]]]:
    consumer = Consumer(
        {
            **QUIET,
            **PROMPT,
            "bootstrap.servers": bootstrap,
            "group.id": "padit-diff",
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "isolation.level": "read_committed",
            "enable.partition.eof": True,
            **settings,
        }
    )
    try:
        found = _topic(consumer, bootstrap, topic)
        if found.error is not None:
            message = f"topic {topic} at {bootstrap}: {found.error.str()}"
            raise SourceError(message)
        consumer.assign([TopicPartition(topic, number, 0) for number in found.partitions])
        open_partitions = set(found.partitions)
        while open_partitions:
            record = consumer.poll(_QUIET_SECONDS)
            if record is None:
                message = f"{bootstrap} did not answer for {_QUIET_SECONDS:g} s"
                raise SourceError(message)
            if record.error() is None:
                yield record.value() or b"", record.headers() or []
            elif record.error().code() == KafkaError._PARTITION_EOF:
                open_partitions.discard(record.partition())
    finally:
        consumer.close()


def _topic(consumer: Consumer, bootstrap: str, topic: str) -> TopicMetadata:
    try:
        return consumer.list_topics(topic, timeout=_QUIET_SECONDS).topics[topic]
    except KafkaException as error:
        message = f"no broker answers at {bootstrap} ({error.args[0].str()}); is it up?"
        raise SourceError(message) from error
