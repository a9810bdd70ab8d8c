"""HTTP endpoints: how long each phase takes, whether the answer is right, how it fails.

For every URL and poll: `http_up` (1 or 0; 1 means an expected status and a body that meets its
assertions), `http_status`, `http_response_ms` and its parts `http_dns_ms`, `http_connect_ms`,
`http_tls_ms`, `http_first_byte_ms`, and `http_certificate_days`, which is negative after the
expiry, when `http_up` is 0 too. Redirects are followed: the status is that of the last answer, the
times are sums over all hops, the certificate is the one that ends first, and each hop has its own
`http_hop_ms{hop="1"}`. A failure has no times but the one it took, `http_response_ms`, so that a
server that stalls until the time-out shows as slow; the metadata of its `http_up` contains where
(`dns`, `connect`, `tls`, `first_byte`, `body`) and why.

The unit of the books is the request of one target at one poll, redirects included: it is an
`http_up` of 1, or an `http_up` of 0 and one fault.
"""

import asyncio
import ssl
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, ClassVar, NamedTuple

import httpcore
import httpx
from cryptography import x509
from pydantic import Field, model_validator

from padit.adapters.base import AdapterOptions, Emitter, Seconds, now
from padit.adapters.errors import AdapterError
from padit.adapters.http_target import (
    Target,
    authorization,
    keep_headers_at_home,
    shown_url,
    source_of,
    text_of,
)
from padit.adapters.http_timing import Phases, TimingTransport, certificate_of
from padit.adapters.patterns import Searcher
from padit.domain.metric import Metric, MetricType

__all__ = ["HttpAdapter", "HttpOptions"]

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


