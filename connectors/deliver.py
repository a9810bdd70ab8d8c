"""Deliver: messages to a sink, as one Beam step. A shell; sinks know nothing of Beam.

A bundle's messages are written and flushed before the bundle ends, so a runner that has
committed a bundle has its results delivered; a bundle that fails comes again, and sinks drop,
or let readers drop, what they have seen by id.

A sink with a single writer (a file) gets all messages under one key through a stateful DoFn:
every runner processes one key of one step in one place at a time, live or bounded. (A
GroupByKey would need triggers, and hold results back.) The state itself is never written.
Other sinks are written where the results arise, which costs no exchange and no latency.
"""

from collections.abc import Iterator
from typing import Any

import apache_beam as beam
import msgspec
from apache_beam.coders import BytesCoder, Coder
from apache_beam.transforms.userstate import ReadModifyWriteStateSpec

from connectors.sink import Sink, Writer
from domain.message import Message

__all__ = ["Deliver", "MessageCoder"]

_FLUSH_MESSAGES = 20_000
_FLUSH_BYTES = 16 << 20
_ONE_KEY = 0


class MessageCoder(Coder):  # type: ignore[misc]
    """Messages as MessagePack arrays; equal messages have equal bytes."""

    _encoder = msgspec.msgpack.Encoder()
    _decoder = msgspec.msgpack.Decoder(Message)

    def encode(self, value: Message) -> bytes:
        """Encode one message."""
        return self._encoder.encode(value)

    def decode(self, encoded: bytes) -> Message:
        """Read what `encode` wrote."""
        return self._decoder.decode(encoded)

    def is_deterministic(self) -> bool:
        """Say that it is."""
        return True

    def to_type_hint(self) -> type[Message]:
        """Name the type."""
        return Message


beam.coders.registry.register_coder(Message, MessageCoder)


class Deliver(beam.PTransform):  # type: ignore[misc]
    """Writes a collection of `Message` to a sink; gives an empty collection."""

    def __init__(self, sink: Sink) -> None:
        super().__init__()
        self._sink = sink

    def expand(self, messages: beam.PCollection) -> beam.PCollection:
        """Add the two steps `Key` and `Write`."""
        keyed = messages | "Key" >> beam.Map(_under_one_key).with_input_types(
            Message
        ).with_output_types(tuple[int, Message])
        write = _WriteAlone(self._sink) if self._sink.single_writer else _Write(self._sink)
        return keyed | "Write" >> beam.ParDo(write).with_input_types(
            tuple[int, Message]
        ).with_output_types(bytes)


def _under_one_key(message: Message) -> tuple[int, Message]:
    return _ONE_KEY, message


class _Write(beam.DoFn):  # type: ignore[misc]
    """Writes and flushes per bundle, and within it before too much is buffered."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._writer: Writer | None = None

    def start_bundle(self) -> None:
        """Forget what a failed bundle left."""
        self._buffer: list[Message] = []
        self._bytes = 0

    def process(self, element: tuple[int, Message]) -> Iterator[bytes]:
        """Take one message."""
        self._take(element[1])
        return iter(())

    def finish_bundle(self) -> None:
        """Deliver what is left."""
        self._deliver()

    def teardown(self) -> None:
        """Close the connection."""
        self._close()

    def _take(self, message: Message) -> None:
        self._buffer.append(message)
        self._bytes += len(message.value)
        if len(self._buffer) >= _FLUSH_MESSAGES or self._bytes >= _FLUSH_BYTES:
            self._deliver()

    def _deliver(self) -> None:
        if not self._buffer:
            return
        if self._writer is None:
            self._writer = self._sink.open()
        try:
            self._writer.write(self._buffer)
            self._writer.flush()
        except BaseException:
            self._close()  # a writer that failed may hold part of a bundle that comes again
            raise
        self._buffer, self._bytes = [], 0

    def _close(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None


class _WriteAlone(_Write):
    """The same under one key, with state, so that there is one at a time."""

    _STATE = beam.DoFn.StateParam(ReadModifyWriteStateSpec("alone", BytesCoder()))

    def process(self, element: tuple[int, Message], state: Any = _STATE) -> Iterator[bytes]:
        """Take one message; the state only makes the runner keep the key in one place."""
        self._take(element[1])
        return iter(())
