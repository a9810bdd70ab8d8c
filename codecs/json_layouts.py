"""JSON records that differ from a known one in nothing but their two numbers.

A probe sends the same record again and again with another timestamp and another value. The text
around the two numbers, a record's *frame*, is therefore parsed once and then recognised, for
thousands of records at a time and without one Python object a record; only the numbers are read
(`codecs.decimals`). A *layout* is the place of the two numbers: behind which comma, and how far.

Why this gives what a JSON parser gives: a frame is taken up only after the parser has read it
with two numbers of ours in the two places and has found exactly these as timestamp and value.
A record with that frame, to the byte, and two JSON numbers in the places is then the same text
but for these two tokens. Whatever is not recognised is left to the parser: unknown frames, other
numbers, times out of range, everything broken.
"""

import re
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from padit.codecs.decimals import BEFORE, parse_decimals
from padit.codecs.json_frames import Frames, LearningBudget, Parse, Piece
from padit.domain.rows import Rows, concatenate
from padit.domain.timestamps import EARLIEST_US, LATEST_US, micros_from_numbers

__all__ = ["KnownRecords"]

Bytes = NDArray[np.uint8]
Ints = NDArray[np.int64]

_BREAK, _COMMA, _OPEN, _CLOSE = b"\n,{}"
_WIDEST = 512  # bytes of one of the three pieces of a frame
_MOST_LAYOUTS = 8
_PAUSE = 16  # slices left to the parser after one with hardly any known record
_FRONT = b" " * BEFORE
_BACK = b" " * _WIDEST
_NUMBER = re.compile(rb'"(timestamp|value)"\s*:\s*(-?[0-9.]+)(?=[,}])')


class _Text(NamedTuple):
    """Records joined by line breaks.

    `separators` are the positions of all line breaks and commas; the one with index `first[i]`
    is the break before record i, and `commas[i]` of them lie inside the record.
    """

    data: Bytes
    separators: Ints
    first: Ints
    commas: Ints


class _Place(NamedTuple):
    """Where a number stands: so many bytes behind a separator, ending at the next one."""

    separator: int
    offset: int
    last: bool  # ends at the record's closing brace instead


@dataclass(slots=True)
class _Layout:
    """Where the two numbers stand, and the frames that were met with them there."""

    commas: int
    places: tuple[_Place, _Place]
    time_first: bool
    frames: Frames | None = None

    def bounds(self, text: _Text, chosen: Ints) -> tuple[Ints, ...]:
        """Start and end of both numbers, and of the records; each int64 (m,)."""
        first = text.first[chosen]
        behind = text.separators[first + self.commas + 1]
        result = []
        for place in self.places:
            result.append(text.separators[first + place.separator] + 1 + place.offset)
            result.append(
                behind - 1 if place.last else text.separators[first + place.separator + 1]
            )
        return (text.separators[first] + 1, *result, behind)


