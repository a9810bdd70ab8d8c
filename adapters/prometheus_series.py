"""Series of remote write: their labels, their types, and what is remembered about each.

The type of a series decides whether it becomes a rate. It comes from the option `types`, or else
from metadata (inline in version 2.0, messages of their own in 1.0), or else from the series beside
it: `x_count` and `x_sum` are counters where `x_bucket{le}` or `x{quantile}` was seen. What is left
is a counter if its name ends in `_total`, as OpenMetrics demands of counters and of nothing else,
and a gauge otherwise. Both guesses are said once, with the option that changes them.
"""

import math
from fnmatch import fnmatchcase
from typing import Literal

from padit.adapters.histograms import Distribution
from padit.adapters.identities import Output, Outputs, Records
from padit.adapters.series import Counter, Labels, Namer, Naming
from padit.codecs.names import shortened
from padit.codecs.remote_write import Key, LabelError, Metadata, Point, labels_of

__all__ = ["PARTS", "UNNAMED", "Kinds", "Series", "SeriesOf", "guess"]

_COUNTER, _GAUGE, _HISTOGRAM, _SUMMARY = 1, 2, 3, 5
_ENDINGS = ("_total", "_count", "_sum", "_bucket")
PARTS = ("_count", "_sum")
"""Endings of the series that a histogram or summary has beside its buckets or quantiles."""
UNNAMED = "a series without a name (the label __name__)"


class Series:
    """What is remembered about one series.

    Attributes:
        identity: its labels, sorted.
        name: of the metric.
        source_id: of its samples.
        suffix: labels that its names end in.
        metadata: of its samples.
        bucket: whether it is a bucket of a classic histogram.
        quantile: whether it is a quantile of a summary.
        counter: the last point, of a counter.
        observed: the count of the last native histogram.
        distribution: the rest of it.
        outputs: series of ours, by the ending of the name and the unit.
        kind: whether it is a counter, and its unit, in `version` of the types.
        told: whether what is guessed of it was said.
        used: number of the request that brought it last.
    """

    __slots__ = (
        "bucket", "counter", "distribution", "identity", "kind", "metadata", "name", "observed",
        "outputs", "quantile", "source_id", "suffix", "told", "used", "version",
    )  # fmt: skip

    def __init__(
        self, identity: Labels, name: str, source_id: str, suffix: str, metadata: dict[str, str]
    ) -> None:
        self.identity = identity
        self.name = name
        self.source_id = source_id
        self.suffix = suffix
        self.metadata = metadata
        self.bucket = name.endswith("_bucket") and any(label == "le" for label, _ in identity)
        self.quantile = any(label == "quantile" for label, _ in identity)
        self.counter: Counter | None = None
        self.observed: Counter | None = None
        self.distribution = Distribution((), math.nan)
        self.outputs: dict[tuple[str, str], Output] = {}
        self.kind = (False, "")
        self.version = -1
        self.told = False
        self.used = 0

    def end(self) -> None:
        """The series has ended: another may go on with its names."""
        for output in self.outputs.values():
            output.release(self.identity)


class SeriesOf:
    """All series of a receiver, by their labels; bounded.

    Args:
        naming: how labels become names.
        fallback: source of series without a source label.
        kinds: learns from buckets and quantiles what their families are.

    Attributes:
        request: number of the current request.
    """

    def __init__(self, naming: Naming, fallback: str, kinds: "Kinds") -> None:
        self._kinds = kinds
        self._namer = Namer(naming, fallback)
        self._outputs = Outputs()
        self._records: Records[Series] = Records(naming.max_series, self._outputs)
        self._known: dict[Key, Series] = {}
        self._most = naming.max_series
        self.request = 0

    def find(self, labels: Key, fault: str = "") -> Series:
        """The series of labels as they came; raises LabelError if they cannot be one."""
        found = None if fault else self._known.get(labels)
        if found is None:
            if fault:
                raise LabelError(fault)
            found = self._learn(labels)
        found.used = self.request
        return found

    def _learn(self, labels: Key) -> Series:
        texts = labels_of(labels)
        identity = tuple(sorted(texts.items()))
        found = self._records.get(identity)
        if found is None:
            name = texts.pop("__name__", "")
            if not name:
                raise LabelError(UNNAMED)
            source, suffix = self._namer.name(texts)
            edge = self._namer.edge(texts, source)
            found = Series(identity, name, source, suffix, edge)
            found.used = self.request
            if found.bucket or found.quantile:
                self._kinds.see(found)
            if self._records.add(found):
                self._known.clear()
        if len(self._known) >= 2 * self._most:
            self._known.clear()
        self._known[labels] = found
        return found

    def output(self, series: Series, ending: str, unit: str) -> Output:
        """The series of ours whose name has this ending, before the labels."""
        found = series.outputs.get((ending, unit))
        if found is None:
            name = shortened(f"{series.name}{ending}{series.suffix}")
            found = self._outputs.of(series.source_id, name, shortened(unit))
            series.outputs[ending, unit] = found
        return found


