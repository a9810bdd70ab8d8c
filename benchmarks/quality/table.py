"""The table: ours, floors that need no data, other detectors measured here, published figures."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.quality.scoring import Univariate, alarm_every, flag_all, skab

__all__ = ["measure_floors", "print_table"]

PUBLISHED = {  # NAB standard, as the scoreboard and the papers give it
    "ARTime": 74.9,
    "Numenta HTM": 70.1,
    "CAD OSE": 69.9,
    "KNN-CAD": 58.0,
    "Random Cut Forest": 51.7,
    "Windowed Gaussian": 39.7,
}
SKAB_BEST = 0.78  # F1, of its leaderboard
BLIND = (
    750,
    50,
)  # rows between two alarms: the best for NAB and for Merlion, of 16 that were tried
ROW = "{:36}" + 9 * " {:>8}"
HEAD = ("NAB", "low-FP", "low-FN", "guard", "Merlion", "SKAB F1", "false %", "us a row", "bytes")


def measure_floors(shared: Path, nab: Univariate, merlion: Univariate) -> dict[str, Any]:
    """What one gets without looking at the data."""
    found: dict[str, Any] = {}
    for rows in BLIND:
        blind = alarm_every(rows)
        found[f"an alarm every {rows} rows"] = {
            "nab": nab.score(nab.run(blind)),
            "merlion": merlion.score(merlion.run(blind)),
        }
    found["every row flagged"] = {"skab": skab(shared, flag_all)}
    return found


def print_table(quality: Mapping[str, Any]) -> None:
    """One line a detector; NAB and Merlion at their best threshold, SKAB at a fixed one."""
    print(ROW.format("", *HEAD))
    ours = quality["nab"]
    print(_line("shipped configuration", quality))
    for name, suffix in (("threshold of the other half", ""), ("the same, worst of 35", "_worst")):
        cells = [
            f"{ours[f'{one}{suffix}']:.1f}" for one in ("guard", "guard_low_fp", "guard_low_fn")
        ]
        print(ROW.format(name, *cells, *[""] * 6))
    for name, found in quality["floors"].items():
        print(_line(f"{name} (no data)", found))
    for name, found in quality["references"].items():
        print(_line(name, found))
    print(ROW.format("fixed limits, as first delivered", "0.0", *[""] * 8))
    for name, figure in PUBLISHED.items():
        print(ROW.format(f"{name} (published)", figure, *[""] * 8))
    print(ROW.format("best of SKAB's leaderboard (published)", *[""] * 5, SKAB_BEST, *[""] * 3))
    print(f"shipped, 1,000 series at once: {quality['us_per_row_batched']:.1f} us of CPU a row")


def _line(name: str, found: Mapping[str, Any]) -> str:
    nab, merlion, skab = (found.get(one, {}) for one in ("nab", "merlion", "skab"))
    cells = [
        *((nab, one, ".1f") for one in ("standard", "low_fp", "low_fn", "guard")),
        (merlion, "standard", ".1f"),
        (skab, "f1", ".3f"),
        (skab, "far", ".1f"),
        (found, "us_per_row", ".1f"),
        (found, "bytes_per_series", ",.0f"),
    ]
    texts = (format(of[one], how) if one in of else "" for of, one, how in cells)
    return ROW.format(name, *texts)
