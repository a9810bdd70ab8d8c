"""Matchers of routes, silences and commands: patterns of names and labels, severities, hours."""

import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from fnmatch import translate
from functools import lru_cache
from zoneinfo import ZoneInfo

from padit.alerting.entries import AlertEvent, Target, fingerprint_of
from padit.domain.canary import covers, is_canary
from padit.domain.timestamps import MICROS, parse_timestamp

__all__ = ["RANK", "Aim", "Hours", "Matcher", "aim_of", "next_start", "targets", "within"]

RANK = {"INFO": 0, "WARNING": 1, "CRITICAL": 2}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MINUTES_OF_WEEK = 7 * 24 * 60
_MINUTE = 60 * MICROS
_DAY = timedelta(days=1)
_DAY_MICROS = 86_400 * MICROS
_MOST_DAYS = 512
_WILD = frozenset("*?[")


@lru_cache(maxsize=4096)
def _pattern(text: str) -> re.Pattern[str] | None:
    """A compiled pattern; None for `*`, which matches everything."""
    return None if text == "*" else re.compile(translate(text))


def _fits(patterns: Sequence[str], value: str) -> bool:
    if not patterns:
        return True
    for one in patterns:
        compiled = _pattern(one)
        if compiled is None or compiled.match(value):
            return True
    return False


class Matcher:
    """Whether an alert matches; every part that is stated has to; a canary has to be named.

    Args:
        source, metric: patterns, any of which may match; none: everything does.
        labels: patterns by name of the label; an alert without the label does not match.
        severity: least severity.
        detectors: names of detectors, any of which may be it.
    """

    __slots__ = ("_detectors", "_labels", "_least", "_metric", "_source")

    def __init__(
        self,
        source: Sequence[str] = (),
        metric: Sequence[str] = (),
        labels: Mapping[str, Sequence[str]] | None = None,
        severity: str = "INFO",
        detectors: Sequence[str] = (),
    ) -> None:
        self._source = tuple(source)
        self._metric = tuple(metric)
        self._labels = tuple(sorted((labels or {}).items()))
        self._least = RANK[severity]
        self._detectors = tuple(detectors)

    def __call__(self, event: AlertEvent) -> bool:
        """Whether it matches."""
        if RANK[event.severity] < self._least:
            return False
        source = self._source
        if is_canary(event.source_id):  # only what names it means it
            source = tuple(one for one in source if covers(one, event.source_id))
            if not source:
                return False
        if not (_fits(source, event.source_id) and _fits(self._metric, event.metric_name)):
            return False
        if self._detectors and event.detector not in self._detectors:
            return False
        return all(
            name in event.labels and _fits(patterns, event.labels[name])
            for name, patterns in self._labels
        )


class Aim:
    """A command's target, ready: whether it means an alert.

    Args:
        target: of a command.

    Attributes:
        source: the only source that it may mean; empty: it may mean several.
    """

    __slots__ = ("_empty", "_fingerprint", "_matches", "_until", "source")

    def __init__(self, target: Target) -> None:
        self._empty = target.empty
        self._fingerprint = target.fingerprint
        self._until = parse_timestamp(target.time) if target.time else None
        self.source = "" if _WILD.intersection(target.source) else target.source
        self._matches = Matcher(
            [target.source] if target.source else [],
            [target.metric] if target.metric else [],
            {name: [pattern] for name, pattern in target.labels.items()},
        )

    def __call__(self, event: AlertEvent) -> bool:
        """Whether it means this alert; an empty target means none."""
        if self.source and self.source != event.source_id:  # most are about one
            return False
        if self._fingerprint and self._fingerprint != fingerprint_of(
            event.source_id, event.metric_name
        ):
            return False
        if self._until is not None and self._until < event.opened:
            return False
        return not self._empty and self._matches(event)


def aim_of(target: Target) -> Aim:
    """A target made ready; of equal targets the same one."""
    labels = tuple(target.labels.items())
    return _aim(target.fingerprint, target.source, target.metric, labels, target.time)


