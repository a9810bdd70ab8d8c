"""What people judged alerts to be: precision per detector and route over time, and labels."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from padit.alerting.effects import VERDICTS, Feedback
from padit.alerting.entries import AlertEvent, Entry
from padit.alerting.preview import Preview, alerts_of
from padit.domain.timestamps import format_utc

__all__ = ["Tally", "labels_of", "tallies", "verdicts_of"]


class Tally(NamedTuple):
    """Judged alerts of a detector, or those that a route sent, in one month.

    Attributes:
        kind: `detector` or `route`.
        name: its name.
        month: of event time, as in 2026-03.
        counts: alerts by verdict, in the order of `VERDICTS`.
    """

    kind: str
    name: str
    month: str
    counts: tuple[int, ...]

    @property
    def precision(self) -> float | None:
        """Real ones of all but duplicates, which are neither right nor wrong; None: there is none.

        A routine alert is true, but needed no message, so it counts as a wrong one.
        """
        real, noise, _, routine = self.counts
        whole = real + noise + routine
        return real / whole if whole else None


def verdicts_of(entries: Iterable[Entry], of: Preview) -> dict[str, str]:
    """The last verdict on each alert, by id; verdicts of other words are left out."""
    known = {one.alert for one in entries if isinstance(one, AlertEvent)}
    found: dict[str, str] = {}
    for one in of.effects:
        if isinstance(one, Feedback) and one.verdict in VERDICTS:
            found.update((alert, one.verdict) for alert in one.alerts if alert in known)
    return found


def tallies(entries: Sequence[Entry], of: Preview, verdicts: Mapping[str, str]) -> list[Tally]:
    """Judged alerts by detector and month, then by route and month.

    Args:
        entries: of the log, in order.
        of: what the configuration makes of them.
        verdicts: by alert.
    """
    events = {one.id: one for one in entries if isinstance(one, AlertEvent)}
    first: dict[str, AlertEvent] = {}
    for event in events.values():
        first.setdefault(event.alert, event)
    seen = {("detector", first[alert].detector or "unknown", alert) for alert in verdicts}
    for page in of.pages:
        seen |= {("route", page.route, alert) for alert in alerts_of(page, events)}
    counts: dict[tuple[str, str, str], list[int]] = {}
    for kind, name, alert in sorted(seen):
        if alert in verdicts:
            month = format_utc(first[alert].opened)[:7]
            row = counts.setdefault((kind, name, month), [0] * len(VERDICTS))
            row[VERDICTS.index(verdicts[alert])] += 1
    return [Tally(*key, tuple(row)) for key, row in sorted(counts.items())]


def labels_of(entries: Iterable[Entry], verdicts: Mapping[str, str]) -> list[dict[str, object]]:
    """Faults for `padit sweep --labels`: alerts marked as real, from opening to end.

    An alert that had not ended lasts up to the last transition.
    """
    found: dict[str, dict[str, object]] = {}
    last = 0
    for one in entries:
        if not isinstance(one, AlertEvent):
            continue
        last = max(last, one.time)
        if verdicts.get(one.alert) != "real":
            continue
        label = found.setdefault(one.alert, {
            "source_id": one.source_id, "fault": "real", "metrics": [one.metric_name],
            "start": format_utc(one.opened), "end": "",
        })  # fmt: skip
        if one.kind == "resolved":
            label["end"] = format_utc(max(one.time, one.opened))
    for label in found.values():
        label["end"] = label["end"] or format_utc(last)
    return list(found.values())
