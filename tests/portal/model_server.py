"""A real HTTP server that speaks as OpenAI-compatible endpoints do: honest, lying or broken."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.serving import Serving

__all__ = ["ModelServer", "model_server"]


class ModelServer:
    """Streams a text, or what `write` makes of the facts that it was sent.

    Attributes:
        text: to stream.
        write: makes a text of the facts; None: `text`.
        pause: seconds between pieces.
        cut: whether it breaks off before the end.
        status: of its answers.
        raw: bytes that it sends instead of an answer.
        requests: what it was sent.
    """

    def __init__(self) -> None:
        self.text, self.pause, self.cut, self.status, self.raw = "", 0.0, False, 200, b""
        self.write: Callable[[list[dict[str, Any]]], str] | None = None
        self.requests: list[dict[str, Any]] = []
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.url = f"http://127.0.0.1:{self.http.server_port}/v1"

    def answer(self, request: dict[str, Any]) -> Iterator[bytes]:
        """What it sends to a request, piece by piece."""
        if self.raw:
            yield self.raw
            return
        facts = json.loads(request["messages"][1]["content"])
        text = self.write(facts) if self.write else self.text
        for word in text.split(" "):
            piece = {"choices": [{"delta": {"content": f"{word} "}}]}
            yield b"data: " + json.dumps(piece).encode() + b"\n\n"
        if not self.cut:
            yield b"data: [DONE]\n\n"


def _handler(outer: ModelServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            size = int(self.headers["Content-Length"])
            outer.requests.append(json.loads(self.rfile.read(size)))
            self.send_response(outer.status)
            if outer.status == 302:
                self.send_header("Location", outer.url + "/elsewhere")
            self.end_headers()
            with suppress(OSError):
                for data in outer.answer(outer.requests[-1]):
                    self.wfile.write(data)
                    self.wfile.flush()
                    time.sleep(outer.pause)

        def log_message(self, format: str, *args: object) -> None:
            pass

    return Handler


@contextmanager
def model_server() -> Iterator[ModelServer]:
    """A server that answers on this machine."""
    made = ModelServer()
    with Serving(made.http):
        yield made
