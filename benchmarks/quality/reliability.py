"""What a score means: samples between false alarms, and the share of alarms that are right.

The first on series without an anomaly, of distributions that differ as much as they can; the
second on labelled corpora, where an alarm is right that lies in a window. Drawn as SVG.

    python -m benchmarks.quality.reliability    every detector by itself: a table and a diagram
"""

import json
from collections.abc import Callable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.quality.corpus import Array, score_series, tables
from benchmarks.quality.scoring import Univariate, tool
from padit.domain.config import DetectorSetting
from padit.domain.metric import Series
from padit.transforms.detect import Detection
from padit.transforms.detectors import create_detector

__all__ = ["LEVELS", "between_false_alarms", "by_detector", "draw", "rates", "share_right"]

LEVELS = (0.5, 0.7, 0.9)
BINS = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
SIZE = 30_000
ROOT = Path(__file__).resolve().parents[2]
SHARED = ROOT.parent / "shared"
ALONE = ("novelty", "residual", "changepoint")  # detectors of one series
_COLOURS = ("#1f77b4", "#d62728", "#2ca02c", "#9467bd")
_BESIDE = ((6, -4, "start"), (6, 12, "start"), (-6, 12, "end"), (-6, -4, "end"))  # of the numbers


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
    return _shares(*corpus.alarms(scores))


def by_detector(shared: Path) -> dict[str, dict[str, list[dict[str, float]]]]:
    """Shares by detector and corpus, each detector by itself; multivariate on the rows of SKAB."""
    data = shared / "data"
    corpora = {
        "NAB": Univariate(shared, data / "nab/data", data / "nab/labels/combined_windows.json"),
        "Merlion": Univariate(
            shared,
            data / "merlion/data",
            data / "merlion/windows.json",
            data / "merlion/live_from.json",
        ),
    }
    found = {}
    for name in ALONE:
        detection = Detection([DetectorSetting(name=name)])

        def scorer(values: Array, detection: Detection = detection) -> Array:
            return score_series(detection, values)

        found[name] = {one: share_right(c, c.run(scorer)) for one, c in corpora.items()}
    found["multivariate"] = {"SKAB": _skab(shared)}
    return found


def rates() -> dict[str, dict[str, dict[str, float]]]:
    """Samples between false alarms by detector; of multivariate rows between alarms that begin."""
    found = {}
    for name in ALONE:
        detection = Detection([DetectorSetting(name=name)])

        def scorer(values: Array, detection: Detection = detection) -> Array:
            return score_series(detection, values)

        found[name] = between_false_alarms(scorer)
    found["multivariate"] = between_false_alarms(_related)
    return found


def _related(values: Array) -> Array:
    """Scores where an alarm of four metrics begins: the series, two that follow it, and noise."""
    noise = 0.3 * values.std() * np.random.default_rng(9).normal(size=(3, len(values)))
    metrics = np.stack([values, 2 * values + noise[0], noise[1] - values, noise[2]])
    score = _together(metrics)
    loud = score >= LEVELS[0]
    begins = np.flatnonzero(loud & ~np.concatenate([[False], loud[:-1]]))
    found = np.zeros_like(score)
    if begins.size:  # the highest score of an alarm stands where it begins
        found[begins] = np.maximum.reduceat(score, begins)
    return found


def _together(metrics: Array) -> Array:
    """Highest score of each row of metrics (d, n) of one source; 0 while it is learnt."""
    detector = create_detector("multivariate", {})
    state, parts = detector.initial(), []
    for table in tables([Series("source", f"metric-{i}") for i in range(len(metrics))], metrics):
        state, scores = detector.step(state, table)
        if scores.sample is not None:
            parts.append(np.fmax.reduce(scores.sample.reshape(len(metrics), -1), axis=0))
    score: Array = np.nan_to_num(np.concatenate(parts))
    return score


def _skab(shared: Path) -> list[dict[str, float]]:
    """Shares of SKAB's rows behind the first 400 of each file."""
    scorer = tool(shared, "skab_score")
    score, right = [], []
    for _, columns in scorer.load_data(shared / "data/skab/data").values():
        metrics = sorted(set(columns) - {"anomaly", "changepoint"})
        rows = _together(np.array([columns[metric] for metric in metrics]))
        score.append(rows[scorer.TRAIN_ROWS :])
        right.append(np.asarray(columns["anomaly"])[scorer.TRAIN_ROWS :] > 0)
    return _shares(np.concatenate(score), np.concatenate(right))


def _shares(score: Array, right: Any) -> list[dict[str, float]]:
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
            right, down, anchor = _BESIDE[number]
            parts.append(
                f'<text x="{x + right:.0f}" y="{y + down:.0f}" fill="{colour}" '
                f'font-size="10" text-anchor="{anchor}">{one["alarms"]:.0f}</text>'
            )
        parts.append(f'<text x="70" y="{34 + 16 * number}" fill="{colour}">{name}</text>')
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([*parts, "</svg>"]) + "\n")


def _along(score: float) -> float:
    return 60 + (score - BINS[0]) / (BINS[-1] - BINS[0]) * 430


def _up(share: float) -> float:
    return 310 - 280 * share


def main() -> None:
    """Measure every detector by itself; print the tables, draw NAB's and SKAB's shares."""
    if not (SHARED / "data").is_dir():
        print(f"skipped: no corpora in {SHARED}/data")
        return
    row = "{:14} {:22} {:>8} {:>8} {:>8}"
    print(row.format("rows for a", "false alarm at", *LEVELS))
    between = rates()
    for name, kinds in between.items():
        for kind, one in kinds.items():
            print(row.format(name, kind, *(f"{value:.0f}" for value in one.values())))
    shares = by_detector(SHARED)
    for name, corpora in shares.items():
        for corpus, bins in corpora.items():
            cells = [f"{one['right']:.2f} of {one['alarms']}" for one in bins]
            print(f"{name:14} {corpus:8} " + "  ".join(cells))
    curves = {
        f"{name} ({corpus})": bins
        for name, corpora in shares.items()
        for corpus, bins in corpora.items()
        if corpus != "Merlion"  # too few alarms for a line
    }
    draw(ROOT / "docs" / "images" / "reliability-detectors.svg", curves)
    target = ROOT / "build" / "reliability.json"
    target.parent.mkdir(exist_ok=True)
    target.write_text(json.dumps({"between": between, "shares": shares}, indent=1) + "\n")


if __name__ == "__main__":
    main()
