"""What became of a transition on a route, in words for somebody who was just woken."""

from collections.abc import Callable, Iterable, Mapping

from padit.alerting.effects import Effect, Handed, Outcome, Reason
from padit.alerting.notifiers.base import plain
from padit.domain.timestamps import format_utc

__all__ = ["MEANS", "Told"]

MEANS: Mapping[Reason, str] = {
    Reason.HANDED: "became a message",
    Reason.NO_ROUTE: "no route takes it",
    Reason.NOT_MATCHED: "this route does not take it",
    Reason.BELOW_SCORE: "its score is below `min_score`",
    Reason.SILENCED: "a silence covers it",
    Reason.INHIBITED: "an open alert explains it",
    Reason.OUTSIDE_HOURS: "the route waits for its next hours",
    Reason.TOO_SHORT: "it did not last for the route's `min_duration`",
    Reason.COOL_DOWN: "its incident ended less than `cool_down` ago",
    Reason.RATE_LIMITED: "the route's rate is reached; it comes in a digest",
    Reason.GROUPED: "its incident was sent already",
    Reason.ACKNOWLEDGED: "somebody has acknowledged it, or all of its incident",
    Reason.FLAPPING: "its incident comes and goes, which was sent once",
    Reason.STILL_OPEN: "it ended, other alerts of its incident had not",
    Reason.REOPENED: "it ended, and its incident began again at once",
    Reason.NOT_SENT: "it ended, and its beginning was never sent",
    Reason.END_NOT_WANTED: "the route wants no ends",
}


class Told:
    """Explains outcomes; incidents are named by what they began with, not only by their id.

    Args:
        effects: of a log.
        fate: what came of a message, by its id; empty where that is not known.
    """

    def __init__(
        self, effects: Iterable[Effect], fate: Callable[[str], str] = lambda message: ""
    ) -> None:
        self._fate = fate
        self._incidents: dict[str, str] = {}
        self._messages: dict[tuple[str, str], Handed] = {}
        for one in effects:
            if not isinstance(one, Handed):
                continue
            for name in one.transitions:
                self._messages[name, one.route] = one
            for view in (one.view, *one.others):
                if view is not None and view.members:
                    first = min(view.members, key=lambda each: each.opened)
                    self._incidents.setdefault(
                        view.id,
                        plain(f"incident of {first.source_id} {first.metric_name} that began "
                              f"{format_utc(view.opened)}, {view.id}"),
                    )  # fmt: skip

    def line(self, one: Outcome) -> str:
        """Route, reason and what it means."""
        detail = self._incidents.get(one.detail, one.detail)
        if one.reason is Reason.HANDED:
            sent = self._messages.get((one.transition, one.route))
            came = () if sent is None else (f"sent at {format_utc(sent.time)}", self._fate(sent.id))
            detail = ", ".join(part for part in (detail, *came) if part)
        shown = f" ({plain(detail)})" if detail else ""
        return f"{plain(one.route) or 'no route'}: {one.reason.value}{shown}: {MEANS[one.reason]}"
