"""Frames of known records, found for many records at once by hash and compared to the byte."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from padit.codecs.decimals import masks, windows
from padit.domain.attributes import UNSTATED, AttributeColumn, Attributes
from padit.domain.metric import Series
from padit.domain.rows import Rows

__all__ = ["LearningBudget", "Frames", "Parse", "Piece"]

Bytes = NDArray[np.uint8]
Ints = NDArray[np.int64]
Words = NDArray[np.uint64]

Parse = Callable[[bytes], tuple[Series, float, float, Attributes] | None]
"""Reads one record: series, timestamp, value, attributes; None if anything is wrong with it."""

_TIME, _VALUE = b"946684801.5", b"-7.25"
_MOST = 1 << 17
_MOST_BYTES = 64 << 20
_CREDIT = 100_000.0
_EARNED = 1 / 50
_PROBES = 16
_SLOTS = 8  # for each frame, so that few share one
_REFUSED = -1
_MIX = np.uint64(0xBF58476D1CE4E5B9)
_NONE = {UNSTATED: 0}.keys()


class Piece(NamedTuple):
    """One of the three pieces of the frame of m records: int64 (m,) positions in a text."""

    start: Ints
    end: Ints


class LearningBudget:
    """How many new frames may still be parsed: so many at first, and one for fifty known records.

    Records whose frame never comes again are left to the parser alone when it is used up.
    """

    def __init__(self) -> None:
        self.left = _CREDIT


class Frames:
    """The frames of one layout: three pieces of text, before, between and behind the numbers.

    Args:
        longest: length that each piece must have room for.
        time_first: whether the timestamp is the first of the two numbers.
        parse: reads one record with the parser, to try a frame.
        credit: the budget that new frames use up.
    """

    def __init__(
        self, longest: Sequence[int], time_first: bool, parse: Parse, credit: LearningBudget
    ) -> None:
        self._widths = [-(-(length + 1) // 32) * 32 for length in longest]
        self._parse = parse
        self._numbers = (_TIME, _VALUE) if time_first else (_VALUE, _TIME)
        self._credit = credit
        self._most = min(_MOST, _MOST_BYTES // sum(self._widths))
        # A multiplier for each word of each piece: a simple counter, well mixed.
        factors = np.arange(1, sum(self._widths) // 8 + 1, dtype=np.uint64)
        factors *= np.uint64(0x9E3779B97F4A7C15)
        factors ^= factors >> np.uint64(29)
        factors *= _MIX
        self._factors = np.split(factors | np.uint64(1), np.cumsum(self._widths)[:-1] // 8)
        self._clear(256)

    def _clear(self, room: int) -> None:
        self._count = 0
        self._kept = [np.zeros((room, width // 8), np.uint64) for width in self._widths]
        self._hashes = np.zeros(room, np.uint64)
        self._number = np.full(room, _REFUSED, np.int32)
        self._slots = np.full(room * _SLOTS, -1, np.int32)
        # A frame has the number of its pair of series and attributes.
        self._pairs: dict[tuple[Series, Attributes], int] = {}
        self._series: list[Series] = []  # of each pair
        self._attributes: dict[Attributes, int] = {}
        self._attribute: list[int] = []  # of each pair
        self._known: set[Series] = set()
        self._single = True  # no series stands in two pairs

    def has_room(self, longest: Sequence[int]) -> bool:
        """Whether pieces of these lengths can be kept."""
        return all(length < width for length, width in zip(longest, self._widths, strict=True))

    def find(self, text: Bytes, pieces: Sequence[Piece]) -> NDArray[np.int32]:
        """For every record the number of its series, or -1; new frames are added."""
        key, fits = self._key(text, pieces)
        hashed = np.zeros(len(fits), np.uint64)
        for words, factors in zip(key, self._factors, strict=True):
            # A product carries upwards only, so the upper half of a word goes into the lower.
            hashed += np.einsum("ij,j->i", words ^ (words >> np.uint64(32)), factors)
        hashed ^= hashed >> np.uint64(29)
        hashed *= _MIX
        found = self._look_up(key, hashed)
        unknown = np.flatnonzero((found < 0) & fits)
        self._credit.left += (len(found) - len(unknown)) * _EARNED
        if len(unknown) and self._credit.left >= 1:
            self._take_up(text, pieces, key, hashed, unknown)
            found = self._look_up(key, hashed)
        return np.where(fits & (found >= 0), self._number[found], np.int32(_REFUSED))

    def rows(self, number: NDArray[np.int32], time: Ints, value: NDArray[np.float64]) -> Rows:
        """Rows of the series that `find` numbered, over a table of those that occur."""
        seen = np.zeros(len(self._series), bool)
        seen[number] = True
        position = np.cumsum(seen, dtype=np.int32) - np.int32(1)
        table = [one for one, is_seen in zip(self._series, seen.tolist(), strict=True) if is_seen]
        code = position[number]
        if not self._single:
            return self._merged(table, np.flatnonzero(seen), code, time, value)
        column = None
        if self._attributes.keys() != _NONE:
            of_series = np.array(self._attribute, np.int32)[seen]
            every = np.arange(len(table), dtype=np.int32)
            column = AttributeColumn.of(list(self._attributes), of_series, every, len(table))
        return Rows(table, code, time, value, column)

    def _merged(
        self,
        pairs: list[Series],
        numbers: Ints,
        code: NDArray[np.int32],
        time: Ints,
        value: NDArray[np.float64],
    ) -> Rows:
        """Rows whose series may stand in several pairs, with other attributes in each."""
        table: dict[Series, int] = {}
        number = np.array([table.setdefault(one, len(table)) for one in pairs], np.int32)
        series = number[code]
        attribute = np.array(self._attribute, np.int32)[numbers][code]
        column = AttributeColumn.of(list(self._attributes), attribute, series, len(table))
        return Rows(list(table), series, time, value, column)

    def _key(self, text: Bytes, pieces: Sequence[Piece]) -> tuple[list[Words], NDArray[np.bool_]]:
        """The three pieces as words, zeros behind their ends, and whether all of them fit."""
        fits = np.ones(len(pieces[0].start), bool)
        key = []
        for (start, end), width in zip(pieces, self._widths, strict=True):
            # No text has a zero byte in it, so the zeros encode the length as well.
            fits &= end - start < width
            mask = masks(width)[np.minimum(end - start, width)]
            words = windows(text, width)[start].view(np.uint64).reshape(-1, width // 8)
            words &= mask.view(np.uint64).reshape(-1, width // 8)
            key.append(words)
        return key, fits

    def _look_up(self, key: Sequence[Words], hashed: Words) -> NDArray[np.int32]:
        """The index of each record's frame, or -1."""
        slot = self._slot(hashed)
        found = self._slots[slot]
        other = np.flatnonzero((found >= 0) & (self._hashes[found] != hashed))
        for probe in range(1, _PROBES):
            if not len(other):
                break
            found[other] = self._slots[(slot[other] + probe) % len(self._slots)]
            following = found[other]
            other = other[(following >= 0) & (self._hashes[following] != hashed[other])]
        found[other] = -1
        for words, kept in zip(key, self._kept, strict=True):
            same = kept[found] == words
            if not same.all():
                found[~same.all(axis=1)] = -1
        return found

    def _slot(self, hashed: Words) -> Ints:
        return ((hashed >> np.uint64(32)) % np.uint64(len(self._slots))).astype(np.int64)

    def _take_up(
        self, text: Bytes, pieces: Sequence[Piece], key: Sequence[Words], hashed: Words, new: Ints
    ) -> None:
        _, distinct = np.unique(hashed[new], return_index=True)
        for i in new[np.sort(distinct)][: int(self._credit.left)].tolist():
            self._credit.left -= 1
            if self._count == self._most:
                self._clear(256)
            texts = [text[start[i] : end[i]].tobytes() for start, end in pieces]
            self._add([words[i] for words in key], hashed[i], self._try(texts))

    def _try(self, pieces: Sequence[bytes]) -> tuple[Series, Attributes] | None:
        """Series and attributes of a frame, if the numbers are timestamp and value for sure."""
        first, second = self._numbers
        found = self._parse(b"".join((pieces[0], first, pieces[1], second, pieces[2])))
        if found is None or found[1:3] != (float(_TIME), float(_VALUE)):
            return None
        return found[0], found[3]

    def _add(
        self, key: Sequence[Words], hashed: np.uint64, pair: tuple[Series, Attributes] | None
    ) -> None:
        if self._count == len(self._hashes):
            self._grow()
        at = self._count
        if not self._place(hashed, at):
            return  # the slots in reach are taken: its records are left to the parser
        self._count += 1
        self._hashes[at] = hashed
        for kept, words in zip(self._kept, key, strict=True):
            kept[at] = words
        if pair is not None:
            self._number[at] = self._pairs.setdefault(pair, len(self._pairs))
            if len(self._pairs) > len(self._series):
                self._note(*pair)

    def _note(self, series: Series, attributes: Attributes) -> None:
        """Take in a new pair."""
        self._known.add(series)
        self._series.append(series)
        self._single = len(self._known) == len(self._series)
        number = self._attributes.setdefault(attributes, len(self._attributes))
        self._attribute.append(number)

    def _place(self, hashed: np.uint64, at: int) -> bool:
        first = (int(hashed) >> 32) % len(self._slots)
        for probe in range(_PROBES):
            slot = (first + probe) % len(self._slots)
            if self._slots[slot] < 0:
                self._slots[slot] = at
                return True
        return False

    def _grow(self) -> None:
        room = 2 * len(self._hashes)
        self._kept = [np.concatenate([kept, np.zeros_like(kept)]) for kept in self._kept]
        self._hashes = np.concatenate([self._hashes, np.zeros_like(self._hashes)])
        refused = np.full(len(self._number), _REFUSED, np.int32)
        self._number = np.concatenate([self._number, refused])
        self._slots = np.full(room * _SLOTS, -1, np.int32)
        for at in range(self._count):
            self._place(self._hashes[at], at)
