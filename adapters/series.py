"""Labelled points of other systems to series of ours: names and rates.

A series here is (source_id, metric_name). The first rule of `source_labels` that a point's labels
can fill becomes the source; the others stay in the name, as in
`http_requests_total_per_s{code="200",method="GET"}`, sorted. A name that would be too long keeps
its head and ends in a hash of the whole. Where two identities of a protocol would get one name
after all, `adapters.identities` keeps them apart.

Counters become rates per second (`_per_s`), because an ever-growing number has no normal range.
"""

import re
from collections import OrderedDict
from collections.abc import Mapping, Sequence

from pydantic import Field

from padit.adapters.base import Options
from padit.adapters.edges import target_of
from padit.codecs.names import shortened

__all__ = ["Counter", "Counters", "Labels", "Namer", "Naming"]

Labels = tuple[tuple[str, str], ...]

_PLACE = re.compile(r"\{([^{}]+)\}")


class Naming(Options):
    """How labels become names."""

    source_labels: tuple[str, ...] = Field(
        default=(
            "{service.name}/{service.instance.id}",
            "{service.name}/{host.name}",
            "service.name",
            "service.instance.id",
            "host.name",
            "instance",
            "host",
            "machine",
            "device",
            "job",
        ),
        description="Labels that can be the source, or several in braces within a text; the first "
        "rule whose labels a point has is taken.",
        examples=[["{site}/{machine}", "host"]],
    )
    default_source: str = Field(
        default="", description="Source of points without such a label; the adapter's name."
    )
    drop_labels: tuple[str, ...] = Field(
        default=(),
        description="Labels that are left out of names. Series that only they tell apart are not "
        "mixed: the second is refused.",
        examples=[["pod_hash"]],
    )
    depends_on_labels: tuple[str, ...] = Field(
        default=("depends_on", "peer.service", "k8s.node.name", "node", "host.name"),
        description="Labels whose value is the source on which that of the point depends; the "
        "first that a point has is `depends_on` in the metadata of its samples; []: none.",
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
        self._rules = [(rule, _PLACE.findall(rule) or [rule]) for rule in naming.source_labels]
        self._drop = frozenset(naming.drop_labels)
        self._fallback = naming.default_source or fallback
        self._edges = naming.depends_on_labels
        self._known: dict[Labels, tuple[str, str]] = {}
        self._most = naming.max_series

    def split(self, labels: Labels) -> tuple[str, str]:
        """(source_id, suffix of the name) of a set of labels; the order does not matter."""
        known = self._known.get(labels)
        if known is None:
            if len(self._known) >= self._most:
                self._known.clear()
            known = self._known[labels] = self.name(dict(labels))
        return known

    def name(self, labels: Mapping[str, str]) -> tuple[str, str]:
        """As `split`, without remembering the answer.

        >>> naming = Naming(source_labels=("{site}/{machine}", "host"))
        >>> Namer(naming, "x").name({"site": "a", "machine": "press", "part": "7"})
        ('a/press', '{part="7"}')
        """
        source, chosen = self.source(labels)
        return source, self.suffix(
            {name: text for name, text in labels.items() if name not in chosen}
        )

    def source(self, labels: Mapping[str, str]) -> tuple[str, Sequence[str]]:
        """The source of a set of labels, and those that it is made of; () if of none."""
        for rule, names in self._rules:
            if all(labels.get(name) for name in names):
                filled = _PLACE.sub(lambda found: labels[found[1]], rule)
                return shortened(labels[rule] if names == [rule] else filled), names
        return shortened(self._fallback), ()

    def edge(self, labels: Mapping[str, str], source: str) -> dict[str, str]:
        """The metadata of samples of a source with these labels: what it depends on."""
        if source == shortened(self._fallback):  # it stands for many
            return {}
        return target_of(self._edges, labels, source)

    def suffix(self, labels: Mapping[str, str]) -> str:
        """What labels add to a name."""
        rest = sorted(
            (name, text) for name, text in labels.items() if text and name not in self._drop
        )
        quoted = (f'{name}="{_escaped(text)}"' for name, text in rest)
        return "{" + ",".join(quoted) + "}" if rest else ""


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


class Counter:
    """One cumulative value, to its differences over resets; begins with the first point."""

    __slots__ = ("start", "time", "value")

    def __init__(self, time: float, value: float, start: float = 0.0) -> None:
        self.time = time
        self.value = value
        self.start = start

    def difference(
        self, time: float, value: float, start: float = 0.0
    ) -> tuple[float, float] | None:
        """(increase, seconds) since the point before, None if this one is not newer.

        A value below the one before, or a later `start`, is a reset: the counter began again
        at 0, so that all of `value` is new.

        Args:
            time: epoch seconds of the point.
            value: the counter.
            start: epoch seconds when the counter began, 0 if unknown.

        >>> counter = Counter(time=100.0, value=50.0)
        >>> counter.difference(110.0, 70.0), counter.difference(120.0, 30.0)
        ((20.0, 10.0), (30.0, 10.0))
        """
        seconds = time - self.time
        if seconds <= 0:
            return None
        reset = value < self.value or (start > self.start > 0 and start > self.time - 1)
        increase = value if reset else value - self.value
        self.time, self.value, self.start = time, value, start
        return increase, seconds


class Counters:
    """Many counters by key; bounded.

    Args:
        most: series that are remembered; the one not seen for longest is forgotten.
    """

    def __init__(self, most: int) -> None:
        self._seen: OrderedDict[object, Counter] = OrderedDict()
        self._most = most

    def difference(
        self, key: object, time: float, value: float, start: float = 0.0
    ) -> tuple[float, float] | None:
        """As `Counter.difference`; None for the first point of a series, too."""
        before = self._seen.get(key)
        if before is None:
            if len(self._seen) >= self._most:
                self._seen.popitem(last=False)
            self._seen[key] = Counter(time, value, start)
            return None
        change = before.difference(time, value, start)
        if change is not None:
            self._seen.move_to_end(key)
        return change

    def knows(self, key: object) -> bool:
        """Whether a point of the series was seen."""
        return key in self._seen
