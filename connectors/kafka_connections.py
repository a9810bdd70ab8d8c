"""Connections of kafka-python that read as much as there is.

Its own take 4 KiB at a time. Between two of them another thread may hold Python's lock for 5 ms,
so a busy job would read 800 KB/s.
"""

import ssl
from typing import Any

from kafka import errors
from kafka.net.manager import KafkaConnectionManager

__all__ = ["Connections"]

_AT_ONCE = 1 << 20


class Connections(KafkaConnectionManager):  # type: ignore[misc]
    """Keeps connections to brokers."""

    async def _build_transport(self, node: Any, timeout_at: float | None = None) -> Any:
        transport = await super()._build_transport(node, timeout_at=timeout_at)
        transport._sock_recv = lambda: _received(transport)
        return transport


def _received(transport: Any) -> tuple[bytes, Exception | None]:
    """What a socket has now, and why it has no more if that is for good."""
    parts: list[bytes] = []
    error: Exception | None = None
    while error is None:
        try:
            data = transport._sock.recv(_AT_ONCE)
        except (BlockingIOError, InterruptedError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            break
        except OSError as failure:
            error = errors.KafkaConnectionError(failure)
        else:
            if not data:
                error = errors.KafkaConnectionError("the broker has closed the connection")
            parts.append(data)
    return b"".join(parts), error
