"""Kafka as a source, natively: record batches as brokers keep them.

Before a job starts, confluent-kafka (librdkafka) looks up what there is; records are fetched as
whole batches (`kafka_fetch`) and unpacked by compiled code.

What an item must look like: a record in one of the formats of `codecs.records`; its key is not
read. Unit of parallelism: the partition, dealt to shards. In a crash: nothing is committed to
the broker; positions live in the job's own checkpoint, so no record is lost or read twice
into the state, and retention is the only thing that can take a record away (then reading stops
with an error that names the offsets that are gone).
"""

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from padit.connectors.kafka_errors import QUIET, ClientErrors
from padit.connectors.kafka_lookup import Lookup, passes, record_clock
from padit.connectors.kafka_prompt import PROMPT
from padit.connectors.kafka_reader import KafkaReader
from padit.connectors.kafka_retention import RequestedRange, nothing_there, what_is_gone
from padit.connectors.kafka_settings import FetchSettings, fetch_settings
from padit.connectors.payloads import FORMAT, SCHEMAS, Payload, payload_of
from padit.connectors.source import Decoder, PartitionRange, Reader
from padit.connectors.uris import Address, Bounds, absolute, read_client_config, source_for
from padit.domain.config import explain
from padit.domain.errors import ConfigurationError, SourceError
from padit.domain.findings import Findings
from padit.ops.reach import Reach

__all__ = ["KafkaSource"]

_LOG = logging.getLogger(__name__)
_METADATA_SECONDS = 5.0
_UNKNOWN_SECONDS = 3.0  # a wrong name is more frequent than a broker that just started
_PAUSE_SECONDS = 0.2
_LOOKUP = {
    **QUIET,
    **PROMPT,
    "fetch.error.backoff.ms": 100,
    "reconnect.backoff.max.ms": 2000,
    "enable.partition.eof": True,
    "enable.auto.commit": False,
    "auto.offset.reset": "error",
    "isolation.level": "read_committed",
}


