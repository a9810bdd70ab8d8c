"""Prometheus remote write 1.0 and 2.0: what a Prometheus or an agent forwards.

`POST /api/v1/write`, snappy-compressed protobuf; the Content-Type names the version. Counters
become rates per second (see `adapters.series`): those with metadata of a counter, else those whose
name ends in `_total`, `_count`, `_sum` or `_bucket`. Stale markers and samples that are not finite
give nothing, a sample older than the last of its counter no rate; all are counted.
Native histograms become `_per_s` (observations), `_mean`, `_p50`, `_p95` and `_p99` of what was
observed since the point before. A series that cannot be used is refused, its samples are counted
and the answer is 400; the others of the request are taken, as both specifications allow.
"""

import math
import struct
import threading
from collections.abc import Iterable
from typing import Any, ClassVar, NamedTuple

from pydantic import Field

from padit.adapters.base import AdapterOptions
from padit.adapters.histograms import Distributions, summary
from padit.adapters.prometheus_histogram import count_of, parts_of
from padit.adapters.receiver import (
    Call,
    ReceiverAdapter,
    ReceiverOptions,
    Reply,
    Route,
)
from padit.adapters.series import Counters, Namer, Naming, shorten
from padit.codecs.bodies import BadRequestError
from padit.codecs.remote_write import Key, LabelError, Point, labels_of, read_request
from padit.domain.metric import Metric

__all__ = ["PrometheusAdapter", "PrometheusOptions"]

_STALE = 0x7FF0000000000002
_COUNTER, _GAUGE, _HISTOGRAM, _SUMMARY = 1, 2, 3, 5
_GAUGE_HISTOGRAM = 3
_COUNTER_ENDINGS = ("_total", "_count", "_sum", "_bucket")


class PrometheusOptions(ReceiverOptions):
    """Options of the `prometheus` adapter."""

    port: int = Field(default=9201, ge=0, le=65_535, description="Port; 0 takes a free one.")
    naming: Naming = Field(default=Naming(), description="How labels become names.")
    rates: bool = Field(
        default=True, description="Turn counters into rates; false passes them as they are."
    )
    buckets: bool = Field(
        default=False, description="Keep the `_bucket` series of classic histograms."
    )


class _Written(NamedTuple):
    samples: int
    histograms: int
    refused: int


class _Series(NamedTuple):
    name: str
    source: str
    label: str
    rate_label: str
    key: tuple[str, str, str]
    suffix: str


