"""Labelled points of other systems to series of ours: names and rates.

A series here is (source_id, metric_name). Of a point's labels the first that is in
`source_labels` becomes the source; the others stay in the name, as in
`http_requests_total_per_s{code="200",method="GET"}`, sorted, so that no two series fall
together. A name that would be too long keeps its head and ends in a hash of the whole.

Counters become rates per second (`_per_s`), because an ever-growing number has no normal range.
"""

import hashlib
from collections import OrderedDict
from typing import NamedTuple

from pydantic import Field

from padit.adapters.base import Options
from padit.codecs.records import MAX_NAME_LENGTH

__all__ = ["Counters", "Namer", "Naming"]

Labels = tuple[tuple[str, str], ...]


class Naming(Options):
    """How labels become names."""

    source_labels: tuple[str, ...] = Field(
        default=(
            "service.instance.id",
            "host.name",
            "service.name",
            "instance",
            "host",
            "machine",
            "device",
            "job",
        ),
        description="Labels that can be the source; the first that a point has is taken.",
    )
    default_source: str = Field(
        default="", description="Source of points without such a label; the adapter's name."
    )
    drop_labels: tuple[str, ...] = Field(
        default=(), description="Labels that are left out of names.", examples=[["pod_hash"]]
    )
    max_series: int = Field(
        default=200_000, ge=1, description="Series whose state is kept; the oldest goes first."
    )


class Namer:
    """Names series, and remembers the names.

    Args:
        naming: the rules.
        fallback: source of points without a source label.
    """

    def __init__(self, naming: Naming, fallback: str) -> None:
        self._order = naming.source_labels
        self._drop = frozenset(naming.drop_labels)
        self._fallback = naming.default_source or fallback
        self._known: dict[Labels, tuple[str, str]] = {}
        self._most = naming.max_series

    def split(self, labels: Labels) -> tuple[str, str]:
        """(source_id, suffix of the name) of a set of labels; the order does not matter."""
        known = self._known.get(labels)
        if known is None:
            if len(self._known) >= self._most:
                self._known.clear()
            known = self._known[labels] = self._make(dict(labels))
        return known

    def _make(self, labels: dict[str, str]) -> tuple[str, str]:
        chosen = next((name for name in self._order if labels.get(name)), None)
        source = labels[chosen] if chosen else self._fallback
        rest = sorted(
            (name, text)
            for name, text in labels.items()
            if name != chosen and name not in self._drop and text
        )
        quoted = (f'{name}="{_escaped(text)}"' for name, text in rest)
        return shorten(source), "{" + ",".join(quoted) + "}" if rest else ""


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def shorten(name: str) -> str:
    """A name within the limit; one that is too long ends in a hash of the whole."""
    if len(name) <= MAX_NAME_LENGTH:
        return name
    digest = hashlib.sha256(name.encode("utf-8", "replace")).hexdigest()[:16]
    return f"{name[: MAX_NAME_LENGTH - 17]}#{digest}"


class _Seen(NamedTuple):
    time: float
    value: float
    start: float


class Counters:
    """Cumulative values to differences, over resets; bounded.

    Args:
        most: series that are remembered; the one not seen for longest is forgotten.
    """

    def __init__(self, most: int) -> None:
        self._seen: OrderedDict[object, _Seen] = OrderedDict()
        self._most = most

    def difference(
        self, key: object, time: float, value: float, start: float = 0.0
    ) -> tuple[float, float] | None:
        """(increase, seconds) since the point before.

        A value below the one before, or a later `start`, is a reset: the counter began again
        at 0, so that all of `value` is new. None for the first point of a series, and for one
        that is not newer than the last.

        Args:
            key: the series.
            time: epoch seconds of the point.
            value: the counter.
            start: epoch seconds when the counter began, 0 if unknown.
        """
        before = self._seen.get(key)
        if before is None:
            if len(self._seen) >= self._most:
                self._seen.popitem(last=False)
            self._seen[key] = _Seen(time, value, start)
            return None
        if time <= before.time:
            return None
        self._seen[key] = _Seen(time, value, start)
        self._seen.move_to_end(key)
        reset = value < before.value or (start > before.start > 0 and start > before.time - 1)
        return (value if reset else value - before.value), time - before.time

    def total(self, key: object, time: float, delta: float) -> float:
        """The running total of deltas, from 0 at the first."""
        before = self._seen.get(key, _Seen(0.0, 0.0, 0.0))
        self._seen[key] = _Seen(time, before.value + delta, 0.0)
        self._seen.move_to_end(key)
        if len(self._seen) > self._most:
            self._seen.popitem(last=False)
        return before.value + delta

    def knows(self, key: object) -> bool:
        """Whether a point of the series was seen."""
        return key in self._seen
