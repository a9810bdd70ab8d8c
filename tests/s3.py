"""A real S3 server (Versity's gateway, in Go), and a proxy before it that makes trouble."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from padit.devcluster.ports import LOOPBACK, free_port, port_answers
from padit.devcluster.prism import go_program
from padit.devcluster.processes import Part

__all__ = ["ACCESS", "S3Server", "SECRET", "start_s3", "troubled", "versitygw"]

VERSION = "1.8.0"
ACCESS, SECRET = "padit-test", "padit-test-secret"
_SLOW_DOWN = (
    b'<?xml version="1.0" encoding="UTF-8"?><Error><Code>SlowDown</Code>'
    b"<Message>Please reduce your request rate.</Message></Error>"
)


def versitygw(say: Callable[[str], None] | None = None) -> Path:
    """Return the program; built the first time."""
    return go_program("versitygw", "github.com/versity/versitygw/cmd/versitygw", VERSION, say)


@dataclass(frozen=True)
class S3Server:
    """A server; a bucket is a folder.

    Attributes:
        port: on loopback.
        directory: of its buckets, and of the file with the credentials.
        part: the process.
    """

    port: int
    directory: Path
    part: Part

    @property
    def secrets(self) -> Path:
        """A file for `client_config`."""
        return self.directory.parent / "s3.conf"

    def bucket(self, name: str) -> Path:
        """Make a bucket; return its folder."""
        place = self.directory / name
        place.mkdir(exist_ok=True)
        return place

    def uri(self, path: str, port: int | None = None) -> str:
        """The URI of an archive in a bucket."""
        place = f"http://{LOOPBACK}:{port or self.port}"
        return f"s3://{path}?endpoint={place}&region=us-east-1&client_config={self.secrets}"

    def stop(self) -> None:
        """End it."""
        self.part.stop()


def start_s3(directory: Path, say: Callable[[str], None] | None = None) -> S3Server:
    """Start a server. Raises MissingToolError without Go."""
    program = versitygw(say)
    port = free_port()
    buckets = directory / "buckets"
    buckets.mkdir(parents=True)
    place = f"{LOOPBACK}:{port}"
    part = Part(
        "S3 server",
        [str(program), "--quiet", "--port", place, "--region", "us-east-1", "posix", str(buckets)],
        log=directory / "s3.log",
        answers=lambda: port_answers(port),
        env={**os.environ, "ROOT_ACCESS_KEY": ACCESS, "ROOT_SECRET_KEY": SECRET},
    )
    server = S3Server(port, buckets, part)
    server.secrets.write_text(f"access_key={ACCESS}\nsecret_key={SECRET}\n")
    part.start()
    return server


@contextmanager
def troubled(target: int, trouble: Callable[[bytes], str]) -> Iterator[int]:
    """A proxy on loopback before a port, as long as the context lasts; yields its port.

    Args:
        target: port of the server.
        trouble: is given the first line of a request, and says what becomes of it: "" (it is
            passed on), "slow" (503 SlowDown), "cut" (the connection ends in the middle).
    """
    listener = socket.create_server((LOOPBACK, 0))
    threads: list[threading.Thread] = []

    def serve() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=_one, args=(client, target, trouble), daemon=True)
            threads.append(thread)
            thread.start()

    accepting = threading.Thread(target=serve, daemon=True)
    accepting.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        accepting.join()
        for one in threads:
            one.join(10)


def _one(client: socket.socket, target: int, trouble: Callable[[bytes], str]) -> None:
    """One connection, which carries one request."""
    with client, contextlib.suppress(OSError):
        client.settimeout(10)
        head = b""
        while b"\r\n\r\n" not in head:
            more = client.recv(65536)
            if not more:
                return
            head += more
        kind = trouble(head.split(b"\r\n", 1)[0])
        if kind == "slow":
            if b"100-continue" not in head.lower():
                client.settimeout(0.2)
                with contextlib.suppress(OSError):
                    while client.recv(65536):
                        pass
            answer = (
                b"HTTP/1.1 503 Slow Down\r\nContent-Type: application/xml\r\nConnection: close\r\n"
                b"Content-Length: %d\r\n\r\n" % len(_SLOW_DOWN)
            )
            client.sendall(answer + _SLOW_DOWN)
        elif kind == "":
            _pass_on(client, target, head)


def _pass_on(client: socket.socket, target: int, head: bytes) -> None:
    with socket.create_connection((LOOPBACK, target), timeout=10) as server:
        server.sendall(head)
        back = threading.Thread(target=_copy, args=(server, client), daemon=True)
        back.start()
        _copy(client, server)
        back.join(10)


def _copy(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)
