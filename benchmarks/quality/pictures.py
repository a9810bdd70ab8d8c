"""Draws docs/images/detectors.svg: a fault of each kind, and where the default has an alert open.

python -m benchmarks.quality.pictures
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from benchmarks.quality.corpus import Array
from padit.domain.config import JobConfig, Levels
from padit.domain.features import FeatureTable
from padit.domain.metric import Series
from padit.transforms.detect import Detection
from padit.transforms.features import compute_features

__all__ = ["draw_detectors", "faults", "open_windows"]

ROOT = Path(__file__).resolve().parents[2]
START = 1_772_409_600_000_000
MINUTE = 60_000_000
WIDTH, HEIGHT, GAP, LEFT = 700, 56, 26, 10


def faults() -> dict[str, dict[str, Array]]:
    """Metrics of one source by caption, a sample a minute; the first is drawn."""
    chance = np.random.default_rng(26)
    size = 1200
    noise = chance.normal(size=(6, size))
    shift = 20 + noise[0]
    shift[900:960] += 12
    stall = np.repeat([2.0, 15.0] * 30, 20) + 0.1 * noise[1]
    stall[900:930] = 8
    saw = np.arange(size) % 90 + noise[2]
    saw[900:990] += 90
    stuck = 60 + noise[3]
    stuck[900:980] = stuck[900]
    calm = 50 + noise[4] * np.where((np.arange(size) >= 880) & (np.arange(size) < 980), 6, 1)
    flow = np.convolve(noise[5], 0.9 ** np.arange(40), "same")
    power = 2 * flow + 0.1 * noise[0]
    power[900:960] = 2 * np.roll(flow, 300)[900:960]
    work = 40 + 9 * np.repeat(chance.normal(size=size // 2), 2).clip(-1.7, 1.7) + noise[1]
    work[900:960] = 56 + noise[2][900:960]
    wear = np.concatenate([np.arange(top) * 1.2 for top in (200, 200, 200, 200, 260, 200)])[:size]
    return {
        "usual: a level outside its range": {"m": shift},
        "usual: a stall between two states": {"m": stall},
        "usual: a cycle that goes on past its usual turn": {"m": saw},
        "usual: a stuck sensor": {"m": stuck},
        "usual: noise that grows": {"m": calm},
        "relation: power (drawn) no longer follows flow": {"a_power": power, "flow": flow},
        "lasting: usual values, for longer than ever": {"m": work},
        "lasting: a tool that is not changed when it always was": {"m": wear},
    }


def open_windows(metrics: Mapping[str, Array]) -> np.ndarray:
    """Bool (n,): whether an alert of the first metric is open in each window."""
    levels = Levels.of(JobConfig().alerts)
    detection = Detection(JobConfig().detectors, levels=levels)
    names = sorted(metrics)
    size = len(metrics[names[0]])
    n = size * len(names)
    end = np.repeat(START + (np.arange(size) + 1) * MINUTE, len(names))
    value = np.array([metrics[name] for name in names]).T.ravel()
    table = FeatureTable(
        tuple(Series("source", name) for name in names), end,
        np.tile(np.arange(len(names), dtype=np.int32), size),
        compute_features(value, np.arange(n), np.ones(n, np.int64)),
        np.arange(n + 1), end - 1, value, int(end[-1]),
    )  # fmt: skip
    _, detected = detection.step(detection.initial(), table)
    level = detected.states.level[:n].reshape(size, -1)[:, 0]
    score = detected.composite[:n].reshape(size, -1)[:, 0]
    shown, now = np.zeros(size, bool), False
    for i in range(size):
        now = bool(score[i] >= levels.open_at or (now and level[i] >= levels.close_at))
        shown[i] = now
    return shown


def draw_detectors(path: Path) -> None:
    """Write the picture."""
    rows = faults()
    height = (HEIGHT + GAP) * len(rows) + 10
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH + 20} {height}" '
        f'font-family="sans-serif" font-size="13">'
        f'<rect width="{WIDTH + 20}" height="{height}" fill="white"/>'
    ]
    for number, (caption, metrics) in enumerate(rows.items()):
        top = 20 + number * (HEIGHT + GAP)
        values = metrics[sorted(metrics)[0]]
        shown = open_windows(metrics)[600:]
        values = values[600:]
        step = WIDTH / len(values)
        parts.append(f'<text x="{LEFT}" y="{top - 5}">{caption}</text>')
        for at in np.flatnonzero(shown).tolist():
            parts.append(
                f'<rect x="{LEFT + at * step:.1f}" y="{top}" width="{step + 0.1:.1f}" '
                f'height="{HEIGHT}" fill="#f4b6b6"/>'
            )
        scaled = (values - values.min()) / (values.max() - values.min())
        line = " ".join(
            f"{LEFT + i * step:.1f},{top + HEIGHT * (1 - one):.1f}"
            for i, one in enumerate(scaled.tolist())
        )
        parts.append(f'<polyline points="{line}" fill="none" stroke="#1f4e79"/>')
    path.write_text("\n".join([*parts, "</svg>"]) + "\n")


if __name__ == "__main__":
    draw_detectors(ROOT / "docs" / "images" / "detectors.svg")
