"""Progress of event time, carried in the data.

A *watermark* of a partition is a promise decided by its log alone: the highest event time so far,
minus the allowed out-of-orderness. A row older than the watermark before it is late. Watermarks
never go back. Everything downstream closes windows by them, so no result depends on a runner's own
watermark, timers or bundles.

One producer with a wild clock must not move the watermark of its partition, or every other row
there would be late. So a row that jumps ahead of the others does not move it by itself: the
sources of the partition have to follow (`find_late`, ADR 13).
"""

from functools import lru_cache
from typing import NamedTuple
from zlib import crc32

import msgspec
import numpy as np
from numpy.typing import NDArray

from padit.domain.rows import Rows

__all__ = [
    "FAR",
    "WATERMARK_END",
    "WATERMARK_NONE",
    "Judged",
    "Position",
    "Vote",
    "find_late",
    "reached",
]

WATERMARK_NONE = -(2**62)
"""Watermark of a partition before its first row."""
WATERMARK_END = 2**62
"""Watermark of an exhausted partition (bounded input)."""

_STEP = 300_000_000  # us: a longer step ahead is a jump, unless more disorder is allowed
_ALONE = 120_000_000  # us: so far the jumped go on without a row of the others, then they are right
_SETTLED = 60_000_000  # us: so far the only source goes on at the start, then it is believed
_BUCKETS = 64
_ALL = 2**_BUCKETS - 1
_CHUNK = 1024  # rows judged together while jumped sources are waiting for the others
_ONE_BY_ONE = 32  # rows that turned out to be no jump, before the limit is moved behind them
FAR = 86_400_000_000
"""Microseconds: what is further ahead than this of sources that go on is a dead letter."""


class Position(NamedTuple):
    """Offsets of one partition that a batch covers, and the watermark after them.

    Attributes:
        partition: number of the partition, from 0.
        start: offset at which the job began to read this partition.
        first: first offset the batch covers.
        following: offset after the last one the batch covers.
        watermark: microseconds; every later row of the partition that is older is late.
        read: metrics of the partition read before `following`, since the job began.
        late: those of them that were late.
        dead_lettered: those of them that could not be read.
        reached: the last watermark before the partition was exhausted; `WATERMARK_NONE` while it
            is not exhausted.
    """

    partition: int
    start: int
    first: int
    following: int
    watermark: int
    read: int = 0
    late: int = 0
    dead_lettered: int = 0
    reached: int = WATERMARK_NONE


class Vote(msgspec.Struct, array_like=True, frozen=True):
    """What a partition's log tells of the clocks of its sources; part of the saved position.

    Sources are hashed to 64 buckets, so a set of them is a 64-bit number.

    Attributes:
        heard: sources heard since the last jump that was followed.
        ahead: sources whose latest row jumped.
        lowest: smallest event time among the rows that jumped, microseconds.
        since: by bucket, its first event time since one of the others was heard.
        highest: largest of them since the others were heard last, microseconds.
        jumped: newest event time that counted when a row jumped last, microseconds.
        doubted: the same when a row jumped last although the others had gone on since a jump.
    """

    heard: int = 0
    ahead: int = 0
    lowest: int = WATERMARK_NONE
    since: dict[int, int] = {}
    highest: int = WATERMARK_NONE
    jumped: int = WATERMARK_NONE
    doubted: int = WATERMARK_NONE


class Judged(NamedTuple):
    """What `find_late` found.

    Attributes:
        late: mask (n,) of late rows, or None where there are none.
        far: mask (n,) of rows more than `FAR` ahead of sources that went on, or None.
        watermark: behind the rows, microseconds.
        vote: behind the rows.
        behind: int64 (k,), by how much each of the k late rows is older than the newest time that
            counts before it, microseconds; None where none is late.
    """

    late: NDArray[np.bool_] | None
    far: NDArray[np.bool_] | None
    watermark: int
    vote: Vote
    behind: NDArray[np.int64] | None = None


