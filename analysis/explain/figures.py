"""Drawings of an explained alert, as SVG with the colours of the page."""

import html
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from padit.analysis.explain.alert_record import ParsedAlert, Thresholds
from padit.analysis.report.charts import downsample
from padit.domain.rows import Rows
from padit.domain.timestamps import MICROS, format_utc

__all__ = ["gauge", "score_bar", "series_figure"]

Floats = NDArray[np.float64]
_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 1180, 330, 64, 16, 24, 28
_MOST_DOTS = 700
# Features in the unit of the metric, which can stand in the plot of its values.
_IN_UNIT = {"mean", "min", "max", "median", "p25", "p75", "p95", "p99", "ewma"}
_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21600, 43200, 86400)


class _Frame:
    """Area of a plot, and the positions of times and values in it."""

    def __init__(self, span: tuple[int, int], low: float, high: float) -> None:
        self.span = span
        room = (high - low) * 0.08 or abs(high) * 0.05 or 1.0
        self.low, self.high = low - room, high + room

    def x(self, moment: float) -> float:
        start, end = self.span
        share = (moment - start) / (end - start)
        return round(_LEFT + share * (_WIDTH - _LEFT - _RIGHT), 2)

    def y(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return round(_HEIGHT - _BOTTOM - share * (_HEIGHT - _TOP - _BOTTOM), 2)


def series_figure(parsed: ParsedAlert, steps: Sequence[ParsedAlert], rows: Rows | None) -> str:
    """The samples around the alert, its window, and the limits in the metric's unit.

    Args:
        parsed: the step whose window is drawn.
        steps: all steps of the alert.
        rows: of the series; None or empty: those of the evidence.
    """
    latest = parsed.evidence.latest
    moments = np.array(latest.time_us, np.int64)
    values = np.array(latest.value, np.float64)
    if rows is not None and len(rows):
        moments, values = rows.time, rows.value
    order = np.argsort(moments, kind="stable")
    moments, values = moments[order], values[order]
    start, end = parsed.window
    shown = [start, end, *moments[[0, -1]].tolist()] if len(moments) else [start, end]
    pad = (max(shown) - min(shown)) // 50 + 1
    lines = [
        one for one in parsed.alert.evidence.get("crossed") or () if one["feature"] in _IN_UNIT
    ]
    levels = [*values.tolist(), *(one["value"] for one in lines), *(one["limit"] for one in lines)]
    frame = _Frame(
        (min(shown) - pad, max(shown) + pad), min(levels, default=0.0), max(levels, default=1.0)
    )
    parts = [
        *_grid(frame),
        *_window(frame, start, end),
        *_samples(frame, moments, values, (start, end)),
        *_lines(frame, lines, (start, end)),
        *_steps(frame, steps),
        f'<rect class="frame" x="{_LEFT}" y="{_TOP}" width="{_WIDTH - _LEFT - _RIGHT}" '
        f'height="{_HEIGHT - _TOP - _BOTTOM}"/>',
    ]
    label = html.escape(f"{parsed.alert.metric_name} of {parsed.alert.source_id}, in its window")
    note = ""
    if len(moments) < parsed.evidence.samples:
        note = (
            f'<p class="muted">The latest {len(moments)} of {parsed.evidence.samples} samples, as '
            "the alert keeps them; with --input all are drawn.</p>"
        )
    unit = f" in {html.escape(parsed.evidence.unit)}" if parsed.evidence.unit else ""
    title = f'<text x="{_LEFT}" y="14">{html.escape(parsed.alert.metric_name)}{unit}</text>'
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{label}">{title}'
        f"{''.join(parts)}</svg>{note}"
    )


