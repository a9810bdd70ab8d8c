"""Application logs: records for the log store, and metrics of every service.

Lines come from files (`adapters.log_tail`, read by `codecs.logs`) or by `POST /api/v1/logs`: a JSON
object, an array of objects, one object per line, or lines of text as `text/plain`. Every record
goes to the topic `logs.ingestion`, keyed by its service. Every poll gives, per service and for the
time since the poll before: `log_rate_per_s`, `log_level_known_ratio`, `log_error_ratio` (of the
records whose level is known; none where none is), `log_latency_p50_ms`, `_p95_ms` and `_p99_ms`
where records have a latency, and `log_new_templates`: messages of a kind that was never seen
before, counted after a time of learning. A service that stops logging is reported with rate 0 for
an hour.

Every line is part of a record, or counted: as left out with its reason, or as a fault. Records are
also kept on disk (`adapters.log_store`), and found by `GET /api/v1/logs` with
`service`, `level`, `q` (words), `from`, `to` and `limit`, newest first. A disk that is full
costs the search, not the records on the topic.
"""

import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import msgspec

from padit.adapters.base import AdapterOptions, Emitter, now
from padit.adapters.errors import AdapterError
from padit.adapters.log_options import LogFile, LogsOptions
from padit.adapters.log_sources import LogSource, report_books
from padit.adapters.log_store import LogStore, Search, SlowSearchError
from padit.adapters.log_windows import Windows, published
from padit.adapters.receiver import Call, ReceiverAdapter, Reply, Route
from padit.adapters.threads import Worker
from padit.codecs.bodies import BadRequestError
from padit.codecs.log_lines import level_of
from padit.codecs.logs.posted import read_body
from padit.codecs.logs.record import LogRecord
from padit.domain.timestamps import parse_timestamp

__all__ = ["LogFile", "LogsAdapter", "LogsOptions"]

_MOST_FOUND = 10_000
_MOST_REASONS = 10


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
        self._windows = Windows(options.max_services, options.learn_sec)
        self._lock = threading.Lock()
        self._store: LogStore | None = None
        self._sources: list[LogSource] = []
        self._polled = 0.0

    async def open(self, emitter: Emitter) -> None:
        """Listen, and find the files."""
        self._emitter = emitter
        self._polled = time.monotonic()
        options = self.options
        if options.store_dir and self._store is None:
            place = Path(options.store_dir) / options.name
            self._store = LogStore(place, int(options.store_mb * 1e6), options.store_days)
        if not self._sources:  # after a failure reading goes on where it stopped
            self._sources = [self._source(i, file) for i, file in enumerate(options.files)]
        await self._files.run(self._follow)
        if self.options.listen:
            await self._server.open(emitter)

    def _source(self, position: int, file: LogFile) -> LogSource:
        state = None
        if self.options.state_dir:
            state = Path(self.options.state_dir) / f"{self.options.name}-{position}.json"
        return LogSource(file, state, self._known_emitter, self._take)

    def _known_emitter(self) -> Emitter:
        if self._emitter is None:
            message = "the adapter is not open"
            raise AdapterError(message, cause="closed")
        return self._emitter

    async def poll(self, emitter: Emitter) -> None:
        """Read what the files have got, then report the window."""
        if self.options.listen:
            self._server.check()
        await self._files.run(self._follow)
        moment = time.monotonic()
        seconds, self._polled = max(moment - self._polled, 1e-3), moment
        with self._lock:
            emitter.emit(self._windows.report(seconds, moment, emitter))

    async def close(self) -> None:
        """Stop listening, note positions, close the files."""
        await self._server.close()
        await self._files.run(self._end)
        self._files.close()

    def _end(self) -> None:
        if self._emitter is not None:
            for source in self._sources:
                source.close()
        if self._store is not None:
            self._store.close()

    def _follow(self) -> None:
        """In a thread: read, wait for further lines of the last records, read once more."""
        for source in self._sources:
            source.read()
        waiting = [source.wait(self.options.join_sec) for source in self._sources]
        if any(waiting):
            time.sleep(self.options.join_sec)
        for source in self._sources:
            source.end()

    def write(self, call: Call) -> Reply:
        """Take posted logs; what is refused is counted, with the first reasons."""
        service = call.query.get("service", "unknown")
        kind = call.headers.get("content-type", "")
        found = read_body(call.body, kind, service, now(), self.options.posted.settings())
        self._take(found.records)
        emitter = self._emitter
        if emitter is not None:
            report_books(found.parser, "a posted record", emitter)
            if found.refused:
                emitter.fault("malformed", f"a posted record: {found.reasons[0]}", found.refused)
        answer: dict[str, Any] = {"accepted": len(found.records), "rejected": found.refused}
        if found.refused:
            answer["reasons"] = found.reasons[:_MOST_REASONS]
        status = 202 if found.records or not found.refused else 400
        return Reply(status, msgspec.json.encode(answer))

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

    def _take(self, records: list[LogRecord]) -> None:
        emitter = self._emitter
        if emitter is None or not records:
            return
        with self._lock:
            self._windows.add(records, time.monotonic(), emitter)
        self._pass_on(records, emitter)

    def _pass_on(self, records: list[LogRecord], emitter: Emitter) -> None:
        """To the topic and, if there is one, into the store."""
        kept = published(records, self.options.topic, emitter)
        if self._store is not None and kept:
            try:
                self._store.add(kept)
            except AdapterError as error:
                emitter.fault(error.cause, str(error))
            except Exception as error:  # the search misses them, the topic does not
                emitter.fault("store", f"logs are not kept for search: {error!r}", len(kept))


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
