"""Compiled steps of closing windows: rows by series and time, repeats, windows and their slices.

Every function looks at one row after the other, and each reads only what it is given: no order of
arrival is left behind `order`.
"""

import numpy as np
from numpy.typing import NDArray

from padit.ops.compiled import kernel, lean_kernel

__all__ = [
    "NEVER", "NOTHING", "arranged", "ends", "find_windows", "first_needed", "latest", "slices",
    "suffixes",
]  # fmt: skip

Ints = NDArray[np.int64]
Codes = NDArray[np.int32]
Floats = NDArray[np.float64]

NEVER = -(2**63)
NOTHING: Codes = np.empty(0, np.int32)


@kernel
def count(code: Codes, time: Ints, limit: int, series: int) -> Ints:
    """int64 (series,): rows of each series before `limit`, microseconds.

    Raises:
        IndexError: a code is outside of the series.
    """
    found = np.zeros(series, np.int64)
    for i in range(len(code)):
        if code[i] < 0 or code[i] >= series:
            raise IndexError("a row belongs to a series that is not in its table")  # noqa: EM101
        if time[i] < limit:
            found[code[i]] += 1
    return found


@kernel
def latest(code: Codes, time: Ints, since: int, until: int, series: int) -> Ints:
    """int64 (series,): the newest time of each series from `since` to before `until`, or NEVER.

    Raises:
        IndexError: a code is outside of the series.
    """
    found = np.full(series, NEVER, np.int64)
    for i in range(len(code)):
        if code[i] < 0 or code[i] >= series:
            raise IndexError("a row belongs to a series that is not in its table")  # noqa: EM101
        if since <= time[i] < until:
            found[code[i]] = max(found[code[i]], time[i])
    return found


@kernel
def scatter(
    code: Codes, time: Ints, value: Floats, attribute: Codes, limit: int, rank: Codes, bounds: Ints
) -> tuple[Codes, Ints, Floats, Codes]:
    """Rows before `limit` by series, in the order they came within each; a counting sort.

    Args:
        code: int32 (n,), the series of each row.
        time: int64 (n,).
        value: float64 (n,).
        attribute: int32 (n,), or empty.
        limit: microseconds.
        rank: int32, the new number of each series.
        bounds: int64, where the rows of each new number begin, and the end of all.
    """
    size = bounds[-1]
    at = bounds.copy()
    new_code, new_time = np.empty(size, np.int32), np.empty(size, np.int64)
    new_value = np.empty(size, np.float64)
    new_attribute = np.empty(size if len(attribute) else 0, np.int32)
    for i in range(len(code)):
        if time[i] < limit:
            one = rank[code[i]]
            place = at[one]
            at[one] = place + 1
            new_code[place], new_time[place] = one, time[i]
            # -0.0 equals 0.0 and has other bits: one of the two, whichever came first.
            new_value[place] = value[i] + 0.0
            if len(attribute):
                new_attribute[place] = attribute[i]
    return new_code, new_time, new_value, new_attribute


@lean_kernel
def _precedes(time: Ints, value: Floats, attribute: Codes, i: int, j: int) -> bool:
    """Whether row i belongs before row j; of repeats the greatest attribute comes first."""
    if time[i] != time[j]:
        return bool(time[i] < time[j])
    if value[i] != value[j]:
        return bool(value[i] < value[j])
    return len(attribute) > 0 and bool(attribute[i] > attribute[j])


@kernel
def order(bounds: Ints, time: Ints, value: Floats, attribute: Codes) -> None:
    """Sort the rows of each series by (time, value, attributes), in place; mostly they are sorted.

    A merge sort, so that rows in the worst order cost n log n.
    """
    for series in range(len(bounds) - 1):
        first, last = bounds[series], bounds[series + 1]
        i = first + 1
        while i < last and not _precedes(time, value, attribute, i, i - 1):
            i += 1
        if i >= last:
            continue
        chosen = _merged(first, last, time, value, attribute)
        time[first:last] = time[chosen]
        value[first:last] = value[chosen]
        if len(attribute):
            attribute[first:last] = attribute[chosen]


