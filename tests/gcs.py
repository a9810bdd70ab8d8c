"""A server that speaks as Google Cloud Storage does (fsouza/fake-gcs-server, in Go)."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from padit.devcluster.ports import LOOPBACK, free_port, port_answers
from padit.devcluster.processes import Part
from tests.go_tools import go_tool
from tests.limits import allowed

__all__ = ["GcsServer", "start_gcs"]


@dataclass(frozen=True)
class GcsServer:
    """A server; its objects lie in memory.

    Attributes:
        port: on loopback.
        part: the process.
    """

    port: int
    part: Part

    def bucket(self, name: str) -> None:
        """Make a bucket."""
        request = urllib.request.Request(  # loopback
            f"http://{LOOPBACK}:{self.port}/storage/v1/b?project=test",
            json.dumps({"name": name}).encode(),
            {"Content-Type": "application/json"},
        )
        urllib.request.urlopen(request, timeout=allowed(10)).close()  # noqa: S310

    def uri(self, path: str, port: int | None = None) -> str:
        """The URI of an archive in a bucket."""
        return f"gs://{path}?endpoint=http://{LOOPBACK}:{port or self.port}"

    def stop(self) -> None:
        """End it."""
        self.part.stop()


def start_gcs(directory: Path, say: Callable[[str], None] | None = None) -> GcsServer:
    """Start a server. Raises MissingToolError without Go."""
    program = go_tool("fake-gcs-server", say)
    directory.mkdir(parents=True)
    port = free_port()
    part = Part(
        "Google Cloud Storage",
        [str(program), "-scheme", "http", "-host", LOOPBACK, "-port", str(port), "-backend",
         "memory", "-public-host", f"{LOOPBACK}:{port}"],
        log=directory / "gcs.log",
        answers=lambda: port_answers(port),
    )  # fmt: skip
    part.start()
    return GcsServer(port, part)