class Kinds:
    """Which series are counters.

    Args:
        types: by pattern of the name, from the options.
        most: families whose metadata are remembered.
    """

    def __init__(self, types: dict[str, Literal["counter", "gauge"]], most: int) -> None:
        self._types = list(types.items())
        self._families: dict[str, tuple[int, str]] = {}
        self._structures: dict[str, int] = {}
        self._most = most
        self._version = 0

    def learn(self, entry: Metadata) -> None:
        """Take the metadata of a family."""
        found = (entry.kind, entry.unit)
        if self._families.get(entry.family) == found:
            return
        if entry.family in self._families or len(self._families) < self._most:
            self._families[entry.family] = found
            self._version += 1

    def see(self, series: Series) -> None:
        """Take a series as evidence of what its family is."""
        kind = _HISTOGRAM if series.bucket else _SUMMARY
        name = series.name.removesuffix("_bucket") if series.bucket else series.name
        if name not in self._structures and len(self._structures) < self._most:
            self._structures[name] = kind
            self._version += 1

    def of(self, series: Series, point: Point) -> tuple[bool, str]:
        """Whether a series is a counter, and its unit."""
        if point.kind:
            given = self._given(series.name)
            counts = given == "counter" if given else _counts(series, point.kind)
            return counts, point.unit
        if series.version != self._version:
            series.kind = self._find(series)
            series.version = self._version
        return series.kind[0], point.unit or series.kind[1]

    def is_known(self, series: Series, point: Point) -> bool:
        """Whether the options or metadata give its type."""
        return bool(self._given(series.name) or point.kind or self._family(series.name)[0])

    def _find(self, series: Series) -> tuple[bool, str]:
        kind, unit = self._family(series.name)
        given = self._given(series.name)
        return given == "counter" if given else _counts(series, kind), unit

    def _given(self, name: str) -> str:
        for pattern, kind in self._types:
            if fnmatchcase(name, pattern):
                return kind
        return ""

    def _family(self, name: str) -> tuple[int, str]:
        found = self._families.get(name)
        for ending in _ENDINGS:
            if found is None and name.endswith(ending):
                base = name.removesuffix(ending)
                kind = self._structures.get(base, 0) if ending in PARTS else 0
                found = self._families.get(base) or ((kind, "") if kind else None)
        return found or (0, "")


def _counts(series: Series, kind: int) -> bool:
    name = series.name
    if series.bucket and kind != _GAUGE:
        return kind in (0, _COUNTER, _HISTOGRAM)
    if kind in (_HISTOGRAM, _SUMMARY):
        return name.endswith((*PARTS, "_bucket"))
    return (kind == _COUNTER and not name.endswith("_created")) or (
        kind == 0 and name.endswith("_total")
    )


def guess(name: str) -> tuple[str, str]:
    """Cause and text of what is guessed of a series whose type nothing tells; ("", "") if nothing.

    >>> guess("jobs_total")[0], guess("pg_stat_activity_count")[0], guess("up")[0]
    ('untyped_total', 'untyped', '')
    """
    if name.endswith("_total"):
        text = (
            f"{name} has no metadata and is taken for a counter because of its name, so its rate "
            f"is watched and not its value; types: {{{name}: gauge}} changes that"
        )
        return "untyped_total", text
    if name.endswith(_ENDINGS):
        text = (
            f"{name} has no metadata and is taken for a gauge, so its value is watched and not "
            f"its rate; types: {{{name}: counter}} or metadata from the sender change that"
        )
        return "untyped", text
    return "", ""
