"""The core of `usual` in plain Python: the range of a gauge, and the sums of what lies outside.

Covered: what is remembered, late, on five time scales; quantiles of either side, compressed where
its tail is heavy; swings; the four sums of Page (1954), above, below, higher and lower, with their
records; records in a row. Written from docs/detectors/usual.md, one series, up to its first alert,
of less than a day and that is not slow. Not covered: what lies inside an alert, values between two
states, activity, seasons, turns, homes, counters, stuck values, and how new a sample is, which have
tests of their own.
"""

import math
from itertools import pairwise
from typing import NamedTuple

from padit.transforms.detectors.usual_scale import log2

__all__ = ["Side", "UsualTwin"]

FADE = 1 - 1 / 4096
LATE, AT_ONCE = 32, 56
LIMITS = (5.0, 5.0, 9.0, 9.0)
HALF_HOUR = 1_800_000_000


class Side(NamedTuple):
    """One side of the median: distances of quantiles, as `scale` compresses them if it is not 0."""

    scale: float = 0.0
    edge: float = 0.0
    unit: float = 0.0
    width: float = 0.0
    reach: float = 0.0

    def distance(self, away: float) -> float:
        return log2(1.0 + away / self.scale) if self.scale > 0 else away


class UsualTwin:
    """A gauge of which no alert was open yet.

    Args:
        interval: microseconds between its samples.
    """

    def __init__(self, interval: int) -> None:
        self.interval = interval
        self.seen: list[float] = []
        self.rings: list[dict[int, float]] = [{} for _ in range(5)]
        self.count = self.outside = 0
        self.centre = self.low = self.high = 0.0
        self.above, self.below = Side(), Side()
        self.turned, self.swings, self.recent = 0, 0.0, 0.0
        self.sums, self.records, self.peaks = [0.0] * 4, [0.0] * 4, [0.0] * 4
        self.slowest, self.flat = 1.0, False
        self.leap, self.row, self.row_from, self.spell = 0.0, 0, 0.0, 0
        self.longest, self.farthest = [0.0, 0.0], [0.0, 0.0]

    def step(self, y: float) -> float:
        """The highest verdict of the sums and of a row over a value, which is then learnt."""
        verdict, over = 0.0, 0.0
        known = self.count >= 24 and (self.swings >= 6 or self.count >= 512)
        if known:
            verdict, over = self._judge(y)
            verdict /= 1.0 + 0.5 * max(0.0, 1.0 - len(self.seen) / 512)
        verdict = max(verdict, self._row(y, over > 0, known))
        n = len(self.seen)
        self.seen.append(y)
        self._remember(y if n < AT_ONCE else self.seen[n - LATE])
        if self.count % 32 == 0 or self.count in (8, 16, 24):
            self._fit()
        return verdict

    def _judge(self, y: float) -> tuple[float, float]:
        slow = max(1.0, self.recent / (8.0 * max(self.swings, 0.5)))
        self.slowest, self.flat = max(self.slowest, slow), self.flat or self.low == self.high
        wide = 1.0 + 2.0 / math.sqrt(self.swings + 1.0)
        alike = slow if self.swings < 16 else 4.4 * slow - 3.4 * math.sqrt(slow)
        up = y >= self.centre
        side = self.above if up else self.below
        u = side.distance(abs(y - self.centre))
        over = (u - side.edge) / (side.unit * wide)
        z = min(u / (side.width * wide), 3.0)
        slack = 2.2 - 1.7 / slow
        if self._walked(y, u):
            z, slack = min(z, 1.0), max(slack, over + 1.0)
        found = []
        for k, mine in enumerate((up, not up)):
            gain = min(over, 4.0) - slack if mine and over > 0 else -1.0
            if over < 6.0 and (slack > 0.6 or gain < 0):
                gain /= math.sqrt(min(slow, 9.0))
            shift = ((z if mine else -z) - 1.0) / alike
            found += [self._sum(k, gain, wide), self._sum(k + 2, shift, wide)]
        return max(found), over

    def _row(self, y: float, outside: bool, known: bool) -> float:
        """The verdict of a row of records on one side, of a side with a heavy tail."""
        side = 1 if y >= self.centre else -1
        kept = max(4096.0, 86400e6 / self.interval)
        self._count_spell(side, outside, 1.0 - 1.0 / kept)
        if self.row and self.row * (y - self.row_from) > 0:
            self.row += 1 if self.row > 0 else -1
        else:
            far = self.farthest[0 if side > 0 else 1]
            edge = far + 0.5 * (far - self.centre)
            heavy = (self.above if side > 0 else self.below).scale > 0
            leaps = abs(y - self._ahead()) > self.leap
            begins = heavy and known and leaps and side * (y - edge) > 0
            self.row, self.row_from = (side, edge) if begins else (0, self.row_from)
        self._widen(y, 1.0 / (28.0 * kept))
        slow = max(1.0, self.recent / (8.0 * max(self.swings, 0.5)))
        alike = max(4.4 * slow - 3.4 * math.sqrt(slow), 1.0)
        k, seen = abs(self.row) / alike, min(len(self.seen), 2.0 * kept) / alike
        if not self.row or k < 1.0 or seen <= k:
            return 0.0
        tenth = 0.30102999566398120
        chance = k * tenth * log2(seen / k)
        needed = tenth * log2(400.0 * max(86400e6 / self.interval, 1.0))
        longest = self.longest[0 if self.row > 0 else 1]
        return min(chance / needed, abs(self.row) / (1.6 * longest + 1.0))

    def _count_spell(self, side: int, outside: bool, fade: float) -> None:
        self.longest = [one * fade for one in self.longest]
        if outside and self.spell * side >= 0:
            self.spell += side
            return
        k = 0 if self.spell > 0 else 1
        self.longest[k] = max(self.longest[k], float(abs(self.spell)))
        self.spell = side if outside else 0

    def _widen(self, y: float, fade: float) -> None:
        if not self.seen:
            self.farthest = [y, y]
        highest, lowest = max(self.farthest[0], y), min(self.farthest[1], y)
        fade = fade if self.count >= 8 else 0.0
        self.farthest = [one + fade * (self.centre - one) for one in (highest, lowest)]

    def _ahead(self) -> float:
        """The mean of eight values of half an hour ago, at most 32 samples; else the centre."""
        lag = int(min(max(HALF_HOUR / self.interval - 8, 4), 24))
        n = len(self.seen)
        some = self.seen[max(0, n - lag - 8) : max(0, n - lag)]
        total = 0.0
        for one in some:
            total += one
        return total / len(some) if some else self.centre

    def _walked(self, y: float, u: float) -> bool:
        """Whether what came half an hour ago lay on the same side, a third as far and more."""
        ahead = self._ahead() - self.centre
        side = self.above if ahead >= 0 else self.below
        return ahead * (y - self.centre) > 0 and side.distance(abs(ahead)) > 0.3 * u

    def _sum(self, k: int, gain: float, wide: float) -> float:
        limit = max(LIMITS[k] * wide, 1.6 * self.records[k])
        self.sums[k] = min(max(0.0, self.sums[k] + gain), 1.5 * limit)
        self.records[k] *= 1.0 - 1.0 / max(4096.0, 86400e6 / self.interval)
        self.peaks[k] = max(self.peaks[k], self.sums[k])
        if self.sums[k] == 0:
            self.records[k], self.peaks[k] = max(self.records[k], self.peaks[k]), 0.0
        return self.sums[k] / limit

    def _remember(self, y: float) -> None:
        away = y - self.centre
        side = self.above if away >= 0 else self.below
        if self.count >= 64:
            slow = self.recent / (8.0 * max(self.swings, 0.5))
            self.slowest = max(self.slowest, slow)
        far = self.count >= 64 and side.distance(abs(away)) > side.edge + side.unit
        self.outside = self.outside + 1 if far else 0
        earlier = self.rings[0].get((self.count - LATE) % 64, math.nan) if self.count >= LATE else y
        for ring, kept in enumerate(self.rings):
            stride = 4**ring
            late = self.outside >= 2 and (self.outside < 256 or ring < 3)
            if self.count % stride == 0 and (not late or self.count < 4 * stride):
                kept[self.count // stride % 64] = y
        if self.count >= LATE and self.outside < 2:
            self.leap = max(self.leap * FADE, abs(y - earlier))
        self.count += 1
        self._swing(y)

    def _swing(self, y: float) -> None:
        self.recent = self.recent * FADE + 1.0
        self.swings *= FADE
        if self.low == self.high:
            self.swings += 0.125
        elif y >= self.high and self.turned <= 0:
            self.turned, self.swings = 1, self.swings + 1.0
        elif y <= self.low and self.turned >= 0:
            self.turned = -1

    def _fit(self) -> None:
        values = self._asked()
        size, before = len(values), self.high - self.low
        self.centre = values[size // 2]
        self.low, self.high = values[size // 4], values[3 * size // 4]
        if before > 0 and self.high - self.low > 2.0 * before:
            self.swings *= 0.5
        steps = [b - a for a, b in pairwise(values) if b > a]
        few = 0 < len(steps) < 2 + size // 10
        quantum = min(steps) if few else 0.0
        self.above = self._side([one - self.centre for one in reversed(values)], quantum)
        self.below = self._side([self.centre - one for one in values], quantum)

    def _asked(self) -> list[float]:
        """The remembered values of the rings that reach back as far as four swings, in order."""
        span = min(4.0 * self.recent / max(self.swings, 0.5), self.count / 2)
        values = []
        for ring, kept in enumerate(self.rings):
            stride = 4**ring
            tells_more = ring == 0 or self.count > 64 * stride // 4
            if tells_more and 64 * stride >= span:
                taken = min(64, -(-self.count // stride))
                values += [kept[place] for place in range(taken) if place in kept]
        return sorted(values)

    def _side(self, away: list[float], quantum: float) -> Side:
        """From distances, the farthest first."""
        size = len(away)
        places = (max(0, -(-size // 4) - 1), size // 10, size // 100, 0)
        d = [max(0.0, away[place]) for place in places]
        least, scale, reach = max(1e-12 * abs(self.centre), 1e-300), 0.0, d[2]
        if size >= 64 and d[2] > 2.3 * d[1] and d[0] > least:
            scale = d[0]
            d = [log2(1.0 + one / scale) for one in d]
            least = quantum = 0.0
        unit = max(d[2] - d[1], 0.15 * d[2], 0.5 * (d[3] - d[2]), least, quantum)
        width = d[1] / 1.2816
        if width <= least:
            width = max(d[2] / 2.33, d[3] / 3.0, least)
        return Side(scale, d[2], unit, width, reach)