class HttpOptions(AdapterOptions):
    """Options of the `http` adapter."""

    urls: tuple[str, ...] = Field(
        default=(), description="URLs to ask for, without further expectations."
    )
    targets: tuple[Target, ...] = Field(default=(), description="URLs with expectations.")
    request_timeout_sec: Seconds = Field(
        default=5.0, description="Seconds after which one request is given up, redirects included."
    )
    follow_redirects: bool = Field(
        default=True, description="Follow redirects; false judges the first answer."
    )
    max_redirects: int = Field(
        default=10, ge=1, le=100, description="Redirects of one request; one more is a fault."
    )
    pattern_timeout_sec: Seconds = Field(
        default=3.0, description="Seconds after which the search for `matches` is given up."
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
        description="Headers of every request; a redirect to another host gets no other than "
        "`user-agent`, `accept`, `accept-encoding` and `content-type`.",
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


class _Hop(NamedTuple):
    """One request of a chain of redirects."""

    url: str
    status: int
    seconds: float


class _Answer:
    """The outcome of one request, redirects included."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.url = httpx.URL(target.url)
        self.phases = Phases()
        self.seconds_of: dict[str, float] = {}
        self.certificates: list[bytes] = []
        self.hops: list[_Hop] = []
        self.status = 0
        self.body = b""
        self.content_type = ""
        self.fault = ""
        self.message = ""
        self.begun = now()
        self.seconds = 0.0

    def end_hop(self, begin: float) -> None:
        """Add what one request of the chain took."""
        for phase, seconds in self.phases.seconds.items():
            self.seconds_of[phase] = self.seconds_of.get(phase, 0.0) + seconds
        if self.phases.certificate:
            self.certificates.append(self.phases.certificate)
        seconds = time.perf_counter() - begin
        self.hops.append(_Hop(shown_url(self.url), self.status, seconds))

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
        self._searcher = Searcher(options.pattern_timeout_sec)

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
            emitter.emit(await self._metrics(answer, source))
            if answer.fault:
                emitter.fault(answer.fault, f"{source}: {answer.message}")

        async with asyncio.TaskGroup() as group:
            for position, (target, source) in enumerate(self._targets):
                group.create_task(one(position, target, source))

    async def close(self) -> None:
        """Close what is open."""
        await self._searcher.close()
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
                await self._follow(self._client, answer)
            answer.seconds = time.perf_counter() - begin
            await self._judge(answer)
        except (*_FAILED, AdapterError, TimeoutError) as error:
            answer.seconds = answer.seconds or time.perf_counter() - begin
            answer.fail(error)
        return answer

    async def _follow(self, client: httpx.AsyncClient, answer: _Answer) -> None:
        """The request, and those that its answers redirect to."""
        target, options = answer.target, self.options
        chosen = target.follow_redirects
        follows = options.follow_redirects if chosen is None else chosen
        request: httpx.Request | None = client.build_request(
            target.method, target.url, headers=self._headers(target), content=target.body or None
        )
        seen: set[tuple[str, str]] = set()
        while request is not None:
            place = request.method, str(request.url)
            if place in seen or len(seen) > options.max_redirects:
                cause = "redirect_loop" if place in seen else "too_many_redirects"
                message = f"{cause} after {len(seen)} requests, at {shown_url(request.url)}"
                raise AdapterError(message, cause=cause)
            seen.add(place)
            request = await self._send(client, request, answer, follows)

    def _headers(self, target: Target) -> dict[str, str]:
        if target.auth is None:
            return target.headers
        return {**target.headers, "authorization": authorization(target.auth)}

    async def _send(
        self, client: httpx.AsyncClient, request: httpx.Request, answer: _Answer, follows: bool
    ) -> httpx.Request | None:
        """One request; the one that its answer redirects to, if it is followed."""
        answer.phases, answer.url = Phases(), request.url
        request.extensions = {**request.extensions, "phases": answer.phases}
        begin = time.perf_counter()
        response = await client.send(request, stream=True)
        try:
            answer.status = response.status_code
            answer.phases.phase = "body"
            following = response.next_request if follows else None
            if following is None:
                answer.content_type = response.headers.get("content-type", "")
                answer.body = await self._body(response)
        finally:
            await response.aclose()
            answer.end_hop(begin)
        if following is None:
            return None
        return _checked(following, answer, {**self.options.headers, **answer.target.headers})

    async def _body(self, response: httpx.Response) -> bytes:
        parts, size = [], 0
        async for part in response.aiter_bytes():
            parts.append(part[: self.options.max_body_bytes - size])
            size += len(part)
            if size >= self.options.max_body_bytes:
                break
        return b"".join(parts)

    async def _judge(self, answer: _Answer) -> None:
        """Compare with the expectations of the target."""
        target = answer.target
        if not target.expects(answer.status):
            answer.note("status", f"status {answer.status}")
            return
        if not target.contains and not target.matches:
            return
        text = text_of(answer.body, answer.content_type)
        if target.contains and target.contains not in text:
            answer.note("body", f"the body does not contain {target.contains!r}")
        elif target.matches and not await self._searcher.found(target.matches, text):
            answer.note("body", f"the body does not match {target.matches!r}")

    async def _metrics(self, answer: _Answer, source: str) -> list[Metric]:
        found: list[Metric] = []

        def add(name: str, value: float, unit: str, kind: MetricType, **more: Any) -> None:
            found.append(Metric(answer.begun, source, name, value, unit, kind, "http", more))

        reason = {"error": answer.fault, "detail": answer.message} if answer.fault else {}
        add("http_up", 0.0 if answer.fault else 1.0, "1", "availability", **reason)
        add("http_response_ms", answer.seconds * 1e3, "ms", "latency")
        if answer.status:
            add("http_status", float(answer.status), "1", "custom")
            for phase, seconds in answer.seconds_of.items():
                add(f"http_{phase}_ms", seconds * 1e3, "ms", "latency")
        if len(answer.hops) > 1:
            add("http_redirects", float(len(answer.hops) - 1), "1", "custom")
            for place, hop in enumerate(answer.hops, 1):
                more = {"url": hop.url, "status": hop.status}
                add(f'http_hop_ms{{hop="{place}"}}', hop.seconds * 1e3, "ms", "latency", **more)
        days = await self._certificate_days(answer)
        if days is not None:
            add("http_certificate_days", days, "d", "custom")
        return found

    async def _certificate_days(self, answer: _Answer) -> float | None:
        """Days until the first certificate ends; negative after that, None without TLS."""
        shown = list(answer.certificates)
        if answer.fault == "certificate":
            url, limit = answer.url, self.options.request_timeout_sec
            try:
                shown.append(await certificate_of(url.host, url.port or 443, limit))
            except (OSError, TimeoutError):
                return None
        days = []
        for data in shown:
            try:
                ends = x509.load_der_x509_certificate(data).not_valid_after_utc
            except ValueError:  # no certificate, or one that cannot be read
                continue
            days.append((ends - datetime.now(UTC)).total_seconds() / 86_400)
        return min(days, default=None)


def _checked(request: httpx.Request, answer: _Answer, own: Iterable[str]) -> httpx.Request:
    """A request that an answer redirects to; another host gets no header of the configuration."""
    before, url = answer.url, request.url
    if url.scheme not in ("http", "https") or not url.host:
        message = f"{shown_url(before)} redirects to {shown_url(url)!r}, which is no http URL"
        raise AdapterError(message, cause="redirect")
    keep_headers_at_home(request, before, own)
    return request
