"""Input for the laws: a small factory with faults, and extreme numbers."""

from functools import cache

import numpy as np

from padit.domain.attributes import UNSTATED, Attributes
from padit.domain.metric import Series
from tests.laws.machine import DISORDER, SECOND, Log, Sample

START = 1_767_225_600 * SECOND
SERIES = tuple(Series(source, metric) for source in ("a", "b", "c") for metric in ("x", "y"))
LENGTH = 420
"""Samples of a series, one a second."""
FEW = slice(0, 2)


@cache
def samples_of(kind: str) -> tuple[Sample, ...]:
    """All samples of a stream, in the order of time."""
    return tuple(
        sorted(
            Sample(START + i * SECOND, series, float(value), _attributes(kind, series, i))
            for series, values in _values(kind).items()
            for i, value in enumerate(values)
            if not np.isnan(value)
        )
    )


def _attributes(kind: str, series: Series, i: int) -> Attributes:
    """Of one source always the same, of another changing, of the third new in every sample."""
    if kind != "factory":
        return UNSTATED
    labels = {"a": {}, "b": {"site": f"s{i // 150}"}, "c": {"site": "s", "trace": f"{i:04}"}}
    family = "latency" if series.metric_name == "y" else "custom"
    return Attributes(family, tuple(labels[series.source_id].items()))


def _values(kind: str) -> dict[Series, "np.typing.NDArray[np.float64]"]:
    chance = np.random.default_rng(7)
    time = np.arange(LENGTH)
    base = np.sin(time / 9) + 0.1 * chance.normal(size=LENGTH)
    values = {
        series: 5 + base * (1 + i) + 0.2 * chance.normal(size=LENGTH)
        for i, series in enumerate(SERIES)
    }
    a, b, c = values[SERIES[0]], values[SERIES[2]], values[SERIES[4]]
    a[300:330] += 80
    b[350:] = b[350]
    c[100:220] = np.nan
    if kind == "factory":
        return values
    if kind == "short gap":
        return {series: np.where((time > 90) & (time < 300), np.nan, v) for series, v in
                values.items()}  # fmt: skip
    odd = {
        "constants": np.full(LENGTH, 5.3),
        "zeros": np.zeros(LENGTH),
        "huge": np.where(time % 50 == 49, 1e300, 1.0),
        "largest": np.where(time % 2 == 0, 1.7e308, -1.7e308),
        "tiny": np.where(time % 2 == 0, 5e-324, 0.0),
        "one sample": np.where(time == 50, 3.0, np.nan),
        "gaps": np.where(time % 130 < 3, time * 1.0, np.nan),
        "huge after normal": np.where(time > 400, -1e300, a),
    }
    return {series: odd[kind] for series in SERIES}


ODD = (
    "constants",
    "zeros",
    "huge",
    "largest",
    "tiny",
    "one sample",
    "gaps",
    "huge after normal",
    "short gap",
)


_SITES = tuple(Attributes(labels=(("site", name),)) for name in ("a", "b", "c"))


def logs_of(
    samples: tuple[Sample, ...], seed: int, partitions: int = 2, late: bool = False
) -> list[Log]:
    """Samples spread over partitions, out of order within what is allowed, or also beyond."""
    chance = np.random.default_rng(seed)
    delay = chance.uniform(0, DISORDER * 0.99, size=len(samples))
    if late:
        delay[chance.random(len(samples)) < 0.05] += 3 * DISORDER
    place = chance.integers(0, partitions, size=len(samples))
    order = np.argsort([one.time for one in samples] + delay, kind="stable")
    logs: list[Log] = [[] for _ in range(partitions)]
    for i in order.tolist():
        logs[place[i]].append(samples[i])
    return logs


def with_ties_and_repeats(samples: tuple[Sample, ...], seed: int) -> tuple[Sample, ...]:
    """The samples, some twice, with another value at the same time, or with other attributes.

    The last sample before the end of every second window stands there under several sites, of
    which each comes first in some piece: a window has the attributes of its latest sample.
    """
    chance = np.random.default_rng(seed)
    other = Attributes(labels=(("site", "elsewhere"),))
    more = [
        (
            one,
            one._replace(value=one.value + 1),
            one._replace(attributes=UNSTATED),
            one._replace(attributes=other),
        )[i % 4]
        for i, one in enumerate(samples)
        if chance.random() < 0.1
    ]
    ends = [one for one in samples if one.time // SECOND % 40 == 39]
    more += [one._replace(attributes=site) for one in ends for site in _SITES]
    return tuple(sorted([*samples, *more]))
