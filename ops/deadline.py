"""An end for what goes on over a socket, however slowly the other side answers.

A time-out of a read begins again with every byte, so who sends one now and then holds a thread for
as long as it likes. Here the socket is shut when the time for all of it is over.
"""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

__all__ = ["Deadline"]


class Deadline:
    """Shuts a socket in use when its time is over; for one thread.

    Attributes:
        passed: whether that happened to the latest exchange.
    """

    def __init__(self) -> None:
        self.passed = False
        self._socket: Callable[[], Any] = lambda: None
        self._lock = threading.Lock()
        self._running = False

    def watch(self, of: Callable[[], Any]) -> None:
        """Name the socket in use; asked for when it has to be shut."""
        self._socket = of
        if self.passed:  # it was connected after its time
            self._shut()

    def trace(self, event: str, info: dict[str, Any]) -> None:
        """As the extension `trace` of a request in httpx: watch what was connected."""
        if event in ("connection.connect_tcp.complete", "connection.start_tls.complete"):
            stream = info["return_value"]
            self.watch(lambda: stream.get_extra_info("socket"))

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """Let an exchange take so many seconds."""
        self.passed, self._running = False, True
        timer = threading.Timer(seconds, self._expire)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            with self._lock:
                self._running = False
            timer.cancel()

    def _expire(self) -> None:
        with self._lock:  # an exchange that has ended, or the next one, is left alone
            if self._running:
                self.passed = True
                self._shut()

    def _shut(self) -> None:
        found = self._socket()
        if isinstance(found, socket.socket):
            with suppress(OSError):
                # The method of the class itself: that of TLS would first forget its own state.
                socket.socket.shutdown(found, socket.SHUT_RDWR)
