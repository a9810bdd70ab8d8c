"""Servers of the standard library on loopback, each in a thread of its own."""

import threading
from socketserver import TCPServer
from typing import Self

from padit.devcluster.service import Startable
from tests.limits import allowed

__all__ = ["Serving"]


class Serving(Startable):
    """Serves from `start` to `stop`, or for the length of a `with` block.

    Attributes:
        server: bound to its port.
    """

    def __init__(self, server: TCPServer) -> None:
        self.port: int = server.server_address[1]
        self.server = server
        self._thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)

    def start(self) -> Self:
        self._thread.start()
        return self

    def stop(self) -> None:
        if self._thread.is_alive():
            self.server.shutdown()
        self.server.server_close()
        self._thread.join(allowed(10))
