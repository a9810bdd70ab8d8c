"""Outputs of `padit simulate`: files and a Kafka topic."""

import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet

from padit.codecs.arrow import arrow_from_columns
from padit.connectors.runs import Turn, turn, write_run
from padit.connectors.sink import Start
from padit.domain.errors import ConfigurationError, SinkError
from padit.domain.metric import Metric
from padit.domain.rows import Rows
from padit.domain.timestamps import MICROS

__all__ = ["FORMATS", "Output", "Record", "open_output", "records"]

FORMATS = ("json", "array", "arrow")
_SUFFIXES = (".jsonl", ".parquet", ".csv")
_PER_RECORD = 500
_PARTITIONS = 4
_encoder = msgspec.json.Encoder()


class Record(msgspec.Struct):
    """One record: `time` is the earliest event time in it, microseconds."""

    key: str | None
    time: int
    value: bytes


class Output(Protocol):
    """Takes rows in order of time."""

    def write(self, rows: Rows) -> None:
        """Take rows; they may be buffered until `close`."""

    def close(self, complete: bool = True) -> None:
        """Return once everything is written; if it is complete it replaces what was there.

        Raises:
            SinkError: some of it could not be delivered.
        """


def open_output(uri: str, wire: str, start: Start) -> Output:
    """A file (by its ending) or `kafka://host:port/topic`.

    Args:
        uri: where to.
        wire: format of a record.
        start: what decides the samples, and whether those of another run may be replaced.

    Raises:
        ConfigurationError: an unknown ending or scheme, a format that does not go with it, or a
            file that holds something else.
        SinkError: it cannot be opened.
    """
    if wire not in FORMATS:
        message = f"there is no format {wire!r}; there are: {', '.join(FORMATS)}"
        raise ConfigurationError(message)
    if uri.startswith("kafka://"):
        return _KafkaOutput(uri, wire)
    suffix = Path(uri).suffix
    if "://" in uri or suffix not in _SUFFIXES:
        message = (
            f"cannot write to {uri!r}: give a file that ends in {', '.join(_SUFFIXES)} "
            "or kafka://HOST:PORT/TOPIC"
        )
        raise ConfigurationError(message)
    if wire == "arrow" or (wire == "array" and suffix != ".jsonl"):
        message = f"--format {wire} is for Kafka topics; {uri} takes " + (
            "json or array" if suffix == ".jsonl" else "json (it has columns anyway)"
        )
        raise ConfigurationError(message)
    try:
        Path(uri).parent.mkdir(parents=True, exist_ok=True)
        place = _Place(uri, start)
        made = place.written
        output = _LinesOutput(made, wire) if suffix == ".jsonl" else _TableOutput(made, suffix)
        return _FileOutput(output, place)
    except OSError as error:
        message = f"{uri} cannot be written: {error.strerror or error}"
        raise SinkError(message) from error


def records(rows: Rows, wire: str) -> Iterator[Record]:
    """Rows as wire records, in order of time.

    `json` makes one record of each row, keyed `source_id:metric_name`. `array` and `arrow` put
    up to 500 consecutive rows into a record without a key: a record with the rows of a single
    source would reach further back in time than the next one.
    """
    if wire == "json":
        keys = [f"{series.source_id}:{series.metric_name}" for series in rows.series]
        lines = _encoder.encode_lines(_metrics(rows)).split(b"\n")
        codes, times = rows.code.tolist(), rows.time.tolist()
        for line, code, moment in zip(lines[:-1], codes, times, strict=True):
            yield Record(keys[code], moment, line)
        return
    for first in range(0, len(rows), _PER_RECORD):
        chunk = rows.select(np.arange(first, min(first + _PER_RECORD, len(rows))))
        value = _encoder.encode(_metrics(chunk)) if wire == "array" else _arrow(chunk)
        yield Record(None, int(chunk.time[0]), value)


def _metrics(rows: Rows) -> list[Metric]:
    # A struct per row: 0.3 us, and the encoder then takes 0.3 us; there is no columnar JSON writer.
    fields = [(s.source_id, s.metric_name, s.unit) for s in rows.series]
    seconds = (rows.time / MICROS).tolist()
    return [
        Metric(second, fields[code][0], fields[code][1], value, fields[code][2])
        for second, code, value in zip(
            seconds, rows.code.tolist(), rows.value.tolist(), strict=True
        )
    ]


def _names(rows: Rows, field: str) -> pa.Array:
    names = [getattr(series, field) for series in rows.series]
    distinct = list(dict.fromkeys(names))
    index = np.array([distinct.index(name) for name in names], np.int32)
    return pa.DictionaryArray.from_arrays(index[rows.code], distinct)


def _arrow(rows: Rows) -> bytes:
    return arrow_from_columns(
        rows.time / MICROS,
        _names(rows, "source_id"),
        _names(rows, "metric_name"),
        rows.value,
        _names(rows, "unit"),
    )


class _Place:
    """A file and the record of what wrote it; see `connectors.runs`.

    Attributes:
        written: where samples go, the file or one beside it that replaces it at the end.
    """

    def __init__(self, uri: str, start: Start) -> None:
        self._target = Path(uri)
        self._record = self._target.with_name(f".{self._target.name}.run.json")
        self._run = start.run
        holds = self._target.exists() and self._target.stat().st_size > 0
        foreign = uri if holds and not self._record.exists() else ""
        how = turn(uri, self._record, holds, foreign, start)
        self._replaces = how is Turn.REPLACE
        self.written = self._target
        if self._replaces:
            self.written = self._target.with_name(f".{self._target.name}.new")
        else:
            write_run(self._record, self._run)

    def close(self, complete: bool) -> None:
        """Put complete samples in the place of those there."""
        if self._replaces and complete:
            write_run(self._record, self._run)
            self.written.replace(self._target)
        elif self._replaces:
            self.written.unlink(missing_ok=True)
            sys.stderr.write(f"{self._target} keeps what it held\n")


