"""What a score means: samples between false alarms, and the share of alarms that are right.

The first on series without an anomaly, of distributions that differ as much as they can; the
second on labelled corpora, where an alarm is right that lies in a window. Drawn as SVG.
"""

from collections.abc import Callable, Mapping
from itertools import pairwise
from pathlib import Path

import numpy as np

from benchmarks.quality.corpus import Array
from benchmarks.quality.scoring import Univariate

__all__ = ["LEVELS", "between_false_alarms", "draw", "share_right"]

LEVELS = (0.5, 0.7, 0.9)
BINS = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
SIZE = 30_000
_COLOURS = ("#1f77b4", "#d62728", "#2ca02c")


def ordinary(size: int = SIZE) -> dict[str, Array]:
    """Series without an anomaly, by distribution; one seed."""
    chance = np.random.default_rng(5)
    normal = chance.normal(size=(4, size))
    follows = np.zeros(size)
    for i in range(1, size):
        follows[i] = 0.9 * follows[i - 1] + normal[0, i]
    time = np.arange(size)
    return {
        "Gaussian": normal[1],
        "AR(1), 0.9": follows,
        "random walk": normal[2].cumsum(),
        "seasonal": 3 * np.sin(time / 50) + 0.3 * normal[3],
        "Poisson integers": chance.poisson(4, size).astype(float),
        "square wave": (time // 37 % 2) + 0.01 * normal[3],
        "steps": np.repeat(chance.integers(0, 10, size // 50), 50).astype(float),
        "log-normal": np.exp(chance.normal(size=size)),
        "Student t, 3 degrees": chance.standard_t(3, size),
    }


def between_false_alarms(scorer: Callable[[Array], Array]) -> dict[str, dict[str, float]]:
    """Samples for each alarm at `LEVELS`, by distribution; without one the length of the series."""
    found = {}
    for name, values in ordinary().items():
        scores = scorer(values)
        found[name] = {
            f"{level}": len(values) / max(1, int((scores >= level).sum())) for level in LEVELS
        }
    return found


def share_right(corpus: Univariate, scores: Mapping[str, Array]) -> list[dict[str, float]]:
    """For each bin of scores: how many alarms, and the share of them within a labelled window."""
    score, right = corpus.alarms(scores)
    found = []
    for low, high in pairwise(BINS):
        within = (score >= low) & (score < high if high < 1 else score <= 1)
        count = int(within.sum())
        share = float(right[within].mean()) if count else float("nan")
        found.append({"from": low, "to": high, "alarms": count, "right": share})
    return found


def draw(path: Path, curves: Mapping[str, list[dict[str, float]]]) -> None:
    """A reliability diagram: score along, share of right alarms up; points with their number."""
    parts = [
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 520 360" font-family="sans-serif" '
        'font-size="12"><rect width="520" height="360" fill="white"/>',
        '<path d="M60 20V310H500" fill="none" stroke="black"/>',
        '<text x="240" y="348">score of the alarm</text>',
        '<text x="16" y="210" transform="rotate(-90 16 210)">share in a labelled window</text>',
    ]
    for tick in (0.0, 0.25, 0.5, 0.75, 1.0):
        parts.append(f'<text x="28" y="{_up(tick) + 4:.0f}">{tick:g}</text>')
    for tick in BINS:
        parts.append(f'<text x="{_along(tick) - 8:.0f}" y="328">{tick:g}</text>')
    for number, (name, points) in enumerate(curves.items()):
        colour = _COLOURS[number]
        known = [one for one in points if one["alarms"]]
        places = [(_along((one["from"] + one["to"]) / 2), _up(one["right"])) for one in known]
        line = " ".join(f"{x:.0f},{y:.0f}" for x, y in places)
        parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}"/>')
        for (x, y), one in zip(places, known, strict=True):
            parts.append(f'<circle cx="{x:.0f}" cy="{y:.0f}" r="3" fill="{colour}"/>')
            parts.append(f'<text x="{x + 5:.0f}" y="{y - 5:.0f}">{one["alarms"]:.0f}</text>')
        parts.append(f'<text x="70" y="{34 + 16 * number}" fill="{colour}">{name}</text>')
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([*parts, "</svg>"]) + "\n")


def _along(score: float) -> float:
    return 60 + (score - BINS[0]) / (BINS[-1] - BINS[0]) * 430


def _up(share: float) -> float:
    return 310 - 280 * share
