"""Samples of one scrape to metrics of ours, by the types that the exposition declares.

In: an `Exposition` and the labels of its target. Out: gauges and samples without a type as they
are, counters as rates, histograms and summaries as what was observed since the scrape before.

The unit of the books is the sample of the exposition: each goes into at least one metric, or is
counted as unwatched (left out by `select`, of type info, NaN for "no value", a counter that is
seen for the first time) or as a fault (infinite, with a time that is impossible, against the rules
of its type, or of a series that would be mixed with another because of `drop_labels`).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Literal, NamedTuple, Protocol

from pydantic import Field

from padit.adapters.base import Options
from padit.adapters.histograms import Distributions, explicit, summary
from padit.adapters.identities import MixedError
from padit.adapters.scrape_series import SeriesOf
from padit.adapters.series import Counters, Naming
from padit.adapters.times import possible_time
from padit.codecs.exposition import Exposition, Labels, Sample
from padit.domain.metric import Metric, MetricType

__all__ = ["Books", "Points", "Selection", "Taken"]


class Books(Protocol):
    """Where samples are counted that become no metric; an `Emitter` is one."""

    def fault(self, cause: str, message: str, count: int = 1) -> None:
        """Count what is refused."""

    def unwatched(self, what: str, message: str, count: int = 1) -> None:
        """Count what becomes no metric by decision."""


class Taken(NamedTuple):
    """What came of an exposition.

    Attributes:
        used: samples that went into at least one of the metrics.
    """

    metrics: list[Metric]
    used: int


_UNTYPED = ("untyped", "unknown")
_GROUPED = ("histogram", "gaugehistogram", "summary")


class Selection(Options):
    """Which samples of a scrape become metrics, and as what."""

    keep: tuple[str, ...] = Field(
        default=("*",), description="Families to keep, as patterns.", examples=[["node_*"]]
    )
    drop: tuple[str, ...] = Field(
        default=(), description="Families to leave out, as patterns.", examples=[["go_*"]]
    )
    labels: dict[str, str] = Field(
        default_factory=dict,
        description="Patterns that the labels of a sample must match; an absent label is ''.",
        examples=[{"device": "eth*"}],
    )
    types: dict[str, Literal["counter", "gauge"]] = Field(
        default_factory=dict,
        description="Types of families that have none, by pattern; they are gauges otherwise.",
        examples=[{"*_requests": "counter"}],
    )
    rates: bool = Field(
        default=True, description="Turn counters into rates; false passes them as they are."
    )
    honor_timestamps: bool = Field(
        default=True, description="Keep times in the exposition; false takes that of the scrape."
    )
    honor_labels: bool = Field(
        default=False,
        description="Where a sample has a label of the target's, keep its own; false renames it "
        "to `exported_...`.",
    )


@dataclass(slots=True)
class _Group:
    """One histogram or summary: all samples with the same labels and time."""

    sample: Sample
    buckets: dict[float, float] = field(default_factory=dict)
    quantiles: list[tuple[float, float]] = field(default_factory=list)
    count: float = math.nan
    total: float = math.nan
    created: float = 0.0
    size: int = 0  # samples


class Points:
    """Turns expositions into metrics and remembers counters from scrape to scrape; no I/O.

    Args:
        selection: which samples are taken.
        naming: how labels become names.
        fallback: source of samples without a source label.
        silence_sec: how long a series keeps its names when nothing comes of it.
    """

    def __init__(
        self, selection: Selection, naming: Naming, fallback: str, silence_sec: float = 60.0
    ) -> None:
        self._selection = selection
        self._series = SeriesOf(
            naming, fallback, honor_labels=selection.honor_labels, silence_sec=silence_sec
        )
        self._counters = Counters(naming.max_series)
        self._seen = Distributions(naming.max_series)
        self._chosen: dict[str, bool] = {}
        self._most = naming.max_series

    def metrics(self, exposition: Exposition, target: Labels, time: float, books: Books) -> Taken:
        """All that is watched.

        Args:
            exposition: of one target.
            target: labels that every sample of this target gets.
            time: of the scrape, epoch seconds.
            books: counts what is not watched.
        """
        self._series.scrape += 1
        scrape = _Scrape(self, target, time, books)
        for sample in exposition.samples:
            if self._takes(sample):
                scrape.add(sample)
            else:
                books.unwatched("left_out", f"{sample.name} is left out by `select`")
        return scrape.finish()

    def _takes(self, sample: Sample) -> bool:
        name, chosen = sample.family.name, self._selection
        taken = self._chosen.get(name)
        if taken is None:
            if len(self._chosen) >= self._most:
                self._chosen.clear()
            taken = any(fnmatchcase(name, pattern) for pattern in chosen.keep)
            taken = taken and not any(fnmatchcase(name, pattern) for pattern in chosen.drop)
            self._chosen[name] = taken
        if not taken or not chosen.labels:
            return taken
        labels = dict(sample.labels)
        return all(fnmatchcase(labels.get(key, ""), text) for key, text in chosen.labels.items())


class _Scrape:
    """One exposition on its way to metrics."""

    def __init__(self, points: Points, target: Labels, time: float, books: Books) -> None:
        self._points = points
        self._options = points._selection
        self._target = target
        self._time = time
        self._books = books
        self._used = 0
        self._metrics: list[Metric] = []
        self._created: dict[tuple[str, Labels], float] = {}
        self._counted: list[Sample] = []
        self._groups: dict[tuple[str, Labels, float | None], _Group] = {}

    def add(self, sample: Sample) -> None:
        """Take one sample; counters and histograms wait for their `_created`."""
        kind, name = self._kind(sample), sample.name
        if self._useless(sample, kind):
            return
        if kind == "counter" and sample.ending == "_created":
            self._created[sample.family.name, tuple(sorted(sample.labels))] = sample.value
            message = f"{name} says when a counter began: its rate needs that"
            self._books.unwatched("created", message)
        elif kind == "counter" and sample.value < 0:
            self._books.fault("malformed", f"{name} is a counter and {sample.value}")
        elif kind == "counter" and self._options.rates:
            self._counted.append(sample)
        elif kind in _GROUPED:
            self._group(sample)
        else:
            self._give(sample, name, 1, [self._of(sample, name, sample.value)])

    def _useless(self, sample: Sample, kind: str) -> bool:
        """Whether nothing can come of a sample by itself; it is counted then."""
        books, name = self._books, sample.name
        if kind == "info":
            books.unwatched("info", f"{name}: a family of type info is labels, no number")
        elif math.isnan(sample.value) and kind not in _GROUPED:
            books.unwatched("nan", f"{name} is NaN: there is no value")
        elif math.isinf(sample.value) and kind not in _GROUPED:
            books.fault("not_finite", f"{name} is {sample.value}")
        elif (when := self._when(sample)) != self._time and not possible_time(when):
            labels = ",".join(f'{key}="{text}"' for key, text in sample.labels)[:200]
            series = f"{name}{{{labels}}}" if labels else name
            message = f"{series} is {sample.value:g} at {when:.15g} s, which is not in the"
            books.fault("time", f"{message} years 2000 to 2199; see `select.honor_timestamps`")
        else:
            return False
        return True

    def finish(self) -> Taken:
        """Counters and groups as well; everything."""
        for sample in self._counted:
            key = (sample.family.name, tuple(sorted(sample.labels)))
            change = self._change(sample, sample.value, self._created.get(key, 0.0), 1)
            if change is not None:
                rate = _rate(sample.name, change, sample.family.unit)
                self._give(sample, sample.name, 1, [rate])
        for group in self._groups.values():
            if group.sample.family.kind == "summary":
                self._summary(group)
                self._quantiles(group)
            else:
                self._histogram(group)
        return Taken(self._metrics, self._used)

    def _kind(self, sample: Sample) -> str:
        kind, name = sample.family.kind, sample.family.name
        if kind not in _UNTYPED:
            return kind
        types = self._options.types.items()
        return next((found for pattern, found in types if fnmatchcase(name, pattern)), "gauge")

    def _group(self, sample: Sample) -> None:
        edge = "quantile" if sample.family.kind == "summary" else "le"
        labels = tuple(sorted(pair for pair in sample.labels if pair[0] != edge))
        group = self._groups.setdefault(
            (sample.family.name, labels, sample.time), _Group(sample._replace(labels=labels))
        )
        if sample.ending in ("_count", "_gcount"):
            group.count = sample.value
        elif sample.ending in ("_sum", "_gsum"):
            group.total = sample.value
        elif sample.ending == "_created":
            group.created = sample.value if math.isfinite(sample.value) else 0.0
        elif not self._edge(sample, edge, group):
            return
        group.size += 1

    def _edge(self, sample: Sample, edge: str, group: _Group) -> bool:
        """Keep a bucket or quantile; False after it was refused."""
        text = dict(sample.labels).get(edge, "")
        try:
            place = float(text)
        except ValueError:
            message = f"{sample.name}: {edge}={text[:60]!r} is no number"
            self._books.fault("malformed", message)
            return False
        if edge == "le":
            group.buckets[place] = sample.value
        else:
            group.quantiles.append((place, sample.value))
        return True

    def _histogram(self, group: _Group) -> None:
        sample, name = group.sample, group.sample.family.name
        bounds = sorted(group.buckets)
        values = [group.buckets[bound] for bound in bounds]
        count = group.count if math.isfinite(group.count) else group.buckets.get(math.inf, math.nan)
        steps = [after - before for before, after in zip([0.0, *values], values, strict=False)]
        if not 0 <= count < math.inf or not all(step >= 0 for step in steps):
            reason = "its buckets do not grow, or it has no count from 0 on"
            self._books.fault("malformed", f"{name}: {reason}", group.size)
            return
        if math.inf in group.buckets:
            parts = explicit(bounds[:-1], steps)
        else:
            parts = explicit(bounds, [*steps, max(0.0, count - (values[-1] if values else 0.0))])
        total = group.total
        found: list[_Found] = []
        if sample.family.kind == "histogram":
            known = self._points._seen.knows(self._key(sample))
            change = self._change(sample, count, group.created, group.size)
            if change is None and known:
                return
            fresh = change is not None and change[0] == count
            seen = self._points._seen
            parts, total = seen.since(self._key(sample), parts, total, fresh=fresh)
            if change is None:
                return
            count = change[0]
            found.append(_rate(name, change))
        for ending, value in summary(parts, total, count):
            found.append(self._of(sample, f"{name}_{ending}", value))
        self._give(sample, name, group.size, found)

    def _summary(self, group: _Group) -> None:
        sample, name = group.sample, group.sample.family.name
        size = group.size - len(group.quantiles)
        if group.count < 0 or group.count == math.inf:
            self._books.fault("malformed", f"{name}: its count is {group.count}", size)
        elif not math.isfinite(group.count):
            if size:
                message = f"{name}: a summary without a count has no rate and no mean"
                self._books.unwatched("no_count", message, size)
        else:
            known = self._points._seen.knows(self._key(sample))
            change = self._change(sample, group.count, group.created, size)
            fresh = change is not None and change[0] == group.count
            if change is not None or not known:
                seen = self._points._seen
                _, total = seen.since(self._key(sample), [], group.total, fresh=fresh)
            if change is not None:
                found = [_rate(name, change)]
                for ending, value in summary([], total, change[0]):
                    found.append(self._of(sample, f"{name}_{ending}", value))
                self._give(sample, name, size, found)

    def _quantiles(self, group: _Group) -> None:
        name = group.sample.family.name
        for share, value in group.quantiles:
            if not 0 <= share <= 1:
                self._books.fault("malformed", f"{name}: the quantile {share} is not in 0 to 1")
            elif math.isnan(value):
                self._books.unwatched("nan", f"{name}: its quantile is NaN: nothing was observed")
            elif math.isinf(value):
                self._books.fault("not_finite", f"{name}: its quantile {share} is {value}")
            else:
                found = self._of(group.sample, f"{name}_p{100 * share:g}", value)
                self._give(group.sample, name, 1, [found])

    def _when(self, sample: Sample) -> float:
        honored = self._options.honor_timestamps and sample.time is not None
        return float(sample.time) if honored and sample.time is not None else self._time

    def _key(self, sample: Sample) -> object:
        return sample.family.name, tuple(sorted(sample.labels)), self._target

    def _change(
        self, sample: Sample, value: float, created: float, size: int
    ) -> tuple[float, float] | None:
        """(increase, seconds) since the scrape before; None after `size` samples were counted."""
        key, counters = self._key(sample), self._points._counters
        known = counters.knows(key)
        change = counters.difference(key, self._when(sample), value, created)
        if change is not None:
            return change
        if known:
            message = f"{sample.name}: its time is not newer than its last"
            self._books.unwatched("not_newer", f"{message}; see `honor_timestamps`", size)
        else:
            message = f"{sample.name}: a counter has a rate from its second scrape on"
            self._books.unwatched("first_scrape", message, size)
        return change

    def _of(self, sample: Sample, name: str, value: float) -> "_Found":
        return _Found(name, value, sample.family.unit, "custom")

    def _give(self, sample: Sample, name: str, size: int, found: Sequence["_Found"]) -> None:
        """Add what `size` samples of one series have become: all of it, or nothing.

        Args:
            sample: with the labels of the series.
            name: of the series.
            size: samples.
            found: what they have become.
        """
        of, when = self._points._series, self._when(sample)
        series = of.find(name, sample.labels, self._target)
        made = []
        try:
            for one in found:
                output = of.output(series, one.name, one.unit)
                output.take(series.identity, when)
                made.append(Metric(when, output.source_id, output.metric_name, one.value,
                                   one.unit, one.kind, "prometheus",
                                   series.metadata))  # fmt: skip
        except MixedError as error:
            self._books.fault("mixed", str(error), size)
            return
        self._used += size
        self._metrics += made


class _Found(NamedTuple):
    """A metric before it has the labels of its series."""

    name: str
    value: float
    unit: str
    kind: MetricType


def _rate(name: str, change: tuple[float, float], unit: str = "") -> _Found:
    return _Found(f"{name}_per_s", change[0] / change[1], f"{unit or 1}/s", "throughput")
