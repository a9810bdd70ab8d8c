"""The memory of seasons, sample by sample, and the periods that are found in it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from padit.transforms.detectors import seasons

SECOND = 1_000_000
SLOTS = 384
LONGEST = 604_800 * SECOND


def empty(n: int) -> dict[str, NDArray[Any]]:
    return {
        name: np.full((n, *field.shape), field.start, field.dtype)
        for name, field in seasons.fields().items()
    }


class Memory:
    """Means of consecutive slots of one series, one sample at a time."""

    def __init__(self, width: int, longest: int) -> None:
        self.width, self.longest, self.first = width, longest, 0
        self.mean: dict[int, float] = {}  # by number of the slot, those that are closed or open
        self.open, self.values = -1, 0.0
        self.count = 0.0

    def add(self, since: list[int], value: list[float]) -> None:
        self._make_room(since[-1])
        for moment, one in zip(since, value, strict=True):
            slot = moment // self.width
            if slot != self.open:
                self.open, self.values, self.count = slot, 0.0, 0.0
            self.values += one
            self.count += 1
            if slot >= self.first:
                self.mean[slot] = self.values / self.count

    def _make_room(self, until: int) -> None:
        if until // self.width - self.first >= 8 * SLOTS:  # a long gap: begin again
            self.first, self.mean, self.open = until // self.width - 32, {}, -1
        while until // self.width - self.first >= SLOTS:
            if self.width * SLOTS >= 6 * self.longest:
                self.first += SLOTS // 2
            else:
                self._double()
            self.mean = {slot: mean for slot, mean in self.mean.items() if slot >= self.first}

    def _double(self) -> None:
        self.first += self.first % 2
        pairs: dict[int, list[float]] = {}
        for slot, mean in sorted(self.mean.items()):
            if slot >= self.first:
                pairs.setdefault(slot // 2, []).append(mean)
        self.mean = {slot: sum(means) / len(means) for slot, means in pairs.items()}
        self.first, self.width = self.first // 2, 2 * self.width
        self.open = self.open // 2 if self.open >= 0 else -1
        self.values = self.mean.get(self.open, 0.0) * self.count

    def slots(self) -> list[float]:
        return [self.mean.get(self.first + i, math.nan) for i in range(SLOTS)]


def stream(seed: int, blocks: int, step: float, gaps: bool) -> tuple[NDArray[Any], NDArray[Any]]:
    """Times (blocks, 32) since the beginning and values."""
    chance = np.random.default_rng(seed)
    away = chance.integers(1, int(2 * step * SECOND), (blocks, 32))
    if gaps:
        away[blocks // 3, 5] += int(700 * step) * SECOND  # samples are missing
        away[2 * blocks // 3, 9] += int(40_000 * step) * SECOND  # a long gap
    since = np.cumsum(away.ravel()).reshape(blocks, 32) - away[0, 0]
    return since, np.sin(since / (300 * step * SECOND)) + chance.normal(size=since.shape)


@pytest.mark.parametrize(
    ("blocks", "step", "longest", "gaps"),
    [
        (60, 10.0, LONGEST, False), (60, 10.0, LONGEST, True),
        (90, 10.0, 2_000 * SECOND, False), (90, 10.0, 2_000 * SECOND, True),
        (40, 3600.0, LONGEST, False),
    ],
)  # fmt: skip
def test_the_memory_holds_means_of_slots_that_double_until_they_hold_six_of_the_longest_period(
    blocks: int, step: float, longest: int, gaps: bool
) -> None:
    streams = [stream(seed, blocks, step * (seed + 1), gaps) for seed in range(3)]
    r = empty(3)
    plain: list[Memory] = []
    looked = [0, 0, 0]
    for number in range(blocks):
        since = np.stack([one[0][number] for one in streams])
        value = np.stack([one[1][number] for one in streams])
        if not plain:
            widths = [max(int(np.median(np.diff(row))), 1) for row in since]
            plain = [Memory(width, longest) for width in widths]
        due = seasons.remember(r, since, value, longest)
        for i, one in enumerate(plain):
            before, former = one.width, one.first
            one.add(since[i].tolist(), value[i].tolist())
            assert (int(r["width"][i]), int(r["first"][i])) == (one.width, one.first)
            np.testing.assert_allclose(r["slot"][i], one.slots(), rtol=1e-5, atol=1e-5)
            if (before, former) != (one.width, one.first):
                looked[i] = -1  # what is due next is left to the next test
            filled = one.open - one.first + 1
            if looked[i] >= 0:
                assert bool(due[i]) == (filled >= 96 and filled - looked[i] >= 48)
                looked[i] = filled if due[i] else looked[i]
            elif due[i]:
                looked[i] = filled
    assert any(one.width > width for one, width in zip(plain, widths, strict=True))


def test_the_first_width_is_the_usual_distance_of_samples_or_their_mean_distance() -> None:
    r = empty(3)
    since = np.array([
        [0, 10, 20, 30, 1000], [0, 0, 0, 0, 50], [0, 0, 0, 0, 0],
    ])  # fmt: skip
    seasons.remember(r, since, np.ones(since.shape), LONGEST)
    assert r["width"].tolist() == [10, 10, 1]


def test_a_series_is_looked_at_again_whenever_an_eighth_of_the_memory_is_new() -> None:
    r, looks = empty(1), []
    for number in range(400):
        since = (np.arange(4)[None] + 4 * number) * SECOND
        if seasons.remember(r, since, np.ones((1, 4)), LONGEST)[0]:
            looks.append((4 * number + 4, int(r["width"][0]) // SECOND))
    assert looks == [
        (96, 1), (144, 1), (192, 1), (240, 1), (288, 1), (336, 1), (384, 1),
        *((n, 2) for n in (480, 576, 672, 768)), *((n, 4) for n in (960, 1152, 1344, 1536)),
    ]  # fmt: skip


def found(
    value: NDArray[Any], *, first: int = 0, width: int = 60 * SECOND, calendar: bool = False
) -> list[seasons.Found]:
    slot = np.full(SLOTS, np.nan)
    slot[: len(value)] = value
    return seasons.look(slot, first, width, calendar)


def noise(count: int, seed: int = 1) -> NDArray[Any]:
    return np.random.default_rng(seed).normal(size=count)


@pytest.mark.parametrize("lag", [7.0, 12.3, 24.0, 37.5, 60.0, 100.0])
@pytest.mark.parametrize("trend", [0.0, 0.02])
def test_a_period_is_found_to_a_fraction_of_a_slot_whatever_the_trend(
    lag: float, trend: float
) -> None:
    at = np.arange(SLOTS)
    value = 50 + trend * at + 3 * np.sin(2 * np.pi * at / lag) + 0.3 * noise(SLOTS)
    periods = [one.period / (60 * SECOND) for one in found(value)]
    assert any(abs(one - lag) < 0.01 * lag for one in periods)
    assert len(periods) <= 2


def test_what_was_found_comes_with_the_memory_that_shows_it() -> None:
    at = np.arange(300)
    value = np.sin(2 * np.pi * at / 30)
    value[40:50] = np.nan
    (one,) = found(value, first=1000)
    assert one.width == 60 * SECOND
    kept = at[~np.isnan(value)]
    assert one.time.tolist() == [(1000 + i) * 60 * SECOND + 30 * SECOND for i in kept]
    assert one.value.tolist() == value[kept].tolist()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("noise", noise(384)), ("constant", np.full(384, 3.5)), ("trend", np.arange(384.0)),
        ("a walk", np.cumsum(noise(384, 2))), ("nothing", np.zeros(0)),
        ("too short", np.sin(np.arange(20))),
        ("too few cycles", np.sin(2 * np.pi * np.arange(384) / 200)),
    ],
)  # fmt: skip
def test_where_there_is_no_season_none_is_found(name: str, value: NDArray[Any]) -> None:
    assert found(value) == [], name


def test_a_memory_that_is_mostly_empty_shows_nothing() -> None:
    value = np.sin(2 * np.pi * np.arange(384) / 24)
    full = value.copy()
    full[1::2] = np.nan
    assert found(full)
    full[-3] = full[2] = np.nan
    full[380] = np.nan
    assert found(full) == []


@pytest.mark.parametrize(
    ("period", "exact"), [(3600, 3600), (28_800, 28_800), (86_400, 86_400), (604_800, 604_800)]
)
def test_a_period_near_to_one_of_the_calendar_is_that_one(period: int, exact: int) -> None:
    at = np.arange(SLOTS)
    width = period * SECOND // 32
    for share, snapped in ((0.99, True), (1.01, True), (0.97, False), (1.03, False)):
        value = np.sin(2 * np.pi * at / (32 * share)) + 0.05 * noise(SLOTS)
        (on,) = found(value, width=width, calendar=True)
        (off,) = found(value, width=width)
        assert (on.period == exact * SECOND) is snapped
        assert off.period == pytest.approx(share * exact * SECOND, rel=0.004)
        assert off.period != exact * SECOND


def test_a_longer_period_counts_if_it_is_clearly_better_and_the_shorter_one_too() -> None:
    at = np.arange(SLOTS)
    both = np.sin(2 * np.pi * at / 12) + 0.9 * np.sin(2 * np.pi * at / 96)
    periods = [round(one.period / (60 * SECOND)) for one in found(both + 0.1 * noise(SLOTS))]
    assert periods == [12, 96]
    plain = np.sin(2 * np.pi * at / 12)
    assert [round(one.period / (60 * SECOND)) for one in found(plain)] == [12]


def test_wild_values_hide_no_season() -> None:
    value = np.sin(2 * np.pi * np.arange(SLOTS) / 24) + 0.1 * noise(SLOTS)
    value[[30, 200, 301]] = 1e6
    (one,) = found(value)
    assert one.period == pytest.approx(24 * 60 * SECOND, rel=0.01)


def test_the_compiled_autocovariance_is_that_of_the_spectrum() -> None:
    value = np.random.default_rng(3).normal(size=300)
    spectrum = np.fft.rfft(value, 600)
    whole = np.fft.irfft(spectrum.real**2 + spectrum.imag**2)
    np.testing.assert_allclose(seasons._covariance(value, 120), whole[:120], atol=1e-9)