def gauge(condition: Mapping[str, Any], value: float, unit: str) -> str:
    """One feature beside its limit.

    Args:
        condition: feature, op, limit and its part of the score.
        value: of the feature.
        unit: of the metric; shown for features that are in it.
    """
    limit, op = float(condition["limit"]), condition["op"]
    crossed = {">": value > limit, ">=": value >= limit, "<": value < limit, "<=": value <= limit}[
        op
    ]
    low, high = min(0.0, value, limit), max(0.0, value, limit)
    if low == 0.0 and min(value, limit) > 0.8 * high:  # near each other and far from zero
        low = min(value, limit) - 2 * abs(value - limit) - 0.01 * high
    room = (high - low) * 0.08 or 1.0

    def x(level: float) -> float:
        share = (level - low) / (high + room - low)
        return round(150 + share * 640, 2)

    unit = f" {unit}" if unit and condition["feature"] in _IN_UNIT else ""
    text = f"{value:.6g}{unit} {op} {limit:g}"
    text += f" adds {condition['adds']:g}" if crossed else " does not hold"
    if low > 0:
        text += f" (the bar begins at {low:.6g})"
    left, right = sorted((x(max(low, 0.0)), x(value)))
    style = "over" if crossed else "under"
    edge = x(limit)
    return (
        f'<svg viewBox="0 0 {_WIDTH} 34" role="img" aria-label="{html.escape(text)}">'
        f'<text class="ink" x="140" y="21" text-anchor="end">{condition["feature"]}</text>'
        f'<rect class="track" x="150" y="10" width="640" height="14" rx="2"/>'
        f'<rect class="{style}" x="{left}" y="10" width="{max(1.5, right - left):.2f}" '
        f'height="14" rx="2"/><line class="mark" x1="{edge}" x2="{edge}" y1="4" y2="30"/>'
        f'<text class="{"crossed" if crossed else ""}" x="808" y="21">{html.escape(text)}</text>'
        "</svg>"
    )


def score_bar(name: str, score: float | None, lines: Thresholds) -> str:
    """A detector's score between 0 and 1 with the thresholds."""

    def x(level: float) -> float:
        return round(150 + level * 640, 2)

    text = "warming up" if score is None else f"{score:.6g}"
    value = score or 0.0
    style = "over" if value >= lines.critical_from else "warning"
    style = style if value >= lines.opens else "under"
    marks = {lines.opens: "opens", lines.critical: "critical"}
    ticks = "".join(
        f'<line class="edge" x1="{x(at)}" x2="{x(at)}" y1="16" y2="40"/>'
        f'<text x="{x(at)}" y="12" text-anchor="middle">{label} {at:g}</text>'
        for at, label in marks.items()
    )
    return (
        f'<svg viewBox="0 0 {_WIDTH} 44" role="img" aria-label="{html.escape(name)}: {text}">'
        f'<text class="ink" x="140" y="33" text-anchor="end">{html.escape(name)}</text>'
        f'<rect class="track" x="150" y="21" width="640" height="14" rx="2"/>'
        f'<rect class="{style}" x="150" y="21" width="{value * 640:.2f}" height="14" rx="2"/>'
        f'{ticks}<text class="ink" x="808" y="33">{text}</text></svg>'
    )


