"""Hotelling's T-squared as it is described, row by row and with a library's inverse.

The reference keeps the rows themselves, not their sums, one source at a time. Its figures are those
of docs/detectors.md and of the module's comments.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from padit.transforms.detectors import hotelling

Array = NDArray[np.float64]
WARNING = 20.0


class Source:
    """One source, plainly."""

    def __init__(self, rows: Array, memory_rows: int) -> None:
        self.memory_rows = memory_rows
        self.mean = rows.mean(axis=0)
        floor = np.maximum(1e-9 * np.abs(self.mean), 1e-12)
        self.sd = np.maximum(rows.std(axis=0), floor)
        z = np.clip((rows - self.mean) / self.sd, -20, 20)
        moving = [z[i : i + 32].mean(axis=0) for i in range(len(z) - 31)]
        quarter = len(moving) // 4
        self.bank = [np.array(moving[i * quarter : (i + 1) * quarter]) for i in range(4)]
        self.stretch = len(rows) // 4
        self.tail = list(z[-31:])
        self.peaks, self.peak, self.settled = [0.0] * 8, 0.0, False
        self.adopted, self.highest = 0, 0.0
        self.accepted: list[Array] = []
        self.unusual: list[Array] = []
        self.fit()

    def fit(self) -> None:
        learnt = np.concatenate(self.bank)
        means = [one.mean(axis=0) for one in self.bank]
        changes = np.diff(means, axis=0)
        self.centre = learnt.mean(axis=0)
        scatter = np.atleast_2d(np.cov(learnt.T, bias=True))
        wander = 27 * changes.T @ changes / max(len(changes), 1)
        self.precision = np.linalg.inv(scatter + wander + 1e-3 * np.eye(len(self.centre)))
        freedom = max(float((self.precision * scatter).sum()), 0.5)
        share = 2 / (9 * freedom)
        self.usual = freedom * (1 - share + 2.326 * math.sqrt(share)) ** 3
        self.anchor, own = means[-1], np.diag(scatter)
        self.reach = 20 * np.maximum(1, np.sqrt(own))
        self.learnt = len(learnt)
        between = sum(len(one) * (mean - self.centre) ** 2
                      for one, mean in zip(self.bank, means, strict=True))  # fmt: skip
        shares = np.where(own > 1e-12, between / np.maximum(own, 1e-12) / len(learnt), 0)
        self.independent = float(np.clip(2 * (1 - shares.mean()), 0.05, 1))
        self.base = max(5.0, WARNING * 400 / (self.learnt * self.independent))
        self.warning = self.base * max(1.0, 1.5 * max(self.peaks))

    @property
    def limit(self) -> int:
        return min(math.ceil(1.5 * self.learnt), 4000)

    def room(self) -> int:
        return min(self.stretch - len(self.accepted), self.limit - len(self.unusual))

    def step(self, rows: Array) -> tuple[list[dict[str, Any]], bool]:
        before, found = self.settled, []
        peak = 0.0
        for row in rows:
            z = np.clip((row - self.mean) / self.sd, self.anchor - self.reach,
                        self.anchor + self.reach)  # fmt: skip
            moving = np.mean([*self.tail, z], axis=0)
            self.tail = [*self.tail[1:], z]
            away = moving - self.centre
            pulled = self.precision @ away
            ratio = max(float(away @ pulled), 0.0) / self.usual
            level = ratio / (ratio + 3 / 7 * self.warning)
            if level < 0.45 or not before:
                self.accepted.append(moving)
            else:
                self.unusual.append(moving)
            if level < 0.7 or not before:
                peak = max(peak, ratio)
            found.append(self.judged(moving, pulled, level if before else math.nan))
        self.peak = max(self.peak, peak / self.base)
        return found, self.learn()

    def judged(self, moving: Array, pulled: Array, level: float) -> dict[str, Any]:
        own = np.diag(self.precision)
        return {
            "level": level,
            "off": pulled / np.sqrt(own),
            "mean": moving * self.sd + self.mean,
            "expected": (moving - pulled / own) * self.sd + self.mean,
        }

    def partners(self) -> list[int]:
        own = np.diag(self.precision)
        link = np.abs(self.precision) / np.sqrt(np.outer(own, own)) - 2 * np.eye(len(own))
        return [int(one) for one in link.argmax(axis=1)]

    def learn(self) -> bool:
        full = len(self.accepted) >= self.stretch
        adopted = len(self.unusual) >= self.limit
        assert not (full and adopted), "choose other data"
        if adopted and (np.abs(np.mean(self.unusual, axis=0)) > 10).any():
            return True
        if full:
            self.take(self.accepted)
            self.accepted = []
        elif adopted:
            self.take(self.unusual)
            self.adopted += 1
        return False

    def take(self, rows: list[Array]) -> None:
        self.bank.append(np.array(rows))
        self.unusual = []
        self.peaks = [*self.peaks[1:], self.peak]
        self.highest = max(self.highest, self.peak)
        quiet = self.peak <= 1 and self.independent >= 0.9
        self.settled |= quiet or self.learnt + self.stretch >= 4000
        self.peak = 0.0
        if len(self.bank) == 16 and self.stretch * 16 < self.memory_rows:
            pairs = zip(self.bank[::2], self.bank[1::2], strict=True)
            self.bank = [np.concatenate(pair) for pair in pairs]
            self.stretch *= 2
        elif len(self.bank) == 16:
            self.bank = self.bank[1:]
        self.fit()


def steady(count: int, d: int, seed: int) -> Array:
    """Related metrics in units of their own; the last two are related most."""
    chance = np.random.default_rng(seed)
    common = chance.normal(size=(count, 1))
    rows = chance.normal(size=(count, d)) + common * np.linspace(0.5, 3, d)
    return rows * 10.0 ** np.arange(-2, d - 2) + np.linspace(-50, 800, d)


def compare(sources: list[Array], first: int, memory_rows: int, most: int = 61) -> list[Source]:
    """Judge and learn all rows of sources together, and each by itself; until all have ended."""
    plain = [Source(rows[:first], memory_rows) for rows in sources]
    memory = np.concatenate([hotelling.begin(rows[:first], WARNING)[None] for rows in sources])
    where = hotelling.layout(sources[0].shape[1])
    at = [first] * len(sources)
    while any(here < len(rows) for here, rows in zip(at, sources, strict=True)):
        free = hotelling.room(memory, where)
        assert free.tolist() == [one.room() for one in plain]
        parts = [rows[here : here + min(most, int(n))]
                 for rows, here, n in zip(sources, at, free, strict=True)]  # fmt: skip
        count = np.array([len(part) for part in parts])
        table = np.zeros((len(parts), int(count.max()), sources[0].shape[1]))
        for i, part in enumerate(parts):
            table[i, : len(part)] = part
        judged, lost = hotelling.step(memory, table, count, WARNING, memory_rows)
        for i, one in enumerate(plain):
            if not len(parts[i]):
                continue
            spread, partner = one.sd / np.sqrt(np.diag(one.precision)), one.partners()
            found, ended = one.step(parts[i])
            assert bool(lost[i]) == ended
            np.testing.assert_allclose(judged.spread[i], spread, rtol=1e-6)
            assert judged.partner[i].tolist() == partner
            for name in found[0]:
                mine = [one[name] for one in found]
                theirs = getattr(judged, name)[i, : count[i]]
                np.testing.assert_allclose(theirs, mine, rtol=1e-6, atol=1e-7, err_msg=name)
            at[i] += len(parts[i])
            if ended:
                at[i] = len(sources[i])
                return plain
    return plain


def levels(*sources: Array, first: int = 64, memory_rows: int = 100_000) -> list[Source]:
    return compare(list(sources), first, memory_rows)


@pytest.mark.parametrize("d", [2, 3, 5])
def test_steady_sources_are_judged_and_learnt_as_described(d: int) -> None:
    sources = levels(steady(1500, d, 1), steady(1300, d, 2))
    assert [one.settled for one in sources] == [True, True]
    assert [one.stretch > 16 for one in sources] == [True, True]


def test_a_full_memory_forgets_its_oldest_stretch() -> None:
    (one,) = levels(steady(2500, 2, 3), memory_rows=700)
    assert one.stretch == 64
    assert one.learnt < 16 * 64 + 64


def test_the_unusual_is_not_learnt_until_it_outnumbers_the_usual() -> None:
    rows = steady(2200, 3, 4)
    rows[500:, 1] += 6 * rows[:500, 1].std()
    (one,) = levels(rows)
    assert one.settled
    assert one.adopted == 1


def test_a_source_that_moves_far_away_has_to_begin_again() -> None:
    rows = steady(3000, 2, 5)
    rows[800:] += 40 * rows[:800].std(axis=0)
    (one,) = levels(rows)
    assert len(one.unusual) >= one.limit


def test_a_source_that_wanders_is_judged_after_4000_rows_and_wild_values_are_clipped() -> None:
    chance = np.random.default_rng(6)
    rows = np.cumsum(chance.normal(size=(4600, 2)), axis=0) * 0.05 + chance.normal(size=(4600, 2))
    rows[200, 0], rows[1500, 1] = 1e9, -1e9
    (one,) = levels(rows)
    assert one.independent < 0.9


def test_a_metric_that_never_moves_is_no_trouble() -> None:
    rows = steady(900, 3, 7)
    rows[:, 1] = 12.5
    levels(rows, first=100)


def test_peaks_of_quiet_times_raise_the_warning() -> None:
    rows = steady(1600, 2, 8)
    rows[70:110] += [40, -40] * rows.std(axis=0)  # while it has not settled
    rows[900:1000, 1] += 2 * rows[:, 1].std()
    (one,) = levels(rows)
    assert one.highest * 1.5 > 1


@pytest.mark.parametrize("freedom", [1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0])
def test_the_usual_t2_is_what_one_percent_exceeds(freedom: float) -> None:
    found = float(hotelling._chi_square_99(np.array([freedom]))[0])
    assert found == pytest.approx(stats.chi2.ppf(0.99, freedom), rel=0.02)
