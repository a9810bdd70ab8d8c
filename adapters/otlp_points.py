"""OTLP metrics (OpenTelemetry protocol 1.x) to samples of ours.

- Gauges, and sums that can fall: their value. A delta of the latter is added up from 0.
- Monotonic sums: `<name>_per_s`, from the difference of cumulative points over resets, or from a
  delta and its duration; without a start time that is the time since the point before.
- Histograms, explicit and exponential: `<name>_per_s` (observations), `<name>_mean` if the points
  bring a sum, and `<name>_p50`, `_p95`, `_p99` of what was observed since the point before.
- Summaries: `<name>_per_s`, and `<name>_p50` and so on for the quantiles they bring.

All attributes of its resource, its scope and its points identify a series, and so do the metric's
name, unit and kind (`adapters.otlp_series`). Of the points of a request each becomes samples, is
unwatched (`Outcome.unwatched`: the first of a counter, an exact repeat, one flagged "no recorded
value"), or is rejected with a reason that goes into the partial success.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from padit.adapters.histograms import Distribution, Part, explicit, summary
from padit.adapters.identities import MixedError
from padit.adapters.otlp_names import IdentityError
from padit.adapters.otlp_series import Instrument, Known, OtlpSeries, Scope
from padit.adapters.refusals import Refusals
from padit.adapters.series import Counter, Naming
from padit.codecs.time_units import probable_unit
from padit.domain.metric import Metric, MetricType
from padit.domain.timestamps import EARLIEST_US, LATEST_US

__all__ = ["FIRST", "NOTHING", "REPEATED", "STALE", "Outcome", "Translator"]

_DELTA, _CUMULATIVE = 1, 2
_NO_VALUE = 1
_MOST_BUCKETS = 10_000
_EARLIEST_NS, _LATEST_NS = EARLIEST_US * 1000, LATEST_US * 1000

STALE, FIRST, REPEATED, NOTHING = "stale", "first", "repeated", "nothing"


class PointError(ValueError):
    """A point cannot be used."""


class Outcome(NamedTuple):
    """The outcome of a request.

    Attributes:
        metrics: samples.
        rejected: data points that could not be used, by reason.
        unwatched: points that are good and gave no sample, by `STALE`, `FIRST`, `REPEATED` and
            `NOTHING`: the name of the first metric, and how many.
    """

    metrics: list[Metric]
    rejected: Refusals
    unwatched: dict[str, tuple[str, int]]


class Translator:
    """Keeps what cumulative points are compared with; used by one thread at a time.

    Args:
        naming: how attributes become names.
        fallback: source of points whose attributes name none.
    """

    def __init__(self, naming: Naming, fallback: str) -> None:
        self._series = OtlpSeries(naming, fallback)
        self._takers: dict[str, Callable[[Known, Instrument, Any], str]] = {
            "gauge": self._gauge,
            "sum": self._sum,
            "histogram": self._histogram,
            "exponential_histogram": self._exponential,
            "summary": self._summary,
        }
        self._start(Refusals())

    def _start(self, rejected: Refusals) -> None:
        self._metrics: list[Metric] = []
        self._rejected = rejected
        self._unwatched: dict[str, tuple[str, int]] = {}

    def translate(self, request: Any, lost: Refusals | None = None) -> Outcome:
        """All points of an `ExportMetricsServiceRequest`.

        Args:
            request: the message.
            lost: points that were refused while the request was read.
        """
        self._start(Refusals() if lost is None else lost)
        self._series.begin()
        for resource in request.resource_metrics:
            for within in resource.scope_metrics:
                scope = self._series.scope(resource, within)
                for metric in within.metrics:
                    self._metric(metric, scope)
        return Outcome(self._metrics, self._rejected, self._unwatched)

    def _metric(self, metric: Any, scope: Scope) -> None:
        kind = metric.WhichOneof("data")
        if kind is None:
            return  # no points
        data = getattr(metric, kind)
        instrument = self._series.instrument(scope, metric, kind, data)
        fault = scope.fault or _fault(instrument)
        if fault:
            self._rejected.add(f"{instrument.name[:100]}: {fault}", len(data.data_points))
            return
        take, known_by = self._takers[kind], instrument.known
        for point in data.data_points:
            before = len(self._metrics)
            try:
                key = instrument.key(point.attributes)
                known = known_by.get(key) or self._series.learn(instrument, key, point)
                known.used = self._series.request
                unwatched = self._point(take, known, instrument, point)
            except Exception as error:  # one point never costs the others
                del self._metrics[before:]
                known_kind = isinstance(error, PointError | MixedError | IdentityError)
                reason = str(error) if known_kind else f"{type(error).__name__}: {error}"
                self._rejected.add(f"{instrument.name[:100]}: {reason}")
            else:
                if unwatched or len(self._metrics) == before:
                    self._leave(unwatched or NOTHING, instrument.name)

    def _point(
        self,
        take: Callable[[Known, Instrument, Any], str],
        known: Known,
        of: Instrument,
        point: Any,
    ) -> str:
        if point.flags & _NO_VALUE:
            known.end()
            return STALE
        when = point.time_unix_nano
        if not _EARLIEST_NS <= when < _LATEST_NS:
            fits = probable_unit(when)
            hint = f" (is it in {fits}? OTLP counts ns)" if fits else ""
            message = f"a point whose time is {when} ns, not in the years 2000 to 2199{hint}"
            raise PointError(message if when else "a point without a time")
        return take(known, of, point)

    def _leave(self, what: str, name: str) -> None:
        first, count = self._unwatched.get(what, (name, 0))
        self._unwatched[what] = (first, count + 1)

    def _add(
        self, known: Known, of: Instrument, ending: str, point: Any, value: float, kind: MetricType
    ) -> None:
        if value - value != 0:
            message = f"a value of {value}, beyond the largest number"
            raise PointError(message)
        output = known.outputs.get(ending) or self._series.output(known, of, ending)
        when = point.time_unix_nano / 1e9
        output.take(known.identity, when)
        self._metrics.append(
            Metric(
                when, output.source_id, output.metric_name, value, output.unit, kind, "otlp",
                known.metadata,
            )
        )  # fmt: skip

    def _gauge(self, known: Known, of: Instrument, point: Any) -> str:
        self._add(known, of, "", point, _value(point), "custom")
        return ""

    def _sum(self, known: Known, of: Instrument, point: Any) -> str:
        value = _value(point)
        if of.monotonic:
            change = _change(known, point, value, delta=of.temporality == _DELTA)
            if isinstance(change, str):
                return change
            self._add(known, of, "_per_s", point, change[0] / change[1], "throughput")
            return ""
        if of.temporality == _DELTA:
            _check_newer(known, point)
            value += known.total
        self._add(known, of, "", point, value, "custom")
        known.total = value
        return ""

    def _histogram(self, known: Known, of: Instrument, point: Any) -> str:
        bounds, counts = point.explicit_bounds, point.bucket_counts
        if len(counts) > _MOST_BUCKETS:
            message = f"more than {_MOST_BUCKETS} buckets"
            raise PointError(message)
        if counts and len(counts) != len(bounds) + 1:
            message = f"{len(counts)} buckets for {len(bounds)} bounds"
            raise PointError(message)
        if not all(lower < upper for lower, upper in pairwise(bounds)):
            message = "bounds that do not grow"
            raise PointError(message)
        parts = explicit(list(bounds), list(map(float, counts))) if counts else []
        return self._distribution(known, of, point, parts)

    def _exponential(self, known: Known, of: Instrument, point: Any) -> str:
        if not -10 <= point.scale <= 20:
            message = f"scale {point.scale}; -10 to 20 are read"
            raise PointError(message)
        if len(point.positive.bucket_counts) + len(point.negative.bucket_counts) > _MOST_BUCKETS:
            message = f"more than {_MOST_BUCKETS} buckets"
            raise PointError(message)
        try:
            parts = list(_parts(point))
        except (OverflowError, ValueError) as error:
            raise PointError(str(error)) from error
        return self._distribution(known, of, point, parts)

    def _distribution(self, known: Known, of: Instrument, point: Any, parts: list[Part]) -> str:
        delta = of.temporality == _DELTA
        # Absent is not 0: a histogram without a sum has no mean.
        total = float(point.sum) if point.HasField("sum") else math.nan
        change = _change(known, point, float(point.count), delta=delta)
        if isinstance(change, str):
            if change == FIRST and not delta:
                known.distribution = Distribution(parts, total)
            return change
        count, seconds = change
        if not delta and known.distribution is not None:
            fresh = count == point.count
            parts, total = known.distribution.since(parts, total, fresh=fresh)
        self._add(known, of, "_per_s", point, count / seconds, "throughput")
        for ending, value in summary(parts, total, count):
            self._add(known, of, f"_{ending}", point, value, "custom")
        return ""

    def _summary(self, known: Known, of: Instrument, point: Any) -> str:
        change = _change(known, point, float(point.count), delta=False)
        if change == REPEATED:
            return REPEATED
        if not isinstance(change, str):
            self._add(known, of, "_per_s", point, change[0] / change[1], "throughput")
        before = len(self._metrics)
        for quantile in point.quantile_values:  # NaN: nothing was observed
            if math.isfinite(quantile.value) and 0 <= quantile.quantile <= 1:
                ending = f"_p{100 * quantile.quantile:g}"
                self._add(known, of, ending, point, quantile.value, "custom")
        return FIRST if change == FIRST and len(self._metrics) == before else ""


def _fault(of: Instrument) -> str:
    if not of.name:
        return "a metric without a name"
    if of.temporality not in (_DELTA, _CUMULATIVE):
        return "aggregationTemporality is unspecified; it is delta or cumulative"
    return ""


def _value(point: Any) -> float:
    which = point.WhichOneof("value")
    value = float(getattr(point, which)) if which else math.nan
    if value - value != 0:
        message = f"a point whose value is {value}" if which else "a point without a value"
        raise PointError(message)
    return value


def _change(known: Known, point: Any, value: float, *, delta: bool) -> tuple[float, float] | str:
    """(increase, seconds) that a point of a counter stands for; `FIRST` or `REPEATED`."""
    start = point.start_time_unix_nano
    if value < 0:
        message = f"a counter whose value is {value}"
        raise PointError(message)
    if delta and start:
        seconds = (point.time_unix_nano - start) / 1e9
        if seconds <= 0:
            message = "a delta whose start is not before its time"
            raise PointError(message)
        known.time = max(known.time, point.time_unix_nano)
        return value, seconds
    if delta:
        seconds = _check_newer(known, point)
        return (value, seconds) if seconds else FIRST
    when, counter = point.time_unix_nano / 1e9, known.counter
    if counter is None:
        known.counter = Counter(when, value, start / 1e9)
        return FIRST
    change = counter.difference(when, value, start / 1e9)
    if change is not None:
        return change
    if when == counter.time and value == counter.value:
        return REPEATED
    message = "a point that is not newer than the last of its series"
    raise PointError(message)


def _check_newer(known: Known, point: Any) -> float:
    """Seconds since the point before, 0 for the first; raises PointError if it is not newer."""
    before, now = known.time, point.time_unix_nano
    if now <= before:
        message = "a delta that is not newer than the last of its series"
        raise PointError(message)
    known.time = now
    return (now - before) / 1e9 if before else 0.0


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
