"""Chaotic series with noise and joints: a stretch is cut out where both ends nearly agree.

No value, step or level is unusual at a joint; only how the series goes on is. As in the
Mackey-Glass anomaly benchmark (Thill, Konen and Bäck 2020), and of a second system beside it.
Without noise a linear prediction sees a joint, with noise of 1 % of the series' spread it does not.

    python -m benchmarks.quality.chaotic DIR [--seed 1]     DIR/noise_*/data/*.csv, .../windows.json

The folders of data are in the layout of NAB, so `python -m benchmarks.quality --data` reads them.
"""

import argparse
import csv
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.quality.corpus import Array
from benchmarks.quality.operating import measure_operating, print_operating, vus_pr
from benchmarks.quality.scoring import Univariate

__all__ = [
    "Chaotic",
    "chaotic_series",
    "measure_chaotic",
    "nearest_before",
    "print_chaotic",
    "write_chaotic",
]

SIZE, FIRST = 12_000, 5_500
"""Samples of a series, one a minute; the first joint comes after so many."""
JOINTS, APART = 6, 1_000
NOISES = (0.0, 0.01, 0.03)
BEFORE, AFTER = 20, 60
"""Samples around a joint that are labelled."""
LENGTH, BACK = 32, 5_000
START = datetime(2026, 3, 2, tzinfo=UTC)
SEEDS = (1, 2)
LABELS = "windows.json"


class Chaotic(NamedTuple):
    """A series and the places where a stretch is missing.

    Attributes:
        value: float64 (SIZE,).
        joints: index of the first sample after each joint.
    """

    value: Array
    joints: list[int]


def chaotic_series(seed: int) -> dict[str, dict[str, Chaotic]]:
    """The series of a seed by noise and system: each system is the same under each noise."""
    found: dict[str, dict[str, Chaotic]] = {f"noise_{100 * one:g}_percent": {} for one in NOISES}
    for number, (name, flow, values) in enumerate(_SYSTEMS):
        chance = np.random.default_rng([seed, number])
        clean, joints = _cut(flow(SIZE + JOINTS * 400, chance), values, chance)
        for noise, series in zip(NOISES, found.values(), strict=True):
            disturbed = clean + noise * float(clean.std()) * chance.normal(size=SIZE)
            series[f"{name}_{seed}"] = Chaotic(disturbed, joints)
    return found


def write_chaotic(root: Path, seeds: Sequence[int] = SEEDS) -> dict[str, tuple[Path, Path]]:
    """Write series in the layout of NAB; by noise the folder of data and the file of windows."""
    found: dict[str, tuple[Path, Path]] = {}
    windows: dict[str, dict[str, list[list[str]]]] = {}
    for seed in seeds:
        for noise, series in chaotic_series(seed).items():
            data, labels = found.setdefault(noise, (root / noise / "data", root / noise / LABELS))
            data.mkdir(parents=True, exist_ok=True)
            for name, one in series.items():
                _write(data / f"{name}.csv", one.value)
                windows.setdefault(noise, {})[f"{name}.csv"] = [
                    [_time(joint - BEFORE), _time(joint + AFTER)] for joint in one.joints
                ]
            labels.write_text(json.dumps(windows[noise], indent=1) + "\n")
    return found


def measure_chaotic(shared: Path) -> dict[str, Any]:
    """Figures by noise, of the shipped configuration and of `nearest_before`.

    Args:
        shared: holds the scorers.
    """
    found = {}
    with TemporaryDirectory() as folder:
        for noise, (data, windows) in write_chaotic(Path(folder)).items():
            corpus = Univariate(shared, data, windows)
            plain = corpus.run(nearest_before)
            areas = [vus_pr(one, corpus.windows(name) >= 0) for name, one in plain.items()]
            found[noise] = measure_operating(corpus, "") | {
                "nearest_best": corpus.score(plain)["standard"],
                "nearest_vus_pr": float(np.mean(areas)),
            }
    return found


def print_chaotic(found: Mapping[str, Any]) -> None:
    """A paragraph for each noise."""
    for noise, one in found.items():
        name = f"Chaotic, {noise.replace('_', ' ').replace('percent', '%')},"
        print_operating(name, one, "all series")
        print(
            f"  (a plain discord, the last {LENGTH} values to the nearest of {BACK:,} before: best "
            f"threshold {one['nearest_best']:.1f}, VUS-PR {one['nearest_vus_pr']:.3f})"
        )


