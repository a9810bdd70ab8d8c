"""A bounded number of connections, of which idle ones make room for new ones.

aiohttp closes a connection that has sent no whole head of a request for `HEAD_SEC`. When all
places are taken the oldest connection without a request in progress is closed for a new one;
where every connection has one, the new one is closed.
"""

import asyncio
import logging
import ssl
from collections.abc import Callable

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

__all__ = ["HEAD_SEC", "Connections", "logger_of"]

HEAD_SEC = 75.0
"""Seconds until the head of a request must be there, from the connection or the last answer."""


_LONGEST_FAULT = 200


def logger_of(on_malformed: Callable[[str], None]) -> logging.Logger:
    """For the server: what is no HTTP is counted, not logged with a trace for each request.

    Args:
        on_malformed: called with what was wrong with it.
    """

    def wanted(record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if not isinstance(error, HttpProcessingError):
            return True
        text = " ".join(str(error.message).split())
        on_malformed(f"a request that is no HTTP: {text[:_LONGEST_FAULT]}")
        return False

    logger = logging.Logger(__name__)
    logger.parent = logging.getLogger(__name__)
    logger.addFilter(wanted)
    return logger


class Connections:
    """The listening socket of a receiver.

    Args:
        runner: the application, set up.
        most: connections at the same time.
        on_refused: called with what was closed for want of places.
    """

    def __init__(self, runner: web.AppRunner, most: int, on_refused: Callable[[str], None]) -> None:
        self._runner = runner
        self._most = most
        self._on_refused = on_refused
        self._server: asyncio.Server | None = None
        self.busy: set[object] = set()

    @property
    def serving(self) -> bool:
        """Whether new connections are accepted."""
        return self._server is not None and self._server.is_serving()

    async def listen(self, host: str, port: int, context: ssl.SSLContext | None) -> int:
        """Accept connections; the port. Raises OSError if it cannot be used."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            self._accept, host, port, ssl=context, backlog=128, reuse_address=True
        )
        found: int = self._server.sockets[0].getsockname()[1]
        return found

    def close(self) -> None:
        """Accept no more."""
        if self._server is not None:
            self._server.close()
            self._server = None

    def _accept(self) -> asyncio.Protocol:
        server = self._runner.server
        if server is None:
            return _Refusing()
        if len(server.connections) >= self._most:
            idle = next((one for one in server.connections if one not in self.busy), None)
            self._on_refused(f"all {self._most} connections are in use (max_connections)")
            if idle is None:
                return _Refusing()
            idle.force_close()
        return server()


class _Refusing(asyncio.Protocol):
    """Closes the connection at once."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.close()
