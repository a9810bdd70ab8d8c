"""Prometheus remote write 1.0 and 2.0: what a Prometheus or an agent forwards.

`POST /api/v1/write`, snappy-compressed protobuf; the Content-Type says which version. Counters
become rates per second (see `adapters.series`): those whose metadata says so, else those whose
name ends in `_total`, `_count`, `_sum` or `_bucket`. Stale markers and samples that are not
finite give nothing, a sample older than the last of its counter no rate; all are counted.
Native histograms become `_per_s` (observations), `_mean`, `_p50`, `_p95` and `_p99` of what was
observed since the point before. What cannot be used is refused, in 2.0 with status 400 as the
specification asks.
"""

import math
import struct
import threading
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, ClassVar, NamedTuple

from google.protobuf.message import DecodeError
from pydantic import Field

from padit.adapters.base import AdapterOptions
from padit.adapters.bodies import BadRequestError, unsnappy
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
from padit.codecs.prometheus_proto import Label, Request, WriteRequest
from padit.domain.metric import Metric

__all__ = ["PrometheusAdapter", "PrometheusOptions"]

_STALE = 0x7FF0000000000002
_COUNTER, _GAUGE, _HISTOGRAM, _SUMMARY = 1, 2, 3, 5
_GAUGE_HISTOGRAM = 3
_COUNTER_ENDINGS = ("_total", "_count", "_sum", "_bucket")
_V2 = "io.prometheus.write.v2.request"


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


_Key = tuple[bytes, ...] | tuple[str, ...]  # encoded labels, or names and values in turn


class _Point(NamedTuple):
    labels: _Key
    kind: int
    unit: str
    created: int
    samples: Sequence[Any]
    histograms: Sequence[Any]


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
        self._known: dict[_Key, _Series] = {}
        self._lock = threading.Lock()

    def write(self, call: Call) -> Reply:
        """Take one request; raises BadRequestError if it is none."""
        encoding = call.headers.get("content-encoding", "snappy").lower()
        if encoding != "snappy":
            message = f"content-encoding {encoding}; remote write is compressed with snappy"
            raise BadRequestError(message)
        content = call.headers.get("content-type", "").lower().replace(" ", "")
        data = unsnappy(call.body, self.options.max_body_bytes)
        second = f"proto={_V2}" in content
        message = Request() if second else WriteRequest()
        try:
            message.ParseFromString(data)
        except DecodeError as error:
            text = f"no {'2.0' if second else '1.0'} message: {error}"
            raise BadRequestError(text) from error
        with self._lock:
            points = self._points_v2(message) if second else self._points_v1(message)
            written = self._take(points)
        return _reply_v2(written) if second else Reply()

    def _points_v1(self, message: Any) -> Iterator[_Point]:
        for entry in message.metadata:
            if len(self._kinds) < self.options.naming.max_series:
                self._kinds[entry.metric_family_name] = (entry.type, entry.unit)
        for series in message.timeseries:
            yield _Point(tuple(series.labels), 0, "", 0, series.samples, series.histograms)

    def _points_v2(self, message: Any) -> Iterator[_Point]:
        symbols = list(message.symbols)
        if not symbols or symbols[0]:
            text = "symbols must begin with the empty string"
            raise BadRequestError(text)
        for series in message.timeseries:
            try:
                labels = tuple(map(symbols.__getitem__, series.labels_refs))
                unit = symbols[series.metadata.unit_ref]
            except IndexError as error:
                text = "a label refers to a symbol that is not there"
                raise BadRequestError(text) from error
            yield _Point(
                labels,
                series.metadata.type,
                unit,
                series.created_timestamp,
                series.samples,
                series.histograms,
            )

    def _take(self, points: Iterable[_Point]) -> _Written:
        found: list[Metric] = []
        taken = histograms = refused = 0
        for point in points:
            series = self._known.get(point.labels) or self._learn(point.labels)
            if not series.name:
                self._fault("unnamed", "a series without the label __name__")
                refused += len(point.samples) + len(point.histograms)
                continue
            taken += len(point.samples)
            good = sum(self._histogram(series, point, one, found) for one in point.histograms)
            histograms += good
            refused += len(point.histograms) - good
            if self.options.buckets or not series.name.endswith("_bucket"):
                self._samples(series, point, found)
        if self._emitter is not None:
            self._emitter.emit(found)
        return _Written(taken, histograms, refused)

    def _learn(self, labels: _Key) -> _Series:
        if len(self._known) >= self.options.naming.max_series:
            self._known.clear()
        rest = dict(_pairs(labels))
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

    def _samples(self, series: _Series, point: _Point, found: list[Metric]) -> None:
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
        self, series: _Series, point: _Point, histogram: Any, found: list[Metric]
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


def _pairs(labels: _Key) -> Iterator[tuple[str, str]]:
    parts: list[str] = []
    for part in labels:
        if isinstance(part, str):
            parts.append(part)
            continue
        try:
            label = Label.FromString(part)
        except DecodeError as error:
            text = f"a label that is none: {error}"
            raise BadRequestError(text) from error
        parts += [label.name, label.value]
    return zip(parts[::2], parts[1::2], strict=False)


def _is_stale(value: float) -> bool:
    return bool(struct.unpack("<Q", struct.pack("<d", value))[0] == _STALE)


def _is_counter(name: str, kind: int) -> bool:
    if kind in (_HISTOGRAM, _SUMMARY):
        return name.endswith(("_count", "_sum", "_bucket"))
    return kind == _COUNTER or (kind != _GAUGE and name.endswith(_COUNTER_ENDINGS))


def _reply_v2(written: _Written) -> Reply:
    headers = {
        "X-Prometheus-Remote-Write-Samples-Written": str(written.samples),
        "X-Prometheus-Remote-Write-Histograms-Written": str(written.histograms),
        "X-Prometheus-Remote-Write-Exemplars-Written": "0",
    }
    if written.refused:
        text = f"{written.refused} were refused: series without a name, or damaged histograms"
        return Reply(400, text.encode(), "text/plain", headers)
    return Reply(204, headers=headers)