def nearest_before(value: Array) -> Array:
    """Distance of the last 32 values to the nearest 32 of the 5,000 before, by its mean before.

    A plain discord, with which the figures of the detectors are compared: it knows that a shape is
    what to look at.

    >>> noise = np.random.default_rng(1).normal(size=400)
    >>> wave = np.sin(np.arange(400) / 5) + 0.01 * noise
    >>> wave[300] += 1
    >>> found = nearest_before(wave)
    >>> bool(found[299] < 2), bool(found[300] > 4)
    (True, True)
    """
    size = len(value)
    best = np.full(size, np.inf)
    for lag in range(LENGTH, min(BACK, size - LENGTH)):
        apart = (value[lag:] - value[:-lag]) ** 2
        total = np.concatenate([[0.0], np.cumsum(apart)])
        window = total[LENGTH:] - total[:-LENGTH]
        at = slice(lag + LENGTH - 1, size)
        best[at] = np.minimum(best[at], window)
    best[~np.isfinite(best)] = 0.0
    distance = np.sqrt(np.maximum(best, 0.0))
    before = np.concatenate([[0.0], np.cumsum(distance)[:-1]]) / np.maximum(np.arange(size), 1)
    found: Array = np.divide(distance, before, out=np.zeros(size), where=before > 0)
    return found


def _write(path: Path, value: Array) -> None:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["timestamp", "value"])
        writer.writerows((_time(i), one) for i, one in enumerate(value.tolist()))


def _time(minute: int) -> str:
    return (START + timedelta(minutes=minute)).strftime("%Y-%m-%d %H:%M:%S")


def _cut(long: Array, values: int, chance: np.random.Generator) -> tuple[Array, list[int]]:
    """Cut out a stretch at each joint, to where the next values are most like those it replaces."""
    joints = FIRST + APART * np.arange(JOINTS) + chance.integers(0, APART // 2, JOINTS)
    series = long
    for joint in joints.tolist():
        ahead = np.lib.stride_tricks.sliding_window_view(series, values + 1)
        here = ahead[joint - 1]
        reach = ahead[joint + 99 : joint + 399]
        rising = np.sign(reach[:, -1] - reach[:, 0]) == np.sign(here[-1] - here[0])
        away = np.where(rising, np.abs(reach[:, :values] - here[:values]).sum(1), np.inf)
        onto = joint + 99 + int(away.argmin())
        series = np.concatenate([series[:joint], series[onto + 1 :]])
    return series[:SIZE].copy(), joints.tolist()


def _mackey_glass(delay: int) -> Callable[[int, np.random.Generator], Array]:
    """With y = x(t - delay): x' = 0.25 y / (1 + y^10) - 0.1 x, by steps of 0.1 (Heun)."""

    def flow(size: int, chance: np.random.Generator) -> Array:
        back, steps = delay * 10, (size + 500) * 10
        x = np.empty(back + steps + 1)
        x[: back + 1] = 1.2 + 0.05 * chance.normal()
        push = [_push(one) for one in x[: back + 1].tolist()]
        for i in range(back, back + steps):
            now, then = push[i - back], push[i - back + 1]
            slope = now - 0.1 * x[i]
            x[i + 1] = x[i] + 0.05 * (slope + then - 0.1 * (x[i] + 0.1 * slope))
            push.append(_push(float(x[i + 1])))
        return x[back + 5000 :: 10][:size]

    return flow


def _push(x: float) -> float:
    square = x * x
    fourth = square * square
    return 0.25 * x / (1.0 + fourth * fourth * square)


def _roessler(size: int, chance: np.random.Generator) -> Array:
    """The first coordinate, each 0.3, by steps of 0.01 (Heun)."""
    state: NDArray[np.float64] = np.array([1.0, 1.0, 1.0]) + 0.1 * chance.normal(size=3)
    found = []
    for i in range((size + 500) * 30):
        slope = _slope(state)
        state = state + 0.005 * (slope + _slope(state + 0.01 * slope))
        if i % 30 == 0:
            found.append(state[0])
    return np.array(found[500:])


def _slope(state: Array) -> Array:
    x, y, z = state.tolist()
    return np.array([-y - z, x + 0.2 * y, 0.2 + z * (x - 5.7)])


_SYSTEMS: tuple[tuple[str, Callable[[int, np.random.Generator], Array], int], ...] = (
    ("mackey_glass_18", _mackey_glass(18), 3),
    ("mackey_glass_30", _mackey_glass(30), 3),
    ("roessler", _roessler, 1),  # three matching values would be nearly the same state
)


def main() -> None:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        prog="benchmarks.quality.chaotic",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, action="append", help="as often as wanted; 1 and 2")
    options = parser.parse_args()
    for data, windows in write_chaotic(options.folder, options.seed or SEEDS).values():
        print(f"{data}, {windows}")


if __name__ == "__main__":
    main()