class PrometheusAdapter(ReceiverAdapter):
    """Prometheus remote write 1.0 and 2.0."""

    Options: ClassVar[type[AdapterOptions]] = PrometheusOptions

    def __init__(self, options: PrometheusOptions) -> None:
        super().__init__(options, [Route("POST", "/api/v1/write", self.write)])
        self._namer = Namer(options.naming, options.name)
        self._counters = Counters(options.naming.max_series)
        self._seen = Distributions(options.naming.max_series)
        self._kinds: dict[str, tuple[int, str]] = {}
        self._known: dict[Key, _Series] = {}
        self._lock = threading.Lock()

    def write(self, call: Call) -> Reply:
        """Take one request; raises BadRequestError if it is none."""
        encoding = call.headers.get("content-encoding", "snappy").lower()
        if encoding != "snappy":
            message = f"content-encoding {encoding}; remote write is compressed with snappy"
            raise BadRequestError(message)
        content = call.headers.get("content-type", "")
        request = read_request(call.body, content, self.options.max_body_bytes)
        with self._lock:
            for entry in request.metadata:
                if len(self._kinds) < self.options.naming.max_series:
                    self._kinds[entry.metric_family_name] = (entry.type, entry.unit)
            written = self._take(request.points)
        return _reply(written, second=request.second)

    def _take(self, points: Iterable[Point]) -> _Written:
        found: list[Metric] = []
        taken = histograms = refused = 0
        for point in points:
            count = len(found)
            try:
                good = self._series(point, found)
            except Exception as error:  # one series never costs the others
                del found[count:]
                known = isinstance(error, LabelError)
                self._fault("malformed" if known else "internal", f"a series: {error!r}")
                good = -1
            if good < 0:
                refused += len(point.samples) + len(point.histograms)
                continue
            taken += len(point.samples)
            histograms += good
            refused += len(point.histograms) - good
        if self._emitter is not None:
            self._emitter.emit(found)
        return _Written(taken, histograms, refused)

    def _series(self, point: Point, found: list[Metric]) -> int:
        """Take one series; how many of its histograms were good, -1 if it is refused."""
        if point.fault:
            self._fault("malformed", f"a series: {point.fault}")
            return -1
        series = self._known.get(point.labels) or self._learn(point.labels)
        if not series.name:
            self._fault("unnamed", "a series without the label __name__")
            return -1
        good = sum(self._histogram(series, point, one, found) for one in point.histograms)
        if self.options.buckets or not series.name.endswith("_bucket"):
            self._samples(series, point, found)
        return good

    def _learn(self, labels: Key) -> _Series:
        if len(self._known) >= self.options.naming.max_series:
            self._known.clear()
        rest = labels_of(labels)
        name = rest.pop("__name__", "")
        source, suffix = self._namer.split(tuple(rest.items()))
        made = _Series(
            name,
            source,
            shorten(name + suffix),
            shorten(f"{name}_per_s{suffix}"),
            (name, source, suffix),
            suffix,
        )
        self._known[labels] = made
        return made

    def _samples(self, series: _Series, point: Point, found: list[Metric]) -> None:
        kind, unit = point.kind, point.unit
        if not kind and self._kinds:
            family = series.name.removesuffix("_total")
            kind, unit = self._kinds.get(series.name) or self._kinds.get(family) or (0, "")
        counter = self.options.rates and _is_counter(series.name, kind)
        for sample in point.samples:
            value, time = sample.value, sample.timestamp / 1000
            if value - value != 0:  # NaN or infinite
                self._not_finite(value)
            elif not counter:
                found.append(
                    Metric(time, series.source, series.label, value, unit, "custom", "prometheus")
                )
            else:
                created = point.created or getattr(sample, "start_timestamp", 0)
                self._rate(series, time, value, created / 1000, unit, found)

    def _rate(
        self,
        series: _Series,
        time: float,
        value: float,
        created: float,
        unit: str,
        found: list[Metric],
    ) -> None:
        change = self._change(series.key, time, value, created)
        if change is not None:
            self._add_rate(series, time, change[0] / change[1], unit, found)

    def _change(
        self, key: object, time: float, value: float, created: float
    ) -> tuple[float, float] | None:
        known = self._counters.knows(key)
        change = self._counters.difference(key, time, value, created)
        if change is None and known:
            self._fault("out_of_order", "a sample of a counter that is not newer than its last")
        return change

    def _add_rate(
        self, series: _Series, time: float, rate: float, unit: str, found: list[Metric]
    ) -> None:
        per_s = f"{unit}/s" if unit else "1/s"
        found.append(
            Metric(time, series.source, series.rate_label, rate, per_s, "throughput", "prometheus")
        )

    def _histogram(
        self, series: _Series, point: Point, histogram: Any, found: list[Metric]
    ) -> bool:
        """One native histogram; False if it cannot be used."""
        time, count, total = histogram.timestamp / 1000, count_of(histogram), histogram.sum
        if _is_stale(total) or not math.isfinite(count):
            self._not_finite(total)
            return True
        try:
            parts = parts_of(histogram)
        except (ValueError, OverflowError) as error:
            self._fault("native_histogram", f"{series.name}: {error}")
            return False
        gauge = histogram.reset_hint == _GAUGE_HISTOGRAM  # nothing in it adds up over time
        change = None
        if not gauge:
            change = self._change(series.key, time, count, point.created / 1000)
            if change is None and self._seen.knows(series.key):
                return True  # out of order
            fresh = change is not None and change[0] == count
            parts, total = self._seen.since(series.key, parts, total, fresh=fresh)
            if change is None:
                return True
            count = change[0]
            self._add_rate(series, time, count / change[1], "", found)
        unit = point.unit
        for ending, value in summary(parts, total, count):
            name = shorten(f"{series.name}_{ending}{series.suffix}")
            found.append(Metric(time, series.source, name, value, unit, "custom", "prometheus"))
        return True

    def _not_finite(self, value: float) -> None:
        if _is_stale(value):
            self._fault("stale", "a series ended (stale marker)")
        else:
            self._fault("not_finite", f"a sample of {value}")

    def _fault(self, cause: str, message: str, count: int = 1) -> None:
        if self._emitter is not None:
            self._emitter.fault(cause, message, count)


def _is_stale(value: float) -> bool:
    return bool(struct.unpack("<Q", struct.pack("<d", value))[0] == _STALE)


def _is_counter(name: str, kind: int) -> bool:
    if kind in (_HISTOGRAM, _SUMMARY):
        return name.endswith(("_count", "_sum", "_bucket"))
    return kind == _COUNTER or (kind != _GAUGE and name.endswith(_COUNTER_ENDINGS))


def _reply(written: _Written, *, second: bool) -> Reply:
    headers = {
        "X-Prometheus-Remote-Write-Samples-Written": str(written.samples),
        "X-Prometheus-Remote-Write-Histograms-Written": str(written.histograms),
        "X-Prometheus-Remote-Write-Exemplars-Written": "0",
    }
    headers = headers if second else {}
    if written.refused:
        text = f"{written.refused} were refused: series without a name, damaged labels or "
        text += "damaged histograms; the others were taken"
        return Reply(400, text.encode(), "text/plain", headers)
    return Reply(204, headers=headers)