@kernel
def _merged(first: int, last: int, time: Ints, value: Floats, attribute: Codes) -> Ints:
    """Numbers of the rows `first` to `last` in their order."""
    found, spare = np.arange(first, last), np.empty(last - first, np.int64)
    size, width = last - first, 1
    while width < size:
        for low in range(0, size, 2 * width):
            middle, high = min(low + width, size), min(low + 2 * width, size)
            i, j = low, middle
            for k in range(low, high):
                right = i >= middle or (
                    j < high and _precedes(time, value, attribute, found[j], found[i])
                )
                if right:
                    spare[k] = found[j]
                    j += 1
                else:
                    spare[k] = found[i]
                    i += 1
        found, spare = spare, found
        width *= 2
    return found


@kernel
def drop_repeats(bounds: Ints, code: Codes, time: Ints, value: Floats, attribute: Codes) -> Ints:
    """Keep the first of sorted rows that are equal in (series, time, value), in place.

    Returns:
        The new bounds; what lies behind the last is left over.
    """
    new = np.empty(len(bounds), np.int64)
    place = 0
    for series in range(len(bounds) - 1):
        new[series] = begin = place
        for i in range(bounds[series], bounds[series + 1]):
            if place > begin and time[i] == time[place - 1] and value[i] == value[place - 1]:
                continue
            if place != i:
                code[place], time[place], value[place] = code[i], time[i], value[i]
                if len(attribute):
                    attribute[place] = attribute[i]
            place += 1
    new[-1] = place
    return new


@kernel
def ends(time: Ints) -> tuple[int, int]:
    """The oldest and the newest of some times.

    Raises:
        IndexError: there is none.
    """
    if len(time) == 0:
        raise IndexError("there is no time")  # noqa: EM101
    oldest = newest = time[0]
    for moment in time:
        oldest, newest = min(oldest, moment), max(newest, moment)
    return oldest, newest


@kernel
def arranged(
    code: Codes, time: Ints, value: Floats, attribute: Codes, limit: int, canonical: Codes
) -> tuple[Ints, Ints, int, Codes, Ints, Floats, Codes]:
    """Rows before `limit` by (series, time, value), each once.

    Args:
        code: int32 (n,), the series of each row.
        time: int64 (n,).
        value: float64 (n,).
        attribute: int32 (n,), or empty; of repeats the greatest stays.
        limit: microseconds.
        canonical: int32, the series in their order.

    Returns:
        The series that have rows, in their order; where the rows of each begin, and the end of all;
        how many rows there are with repeats; the columns, of which what lies behind that end is
        left over.

    Raises:
        IndexError: a code is outside of the series.
    """
    of_series = count(code, time, limit, len(canonical))
    rank = np.zeros(len(canonical), np.int32)
    present = np.empty(len(canonical), np.int64)
    bounds = np.zeros(len(canonical) + 1, np.int64)
    some = 0
    for one in canonical:
        if of_series[one]:
            present[some], rank[one] = one, some
            bounds[some + 1] = bounds[some] + of_series[one]
            some += 1
    bounds = bounds[: some + 1]
    early = bounds[some]
    codes, times, values, stated = scatter(code, time, value, attribute, limit, rank, bounds)
    order(bounds, times, values, stated)
    bounds = drop_repeats(bounds, codes, times, values, stated)
    return present[:some], bounds, early, codes, times, values, stated


