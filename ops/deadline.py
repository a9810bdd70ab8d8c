"""A time limit for a whole exchange over a socket, however slowly the other side answers.

A time-out of a read begins again with every byte, so a server that sends one now and then holds a
thread for as long as it likes. Here the socket is shut when the time of the exchange is over.
"""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from time import monotonic
from typing import Any

__all__ = ["Deadline"]


class Deadline:
    """Shuts a socket in use when its time is over; for exchanges one after the other.

    A thread of its own looks at the clock only when an exchange may have come to its end, so that
    those which end in time cost nearly nothing.

    Args:
        seconds: that each exchange may take.

    Attributes:
        passed: whether the latest exchange was ended.
    """

    def __init__(self, seconds: float) -> None:
        self.passed = False
        self._seconds = seconds
        self._socket: Callable[[], Any] = lambda: None
        self._lock = threading.Lock()
        self._ends: float | None = None
        self._begun, self._closed = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None

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
    def exchange(self) -> Iterator[None]:
        """The time begins, and ends with what is within."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._look, name="deadline", daemon=True)
            self._thread.start()
        with self._lock:
            self.passed, self._ends = False, monotonic() + self._seconds
            self._begun.set()
        try:
            yield
        finally:
            with self._lock:
                self._ends = None

    def close(self) -> None:
        """End the thread."""
        self._closed.set()
        self._begun.set()
        if self._thread is not None:
            self._thread.join()

    def _look(self) -> None:
        while not self._closed.is_set():
            self._begun.wait()
            left = self._left()
            if left is not None:
                self._closed.wait(left)

    def _left(self) -> float | None:
        """Seconds that the present exchange has; None: there is none, or no more."""
        with self._lock:  # one that has ended, or the next one, is left alone
            if self._ends is None:
                if not self._closed.is_set():
                    self._begun.clear()
                return None
            left = self._ends - monotonic()
            if left > 0:
                return left
            self.passed, self._ends = True, None
            self._shut()
            return None

    def _shut(self) -> None:
        found = self._socket()
        if isinstance(found, socket.socket):
            with suppress(OSError):
                # The method of the class itself: that of TLS would first forget its own state.
                socket.socket.shutdown(found, socket.SHUT_RDWR)
