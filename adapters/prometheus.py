"""Prometheus remote write 1.0 and 2.0: what a Prometheus or an agent forwards.

`POST /api/v1/write`, snappy-compressed protobuf; the Content-Type names the version. Counters
become rates per second (see `adapters.series`): those that the option `types` or metadata call
counters, and `_total` without either (see `adapters.prometheus_series`). Native histograms become
`_per_s` (observations), `_mean`, `_p50`, `_p95` and `_p99` of what was observed since the point
before.

Every sample and histogram of a request becomes samples, is unwatched, or is refused. Unwatched, and
counted by cause: stale markers, values that are not finite, the first point of a counter, one that
is not newer than its last, buckets of classic histograms. Refused: those of a series without a
name, with a label twice or one that is damaged, times outside the years 2000 to 2199, damaged
histograms, and what would be mixed into another series. The answer is then 400 with counts and
reasons, which no sender repeats; the others are taken, as both specifications allow.
"""

import math
import struct
import threading
from collections.abc import Iterable
from typing import Any, ClassVar, Literal

from pydantic import Field

from padit.adapters.base import AdapterOptions
from padit.adapters.histograms import Distribution, summary
from padit.adapters.identities import MixedError, Output
from padit.adapters.prometheus_histogram import count_of, parts_of
from padit.adapters.prometheus_series import PARTS, Kinds, Series, SeriesOf, guess
from padit.adapters.receiver import (
    Call,
    ReceiverAdapter,
    ReceiverOptions,
    Reply,
    Route,
)
from padit.adapters.refusals import Refusals
from padit.adapters.series import Counter, Naming
from padit.codecs.remote_write import LabelError, Point, read_request
from padit.codecs.time_units import probable_unit
from padit.domain.metric import Metric, MetricType
from padit.domain.timestamps import EARLIEST_US, LATEST_US

__all__ = ["PrometheusAdapter", "PrometheusOptions"]

_STALE = 0x7FF0000000000002
_GAUGE_HISTOGRAM = 3
_EARLIEST_MS, _LATEST_MS = EARLIEST_US // 1000, LATEST_US // 1000

_UNWATCHED = {
    "stale": "the series ended (stale marker)",
    "not_finite": "a sample that is NaN or infinite",
    "first": "the first point of a counter; its rate begins with the next",
    "out_of_order": "a point of a counter that is not newer than its last",
    "buckets": "a bucket of a classic histogram; `buckets: true` keeps them",
    "empty": "a histogram of no observations",
}


class PrometheusOptions(ReceiverOptions):
    """Options of the `prometheus` adapter."""

    port: int = Field(default=9201, ge=0, le=65_535, description="Port; 0 takes a free one.")
    naming: Naming = Field(default=Naming(), description="How labels become names.")
    rates: bool = Field(
        default=True, description="Turn counters into rates; false passes them as they are."
    )
    types: dict[str, Literal["counter", "gauge"]] = Field(
        default_factory=dict,
        description="Types of series by pattern of the name, the first that fits, before what "
        "metadata say. With neither, `_total` is a counter and everything else a gauge.",
        examples=[{"pg_stat_*_count": "gauge", "*_total": "counter"}],
    )
    buckets: bool = Field(
        default=False, description="Keep the `_bucket` series of classic histograms."
    )


class PrometheusAdapter(ReceiverAdapter):
    """Prometheus remote write 1.0 and 2.0."""

    Options: ClassVar[type[AdapterOptions]] = PrometheusOptions

    def __init__(self, options: PrometheusOptions) -> None:
        route = Route("POST", "/api/v1/write", self.write, encodings=("snappy",))
        super().__init__(options, [route])
        self._kinds = Kinds(options.types, options.naming.max_series)
        self._series = SeriesOf(options.naming, options.name, self._kinds)
        self._told: set[str] = set()
        self._lock = threading.Lock()

    def write(self, call: Call) -> Reply:
        """Take one request; raises BadRequestError if it is none."""
        content = call.headers.get("content-type", "")
        request = read_request(call.body, content, self.options.max_body_bytes)
        with self._lock:
            for entry in request.metadata:
                self._kinds.learn(entry)
            self._series.request += 1
            write = _Write(self)
            write.take(request.points)
        return write.reply(second=request.second)

    def _tell(self, series: Series, point: Point) -> None:
        """Say once what is guessed about a type."""
        series.told = True
        what, message = guess(series.name)
        if what and what not in self._told and not self._kinds.is_known(series, point):
            self._told.add(what)
            if self._emitter is not None:
                self._emitter.unwatched(what, message, 0)


