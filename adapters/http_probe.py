"""HTTP endpoints: how long each phase takes, whether the answer is right, how it fails.

For every URL and poll: `http_up` (1 or 0; 1 means an expected status and a body that meets its
assertions), `http_status`, `http_response_ms` and its parts `http_dns_ms`, `http_connect_ms`,
`http_tls_ms`, `http_first_byte_ms`, and `http_certificate_days`, which is negative after the
expiry, when `http_up` is 0 too. A failure has no times but the one it took, `http_response_ms`, so
that a server that stalls until the time-out shows as slow; the metadata of its `http_up` contains
where (`dns`, `connect`, `tls`, `first_byte`, `body`) and why.
"""

import asyncio
import re
import ssl
import time
from datetime import UTC, datetime
from typing import Any, ClassVar, Literal

import httpcore
import httpx
from cryptography import x509
from pydantic import Field, field_validator, model_validator

from padit.adapters.base import AdapterOptions, Emitter, Options, Seconds, now
from padit.adapters.errors import AdapterError
from padit.adapters.http_timing import Phases, TimingTransport, certificate_of
from padit.domain.metric import Metric, MetricType

__all__ = ["HttpAdapter", "HttpOptions", "Target"]

_FAILED = (
    httpx.HTTPError,
    httpx.InvalidURL,
    httpcore.NetworkError,
    httpcore.ProtocolError,
    httpcore.TimeoutException,
    httpcore.UnsupportedProtocol,
    OSError,
    ValueError,
)


class Target(Options):
    """One URL with expectations of its own."""

    url: str = Field(description="What to ask for.", examples=["https://example.org/health"])
    source_id: str = Field(
        default="", description="Source of the samples; by default host, port and path."
    )
    method: Literal["GET", "HEAD", "POST", "PUT", "OPTIONS"] = Field(
        default="GET", description="Method of the request."
    )
    headers: dict[str, str] = Field(default_factory=dict, description="Headers of the request.")
    body: str = Field(default="", description="Body of the request.")
    status: tuple[int, ...] = Field(
        default=(), description="Expected status codes; by default 200 to 399."
    )
    contains: str = Field(default="", description="Text that the body must contain.")
    matches: str = Field(default="", description="Regular expression that the body must match.")

    @field_validator("url")
    @classmethod
    def _is_url(cls, value: str) -> str:
        url = httpx.URL(value)
        if url.scheme not in ("http", "https") or not url.host:
            message = f"{value!r} is no http:// or https:// URL"
            raise ValueError(message)
        return value

    @field_validator("matches")
    @classmethod
    def _compiles(cls, value: str) -> str:
        try:
            re.compile(value)
        except re.error as error:
            message = f"{value!r} is no regular expression: {error}"
            raise ValueError(message) from error
        return value


class HttpOptions(AdapterOptions):
    """Options of the `http` adapter."""

    urls: tuple[str, ...] = Field(
        default=(), description="URLs to ask for, without further expectations."
    )
    targets: tuple[Target, ...] = Field(default=(), description="URLs with expectations.")
    request_timeout_sec: Seconds = Field(
        default=5.0, description="Seconds after which one request is given up."
    )
    concurrency: int = Field(default=100, ge=1, le=1000, description="Requests at the same time.")
    spread: float = Field(
        default=0.8,
        ge=0,
        lt=1,
        description="Share of the interval over which the requests of one poll are spread.",
    )
    max_body_bytes: int = Field(
        default=1_000_000, ge=0, description="Bytes of a body that are read; the rest is left."
    )
    verify: bool = Field(default=True, description="Whether certificates must be valid.")
    ca_file: str = Field(default="", description="PEM file of authorities to trust.")
    headers: dict[str, str] = Field(
        default={"user-agent": "padit", "accept-encoding": "identity"},
        description="Headers of every request.",
    )

    @model_validator(mode="after")
    def _distinct(self) -> "HttpOptions":
        names = [source_of(target) for target in self.all_targets()]
        if not names:
            message = "name at least one URL in `urls` or `targets`"
            raise ValueError(message)
        double = {name for name in names if names.count(name) > 1} if len(names) < 5000 else set()
        if double:
            message = f"{min(double)} is there twice; give one a `source_id` of its own"
            raise ValueError(message)
        return self

    def all_targets(self) -> list[Target]:
        """`urls` and `targets` together."""
        return [*(Target(url=url) for url in self.urls), *self.targets]


def source_of(target: Target) -> str:
    """The source of a target's samples: its `source_id`, or host, port and path."""
    if target.source_id:
        return target.source_id
    url = httpx.URL(target.url)
    port = f":{url.port}" if url.port else ""
    return f"{url.host}{port}{url.path if url.path != '/' else ''}"


