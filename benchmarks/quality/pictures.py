"""Draws the pictures of docs/detectors: faults, shaded where an alert is open.

    python -m benchmarks.quality.pictures

docs/images/detectors.svg has a fault of each kind under the default, docs/images/detectors/*.svg
what each detector sees by itself, and what it does not.
"""

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.quality.corpus import Array
from benchmarks.quality.detector_cases import (
    SIZE,
    Metrics,
    cases,
    open_minutes,
    trained,
    work,
    work_before,
)
from padit.domain.config import DetectorSetting

__all__ = ["DRAWN", "IMAGES", "Row", "draw_detectors", "drawn", "faults", "pictures"]

IMAGES = Path(__file__).resolve().parents[2] / "docs" / "images"
WIDTH, HEIGHT, GAP, LEFT = 700, 56, 26, 10
DRAWN = 600
"""The first minute that is drawn."""
STYLE = """<style>
.paper { fill: #ffffff } text { fill: #24292f } .alert { fill: #f4b6b6 }
polyline { fill: none; stroke: #1f4e79 }
@media (prefers-color-scheme: dark) {
.paper { fill: #1c2128 } text { fill: #d7dde3 } .alert { fill: #7d3232 }
polyline { stroke: #9ccbff }
}
</style>"""


class Row(NamedTuple):
    """A row of a picture.

    Attributes:
        caption: over it.
        value: float64 (SIZE,), NaN: no sample.
        shown: bool (SIZE,), whether an alert is open.
    """

    caption: str
    value: Array
    shown: NDArray[np.bool_]


def faults() -> dict[str, dict[str, Array]]:
    """Metrics of one source by caption, a sample a minute; the first is drawn."""
    chance = np.random.default_rng(26)
    size = SIZE
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
    lasting = work(chance.normal(size=size // 2), noise[1])
    lasting[900:960] = 56 + noise[2][900:960]
    wear = np.concatenate([np.arange(top) * 1.2 for top in (200, 200, 200, 200, 260, 200)])[:size]
    return {
        "usual: a level outside its range": {"m": shift},
        "usual: a stall between two states": {"m": stall},
        "usual: a cycle that goes on past its usual turn": {"m": saw},
        "usual: a stuck sensor": {"m": stuck},
        "usual: noise that grows": {"m": calm},
        "relation: power (drawn) no longer follows flow": {"a_power": power, "flow": flow},
        "lasting: usual values, for longer than ever": {"m": np.r_[work_before(), lasting]},
        "lasting: a tool that is not changed when it always was": {"m": wear},
    }


def pictures() -> dict[str, str]:
    """SVG by name of the file within docs/images."""
    rows = [_row(caption, metrics) for caption, metrics in faults().items()]
    found = {"detectors.svg": drawn(rows)}
    with TemporaryDirectory() as folder:
        for name, case in cases().items():
            parameters = {"path": trained(folder)} if name == "model" else dict(case.parameters)
            alone = (DetectorSetting(name=name, parameters=parameters),)
            seen = _row(f"{name} sees: {case.sees}", case.seen, alone)
            missed = _row(f"{name} does not see: {case.misses}", case.missed, alone)
            found[f"detectors/{name}.svg"] = drawn([seen, missed])
    return found


def drawn(rows: Sequence[Row]) -> str:
    """The rows one below the other, legible on light and on dark pages."""
    height = (HEIGHT + GAP) * len(rows) + 10
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH + 20} {height}" '
        f'font-family="sans-serif" font-size="13">\n{STYLE}',
        f'<rect class="paper" width="{WIDTH + 20}" height="{height}"/>',
    ]
    step = WIDTH / (SIZE - DRAWN)
    for number, row in enumerate(rows):
        top = 20 + number * (HEIGHT + GAP)
        parts.append(f'<text x="{LEFT}" y="{top - 5}">{row.caption}</text>')
        parts += [
            f'<rect class="alert" x="{LEFT + begin * step:.1f}" y="{top}" '
            f'width="{max((end - begin) * step, 2):.1f}" height="{HEIGHT}"/>'
            for begin, end in _runs(row.shown[DRAWN:])
        ]
        parts += _lines(row.value[DRAWN:], top, step)
    return "\n".join([*parts, "</svg>"]) + "\n"


def draw_detectors(root: Path) -> None:
    """Write the pictures."""
    (root / "detectors").mkdir(parents=True, exist_ok=True)
    for name, text in pictures().items():
        (root / name).write_text(text)


def _row(
    caption: str, metrics: Metrics, detectors: tuple[DetectorSetting, ...] | None = None
) -> Row:
    return Row(caption, metrics[min(metrics)][-SIZE:], open_minutes(metrics, detectors))


def _runs(shown: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Where it is true: first, and the one behind the last."""
    edges = np.flatnonzero(np.diff(np.r_[False, shown, False].astype(int))).tolist()
    return list(zip(edges[::2], edges[1::2], strict=True))


def _lines(value: Array, top: int, step: float) -> list[str]:
    """A line for each stretch with samples."""
    low, high = float(np.nanmin(value)), float(np.nanmax(value))
    scaled = ((value - low) / (high - low)).tolist()
    return [
        '<polyline points="'
        + " ".join(
            f"{LEFT + i * step:.1f},{top + HEIGHT * (1 - scaled[i]):.1f}" for i in range(begin, end)
        )
        + '"/>'
        for begin, end in _runs(~np.isnan(value))
    ]


if __name__ == "__main__":
    draw_detectors(IMAGES)
