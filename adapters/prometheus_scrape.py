"""Prometheus exporters: scrapes their pages of metrics, as a Prometheus server would.

An item is one page in OpenMetrics 1.0 or the text format 0.0.4, asked for in this order. For
every target and poll: `up` (1 or 0, its metadata says why not), `scrape_duration_seconds` and,
where there was a page, `scrape_samples_scraped`. Targets are asked side by side; one that fails
costs no other. A page that is too large, of another content type, or has more samples than
`sample_limit` is not taken at all, and `up` is 0; a bad line of a good page costs only itself.
What was scraped before a crash is delivered or lost with the publisher; a counter has no rate
until its second scrape after a start.
"""

import asyncio
import base64
import ssl
import time
from typing import ClassVar, NamedTuple

import httpx
from pydantic import Field, field_validator, model_validator

from padit.adapters.base import AdapterOptions, Emitter, Options, Seconds, now
from padit.adapters.errors import AdapterError
from padit.adapters.http_target import http_url, keep_headers_at_home
from padit.adapters.scrape_points import Points, Selection
from padit.adapters.secrets import secret
from padit.adapters.series import Naming
from padit.adapters.threads import Worker
from padit.codecs.bodies import BadRequestError, TooLargeError, decompressed
from padit.codecs.exposition import Exposition, parse
from padit.domain.metric import Metric, MetricType

__all__ = ["PrometheusScrapeAdapter", "PrometheusScrapeOptions", "ScrapeTarget"]

_ACCEPT = (
    "application/openmetrics-text;version=1.0.0;q=0.9,"
    "text/plain;version=0.0.4;q=0.7,text/plain;q=0.5"
)
_FAILED = (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, OSError, ValueError, TimeoutError)


class ScrapeTarget(Options):
    """One page of metrics."""

    url: str = Field(description="What to scrape.", examples=["http://10.0.0.9:9100/metrics"])
    source_id: str = Field(
        default="",
        description="Label `instance` of the samples, and so their source; by default host and "
        "port, and the path unless it is /metrics.",
    )
    labels: dict[str, str] = Field(
        default_factory=dict, description="Labels added to every sample.", examples=[{"site": "a"}]
    )

    @field_validator("url")
    @classmethod
    def _is_url(cls, value: str) -> str:
        http_url(value)
        return value

    @property
    def source(self) -> str:
        """The label `instance`."""
        url = httpx.URL(self.url)
        place = url.netloc.decode("ascii", "replace").rpartition("@")[2]
        return self.source_id or place + (url.path if url.path not in ("/", "/metrics") else "")


class PrometheusScrapeOptions(AdapterOptions):
    """Options of the `prometheus-scrape` adapter."""

    urls: tuple[str, ...] = Field(
        default=(), description="Pages to scrape.", examples=[["http://10.0.0.9:9100/metrics"]]
    )
    targets: tuple[ScrapeTarget, ...] = Field(
        default=(), description="Pages with a source or labels of their own."
    )
    request_timeout_sec: Seconds = Field(
        default=10.0, description="Seconds after which one scrape is given up."
    )
    sample_limit: int = Field(
        default=100_000, ge=1, description="Samples of one page; a page with more is not taken."
    )
    max_body_bytes: int = Field(
        default=32_000_000, ge=1, description="Bytes of one page, when decompressed."
    )
    concurrency: int = Field(default=50, ge=1, le=1000, description="Scrapes at the same time.")
    select: Selection = Field(default=Selection(), description="Which samples are taken.")
    naming: Naming = Field(default=Naming(), description="How labels become names.")
    bearer_token_file: str = Field(
        default="", description="File with a token for `Authorization: Bearer`; read every poll."
    )
    username: str = Field(default="", description="User name for basic authentication.")
    password_file: str = Field(default="", description="File with the password; read every poll.")
    headers: dict[str, str] = Field(
        default={"user-agent": "padit"},
        description="Headers of every request; a redirect to another host gets no other than "
        "`user-agent`, `accept`, `accept-encoding` and `content-type`.",
    )
    verify: bool = Field(default=True, description="Whether certificates must be valid.")
    ca_file: str = Field(default="", description="PEM file of authorities to trust.")
    cert_file: str = Field(default="", description="PEM file of our certificate.")
    key_file: str = Field(default="", description="PEM file of its key.")

    @model_validator(mode="after")
    def _makes_sense(self) -> "PrometheusScrapeOptions":
        names = [target.source for target in self.all_targets()]
        if not names:
            message = "name at least one URL in `urls` or `targets`"
            raise ValueError(message)
        if len(set(names)) < len(names):
            double = next(name for name in names if names.count(name) > 1)
            message = f"{double} stands there twice; give one a `source_id` of its own"
            raise ValueError(message)
        if self.bearer_token_file and self.username:
            message = "`bearer_token_file` and `username` exclude each other"
            raise ValueError(message)
        if self.password_file and not self.username:
            message = "`password_file` needs `username`"
            raise ValueError(message)
        return self

    def all_targets(self) -> list[ScrapeTarget]:
        """`urls` and `targets` together."""
        return [*(ScrapeTarget(url=url) for url in self.urls), *self.targets]