def _grid(frame: _Frame) -> Iterator[str]:
    for level in _ticks(frame.low, frame.high):
        y = frame.y(level)
        yield f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y}" y2="{y}"/>'
        yield f'<text x="{_LEFT - 8}" y="{y + 4}" text-anchor="end">{level:.6g}</text>'
    seconds = (frame.span[1] - frame.span[0]) / MICROS
    step = next((one for one in _STEPS if seconds / one <= 12), 7 * 86400) * MICROS
    for moment in range(-(-frame.span[0] // step) * step, frame.span[1], step):
        stamp = format_utc(moment)
        text = stamp[5:16].replace("T", " ") if step >= 43200 * MICROS else stamp[11:19]
        x = frame.x(moment)
        if _LEFT + 24 < x < _WIDTH - _RIGHT - 24:
            yield f'<line class="grid" x1="{x}" x2="{x}" y1="{_TOP}" y2="{_HEIGHT - _BOTTOM}"/>'
            yield f'<text x="{x}" y="{_HEIGHT - 9}" text-anchor="middle">{text}</text>'


def _ticks(low: float, high: float) -> list[float]:
    size = 10.0 ** math.floor(math.log10((high - low) / 4))
    step = next(one * size for one in (1, 2, 2.5, 5, 10) if one * size * 4.5 >= high - low)
    first = math.ceil(low / step)
    return [round(i * step, 12) for i in range(first, math.floor(high / step) + 1)]


def _window(frame: _Frame, start: int, end: int) -> Iterator[str]:
    x0, x1 = frame.x(start), frame.x(end)
    height = _HEIGHT - _TOP - _BOTTOM
    yield f'<rect class="window" x="{x0}" y="{_TOP}" width="{x1 - x0:.2f}" height="{height}"/>'
    for x in (x0, x1):
        yield f'<line class="edge" x1="{x}" x2="{x}" y1="{_TOP}" y2="{_HEIGHT - _BOTTOM}"/>'
    yield f'<text x="{(x0 + x1) / 2:.1f}" y="{_TOP + 14}" text-anchor="middle">window</text>'


def _samples(
    frame: _Frame, moments: NDArray[np.int64], values: Floats, window: tuple[int, int]
) -> Iterator[str]:
    if not len(moments):
        return
    if len(moments) > _MOST_DOTS:
        pieces = 1100
        low, high = downsample(moments, values, frame.span, pieces)
        width = (frame.span[1] - frame.span[0]) / pieces
        known = np.flatnonzero(np.isfinite(low)).tolist()
        path = "".join(
            f"{'M' if i == 0 else 'L'}{frame.x(frame.span[0] + (k + 0.5) * width)} "
            f"{frame.y(low[k])}L{frame.x(frame.span[0] + (k + 0.5) * width)} {frame.y(high[k])}"
            for i, k in enumerate(known)
        )
        yield f'<path class="series" d="{path}"/>'
        return
    points = [(frame.x(t), frame.y(v)) for t, v in zip(moments.tolist(), values, strict=True)]
    yield f'<polyline class="series" points="{" ".join(f"{x},{y}" for x, y in points)}"/>'
    for (x, y), moment in zip(points, moments.tolist(), strict=True):
        inside = " in" if window[0] <= moment < window[1] else ""
        yield f'<circle class="dot{inside}" cx="{x}" cy="{y}" r="2.4"/>'


def _lines(
    frame: _Frame, crossed: Sequence[Mapping[str, Any]], window: tuple[int, int]
) -> Iterator[str]:
    """The feature over its window, and its limit over the whole plot."""
    x0, x1 = frame.x(window[0]), frame.x(window[1])
    for one in {(line["feature"], line["value"]): line for line in crossed}.values():
        y = frame.y(one["value"])
        yield f'<line class="feature" x1="{x0}" x2="{x1}" y1="{y}" y2="{y}"/>'
        yield from _label(x0 + 6, y - 7, f"{one['feature']} {one['value']:.6g}", "ink")
    for one in {(line["feature"], line["limit"]): line for line in crossed}.values():
        y = frame.y(one["limit"])
        yield f'<line class="limit" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y}" y2="{y}"/>'
        text = f"{one['feature']} {one['op']} {one['limit']:g}"
        yield from _label(_LEFT + 6, y - 7, text, "crossed")


def _label(x: float, y: float, text: str, style: str) -> Iterator[str]:
    width = 7.0 * len(text) + 6
    yield f'<rect class="plate" x="{x - 3}" y="{y - 11:.2f}" width="{width}" height="15"/>'
    yield f'<text class="{style}" x="{x}" y="{y:.2f}">{html.escape(text)}</text>'


def _steps(frame: _Frame, steps: Sequence[ParsedAlert]) -> Iterator[str]:
    for one in steps:
        x = frame.x(one.time)
        if _LEFT <= x <= _WIDTH - _RIGHT:
            yield f'<line class="edge" x1="{x}" x2="{x}" y1="{_TOP - 4}" y2="{_TOP}"/>'
            yield f'<text x="{x}" y="{_TOP - 8}" text-anchor="middle">{one.kind}</text>'
