"""Deliver: messages to a sink, as one Beam step. A shell; sinks know nothing of Beam.

A bundle's messages are written and flushed before the bundle ends, so a runner that has committed a
bundle has its results delivered; a bundle that fails is repeated, and sinks or their readers drop
repeated messages by id.

A sink with a single writer (a file) gets all messages under one key through a stateful DoFn:
every runner processes one key of one step in one place at a time, live or bounded. (A
GroupByKey would need triggers, and hold results back.) The state itself is never written.
Other sinks are written where the results arise, which costs no exchange and no latency. Packs of up
to 1,000 messages travel between the two steps; one by one, a message cost 40 to 60 us.
"""

import time
from collections.abc import Iterator
from typing import Any

import apache_beam as beam
import msgspec
from apache_beam.coders import BytesCoder
from apache_beam.transforms.userstate import ReadModifyWriteStateSpec
from apache_beam.transforms.window import GlobalWindow
from apache_beam.utils.timestamp import MIN_TIMESTAMP
from apache_beam.utils.windowed_value import WindowedValue

from padit.connectors.sink import Sink, Writer
from padit.domain.message import Kind, Message
from padit.domain.timestamps import MICROS
from padit.ops.job_metrics import ALERT_DELAY

__all__ = ["Deliver"]

_PACK_MESSAGES = 1000
_PACK_BYTES = 1 << 20
_FLUSH_BYTES = 16 << 20
_ONE_KEY = 0

_encoder = msgspec.msgpack.Encoder()
_messages = msgspec.msgpack.Decoder(Message)
_packs = msgspec.msgpack.Decoder(list[Message])


class Deliver(beam.PTransform):  # type: ignore[misc]
    """Writes a collection of `Message` to a sink; gives an empty collection.

    Args:
        sink: where to.
        since: messages of an earlier event time are dropped, microseconds; None drops none.
    """

    def __init__(self, sink: Sink, since: int | None = None) -> None:
        super().__init__()
        self._sink = sink
        self._since = since

    def expand(self, messages: beam.PCollection) -> beam.PCollection:
        """Add the two steps `Pack` and `Write`."""
        packs = messages | "Pack" >> beam.ParDo(
            _Pack(self._since, self._sink.opens_early)
        ).with_input_types(Message).with_output_types(tuple[int, bytes])
        write = _WriteAlone(self._sink) if self._sink.single_writer else _Write(self._sink)
        return packs | "Write" >> beam.ParDo(write).with_input_types(
            tuple[int, bytes]
        ).with_output_types(bytes)


class _Pack(beam.DoFn):  # type: ignore[misc]
    """Messages of a bundle to (key, many messages as bytes): a runner's cost is per element.

    Where a sink opens early, the first pack may be empty: the step that writes comes into being
    with its first element, and then opens the sink.
    """

    def __init__(self, since: int | None, opens_early: bool) -> None:
        self._since = since
        self._wakes = opens_early

    def start_bundle(self) -> None:
        """Discard what a failed bundle left."""
        self._buffer: list[Message] = []
        self._bytes = 0

    def process(self, element: Message) -> Iterator[tuple[int, bytes]]:
        """Take one message."""
        if self._since is not None and element.time < self._since:
            return
        self._buffer.append(element)
        self._bytes += len(element.value)
        if len(self._buffer) >= _PACK_MESSAGES or self._bytes >= _PACK_BYTES:
            yield self._pack()

    def finish_bundle(self) -> Iterator[WindowedValue]:
        """Hand on the remaining messages."""
        if self._buffer or self._wakes:
            self._wakes = False
            yield WindowedValue(self._pack(), MIN_TIMESTAMP, [GlobalWindow()])

    def _pack(self) -> tuple[int, bytes]:
        packed = _encoder.encode(self._buffer)
        self.start_bundle()
        return _ONE_KEY, packed


class _Write(beam.DoFn):  # type: ignore[misc]
    """Writes and flushes per bundle, and within it before too much is buffered."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._writer: Writer | None = None

    def start_bundle(self) -> None:
        """Discard what a failed bundle left."""
        self._buffer: list[bytes] = []
        self._bytes = 0

    def process(self, element: tuple[int, bytes]) -> Iterator[bytes]:
        """Take one pack."""
        self._take(element[1])
        return iter(())

    def finish_bundle(self) -> None:
        """Deliver the remaining messages."""
        self._deliver()

    def teardown(self) -> None:
        """Close the connection."""
        self._close()

    def _take(self, pack: bytes) -> None:
        self._buffer.append(pack)
        self._bytes += len(pack)
        if self._bytes >= _FLUSH_BYTES:
            self._deliver()

    def _deliver(self) -> None:
        if not self._buffer:
            return
        if self._writer is None:
            self._writer = self._sink.open()
        alerts: list[int] = []
        try:
            for pack in self._buffer:
                messages = _packs.decode(pack)
                self._writer.write(messages)
                alerts += [one.time for one in messages if one.kind is Kind.ALERT]
            self._writer.flush()
        except BaseException:
            self._close()  # a writer that failed may hold part of a bundle that comes again
            raise
        if alerts:
            now = time.time()
            ALERT_DELAY.observe(now - one / MICROS for one in alerts)
        self._buffer, self._bytes = [], 0

    def _close(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None


class _WriteAlone(_Write):
    """Writes under one key, with state, so that only one instance writes at a time."""

    _STATE = beam.DoFn.StateParam(ReadModifyWriteStateSpec("alone", BytesCoder()))

    def process(self, element: tuple[int, bytes], state: Any = _STATE) -> Iterator[bytes]:
        """Take one pack; the state only makes the runner keep the key in one place."""
        self._take(element[1])
        return iter(())
