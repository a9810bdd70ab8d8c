"""Whether the times in a text go back, seen from the bytes alone: a twentieth of parsing them.

Numbers with equally many digits before the point, and RFC 3339 times with one offset, are in the
order of their bytes. `TextOrder` proves that all times of a file are of one such form and never go
back. Where it cannot prove that, which says nothing, they have to be parsed.
"""

import numpy as np
from numpy.typing import NDArray

__all__ = ["TextOrder", "key_values", "line_starts"]

Bytes = NDArray[np.uint8]
Ints = NDArray[np.int64]

_WIDTH = 32  # bytes of a time that are compared
_PAD = b"\0" * (_WIDTH + 16)
_DIGITS = (10, 13, 16, 19)  # of seconds, milliseconds, microseconds and nanoseconds
_FIXED = {4: b"-", 7: b"-", 10: b"T ", 13: b":", 16: b":"}
_CLOCK = 19  # characters of a date and a time without a fraction
_DASH, _DOT, _QUOTE, _SPACE = b'-." '
_KEY = b'"timestamp":'


class TextOrder:
    """Takes times as text, chunk by chunk.

    Args:
        ends: bytes that may follow a time.
    """

    def __init__(self, ends: bytes) -> None:
        self._ends = np.frombuffer(ends, np.uint8)
        self._form: tuple[bytes, int, bytes] | None = None
        self._last = b""

    def take(self, data: bytes, starts: Ints) -> bool:
        """Whether the times that begin at `starts` are of the form of those before, and go on."""
        if not len(starts):
            return True
        text = np.frombuffer(data + _PAD, np.uint8)
        if text[starts[0]] == _QUOTE:
            if not (text[starts] == _QUOTE).all():
                return False
            starts = starts + 1
        windows = np.lib.stride_tricks.sliding_window_view(text, _WIDTH)
        columns = np.ascontiguousarray(windows[starts].T)
        clock = columns[4, 0] == _DASH
        between = columns[10, :1].tobytes() if clock else b""  # a date and a time
        fixed, length = _keep_times(columns)
        zone = self._zone_behind(text, starts + length) if fixed else None
        if zone is None or (zone and not clock):
            return False
        form = (between, fixed, zone)
        if self._form not in (None, form):
            return False
        self._form = form
        return self._goes_on(np.ascontiguousarray(columns.T))

    def _zone_behind(self, text: Bytes, behind: Ints) -> bytes | None:
        """The offset from UTC that follows all times, before an end; None if they differ."""
        windows = np.lib.stride_tricks.sliding_window_view(text, 8)
        found = windows[behind]
        ends = np.isin(found[0], self._ends)
        size = int(np.argmax(ends))
        zone = found[0, :size].tobytes()
        if not ends.any() or (size not in (0, 6) and zone != b"Z"):
            return None
        same = (found[:, :size] == found[0, :size]).all() and np.isin(found[:, size], self._ends)
        return zone if same.all() else None

    def _goes_on(self, times: Bytes) -> bool:
        """Whether no time is smaller than the one before it; rows of 32 bytes."""
        if times[0].tobytes() < self._last:
            return False
        self._last = times[-1].tobytes()
        words = times.view(">u8").astype(np.uint64)
        greater = np.zeros(len(words) - 1, bool)
        equal = np.ones(len(words) - 1, bool)
        for place in range(words.shape[1]):
            before, after = words[:-1, place], words[1:, place]
            greater |= equal & (before > after)
            equal &= before == after
        return not bool(greater.any())


def _keep_times(columns: Bytes) -> tuple[int, Ints]:
    """Set all bytes behind the times to 0.

    Args:
        columns: uint8 (32, n), one time a column; changed.

    Returns:
        How many characters lie before a fraction (0: they are not all of one form), and int64 (n,)
        how long each time is.
    """
    digit = (columns - 48) < 10  # others wrap around
    none = 0, np.empty(0, np.int64)
    clock = columns[4, 0] == _DASH
    fixed = _CLOCK if clock else int(np.argmin(digit[:, 0]))
    if not clock and fixed not in _DIGITS:
        return none
    for place in range(fixed):
        among = _FIXED.get(place, b"") if clock else b""
        same = columns[place] == columns[place, 0] if among else digit[place]
        if (among and columns[place, 0] not in among) or not same.all():
            return none
    inside = columns[fixed] == _DOT
    if digit[fixed].any():
        return none
    length = fixed + inside.astype(np.int64)
    columns[fixed] *= inside
    for place in range(fixed + 1, _WIDTH):
        inside = inside & digit[place]
        columns[place] *= inside
        length += inside
    return (fixed, length) if int(length.max()) < _WIDTH else none


def line_starts(data: bytes) -> Ints:
    """Where the lines of a text begin; every line ends with a line feed."""
    breaks = np.flatnonzero(np.frombuffer(data, np.uint8) == 10)
    starts = np.empty(len(breaks), np.int64)
    starts[:1] = 0
    starts[1:] = breaks[:-1] + 1
    return starts


def key_values(data: bytes) -> Ints | None:
    """Where the values of the key `timestamp` begin in lines of JSON; each line has one at least.

    None where that cannot be seen, because of escaped characters or white space.
    """
    if b"\\u" in data:
        return None
    starts = line_starts(data)
    first = data.find(_KEY) + len(_KEY)
    if first < len(_KEY):
        return None
    text = np.frombuffer(data + _PAD, np.uint8)
    if first <= 16 and data[:1] == b"{":  # two words show whether all objects begin with that
        words = np.lib.stride_tricks.sliding_window_view(text, 8)
        for place in (0, first - 8):
            begin = np.ascontiguousarray(words[starts + place]).view(np.uint64)
            if not (begin == begin[0]).all():
                break
        else:
            return _past_space(text, starts + first)
    places = _places(data)
    found = data.count(_KEY[:-1])
    line = np.searchsorted(starts, places, side="right")
    if len(places) != found or len(np.unique(line)) != len(starts):
        return None
    return _past_space(text, places + len(_KEY))


def _places(data: bytes) -> Ints:
    """Where the key stands."""
    wanted = np.frombuffer(_KEY[:8], "<u8")[0]
    found = []
    for phase in range(8):
        size = (len(data) - phase) // 8 * 8
        words = np.frombuffer(data, "<u8", size // 8, phase)
        found.append(np.flatnonzero(words == wanted) * 8 + phase)
    places = np.sort(np.concatenate(found))
    text = np.frombuffer(data + _PAD, np.uint8)
    rest = np.frombuffer(_KEY[8:], np.uint8)
    windows = np.lib.stride_tricks.sliding_window_view(text, len(rest))
    same: NDArray[np.bool_] = (windows[places + 8] == rest).all(axis=1)
    return np.asarray(places[same])


def _past_space(text: Bytes, at: Ints) -> Ints:
    return np.asarray(at + (text[at] == _SPACE))
