"""The benchmark's input: one sample per second and series, the same rows as JSON and as Arrow.

The background is normal noise around 5; two of a hundred series have an incident of half a
minute, and one of a hundred has one at the very end, so that the last windows of the run have
results too. Everything follows from the shape, so every run measures the same rows.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic
from numpy.typing import NDArray

from padit.codecs.arrow import arrow_from_columns

__all__ = [
    "METRICS",
    "PARTITIONS",
    "START_MS",
    "Shape",
    "create_topic",
    "fill_arrow",
    "fill_json",
    "source_of",
]

PARTITIONS = 4
START_MS = 1_767_225_600_000  # 2026-01-01, the start of a minute
METRICS = ("udp_echo_rtt_ms", "udp_jitter_ms", "twamp_rtt_ms", "ecpri_delay_ms")
_INCIDENT_SECONDS = 40
_ARROW_ROWS = 1000

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Shape:
    """How much input.

    Attributes:
        records: how many in all; cut to whole seconds.
        series: how many; each has one sample per second.
    """

    records: int
    series: int

    @property
    def seconds(self) -> int:
        """Length in event time."""
        return max(1, self.records // self.series)

    @property
    def total(self) -> int:
        """Records that are really written."""
        return self.seconds * self.series

    def columns(self) -> Iterator[tuple[Ints, Ints]]:
        """For every second the times (epoch ms) and values (thousandths) of all series."""
        offset = np.arange(self.series) * 1000 // self.series
        incident = np.random.default_rng(1).integers(0, self.seconds, self.series)
        number = np.arange(self.series)
        incident[number % 50 != 7] = -(10**9)
        incident[number % 100 == 11] = self.seconds - _INCIDENT_SECONDS
        random = np.random.default_rng(2)
        for second in range(self.seconds):
            value = random.normal(5.0, 1.0, self.series)
            value[(second >= incident) & (second < incident + _INCIDENT_SECONDS)] += 20.0
            yield START_MS + 1000 * second + offset, np.rint(value * 1000).astype(np.int64)


def source_of(series: int) -> int:
    """Number of the source a series belongs to; its partition follows from it."""
    return series // len(METRICS)


def create_topic(bootstrap: str, name: str, *, append_time: bool = False) -> str:
    """Create a topic; with `append_time` the broker stamps records when it has them."""
    kind = "LogAppendTime" if append_time else "CreateTime"
    topic = NewTopic(
        name,
        num_partitions=PARTITIONS,
        replication_factor=1,
        config={"message.timestamp.type": kind, "retention.ms": "-1"},
    )
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 2})
    admin.create_topics([topic])[name].result(timeout=30)
    return name


def fill_json(bootstrap: str, topic: str, shape: Shape) -> None:
    """Write one JSON record of 150 to 170 bytes per sample, in event-time order."""
    producer = _producer(bootstrap)
    heads = []
    for series in range(shape.series):
        metric = METRICS[series % len(METRICS)]
        heads.append(f',"source_id":"cell-{source_of(series):05d}","metric_name":"{metric}"')
    tail = ',"unit":"ms","metric_type":"latency","protocol":"udp_echo"}'
    partition = [source_of(series) % PARTITIONS for series in range(shape.series)]
    for times, values in shape.columns():
        rows = zip(times.tolist(), values.tolist(), heads, partition, strict=True)
        for time, value, head, number in rows:
            text = f'{{"timestamp":{time / 1000}{head},"value":{value / 1000}{tail}'
            _send(producer, topic, text.encode(), number, time)
        producer.poll(0)
    _flush(producer)


def fill_arrow(bootstrap: str, topic: str, shape: Shape) -> None:
    """Write the same rows as Arrow streams of about 1,000 rows."""
    producer = _producer(bootstrap)
    partition = np.arange(shape.series) // len(METRICS) % PARTITIONS
    chosen = [np.flatnonzero(partition == number) for number in range(PARTITIONS)]
    waiting: list[tuple[Ints, Ints]] = []
    seconds = max(1, _ARROW_ROWS * PARTITIONS // shape.series)
    for second, columns in enumerate(shape.columns(), 1):
        waiting.append(columns)
        if second % seconds == 0 or second == shape.seconds:
            time = np.array([one[0] for one in waiting])
            value = np.array([one[1] for one in waiting])
            for number, series in enumerate(chosen):
                # A power of ten divides exactly as the decimal in JSON is read.
                for first in range(0, len(series), _ARROW_ROWS):
                    part = series[first : first + _ARROW_ROWS]
                    data = _arrow(part, time[:, part], value[:, part])
                    _send(producer, topic, data, number, int(time[-1, part[-1]]))
            producer.poll(0)
            waiting = []
    _flush(producer)


def _arrow(series: Ints, time: Ints, value: Ints) -> bytes:
    sources, code = np.unique(series // len(METRICS), return_inverse=True)
    names = pa.array([f"cell-{source:05d}" for source in sources.tolist()])
    repeats = len(time)
    size = repeats * len(series)
    return arrow_from_columns(
        time.ravel() / 1000,
        pa.DictionaryArray.from_arrays(np.tile(code.astype(np.int32), repeats), names),
        pa.DictionaryArray.from_arrays(
            np.tile((series % len(METRICS)).astype(np.int32), repeats), pa.array(METRICS)
        ),
        value.ravel() / 1000,
        pa.DictionaryArray.from_arrays(np.zeros(size, np.int32), pa.array(["ms"])),
        pa.DictionaryArray.from_arrays(np.zeros(size, np.int32), pa.array(["latency"])),
    )


def _producer(bootstrap: str) -> Producer:
    return Producer(
        {
            "bootstrap.servers": bootstrap,
            "enable.idempotence": True,  # without it a retry can change the order
            "compression.type": "lz4",
            "linger.ms": 20,
            "batch.size": 1 << 20,
            "batch.num.messages": 10_000,
            "queue.buffering.max.messages": 500_000,
            "queue.buffering.max.kbytes": 256 << 10,
            "log_level": 3,  # a broker that has just started is not ready for idempotence yet
        }
    )


def _send(producer: Producer, topic: str, value: bytes, partition: int, time: int) -> None:
    while True:
        try:
            producer.produce(topic, value, partition=partition, timestamp=time)
        except BufferError:
            producer.poll(0.05)
        else:
            return


def _flush(producer: Producer) -> None:
    left = producer.flush(120)
    if left:
        message = f"the broker did not take {left} records within 120 s"
        raise TimeoutError(message)
