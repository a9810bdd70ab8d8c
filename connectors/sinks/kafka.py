"""Results to a Kafka topic, with confluent-kafka (librdkafka).

What an item must look like: a `Message`; key and value become the record's, its id the header `id`.
Event time stands in the value. The record's own timestamp is the time of writing, so that every
reader can measure latency (record time minus event time), and retention by time keeps results of a
replayed past. The value of a dead letter is the original record's bytes, ready to be sent again
once the cause is gone; the other fields of `DeadLetter` become headers.
Unit of parallelism: any number of writers; records of one key keep their order.
In a crash, `at_least_once`: the idempotent producer prevents repeats and gaps within a writer's
life, but a bundle that is repeated after a crash is written again; the same result always has
the same `id`, so readers drop what they have seen.
In a crash, `exactly_once` (the job's default for alerts): a reader with `read_committed` (the
default of librdkafka, not of the Java client) sees each id once. A bundle is one transaction
under a fixed id; opening the sink fences all previous producers, zombies too, and then reads
back the latest ids, so that a bundle that comes again, also after a commit whose checkpoint was
lost, adds nothing. There is one writer at a time. What remains possible: a repeat from further
back than `remember` records; and, because a bundle is committed before its checkpoint and live
readers decide by the clock when a partition is idle, a transition that was sent before a crash
and that the repetition, deciding otherwise, does not raise, or raises with another id. Two jobs
that write as the same `writer` fence each other in turn: nothing is doubled, both fail.

TLS, SASL and other librdkafka settings come from a properties file, `client_config=FILE`. It
is read where the sink is used, the workers included; secrets are never part of a URI, the
job's graph or a log.
"""

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from confluent_kafka import KafkaError, KafkaException, Producer
from confluent_kafka.admin import AdminClient, NewTopic
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from padit.connectors.kafka_errors import QUIET, ClientErrors
from padit.connectors.sink import Message, Sink, Start, Writer
from padit.connectors.sinks._away import PATIENCE, reach_of
from padit.connectors.sinks._kafka_once import Headers, Line, OnceWriter, headers_of
from padit.connectors.uris import Address, absolute, read_client_config, sink_for
from padit.domain.config import explain
from padit.domain.errors import ConfigurationError, SinkError

__all__ = ["KafkaOptions", "KafkaSink"]

_LOG = logging.getLogger(__name__)
_METADATA_SECONDS = 5.0
_PRODUCER = {
    **QUIET,
    "enable.idempotence": True,
    "acks": "all",
    "compression.type": "lz4",
    "linger.ms": 5,
    "message.max.bytes": 2 << 20,
    # The Java client's, so that a key has the same partition whichever client writes it.
    "partitioner": "murmur2_random",
}


