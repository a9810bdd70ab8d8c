"""How far each series has been outside of alerts: what a fleet may learn from it.

A *stretch* is a run of windows whose median lies on one side of the series' usual value. It counts
once it is over, and only if no alert was open in any of its windows or in the one that ended it. A
series whose new normal was accepted inside an alert is no example for others any more: what it does
since then was an alert.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from padit.domain.alert import Transition
from padit.domain.features import FeatureTable
from padit.domain.metric import Series
from padit.ops.compiled import kernel, lean_kernel
from padit.transforms.detectors.columns import Columns, Field, locate
from padit.transforms.detectors.per_series import PerSeries
from padit.transforms.warmup import RETENTION

__all__ = ["DAY", "KEPT", "LENGTHS", "Past", "PeerRanges", "Ranges", "Stretch"]

DAY = 24 * 3_600_000_000
_NEVER = -(2**62)
_NAN = float("nan")
LENGTHS = 8
"""Classes of the length of a stretch: of at least 1, 2, 4 ... 128 windows."""
KEPT = 8
"""Stretches of a series and day that are remembered on each side of its usual value."""
_FIELDS = {
    "times": Field((3,), "<i8", _NEVER),  # see below
    "of_day": Field((2, LENGTHS), "<f8", _NAN),  # lowest and highest of that day, by length
    "peak": Field((2, KEPT), "<f8", _NAN),  # farthest stretches of that day, below and above
    "when": Field((2, KEPT, 2), "<i8", _NEVER),  # beginning and end of each
    "left_out": Field((2,), "<f8", _NAN),  # the farthest that found no place
    "stretch": Field((2,), "<f8", 0.0),  # the one that goes on: side, farthest median
    "flags": Field((3,), "|u1"),  # see below
}
_SINCE, _DAY, _BEGAN = 0, 1, 2
"""Since when stretches are known, the day of the latest, and when the one that goes on began."""
_OPEN, _COVERED, _BARRED = 0, 1, 2
"""An alert is open; one was open in the stretch that goes on; a new normal was accepted."""
_LENGTH, _START, _KNOWN, _LEAST, _LONGEST, _SPAN = range(6)
"""What is found out about a window; see `Ranges`."""
_OPENED, _RESOLVED, _ACCEPTED = range(3)


class Stretch(NamedTuple):
    """A stretch that is over: beginning and end in microseconds, and its farthest median."""

    began: int
    ended: int
    peak: float


class _Known(NamedTuple):
    """The columns of the state, or what one series has of each; moved on."""

    times: NDArray[np.int64]
    of_day: NDArray[np.float64]
    peak: NDArray[np.float64]
    when: NDArray[np.int64]
    left_out: NDArray[np.float64]
    stretch: NDArray[np.float64]
    flags: NDArray[np.uint8]


class _Table(NamedTuple):
    """Windows in order of event time; `row` is that of the state."""

    row: NDArray[np.int64]
    end: NDArray[np.int64]
    samples: NDArray[np.float64]
    centre: NDArray[np.float64]
    usual: NDArray[np.float64]


class _Events(NamedTuple):
    """Openings and ends of alerts; written: what was known of the series at each.

    Attributes:
        first: int64 (rows + 1,), the number of the first event of each row of the state.
        events: int64 (k, 3), row, time and kind of each, by row and time.
        peak, when, left_out: of each event as in the state.
    """

    first: NDArray[np.int64]
    events: NDArray[np.int64]
    peak: NDArray[np.float64]
    when: NDArray[np.int64]
    left_out: NDArray[np.float64]


class Past(NamedTuple):
    """The farthest stretches of a series and day on one side of its usual value.

    Attributes:
        stretches: in the order of time, at most `KEPT`.
        left_out: the farthest of those that are not among them; NaN: there are none.
    """

    stretches: Sequence[Stretch]
    left_out: float


class Ranges(NamedTuple):
    """What is known at each of n windows.

    Attributes:
        length: int64 (n,), class of the length of the stretch that the window is in.
        began: int64 (n,), its first window, microseconds.
        since: int64 (n,), from when on stretches of the series are known, microseconds.
        grown: int64 (k,), rows that ended a stretch that was the farthest of its day.
        peak: float64 (n, 2) for those rows: farthest median of the stretch, and how far the series
            was to the other side on that day, its usual value included.
        classes: int64 (n, 2), likewise: the least and the greatest class of length in which it was
            the farthest.
        span: int64 (n,), likewise: how long the stretch was, microseconds; negative: below usual.
        past: by id of an opening what is known of the series and day below and above usual.
    """

    length: NDArray[np.int64]
    began: NDArray[np.int64]
    since: NDArray[np.int64]
    grown: NDArray[np.int64]
    peak: NDArray[np.float64]
    classes: NDArray[np.int64]
    span: NDArray[np.int64]
    past: Mapping[str, tuple[Past, Past]] = {}  # never changed


class PeerRanges(PerSeries):
    """A pure machine beside the alerts; its state is a row for each series."""

    version: ClassVar[int] = 1
    fields = _FIELDS

    def step(
        self,
        state: Columns,
        table: FeatureTable,
        usual: NDArray[np.float64],
        interval: int,
        transitions: Sequence[Transition],
    ) -> tuple[Columns, Ranges]:
        """What was known at each window; then learn from it.

        Args:
            state: before the table.
            table: the windows that closed.
            usual: float64 (n,), what is usual for the series; NaN where there is no such value.
            interval: between two windows, microseconds.
            transitions: of alerts in the time of the table.
        """
        state, rows = locate(state, _FIELDS, table, RETENTION, table.passed_until)
        n = len(table)
        found, grown, peak = np.zeros((n, 6), np.int64), np.zeros(n, np.int64), np.empty((n, 2))
        events, ids = _events(state, transitions)
        features, data = table.features, cast(dict[str, Any], state.data)
        count = _follow(
            _Table(rows.take(table.code), table.window_end, features["count"], features["median"],
                   usual),
            interval, _Known(*(data[name] for name in _FIELDS)), events, found, grown, peak,
        )  # fmt: skip
        past = {one: (_past(events, k, 0), _past(events, k, 1)) for k, one in enumerate(ids) if one}
        length, began, since, least, longest, span = found.T
        return state, Ranges(
            length, began, since, grown[:count], peak, np.stack((least, longest), 1), span, past
        )


def _events(state: Columns, transitions: Sequence[Transition]) -> tuple[_Events, list[str]]:
    """Openings and ends of alerts by row of the state, and the id of each opening, "" of others."""
    found = []
    for number, one in enumerate(transitions):
        row = state.row.get(_series_of(one))
        if row is None or one.kind == "updated":
            continue
        kind = _OPENED
        if one.kind == "resolved":
            kind = _ACCEPTED if one.alert.metadata["reason"] == "accepted" else _RESOLVED
        found.append((row, one.time, kind == _OPENED, number, kind))
    found.sort()  # of two at one time the end comes first
    some = len(found)
    events = np.array([(row, time, kind) for row, time, _, _, kind in found], np.int64)
    events = events.reshape(-1, 3)
    first = np.searchsorted(events[:, 0], np.arange(len(state.seen) + 1))
    peak, left_out = np.full((some, 2, KEPT), _NAN), np.full((some, 2), _NAN)
    when = np.zeros((some, 2, KEPT, 2), np.int64)
    ids = [transitions[one[3]].id if one[2] else "" for one in found]
    return _Events(first, events, peak, when, left_out), ids


def _series_of(one: Transition) -> Series:
    alert = one.alert
    return Series(alert.source_id, alert.metric_name, alert.evidence.get("unit", ""))


def _past(events: _Events, k: int, side: int) -> Past:
    """What was remembered of one side at an event, in the order of time."""
    peak, when = events.peak[k, side], events.when[k, side]
    known = np.flatnonzero(~np.isnan(peak)).tolist()
    found = [(*when[j].tolist(), float(peak[j])) for j in known]
    stretches = sorted(Stretch(began, ended, value) for began, ended, value in found)
    return Past(stretches, float(events.left_out[k, side]))


@kernel
def _follow(
    table: _Table,
    interval: int,
    known: _Known,
    events: _Events,
    out: NDArray[np.int64],
    grown: NDArray[np.int64],
    peak: NDArray[np.float64],
) -> int:
    """Take windows; gives how many have grown. The last three are written; see `Ranges`."""
    found = 0
    at = events.first.copy()
    for i in range(len(table.row)):
        s, end = table.row[i], table.end[i]
        mine = _Known(
            known.times[s], known.of_day[s], known.peak[s], known.when[s], known.left_out[s],
            known.stretch[s], known.flags[s],
        )  # fmt: skip
        before = at[s]
        at[s] = _come_to(end, mine.flags, at[s], events.first[s + 1], events.events)
        usual = table.usual[i]
        judged = table.samples[i] > 0.0 and usual == usual
        if judged and _see(table.centre[i], usual, end, interval, mine, out[i], peak[i]):
            grown[found] = i
            found += 1
        for j in range(before, at[s]):
            events.peak[j], events.when[j] = mine.peak, mine.when
            events.left_out[j] = mine.left_out
        out[i, _KNOWN] = mine.times[_SINCE]
    for k in range(len(events.events)):
        s = events.events[k, 0]
        if k >= at[s]:
            _note(known.flags[s], events.events[k, 2])
    return found


@lean_kernel
def _see(
    centre: float,
    usual: float,
    end: int,
    interval: int,
    mine: _Known,
    out: NDArray[np.int64],
    peak: NDArray[np.float64],
) -> bool:
    """Take a window of a series; whether a stretch is over that was the farthest of its day."""
    times, stretch, flags = mine.times, mine.stretch, mine.flags
    grows = False
    if times[_SINCE] < 0:
        times[_SINCE] = end
    side = 1.0 if centre > usual else -1.0 if centre < usual else 0.0
    if side != stretch[0] or side == 0.0:
        if stretch[0] != 0.0:
            _keep(end, mine)
            if flags[_COVERED] == 0 and flags[_BARRED] == 0:
                longest = _class_of(end - interval - times[_BEGAN], interval)
                out[_LEAST] = _learn(mine.of_day, stretch, longest, usual, peak)
                out[_LONGEST] = longest
                out[_SPAN] = int(stretch[0]) * (end - times[_BEGAN])
                grows = out[_LEAST] <= longest
        stretch[0], stretch[1], times[_BEGAN] = side, centre, end
        flags[_COVERED] = 0
    elif side * (centre - stretch[1]) > 0.0:
        stretch[1] = centre
    flags[_COVERED] |= flags[_OPEN]
    out[_LENGTH], out[_START] = _class_of(end - times[_BEGAN], interval), times[_BEGAN]
    return grows


@lean_kernel
def _keep(end: int, mine: _Known) -> None:
    """Remember a stretch that is over; those of another day are forgotten."""
    times = mine.times
    if end // DAY != times[_DAY]:
        times[_DAY], times[_SINCE] = end // DAY, times[_BEGAN]
        mine.of_day[:] = np.nan
        mine.peak[:] = np.nan
        mine.left_out[:] = np.nan
    k = int(mine.stretch[0] > 0.0)
    place = _place(mine.peak[k], mine.left_out, k, mine.stretch)
    if place >= 0:
        mine.when[k, place, 0], mine.when[k, place, 1] = times[_BEGAN], end


@lean_kernel
def _place(
    peaks: NDArray[np.float64], left_out: NDArray[np.float64], k: int, stretch: NDArray[np.float64]
) -> int:
    """Keep a stretch among the farthest of its side; where, or -1: it is nearer than they are."""
    side, value, nearest = stretch[0], stretch[1], 0
    for j in range(len(peaks)):
        if peaks[j] != peaks[j]:
            peaks[j] = value
            return j
        if side * (peaks[j] - peaks[nearest]) < 0.0:
            nearest = j
    farther = side * (value - peaks[nearest]) > 0.0
    gone = peaks[nearest] if farther else value
    if not side * (gone - left_out[k]) <= 0.0:
        left_out[k] = gone
    if farther:
        peaks[nearest] = value
    return nearest if farther else -1


@lean_kernel
def _come_to(
    end: int, flags: NDArray[np.uint8], at: int, until: int, events: NDArray[np.int64]
) -> int:
    """Take the events of a series up to the end of a window; the next one.

    A window at whose end an alert opens is in it, and so is one at whose end it resolves.
    """
    while at < until and events[at, 1] + (events[at, 2] != _OPENED) <= end:
        _note(flags, events[at, 2])
        at += 1
    return at


@lean_kernel
def _learn(
    of_day: NDArray[np.float64],
    stretch: NDArray[np.float64],
    length: int,
    usual: float,
    peak: NDArray[np.float64],
) -> int:
    """Take a stretch that is over; the least class in which it is the farthest of its day."""
    side, value = stretch[0], stretch[1]
    k = int(side > 0.0)
    other = of_day[1 - k, 0]
    nearer = other != other or side * (usual - other) < 0.0
    peak[0], peak[1] = value, usual if nearer else other
    return _extend(of_day[k], value, side, length)


@lean_kernel
def _note(flags: NDArray[np.uint8], kind: int) -> None:
    """An alert opened, is over, or was accepted."""
    flags[_OPEN] = kind == _OPENED
    if kind == _OPENED:
        flags[_COVERED] = 1
    if kind == _ACCEPTED:
        flags[_BARRED] = 1


@lean_kernel
def _class_of(span: int, interval: int) -> int:
    """The class of a length."""
    windows, found = span // interval + 1, 0
    while windows > 1 and found < LENGTHS - 1:
        windows //= 2
        found += 1
    return found


@lean_kernel
def _extend(far: NDArray[np.float64], value: float, side: float, longest: int) -> int:
    """Take the farthest median of a stretch; the least class in which it is farther than before."""
    least = longest + 1
    for k in range(longest, -1, -1):
        if far[k] == far[k] and side * (value - far[k]) <= 0.0:
            break
        far[k] = value
        least = k
    return least
