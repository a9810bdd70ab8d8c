"""Toxiproxy (Shopify's, in Go): connections that end in the middle, are held up, or are slow."""

from __future__ import annotations

import http.client
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from padit.devcluster.ports import LOOPBACK, free_port, port_answers
from padit.devcluster.processes import Part
from tests.go_tools import go_tool

__all__ = ["Toxiproxy", "Way", "start_toxiproxy"]

_SECONDS = 10


@dataclass(frozen=True)
class Toxiproxy:
    """A running server; each of its ways leads to a port.

    Attributes:
        port: of its interface.
        part: the process.
    """

    port: int
    part: Part

    def way(self, name: str, target: int) -> Way:
        """A new way to a port on loopback."""
        way = Way(self, name, free_port())
        given = {"name": name, "listen": f"{LOOPBACK}:{way.port}",
                 "upstream": f"{LOOPBACK}:{target}", "enabled": True}  # fmt: skip
        self.call("POST", "/proxies", given)
        return way

    def call(self, method: str, path: str, body: Any = None) -> None:
        """Ask the interface; raises AssertionError where it refuses."""
        connection = http.client.HTTPConnection(LOOPBACK, self.port, timeout=_SECONDS)
        try:
            connection.request(method, path, None if body is None else json.dumps(body))
            answer = connection.getresponse()
            text = answer.read()
            assert answer.status < 300, f"{method} {path}: {answer.status} {text!r}"
        finally:
            connection.close()

    def stop(self) -> None:
        """End it."""
        self.part.stop()


@dataclass(frozen=True)
class Way:
    """One way through the proxy; connect to its `port`."""

    server: Toxiproxy
    name: str
    port: int

    def cut(self) -> None:
        """Reset every connection; new ones are taken."""
        self._toxic("reset_peer", "upstream", timeout=0)
        self.calm()

    def cut_after(self, size: int, stream: str) -> None:
        """Until `calm`, end each connection once so many bytes have passed in one direction.

        Args:
            size: bytes.
            stream: "upstream" (to the server) or "downstream".
        """
        self._toxic("limit_data", stream, bytes=size)

    def slow(self, milliseconds: int) -> None:
        """Until `calm`, hold every answer up."""
        self._toxic("latency", "downstream", latency=milliseconds)

    def close(self) -> None:
        """Until `open`, let nobody in; connections end."""
        self.server.call("POST", f"/proxies/{self.name}", {"enabled": False})

    def open(self) -> None:
        """Let everybody in."""
        self.server.call("POST", f"/proxies/{self.name}", {"enabled": True})

    def calm(self) -> None:
        """End all trouble of the server's ways."""
        self.server.call("POST", "/reset")

    def _toxic(self, kind: str, stream: str, **attributes: Any) -> None:
        body = {"name": kind, "type": kind, "stream": stream, "attributes": attributes}
        self.server.call("POST", f"/proxies/{self.name}/toxics", body)


def start_toxiproxy(directory: Path) -> Toxiproxy:
    """Start a server without a way. Raises MissingToolError without Go."""
    program = go_tool("toxiproxy")
    port = free_port()
    part = Part(
        "Toxiproxy",
        [str(program), "-host", LOOPBACK, "-port", str(port)],
        log=directory / "toxiproxy.log",
        answers=lambda: port_answers(port),
        env={**os.environ, "LOG_LEVEL": "error"},  # it traces every write else
    )
    part.start()
    return Toxiproxy(port, part)
