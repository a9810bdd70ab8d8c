"""What alerts share: by which keys one finds the incident of another, and which edges are known.

An edge, *source X depends on source Y*, is stated in the configuration (`depends_on`), or by a
label of X's alert (`edge_labels`), which adapters set where they know what their target hangs on.
A label may be one that everybody has, so a value that two alerts share never makes them one
incident by itself. It does so

- where Y itself has an alert: X and Y are one incident, whichever comes first;
- where both are silent (`no_data`): what is reached by way of Y is not heard any more.

A source that is a key of `depends_on` has the edges that stand there, and no others.
"""

from collections.abc import Iterable, Mapping, Sequence

from padit.alerting.entries import AlertEvent
from padit.alerting.policy import Grouping

__all__ = ["Edges", "Sharing", "edges_of", "neighbours_of", "targets_of"]

Edges = Mapping[str, Sequence[str]]
_SILENT = "no_data"


class Sharing:
    """The keys of one alert; see `Traits`.

    Args:
        grouping: the configuration.
        neighbours: of its sources, over the edges of the configuration.
        event: the alert.
    """

    def __init__(
        self, grouping: Grouping, neighbours: Mapping[str, set[str]], event: AlertEvent
    ) -> None:
        source = event.source_id
        strong = [f"source {source}"] if "source" in grouping.share or neighbours else []
        # What fails there shows in the same way in all that depend on it, perhaps before it.
        strong += [
            f"below {below} {event.metric_name}" for below in grouping.depends_on.get(source, ())
        ]
        labels = [
            f"label {name}={event.labels[name]}"
            for name in grouping.share
            if name != "source" and name in event.labels
        ]
        beside = [f"source {one}" for one in sorted(neighbours.get(source, ()))]
        targets = targets_of(grouping, event)
        silent = [f"silent {one}" for one in targets] if event.detector == _SILENT else []
        self.stated = tuple(f"above {one}" for one in targets)
        found_by, around = list(self.stated), [f"source {one}" for one in targets]
        if grouping.edge_labels:
            around.append(f"above {source}")
            found_by += [] if strong else [f"source {source}"]
        self.keys = (*strong, *labels, *silent, *found_by)
        self.near = tuple(dict.fromkeys((*strong, *labels, *silent, *beside, *around)))
        self.by_edge = frozenset((*silent, *around)) - {*strong, *beside}
        self.weak = self.by_edge | frozenset(labels)


def neighbours_of(depends_on: Edges) -> dict[str, set[str]]:
    """Of each source that a configuration names those at the other end of its edges."""
    found: dict[str, set[str]] = {}
    for source, below in sorted(depends_on.items()):
        for one in below:
            found.setdefault(source, set()).add(one)
            found.setdefault(one, set()).add(source)
    return found


def targets_of(grouping: Grouping, event: AlertEvent) -> tuple[str, ...]:
    """Sources on which that of an alert depends, as its labels say; without itself.

    >>> one = AlertEvent("i", "opened", 0, "a", "unit-2", "rpm", "WARNING", 0.8, "", 0,
    ...     labels={"depends_on": "gateway"})
    >>> targets_of(Grouping(), one), targets_of(Grouping(depends_on={"unit-2": ()}), one)
    (('gateway',), ())
    """
    labels, source = event.labels, event.source_id
    if not labels or source in grouping.depends_on:
        return ()
    found = (labels.get(name, "") for name in grouping.edge_labels)
    return tuple(dict.fromkeys(one for one in found if one and one != source))


def edges_of(
    grouping: Grouping, events: Iterable[AlertEvent]
) -> tuple[Edges, list[tuple[str, str]]]:
    """All edges for an incident of these alerts, and those that only labels state, sorted."""
    known = {
        (event.source_id, target) for event in events for target in targets_of(grouping, event)
    }
    if not known:
        return grouping.depends_on, []
    stated = sorted(known)
    edges: dict[str, Sequence[str]] = dict(grouping.depends_on)
    for source, target in stated:
        edges[source] = (*edges.get(source, ()), target)
    return edges, stated