@lru_cache(maxsize=4096)
def _aim(
    fingerprint: str, source: str, metric: str, labels: tuple[tuple[str, str], ...], time: str
) -> Aim:
    return Aim(Target(fingerprint, source, metric, dict(labels), time))


def targets(target: Target, event: AlertEvent) -> bool:
    """Whether a command's target means this alert; an empty target means none."""
    return aim_of(target)(event)


class Hours:
    """Hours of a week in a time zone, as ranges of minutes since Monday midnight, local time.

    Args:
        ranges: (from, to) minutes of the week, 0 <= from < to <= 10,080.
        zone: name of the time zone.
    """

    __slots__ = ("_begins", "ranges", "zone")

    def __init__(self, ranges: Sequence[tuple[int, int]], zone: str) -> None:
        self.ranges = tuple(sorted(ranges))
        self.zone = ZoneInfo(zone)
        self._begins: dict[int, tuple[int, ...]] = {}

    def begins_of(self, day: int) -> tuple[int, ...]:
        """Event times at which a range begins, from behind the start of a day of UTC on.

        The last of them lies behind the day. They follow from the hours and the day alone, so to
        keep them changes nothing.
        """
        found = self._begins.get(day)
        if found is None:
            if len(self._begins) >= _MOST_DAYS:
                self._begins.clear()
            found = self._begins[day] = tuple(_chain(self, day * _DAY_MICROS))
        return found


def _chain(hours: Hours, time: int) -> Iterator[int]:
    end = time + _DAY_MICROS
    while time < end:
        time = _begin_behind(hours, time)
        yield time


def _local(hours: Hours, time: int) -> datetime:
    return (_EPOCH + timedelta(microseconds=time)).astimezone(hours.zone)


def _minute_of_week(at: datetime) -> int:
    return at.weekday() * 1440 + at.hour * 60 + at.minute


def within(hours: Hours, time: int) -> bool:
    """Whether an event time lies in the hours."""
    minute = _minute_of_week(_local(hours, time))
    return any(start <= minute < end for start, end in hours.ranges)


def next_start(hours: Hours, time: int) -> int:
    """The first event time after `time` at which a range begins, microseconds.

    The local time counts, also where the clocks change: a beginning that comes twice counts twice,
    one that is skipped comes as much later as the clocks leap, and a leap into a range begins it.
    """
    begins = hours.begins_of(time // _DAY_MICROS)
    return begins[bisect_right(begins, time)]


def _begin_behind(hours: Hours, time: int) -> int:
    """As `next_start`, without what is kept; at most one change of the clocks lies before it."""
    local = _local(hours, time).replace(tzinfo=None)
    monday = local.replace(hour=0, minute=0, second=0, microsecond=0)
    monday -= timedelta(days=local.weekday())
    begins = [monday + timedelta(minutes=start + week) for week in (0, _MINUTES_OF_WEEK)
              for start, _ in hours.ranges]  # fmt: skip
    last = min(one for one in begins if one > local) + _DAY
    near = [_micros(one.replace(tzinfo=hours.zone, fold=fold))
            for one in begins if local - _DAY < one <= last for fold in (0, 1)
            if not fold or _comes_twice(hours.zone, one)]  # fmt: skip
    found = min(one for one in near if one > time)
    leap = _leap(hours, time, found)
    return leap if within(hours, leap) else found


def _micros(at: datetime) -> int:
    return (at.astimezone(UTC) - _EPOCH) // timedelta(microseconds=1)


def _comes_twice(zone: ZoneInfo, local: datetime) -> bool:
    first, second = (local.replace(tzinfo=zone, fold=fold) for fold in (0, 1))
    return _micros(first) < _micros(second)


def _leap(hours: Hours, begin: int, end: int) -> int:
    """The minute between two event times at which the clocks change; `end` if they do not."""
    offset = _local(hours, begin).utcoffset()
    if _local(hours, end).utcoffset() == offset:
        return end
    before, after = begin // _MINUTE, end // _MINUTE
    while after - before > 1:
        middle = (before + after) // 2
        if _local(hours, middle * _MINUTE).utcoffset() == offset:
            before = middle
        else:
            after = middle
    return after * _MINUTE
