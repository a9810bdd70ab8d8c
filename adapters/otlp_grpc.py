"""OTLP metrics over gRPC, `MetricsService/Export`: access is checked before a message is read.

An interceptor refuses calls by their headers alone: UNAUTHENTICATED, UNAVAILABLE while the way to
Kafka is blocked, RESOURCE_EXHAUSTED while `max_waiting` writes wait, the latter two with RetryInfo,
which exporters follow. A call that passes has `body_timeout_sec` for its message, of
`max_body_bytes` at most; it is deserialised in the receiver's thread. At most `4 x max_waiting`
messages are awaited at the same time; for one more the oldest of these calls is given up, with
RetryInfo. A call has one message: with none or with several nothing of it is taken.

gRPC takes messages of twice `max_body_bytes`, so that those beyond the limit are counted here. What
is larger still it refuses itself, and the call ends without a message (`no_message`).
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
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

_log = logging.getLogger("padit.adapters.receiver")
_INVALID = grpc.StatusCode.INVALID_ARGUMENT
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
        self._calls: _Calls | None = None
        self._ended: asyncio.Task[bool] | None = None

    async def open(self, emitter: Emitter, port: int) -> int:
        """Listen; the port. Raises AdapterError if it or a file cannot be used."""
        options = self._options
        gate = _Gate(options, emitter, tokens_of(options))
        self._server = server = grpc.aio.server(
            interceptors=[gate],
            options=[
                ("grpc.max_receive_message_length", 2 * options.max_body_bytes),
                ("grpc.so_reuseport", 0),
            ],
        )
        self._calls = _Calls(options, emitter, gate, partial(self._worker.run, self._take))
        export = grpc.stream_unary_rpc_method_handler(self._calls.export)
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


class _Calls:
    """Takes one message of each call, or refuses the call with a fault.

    Args:
        options: the limits.
        emitter: counts faults.
        gate: what is refused by headers; asked again once the message is there.
        handle: the bytes of a request to those of its answer; may raise BadRequestError.
    """

    def __init__(
        self,
        options: ReceiverOptions,
        emitter: Emitter,
        gate: "_Gate",
        handle: Callable[[bytes], Awaitable[bytes]],
    ) -> None:
        self._options = options
        self._emitter = emitter
        self._gate = gate
        self._handle = handle
        self._reading: dict[object, asyncio.Timeout] = {}

    async def export(self, messages: AsyncIterator[bytes], context: Any) -> bytes:
        """Answer a call."""
        # A unary call for clients; taken as a stream, because only so the wait for its message
        # can be given up.
        found = await self._message(messages, context)
        if isinstance(found, bytes):
            found = self._gate.refusal() or await self._taken(found)
        return found if isinstance(found, bytes) else await self._gate.refuse(context, found)

    async def _taken(self, request: bytes) -> "bytes | _Refusal":
        self._gate.waiting += 1
        try:
            return await self._handle(request)
        except BadRequestError as error:
            text = str(error)[:1000].encode("utf-8", "replace").decode("utf-8")
            return _Refusal("malformed", f"gRPC: {error}", _INVALID, text)
        except Exception as error:  # a bug of ours: the client may try again, others go on
            _log.debug("a gRPC call failed", exc_info=True)
            text = "this could not be processed"
            return _Refusal("internal", f"gRPC: {error!r}", grpc.StatusCode.INTERNAL, text)
        finally:
            self._gate.waiting -= 1

    async def _message(self, messages: AsyncIterator[bytes], context: Any) -> "bytes | _Refusal":
        """The only message of a call."""
        key, found, peer = object(), list[bytes](), context.peer()  # no peer once it has ended
        if len(self._reading) >= 4 * self._options.max_waiting:
            oldest = next(iter(self._reading))
            self._reading.pop(oldest).reschedule(asyncio.get_running_loop().time())
        try:
            async with asyncio.timeout(self._options.body_timeout_sec) as limit:
                self._reading[key] = limit
                async for message in messages:  # to its end: there may be one too many
                    found.append(message)
                    if len(found) > 1 or len(message) > self._options.max_body_bytes:
                        break
        except TimeoutError:
            if not limit.expired():
                raise
            return self._silent(peer, given_up=key not in self._reading)
        finally:
            self._reading.pop(key, None)
        return self._checked(found, peer)

    def _silent(self, peer: str, *, given_up: bool) -> "_Refusal":
        if given_up:
            text = f"a call of {peer} that sent nothing was given up: too many at the same time"
            code = grpc.StatusCode.RESOURCE_EXHAUSTED
            return _Refusal("busy", text, code, "too many calls without a message", again=True)
        text = f"a message of {peer} that did not come in time"
        return _Refusal("slow", text, grpc.StatusCode.DEADLINE_EXCEEDED, "no message in time")

    def _checked(self, found: list[bytes], peer: str) -> "bytes | _Refusal":
        most = self._options.max_body_bytes
        if not found:
            text = (
                f"a call of {peer} ended without a message: it had none, was cancelled, or its "
                f"message was refused by gRPC, as one of more than {2 * most} bytes is"
            )
            return _Refusal("no_message", text, _INVALID, "the call has no message")
        if len(found[0]) > most:
            text = f"a message of more than {most} bytes (max_body_bytes)"
            code = grpc.StatusCode.RESOURCE_EXHAUSTED
            return _Refusal("too_large", text, code, f"at most {most} bytes")
        if len(found) > 1:
            text = f"a call of {peer} with several messages; none was taken"
            return _Refusal("malformed", text, _INVALID, "a call has one message")
        return found[0]


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
        text = f"a write from {context.peer()} without a valid token"
        code = grpc.StatusCode.UNAUTHENTICATED
        refused = _Refusal("unauthorized", text, code, "a valid token is needed")
        return await self.refuse(context, refused)

    def refusal(self) -> "_Refusal | None":
        """Why no write may come in now; None if one may."""
        if not self._emitter.ready():
            text = "writers have to wait: the buffer is nearly full"
            code = grpc.StatusCode.UNAVAILABLE
            return _Refusal("blocked", text, code, "the buffer is full", again=True)
        if self.waiting >= self._options.max_waiting:
            text = "writers have to wait: too many at the same time"
            code = grpc.StatusCode.RESOURCE_EXHAUSTED
            return _Refusal("busy", text, code, "too many writes", again=True)
        return None

    async def refuse(self, context: Any, why: "_Refusal") -> bytes:
        """Count and refuse a call."""
        self._emitter.fault(why.cause, why.message)
        if not why.again:
            await context.abort(why.code, why.text)
        delay = duration_pb2.Duration(seconds=self._options.retry_after_sec)
        packed = any_pb2.Any()
        packed.Pack(error_details_pb2.RetryInfo(retry_delay=delay))
        status = status_pb2.Status(code=why.code.value[0], message=why.text, details=[packed])
        context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
        await context.abort(why.code, f"{why.text}, try later")
        return b""


class _Refusal(NamedTuple):
    """Cause and message of the fault, status and text of the answer.

    Attributes:
        again: with the time of a retry: without RetryInfo exporters drop their data.
    """

    cause: str
    message: str
    code: Any
    text: str
    again: bool = False


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
