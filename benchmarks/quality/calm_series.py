"""Series with nothing wrong in them, of many kinds, drawn from a seed.

A family is one kind of calm: noise of some tail, noise that is slow, a season, counts, ramps,
values in steps, mixtures, machines that go on and off, bursts of traffic, what follows the weather.
Each seed draws its parameters (how slow, how high, how often) from wide ranges, so a threshold that
suits one series says little about the next. A family makes its values for any sampling interval, by
what happens in event time: an hour's cycle takes an hour at a sample a second and at one each five
minutes.
"""

import math
from collections.abc import Callable, Iterator
from itertools import accumulate
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.quality.corpus import Array

__all__ = ["FAMILIES", "KINDS", "Clock", "calm_series"]

HOUR, DAY = 3600.0, 86400.0
Values = NDArray[np.floating[Any]]


class Clock:
    """The samples of a series, and what is drawn for them.

    Args:
        seed: whatever numpy's generator takes.
        step: seconds between samples.
        days: how long the series is.
    """

    def __init__(self, seed: list[int], step: float, days: float) -> None:
        self.chance = np.random.default_rng(seed)
        self.step = step
        self.size = round(days * DAY / step)
        self.time = np.arange(self.size) * step
        local = self.time + self.chance.uniform(0, DAY)
        self.hour = local % DAY / HOUR
        self.working = (local // DAY + self.chance.integers(7)) % 7 < 5

    def noise(self) -> Values:
        """Gaussian, of deviation 1."""
        return self.chance.normal(size=self.size)

    def slow(self, seconds: float) -> Values:
        """Gaussian, of deviation 1, that forgets within so many seconds."""
        keep = math.exp(-self.step / seconds)
        fresh = math.sqrt(1 - keep * keep)
        start, *others = self.noise().tolist()
        return np.fromiter(
            accumulate(others, lambda y, z: keep * y + fresh * z, initial=start), float, self.size
        )

    def between(self, low: float, high: float) -> float:
        """A scale between two, each doubling as likely as the next."""
        return float(np.exp(self.chance.uniform(math.log(low), math.log(high))))

    def stays(self, lengths: Callable[[], float], values: Callable[[], float]) -> Values:
        """One value after the other, each for so many seconds, at least one sample."""
        found, end = np.empty(self.size), 0.0
        while (begin := math.ceil(end / self.step)) < self.size:
            end = max(end + lengths(), (begin + 1) * self.step)
            found[begin : math.ceil(end / self.step)] = values()
        return found

    def day(self) -> Values:
        """A day's load in [0, 1]: two peaks."""
        first, second = self.chance.uniform(8, 11), self.chance.uniform(16, 21)
        found: Values = np.maximum(
            np.exp(-(((self.hour - first) / 2) ** 2)), np.exp(-(((self.hour - second) / 2.5) ** 2))
        )
        return found

    def bursts(self) -> Values:
        """0, and for a minute or some now and then a height about 1."""
        pause, length = self.between(600, 5400), self.between(45, 180)
        state = {"on": False}

        def lasts() -> float:
            state["on"] = not state["on"]
            if not state["on"]:
                return float(self.chance.exponential(pause))
            return float(self.chance.lognormal(math.log(length), 0.5))

        return self.stays(lasts, lambda: self.chance.lognormal(0, 0.4) if state["on"] else 0.0)

    def switch(self, on: Callable[[], float], off: Callable[[], float]) -> Values:
        """1 for so many seconds, 0 for so many, and again."""
        state = {"on": bool(self.chance.integers(2))}

        def lasts() -> float:
            state["on"] = not state["on"]
            return on() if state["on"] else off()

        return self.stays(lasts, lambda: float(state["on"]))


def _shared(c: Clock) -> Values:
    """Log-normal latencies that load makes slower."""
    return c.between(2, 200) * np.exp(c.chance.uniform(0.2, 0.6) * c.noise() + 0.4 * c.day())


def _temperature(c: Clock) -> Values:
    angle = 2 * np.pi * (c.hour - c.chance.uniform(0, 24)) / 24
    found: Values = (
        20 + c.between(1, 8) * np.sin(angle) + 0.5 * c.slow(c.between(600, 7200)) + 0.1 * c.noise()
    )
    return found


def _office(c: Clock) -> Values:
    open_ = ((c.hour > 8) & (c.hour < 18) & c.working).astype(float)
    return 20 + c.between(15, 60) * open_ * (1 + 0.15 * c.slow(1800)) + 2 * c.noise()


def _week(c: Clock) -> Values:
    return (
        c.chance.poisson(c.between(20, 300) * (0.15 + c.day()) * np.where(c.working, 1.0, 0.4))
        * 1.0
    )


def _duty(c: Clock, spread: float) -> Values:
    period, share = c.between(600, 3600), c.chance.uniform(0.2, 0.7)

    def drawn(mean: float) -> Callable[[], float]:
        return lambda: mean * float(np.exp(spread * c.chance.normal()))

    return c.switch(drawn(share * period), drawn((1 - share) * period))


def _smooth(c: Clock) -> Values:
    """A thermostat: what is switched follows slowly."""
    keep = math.exp(-c.step / c.between(60, 400))
    target = (12 + 58 * _duty(c, 0.05)).tolist()
    followed = accumulate(target[1:], lambda y, x: keep * y + (1 - keep) * x, initial=target[0])
    found: Values = np.fromiter(followed, float, c.size) + 0.5 * c.noise()
    return found


def _points(c: Clock, shortest: float, longest: float) -> Values:
    """A machine between its operating points."""
    points = np.sort(c.chance.uniform(10, 90, int(c.chance.integers(3, 6))))
    stay = c.chance.uniform(shortest, longest, len(points))
    state = {"at": 0}

    def lasts() -> float:
        state["at"] = (state["at"] + int(c.chance.integers(1, len(points)))) % len(points)
        return float(c.chance.exponential(stay[state["at"]]))

    return c.stays(lasts, lambda: float(points[state["at"]])) + c.noise()


def _increments(rate: Values, c: Clock) -> Values:
    return np.cumsum(c.chance.poisson(np.maximum(rate, 0.0) * c.step)) * 1.0


def _resets(c: Clock) -> Values:
    """Memory between collections that come by chance."""
    begin = c.stays(lambda: c.chance.uniform(0.6, 1.6) * 3 * HOUR, lambda: c.chance.uniform(15, 25))
    first = np.r_[True, np.diff(begin) != 0]
    since = c.time - np.maximum.accumulate(np.where(first, c.time, 0.0))
    found: Values = begin + since / HOUR * 12 + 0.4 * c.noise()
    return found


def _nightly(c: Clock) -> Values:
    job = (c.hour > 2) & (c.hour < 2 + c.chance.uniform(0.3, 1.5))
    found: Values = 6 + 30 * job + 0.6 * c.noise() + 0.5 * c.slow(600)
    return found


def _hourly(c: Clock) -> Values:
    job = c.time % HOUR < c.between(90, 600)
    found: Values = 6 + 30 * job * (1 + 0.1 * c.noise()) + 0.6 * c.noise()
    return found


def _two_latencies(c: Clock) -> Values:
    far = c.chance.random(c.size) < c.between(0.01, 0.2)
    found: Values = np.where(far, 40, 12) * np.exp(0.08 * c.noise())
    return found


def _blips(c: Clock) -> Values:
    seldom = c.chance.random(c.size) < min(0.3, c.step / c.between(600, 2400))
    return np.where(seldom, c.chance.exponential(5, c.size), 0.0) + 0.05 * np.abs(c.noise())


def _queue(c: Clock) -> Values:
    return np.maximum(0.0, np.round(c.between(3, 12) * c.slow(c.between(60, 1200)) - 2))


def _fronts(c: Clock) -> Values:
    """Weather of a few days, of deviation 1, on a slow year."""
    year = np.sin(2 * np.pi * (c.time / DAY / 365 + c.chance.uniform()))
    found: Values = c.slow(c.between(0.7, 4) * DAY) + c.between(0.5, 2.5) * year
    return found


def _outdoor(c: Clock) -> Values:
    """Air temperature: what the day does is less than what the weather does."""
    noon, swing = c.chance.uniform(12, 16), c.between(0.5, 4)
    day = swing * np.cos(2 * np.pi * (c.hour - noon) / 24)
    found: Values = 12 + c.between(2, 5) * (day + _fronts(c) + 0.1 * c.slow(2 * HOUR))
    return found


def _demand(c: Clock) -> Values:
    """Power of a district: its day and week, and what the weather adds."""
    shape = 0.6 + 0.4 * c.day() + np.where(c.working, 0.15, 0.0)
    found: Values = 1000 * shape * np.exp(c.between(0.02, 0.12) * _fronts(c) + 0.01 * c.slow(HOUR))
    return found


def _sun(c: Clock) -> Values:
    """Power of a roof: none at night, and by clouds of an hour in days of fair or foul weather."""
    high = np.maximum(np.sin(np.pi * (c.hour - 6) / 12), 0.0)
    clouds = _fronts(c) + 0.5 * c.slow(c.between(0.5, 2) * HOUR)
    found: Values = 30 * high / (1 + np.exp(-1 - 1.5 * clouds))
    return found


Make = Callable[[Clock], Values]
KINDS: dict[str, dict[str, Make]] = {
    "noise": {
        "gauss": lambda c: 50 + c.noise(),
        "uniform": lambda c: c.chance.random(c.size),
        "exponential": lambda c: c.chance.exponential(size=c.size),
        "log_normal": lambda c: np.exp(c.chance.uniform(0.2, 1.0) * c.noise()),
        "student": lambda c: 50 + c.chance.standard_t(c.chance.uniform(3, 6), c.size),
        "pareto": lambda c: 10 * (1 + c.chance.pareto(c.chance.uniform(2.5, 4), c.size)),
    },
    "slow": {
        "slow_minutes": lambda c: 100 + 5 * c.slow(c.between(60, 1200)) + 0.5 * c.noise(),
        "slow_hours": lambda c: 100 + 5 * c.slow(c.between(1, 12) * HOUR) + c.noise(),
        "slow_latency": lambda c: 20 * np.exp(0.4 * c.slow(c.between(20, 600))),
        "walk": lambda c: 50 + np.cumsum(c.noise()) * math.sqrt(c.step / HOUR),
        "volatility": lambda c: 10 * np.exp(0.6 * c.slow(3 * HOUR)) * (1 + 0.1 * c.noise()),
    },
    "season": {
        "temperature": _temperature,
        "load": lambda c: np.clip(15 + 50 * c.day() + 4 * c.slow(900), 0, 100),
        "shared_latency": _shared,
        "office": _office,
        "scaled": lambda c: (5 + 40 * c.day()) * np.exp(0.25 * c.slow(900) + 0.1 * c.noise()),
    },
    "counts": {
        "poisson": lambda c: c.chance.poisson(c.between(0.5, 200), c.size) * 1.0,
        "requests": _week,
        "rare_errors": lambda c: c.chance.poisson(c.between(0.002, 0.05), c.size) * 1.0,
        "clumped": lambda c: c.chance.negative_binomial(c.between(0.3, 3), 0.1, c.size) * 1.0,
    },
    "ramps": {
        "rotation": lambda c: c.time / HOUR * 1.7 % c.between(5, 60) + 0.3 * c.noise(),
        "resets": _resets,
        "counter": lambda c: _increments(5 + c.between(5, 50) * c.day() + 2 * c.slow(900), c),
        "counter_bursts": lambda c: _increments(0.5 + 8 * c.bursts(), c),
        "counter_idle": lambda c: _increments(np.full(c.size, 1 / c.between(300, 3000)), c),
    },
    "steps": {
        "half_degrees": lambda c: np.round(2 * (22 + 1.2 * c.slow(c.between(1, 4) * HOUR))) / 2,
        "whole": lambda c: np.round(40 + 3 * c.slow(c.between(30, 1200)) + 0.4 * c.noise()),
        "percent": lambda c: np.clip(np.round(4 + 6 * c.slow(c.between(120, 1200))), 0, 100),
        "setting": lambda c: c.stays(lambda: 12 * HOUR, lambda: c.chance.choice([4.0, 6.0, 8.0])),
    },
    "mixtures": {
        "two_latencies": _two_latencies,
        "idle_blips": _blips,
        "availability": lambda c: 1 - np.clip(c.chance.exponential(0.01, c.size), 0, 1),
    },
    "machines": {
        "duty_clock": lambda c: 12 + 58 * _duty(c, 0.0) + c.noise(),
        "duty": lambda c: 12 + 58 * _duty(c, 0.15) + c.noise(),
        "thermostat": _smooth,
        "by_chance": lambda c: 10 + 30 * c.switch(
            lambda: c.chance.exponential(900), lambda: c.chance.exponential(1500)
        ) + 1.5 * c.noise(),
        "points": lambda c: _points(c, 1200, 7200),
        "slow_points": lambda c: _points(c, 2 * HOUR, 6 * HOUR),
    },
    "bursts": {
        "bursts": lambda c: 8 + 20 * c.bursts() + c.noise(),
        "burst_counts": lambda c: c.chance.poisson(3 + 30 * c.bursts()) * 1.0,
        "hourly_job": _hourly,
        "nightly_job": _nightly,
        "queue": _queue,
    },
    "weather": {
        "outdoor": _outdoor,
        "demand": _demand,
        "sun": _sun,
    },
}  # fmt: skip
FAMILIES: dict[str, Make] = {name: make for some in KINDS.values() for name, make in some.items()}


def calm_series(seed: int, step: float, days: float) -> Iterator[tuple[str, Array]]:
    """Name and values of each family, one after the other.

    >>> first = dict(calm_series(1, 3600.0, 2.0))
    >>> len(first) == len(FAMILIES), first["gauss"].shape
    (True, (48,))
    """
    for number, (name, make) in enumerate(FAMILIES.items()):
        yield name, np.asarray(make(Clock([seed, number, round(step)], step, days)), float)
