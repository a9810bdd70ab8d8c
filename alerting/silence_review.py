"""What became of silences: those that never matched anything, and those that hid something real."""

from typing import NamedTuple

from padit.alerting.compiled import matcher_of
from padit.alerting.entries import AlertEvent, Command, Entry, Target, fingerprint_of
from padit.alerting.matching import Matcher, targets
from padit.alerting.policy import AlertingConfig

__all__ = ["SilenceReview", "Silenced"]

_MOST = 10_000
_MOST_REAL = 100
_FOREVER = 1 << 53


class Silenced(NamedTuple):
    """A silence, by configuration or by command.

    Attributes:
        id, by, what: its id, who made it, and what it names, in words.
        start, end: event times; `end` is 1 << 53 where there is none.
        muted: how many alerts opened or got worse while it held.
        real: those of them that somebody marked as real; the first hundred.
    """

    id: str
    by: str
    what: str
    start: int
    end: int
    muted: int = 0
    real: frozenset[str] = frozenset()


class SilenceReview:
    """Follows the log, entry by entry; remembers the alerts that are open, and no others.

    Args:
        config: whose silences are followed, too.
    """

    def __init__(self, config: AlertingConfig) -> None:
        self._made: dict[str, Silenced] = {}
        self._match: dict[str, Matcher | Target] = {}
        self._wide: list[str] = []  # silences that may mean several series
        self._narrow: dict[str, list[str]] = {}  # by series those that name it
        self._open: dict[str, AlertEvent] = {}
        self._series: dict[str, dict[str, None]] = {}  # by series its open alerts
        self._muting: dict[str, set[str]] = {}  # by open alert the silences that muted it
        for one in config.silences:
            self._made[one.id] = Silenced(
                one.id, "configuration", str(one.match.model_dump(exclude_defaults=True)),
                one.start, one.end,
            )  # fmt: skip
            self._match[one.id] = matcher_of(one.match)
            self._wide.append(one.id)

    def apply(self, entry: Entry) -> None:
        """Follow one entry."""
        if isinstance(entry, Command):
            self._command(entry)
        elif isinstance(entry, AlertEvent):
            series = fingerprint_of(entry.source_id, entry.metric_name)
            if entry.kind == "resolved":
                self._end(entry.alert, series)
                return
            self._open[entry.alert] = entry
            self._series.setdefault(series, {})[entry.alert] = None
            for name in (*self._wide, *self._narrow.get(series, ())):
                one = self._made[name]
                if one.start <= entry.time < one.end and self._fits(name, entry):
                    self._mute(name, entry.alert)

    def _end(self, alert: str, series: str) -> None:
        self._open.pop(alert, None)
        self._muting.pop(alert, None)
        mine = self._series.get(series, {})
        mine.pop(alert, None)
        if not mine:
            self._series.pop(series, None)

    def _mute(self, name: str, alert: str) -> None:
        """Count an alert once for a silence."""
        muting = self._muting.setdefault(alert, set())
        if name not in muting:
            muting.add(name)
            one = self._made[name]
            self._made[name] = one._replace(muted=one.muted + 1)

    def _command(self, entry: Command) -> None:
        if entry.kind == "silence" and entry.id not in self._made and len(self._made) < _MOST:
            self._silence(entry)
        elif entry.kind == "unsilence" and entry.note in self._made:
            one = self._made[entry.note]
            self._made[entry.note] = one._replace(end=min(one.end, entry.time))
        elif entry.kind == "feedback" and entry.note == "real":
            for alert in self._aimed_at(entry.target):
                for name in sorted(self._muting.get(alert, ())):
                    self._mark(name, alert)

    def _silence(self, entry: Command) -> None:
        target = entry.target
        names = [target.source, target.metric, *(f"{k}={v}" for k, v in target.labels.items())]
        what = " ".join(one for one in names if one) or "one series"
        end = entry.until or _FOREVER
        self._match[entry.id] = target
        narrow = self._narrow.setdefault(target.fingerprint, []) if target.fingerprint else None
        (self._wide if narrow is None else narrow).append(entry.id)
        self._made[entry.id] = Silenced(entry.id, entry.by, what, entry.time, end)
        for alert in self._aimed_at(target):
            self._mute(entry.id, alert)

    def _aimed_at(self, target: Target) -> list[str]:
        """The open alerts that a target names."""
        named = self._series.get(target.fingerprint, ()) if target.fingerprint else self._open
        return [alert for alert in named if targets(target, self._open[alert])]

    def _mark(self, name: str, alert: str) -> None:
        """An alert that a silence muted was real."""
        one = self._made[name]
        if len(one.real) < _MOST_REAL:
            self._made[name] = one._replace(real=one.real | {alert})

    def _fits(self, name: str, event: AlertEvent) -> bool:
        match = self._match[name]
        if isinstance(match, Matcher):
            return match(event)
        return targets(match, event)

    def all(self) -> list[Silenced]:
        """Every silence so far."""
        return list(self._made.values())

    def never_matched(self, now: int) -> list[Silenced]:
        """Those that have ended, or lasted a day, without muting anything."""
        day = 86_400_000_000
        return [
            one for one in self._made.values()
            if not one.muted and one.start <= now and (one.end <= now or now - one.start > day)
        ]  # fmt: skip

    def hid_real(self) -> list[Silenced]:
        """Those that muted an alert which somebody marked as real."""
        return [one for one in self._made.values() if one.real]
