"""A broker that sends the bytes a test gives it: faults that no real broker shows."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["Peer", "packet", "published", "scripted"]

Script = Callable[["Peer"], None]


def packet(first: int, body: bytes) -> bytes:
    """A control packet: its first byte, the length, the rest."""
    size, length = len(body), b""
    while True:
        size, low = divmod(size, 128)
        length += bytes([low | (128 if size else 0)])
        if not size:
            return bytes([first]) + length + body


def published(topic: str, payload: bytes, *, qos: int = 0, number: int = 1) -> bytes:
    """A PUBLISH."""
    name = topic.encode()
    identity = number.to_bytes(2, "big") if qos else b""
    return packet(0x30 | qos << 1, len(name).to_bytes(2, "big") + name + identity + payload)


class Peer:
    """One client that has connected."""

    def __init__(self, made: socket.socket) -> None:
        self._made = made
        self._file = made.makefile("rb")

    def send(self, data: bytes) -> None:
        """Send the bytes in one call: with TLS up to 16 KB are one record."""
        self._made.sendall(data)

    def receive(self) -> tuple[int, bytes]:
        """The client's next packet: the first byte and its body."""
        first = self._file.read(1)
        if not first:
            raise ConnectionError
        length = shift = 0
        while True:
            byte = self._file.read(1)[0]
            length |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return first[0], self._file.read(length)

    def welcome(self, codes: bytes) -> None:
        """Accept the connection, and answer the subscription with these codes."""
        self.receive()
        self.send(packet(0x20, b"\0\0"))
        _, body = self.receive()
        self.send(packet(0x90, body[:2] + codes))

    def close(self) -> None:
        """End the connection."""
        self._file.close()
        self._made.close()


@contextmanager
def scripted(
    script: Script, codes: bytes = b"\1", tls: ssl.SSLContext | None = None
) -> Iterator[int]:
    """The port of a broker that serves one client, with `script` once it has subscribed."""

    def serve() -> None:
        made, _ = listening.accept()
        peer = Peer(tls.wrap_socket(made, server_side=True) if tls else made)
        try:
            peer.welcome(codes)
            script(peer)
            while True:
                peer.receive()
        except OSError:  # the client has left
            peer.close()

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve)
        thread.start()
        yield listening.getsockname()[1]
        thread.join()
