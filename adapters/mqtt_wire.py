"""The socket of a paho client in our event loop: when it is read and written.

paho reads one packet in a call. With TLS, packets that came in one record are out of the socket
after the first of them, and no event announces the others; so `Wire` asks the TLS layer after each
packet and reads on while it holds bytes. While a `Wire` is paused it reads nothing, and TCP holds
the broker back.
"""

import asyncio
import ssl
from collections.abc import Callable
from typing import Any

import paho.mqtt.client as paho

__all__ = ["Wire", "without_release"]

_MOST_PER_TURN = 10
"""Packets that TLS holds and that are read in one turn of the loop; others have theirs between."""


class Wire:
    """Reads and writes for one client until `close`.

    Args:
        client: of paho, not connected yet.
        loop: that reads and writes.
        after_read: called after each reading.
    """

    def __init__(
        self,
        client: paho.Client,
        loop: asyncio.AbstractEventLoop,
        after_read: Callable[[], None],
    ) -> None:
        self._client = client
        self._loop = loop
        self._after_read = after_read
        self._idle = self._closed = False
        self._next: asyncio.Handle | None = None
        client.on_socket_open = self._on_open
        client.on_socket_close = self._on_close
        client.on_socket_register_write = self._on_want_write
        client.on_socket_unregister_write = self._on_wrote

    def pause(self) -> None:
        """Read nothing until `resume`."""
        self._idle = True
        self._stop_reading()

    def resume(self) -> None:
        """Read again, at first what TLS holds already; after `close` nothing."""
        made = self._client.socket()
        if made is not None and not self._closed:
            self._idle = False
            self._watch(made)
            self._read_next_turn()

    def close(self) -> None:
        """Close the socket, if it is still there, and leave the loop."""
        self._closed = True
        self.pause()
        if (made := self._client.socket()) is not None:
            self._on_close(self._client, None, made)
            made.close()

    def _stop_reading(self) -> None:
        if self._next is not None:
            self._next.cancel()
            self._next = None
        made = self._client.socket()
        if made is not None and made.fileno() >= 0:
            self._loop.remove_reader(made.fileno())

    def _read_next_turn(self) -> None:
        if self._next is not None:
            self._next.cancel()  # one at a time, or each event would add another for ever
        self._next = self._loop.call_soon(self._read)

    def _read(self) -> None:
        for _ in range(_MOST_PER_TURN):
            if self._idle:
                return
            self._client.loop_read()
            self._after_read()
            if not _holds_bytes(self._client.socket()):
                return
        self._read_next_turn()

    # paho calls these from the thread that connects, or from our loop.

    def _on_open(self, _client: paho.Client, _data: Any, made: Any) -> None:
        self._loop.call_soon_threadsafe(self._watch, made)

    def _watch(self, made: Any) -> None:
        if made.fileno() >= 0 and not self._idle:
            self._loop.add_reader(made.fileno(), self._read)

    def _on_close(self, _client: paho.Client, _data: Any, made: Any) -> None:
        if made.fileno() >= 0:
            self._loop.remove_reader(made)
            self._loop.remove_writer(made)

    def _on_want_write(self, _client: paho.Client, _data: Any, made: Any) -> None:
        self._loop.call_soon_threadsafe(self._watch_write, made)

    def _watch_write(self, made: Any) -> None:
        if made.fileno() >= 0 and self._client.want_write():
            self._loop.add_writer(made.fileno(), self._client.loop_write)

    def _on_wrote(self, _client: paho.Client, _data: Any, made: Any) -> None:
        if made.fileno() >= 0:
            self._loop.call_soon_threadsafe(self._unwatch_write, made)

    def _unwatch_write(self, made: Any) -> None:
        if made.fileno() >= 0:
            self._loop.remove_writer(made.fileno())


def _holds_bytes(made: Any) -> bool:
    """Whether a socket has bytes for us that no event announces."""
    return isinstance(made, ssl.SSLSocket) and made.pending() > 0


def without_release(
    client: paho.Client, largest: int, most: int, most_bytes: int
) -> list[paho.MQTTMessage]:
    """Take out QoS 2 messages that wait for the broker's PUBREL and are too large or too many.

    paho keeps them without a bound, and has no public way to see them.

    Args:
        client: that keeps them.
        largest: bytes of a payload; what is larger goes first.
        most: messages that may wait; the oldest go.
        most_bytes: bytes of all their payloads.
    """
    kept = client._in_messages
    large = [number for number, one in kept.items() if len(one.payload) > largest]
    found = [kept.pop(number) for number in large]
    size = sum(len(one.payload) for one in kept.values())
    while len(kept) > most or size > most_bytes:
        _, oldest = kept.popitem(last=False)
        size -= len(oldest.payload)
        found.append(oldest)
    return found
