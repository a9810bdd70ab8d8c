"""A TCP proxy whose connections can be cut in the middle of anything, or held up."""

from __future__ import annotations

import contextlib
import selectors
import socket
import struct
import threading

from padit.devcluster.ports import LOOPBACK

__all__ = ["Proxy"]

_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: close with a reset


class Proxy:
    """Passes bytes between clients and a port, in one thread.

    Attributes:
        port: to connect to.
        through: bytes that have passed.
        away: whether nobody is let in.
    """

    def __init__(self, target: int) -> None:
        self._target = target
        self._listener = socket.create_server((LOOPBACK, 0))
        self.port = self._listener.getsockname()[1]
        self.through = 0
        self.away = False
        self._cut_at: int | None = None
        self._peers: dict[socket.socket, socket.socket] = {}
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._ends = False
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def cut(self, after: int = 0) -> None:
        """Reset every connection, once so many more bytes have passed."""
        with self._lock:
            self._cut_at = self.through + after

    def pause(self) -> None:
        """Reset every connection, and let nobody in until `resume`."""
        self.away = True
        self.cut()

    def resume(self) -> None:
        """Let everybody in."""
        self.away = False

    def close(self) -> None:
        """End; connections are reset."""
        self._ends = True
        self._thread.join()
        self._drop_all()
        self._listener.close()
        self._selector.close()

    def _run(self) -> None:
        while not self._ends:
            for key, _ in self._selector.select(0.05):
                if key.fileobj is self._listener:
                    self._accept()
                elif isinstance(key.fileobj, socket.socket):
                    self._pass_on(key.fileobj)
            with self._lock:
                due = self._cut_at is not None and self.through >= self._cut_at
                if due:
                    self._cut_at = None
            if due:
                self._drop_all()

    def _accept(self) -> None:
        client, _ = self._listener.accept()
        if self.away:
            client.close()
            return
        try:
            server = socket.create_connection((LOOPBACK, self._target), timeout=2)
        except OSError:
            client.close()
            return
        for one, other in ((client, server), (server, client)):
            self._peers[one] = other
            self._selector.register(one, selectors.EVENT_READ)

    def _pass_on(self, source: socket.socket) -> None:
        peer = self._peers.get(source)
        if peer is None:
            return
        try:
            data = source.recv(1 << 14)
            if data:
                peer.sendall(data)
                self.through += len(data)
                return
        except OSError:
            pass
        self._drop(source, peer)

    def _drop(self, *sockets: socket.socket) -> None:
        for one in sockets:
            if self._peers.pop(one, None) is None:
                continue
            self._selector.unregister(one)
            with contextlib.suppress(OSError):
                one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            one.close()

    def _drop_all(self) -> None:
        self._drop(*list(self._peers))
