"""`/metrics` and `/health` of a process without an event loop, and of the workers below it.

The workers of a pool come and go, so none has a port: each answers on a socket file in a folder
that the pool gives it (`PADIT_METRICS_SOCKETS`), and the pool shows all of them at its own address.
A process that runs the job itself listens at `PADIT_METRICS` (HOST:PORT).
"""

import contextlib
import logging
import os
import socket
import socketserver
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import msgspec

from padit.domain.errors import ConfigurationError
from padit.ops.job_metrics import job_stats
from padit.ops.stats import Stats

__all__ = ["ADDRESS", "SOCKETS", "answer_on_socket", "gathered", "serving"]

ADDRESS = "PADIT_METRICS"
SOCKETS = "PADIT_METRICS_SOCKETS"
_LOG = logging.getLogger(__name__)
_PATIENCE = 2.0  # seconds that a worker has to answer
_MOST = 8 << 20  # bytes of an answer
_series = msgspec.json.Decoder(list[tuple[str, dict[str, str], float]])


@contextlib.contextmanager
def serving(
    address: str | None, collect: Callable[[], Stats] = job_stats, *, healthy: Callable[[], bool]
) -> Iterator[str | None]:
    """Serve over HTTP while the block lasts; gives the address, `host:port`.

    Args:
        address: HOST:PORT, port 0 for a free one; None or empty: not at all.
        collect: the content of `/metrics`.
        healthy: whether `/health` answers 200, else 503.

    Raises:
        ConfigurationError: no such address, or it is taken.
    """
    if not address:
        yield None
        return
    host, _, port = address.rpartition(":")
    if not (host and port.isdecimal() and int(port) < 1 << 16):
        message = f"the address of metrics {address!r} must read HOST:PORT, as 127.0.0.1:9464"
        raise ConfigurationError(message)
    try:
        server = _Server((host, int(port)), _handler(collect, healthy))
    except OSError as error:
        message = f"metrics cannot be served at {address} ({error}); choose another address"
        raise ConfigurationError(message) from error
    thread = threading.Thread(target=server.serve_forever, name="metrics", daemon=True)
    thread.start()
    try:
        yield f"{host}:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True


def _handler(
    collect: Callable[[], Stats], healthy: Callable[[], bool]
) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        """Answers two paths."""

        timeout = 10.0

        def do_GET(self) -> None:
            """Answer one request."""
            path = self.path.partition("?")[0]
            if path == "/metrics":
                self._answer(200, collect().render(), "text/plain; version=0.0.4; charset=utf-8")
            elif path == "/health":
                fine = healthy()
                self._answer(200 if fine else 503, "ok\n" if fine else "down\n", "text/plain")
            else:
                self._answer(404, "there are /metrics and /health\n", "text/plain")

        def _answer(self, status: int, text: str, kind: str) -> None:
            body = text.encode()
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Scrapes are no news."""

    return Handler


def answer_on_socket(folder: str, collect: Callable[[], Stats] = job_stats) -> None:
    """Let the pool read the metrics of this worker, until the process ends."""
    place = Path(folder) / f"{os.getpid()}.sock"
    place.unlink(missing_ok=True)

    class Answer(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.sendall(msgspec.json.encode(collect().series()))

    server = socketserver.ThreadingUnixStreamServer(str(place), Answer)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()


def gathered(folder: Path, stats: Stats) -> Stats:
    """Add what the workers with a socket file in a folder answer; others are gone."""
    for place in sorted(folder.glob("*.sock")):
        try:
            found = _asked(place)
        except (ConnectionRefusedError, FileNotFoundError):
            place.unlink(missing_ok=True)  # the worker has ended
        except (OSError, msgspec.DecodeError) as error:
            _LOG.warning("the worker of %s does not give its metrics: %s", place.name, error)
        else:
            for name, labels, value in found:
                stats.set(name, value, **labels)
    return stats


def _asked(place: Path) -> list[tuple[str, dict[str, str], float]]:
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(_PATIENCE)
        client.connect(str(place))
        data = bytearray()
        while part := client.recv(1 << 16):
            data += part
            if len(data) > _MOST:
                message = f"more than {_MOST} bytes"
                raise OSError(message)
        return _series.decode(bytes(data))
