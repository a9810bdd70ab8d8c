"""A network between a page and its portal that can swallow everything without ending anything."""

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["Relay", "relay"]


class Relay:
    """Passes bytes on in both directions, unless it is `frozen`.

    Args:
        port: of the server.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self.frozen = False
        self.address = ""

    async def serve(self, ready: threading.Event) -> None:
        """Until `stop`; what is open then is cut."""
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self._join, "127.0.0.1", 0)
        self.address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        ready.set()
        await self._stop.wait()
        server.close()

    def stop(self) -> None:
        """End; from another thread."""
        self._loop.call_soon_threadsafe(self._stop.set)

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while self.frozen:
            await asyncio.sleep(0.05)
        there, back = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            await asyncio.gather(self._pass(reader, back), self._pass(there, writer))
        finally:
            writer.close()
            back.close()

    async def _pass(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        lost = False
        with contextlib.suppress(OSError):
            while data := await source.read(65_536):
                lost = lost or self.frozen
                if target.is_closing():
                    return
                if not lost:  # what came behind a loss never arrives on this connection
                    target.write(data)
        target.close()


@contextmanager
def relay(port: int) -> Iterator[Relay]:
    """A relay in front of a port of this machine."""
    made, ready = Relay(port), threading.Event()
    thread = threading.Thread(target=lambda: asyncio.run(made.serve(ready)))
    thread.start()
    try:
        assert ready.wait(10)
        yield made
    finally:
        made.stop()
        thread.join()