class _Answer:
    """The outcome of one request."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.phases = Phases()
        self.status = 0
        self.body = b""
        self.fault = ""
        self.message = ""
        self.begun = now()
        self.seconds = 0.0

    def judge(self) -> None:
        """Compare with the expectations of the target."""
        target = self.target
        expected = self.status in target.status if target.status else 200 <= self.status < 400
        text = self.body.decode(errors="replace")
        if not expected:
            self.note("status", f"status {self.status}")
        elif target.contains and target.contains not in text:
            self.note("body", f"the body does not contain {target.contains!r}")
        elif target.matches and not re.search(target.matches, text):
            self.note("body", f"the body does not match {target.matches!r}")

    def fail(self, error: Exception) -> None:
        """The request ended with an error."""
        phase = self.phases.phase
        if isinstance(error, AdapterError):
            self.note(error.cause, str(error))
        elif isinstance(error, TimeoutError | httpx.TimeoutException | httpcore.TimeoutException):
            self.note("timeout", f"no answer in time, while at {phase}")
        elif _is_certificate(error):
            self.note("certificate", f"{error}")
        else:
            self.note(phase, f"{type(error).__name__}: {error}")

    def note(self, fault: str, message: str) -> None:
        """Keep why it is not up."""
        self.fault, self.message = fault, message[:300]


def _is_certificate(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return True
        if "CERTIFICATE_VERIFY_FAILED" in str(error):
            return True
        error = error.__cause__
    return False


class HttpAdapter:
    """Response times, status, availability and certificates of HTTP endpoints."""

    Options: ClassVar[type[AdapterOptions]] = HttpOptions

    def __init__(self, options: HttpOptions) -> None:
        self.options = options
        self._targets = [(target, source_of(target)) for target in options.all_targets()]
        self._client: httpx.AsyncClient | None = None

    async def open(self, emitter: Emitter) -> None:
        """Load the authorities once; connections are made per request."""
        context = self._context()
        self._client = httpx.AsyncClient(
            transport=TimingTransport(context),
            headers=self.options.headers,
            timeout=self.options.request_timeout_sec,
            follow_redirects=False,
        )

    def _context(self) -> ssl.SSLContext:
        try:
            context = ssl.create_default_context(cafile=self.options.ca_file or None)
        except OSError as error:
            message = f"ca_file {self.options.ca_file} cannot be read: {error}"
            raise AdapterError(message, cause="ca_file") from error
        if not self.options.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context

    async def poll(self, emitter: Emitter) -> None:
        """Ask for everything, spread over the interval."""
        options = self.options
        gate = asyncio.Semaphore(options.concurrency)
        room = min(options.interval_sec, options.timeout_sec - options.request_timeout_sec)
        step = max(0.0, room) * options.spread / len(self._targets)

        async def one(position: int, target: Target, source: str) -> None:
            await asyncio.sleep(position * step)
            async with gate:
                answer = await self._ask(target)
            try:
                emitter.emit(await self._metrics(answer, source))
            except Exception as error:  # a certificate that cannot be read, for one
                emitter.fault("malformed", f"{source}: {error!r}")
            if answer.fault:
                emitter.fault(answer.fault, f"{source}: {answer.message}")

        async with asyncio.TaskGroup() as group:
            for position, (target, source) in enumerate(self._targets):
                group.create_task(one(position, target, source))

    async def close(self) -> None:
        """Close what is open."""
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    async def _ask(self, target: Target) -> _Answer:
        answer = _Answer(target)
        if self._client is None:
            answer.note("closed", "the adapter is closed")
            return answer
        begin = time.perf_counter()
        try:
            async with asyncio.timeout(self.options.request_timeout_sec):
                await self._request(self._client, answer)
            answer.judge()
        except (*_FAILED, AdapterError, TimeoutError) as error:
            answer.fail(error)
        answer.seconds = time.perf_counter() - begin
        return answer

    async def _request(self, client: httpx.AsyncClient, answer: _Answer) -> None:
        target = answer.target
        request = client.build_request(
            target.method, target.url, headers=target.headers, content=target.body or None
        )
        request.extensions["phases"] = answer.phases
        response = await client.send(request, stream=True)
        try:
            answer.status = response.status_code
            answer.phases.phase = "body"
            parts, size = [], 0
            async for part in response.aiter_bytes():
                parts.append(part[: self.options.max_body_bytes - size])
                size += len(part)
                if size >= self.options.max_body_bytes:
                    break
            answer.body = b"".join(parts)
        finally:
            await response.aclose()

    async def _metrics(self, answer: _Answer, source: str) -> list[Metric]:
        found: list[Metric] = []

        def add(name: str, value: float, unit: str, kind: MetricType, **more: Any) -> None:
            found.append(Metric(answer.begun, source, name, value, unit, kind, "http", more))

        reason = {"error": answer.fault, "detail": answer.message} if answer.fault else {}
        add("http_up", 0.0 if answer.fault else 1.0, "1", "availability", **reason)
        add("http_response_ms", answer.seconds * 1e3, "ms", "latency")
        if answer.status:
            add("http_status", float(answer.status), "1", "custom")
            for phase, seconds in answer.phases.seconds.items():
                add(f"http_{phase}_ms", seconds * 1e3, "ms", "latency")
        days = await self._certificate_days(answer)
        if days is not None:
            add("http_certificate_days", days, "d", "custom")
        return found

    async def _certificate_days(self, answer: _Answer) -> float | None:
        """Days until the certificate ends; negative after that, None without TLS."""
        data = answer.phases.certificate
        if not data and answer.fault == "certificate":
            url = httpx.URL(answer.target.url)
            try:
                data = await certificate_of(
                    url.host, url.port or 443, self.options.request_timeout_sec
                )
            except (OSError, TimeoutError):
                return None
        if not data:
            return None
        ends = x509.load_der_x509_certificate(data).not_valid_after_utc
        return (ends - datetime.now(UTC)).total_seconds() / 86_400
