"""OTLP metrics over gRPC, `MetricsService/Export`: access is checked before a message is read.

An interceptor refuses calls by their headers alone: UNAUTHENTICATED, UNAVAILABLE while the way to
Kafka is blocked, RESOURCE_EXHAUSTED while `max_waiting` writes wait, the latter two with RetryInfo,
which exporters follow. A call that passes has `body_timeout_sec` for its message, of
`max_body_bytes` at most; it is deserialised in the receiver's thread. At most `4 x max_waiting`
calls are open at the same time.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, NamedTuple

import grpc
from google.protobuf import any_pb2, duration_pb2
from google.rpc import error_details_pb2, status_pb2

from padit.adapters.base import Emitter
from padit.adapters.errors import AdapterError
from padit.adapters.receiver import ReceiverOptions, allowed, tokens_of
from padit.adapters.threads import Worker
from padit.codecs.bodies import BadRequestError

__all__ = ["GrpcReceiver"]

_SERVICE = "opentelemetry.proto.collector.metrics.v1.MetricsService"


class GrpcReceiver:
    """The server.

    Args:
        options: where to listen and which tokens to accept.
        take: the bytes of a request to those of its answer; runs in the thread of `worker`,
            may raise BadRequestError.
        worker: a thread for the writes.
    """

    def __init__(
        self, options: ReceiverOptions, take: Callable[[bytes], bytes], worker: Worker
    ) -> None:
        self._options = options
        self._take = take
        self._worker = worker
        self._server: Any = None
        self._ended: asyncio.Task[bool] | None = None

    async def open(self, emitter: Emitter, port: int) -> int:
        """Listen; the port. Raises AdapterError if it or a file cannot be used."""
        options = self._options
        gate = _Gate(options, emitter, tokens_of(options))
        self._server = server = grpc.aio.server(
            interceptors=[gate],
            options=[
                ("grpc.max_receive_message_length", options.max_body_bytes),
                ("grpc.so_reuseport", 0),
            ],
            maximum_concurrent_rpcs=4 * options.max_waiting,
        )
        export = grpc.stream_unary_rpc_method_handler(self._export(emitter, gate))
        server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler(_SERVICE, {"Export": export}),)
        )
        place = f"{options.host}:{port}"
        try:
            if options.certificate:
                found: int = server.add_secure_port(place, _credentials(options))
            else:
                found = server.add_insecure_port(place)
        except (RuntimeError, OSError) as error:
            message = f"cannot listen on {place}: {error}"
            raise AdapterError(message, cause="port_taken") from error
        await server.start()
        self._ended = asyncio.create_task(server.wait_for_termination())
        return found

    def check(self) -> None:
        """Raise AdapterError if it listens no longer."""
        if self._ended is None or self._ended.done():
            message = f"{self._options.host}: the gRPC server has ended"
            raise AdapterError(message, cause="ended")

    async def close(self) -> None:
        """Finish what was accepted, then stop listening."""
        server, self._server = self._server, None
        if server is not None:
            await server.stop(grace=2)
        if self._ended is not None:
            self._ended.cancel()
            self._ended = None

    def _export(self, emitter: Emitter, gate: "_Gate") -> Callable[..., Awaitable[bytes]]:
        # A unary call for clients; taken as a stream, because only so the wait for its message
        # can be given up.
        async def export(messages: AsyncIterator[bytes], context: Any) -> bytes:
            request = await self._message(messages, context, emitter)
            if (found := gate.refusal()) is not None:  # it may have changed meanwhile
                await gate.refuse(context, found)
            gate.waiting += 1
            try:
                return await self._worker.run(self._take, request)
            except BadRequestError as error:
                emitter.fault("malformed", f"gRPC: {error}")
                text = str(error)[:1000].encode("utf-8", "replace").decode("utf-8")
                await context.abort(grpc.StatusCode.INVALID_ARGUMENT, text)
            finally:
                gate.waiting -= 1
            return b""

        return export

    async def _message(
        self, messages: AsyncIterator[bytes], context: Any, emitter: Emitter
    ) -> bytes:
        try:
            async with asyncio.timeout(self._options.body_timeout_sec) as limit:
                async for message in messages:
                    return message
        except TimeoutError:
            if not limit.expired():
                raise
            emitter.fault("slow", f"a message of {context.peer()} that did not come in time")
            await context.abort(grpc.StatusCode.DEADLINE_EXCEEDED, "no message in time")
        return b""


class _Gate(grpc.aio.ServerInterceptor):  # type: ignore[misc]
    """Lets a call pass, or answers it without reading its message."""

    def __init__(
        self, options: ReceiverOptions, emitter: Emitter, tokens: tuple[bytes, ...]
    ) -> None:
        self._options = options
        self._emitter = emitter
        self._tokens = tokens
        self.waiting = 0

    async def intercept_service(
        self, continuation: Callable[[Any], Awaitable[Any]], handler_call_details: Any
    ) -> Any:
        """The handler of a call."""
        metadata = dict(handler_call_details.invocation_metadata or ())
        if not allowed(self._tokens, str(metadata.get("authorization", ""))):
            return grpc.stream_unary_rpc_method_handler(self._unauthenticated)
        if (found := self.refusal()) is not None:

            async def later(_messages: Any, context: Any) -> bytes:
                return await self.refuse(context, found)

            return grpc.stream_unary_rpc_method_handler(later)
        handler = await continuation(handler_call_details)
        if handler is None:  # gRPC answers UNIMPLEMENTED
            method = str(handler_call_details.method)[:100]
            self._emitter.fault("wrong_path", f"gRPC {method}: there is /{_SERVICE}/Export")
        return handler

    async def _unauthenticated(self, _messages: Any, context: Any) -> bytes:
        self._emitter.fault("unauthorized", f"a write from {context.peer()} without a valid token")
        await context.abort(grpc.StatusCode.UNAUTHENTICATED, "a valid token is needed")
        return b""

    def refusal(self) -> "_Refusal | None":
        """Why no write may come in now; None if one may."""
        if not self._emitter.ready():
            text = "writers have to wait: the buffer is nearly full"
            return _Refusal("blocked", text, grpc.StatusCode.UNAVAILABLE, "the buffer is full")
        if self.waiting >= self._options.max_waiting:
            text = "writers have to wait: too many at the same time"
            return _Refusal("busy", text, grpc.StatusCode.RESOURCE_EXHAUSTED, "too many writes")
        return None

    async def refuse(self, context: Any, why: "_Refusal") -> bytes:
        """Refuse, with the time of a retry: without RetryInfo exporters drop their data."""
        self._emitter.fault(why.cause, why.message)
        delay = duration_pb2.Duration(seconds=self._options.retry_after_sec)
        packed = any_pb2.Any()
        packed.Pack(error_details_pb2.RetryInfo(retry_delay=delay))
        status = status_pb2.Status(code=why.code.value[0], message=why.text, details=[packed])
        context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
        await context.abort(why.code, f"{why.text}, try later")
        return b""


class _Refusal(NamedTuple):
    """Cause and message of the fault, status and text of the answer."""

    cause: str
    message: str
    code: Any
    text: str


def _credentials(options: ReceiverOptions) -> Any:
    try:
        with open(options.private_key or options.certificate, "rb") as key:
            private = key.read()
        with open(options.certificate, "rb") as file:
            chain = file.read()
    except OSError as error:
        message = f"certificate {options.certificate} cannot be used: {error}"
        raise AdapterError(message, cause="certificate") from error
    return grpc.ssl_server_credentials([(private, chain)])