class KafkaOptions(BaseModel):
    """Options of a Kafka sink in its URI."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    client_config: str | None = Field(
        default=None, description="File of librdkafka settings, name=value per line (TLS, SASL)."
    )
    partitions: int | None = Field(
        default=None, ge=1, description="Of the topic if it is made; the broker's default else."
    )
    timeout_sec: float = Field(
        default=120.0,
        gt=0,
        description="How long delivery, or a broker at the start, is waited for, in seconds.",
    )
    delivery: Literal["exactly_once", "at_least_once"] | None = Field(
        default=None, description="By default `exactly_once` for alerts, `at_least_once` else."
    )
    writer: str | None = Field(
        default=None,
        min_length=1,
        description="Exactly once: the transactional id; by default padit-TOPIC. Of several jobs "
        "that write to a topic each needs its own.",
    )
    remember: int = Field(
        default=100_000,
        ge=1000,
        description="Exactly once: how many of the latest offsets of each partition are looked "
        "at for what comes again.",
    )


@dataclass
class KafkaSink:
    """See the module.

    Attributes:
        bootstrap: "host:port[,host:port]".
        topic: name of the topic.
        options: see `KafkaOptions`.
        name: for people.
        single_writer: whether it is exactly once.
        opens_early: true. A producer's id takes half a second, a transactional one a second.
    """

    bootstrap: str
    topic: str
    options: KafkaOptions = KafkaOptions()  # noqa: RUF009  # frozen
    name: str = field(init=False)
    single_writer: bool = field(init=False)
    opens_early: bool = field(init=False, default=True)

    def __post_init__(self) -> None:
        """Name it by its address."""
        self.name = f"kafka://{self.bootstrap}/{self.topic}"
        self.single_writer = self.options.delivery == "exactly_once"

    def exactly_once(self) -> "KafkaSink":
        """The same sink, delivering exactly once unless its options set another mode."""
        delivery = self.options.delivery or "exactly_once"
        options = self.options.model_copy(update={"delivery": delivery})
        return KafkaSink(self.bootstrap, self.topic, options)

    def settings(self) -> dict[str, Any]:
        """Connection settings, with secrets; not for logs."""
        return {
            "bootstrap.servers": self.bootstrap,
            **read_client_config(self.options.client_config),
        }

    def prepare(self, start: Start) -> None:
        """Wait for the broker and make the topic if it is missing.

        A topic is never emptied nor refused: others may read it, and ids distinguish results.
        """
        trouble = ClientErrors()
        admin = AdminClient({**QUIET, **self.settings(), "error_cb": trouble.note}, logger=_LOG)
        deadline = time.monotonic() + self.options.timeout_sec
        while True:
            try:
                topics = admin.list_topics(timeout=_METADATA_SECONDS).topics
                break
            except KafkaException as error:
                admin.poll(0)  # callbacks are served by polls only
                if trouble.hopeless or time.monotonic() >= deadline:
                    reason = trouble.text or error.args[0].str()
                    message = (
                        f"no broker answers for {self.name}: {reason}; is it up, "
                        "and does client_config fit? `padit up` starts one here"
                    )
                    raise SinkError(message) from error
                reach_of(self.name).away(trouble.text or error.args[0].str())
        reach_of(self.name).back()
        if self.topic not in topics:
            self._make_topic(admin)

    def _make_topic(self, admin: AdminClient) -> None:
        wanted = NewTopic(self.topic, self.options.partitions or -1, -1)
        try:
            admin.create_topics([wanted])[self.topic].result(timeout=30)
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:  # another was faster
                message = f"topic {self.topic} cannot be made: {error.args[0].str()}"
                raise SinkError(message) from error

    def open(self) -> Writer:
        """Make a writer; it connects at the first `write` or `flush`, also of nothing."""
        if not self.single_writer:
            return _KafkaWriter(self)
        options = self.options
        writer = options.writer or f"padit-{self.topic}"
        line = Line(self.name, self.topic, writer, options.remember, options.timeout_sec)
        return OnceWriter(line, {**_PRODUCER, **self.settings()}, self.settings())

    def finish(self, complete: bool = True) -> None:
        """Nothing to do: a topic keeps the order of arrival."""


class _KafkaWriter:
    def __init__(self, sink: KafkaSink) -> None:
        self._sink = sink
        self._reach = reach_of(sink.name)
        self._producer: Producer | None = None
        self._clear()

    def _clear(self) -> None:
        self._trouble = ClientErrors()
        self._refused: list[str] = []

    def write(self, messages: Sequence[Message]) -> None:
        producer = self._connected()
        for message in messages:
            headers = headers_of(message)
            begin = time.monotonic()
            while not self._produce(producer, message, headers):
                producer.poll(0.1)
                waited = time.monotonic() - begin
                if waited > self._sink.options.timeout_sec:
                    self._fail("the send queue stays full")
                if waited > PATIENCE:
                    self._reach.away(self._trouble.text or "the send queue stays full")
        producer.poll(0)
        if self._refused or self._trouble.hopeless:
            self._fail("")

    def _produce(self, producer: Producer, message: Message, headers: Headers) -> bool:
        """False: the queue is full, try again."""
        try:
            producer.produce(
                self._sink.topic,
                message.value,
                message.key.encode(),
                headers=headers,
                on_delivery=self._delivered,
            )
        except BufferError:
            return False
        except KafkaException as error:
            self._fail(f"message {message.id}: {error.args[0].str()}")
        return True

    def _delivered(self, error: KafkaError | None, record: object) -> None:
        if error is not None:
            self._refused.append(error.str())

    def flush(self) -> None:
        if self._producer is None:
            return
        deadline = time.monotonic() + self._sink.options.timeout_sec + 5
        while left := self._producer.flush(min(PATIENCE, max(deadline - time.monotonic(), 0))):
            if time.monotonic() >= deadline:
                break
            self._reach.away(self._trouble.text or "no answer")
        if left or self._refused:
            self._fail(f"{left} messages wait for the broker" if left else "")
        self._trouble.answered()
        self._reach.back()

    def close(self) -> None:
        if self._producer is not None:
            self._producer.purge()
            self._producer = None

    def _connected(self) -> Producer:
        if self._producer is None:
            self._clear()
            self._producer = Producer(
                {
                    **_PRODUCER,
                    "message.timeout.ms": round(self._sink.options.timeout_sec * 1000),
                    **self._sink.settings(),
                    "error_cb": self._trouble.note,
                },
                logger=_LOG,
            )
        return self._producer

    def _fail(self, what: str) -> None:
        """Give up this producer: what it still holds comes again with the bundle."""
        reasons = [what, *self._refused[:1], self._trouble.text]
        message = f"{self._sink.name}: " + "; ".join(reason for reason in reasons if reason)
        self.close()
        raise SinkError(message)


@sink_for("kafka")
def _from_address(address: Address) -> Sink:
    try:
        options = KafkaOptions.model_validate(address.options)
    except ValidationError as error:
        raise ConfigurationError(explain(address.uri, KafkaOptions, error)) from error
    if not address.host or not address.path or "/" in address.path:
        message = f"{address.uri}: a Kafka sink is written kafka://host:9092/topic"
        raise ConfigurationError(message)
    options = options.model_copy(update={"client_config": absolute(options.client_config)})
    return KafkaSink(address.host, address.path, options)
