"""Connections of kafka-python that read as much as there is.

Its own take 4 KiB at a time. Between two of them another thread may hold Python's lock for 5 ms,
so a busy job would read 800 KB/s.
"""

import ssl
import time
from typing import Any

from kafka import errors
from kafka.net.inet import create_connection
from kafka.net.manager import KafkaConnectionManager
from kafka.net.transport import KafkaSSLTransport, KafkaTCPTransport

__all__ = ["Connections"]

_AT_ONCE = 1 << 20
_REFUSED = (
    errors.SaslAuthenticationFailedError,
    errors.UnsupportedSaslMechanismError,
    errors.AuthorizationError,
)


class Connections(KafkaConnectionManager):  # type: ignore[misc]
    """Keeps connections to brokers.

    Attributes:
        refused: since when logins are refused, or certificates not trusted; None: they are not.
        reason: of the last such refusal.
    """

    refused: float | None = None
    reason = ""

    def get_connection(self, *args: Any, **options: Any) -> Any:
        """A connection that is there or begins; see kafka-python."""
        found = super().get_connection(*args, **options)
        if not found.init_future.is_done:
            found.init_future.add_errback(self._note)
        return found

    def _note(self, error: Exception) -> None:
        """Keep why a connection is hopeless: kafka-python begins it again and again."""
        if isinstance(error, _REFUSED) or "CERTIFICATE_VERIFY_FAILED" in str(error):
            self.refused = self.refused or time.monotonic()
            self.reason = str(error)

    async def _build_transport(self, node: Any, timeout_at: float | None = None) -> Any:
        """As kafka-python's, which leaves a socket open when the handshake fails."""
        sock = await create_connection(
            self._net, node.host, node.port, self.config["socket_options"], timeout_at=timeout_at
        )
        if self.ssl_enabled:
            context = self.config["ssl_context"]
            transport = KafkaSSLTransport(self._net, sock, host=node.host, ssl_context=context)
        else:
            transport = KafkaTCPTransport(self._net, sock, host=node.host)
        try:
            await transport.handshake()
        except Exception as error:
            transport.close()
            message = f"the handshake failed: {error}"
            raise errors.KafkaConnectionError(message) from error
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
