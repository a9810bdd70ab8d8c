"""Records since the poll before, by service, and the metrics that come of them."""

from collections.abc import Iterator, Sequence

import msgspec
import numpy as np

from padit.adapters.base import Emitter, now
from padit.codecs.logs.record import LogRecord
from padit.domain.metric import Metric, MetricType

__all__ = ["ServiceWindow", "Windows", "published"]

_MOST_LATENCIES = 100_000
_MOST_TEMPLATES = 20_000
_FORGET_AFTER_SEC = 3600.0


class ServiceWindow:
    """The records of one service since the last poll."""

    def __init__(self, born: float) -> None:
        self.born = born
        self.last = born
        self.templates: set[str] = set()
        self.reset()

    def reset(self) -> None:
        """Begin the next window."""
        self.count = self.known = self.errors = self.news = 0
        self.example = ""
        self.latencies: list[float] = []

    def add(self, record: LogRecord, moment: float) -> None:
        """Count one record."""
        self.last = moment
        self.count += 1
        if record.is_known:
            self.known += 1
            self.errors += record.is_error
        elif not self.example:
            self.example = record.message[:100] or "a record without a message"
        if record.latency_ms is not None and len(self.latencies) < _MOST_LATENCIES:
            self.latencies.append(record.latency_ms)
        if record.template not in self.templates and len(self.templates) < _MOST_TEMPLATES:
            self.templates.add(record.template)
            self.news += 1


class Windows:
    """The windows of all services.

    Args:
        most: services with metrics.
        learn_sec: seconds in which the templates of a service are learned.
    """

    def __init__(self, most: int, learn_sec: float) -> None:
        self._most = most
        self._learn = learn_sec
        self._windows: dict[str, ServiceWindow] = {}

    def add(self, records: Sequence[LogRecord], moment: float, emitter: Emitter) -> None:
        """Count records."""
        for record in records:
            window = self._windows.get(record.service)
            if window is None and len(self._windows) < self._most:
                window = self._windows[record.service] = ServiceWindow(moment)
            if window is None:
                emitter.fault("services", "more services than max_services have metrics")
            else:
                window.add(record, moment)

    def report(self, seconds: float, moment: float, emitter: Emitter) -> list[Metric]:
        """Metrics of all services, and the next windows begin."""
        found: list[Metric] = []
        for service in list(self._windows):
            window = self._windows[service]
            if moment - window.last > _FORGET_AFTER_SEC:
                del self._windows[service]
                continue
            found += self._metrics(service, window, seconds, moment)
            unknown = window.count - window.known
            if unknown:
                text = f"{service}: {window.example!r} states no level that is known, and counts"
                remedy = "state it by pattern (group level), levels or numeric_levels"
                emitter.unwatched("level", f"{text} for no log_error_ratio: {remedy}", unknown)
            window.reset()
        return found

    def _metrics(
        self, service: str, window: ServiceWindow, seconds: float, moment: float
    ) -> Iterator[Metric]:
        when = now()

        def made(name: str, value: float, unit: str, kind: MetricType) -> Metric:
            return Metric(when, service, name, value, unit, kind, "logs")

        yield made("log_rate_per_s", window.count / seconds, "1/s", "throughput")
        if window.count:
            yield made("log_level_known_ratio", window.known / window.count, "1", "custom")
        if window.known:
            yield made("log_error_ratio", window.errors / window.known, "1", "error_rate")
        if window.latencies:
            shares = np.percentile(np.array(window.latencies), (50, 95, 99))
            for name, value in zip(("p50", "p95", "p99"), shares.tolist(), strict=True):
                yield made(f"log_latency_{name}_ms", value, "ms", "latency")
        if moment - window.born >= self._learn:
            yield made("log_new_templates", float(window.news), "1", "custom")


def published(
    records: Sequence[LogRecord], topic: str, emitter: Emitter
) -> list[tuple[LogRecord, bytes]]:
    """Records that went to a topic, each with its bytes there; keyed by service."""
    kept = []
    for record in records:
        try:
            value = msgspec.json.encode(record)
        except (TypeError, ValueError, OverflowError, RecursionError):
            emitter.fault("malformed", f"{record.service}: a record that JSON cannot express")
            continue
        emitter.emit_record(topic, record.service, value)
        kept.append((record, value))
    return kept
