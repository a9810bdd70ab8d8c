"""OTLP metrics (OpenTelemetry protocol 1.x) to samples of ours.

- Gauges, and sums that can fall: their value. A delta of the latter is added up from 0.
- Monotonic sums: `<name>_per_s`, from the difference of cumulative points (over resets, see
  `adapters.series.Counters`) or from a delta and its duration.
- Histograms, explicit and exponential: `<name>_per_s` (observations), `<name>_mean` and
  `<name>_p50`, `_p95`, `_p99` of what was observed since the point before.
- Summaries: `<name>_per_s`, and `<name>_p50` and so on for the quantiles they bring.

A point flagged "no recorded value" marks the end of a series and gives nothing. Points without
a time or with a value that is not finite are rejected, and counted in the partial success.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from padit.adapters.histograms import Distributions, Part, explicit, summary
from padit.adapters.series import Counters, Labels, Namer, shorten
from padit.domain.metric import Metric, MetricType

__all__ = ["Outcome", "Translator"]

_DELTA = 1
_NO_VALUE = 1
_MOST_BUCKETS = 10_000


class Outcome(NamedTuple):
    """The outcome of a request.

    Attributes:
        metrics: samples.
        rejected: data points that could not be used.
        reason: why the first of them could not.
        stale: points that mark the end of a series.
        old: points that were not newer than the last of their series.
    """

    metrics: list[Metric]
    rejected: int
    reason: str
    stale: int
    old: int


class Translator:
    """Keeps what cumulative points are compared with; used by one thread at a time.

    Args:
        namer: how attributes become names.
        most: series that are remembered.
    """

    def __init__(self, namer: Namer, most: int) -> None:
        self._namer = namer
        self._counters = Counters(most)
        self._seen = Distributions(most)
        self._start()

    def _start(self) -> None:
        self._metrics: list[Metric] = []
        self._rejected = self._stale = self._old = 0
        self._reason = ""

    def translate(self, request: Any) -> Outcome:
        """All points of an `ExportMetricsServiceRequest`."""
        self._start()
        for resource in request.resource_metrics:
            shared = _labels(resource.resource.attributes)
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    self._metric(metric, shared)
        return Outcome(self._metrics, self._rejected, self._reason, self._stale, self._old)

    def _metric(self, metric: Any, shared: Labels) -> None:
        kind = metric.WhichOneof("data")
        if kind is None or not metric.name:
            self._reject(1, "a metric without a name or without data")
            return
        data = getattr(metric, kind)
        takers: dict[str, Callable[[Any, Any, Labels], None]] = {
            "gauge": self._gauge,
            "sum": self._sum,
            "histogram": self._histogram,
            "exponential_histogram": self._exponential,
            "summary": self._summary,
        }
        take = takers[kind]
        for point in data.data_points:
            if point.flags & _NO_VALUE:
                self._stale += 1
            elif not point.time_unix_nano:
                self._reject(1, f"{metric.name}: a point without a time")
            else:
                try:
                    take(metric, point, shared + _labels(point.attributes))
                except Exception as error:  # one point never costs the others
                    self._reject(1, f"{metric.name}: {type(error).__name__}: {error}")

    def _reject(self, count: int, reason: str) -> None:
        self._rejected += count
        self._reason = self._reason or reason

    def _add(
        self, metric: Any, point: Any, labels: Labels, ending: str, value: float, kind: MetricType
    ) -> None:
        source, suffix = self._namer.split(labels)
        per_s = ending == "_per_s"
        unit = f"{metric.unit or 1}/s" if per_s else metric.unit
        name = shorten(f"{metric.name}{ending}{suffix}")
        when = point.time_unix_nano / 1e9
        self._metrics.append(Metric(when, source, name, value, unit, kind, "otlp"))

    def _value(self, metric: Any, point: Any) -> float | None:
        which = point.WhichOneof("value")
        value = float(getattr(point, which)) if which else math.nan
        if not math.isfinite(value):
            self._reject(1, f"{metric.name}: a point whose value is {value}")
            return None
        return value

    def _gauge(self, metric: Any, point: Any, labels: Labels) -> None:
        value = self._value(metric, point)
        if value is not None:
            self._add(metric, point, labels, "", value, "custom")

    def _sum(self, metric: Any, point: Any, labels: Labels) -> None:
        value = self._value(metric, point)
        if value is None:
            return
        delta = metric.sum.aggregation_temporality == _DELTA
        if metric.sum.is_monotonic:
            change = self._change(metric, point, labels, value, delta=delta)
            if change is not None:
                self._add(metric, point, labels, "_per_s", change[0] / change[1], "throughput")
            return
        if delta:
            value = self._counters.total((metric.name, labels), point.time_unix_nano / 1e9, value)
        self._add(metric, point, labels, "", value, "custom")

    def _change(
        self, metric: Any, point: Any, labels: Labels, value: float, *, delta: bool
    ) -> tuple[float, float] | None:
        """(increase, seconds) that a point of a counter stands for."""
        when, start = point.time_unix_nano / 1e9, point.start_time_unix_nano / 1e9
        if delta:
            return (value, when - start) if when > start > 0 else None
        key = (metric.name, labels)
        known = self._counters.knows(key)
        change = self._counters.difference(key, when, value, start)
        if change is None and known:
            self._old += 1
        return change

    def _histogram(self, metric: Any, point: Any, labels: Labels) -> None:
        bounds, counts = point.explicit_bounds, point.bucket_counts
        if len(counts) > _MOST_BUCKETS:
            self._reject(1, f"{metric.name}: more than {_MOST_BUCKETS} buckets")
            return
        if counts and len(counts) != len(bounds) + 1:
            self._reject(1, f"{metric.name}: {len(counts)} buckets for {len(bounds)} bounds")
            return
        delta = metric.histogram.aggregation_temporality == _DELTA
        parts = explicit(list(bounds), list(map(float, counts)))
        self._distribution(metric, point, labels, parts, delta=delta)

    def _exponential(self, metric: Any, point: Any, labels: Labels) -> None:
        if not -10 <= point.scale <= 20:
            self._reject(1, f"{metric.name}: scale {point.scale}; -10 to 20 are read")
            return
        if len(point.positive.bucket_counts) + len(point.negative.bucket_counts) > _MOST_BUCKETS:
            self._reject(1, f"{metric.name}: more than {_MOST_BUCKETS} buckets")
            return
        delta = metric.exponential_histogram.aggregation_temporality == _DELTA
        try:
            parts = list(_parts(point))
        except (OverflowError, ValueError) as error:
            self._reject(1, f"{metric.name}: {error}")
            return
        self._distribution(metric, point, labels, parts, delta=delta)

    def _distribution(
        self,
        metric: Any,
        point: Any,
        labels: Labels,
        parts: list[Part],
        *,
        delta: bool,
    ) -> None:
        change = self._change(metric, point, labels, float(point.count), delta=delta)
        total = float(point.sum)
        if change is None and (delta or self._seen.knows((metric.name, labels))):
            return
        if not delta:
            fresh = change is not None and change[0] == point.count
            parts, total = self._seen.since((metric.name, labels), parts, total, fresh=fresh)
        if change is None:
            return
        count, seconds = change
        self._add(metric, point, labels, "_per_s", count / seconds, "throughput")
        for ending, value in summary(parts, total, count):
            self._add(metric, point, labels, f"_{ending}", value, "custom")

    def _summary(self, metric: Any, point: Any, labels: Labels) -> None:
        change = self._change(metric, point, labels, float(point.count), delta=False)
        if change is not None:
            self._add(metric, point, labels, "_per_s", change[0] / change[1], "throughput")
        for quantile in point.quantile_values:
            if math.isfinite(quantile.value) and 0 <= quantile.quantile <= 1:
                ending = f"_p{100 * quantile.quantile:g}"
                self._add(metric, point, labels, ending, quantile.value, "custom")


def _labels(attributes: Iterable[Any]) -> Labels:
    return tuple((pair.key, _text(pair.value)) for pair in attributes)


def _text(value: Any) -> str:
    text: str = value.string_value
    if text:
        return text
    kind = value.WhichOneof("value")
    if kind in (None, "string_value"):
        return ""
    if kind in ("array_value", "kvlist_value", "bytes_value"):
        return str(getattr(value, kind)).replace("\n", " ")[:200]
    found = getattr(value, kind)
    return str(found).lower() if kind == "bool_value" else str(found)


def _parts(point: Any) -> Iterator[Part]:
    """Filled buckets: number i of scale s covers (base^i, base^(i+1)], base = 2^(2^-s)."""

    def edges(index: int) -> float:
        exponent = index * 2.0**-point.scale
        return math.inf if exponent > 1000 else 2.0**exponent

    def filled(buckets: Any) -> Iterator[tuple[int, float]]:
        counts: Sequence[int] = buckets.bucket_counts
        return ((buckets.offset + i, float(n)) for i, n in enumerate(counts) if n)

    for index, count in filled(point.negative):
        yield -edges(index + 1), -edges(index), count
    if point.zero_count:
        yield -point.zero_threshold, point.zero_threshold, float(point.zero_count)
    for index, count in filled(point.positive):
        yield edges(index), edges(index + 1), count
