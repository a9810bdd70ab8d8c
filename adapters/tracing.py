"""Traces of samples on their way to the broker; see `ops.tracing`.

A Kafka record gets the header `traceparent` of its first traced sample. The spans of the others in
the same record are linked to that one. A span lasts from the hand-over to the acknowledgement.
"""

from collections.abc import Iterator
from typing import Any

import msgspec
import pyarrow as pa

from padit.adapters.encode import Record
from padit.domain.timestamps import parse_timestamp
from padit.domain.traces import TraceIds, is_sampled, sample_trace, traceparent
from padit.ops.tracing import Traces

__all__ = ["RecordTraces"]

_MOST_SPANS = 64


class _Sample(msgspec.Struct):
    timestamp: float | str
    source_id: str
    metric_name: str


_json = msgspec.json.Decoder(_Sample | list[_Sample])


class RecordTraces:
    """Spans of records in flight.

    Args:
        traces: of this process.
        topic: of samples; records of other topics are not traced.
    """

    def __init__(self, traces: Traces, topic: str) -> None:
        self._traces = traces
        self._topic = topic
        self._open: dict[int, list[Any]] = {}

    def begin(self, number: int, record: Record) -> list[tuple[str, bytes]]:
        """Headers of a record that is handed over under a number."""
        if record.topic != self._topic:
            return []
        found = [
            (ids, sample)
            for sample in _samples(record.value)
            if is_sampled((ids := sample_trace(*sample))[0], self._traces.share)
        ][:_MOST_SPANS]
        if not found:
            return []
        first = found[0][0]
        self._open[number] = [self._span(*one, first, record) for one in found]
        return [("traceparent", traceparent(first).encode())]

    def end(self, number: int) -> None:
        """A record was acknowledged, or given up."""
        for span in self._open.pop(number, ()):
            span.end()

    def close(self) -> None:
        """Send what is left."""
        for number in list(self._open):
            self.end(number)
        self._traces.close()

    def _span(
        self, ids: TraceIds, sample: tuple[str, str, int], first: TraceIds, record: Record
    ) -> Any:
        source, metric, time = sample
        links = [] if ids == first else [first]
        return self._traces.begin(
            "sample",
            ids,
            links=links,
            about={
                "topic": record.topic,
                "samples": record.samples,
                "source_id": source,
                "metric_name": metric,
                "time_us": time,
            },
        )


def _samples(value: bytes) -> Iterator[tuple[str, str, int]]:
    """(source, metric, event time in microseconds) of each sample of a record of ours."""
    try:
        if value[:1] in (b"{", b"["):
            found = _json.decode(value)
            for one in found if isinstance(found, list) else [found]:
                yield one.source_id, one.metric_name, parse_timestamp(one.timestamp)
            return
        for batch in pa.ipc.open_stream(value):
            columns = [batch[name].to_pylist() for name in ("source_id", "metric_name")]
            time = batch["timestamp"]
            if pa.types.is_timestamp(time.type):
                time = time.cast(pa.int64())
                yield from zip(*columns, time.to_pylist(), strict=True)
            else:
                yield from zip(*columns, map(parse_timestamp, time.to_pylist()), strict=True)
    except (msgspec.DecodeError, pa.ArrowException, ValueError, KeyError):
        return  # a record that waits on the disk since a version of another format
