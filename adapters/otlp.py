"""OTLP metrics over HTTP (`POST /v1/metrics`, protobuf or JSON) and gRPC (`adapters.otlp_grpc`).

See `adapters.otlp_points` for what the points become, and `adapters.otlp_names` for their names.
Points that cannot be used are named in the partial success of the answer, with reasons and counts;
the others are taken. While writers have to wait, HTTP
answers 503 or 429 with Retry-After and gRPC UNAVAILABLE or RESOURCE_EXHAUSTED with RetryInfo,
which exporters follow.
"""

import threading
from typing import ClassVar

from pydantic import Field

from padit.adapters.base import AdapterOptions, Emitter
from padit.adapters.otlp_grpc import GrpcReceiver
from padit.adapters.otlp_names import OtlpNaming
from padit.adapters.otlp_points import FIRST, NOTHING, REPEATED, STALE, Translator
from padit.adapters.receiver import Call, ReceiverAdapter, ReceiverOptions, Reply, Route
from padit.adapters.refusals import Refusals
from padit.adapters.threads import Worker
from padit.codecs.otlp_bodies import JSON, PROTOBUF, read_request, write_response

__all__ = ["OtlpAdapter", "OtlpOptions"]

_UNWATCHED = {
    FIRST: "the first point of a counter; its rate begins with the next",
    REPEATED: "a point that was sent before",
    STALE: "a series ended (no recorded value)",
    NOTHING: "a point without a value that is finite, such as a summary of no observations",
}


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
    naming: OtlpNaming = Field(default=OtlpNaming(), description="How attributes become names.")


class OtlpAdapter(ReceiverAdapter):
    """OpenTelemetry metrics, OTLP over HTTP and gRPC."""

    Options: ClassVar[type[AdapterOptions]] = OtlpOptions

    def __init__(self, options: OtlpOptions) -> None:
        super().__init__(options, [Route("POST", "/v1/metrics", self.write)])
        self._translator = Translator(options.naming, options.name)
        self._lock = threading.Lock()
        calls = Worker(f"{options.name} gRPC")
        self._grpc = GrpcReceiver(options, self.export, calls)
        self.workers = (*self.workers, calls)
        self.grpc_port = options.grpc_port

    async def open(self, emitter: Emitter) -> None:
        """Listen."""
        self._emitter = emitter
        if "http" in self.options.protocols:
            await self._server.open(emitter)
        if "grpc" in self.options.protocols:
            self.grpc_port = await self._grpc.open(emitter, self.grpc_port)

    async def poll(self, emitter: Emitter) -> None:
        """Points are pushed; raises AdapterError if none can come any more."""
        if "http" in self.options.protocols:
            self._server.check()
        if "grpc" in self.options.protocols:
            self._grpc.check()

    async def close(self) -> None:
        """Finish what was accepted, then stop listening."""
        await self._server.close()
        await self._grpc.close()
        for worker in self.workers:
            worker.close()

    def write(self, call: Call) -> Reply:
        """Take one HTTP request; raises BadRequestError if it is none."""
        content = call.headers.get("content-type", PROTOBUF).partition(";")[0].strip().lower()
        if content not in (JSON, PROTOBUF):
            return Reply(415, f"{PROTOBUF} or {JSON}".encode(), "text/plain")
        return Reply(200, write_response(*self.take(call.body, content), content), content)

    def export(self, body: bytes) -> bytes:
        """Take one gRPC message; raises BadRequestError if it is none."""
        return write_response(*self.take(body, PROTOBUF), PROTOBUF)

    def take(self, body: bytes, content: str) -> tuple[int, str]:
        """Read, translate and emit; how many points were rejected, and why."""
        refused = Refusals()
        request = read_request(body, content, lambda count, reason: refused.add(reason, count))
        with self._lock:
            outcome = self._translator.translate(request, refused)
        emitter = self._emitter
        if emitter is not None:
            emitter.emit(outcome.metrics)
            if refused.total:
                emitter.fault("rejected_point", refused.text(), refused.total)
            for what, (name, count) in outcome.unwatched.items():
                emitter.unwatched(what, f"{name}: {_UNWATCHED[what]}", count)
        return refused.total, refused.text()
