"""Samples to Kafka records: one JSON object each, or many per record as JSON array or Arrow.

In: batches as adapters emit them. Out: `Record`s for the publisher. A record with one sample is
keyed `source_id:metric_name`; one with many holds only series that this key would send to the
same partition, so that a consumer sees each series in one partition, in order, in any format.
Samples that no reader would accept (not finite, no name, a name that is too long, a time
outside the years 2000 to 2199) are left out and counted.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pyarrow as pa
from kafka.partitioner.default import murmur2
from numpy.typing import NDArray

from padit.adapters.base import Batch
from padit.codecs.records import MAX_NAME_LENGTH
from padit.domain.metric import Metric, Series
from padit.domain.rows import Rows
from padit.domain.timestamps import EARLIEST_US, LATEST_US, parse_timestamp

__all__ = ["LARGEST_RECORD", "Encoder", "Record", "metrics_of", "partition_of", "usable"]

LARGEST_RECORD = 900_000
"""Bytes of the largest record; a broker takes 1 MiB by default."""

_json = msgspec.json.Encoder()
_EARLIEST, _LATEST = EARLIEST_US / 1e6, LATEST_US / 1e6


class Record(NamedTuple):
    """One Kafka record.

    Attributes:
        topic: where to.
        key: None where the record holds many series.
        value: the payload.
        partition: a hash or number whose remainder by the topic's partitions is the partition;
            -1 leaves it to the key.
        samples: how many are in it.
    """

    topic: str
    key: bytes | None
    value: bytes
    partition: int
    samples: int


@lru_cache(maxsize=1 << 17)
def _hash(source_id: str, metric_name: str) -> int:
    """The number by whose remainder Kafka's default partitioner places the series' key."""
    key = f"{source_id}:{metric_name}".encode("utf-8", "surrogatepass")
    return int(murmur2(key)) & 0x7FFFFFFF


def partition_of(source_id: str, metric_name: str, partitions: int) -> int:
    """The partition that Kafka's default partitioner gives the key `source_id:metric_name`."""
    return _hash(source_id, metric_name) % partitions


def usable(metric: Metric) -> bool:
    """Whether a reader would accept the sample; False for what no reader can even compare."""
    try:
        return _usable(metric)
    except (OverflowError, TypeError, ValueError):
        return False


def _usable(metric: Metric) -> bool:
    stamp = metric.timestamp
    return (
        math.isfinite(metric.value)
        and 0 < len(metric.source_id) <= MAX_NAME_LENGTH
        and 0 < len(metric.metric_name) <= MAX_NAME_LENGTH
        and len(metric.unit) <= MAX_NAME_LENGTH
        and (
            _EARLIEST <= stamp < _LATEST or _EARLIEST <= stamp / 1000 < _LATEST
            if not isinstance(stamp, str)
            else _readable(stamp)
        )
    )


def _readable(stamp: str) -> bool:
    try:
        return EARLIEST_US <= parse_timestamp(stamp) < LATEST_US
    except (ValueError, OverflowError):
        return False


class Encoder:
    """Turns batches into records of one format.

    Args:
        topic: topic of the samples.
        form: "json", "json-array" or "arrow".
        batch_samples: most samples in one record of the latter two.
        on_loss: called with (reason, samples) for samples that are left out.
    """

    def __init__(
        self, topic: str, form: str, batch_samples: int, on_loss: Callable[[str, int], None]
    ) -> None:
        self._topic = topic
        self._batch = batch_samples
        self._on_loss = on_loss
        self._pack = {"json": self._objects, "json-array": self._arrays, "arrow": self._arrow}[form]
        self._by_column = form == "arrow"

    def encode(self, batches: Iterable[Batch], partitions: int) -> Iterator[Record]:
        """All samples of all batches as records; `partitions` of the topic, 1 if unknown."""
        metrics: list[Metric] = []
        for batch in batches:
            if not isinstance(batch, Rows):
                metrics.extend(batch)
            elif self._by_column:
                yield from self._arrow_rows(self._checked(batch), partitions)
            else:
                metrics.extend(metrics_of(batch))
        good = [metric for metric in metrics if usable(metric)]
        if len(good) < len(metrics):
            self._on_loss("invalid", len(metrics) - len(good))
        yield from self._pack(good, partitions)

    def _objects(self, metrics: list[Metric], _partitions: int) -> Iterator[Record]:
        for metric in metrics:
            key = f"{metric.source_id}:{metric.metric_name}".encode("utf-8", "replace")
            value = self._json(metric)
            if value:
                yield Record(self._topic, key, value, -1, 1)

    def _json(self, metric: Metric) -> bytes:
        try:
            value = _json.encode(metric)
        except (TypeError, ValueError, UnicodeEncodeError):  # metadata that JSON cannot express
            self._on_loss("invalid", 1)
            return b""
        if len(value) > LARGEST_RECORD:
            self._on_loss("too_large", 1)
            return b""
        return value

    def _arrays(self, metrics: list[Metric], partitions: int) -> Iterator[Record]:
        for partition, group in _by_partition(metrics, partitions):
            parts: list[bytes] = []
            size = 0
            for value in filter(None, map(self._json, group)):
                if parts and (len(parts) >= self._batch or size + len(value) > LARGEST_RECORD):
                    yield self._array(parts, partition)
                    parts, size = [], 0
                parts.append(value)
                size += len(value) + 1
            if parts:
                yield self._array(parts, partition)

    def _array(self, parts: list[bytes], partition: int) -> Record:
        value = b"[" + b",".join(parts) + b"]"
        return Record(self._topic, None, value, partition, len(parts))

    def _arrow(self, metrics: list[Metric], partitions: int) -> Iterator[Record]:
        for partition, group in _by_partition(metrics, partitions):
            for start in range(0, len(group), self._batch):
                yield from self._arrow_group(group[start : start + self._batch], partition)

    def _arrow_group(self, group: Sequence[Metric], partition: int) -> Iterator[Record]:
        reason = "too_large"
        try:
            value = _arrow_of_metrics(group)
        except (pa.ArrowException, TypeError, ValueError):  # a name that is no Unicode, for one
            value, reason = b"", "invalid"
        if value and len(value) <= LARGEST_RECORD:
            yield Record(self._topic, None, value, partition, len(group))
        elif len(group) == 1:
            self._on_loss(reason, 1)
        else:
            half = len(group) // 2
            yield from self._arrow_group(group[:half], partition)
            yield from self._arrow_group(group[half:], partition)

    def _checked(self, rows: Rows) -> Rows:
        good = (rows.time >= EARLIEST_US) & (rows.time < LATEST_US) & np.isfinite(rows.value)
        if good.all():
            return rows
        self._on_loss("invalid", int(len(rows) - good.sum()))
        return rows.select(good)

    def _arrow_rows(self, rows: Rows, partitions: int) -> Iterator[Record]:
        if not len(rows):
            return
        of_series = np.array(
            [partition_of(s.source_id, s.metric_name, partitions) for s in rows.series], np.int32
        )
        where = of_series[rows.code]
        names = _series_columns(rows.series)
        for partition in np.unique(where).tolist():
            chosen = np.flatnonzero(where == partition)
            for start in range(0, len(chosen), self._batch):
                part = chosen[start : start + self._batch]
                value = _arrow_of_rows(rows, part, names)
                yield Record(self._topic, None, value, partition, len(part))


