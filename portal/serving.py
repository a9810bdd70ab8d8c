"""The server of the portal: at an orderly stop the streams end first, so that none is cut."""

import asyncio
import socket
import time
from collections.abc import Callable

import uvicorn

from padit.portal.hub import Hub

__all__ = ["Server"]

_PATIENCE = 1.0


class Server(uvicorn.Server):
    """Uvicorn, which waits for the answers that are on their way: those of streams have no end.

    Args:
        config: of uvicorn.
        hub: gives the streams, once the application has started.
    """

    def __init__(self, config: uvicorn.Config, hub: Callable[[], Hub]) -> None:
        super().__init__(config)
        self._hub = hub

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End the streams, then as uvicorn does."""
        hub, began = self._hub(), time.monotonic()
        hub.close()
        while hub.clients and time.monotonic() - began < _PATIENCE:
            await asyncio.sleep(0.01)
        await super().shutdown(sockets)
