"""A series around an alert: its level in windows, what was expected, the alert's time, the score.

Above: the mean of each window, on the band that was expected; the span of the alert is shaded, and
the latest window has a bar of its length below. Under it the score, from 0 to 1.
"""

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import NamedTuple

from padit.alerting.plots.canvas import Canvas
from padit.alerting.plots.png import png
from padit.domain.timestamps import format_utc

__all__ = ["WindowPoint", "plot"]

_WIDTH, _HEIGHT = 600, 220
_LEFT, _RIGHT = 90, 590
_TOP, _MIDDLE, _SCORE_TOP, _BOTTOM = 8, 130, 146, 196
_LEAST_SPAN = 1e-12
_LARGEST = 1e300
_PAPER, _GRID, _SPAN, _BAND, _LINE, _SCORE, _INK, _WINDOW = range(8)
_COLOURS = (
    (255, 255, 255), (220, 220, 220), (255, 224, 214), (214, 232, 250), (20, 90, 170),
    (196, 60, 20), (70, 70, 70), (120, 120, 120),
)  # fmt: skip


class WindowPoint(NamedTuple):
    """A window of a series; NaN: nothing is known.

    Attributes:
        end: event time of its end, microseconds.
        mean: of its samples.
        low, high: what was expected.
        score: of the window, in [0, 1].
    """

    end: int
    mean: float
    low: float
    high: float
    score: float


def plot(points: Sequence[WindowPoint], opened: int, closed: int, size: int = 0) -> bytes:
    """A PNG; the same points give the same bytes.

    Args:
        points: windows by time, at least one.
        opened: event time at which the alert opened, microseconds.
        closed: at which it ended; 0: it is open.
        size: length of a window, microseconds; 0: not known.
    """
    canvas = Canvas(_WIDTH, _HEIGHT)
    first, last = points[0].end, points[-1].end
    across = _scale(first, max(last, first + 1), _LEFT, _RIGHT)
    shown = [one for one in points if math.isfinite(one.mean)]
    low, high = _limits([one.mean for one in shown])
    down = _scale(high, low, _TOP, _MIDDLE)
    until = min(closed or last, last)
    if opened <= last:
        canvas.box(across(max(opened, first)), _TOP, max(across(until), _LEFT), _BOTTOM, _SPAN)
    for y in (_TOP, _MIDDLE, _SCORE_TOP, _BOTTOM):
        canvas.box(_LEFT, y, _RIGHT, y, _GRID)
    _band(canvas, points, across, down)
    _curve(canvas, [(across(one.end), down(one.mean)) for one in shown], _LINE)
    score_down = _scale(1.0, 0.0, _SCORE_TOP, _BOTTOM)
    scored = [one for one in points if math.isfinite(one.score)]
    _curve(canvas, [(across(one.end), score_down(min(max(one.score, 0.0), 1.0))) for one in scored],
           _SCORE)  # fmt: skip
    if size:
        canvas.box(across(max(last - size, first)), _MIDDLE + 4, _RIGHT, _MIDDLE + 7, _WINDOW)
    for text, y in ((f"{high:.4g}", _TOP), (f"{low:.4g}", _MIDDLE - 9),
                    ("1", _SCORE_TOP), ("0", _BOTTOM - 9)):  # fmt: skip
        canvas.text(_LEFT - 6 - canvas.text_width(text), y, text, _INK)
    begin, end = format_utc(first)[11:16], format_utc(last)[11:16]
    canvas.text(_LEFT, _BOTTOM + 8, begin, _INK)
    canvas.text(_RIGHT - canvas.text_width(end), _BOTTOM + 8, end, _INK)
    return png(canvas.rows, _COLOURS)


def _limits(means: Sequence[float]) -> tuple[float, float]:
    """Values at the lower and upper edge: the means and a quarter of their span around them."""
    low, high = min(means, default=0.0), max(means, default=0.0)
    if max(-low, high) > _LARGEST:
        return -_LARGEST, _LARGEST
    span = high - low
    more = span / 4 if span > _LEAST_SPAN * abs(low) else max(abs(low) / 100, _LEAST_SPAN)
    return low - more, high + more


def _scale(begin: float, end: float, low: int, high: int) -> Callable[[float], int]:
    """From values to points; values outside go to the edge."""

    def at(value: float) -> int:
        share = (value - begin) / (end - begin)
        return low + round(min(max(share, 0.0), 1.0) * (high - low))

    return at


def _band(
    canvas: Canvas,
    points: Sequence[WindowPoint],
    across: Callable[[float], int],
    down: Callable[[float], int],
) -> None:
    before = None
    for one in points:
        if not (math.isfinite(one.low) and math.isfinite(one.high)):
            before = None
            continue
        x = across(one.end)
        begin = x if before is None else min(before + 1, x)
        canvas.box(begin, down(one.high), x, down(one.low), _BAND)
        before = x


def _curve(canvas: Canvas, points: Sequence[tuple[int, int]], colour: int) -> None:
    for (x, y), (x_end, y_end) in pairwise(points):
        canvas.line(x, y, x_end, y_end, colour)
    if len(points) == 1:
        canvas.box(points[0][0] - 1, points[0][1] - 1, points[0][0] + 1, points[0][1] + 1, colour)
