"""What became of silences: those that never matched anything, and those that hid something real."""

from collections.abc import Sequence
from typing import NamedTuple

from padit.alerting.compiled import matcher_of
from padit.alerting.entries import AlertEvent, Command, Entry, Target, fingerprint_of
from padit.alerting.matching import Matcher, targets
from padit.alerting.policy import AlertingConfig

__all__ = ["SilenceReview", "Silenced"]

_MOST = 10_000
_MOST_MUTED = 50_000
_FOREVER = 1 << 53
_DAY = 86_400_000_000


class Silenced(NamedTuple):
    """A silence, by configuration or by command.

    Attributes:
        id, by, what: its id, who made it, and what it names, in words.
        start, end: event times; `end` is 1 << 53 where there is none.
        muted: how many alerts opened or got worse while it held.
        real: those of them that somebody marked as real, as they were marked.
    """

    id: str
    by: str
    what: str
    start: int
    end: int
    muted: int = 0
    real: tuple[str, ...] = ()


class SilenceReview:
    """Follows the log, entry by entry.

    Of the alerts that silences muted the latest 50,000 are remembered, as feedback is mostly given
    when all is over; of the silences 10,000: when there are more, the oldest that has ended and hid
    nothing real is forgotten.

    Args:
        config: whose silences are followed, too.
    """

    def __init__(self, config: AlertingConfig) -> None:
        self._made: dict[str, Silenced] = {}  # without `real`, which is below
        self._real: dict[str, dict[str, None]] = {}
        self._match: dict[str, Matcher | Target] = {}
        self._wide: dict[str, None] = {}  # those that may mean several series and may hold
        self._narrow: dict[str, dict[str, None]] = {}  # by series those that name it
        self._open: dict[str, AlertEvent] = {}
        self._series: dict[str, dict[str, None]] = {}  # by series its open alerts
        self._muting: dict[str, dict[str, None]] = {}  # by alert the silences that muted it
        self._latest = 0
        for one in config.silences:
            self._made[one.id] = Silenced(
                one.id, "configuration", str(one.match.model_dump(exclude_defaults=True)),
                one.start, one.end,
            )  # fmt: skip
            self._match[one.id] = matcher_of(one.match)
            self._wide[one.id] = None

    def apply(self, entry: Entry) -> None:
        """Follow one entry."""
        if isinstance(entry, Command):
            self._command(entry)
        elif isinstance(entry, AlertEvent):
            self._latest = max(self._latest, entry.time)
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
        mine = self._series.get(series, {})
        mine.pop(alert, None)
        if not mine:
            self._series.pop(series, None)

    def _mute(self, name: str, alert: str) -> None:
        """Count an alert once for a silence."""
        muting = self._muting.get(alert)
        if muting is None:
            if len(self._muting) >= _MOST_MUTED:
                del self._muting[next(iter(self._muting))]
            muting = self._muting[alert] = {}
        if name not in muting:
            muting[name] = None
            one = self._made[name]
            self._made[name] = one._replace(muted=one.muted + 1)

    def mark(self, alerts: Sequence[str]) -> None:
        """Somebody marked these alerts as real, which may be over."""
        for alert in alerts:
            for name in self._muting.get(alert, ()):
                self._mark(name, alert)

    def _command(self, entry: Command) -> None:
        if entry.kind == "silence" and entry.id not in self._made:
            self._silence(entry)
        elif entry.kind == "unsilence" and entry.note in self._made:
            one = self._made[entry.note]
            self._made[entry.note] = one._replace(end=min(one.end, entry.time))

    def _silence(self, entry: Command) -> None:
        self._forget()
        target = entry.target
        names = [target.source, target.metric, *(f"{k}={v}" for k, v in target.labels.items())]
        what = " ".join(one for one in names if one) or "one series"
        end = entry.until or _FOREVER
        self._match[entry.id] = target
        series = target.fingerprint
        where = self._narrow.setdefault(series, {}) if series else self._wide
        where[entry.id] = None
        self._made[entry.id] = Silenced(entry.id, entry.by, what, entry.time, end)
        for alert in self._aimed_at(target):
            self._mute(entry.id, alert)

    def _forget(self) -> None:
        """Make room for one more, and ask those that ended a day ago no longer."""
        over = [one for one in self._wide if self._made[one].end < self._latest - _DAY]
        for name in over:
            del self._wide[name]
        if len(self._made) < _MOST:
            return
        ended = (
            one.id
            for one in self._made.values()
            if one.end <= self._latest and one.id not in self._real
        )
        name = next(ended, None) or next(iter(self._made))
        target = self._match.pop(name)
        self._wide.pop(name, None)
        if isinstance(target, Target) and target.fingerprint:
            self._narrow[target.fingerprint].pop(name, None)
        del self._made[name]
        self._real.pop(name, None)

    def _aimed_at(self, target: Target) -> list[str]:
        """The open alerts that a target names."""
        named = self._series.get(target.fingerprint, ()) if target.fingerprint else self._open
        return [alert for alert in named if targets(target, self._open[alert])]

    def _mark(self, name: str, alert: str) -> None:
        """An alert that a silence muted was real."""
        if name in self._made:
            self._real.setdefault(name, {})[alert] = None

    def _fits(self, name: str, event: AlertEvent) -> bool:
        match = self._match[name]
        if isinstance(match, Matcher):
            return match(event)
        return targets(match, event)

    def all(self) -> list[Silenced]:
        """Every silence that is remembered."""
        return [self._whole(one) for one in self._made.values()]

    def _whole(self, one: Silenced) -> Silenced:
        return one._replace(real=tuple(self._real.get(one.id, ())))

    def never_matched(self, now: int) -> list[Silenced]:
        """Those that have ended, or lasted a day, without muting anything."""
        return [
            self._whole(one) for one in self._made.values()
            if not one.muted and one.start <= now and (one.end <= now or now - one.start > _DAY)
        ]  # fmt: skip

    def hid_real(self) -> list[Silenced]:
        """Those that muted an alert which somebody marked as real."""
        return [self._whole(one) for one in self._made.values() if one.id in self._real]

    def hiding(self, alerts: Sequence[str]) -> list[Silenced]:
        """Those that muted one of these alerts, which somebody marked as real."""
        names = dict.fromkeys(name for alert in alerts for name in self._muting.get(alert, ()))
        wanted = set(alerts)
        return [
            self._whole(self._made[name]) for name in names
            if name in self._made and not wanted.isdisjoint(self._real.get(name, ()))
        ]  # fmt: skip