@dataclass(frozen=True)
class KafkaSource:
    """A topic.

    Attributes:
        bootstrap: brokers, "host:port[,host:port]".
        topic: name of the topic.
        live: whether to read without end; otherwise up to where the topic ends at the start.
        start: first offset in every partition, "earliest" or "latest".
        stop: offset after the last one in every partition, or None.
        start_time: read from the first record of this time on, microseconds; overrides `start`.
        stop_time: read up to the first record of this time, microseconds.
        client_config: file of further librdkafka settings (TLS, SASL); read where it is used,
            so that no secret stands in the graph.
        patience: seconds to wait for a broker that does not answer at the start, or does not know
            the topic while it is read.
        look_every: seconds between two looks for partitions that were added; live only. What a
            new partition got before it was found is late where it is older than the watermarks, so
            this should be less than the allowed out-of-orderness.
        allow_missing: whether to go on where retention has deleted what was asked for.
        decisions: (partition, offset, watermark): what a recorded live run decided by the clock.
        payload: how records are read.
    """

    bootstrap: str
    topic: str
    live: bool
    start: int | str = "earliest"
    stop: int | None = None
    start_time: int | None = None
    stop_time: int | None = None
    client_config: str | None = None
    patience: float = 60.0
    look_every: float = 5.0
    allow_missing: bool = False
    decisions: tuple[tuple[int, int, int], ...] = ()
    payload: Payload = Payload()  # noqa: RUF009  # frozen

    @property
    def name(self) -> str:
        """The topic."""
        return self.topic

    def ranges(self) -> list[PartitionRange]:
        """Offsets of every partition, resolved now.

        Raises:
            SourceError: no broker answers, or the topic does not exist.
            ConfigurationError: a setting of `client_config` cannot be used.
        """
        self._settings()  # what cannot be used is refused before the job starts
        trouble = ClientErrors()
        consumer = self.consumer(trouble)
        try:
            consumer.poll(0)  # librdkafka makes an unsecured token of OAUTHBEARER in a poll
            numbers = self._partitions(consumer, trouble)
            lookup = Lookup(consumer, self.topic, self.bootstrap, self.patience)
            ranges = [self._range(lookup, number) for number in numbers]
            self._check(consumer, lookup, ranges)
            self._check_clock()
        except KafkaException as error:
            message = f"offsets of {self.topic} at {self.bootstrap}: {error.args[0].str()}"
            raise SourceError(message) from error
        else:
            return ranges
        finally:
            consumer.close()

    def findings(self) -> Findings:
        """Nothing: a topic's records are all read."""
        return Findings()

    def open(self, ranges: Sequence[PartitionRange], decode: Decoder) -> Reader:
        """Connect and position at the start of each range."""
        look_every = self.look_every if self.live else None
        return KafkaReader(
            self._settings(),
            self.topic,
            ranges,
            self.payload.decoder(decode),
            look_every,
            self.decisions,
            self.patience,
            in_headers=self.payload.in_headers,
        )

    def _settings(self) -> FetchSettings:
        place = f"client_config={self.client_config}"
        return fetch_settings(self.bootstrap, read_client_config(self.client_config), place)

    def consumer(self, trouble: ClientErrors | None = None) -> Consumer:
        """Connect without reading anything yet; `trouble` collects why that fails."""
        return Consumer(
            {
                "bootstrap.servers": self.bootstrap,
                "group.id": "padit",
                **_LOOKUP,
                **read_client_config(self.client_config),
                **({} if trouble is None else {"error_cb": trouble.note}),
            },
            logger=_LOG,
        )

    def _partitions(self, consumer: Consumer, trouble: ClientErrors) -> list[int]:
        started, reach = time.monotonic(), Reach(_LOG, f"the broker at {self.bootstrap}")
        while True:
            try:
                topic = consumer.list_topics(self.topic, timeout=_METADATA_SECONDS).topics[
                    self.topic
                ]
            except KafkaException as error:
                consumer.poll(0)  # callbacks are served by polls only
                self._refuse(error, trouble, time.monotonic() - started)
                reach.away(trouble.text or error.args[0].str())
                continue
            reach.back()
            if topic.error is None and topic.partitions:
                return sorted(topic.partitions)
            # Just after a start, a broker may not know its topics yet.
            away = topic.error is None or not passes(topic.error) or _unknown(topic.error)
            if time.monotonic() - started >= min(_UNKNOWN_SECONDS if away else 1e9, self.patience):
                reason = "does not exist" if away else topic.error.str()
                message = (
                    f"topic {self.topic} {reason} at {self.bootstrap}; "
                    f"create it, or name another: kafka://{self.bootstrap}/TOPIC"
                )
                raise SourceError(message)
            time.sleep(_PAUSE_SECONDS)

    def _refuse(self, error: KafkaException, trouble: ClientErrors, waited: float) -> None:
        """Give up where waiting cannot help, or has lasted long enough."""
        if trouble.hopeless:
            message = (
                f"the broker at {self.bootstrap} cannot be used: {trouble.text}; "
                "check the settings in client_config"
            )
            raise SourceError(message) from error
        if waited >= self.patience:
            reason = trouble.text or error.args[0].str()
            message = (
                f"no broker answers at {self.bootstrap} within {self.patience:g} s "
                f"({reason}); is it up? `padit up` starts one here"
            )
            raise SourceError(message) from error

    def _check_clock(self) -> None:
        """Warn if records carry their producers' clocks, which can be as wrong as the events."""
        if not self.live:
            return
        connection = {"bootstrap.servers": self.bootstrap, **read_client_config(self.client_config)}
        if record_clock(connection, self.topic) == "CreateTime":
            _LOG.warning(
                "%s: records carry the clocks of their producers (message.timestamp.type="
                "CreateTime), so --max_ahead_sec cannot see a wild one; better: kafka-configs.sh "
                "--bootstrap-server %s --alter --entity-type topics --entity-name %s "
                "--add-config message.timestamp.type=LogAppendTime",
                self.topic,
                self.bootstrap,
                self.topic,
            )

    def _range(self, lookup: Lookup, number: int) -> PartitionRange:
        low, high = lookup.kept(number)
        start = self._first(lookup, number, low, high)
        if self.live:
            return PartitionRange(number, start, None)
        stop = high if self.stop is None else min(self.stop, high)
        if self.stop_time is not None:
            stop = min(stop, _or(lookup.at_time(number, self.stop_time), high))
        return PartitionRange(number, min(start, stop), stop)

    def _first(self, lookup: Lookup, number: int, low: int, high: int) -> int:
        if self.start_time is not None:
            return _or(lookup.at_time(number, self.start_time), high)
        if self.start == "earliest":
            return low
        if self.start == "latest":
            return high
        return min(max(int(self.start), low), high)

    def _check(self, consumer: Consumer, lookup: Lookup, ranges: Sequence[PartitionRange]) -> None:
        """Report requested records that retention has deleted, and a time range without records."""
        asked = RequestedRange(self.start, self.stop, self.start_time, self.stop_time)
        numbers = [one.partition for one in ranges]
        found = [what_is_gone(consumer, lookup, self.topic, number, asked) for number in numbers]
        gone = ", ".join(text for text in found if text)
        if gone and not self.allow_missing:
            message = (
                f"{self.topic}: {gone} are gone (retention); use --start_offset=earliest or "
                "--allow_missing to read what is left"
            )
            raise SourceError(message)
        if gone:
            _LOG.warning("%s: %s are gone (retention); going on without", self.topic, gone)
        timed = self.start_time is not None or self.stop_time is not None
        if timed and all(one.stop is not None and one.start >= one.stop for one in ranges):
            raise SourceError(nothing_there(consumer, lookup, self.topic, numbers, asked))


def _or(offset: int | None, end: int) -> int:
    return end if offset is None else offset


def _unknown(error: KafkaError) -> bool:
    return error.code() in (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC)


class KafkaOptions(BaseModel):
    """Options of a Kafka source in its URI."""

    model_config = ConfigDict(extra="forbid")
    client_config: str | None = Field(
        default=None, description="File of librdkafka settings, name=value per line (TLS, SASL)."
    )
    look_for_partitions_sec: float = Field(
        default=5.0, ge=0.1, description="Live: how often to look for added partitions, seconds."
    )
    format: Any = Field(default=None, description=FORMAT)
    schemas: Any = Field(default=None, description=SCHEMAS)


@source_for("kafka")
def _kafka(address: Address, bounds: Bounds) -> KafkaSource:
    try:
        options = KafkaOptions.model_validate(address.options)
    except ValidationError as error:
        message = explain(address.uri, KafkaOptions, error)
        raise ConfigurationError(message) from error
    if not address.host or not address.path or "/" in address.path:
        message = f"{address.uri}: a Kafka source is written kafka://host:9092/topic"
        raise ConfigurationError(message)
    return KafkaSource(
        bootstrap=address.host,
        topic=address.path,
        live=bounds.live,
        start=_start(bounds.start),
        stop=bounds.stop,
        start_time=bounds.start_time,
        stop_time=bounds.stop_time,
        client_config=absolute(options.client_config),
        patience=bounds.patience,
        look_every=options.look_for_partitions_sec,
        allow_missing=bounds.allow_missing,
        decisions=bounds.decisions,
        payload=payload_of(address.uri, options.format, options.schemas),
    )


def _start(start: int | str | None) -> int | str:
    if start is None:
        return "earliest"
    return int(start) if isinstance(start, str) and start.isdecimal() else start