def find_late(
    rows: Rows, watermark: int, out_of_orderness: int, vote: Vote | None = None
) -> Judged:
    """Which rows of one partition are late, and the watermark behind them.

    The watermark is the newest event time minus the out-of-orderness. A row more than five minutes
    (or the out-of-orderness, if that is longer) newer *jumps* and does not move it, until

    - more than half of the sources heard since the last jump have jumped, or
    - those that jumped have gone on for two minutes of their own time while no other row came.

    Then the watermark follows to the oldest of the rows that jumped, and from there over steps that
    are no jumps. At the start there is no watermark until two sources have been heard, or one for
    a minute of its own time. Nothing but the log counts, and only row by row, so it does not matter
    how the log is cut.

    Args:
        rows: in log order.
        watermark: the watermark before the first row.
        out_of_orderness: how far a row may be older than the newest before it, microseconds.
        vote: what the rows before told of the clocks.

    >>> from padit.domain.metric import Series
    >>> names = [Series(name, "x") for name in "abc"]
    >>> time = np.array([100, 101, 102, 90_000, 103]) * 1_000_000  # c is a day ahead
    >>> rows = Rows(names, np.array([0, 1, 2, 2, 0], np.int32), time, np.zeros(5))
    >>> found = find_late(rows, WATERMARK_NONE, 10_000_000)
    >>> found.late, found.watermark
    (None, 93000000)
    """
    vote = vote or Vote()
    if not len(rows):
        return Judged(None, None, watermark, vote)
    step = max(_STEP, out_of_orderness)
    if watermark != WATERMARK_NONE and not vote.ahead:
        base = watermark + out_of_orderness
        newest = np.maximum(np.maximum.accumulate(rows.time), base)
        if not _jumps(newest, base, step):
            late, behind = _late(rows.time, newest, base, out_of_orderness)
            after = int(newest[-1]) - out_of_orderness
            return Judged(late, None, after, _all_heard(rows, vote), behind)
    ballot = _Ballot(watermark, out_of_orderness, step, vote)
    newest, far = ballot.take(rows)
    before = WATERMARK_NONE if watermark == WATERMARK_NONE else watermark + out_of_orderness
    late, behind = _late(rows.time, newest, before, out_of_orderness)
    after = WATERMARK_NONE if ballot.base == WATERMARK_NONE else ballot.base - out_of_orderness
    return Judged(late, far, after, ballot.vote(), behind)


def reached(watermark: int, vote: Vote, out_of_orderness: int) -> int:
    """How far a log that has ended tells of time: to its newest rows, if no others contradict.

    A row that jumped may be among the last, and then no source can follow any more.
    """
    if vote.highest == WATERMARK_NONE:
        return watermark
    base = watermark + out_of_orderness
    near = vote.highest <= base + max(_STEP, out_of_orderness)
    if watermark == WATERMARK_NONE or near or base == vote.jumped:
        return max(watermark, vote.highest - out_of_orderness)
    return watermark


def _jumps(newest: NDArray[np.int64], base: int, step: int) -> bool:
    if int(newest[-1]) - base <= step:
        return False
    return int(newest[0]) - base > step or int(np.diff(newest).max(initial=0)) > step


def _late(
    time: NDArray[np.int64], newest: NDArray[np.int64], base: int, out_of_orderness: int
) -> tuple[NDArray[np.bool_] | None, NDArray[np.int64] | None]:
    """Rows older than the watermark before them, and by how much they are behind.

    `newest` is the newest time that counts behind each row, `base` that before all of them.
    """
    if int(time.min()) >= int(newest[-1]) - out_of_orderness:
        return None, None
    before = np.empty_like(newest)
    before[0] = base
    before[1:] = newest[:-1]
    late = time < before - out_of_orderness
    return (late, before[late] - time[late]) if late.any() else (None, None)


@lru_cache(maxsize=1 << 18)
def _bucket(source_id: str) -> int:
    return crc32(source_id.encode()) % _BUCKETS


def _all_heard(rows: Rows, vote: Vote) -> Vote:
    """The vote behind rows of which none jumped."""
    if vote.heard == _ALL and not vote.since:
        return vote
    present = np.zeros(len(rows.series), bool)
    present[rows.code] = True
    heard = vote.heard
    for place in np.flatnonzero(present).tolist():
        heard |= 1 << _bucket(rows.series[place].source_id)
    return msgspec.structs.replace(vote, heard=heard, since={})


