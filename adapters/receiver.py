"""The HTTP server under all receivers: access, limits, and the answers beyond the limits.

A request is judged before its body is read: 401 without the right token, 503 with Retry-After
while the way to Kafka is blocked, 429 with Retry-After while `max_waiting` writes wait here. Only
writes have a body that is read: within `body_timeout_sec`, else 408, and `max_body_bytes`, before
and after decompression, else 413. What is accepted is parsed in a thread, one write at a time, so
that the loop stays free for other adapters.

A write takes its place when its body is there, so slow writers do not block others. At most
`4 x max_waiting` bodies are read at the same time; for one more the oldest of them is given up
with 408. Bodies in memory are therefore at most `5 x max_waiting x max_body_bytes`, twice that
while one is decompressed, and only writers with a token, where there are tokens, can fill them.

204 or 200 means: taken into the buffer on the way to Kafka, which survives a broker that is
away and a clean stop, not a crash of this process.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal, NamedTuple

from aiohttp import web

from padit.adapters.access import (
    ReceiverOptions,
    allowed,
    logged_in,
    tls_context,
    tokens_of,
)
from padit.adapters.base import Emitter
from padit.adapters.connections import HEAD_SEC, Connections, logger_of
from padit.adapters.errors import AdapterError
from padit.adapters.threads import Worker
from padit.codecs.bodies import (
    ENCODINGS,
    BadRequestError,
    EncodingError,
    TooLargeError,
    decompressed,
)

__all__ = [
    "BadRequestError",
    "Call",
    "HttpReceiver",
    "ReceiverAdapter",
    "ReceiverOptions",
    "Reply",
    "Route",
    "TooLargeError",
    "allowed",
    "tokens_of",
]


_log = logging.getLogger("padit.adapters.receiver")


class Call(NamedTuple):
    """A request that may write.

    Attributes:
        body: decompressed, unless the route takes snappy.
        headers: names in lower case.
        query: parameters of the URL.
    """

    body: bytes
    headers: Mapping[str, str]
    query: Mapping[str, str]


@dataclass(slots=True)
class Reply:
    """An answer."""

    status: int = 204
    body: bytes = b""
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)


class Route(NamedTuple):
    """A path and what happens there.

    Attributes:
        handle: runs in a thread; may raise BadRequestError.
        needs: "room" for a write, which waits for its turn and needs a token; "token" for a
            question about what was written; "nothing" for a ping.
        encodings: content encodings that are read; for another one the answer is 415.
        logins: whether a token may also come as a password, as clients of InfluxDB 1 send it:
            Basic, `Token user:password`, or `u` and `p` of the query.
    """

    method: str
    path: str
    handle: Callable[[Call], Reply]
    needs: Literal["room", "token", "nothing"] = "room"
    encodings: tuple[str, ...] = ENCODINGS
    logins: bool = False


class HttpReceiver:
    """A server for one receiver.

    Args:
        options: where to listen and which tokens to accept.
        routes: what it answers.
    """

    def __init__(self, options: ReceiverOptions, routes: Sequence[Route]) -> None:
        self._options = options
        self._routes = routes
        self._runner: web.AppRunner | None = None
        self._tokens: tuple[bytes, ...] = ()
        self._connections: Connections | None = None
        self._waiting = 0
        self._reading: dict[object, asyncio.Timeout] = {}
        self._writes = Worker(f"{options.name} writes")
        self._questions = Worker(f"{options.name} questions")
        self.workers = (self._writes, self._questions)
        self.port = options.port

    async def open(self, emitter: Emitter) -> None:
        """Listen; raises AdapterError if the port or a file cannot be used."""
        options = self._options
        self._tokens = tokens_of(options)
        app = web.Application()
        for route in self._routes:
            app.router.add_route(route.method, route.path, self._handler(route, emitter))
        app.router.add_route("*", "/{path:.*}", partial(self._nothing_there, emitter))
        # Bodies are decompressed in the thread, within their bound.
        self._runner = web.AppRunner(
            app,
            access_log=None,
            keepalive_timeout=HEAD_SEC,
            auto_decompress=False,
            logger=logger_of(lambda text: emitter.fault("malformed", text)),
        )
        await self._runner.setup()
        self._connections = Connections(
            self._runner, options.max_connections, lambda text: emitter.fault("connections", text)
        )
        try:
            self.port = await self._connections.listen(
                options.host, options.port, tls_context(options)
            )
        except OSError as error:
            message = f"cannot listen on {options.host}:{options.port}: {error}"
            raise AdapterError(message, cause="port_taken") from error

    def check(self) -> None:
        """Raise AdapterError if it listens no longer."""
        if self._connections is None or not self._connections.serving:
            message = f"{self._options.host}:{self.port}: the server has ended"
            raise AdapterError(message, cause="ended")

    async def close(self) -> None:
        """Finish what was accepted, then stop listening."""
        if self._connections is not None:
            self._connections.close()
            self._connections = None
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
        for worker in self.workers:
            worker.close()

    def _handler(
        self, route: Route, emitter: Emitter
    ) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def handle(request: web.Request) -> web.Response:
            busy = self._connections.busy if self._connections is not None else set()
            busy.add(request.protocol)
            try:
                refused = self._refusal(route, request, emitter)
                if refused is not None:
                    return refused
                if route.needs != "room":
                    return await self._answer(route, request, b"", emitter)
                return await self._write(route, request, emitter)
            finally:
                busy.discard(request.protocol)

        return handle

    async def _nothing_there(self, emitter: Emitter, request: web.Request) -> web.Response:
        """Answer and count what is sent where nothing is received: senders drop it for good."""
        given = request.headers.get("Authorization", "")
        if not allowed(self._tokens, given):
            return self._unauthorized(request, emitter)
        methods = [route.method for route in self._routes if route.path == request.path]
        places = ", ".join(f"{route.method} {route.path}" for route in self._routes)
        text = f"{request.method} {request.path[:100]}: there is {places}"
        emitter.fault("wrong_path", text)
        allow = {"Allow": ", ".join(methods)} if methods else {}
        return web.Response(status=405 if methods else 404, headers=allow, text=text)

    @staticmethod
    def _unauthorized(request: web.Request, emitter: Emitter) -> web.Response:
        emitter.fault("unauthorized", f"a request of {request.remote} without a valid token")
        return web.Response(status=401, headers={"WWW-Authenticate": "Bearer"})

    async def _write(self, route: Route, request: web.Request, emitter: Emitter) -> web.Response:
        body = await self._body(request, emitter)
        if isinstance(body, web.Response):
            return body
        refused = self._no_room(request, emitter)  # it may have changed meanwhile
        if refused is not None:
            return refused
        self._waiting += 1
        try:
            return await self._answer(route, request, body, emitter)
        finally:
            self._waiting -= 1

    async def _body(self, request: web.Request, emitter: Emitter) -> bytes | web.Response:
        """The body as it came, or the answer to one that did not come or is too large."""
        options, key = self._options, object()
        if len(self._reading) >= 4 * options.max_waiting:
            oldest = next(iter(self._reading))
            self._reading.pop(oldest).reschedule(asyncio.get_running_loop().time())
        try:
            async with asyncio.timeout(options.body_timeout_sec) as limit:
                self._reading[key] = limit
                body = bytearray()
                while part := await request.content.readany():
                    body += part
                    if len(body) > options.max_body_bytes:
                        return self._too_large(emitter)
        except TimeoutError:
            seconds = f"{options.body_timeout_sec:g} s (body_timeout_sec)"
            emitter.fault("slow", f"a body of {request.remote} that did not come within {seconds}")
            return web.Response(status=408, headers={"Connection": "close"})
        except web.HTTPException:
            raise
        except Exception as error:  # a damaged chunk or a lost connection: the client's fault
            emitter.fault("malformed", f"a body that cannot be read: {error!r}")
            return web.Response(status=400, text="the body cannot be read")
        finally:
            self._reading.pop(key, None)
        return bytes(body)

    def _refusal(self, route: Route, request: web.Request, emitter: Emitter) -> web.Response | None:
        if route.needs == "nothing":
            return None
        given = request.headers.get("Authorization", "")
        if not allowed(self._tokens, given) and not (
            route.logins and logged_in(self._tokens, given, request.query)
        ):
            return self._unauthorized(request, emitter)
        return self._no_room(request, emitter) if route.needs == "room" else None

    def _no_room(self, request: web.Request, emitter: Emitter) -> web.Response | None:
        options = self._options
        again = {"Retry-After": str(options.retry_after_sec)}
        if not emitter.ready():
            emitter.fault("blocked", "writers have to wait: the buffer is nearly full")
            return web.Response(status=503, headers=again, text="the buffer is full, try later")
        if self._waiting >= options.max_waiting:
            emitter.fault("busy", "writers have to wait: too many at the same time")
            return web.Response(status=429, headers=again, text="too many writes, try later")
        length = request.content_length
        if length is not None and length > options.max_body_bytes:
            return self._too_large(emitter)
        return None

    def _too_large(self, emitter: Emitter) -> web.Response:
        most = self._options.max_body_bytes
        emitter.fault("too_large", f"a body of more than {most} bytes (max_body_bytes)")
        return web.Response(status=413, text=f"at most {most} bytes")

    def _handled(self, route: Route, call: Call) -> Reply:
        """In a thread: decompress, then handle."""
        encoding = call.headers.get("content-encoding", "").strip(" \t").lower()
        encoding = encoding.removeprefix("x-")
        if encoding and encoding not in route.encodings:
            text = f"content-encoding {encoding[:60]!r}; one of: {', '.join(route.encodings)}"
            raise EncodingError(text)
        if call.body and "snappy" not in route.encodings:
            most = self._options.max_body_bytes
            call = call._replace(body=decompressed(call.body, encoding, most))
        return route.handle(call)

    async def _answer(
        self, route: Route, request: web.Request, body: bytes, emitter: Emitter
    ) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        call = Call(body, headers, dict(request.query))
        worker = self._writes if route.needs == "room" else self._questions
        try:
            reply = await worker.run(self._handled, route, call)
        except TooLargeError:
            return self._too_large(emitter)
        except BadRequestError as error:
            emitter.fault("malformed", f"{route.path}: {error}")
            status = 415 if isinstance(error, EncodingError) else 400
            text = str(error)[:1000].encode("utf-8", "replace")
            return web.Response(status=status, body=text, content_type="text/plain")
        except Exception as error:  # a bug of ours: the client may try again, others go on
            _log.debug("%s failed", route.path, exc_info=True)
            emitter.fault("internal", f"{route.path}: {error!r}")
            return web.Response(status=500, text="this could not be processed")
        return web.Response(
            status=reply.status,
            body=reply.body,
            content_type=reply.content_type if reply.body else None,
            headers=reply.headers,
        )


class ReceiverAdapter:
    """Base of the adapters that only receive: they listen, and have nothing to poll.

    Args:
        options: of the adapter.
        routes: what it answers.
    """

    def __init__(self, options: ReceiverOptions, routes: Sequence[Route]) -> None:
        self.options: Any = options
        self._emitter: Emitter | None = None
        self._server = HttpReceiver(options, routes)
        self.workers: tuple[Worker, ...] = self._server.workers

    @property
    def port(self) -> int:
        """The port it listens on."""
        return self._server.port

    async def open(self, emitter: Emitter) -> None:
        """Listen."""
        self._emitter = emitter
        await self._server.open(emitter)

    async def poll(self, emitter: Emitter) -> None:
        """Samples are pushed; raises AdapterError if nothing can come any more."""
        self._server.check()

    async def close(self) -> None:
        """Finish what was accepted, then stop listening."""
        await self._server.close()