class _Write:
    """One request on its way to samples."""

    def __init__(self, adapter: PrometheusAdapter) -> None:
        self._adapter = adapter
        self._options = adapter.options
        self._series = adapter._series
        self._kinds = adapter._kinds
        self._found: list[Metric] = []
        self._refused = Refusals()
        self._unwatched: dict[str, tuple[str, int]] = {}
        self._samples = self._histograms = 0

    def take(self, points: Iterable[Point]) -> None:
        """All series of the request.

        New ones that can be parts of a histogram or summary wait for the others, which show it.
        """
        find = self._series.find
        later: list[tuple[Series, Point]] = []
        for point in points:
            try:
                series = find(point.labels, point.fault)
            except LabelError as error:
                self._refused.add(str(error), len(point.samples) + len(point.histograms))
                continue
            if series.version < 0 and series.name.endswith(PARTS):
                later.append((series, point))
            else:
                self._take_series(series, point)
        for series, point in later:
            self._take_series(series, point)
        emitter = self._adapter._emitter
        if emitter is None:
            return
        emitter.emit(self._found)
        if self._refused.total:
            emitter.fault("malformed", self._refused.text(), self._refused.total)
        for what, (name, count) in self._unwatched.items():
            emitter.unwatched(what, f"{name}: {_UNWATCHED[what]}", count)

    def _take_series(self, series: Series, point: Point) -> None:
        before = self._samples + self._histograms + self._refused.total
        try:
            for histogram in point.histograms:
                self._take_histogram(series, point, histogram)
            if point.samples:
                self._take_samples(series, point)
        except Exception as error:  # one series never costs the others
            count = len(point.samples) + len(point.histograms)
            left = before + count - self._samples - self._histograms - self._refused.total
            self._refused.add(f"internal: {error!r}", left)

    def _take_samples(self, series: Series, point: Point) -> None:
        samples = point.samples
        if series.bucket and not self._options.buckets:
            self._leave("buckets", series, len(samples))
            self._samples += len(samples)
            return
        counter, unit = self._kinds.of(series, point)
        if not series.told:
            self._adapter._tell(series, point)
        rate = counter and self._options.rates
        if rate:
            output = self._series.output(series, "_per_s", f"{unit}/s" if unit else "1/s")
        else:
            output = self._series.output(series, "", unit)
        for sample in samples:
            value, time = sample.value, sample.timestamp
            if value - value != 0 or not _EARLIEST_MS <= time < _LATEST_MS:
                self._unusual(series, value, time)
            elif rate:
                created = point.created or getattr(sample, "start_timestamp", 0)
                self._rate(series, output, time / 1000, value, created / 1000)
            else:
                self._put(series, output, time / 1000, value, "custom")

    def _unusual(self, series: Series, value: float, time: int) -> None:
        if value - value == 0:
            self._refuse_time(series, time)
        else:  # NaN or infinite
            self._samples += 1
            self._not_finite(series, value)

    def _rate(
        self, series: Series, output: Output, time: float, value: float, created: float
    ) -> None:
        counter = series.counter
        if counter is None:
            series.counter = Counter(time, value, created)
            self._samples += 1
            self._leave("first", series)
        elif (change := counter.difference(time, value, created)) is None:
            self._samples += 1
            self._leave("out_of_order", series)
        else:
            self._put(series, output, time, change[0] / change[1], "throughput")

    def _put(
        self, series: Series, output: Output, time: float, value: float, kind: MetricType
    ) -> None:
        """One sample of ours, or the reason against it."""
        if value - value != 0:
            self._refused.add(f"{series.name[:100]}: a rate of {value}, beyond the largest number")
            return
        if output.owner is series.identity and time >= output.last:
            output.last = time  # what `take` does, without the cost of a call
        else:
            try:
                output.take(series.identity, time)
            except MixedError as error:
                self._refused.add(str(error))
                return
        self._samples += 1
        source_id, name, unit = output.source_id, output.metric_name, output.unit
        more = series.metadata
        self._found.append(Metric(time, source_id, name, value, unit, kind, "prometheus", more))

    def _take_histogram(self, series: Series, point: Point, histogram: Any) -> None:
        if not _EARLIEST_MS <= histogram.timestamp < _LATEST_MS:
            self._refuse_time(series, histogram.timestamp)
            return
        before = len(self._found)
        try:
            self._histogram(series, point, histogram)
        except MixedError as error:
            del self._found[before:]
            self._refused.add(str(error))
        except (ValueError, OverflowError) as error:
            del self._found[before:]
            self._refused.add(f"{series.name[:100]}: {error}")

    def _add(
        self, series: Series, ending: str, unit: str, time: float, value: float, kind: MetricType
    ) -> None:
        if value - value != 0:
            message = f"a rate of {value}, beyond the largest number"
            raise ValueError(message)
        output = self._series.output(series, ending, unit)
        output.take(series.identity, time)
        self._found.append(
            Metric(
                time, output.source_id, output.metric_name, value, output.unit, kind, "prometheus",
                series.metadata,
            )
        )  # fmt: skip

    def _histogram(self, series: Series, point: Point, histogram: Any) -> None:
        """One native histogram; raises ValueError if it cannot be used."""
        time, count, total = histogram.timestamp / 1000, count_of(histogram), histogram.sum
        if _is_stale(total) or not math.isfinite(count):
            self._histograms += 1
            self._not_finite(series, total)
            return
        try:
            parts = parts_of(histogram)
        except (ValueError, OverflowError) as error:
            message = f"a damaged histogram: {error}"
            raise ValueError(message) from error
        before = len(self._found)
        if histogram.reset_hint != _GAUGE_HISTOGRAM:  # nothing in that one adds up over time
            if series.observed is None:
                series.observed = Counter(time, count, point.created / 1000)
                series.distribution = Distribution(parts, total)
                self._histograms += 1
                self._leave("first", series)
                return
            change = series.observed.difference(time, count, point.created / 1000)
            if change is None:
                self._histograms += 1
                self._leave("out_of_order", series)
                return
            fresh = change[0] == count
            parts, total = series.distribution.since(parts, total, fresh=fresh)
            count = change[0]
            self._add(series, "_per_s", "1/s", time, count / change[1], "throughput")
        for ending, value in summary(parts, total, count):
            self._add(series, f"_{ending}", point.unit, time, value, "custom")
        self._histograms += 1
        if len(self._found) == before:
            self._leave("empty", series)

    def _not_finite(self, series: Series, value: float) -> None:
        if _is_stale(value):
            series.end()
            self._leave("stale", series)
        else:
            self._leave("not_finite", series)

    def _leave(self, what: str, series: Series, count: int = 1) -> None:
        first, before = self._unwatched.get(what, (series.name, 0))
        self._unwatched[what] = (first, before + count)

    def _refuse_time(self, series: Series, time: int) -> None:
        fits = probable_unit(time)
        hint = f" (is it in {fits}? remote write counts ms)" if fits else ""
        text = f"{series.name[:100]}: a time of {time} ms is not in the years 2000 to 2199{hint}"
        self._refused.add(text)

    def reply(self, *, second: bool) -> Reply:
        """204, or 400 with what was refused; version 2.0 wants the counts as well."""
        headers = {
            "X-Prometheus-Remote-Write-Samples-Written": str(self._samples),
            "X-Prometheus-Remote-Write-Histograms-Written": str(self._histograms),
            "X-Prometheus-Remote-Write-Exemplars-Written": "0",
        }
        headers = headers if second else {}
        refused, taken = self._refused.total, self._samples + self._histograms
        if not refused:
            return Reply(204, headers=headers)
        text = f"{refused} samples were refused, {taken} were taken: {self._refused.text()}"
        return Reply(400, text.encode("utf-8", "replace"), "text/plain", headers)


def _is_stale(value: float) -> bool:
    return bool(struct.unpack("<Q", struct.pack("<d", value))[0] == _STALE)