class _Ballot:
    """Judges rows while some sources have jumped, or nothing is known yet.

    Rows that cannot have jumped are taken as columns; only those beyond the limit at the start
    of their chunk are looked at one by one.
    """

    def __init__(self, watermark: int, out_of_orderness: int, step: int, vote: Vote) -> None:
        self.base = WATERMARK_NONE if watermark == WATERMARK_NONE else watermark + out_of_orderness
        self._step = step
        self._heard, self._ahead, self._lowest = vote.heard, vote.ahead, vote.lowest
        self._since = dict(vote.since)
        self._highest, self._jumped, self._doubted = vote.highest, vote.jumped, vote.doubted

    def vote(self) -> Vote:
        """What is known by now."""
        return Vote(
            self._heard,
            self._ahead,
            self._lowest,
            dict(sorted(self._since.items())),
            self._highest,
            self._jumped,
            self._doubted,
        )

    def take(self, rows: Rows) -> tuple[NDArray[np.int64], NDArray[np.bool_] | None]:
        """The newest accepted event time behind every row, and which rows are too far ahead."""
        buckets = np.array([_bucket(one.source_id) for one in rows.series], np.uint64)
        bits = (np.uint64(1) << buckets)[rows.code]
        newest = np.empty(len(rows), np.int64)
        far: list[int] = []
        first = 0
        while first < len(rows):
            first = self._chunk(rows.time, bits, first, newest, far)
        if not far:
            return newest, None
        mask = np.zeros(len(rows), bool)
        mask[far] = True
        return newest, mask

    def _chunk(
        self,
        time: NDArray[np.int64],
        bits: NDArray[np.uint64],
        first: int,
        newest: NDArray[np.int64],
        far: list[int],
    ) -> int:
        """Take some rows from `first` on; the number of the first one not taken."""
        last = min(first + _CHUNK, len(time))
        part = time[first:last]
        beyond = part > self.base + self._step
        known = np.maximum.accumulate(np.where(beyond, WATERMARK_NONE, part))
        at, steady = 0, 0
        for place in np.flatnonzero(beyond).tolist():
            self._stretch(known, bits, newest, first, at, place)
            moment, bit = int(part[place]), int(bits[first + place])
            if self.base != WATERMARK_NONE and moment <= self.base + self._step:
                self._others(moment, bit)
                steady += 1
            elif self._jump(moment, bit):
                far.append(first + place)
            newest[first + place] = self.base
            at = place + 1
            if steady >= _ONE_BY_ONE:
                return first + at
        self._stretch(known, bits, newest, first, at, len(part))
        return last

    def _stretch(
        self,
        known: NDArray[np.int64],
        bits: NDArray[np.uint64],
        newest: NDArray[np.int64],
        first: int,
        start: int,
        stop: int,
    ) -> None:
        """Take the rows `start` to `stop` of a chunk, of which none jumped."""
        if start < stop:
            newest[first + start : first + stop] = np.maximum(known[start:stop], self.base)
            heard = np.bitwise_or.reduce(bits[first + start : first + stop])
            self._others(int(known[stop - 1]), int(heard))

    def _others(self, newest: int, bits: int) -> None:
        """Take rows that did not jump."""
        self.base = max(self.base, newest)
        self._heard |= bits
        self._ahead &= ~bits
        self._since.clear()
        if not self._ahead:
            self._lowest = WATERMARK_NONE

    def _jump(self, moment: int, bit: int) -> bool:
        """Take a row that jumped; whether it is too far ahead of sources that go on."""
        far = self._doubts() and moment > self.base + max(FAR, self._step)
        while moment > self.base + self._step:
            self._ahead |= bit
            self._highest = max(self._highest, moment)
            passed = self._lowest == WATERMARK_NONE or self._lowest <= self.base + self._step
            self._lowest = moment if passed else min(self._lowest, moment)
            first = self._since.setdefault(bit.bit_length(), moment)
            if not self._followed(moment, first):
                break
            self.base, self._heard = self._climb(self._lowest, moment), self._ahead
            self._ahead, self._lowest = 0, WATERMARK_NONE
            self._since.clear()
            self._highest = self._jumped = self._doubted = WATERMARK_NONE
        if moment <= self.base + self._step:
            self._others(moment, bit)
        return far

    def _doubts(self) -> bool:
        """Whether others went on since a jump, at most a day ago; notes that there is one more."""
        base = self.base
        if base == WATERMARK_NONE:
            return False
        if self._jumped != WATERMARK_NONE and self._jumped < base:
            self._highest = WATERMARK_NONE
            if base - self._jumped < FAR:
                self._doubted = base
        self._jumped = base
        return self._doubted != WATERMARK_NONE and base - self._doubted < FAR

    def _followed(self, moment: int, first: int) -> bool:
        """Whether the sources have followed a jump; `first` is where this one began to be alone."""
        jumped = self._ahead.bit_count()
        if self.base == WATERMARK_NONE:
            return jumped >= 2 or moment - first >= _SETTLED
        if jumped > (self._heard & ~self._ahead).bit_count() or moment - first >= _ALONE:
            return True
        oldest = min(self._since.values())
        return self._climb(oldest, moment) - oldest >= _ALONE

    def _climb(self, start: int, moment: int) -> int:
        """How far rows that jumped since the others were heard lead from `start` without a jump."""
        for later in sorted([*self._since.values(), moment]):
            if start < later <= start + self._step:
                start = later
        return start
