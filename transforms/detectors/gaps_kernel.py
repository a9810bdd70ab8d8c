"""The compiled part of `gaps`: the moments of all series, one sample after the other."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from padit.ops.compiled import kernel, lean_kernel

__all__ = ["NEVER", "PAUSES", "RECENT", "Rules", "run"]

Ints = NDArray[np.int64]
Codes = NDArray[np.int32]
Values = NDArray[np.float64]

RECENT = 64
"""Gaps that are remembered."""
NEVER = int(np.iinfo(np.int64).min)
PAUSES = 8
_HABIT = 3  # as many pauses ...
_A_WHILE = 6 * 3_600_000_000  # microseconds, or half a life: pauses within less are one failure
_SHARE = 10  # ... that take this part of the time since the first of them are no outages
_LONGEST = 2.0**60  # microseconds; so that adding it to a time never overflows
_GAPS, _OFF, _BEGAN = range(3)  # rows of a buffer: gaps, pauses, where pauses began


class Rules(NamedTuple):
    """What decides a limit.

    Attributes:
        minimum: shortest gap that is reported, microseconds.
        factor: a series has no data after so many times its usual gap.
        warm_up: gaps before a series is judged.
        retention: a longer gap resets a series, microseconds.
        lived: a series that had data for a shorter time has no limit, microseconds.
    """

    minimum: int
    factor: float
    warm_up: int
    retention: int
    lived: int


class _Table(NamedTuple):
    """Rows of a table series by series: those of row s of the state end at stop[s] in order."""

    offset: Ints
    order: Ints
    stop: Ints
    time: Ints
    value: Values


class _State(NamedTuple):
    """The columns of the state; moved on."""

    seen: Ints
    gaps: Ints
    pauses: Ints
    begins: Ints
    limit: Ints
    value: Values
    born: Ints


class _Out(NamedTuple):
    """As `Moments`, with int64 (5, M) for `Lasting`; written."""

    first: Ints
    time: Ints
    value: Values
    limit: Ints
    of_row: Ints
    lasting: Ints


class _Buffer(NamedTuple):
    """Latest values of one series: those of kind k are value[k, low[k]:high[k]], newest last."""

    value: Ints
    high: Ints
    low: Ints


@kernel
def _arrange(
    offset: Ints, code: Codes, rows: Ints, first: Ints, last: Ints, order: Ints, stop: Ints
) -> int:
    """Rows of the table series by series; returns the most samples of one.

    Args:
        offset: int64 (n + 1,), where the samples of each row of the table begin.
        code: int32 (n,), the series of each row.
        rows: int64 (s,), the row of the state of each series.
        first: int64 (k,), zeros; gets the first moment of each row of the state.
        last: int64 (k,), written: its last one.
        order: int64 (n,), written: as in `_Table`.
        stop: int64 (k + 1,), zeros; as in `_Table`.
    """
    for i in range(len(code)):
        first[rows[code[i]]] += offset[i + 1] - offset[i]
        stop[rows[code[i]] + 1] += 1
    most = moments = 0
    for s in range(len(first)):
        most = max(most, first[s])
        first[s], last[s] = moments, moments + first[s]
        moments = last[s] + 1
        stop[s + 1] += stop[s]
    for i in range(len(code)):
        place = stop[rows[code[i]]]  # where its rows begin, and in the end where they stop
        stop[rows[code[i]]] = place + 1
        order[place] = i
    return int(most)


@kernel
def run(
    code: Codes, offset: Ints, time: Ints, value: Values, rows: Ints,
    seen: Ints, gaps: Ints, pauses: Ints, begins: Ints, limit: Ints, last_value: Values, born: Ints,
    minimum: int, factor: float, warm_up: int, retention: int, lived: int, until: int, last: Ints,
    first: Ints, moment: Ints, of_moment: Values, limits: Ints, of_row: Ints, lasting: Ints,
) -> int:  # fmt: skip
    """All moments, series by series; returns how many of them are lasting.

    Args:
        code: int32 (n,), the series of each row of the table.
        offset: see `_Table`.
        time: likewise.
        value: likewise.
        rows: as in `_arrange`.
        seen: see `_State`.
        gaps: likewise.
        pauses: likewise.
        begins: likewise.
        limit: likewise.
        last_value: likewise.
        born: likewise.
        minimum: see `Rules`.
        factor: likewise.
        warm_up: likewise.
        retention: likewise.
        lived: likewise.
        until: as in `follow`.
        last: as in `_arrange`.
        first: see `_Out`.
        moment: likewise, its times.
        of_moment: likewise, its values.
        limits: likewise.
        of_row: likewise.
        lasting: likewise.
    """
    order, stop = np.empty(len(code), np.int64), np.zeros(len(seen) + 1, np.int64)
    most = _arrange(offset, code, rows, first, last, order, stop)
    table = _Table(offset, order, stop, time, value)
    state = _State(seen, gaps, pauses, begins, limit, last_value, born)
    rules = Rules(minimum, factor, warm_up, retention, lived)
    out = _Out(first, moment, of_moment, limits, of_row, lasting)
    room = np.empty((3, RECENT + most), np.int64)
    buffer = _Buffer(room, np.zeros(3, np.int64), np.zeros(3, np.int64))
    return _follow(table, state, rules, until, out, buffer)


@kernel
def _follow(
    table: _Table, state: _State, rules: Rules, until: int, out: _Out, buffer: _Buffer
) -> int:
    """See `run`."""
    found = begin = 0
    for s in range(len(state.seen)):
        at = out.first[s]
        out.time[at], out.value[at], out.limit[at] = state.seen[s], state.value[s], state.limit[s]
        _take_up(state, s, buffer)
        chosen = table.order[begin : table.stop[s]]
        newest, found = _series(s, chosen, table, state, rules, out, buffer, found)
        if until != NEVER:
            found = _note(newest, until, out, buffer, found)
        if newest > at:
            _leave(state, s, buffer)
            state.seen[s], state.value[s] = out.time[newest], out.value[newest]
            state.limit[s] = out.limit[newest]
        begin = table.stop[s]
    return found


@lean_kernel
def _series(
    s: int,
    chosen: Ints,
    table: _Table,
    state: _State,
    rules: Rules,
    out: _Out,
    buffer: _Buffer,
    found: int,
) -> tuple[int, int]:
    """The moments of a series after its first; the last one, and how many lasting ones there are.

    A limit is worked out at the end of each window, and where a gap follows that may be reported.
    """
    at, judged = out.first[s], True
    for k in range(len(chosen)):
        i = chosen[k]
        for j in range(table.offset[i], table.offset[i + 1]):
            before, now = out.time[at], table.time[j]
            gap = now - before if before != NEVER else 0
            if gap >= rules.minimum:
                if not judged:
                    out.limit[at] = _limit(buffer, before, state.born[s], rules)
                found = _note(at, now, out, buffer, found)
            if before == NEVER or gap > rules.retention:
                _forget(buffer)
                state.born[s] = now
            elif gap > 0:
                _learn(gap, now, buffer, rules)
            at += 1
            out.time[at], out.value[at], judged = now, table.value[j], False
        if not judged:
            out.limit[at] = _limit(buffer, out.time[at], state.born[s], rules)
            judged = True
        out.of_row[i] = at
    return at, found


@lean_kernel
def _take_up(state: _State, s: int, buffer: _Buffer) -> None:
    """Begin with what is remembered of a series."""
    _fill(state.gaps[s], _GAPS, buffer)
    _fill(state.pauses[s], _OFF, buffer)
    _fill(state.begins[s], _BEGAN, buffer)


@lean_kernel
def _fill(ring: Ints, kind: int, buffer: _Buffer) -> None:
    count = 0
    for k in range(len(ring)):
        buffer.value[kind, k] = ring[k]
        count += ring[k] != 0
    buffer.high[kind], buffer.low[kind] = len(ring), len(ring) - count


@kernel
def _leave(state: _State, s: int, buffer: _Buffer) -> None:
    """Remember the latest."""
    state.gaps[s] = _latest(buffer, _GAPS, RECENT)
    state.pauses[s] = _latest(buffer, _OFF, PAUSES)
    state.begins[s] = _latest(buffer, _BEGAN, PAUSES)


@kernel
def _latest(buffer: _Buffer, kind: int, width: int) -> Ints:
    """int64 (width,), newest last, 0 where there is none."""
    found = np.zeros(width, np.int64)
    for k in range(width):
        place = buffer.high[kind] - width + k
        if place >= buffer.low[kind]:
            found[k] = buffer.value[kind, place]
    return found


@lean_kernel
def _add(kind: int, value: int, buffer: _Buffer) -> None:
    buffer.value[kind, buffer.high[kind]] = value
    buffer.high[kind] += 1


@lean_kernel
def _forget(buffer: _Buffer) -> None:
    for kind in range(len(buffer.low)):
        buffer.low[kind] = buffer.high[kind]


@lean_kernel
def _learn(gap: int, now: int, buffer: _Buffer, rules: Rules) -> None:
    """Remember a gap, and that it is a pause if it is longer than usual gaps allow."""
    if gap >= rules.minimum and 0 < _usual(buffer, rules) <= gap:
        _add(_OFF, gap, buffer)
        _add(_BEGAN, now - gap, buffer)
    _add(_GAPS, gap, buffer)


@kernel
def _usual(buffer: _Buffer, rules: Rules) -> int:
    """The limit by usual gaps alone."""
    return int(_by_gaps(np.sort(_latest(buffer, _GAPS, RECENT)), rules))


@kernel
def _note(at: int, following: int, out: _Out, buffer: _Buffer, found: int) -> int:
    """Note a moment whose series has no sample for its limit; returns how many there are."""
    if out.limit[at] <= 0 or following - out.time[at] < out.limit[at]:
        return found
    gaps = np.sort(_latest(buffer, _GAPS, RECENT))
    count = _count(gaps)
    out.lasting[0, found], out.lasting[1, found] = at, following
    out.lasting[2, found], out.lasting[3, found] = _share(gaps, count, 9), gaps[-1]
    out.lasting[4, found] = count
    return found + 1


@kernel
def _limit(buffer: _Buffer, now: int, born: int, rules: Rules) -> int:
    """Gap from which a series is reported, microseconds; 0 while it warms up."""
    limit = _usual(buffer, rules)
    if now - born < rules.lived:
        return 0
    if limit > 0 and buffer.high[_OFF] - buffer.low[_OFF] >= _HABIT:
        return _with_habit(limit, buffer, now, born, rules)
    return limit


@kernel
def _with_habit(limit: int, buffer: _Buffer, now: int, born: int, rules: Rules) -> int:
    """The limit of a series that pauses, where its latest pauses are a habit, no single failure."""
    length, begin = _latest(buffer, _OFF, PAUSES), _latest(buffer, _BEGAN, PAUSES)
    oldest, taken = np.iinfo(np.int64).max, 0
    for k in range(PAUSES):
        if length[k] > 0:
            oldest, taken = min(oldest, begin[k]), taken + length[k]
    if taken * _SHARE < now - oldest or now - oldest < min(_A_WHILE, (now - born) // 2):
        return limit
    middle = np.sort(length)[PAUSES - 1 - _count(length) // 2]
    return max(limit, int(np.rint(rules.factor * middle)))


@lean_kernel
def _by_gaps(gaps: Ints, rules: Rules) -> int:
    """The limit by usual gaps alone; they are sorted behind zeros."""
    count = _count(gaps)
    if count < rules.warm_up:
        return 0
    usual, middle = _share(gaps, count, 9), max(_share(gaps, count, 5), 1)
    uneven = np.sqrt(max(usual / middle, 1.0))
    by_usual = int(np.rint(min(rules.factor * usual * uneven, _LONGEST)))
    return max(by_usual, 2 * int(gaps[-2]), rules.minimum)


@lean_kernel
def _count(values: Ints) -> int:
    found = 0
    for one in values:
        found += one > 0
    return found


@lean_kernel
def _share(gaps: Ints, count: int, tenths: int) -> int:
    """The gap that so many tenths do not exceed, of gaps sorted behind zeros."""
    place = len(gaps) - count + max((tenths * count + 9) // 10 - 1, 0)
    return int(gaps[min(place, len(gaps) - 1)])