class KnownRecords(threading.local):
    """Recognises records; what it has learned is a cache, and no result depends on it.

    Args:
        parse: reads one record with the parser; the series, timestamp and value, or None.
    """

    def __init__(self, parse: Parse) -> None:
        super().__init__()
        self._parse = parse
        self.forget()

    def forget(self) -> None:
        """Begin with nothing known."""
        self._credit = LearningBudget()
        self._layouts: list[_Layout] = []
        self._pause = 0

    def read(
        self, values: Sequence[bytes | None], max_bytes: int
    ) -> tuple[Rows, NDArray[np.int64]] | None:
        """The records that were recognised: their rows, and their positions in ascending order.

        None where the records cannot be looked at together.
        """
        if self._pause:
            self._pause -= 1
            return None
        text = _joined(values)
        if text is None:
            return None
        parts: list[tuple[Ints, Rows]] = []
        used: list[_Layout] = []
        left = np.arange(len(values))
        for number in range(_MOST_LAYOUTS):
            if not len(left):
                break
            if number == len(self._layouts) and not self._learn(values[int(left[0])]):
                break
            layout = self._layouts[number]
            known, rows = self._match(layout, text, left, max_bytes)
            if len(known):
                used.append(layout)
                parts.append((left[known], rows))
                left = np.delete(left, known)
        if 2 * len(left) > len(values):
            self._pause, self._layouts = _PAUSE, used
        return _in_order(parts)

    def _learn(self, record: bytes | None) -> bool:
        layout = None if record is None else _layout_of(record)
        if layout is None:
            return False
        self._layouts.append(layout)
        return True

    def _match(self, layout: _Layout, text: _Text, left: Ints, max_bytes: int) -> tuple[Ints, Rows]:
        """Which of the records in `left` are known, as positions in `left`; and their rows."""
        fitting = np.flatnonzero(text.commas[left] == layout.commas)
        start, one, one_end, two, two_end, end = layout.bounds(text, left[fitting])
        sound = (one < one_end) & (two < two_end) & (end - start <= max_bytes)
        if not sound.all():
            fitting = fitting[sound]
            bounds = (start, one, one_end, two, two_end, end)
            start, one, one_end, two, two_end, end = (each[sound] for each in bounds)
        if not len(fitting):
            return fitting, Rows.empty()
        first, first_good = parse_decimals(text.data, one, one_end)
        second, second_good = parse_decimals(text.data, two, two_end)
        stamp, value = (first, second) if layout.time_first else (second, first)
        time = micros_from_numbers(stamp)
        good = first_good & second_good & (time >= EARLIEST_US) & (time < LATEST_US)
        pieces = (Piece(start, one), Piece(one_end, two), Piece(two_end, end))
        frames = self._frames(layout, pieces)
        series = frames.find(text.data, pieces)
        good &= series >= 0
        if good.all():
            return fitting, frames.rows(series, time, value)
        return fitting[good], frames.rows(series[good], time[good], value[good])

    def _frames(self, layout: _Layout, pieces: Sequence[Piece]) -> Frames:
        """The layout's frames, with room for pieces like these."""
        longest = [min(int((end - start).max()), _WIDEST - 1) for start, end in pieces]
        if layout.frames is None or not layout.frames.has_room(longest):
            layout.frames = Frames(longest, layout.time_first, self._parse, self._credit)
        return layout.frames


def _joined(values: Sequence[bytes | None]) -> _Text | None:
    try:
        joined = b"\n".join([_FRONT, *values, _BACK])  # type: ignore[list-item]  # None: TypeError
    except TypeError:
        return None
    data = np.frombuffer(joined, np.uint8)
    if not data.min():  # frames are filled up with zero bytes; no JSON has one
        return None
    separators = np.flatnonzero((data == _BREAK) | (data == _COMMA))
    breaks = np.flatnonzero(data[separators] == _BREAK)
    if len(breaks) != len(values) + 1:  # a record holds a line break
        return None
    return _Text(data, separators, breaks[:-1], np.diff(breaks) - 1)


def _layout_of(record: bytes) -> _Layout | None:
    """A guess where the numbers of a record stand, or None; frames confirm or refute it."""
    found = {match[1]: match for match in _NUMBER.finditer(record)}
    if len(found) < 2 or record[:1] != b"{" or record[-1:] != b"}":
        return None
    tokens = sorted(match.span(2) for match in found.values())
    places = []
    for start, end in tokens:
        offset = start - (record.rfind(b",", 0, start) + 1)
        last = record[end] == _CLOSE
        if last and end != len(record) - 1:
            return None
        places.append(_Place(record.count(b",", 0, start), offset, last))
    time_first = found[b"timestamp"].start(2) == tokens[0][0]
    return _Layout(record.count(b","), (places[0], places[1]), time_first)


def _in_order(parts: list[tuple[Ints, Rows]]) -> tuple[Rows, Ints]:
    if len(parts) == 1:
        return parts[0][1], parts[0][0]
    rows = concatenate([part for _, part in parts])
    position = np.concatenate([each for each, _ in parts] or [np.empty(0, np.int64)])
    order = np.argsort(position)
    return rows.select(order), position[order]