class _Page(NamedTuple):
    """What a target answered, before it is read."""

    body: bytes
    encoding: str
    content_type: str


class PrometheusScrapeAdapter:
    """Metrics pulled from Prometheus exporters and OpenMetrics endpoints."""

    Options: ClassVar[type[AdapterOptions]] = PrometheusScrapeOptions

    def __init__(self, options: PrometheusScrapeOptions) -> None:
        self.options = options
        self._targets = options.all_targets()
        silence = max(60.0, 3 * options.interval_sec)
        self._points = Points(options.select, options.naming, options.name, silence)
        self._client: httpx.AsyncClient | None = None
        self._worker = Worker(f"{options.name}-parse")
        self.workers = (self._worker,)

    async def open(self, emitter: Emitter) -> None:
        """Load certificates; connections are made by the first poll and kept."""
        self._client = httpx.AsyncClient(
            verify=self._context(),
            headers={"accept-encoding": "gzip", "accept": _ACCEPT, **self.options.headers},
            timeout=self.options.request_timeout_sec,
            follow_redirects=True,
            event_hooks={"request": [self._keep_headers]},
            limits=httpx.Limits(max_connections=self.options.concurrency),
        )

    async def _keep_headers(self, request: httpx.Request) -> None:
        """Runs before each request, those of redirects included; they inherit the extension."""
        keep_headers_at_home(request, request.extensions["asked"], self.options.headers)

    def _context(self) -> ssl.SSLContext:
        options = self.options
        try:
            context = ssl.create_default_context(cafile=options.ca_file or None)
            if options.cert_file:
                context.load_cert_chain(options.cert_file, options.key_file or None)
        except OSError as error:
            message = f"ca_file, cert_file or key_file cannot be used: {error}"
            raise AdapterError(message, cause="certificate_file") from error
        if not options.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context

    async def poll(self, emitter: Emitter) -> None:
        """Scrape all targets."""
        headers = self._authorization()
        gate = asyncio.Semaphore(self.options.concurrency)

        async def one(target: ScrapeTarget) -> None:
            async with gate:
                await self._scrape(target, headers, emitter)

        async with asyncio.TaskGroup() as group:
            for target in self._targets:
                group.create_task(one(target))

    async def close(self) -> None:
        """Close all connections."""
        client, self._client = self._client, None
        self._worker.close()
        if client is not None:
            await client.aclose()

    def _authorization(self) -> dict[str, str]:
        options = self.options
        if options.bearer_token_file:
            return {"authorization": f"Bearer {secret(options.bearer_token_file)}"}
        if not options.username:
            return {}
        password = secret(options.password_file) if options.password_file else ""
        pair = base64.b64encode(f"{options.username}:{password}".encode()).decode()
        return {"authorization": f"Basic {pair}"}

    async def _scrape(
        self, target: ScrapeTarget, headers: dict[str, str], emitter: Emitter
    ) -> None:
        """One scrape; whatever fails is `up` 0 of this target."""
        begun, begin = now(), time.perf_counter()
        taken: list[Metric] = []
        scraped: int | None = None
        fault = message = ""
        try:
            async with asyncio.timeout(self.options.request_timeout_sec):
                page = await self._fetch(target, headers)
            seconds = time.perf_counter() - begin
            taken, scraped = await self._worker.run(self._read, page, target, begun, emitter)
        except AdapterError as error:
            seconds = time.perf_counter() - begin
            fault, message = error.cause, str(error)
        except _FAILED as error:
            seconds = time.perf_counter() - begin
            late = isinstance(error, TimeoutError | httpx.TimeoutException)
            fault = "timeout" if late else "connect"
            limit = self.options.request_timeout_sec
            message = f"no page within {limit:g} s" if late else f"{type(error).__name__}: {error}"
        reason = {"error": fault, "detail": message[:300]} if fault else {}

        def own(name: str, value: float, unit: str, kind: MetricType) -> Metric:
            more = reason if name == "up" else {}
            return Metric(begun, target.source, name, value, unit, kind, "prometheus", more)

        taken.append(own("up", 0.0 if fault else 1.0, "1", "availability"))
        taken.append(own("scrape_duration_seconds", seconds, "s", "latency"))
        if scraped is not None:
            taken.append(own("scrape_samples_scraped", float(scraped), "1", "custom"))
        emitter.emit(taken)
        if fault:
            emitter.fault(fault, f"{target.source}: {message}")

    async def _fetch(self, target: ScrapeTarget, headers: dict[str, str]) -> _Page:
        if self._client is None:
            message = "the adapter is closed"
            raise AdapterError(message, cause="closed")
        most = self.options.max_body_bytes
        asked = {"asked": httpx.URL(target.url)}
        async with self._client.stream(
            "GET", target.url, headers=headers, extensions=asked
        ) as response:
            if response.status_code != 200:
                message = f"status {response.status_code}"
                raise AdapterError(message, cause="status")
            parts, size = [], 0
            async for part in response.aiter_raw():
                parts.append(part)
                size += len(part)
                if size > most:
                    raise _too_large(most)
        return _Page(
            b"".join(parts),
            response.headers.get("content-encoding", ""),
            response.headers.get("content-type", ""),
        )

    def _read(
        self, page: _Page, target: ScrapeTarget, begun: float, emitter: Emitter
    ) -> tuple[list[Metric], int]:
        """(metrics, samples of the page); in the worker's thread."""
        options = self.options
        kind = page.content_type.partition(";")[0].strip().lower()
        if kind not in ("", "text/plain", "application/openmetrics-text"):
            message = f"content-type {kind[:60]!r}; text/plain and application/openmetrics-text"
            raise AdapterError(message + " are read", cause="content_type")
        try:
            body = decompressed(page.body, page.encoding, options.max_body_bytes)
        except TooLargeError as error:
            raise _too_large(options.max_body_bytes) from error
        except BadRequestError as error:
            raise AdapterError(str(error), cause="malformed") from error
        openmetrics = kind == "application/openmetrics-text"
        found = parse(body, openmetrics=openmetrics, most=options.sample_limit)
        if found.over:
            message = f"more than {options.sample_limit} samples: raise `sample_limit`"
            raise AdapterError(message, cause="sample_limit")
        _say_refused(found, target.source, emitter)

        labels = tuple(sorted({**target.labels, "instance": target.source}.items()))
        taken = self._points.metrics(found, labels, begun, _OfTarget(emitter, target.source))
        return taken.metrics, len(found.samples)


class _OfTarget:
    """An emitter's books, with the target in every message."""

    def __init__(self, emitter: Emitter, source: str) -> None:
        self._emitter = emitter
        self._source = source

    def fault(self, cause: str, message: str, count: int = 1) -> None:
        self._emitter.fault(cause, f"{self._source}: {message}", count)

    def unwatched(self, what: str, message: str, count: int = 1) -> None:
        self._emitter.unwatched(what, f"{self._source}: {message}", count)


def _say_refused(found: Exposition, source: str, emitter: Emitter) -> None:
    if found.refused_count:
        named = "; ".join(f"line {line}" for line in found.refused[:3])
        more = found.refused_count - 3
        named += f"; and {more} more" if more > 0 else ""
        emitter.fault("malformed", f"{source}: {named}", found.refused_count)
    if not found.complete:
        emitter.fault("incomplete", f"{source}: `# EOF` is missing: the page may be cut")


def _too_large(most: int) -> AdapterError:
    message = f"the page has more than {most} bytes: raise `max_body_bytes`"
    return AdapterError(message, cause="too_large")
