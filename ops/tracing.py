"""Traces by OpenTelemetry, for processes that are asked for them; the job itself makes none.

They go to where the standard's own variable says, `OTEL_EXPORTER_OTLP_ENDPOINT` (OTLP over HTTP);
without it nothing is loaded and nothing is made. `PADIT_TRACE_SHARE` is the share of samples that
are traced, 0.001 by default; alerts and deliveries all are. Identities come from `domain.traces`.
"""

import os
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from typing import Any

from padit.domain.errors import ConfigurationError
from padit.domain.traces import TraceIds, traceparent

__all__ = ["ENDPOINT", "SHARE", "Traces", "propagate", "traces_of"]

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
SHARE = "PADIT_TRACE_SHARE"
_DEFAULT_SHARE = 0.001
_MOST_LINKS = 64


class Traces:
    """Makes spans with known identities.

    Args:
        service: name of this process for people.
        share: of samples that are traced, 0 to 1.

    Attributes:
        share: as given.
    """

    def __init__(self, service: str, share: float) -> None:
        from opentelemetry import trace
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
        from opentelemetry.sdk.trace.sampling import ALWAYS_ON

        self.share = share
        self._api = trace
        self._next = threading.local()
        chosen, random = self._next, RandomIdGenerator()

        class Ids(RandomIdGenerator):  # type: ignore[misc]
            """The identity of the span that is begun, if it has one."""

            def generate_trace_id(self) -> int:
                ids: TraceIds | None = getattr(chosen, "ids", None)
                return ids[0] if ids is not None else random.generate_trace_id()

            def generate_span_id(self) -> int:
                ids: TraceIds | None = getattr(chosen, "ids", None)
                return ids[1] if ids is not None else random.generate_span_id()

        resource = Resource.create({"service.name": service, "service.namespace": "padit"})
        self._provider = TracerProvider(sampler=ALWAYS_ON, resource=resource, id_generator=Ids())
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer("padit")

    def begin(
        self,
        name: str,
        ids: TraceIds | None = None,
        *,
        parent: TraceIds | None = None,
        links: Iterable[TraceIds] = (),
        start: float | None = None,
        about: Mapping[str, Any] | None = None,
    ) -> Any:
        """A span that has begun; its `end` is the caller's.

        Args:
            name: what is done.
            ids: of the first span of a trace; None: a new one, below `parent`.
            parent: the span that it belongs to.
            links: spans that led to it; at most 64 are kept.
            start: moment, epoch seconds; None: now.
            about: attributes.
        """
        context = self._api.set_span_in_context(
            self._api.INVALID_SPAN if parent is None else self._remote(parent)
        )
        found = [self._api.Link(self._remote(one).get_span_context()) for one in links]
        self._next.ids = ids
        try:
            return self._tracer.start_span(
                name,
                context,
                links=found[:_MOST_LINKS],
                attributes={f"padit.{key}": value for key, value in (about or {}).items()},
                start_time=None if start is None else int(start * 1e9),
            )
        finally:
            self._next.ids = None

    @contextmanager
    def current(self, span: Any) -> Iterator[None]:
        """The span is the open one meanwhile, for logs and requests; ended after it."""
        with self._api.use_span(span, end_on_exit=True):
            yield

    def close(self) -> None:
        """Send what is left; waits a few seconds at most."""
        self._provider.shutdown()

    def _remote(self, ids: TraceIds) -> Any:
        flags = self._api.TraceFlags(self._api.TraceFlags.SAMPLED)
        return self._api.NonRecordingSpan(
            self._api.SpanContext(ids[0], ids[1], is_remote=True, trace_flags=flags)
        )


def traces_of(service: str) -> Traces | None:
    """Traces of this process; None where nobody asks for them.

    Raises:
        ConfigurationError: the share is no number from 0 to 1, or a library is not installed.
    """
    if not os.environ.get(ENDPOINT):
        return None
    given = os.environ.get(SHARE, "")
    try:
        share = float(given) if given else _DEFAULT_SHARE
        if not 0.0 <= share <= 1.0:
            raise ValueError(given)
    except ValueError as error:
        message = f"{SHARE} is {given!r}; it is a share of samples, from 0 to 1"
        raise ConfigurationError(message) from error
    try:
        return Traces(service, share)
    except ModuleNotFoundError as error:
        message = f"{ENDPOINT} is set, and traces need {error.name}: pip install 'padit[telemetry]'"
        raise ConfigurationError(message) from error


def propagate(request: Any) -> None:
    """Give a request the header that names the open span; nothing where none is open.

    Args:
        request: anything with `headers`.
    """
    trace = sys.modules.get("opentelemetry.trace")
    if trace is None:
        return
    context = trace.get_current_span().get_span_context()
    headers: MutableMapping[str, str] = request.headers
    if context.is_valid and "traceparent" not in headers:
        headers["traceparent"] = traceparent((context.trace_id, context.span_id))
