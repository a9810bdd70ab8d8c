"""An HTTP request whose phases are timed: name, connection, TLS, first byte, total.

The times are taken where the work happens: names and connections in a network backend of ours
under httpx's own connection pool, the rest from the trace that the pool gives. Every request
takes a new connection, because a probe that keeps one measures neither names nor TLS.
"""

import asyncio
import socket
import ssl
import time
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from typing import Any

import httpcore
import httpx

from padit.adapters.errors import AdapterError

__all__ = ["Phases", "TimingTransport", "certificate_of"]


@dataclass(slots=True)
class Phases:
    """Durations in seconds; a phase that did not happen is absent.

    Attributes:
        seconds: by name: dns, connect, tls, first_byte.
        phase: the phase that is going on; after a failure, where it happened.
        certificate: what the server showed, DER; b"" without TLS.
    """

    seconds: dict[str, float] = field(default_factory=dict)
    phase: str = "dns"
    certificate: bytes = b""
    _begun: float = 0.0

    async def trace(self, event: str, info: dict[str, Any]) -> None:
        """Callback for httpcore's trace extension."""
        name, _, step = event.rpartition(".")
        phase = _PHASES.get(name.rpartition(".")[2])
        if phase is None:
            return
        if step == "started":
            self.phase, self._begun = phase, time.perf_counter()
        elif step == "complete":
            self.seconds[phase] = time.perf_counter() - self._begun
            if phase == "tls":
                self._see(info.get("return_value"))

    def _see(self, stream: Any) -> None:
        secured = stream.get_extra_info("ssl_object") if stream is not None else None
        if secured is not None:
            self.certificate = secured.getpeercert(binary_form=True) or b""


_PHASES = {"start_tls": "tls", "receive_response_headers": "first_byte"}
_current: dict[int, Phases] = {}


class _Backend(httpcore.AsyncNetworkBackend):
    """Resolves first and connects then, each timed; tries the addresses one after another."""

    def __init__(self) -> None:
        self._inner = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        phases = _current.get(id(asyncio.current_task()), Phases())
        begin = time.perf_counter()
        try:
            async with asyncio.timeout(timeout):
                found = await asyncio.get_running_loop().getaddrinfo(
                    host, port, type=socket.SOCK_STREAM
                )
        except TimeoutError as error:
            raise httpcore.ConnectTimeout(str(error)) from error
        except OSError as error:
            message = f"{host} cannot be resolved: {error}"
            raise AdapterError(message, cause="dns") from error
        phases.seconds["dns"] = time.perf_counter() - begin
        phases.phase = "connect"
        begin = time.perf_counter()
        stream = await self._first(found, port, timeout, local_address, socket_options)
        phases.seconds["connect"] = time.perf_counter() - begin
        phases.phase = "first_byte"
        return stream

    async def _first(
        self, found: list[Any], port: int, timeout: float | None, local: Any, options: Any
    ) -> httpcore.AsyncNetworkStream:
        addresses = list(dict.fromkeys(entry[4][0] for entry in found))
        for address in addresses[:-1]:
            try:
                return await self._inner.connect_tcp(address, port, timeout, local, options)
            except httpcore.ConnectError:
                continue
        return await self._inner.connect_tcp(addresses[-1], port, timeout, local, options)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class _Body(httpx.AsyncByteStream):
    def __init__(self, stream: Any) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for part in self._stream:
            yield part

    async def aclose(self) -> None:
        await self._stream.aclose()


class TimingTransport(httpx.AsyncBaseTransport):
    """A transport for httpx; put a `Phases` into `request.extensions["phases"]`.

    Args:
        context: how TLS is verified.
    """

    def __init__(self, context: ssl.SSLContext) -> None:
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=context,
            max_connections=None,
            max_keepalive_connections=0,
            network_backend=_Backend(),
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request on a connection of its own."""
        phases: Phases = request.extensions["phases"]
        task = id(asyncio.current_task())
        _current[task] = phases
        try:
            response = await self._pool.handle_async_request(
                httpcore.Request(
                    method=request.method,
                    url=httpcore.URL(
                        scheme=request.url.raw_scheme,
                        host=request.url.raw_host,
                        port=request.url.port,
                        target=request.url.raw_path,
                    ),
                    headers=request.headers.raw,
                    content=request.stream,
                    extensions={**request.extensions, "trace": phases.trace},
                )
            )
        finally:
            _current.pop(task, None)
        return httpx.Response(
            response.status,
            headers=response.headers,
            stream=_Body(response.stream),
            extensions=response.extensions,
        )

    async def aclose(self) -> None:
        """Close all connections."""
        await self._pool.aclose()


async def certificate_of(host: str, port: int, timeout_sec: float) -> bytes:
    """The certificate a server shows, DER, whether or not it is valid.

    Nothing is sent over the connection. Raises OSError or TimeoutError.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    async with asyncio.timeout(timeout_sec):
        _, writer = await asyncio.open_connection(host, port, ssl=context, server_hostname=host)
        secured = writer.get_extra_info("ssl_object")
        found = secured.getpeercert(binary_form=True) if secured is not None else None
        writer.close()
    return found or b""