class _FileOutput:
    """A file that appears as a whole where it replaces another."""

    def __init__(self, output: "_LinesOutput | _TableOutput", place: _Place) -> None:
        self._output, self._place = output, place

    def write(self, rows: Rows) -> None:
        self._output.write(rows)

    def close(self, complete: bool = True) -> None:
        closed = False
        try:
            self._output.close()
            closed = True
        finally:
            self._place.close(complete and closed)


class _LinesOutput:
    """JSON Lines: a metric per line, or an array of metrics per line."""

    def __init__(self, path: Path, wire: str) -> None:
        self._wire = wire
        self._file = path.open("wb")

    def write(self, rows: Rows) -> None:
        if self._wire == "json":
            self._file.write(_encoder.encode_lines(_metrics(rows)))
        else:
            self._file.writelines(record.value + b"\n" for record in records(rows, self._wire))

    def close(self) -> None:
        self._file.close()


class _TableOutput:
    """CSV or Parquet with the columns timestamp, source_id, metric_name, value, unit."""

    def __init__(self, path: Path, suffix: str) -> None:
        parquet = suffix == ".parquet"
        text = pa.dictionary(pa.int32(), pa.string()) if parquet else pa.string()
        stamp = pa.timestamp("us", "UTC") if parquet else pa.string()
        self._schema = pa.schema(
            {
                "timestamp": stamp,
                "source_id": text,
                "metric_name": text,
                "value": pa.float64(),
                "unit": text,
            }
        )
        make = pa.parquet.ParquetWriter if parquet else pa.csv.CSVWriter
        self._writer = make(str(path), self._schema)

    def write(self, rows: Rows) -> None:
        stamp = pa.array(rows.time, pa.timestamp("us", "UTC"))
        if self._schema.field("timestamp").type == pa.string():
            stamp = pc.strftime(stamp, "%Y-%m-%dT%H:%M:%SZ")
        columns = [
            stamp,
            _names(rows, "source_id"),
            _names(rows, "metric_name"),
            pa.array(rows.value),
            _names(rows, "unit"),
        ]
        fields = zip(columns, self._schema, strict=True)
        table = pa.table([column.cast(field.type) for column, field in fields], self._schema)
        self._writer.write(table)

    def close(self) -> None:
        self._writer.close()


class _KafkaOutput:
    """A topic; made with 4 partitions where it does not exist. Delivered at least once, in order.

    Raises:
        ConfigurationError: the URI has no host or no topic.
        SinkError: no broker answers.
    """

    def __init__(self, uri: str, wire: str) -> None:
        parts = urlsplit(uri)
        self._topic = parts.path.strip("/")
        if not parts.netloc or not self._topic:
            message = f"{uri!r} is not a topic: write kafka://HOST:PORT/TOPIC"
            raise ConfigurationError(message)
        from kafka import KafkaProducer
        from kafka.errors import KafkaError

        self._wire, self._uri = wire, uri
        self._errors: list[BaseException] = []
        servers = parts.netloc.split(",")
        try:
            _probe_broker(servers)
            _ensure_topic(servers, self._topic)
            self._producer = KafkaProducer(
                bootstrap_servers=servers,
                compression_type="lz4",
                linger_ms=20,
                batch_size=256 * 1024,
                acks="all",
                max_request_size=16 * 1024 * 1024,
            )
        except (KafkaError, OSError) as error:
            message = (
                f"no Kafka broker answers at {parts.netloc} ({error}); "
                "`padit up` starts one, or correct the address"
            )
            raise SinkError(message) from error

    def write(self, rows: Rows) -> None:
        from kafka.errors import KafkaError

        try:
            for record in records(rows, self._wire):
                sent = self._producer.send(
                    self._topic,
                    key=record.key.encode() if record.key else None,
                    value=record.value,
                    timestamp_ms=record.time // 1000,
                )
                sent.add_errback(self._errors.append)
        except KafkaError as error:
            self._errors.append(error)
        self._raise_failure()

    def close(self, complete: bool = True) -> None:
        self._producer.flush()
        self._producer.close()
        self._raise_failure()

    def _raise_failure(self) -> None:
        if self._errors:
            message = (
                f"{self._uri}: {len(self._errors)} records were not delivered: {self._errors[0]}"
            )
            raise SinkError(message)


def _probe_broker(servers: list[str]) -> None:
    """Raise OSError at once if no server accepts connections; the client would retry for long."""
    for position, server in enumerate(servers, 1):
        parts = urlsplit(f"//{server}")
        try:
            socket.create_connection((parts.hostname or "", parts.port or 9092), 5.0).close()
        except OSError:
            if position == len(servers):
                raise
        else:
            return


def _ensure_topic(servers: list[str], topic: str) -> None:
    from kafka.admin import KafkaAdminClient, NewTopic
    from kafka.errors import TopicAlreadyExistsError

    admin: Any = KafkaAdminClient(bootstrap_servers=servers)
    try:
        if topic not in admin.list_topics():
            admin.create_topics([NewTopic(topic, _PARTITIONS, 1)])
            sys.stderr.write(f"made the topic {topic} with {_PARTITIONS} partitions\n")
            deadline = time.monotonic() + 10
            while topic not in admin.list_topics() and time.monotonic() < deadline:
                time.sleep(0.05)
    except TopicAlreadyExistsError:
        pass
    finally:
        admin.close()
