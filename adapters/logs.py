"""Application logs: records for the log store, and metrics of every service.

Lines come from files (`adapters.log_tail`) or by `POST /api/v1/logs`: a JSON object, an array
of objects, or one object per line. Every record goes to the topic `logs.ingestion`, keyed by
its service. Every poll gives, per service and for the time since the poll before:
`log_rate_per_s`, `log_error_ratio`, `log_latency_p50_ms`, `_p95_ms` and `_p99_ms` where records
have a latency, and `log_new_templates`: messages of a kind that was never seen before, counted
after a time of learning. A service that stops logging is reported with rate 0 for an hour.

Records are also kept on disk (`adapters.log_store`), and found by `GET /api/v1/logs` with
`service`, `level`, `q` (words), `from`, `to` and `limit`, newest first. A disk that is full
costs the search, not the records on the topic.
"""

import re
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import msgspec
import numpy as np
from pydantic import Field, field_validator

from padit.adapters.base import AdapterOptions, Emitter, Options, now
from padit.adapters.errors import AdapterError
from padit.adapters.log_store import LogStore, Search, SlowSearchError
from padit.adapters.log_tail import Tail
from padit.adapters.receiver import Call, ReceiverAdapter, ReceiverOptions, Reply, Route
from padit.adapters.threads import Worker
from padit.codecs.bodies import BadRequestError
from padit.codecs.log_lines import LogRecord, from_object, level_of, objects_of, parse_line
from padit.domain.metric import Metric, MetricType
from padit.domain.timestamps import parse_timestamp

__all__ = ["LogFile", "LogsAdapter", "LogsOptions", "ServiceWindow"]

_MOST_LATENCIES = 100_000
_MOST_TEMPLATES = 20_000
_MOST_FOUND = 10_000
_FORGET_AFTER_SEC = 3600.0


class LogFile(Options):
    """Files to follow."""

    path: str = Field(description="Path; * and ** match.", examples=["/var/log/shop/*.log"])
    service: str = Field(
        default="", description="Service of lines that name none; by default the file's name."
    )
    pattern: str = Field(
        default="",
        description="Expression for plain lines, with the groups timestamp, service, level, "
        "message, latency_ms; others become attributes.",
    )
    from_start: bool = Field(default=False, description="Read what is there already.")

    @field_validator("pattern")
    @classmethod
    def _compiles(cls, value: str) -> str:
        try:
            re.compile(value)
        except re.error as error:
            message = f"{value!r} is no regular expression: {error}"
            raise ValueError(message) from error
        return value


class LogsOptions(ReceiverOptions):
    """Options of the `logs` adapter."""

    interval_sec: float = Field(default=5.0, gt=0, description="Seconds from poll to poll.")
    listen: bool = Field(default=True, description="Whether to accept logs over HTTP.")
    port: int = Field(default=8090, ge=0, le=65_535, description="Port; 0 takes a free one.")
    files: tuple[LogFile, ...] = Field(default=(), description="Files to follow.")
    state_dir: str = Field(
        default="", description="Where read positions are kept over restarts; none by default."
    )
    topic: str = Field(default="logs.ingestion", description="Topic of the records.")
    learn_sec: float = Field(
        default=300.0, ge=0, description="Seconds in which a service's templates are learned."
    )
    max_services: int = Field(default=10_000, ge=1, description="Services with metrics.")
    store_dir: str = Field(
        default=".padit/logs",
        description="Directory of the searchable store, each adapter in a folder of its name; "
        "empty keeps nothing.",
    )
    store_mb: float = Field(
        default=512.0, ge=1, description="Largest size of the store, MB; the oldest goes first."
    )
    store_days: int = Field(default=7, ge=1, description="Days that records can be found.")


class ServiceWindow:
    """The records of one service since the last poll."""

    def __init__(self, born: float) -> None:
        self.born = born
        self.last = born
        self.known: set[str] = set()
        self.reset()

    def reset(self) -> None:
        """Begin the next window."""
        self.count = self.errors = self.news = 0
        self.latencies: list[float] = []

    def add(self, record: LogRecord, moment: float) -> None:
        """Count one record."""
        self.last = moment
        self.count += 1
        self.errors += record.is_error
        if record.latency_ms is not None and len(self.latencies) < _MOST_LATENCIES:
            self.latencies.append(record.latency_ms)
        if record.template not in self.known and len(self.known) < _MOST_TEMPLATES:
            self.known.add(record.template)
            self.news += 1