def _by_partition(metrics: list[Metric], partitions: int) -> Iterator[tuple[int, list[Metric]]]:
    if partitions <= 1:
        if metrics:
            yield 0, metrics
        return
    groups: list[list[Metric]] = [[] for _ in range(partitions)]
    for metric in metrics:
        groups[_hash(metric.source_id, metric.metric_name) % partitions].append(metric)
    for partition, group in enumerate(groups):
        if group:
            yield partition, group


def metrics_of(rows: Rows) -> Iterator[Metric]:
    """The same samples one by one; their labels stand in the metadata."""
    series, known = rows.series, rows.attributes
    numbers = None if known is None else known.of_rows(rows.code).tolist()
    for i, (code, time, value) in enumerate(
        zip(rows.code.tolist(), rows.time.tolist(), rows.value.tolist(), strict=True)
    ):
        source_id, metric_name, unit = series[code]
        metric = Metric(time / 1e6, source_id, metric_name, value, unit)
        if known is not None and numbers is not None:
            one = known.table[numbers[i]]
            kind: Any = one.metric_type
            metric = msgspec.structs.replace(metric, metric_type=kind, metadata=dict(one.labels))
        yield metric


def _arrow_of_metrics(group: Sequence[Metric]) -> bytes:
    texts = {
        name: pa.array([getattr(metric, name) for metric in group], pa.string()).dictionary_encode()
        for name in ("source_id", "metric_name", "unit", "metric_type", "protocol")
    }
    columns = {
        "timestamp": _times([metric.timestamp for metric in group]),
        "source_id": texts["source_id"],
        "metric_name": texts["metric_name"],
        "value": pa.array([metric.value for metric in group], pa.float64()),
        "unit": texts["unit"],
        "metric_type": texts["metric_type"],
        "protocol": texts["protocol"],
    }
    if any(metric.metadata for metric in group):
        columns["metadata"] = pa.array(
            [_json.encode(m.metadata).decode() if m.metadata else None for m in group], pa.string()
        )
    return _stream(columns)


def _times(stamps: list[float | str]) -> pa.Array:
    if any(isinstance(stamp, str) for stamp in stamps):
        micros = np.array([parse_timestamp(stamp) for stamp in stamps], np.int64)
        return pa.array(micros).cast(pa.timestamp("us", tz="UTC"))
    return pa.array(stamps, pa.float64())


def _series_columns(series: Sequence[Series]) -> dict[str, tuple[pa.Array, NDArray[np.int32]]]:
    columns = {}
    for position, name in enumerate(Series._fields):
        encoded = pa.array([one[position] for one in series], pa.string()).dictionary_encode()
        columns[name] = (encoded.dictionary, np.asarray(encoded.indices, np.int32))
    return columns


def _arrow_of_rows(
    rows: Rows, part: NDArray[np.int64], names: dict[str, tuple[pa.Array, NDArray[np.int32]]]
) -> bytes:
    code = rows.code[part]
    texts = {
        name: pa.DictionaryArray.from_arrays(pa.array(indices[code]), words)
        for name, (words, indices) in names.items()
    }
    time = pa.array(rows.time[part]).cast(pa.timestamp("us", tz="UTC"))
    known = _attribute_columns(rows, part)
    return _stream({"timestamp": time, **texts, **known, "value": pa.array(rows.value[part])})


def _attribute_columns(rows: Rows, part: NDArray[np.int64]) -> dict[str, pa.Array]:
    """Family and labels of rows as dictionaries; nothing where none is stated."""
    known = rows.attributes
    if known is None:
        return {}
    code = pa.array(known.of_rows(rows.code)[part])
    words = {"metric_type": [one.metric_type for one in known.table]}
    if any(one.labels for one in known.table):
        labels = [dict(one.labels) for one in known.table]
        words["metadata"] = [_json.encode(one).decode() for one in labels]
    return {
        name: pa.DictionaryArray.from_arrays(code, pa.array(texts, pa.string()))
        for name, texts in words.items()
    }


def _stream(columns: dict[str, pa.Array]) -> bytes:
    batch = pa.RecordBatch.from_pydict(columns)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return bytes(sink.getvalue())