@kernel
def find_windows(
    bounds: Ints, time: Ints, interval: int, slots: int, closed: int, closing: int, most: int,
    found: Ints,
) -> int:  # fmt: skip
    """All windows with a sample that end in the slots (closed, closing], series by series.

    Args:
        bounds: int64 (series + 1,), where the rows of each series begin.
        time: int64 (n,), sorted within each series.
        interval: of two ends, microseconds.
        slots: in a window.
        closed: the first slot that is not closed.
        closing: the first slot that stays open.
        most: a window uses at most the latest so many samples.
        found: int64 (w, 5), written as far as there is room: number of the end, series, first row
            of the window, row behind it, first row of its slice.

    Returns:
        How many there are; if that is more than w, some were not written.
    """
    number = 0
    for series in range(len(bounds) - 1):
        first, last = bounds[series], bounds[series + 1]
        if first < last:
            start = number
            end = max(closed + 1, time[first] // interval + 1)
            number = _find(time[:last], first, end, interval, slots, closing, found, number)
            for i in range(start, min(number, len(found))):
                found[i, 1] = series
                found[i, 2] = max(found[i, 2], found[i, 3] - most)
    return number


@lean_kernel
def _find(
    time: Ints, first: int, end: int, interval: int, slots: int, closing: int, found: Ints,
    number: int,
) -> int:  # fmt: skip
    """The windows of one series, whose rows begin at `first`, that end from slot `end` on."""
    start = stop = fresh = first
    while end <= closing:
        stop = _reach(time, stop, end * interval)
        start = _reach(time[:stop], start, (end - slots) * interval)
        if start < stop:
            fresh = _reach(time[:stop], fresh, (end - 1) * interval)
            if number < len(found):
                found[number, 0], found[number, 2] = end, start
                found[number, 3], found[number, 4] = stop, fresh
            number += 1
            end += 1
        elif stop < len(time):
            end = time[stop] // interval + 1
        else:
            break
    return number


@lean_kernel
def _reach(time: Ints, place: int, until: int) -> int:
    """The first row from `place` on that is not before `until`."""
    while place < len(time) and time[place] < until:
        place += 1
    return place


@kernel
def slices(found: Ints, time: Ints, value: Floats) -> tuple[Ints, Ints, Floats]:
    """The samples of all slices: offsets (w + 1,), times and values.

    Args:
        found: as of `find_windows`, in the order of the table.
        time: int64, of all rows.
        value: float64, of all rows.
    """
    offset = np.zeros(len(found) + 1, np.int64)
    for i in range(len(found)):
        offset[i + 1] = offset[i] + found[i, 3] - found[i, 4]
    new_time, new_value = np.empty(offset[-1], np.int64), np.empty(offset[-1], np.float64)
    for i in range(len(found)):
        place = offset[i]
        for j in range(found[i, 4], found[i, 3]):
            new_time[place], new_value[place] = time[j], value[j]
            place += 1
    return offset, new_time, new_value


@kernel
def first_needed(bounds: Ints, time: Ints, since: int, most: int) -> tuple[Ints, int]:
    """Rows that later windows need: of each series the latest `most` that are not before `since`.

    Returns:
        int64 (series,), the first of them; and the newest time of all of them, or NEVER.
    """
    first = np.empty(len(bounds) - 1, np.int64)
    newest = NEVER
    for series in range(len(first)):
        last = bounds[series + 1]
        place = max(bounds[series], last - most)
        while place < last and time[place] < since:
            place += 1
        first[series] = place
        if place < last:
            newest = max(newest, time[last - 1])
    return first, newest


@kernel
def suffixes(bounds: Ints, first: Ints, time: Ints, since: int) -> Ints:
    """Numbers of the rows from `first` on of each series that are not before `since`."""
    size = 0
    begin = first.copy()
    for series in range(len(first)):
        while begin[series] < bounds[series + 1] and time[begin[series]] < since:
            begin[series] += 1
        size += bounds[series + 1] - begin[series]
    chosen = np.empty(size, np.int64)
    place = 0
    for series in range(len(first)):
        for i in range(begin[series], bounds[series + 1]):
            chosen[place] = i
            place += 1
    return chosen