class LogsAdapter(ReceiverAdapter):
    """Log files and posted logs: searchable records, and metrics per service."""

    Options: ClassVar[type[AdapterOptions]] = LogsOptions

    def __init__(self, options: LogsOptions) -> None:
        routes = [
            Route("POST", "/api/v1/logs", self.write),
            Route("GET", "/api/v1/logs", self.find, needs="token"),
        ]
        super().__init__(options, routes)
        self._files = Worker(f"{options.name} files")
        self.workers = (*self.workers, self._files)
        self._windows: dict[str, ServiceWindow] = {}
        self._lock = threading.Lock()
        self._store: LogStore | None = None
        self._tails: list[tuple[LogFile, Any, Tail]] = []
        self._polled = 0.0

    async def open(self, emitter: Emitter) -> None:
        """Listen, and find the files."""
        self._emitter = emitter
        self._polled = time.monotonic()
        options = self.options
        if options.store_dir and self._store is None:
            place = Path(options.store_dir) / options.name
            self._store = LogStore(place, int(options.store_mb * 1e6), options.store_days)
        if not self._tails:  # after a failure reading goes on where it stopped
            self._tails = [self._tail(i, file) for i, file in enumerate(self.options.files)]
        await self._files.run(self._follow)
        if self.options.listen:
            await self._server.open(emitter)

    def _tail(self, position: int, file: LogFile) -> tuple[LogFile, Any, Tail]:
        state = None
        if self.options.state_dir:
            directory = Path(self.options.state_dir)
            try:
                directory.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                message = f"state_dir {directory} cannot be made: {error}"
                raise AdapterError(message, cause="state_dir") from error
            state = directory / f"{self.options.name}-{position}.json"
        pattern = re.compile(file.pattern) if file.pattern else None
        return file, pattern, Tail(file.path, from_start=file.from_start, state=state)

    async def poll(self, emitter: Emitter) -> None:
        """Read what the files have got, then report the window."""
        if self.options.listen:
            self._server.check()
        await self._files.run(self._follow)
        moment = time.monotonic()
        seconds, self._polled = max(moment - self._polled, 1e-3), moment
        with self._lock:
            emitter.emit(self._report(seconds, moment))

    async def close(self) -> None:
        """Stop listening, note positions, close the files."""
        await self._server.close()
        for _, _, tail in self._tails:
            tail.close()
        if self._store is not None:
            await self._files.run(self._store.close)
        self._files.close()

    def write(self, call: Call) -> Reply:
        """Take posted logs; raises BadRequestError if they are none."""
        objects, refused = objects_of(call.body)
        if refused and not objects:
            raise BadRequestError(refused[0])
        received = now()
        records = []
        for fields in objects:
            record = self._parsed(from_object, fields, "unknown", received)
            if record is None:
                refused.append("a record cannot be read")
            else:
                records.append(record)
        self._take(records)
        if refused and self._emitter is not None:
            self._emitter.fault("malformed", f"a posted record: {refused[0]}", len(refused))
        body = msgspec.json.encode({"accepted": len(records), "rejected": len(refused)})
        return Reply(202 if records or not refused else 400, body)

    def _parsed(self, parse: Callable[..., LogRecord], *arguments: Any) -> LogRecord | None:
        """One record; None after an unexpected error, which never costs the others."""
        try:
            return parse(*arguments)
        except Exception as error:
            if self._emitter is not None:
                self._emitter.fault("internal", f"a record cannot be read: {error!r}")
            return None

    def find(self, call: Call) -> Reply:
        """Answer a search; raises BadRequestError if it is none."""
        if self._store is None:
            return Reply(404, b"nothing is kept for search: set store_dir", "text/plain")
        try:
            found = self._store.search(_search(call.query))
        except SlowSearchError as error:
            message = f"{error}; narrow it by from, to or service"
            raise BadRequestError(message) from error
        return Reply(200, b'{"logs":[' + b",".join(found) + b"]}")

    def _follow(self) -> None:
        for file, pattern, tail in self._tails:
            received = now()
            records = []
            for path, line in tail.read():
                text = line.decode("utf-8", "replace").rstrip("\r")
                if text.strip():
                    service = file.service or Path(path).name.partition(".")[0]
                    record = self._parsed(parse_line, text, service, received, pattern)
                    if record is not None:
                        records.append(record)
                if len(records) >= 5_000:
                    self._take(records)
                    records = []
            self._take(records)
            tail.save()

    def _take(self, records: list[LogRecord]) -> None:
        emitter = self._emitter
        if emitter is None or not records:
            return
        moment = time.monotonic()
        with self._lock:
            for record in records:
                window = self._windows.get(record.service)
                if window is None and len(self._windows) < self.options.max_services:
                    window = self._windows[record.service] = ServiceWindow(moment)
                if window is None:
                    emitter.fault("services", "more services than max_services have metrics")
                else:
                    window.add(record, moment)
        self._pass_on(records, emitter)

    def _pass_on(self, records: list[LogRecord], emitter: Emitter) -> None:
        """To the topic and, if there is one, into the store."""
        kept: list[tuple[LogRecord, bytes]] = []
        for record in records:
            try:
                value = msgspec.json.encode(record)
            except (TypeError, ValueError, OverflowError, RecursionError):
                emitter.fault("malformed", f"{record.service}: a record that JSON cannot express")
                continue
            emitter.emit_record(self.options.topic, record.service, value)
            kept.append((record, value))
        if self._store is not None and kept:
            try:
                self._store.add(kept)
            except AdapterError as error:
                emitter.fault(error.cause, str(error))
            except Exception as error:  # the search misses them, the topic does not
                emitter.fault("store", f"logs are not kept for search: {error!r}", len(kept))

    def _report(self, seconds: float, moment: float) -> list[Metric]:
        found: list[Metric] = []
        for service in list(self._windows):
            window = self._windows[service]
            if moment - window.last > _FORGET_AFTER_SEC:
                del self._windows[service]
                continue
            found += self._metrics(service, window, seconds, moment)
            window.reset()
        return found

    def _metrics(
        self, service: str, window: ServiceWindow, seconds: float, moment: float
    ) -> list[Metric]:
        when = now()
        found: list[Metric] = []

        def add(name: str, value: float, unit: str, kind: MetricType) -> None:
            found.append(Metric(when, service, name, value, unit, kind, "logs"))

        add("log_rate_per_s", window.count / seconds, "1/s", "throughput")
        if window.count:
            add("log_error_ratio", window.errors / window.count, "1", "error_rate")
        if window.latencies:
            shares = np.percentile(np.array(window.latencies), (50, 95, 99))
            for name, value in zip(("p50", "p95", "p99"), shares.tolist(), strict=True):
                add(f"log_latency_{name}_ms", value, "ms", "latency")
        if moment - window.born >= self.options.learn_sec:
            add("log_new_templates", float(window.news), "1", "custom")
        return found


def _search(query: Mapping[str, str]) -> Search:
    unknown = set(query) - {"service", "level", "q", "from", "to", "limit"}
    if unknown:
        message = (
            f"unknown {', '.join(sorted(unknown))}; there are service, level, q, from, to, limit"
        )
        raise BadRequestError(message)
    limit = query.get("limit", "100")
    if not limit.isdecimal() or not 1 <= int(limit) <= _MOST_FOUND:
        message = f"limit {limit!r} is no number from 1 to {_MOST_FOUND}"
        raise BadRequestError(message)
    return Search(
        query.get("service", ""),
        level_of(query.get("level", "")),
        query.get("q", ""),
        _moment(query, "from", 0),
        _moment(query, "to", 2**62),
        int(limit),
    )


def _moment(query: Mapping[str, str], name: str, default: int) -> int:
    """A time in any form that a metric's may have, in microseconds."""
    text = query.get(name, "")
    if not text:
        return default
    try:
        return parse_timestamp(float(text) if text.replace(".", "", 1).isdecimal() else text)
    except (ValueError, OverflowError) as error:
        message = f"{name}={text[:60]!r} is no time: epoch seconds or RFC 3339, in UTC"
        raise BadRequestError(message) from error
