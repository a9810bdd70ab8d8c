"""OTLP metrics over HTTP (`POST /v1/metrics`, protobuf or JSON) and gRPC (`MetricsService`).

What the points become stands in `adapters.otlp_points`. Points that cannot be used are named in
the partial success of the answer; the others are taken. While writers have to wait, HTTP
answers 503 or 429 with Retry-After and gRPC UNAVAILABLE or RESOURCE_EXHAUSTED with RetryInfo,
which exporters follow.
"""

import asyncio
import threading
from typing import Any, ClassVar

import grpc
from google.protobuf import any_pb2, duration_pb2, json_format
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2
from opentelemetry.proto.collector.metrics.v1 import (
    metrics_service_pb2,
    metrics_service_pb2_grpc,
)
from pydantic import Field

from padit.adapters.base import AdapterOptions, Emitter
from padit.adapters.errors import AdapterError
from padit.adapters.otlp_points import Translator
from padit.adapters.receiver import (
    BadRequestError,
    Call,
    ReceiverAdapter,
    ReceiverOptions,
    Reply,
    Route,
    allowed,
    tokens_of,
)
from padit.adapters.series import Namer, Naming

__all__ = ["OtlpAdapter", "OtlpOptions"]

_PROTOBUF = "application/x-protobuf"


class OtlpOptions(ReceiverOptions):
    """Options of the `otlp` adapter."""

    port: int = Field(
        default=4318, ge=0, le=65_535, description="Port of OTLP/HTTP; 0 takes a free one."
    )
    grpc_port: int = Field(
        default=4317, ge=0, le=65_535, description="Port of OTLP/gRPC; 0 takes a free one."
    )
    protocols: tuple[str, ...] = Field(
        default=("http", "grpc"), description="Which to listen for: http, grpc.", min_length=1
    )
    naming: Naming = Field(default=Naming(), description="How attributes become names.")


class OtlpAdapter(ReceiverAdapter):
    """OpenTelemetry metrics, OTLP over HTTP and gRPC."""

    Options: ClassVar[type[AdapterOptions]] = OtlpOptions

    def __init__(self, options: OtlpOptions) -> None:
        super().__init__(options, [Route("POST", "/v1/metrics", self.write)])
        self._translator = Translator(
            Namer(options.naming, options.name), options.naming.max_series
        )
        self._lock = threading.Lock()
        self._grpc: Any = None
        self.grpc_port = options.grpc_port

    async def open(self, emitter: Emitter) -> None:
        """Listen."""
        self._emitter = emitter
        if "http" in self.options.protocols:
            await self._server.open(emitter)
        if "grpc" in self.options.protocols:
            await self._open_grpc(emitter)

    async def close(self) -> None:
        """Finish what was accepted, then stop listening."""
        await self._server.close()
        if self._grpc is not None:
            await self._grpc.stop(grace=2)
            self._grpc = None

    async def _open_grpc(self, emitter: Emitter) -> None:
        options = self.options
        self._grpc = grpc.aio.server(
            options=[("grpc.max_receive_message_length", options.max_body_bytes)]
        )
        service = _Service(self, emitter, tokens_of(options))
        register: Any = metrics_service_pb2_grpc.add_MetricsServiceServicer_to_server
        register(service, self._grpc)
        place = f"{options.host}:{options.grpc_port}"
        try:
            if options.certificate:
                self.grpc_port = self._grpc.add_secure_port(place, _credentials(options))
            else:
                self.grpc_port = self._grpc.add_insecure_port(place)
        except (RuntimeError, OSError) as error:
            message = f"cannot listen on {place}: {error}"
            raise AdapterError(message, cause="port_taken") from error
        await self._grpc.start()

    def write(self, call: Call) -> Reply:
        """Take one HTTP request; raises BadRequestError if it is none."""
        content = call.headers.get("content-type", _PROTOBUF).partition(";")[0].strip().lower()
        request = metrics_service_pb2.ExportMetricsServiceRequest()
        try:
            if content == "application/json":
                json_format.Parse(call.body, request, ignore_unknown_fields=True)
            elif content == _PROTOBUF:
                request.ParseFromString(call.body)
            else:
                return Reply(415, b"application/x-protobuf or application/json", "text/plain")
        except (DecodeError, json_format.ParseError, UnicodeDecodeError, RecursionError) as error:
            message = f"no ExportMetricsServiceRequest: {error}"
            raise BadRequestError(message) from error
        answer = self.take(request)
        if content == "application/json":
            return Reply(200, json_format.MessageToJson(answer, indent=None).encode())
        return Reply(200, answer.SerializeToString(), _PROTOBUF)

    def take(self, request: Any) -> Any:
        """Translate and emit; the answer, with what had to be rejected."""
        with self._lock:
            outcome = self._translator.translate(request)
        answer = metrics_service_pb2.ExportMetricsServiceResponse()
        emitter = self._emitter
        if emitter is None:
            return answer
        emitter.emit(outcome.metrics)
        if outcome.rejected:
            answer.partial_success.rejected_data_points = outcome.rejected
            answer.partial_success.error_message = outcome.reason
            emitter.fault("rejected_point", outcome.reason, outcome.rejected)
        if outcome.stale:
            emitter.fault("stale", "a series ended (no recorded value)", outcome.stale)
        if outcome.old:
            emitter.fault("out_of_order", "a point that is not newer than its last", outcome.old)
        return answer


def _credentials(options: OtlpOptions) -> Any:
    try:
        with open(options.private_key or options.certificate, "rb") as key:
            private = key.read()
        with open(options.certificate, "rb") as file:
            chain = file.read()
    except OSError as error:
        message = f"certificate {options.certificate} cannot be used: {error}"
        raise AdapterError(message, cause="certificate") from error
    return grpc.ssl_server_credentials([(private, chain)])


class _Service(metrics_service_pb2_grpc.MetricsServiceServicer):  # type: ignore[misc]
    """`MetricsService` over gRPC."""

    def __init__(self, adapter: OtlpAdapter, emitter: Emitter, tokens: tuple[bytes, ...]) -> None:
        self._adapter = adapter
        self._emitter = emitter
        self._tokens = tokens
        self._waiting = 0

    async def Export(self, request: Any, context: Any) -> Any:
        """One export; aborts with the status that OTLP gives the reason."""
        metadata = dict(context.invocation_metadata() or ())
        if not allowed(self._tokens, str(metadata.get("authorization", ""))):
            self._emitter.fault("unauthorized", f"a write from {context.peer()} without a token")
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, "a valid token is needed")
        if not self._emitter.ready():
            self._emitter.fault("blocked", "writers are told to wait: the buffer is nearly full")
            await self._later(context, grpc.StatusCode.UNAVAILABLE, "the buffer is full")
        if self._waiting >= self._adapter.options.max_waiting:
            self._emitter.fault("busy", "writers are told to wait: too many at the same time")
            await self._later(context, grpc.StatusCode.RESOURCE_EXHAUSTED, "too many writes")
        self._waiting += 1
        try:
            return await asyncio.to_thread(self._adapter.take, request)
        finally:
            self._waiting -= 1

    async def _later(self, context: Any, code: grpc.StatusCode, why: str) -> None:
        """Refuse, and say when to come back: without RetryInfo exporters drop their data."""
        delay = duration_pb2.Duration(seconds=self._adapter.options.retry_after_sec)
        packed = any_pb2.Any()
        packed.Pack(error_details_pb2.RetryInfo(retry_delay=delay))
        status = status_pb2.Status(code=code.value[0], message=why, details=[packed])
        context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
        await context.abort(code, f"{why}, try later")
