"""A receiver for tests: a real HTTP server on this machine, which answers as it is told."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple

import msgspec

from tests.serving import Serving

__all__ = ["Answer", "Receiving", "receiving"]


class Answer(NamedTuple):
    """What the server answers, after a wait in seconds; status 0: it drops the connection."""

    status: int = 200
    body: bytes = b"{}"
    headers: tuple[tuple[str, str], ...] = ()
    wait: float = 0.0


class Receiving:
    """Requests that came, and where to send them."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        self.answers: list[Answer] = []
        self.answer: Callable[[int], Answer] = lambda number: Answer()
        self.url = ""
        self.lock = threading.Lock()

    @property
    def events(self) -> list[dict[str, object]]:
        """The bodies, as JSON."""
        return [msgspec.json.decode(body) for _, _, body in self.requests]


@contextmanager
def receiving() -> Iterator[Receiving]:
    """A server on a free port of the loopback."""
    found = Receiving()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers.get("content-length", 0))
            body = self.rfile.read(length)
            if len(body) < length:  # the sender was killed while it sent
                self.close_connection = True
                return
            headers = {name.lower(): value for name, value in self.headers.items()}
            with found.lock:
                answer = found.answer(len(found.requests))
                found.requests.append((self.path, headers, body))
                found.answers.append(answer)
            if answer.wait:
                time.sleep(answer.wait)
            if not answer.status:
                self.close_connection = True
                return
            with suppress(OSError):  # the client waits no longer
                self._answer(answer)

        def _answer(self, answer: Answer) -> None:
            self.send_response(answer.status)
            for name, value in answer.headers:
                self.send_header(name, value)
            self.send_header("content-length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)

        def log_message(self, *args: object) -> None:
            del args

    with Serving(ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as serving:
        found.url = f"http://127.0.0.1:{serving.port}/"
        yield found
