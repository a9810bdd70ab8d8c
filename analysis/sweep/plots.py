"""Plots of a sweep as SVG: every mark has a tool tip, and colours follow the page's theme."""

import html
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

__all__ = ["Axis", "Point", "axis_of", "heat_map", "scatter"]

WIDTH, HEIGHT = 440, 290
LEFT, RIGHT, TOP, BOTTOM = 56, 16, 12, 46
# Viridis at five places: equal steps look equal, also without colour vision.
_STOPS = ((68, 1, 84), (59, 82, 139), (33, 145, 140), (94, 201, 98), (253, 231, 37))
_MOST_TICKS = 7


class Axis(NamedTuple):
    """One axis.

    Attributes:
        name: its title.
        low, high: ends.
        ticks: (place, text).
    """

    name: str
    low: float
    high: float
    ticks: list[tuple[float, str]]


class Point(NamedTuple):
    """One mark.

    Attributes:
        x, y: its position.
        colour: in [0, 1].
        text: its tool tip.
        best: whether it is marked.
        label: text in a cell, if there is room.
    """

    x: float
    y: float
    colour: float = 0.0
    text: str = ""
    best: bool = False
    label: str = ""


def axis_of(name: str, values: Sequence[Any]) -> tuple[Axis, dict[Any, float]]:
    """An axis for the values of a parameter, and the place of each.

    A few numbers keep their distances, unless they would cover each other; all other values are
    placed in equal steps.
    """
    distinct = list(dict.fromkeys(values))
    numbers = all(isinstance(one, int | float) and not isinstance(one, bool) for one in distinct)
    if numbers:
        distinct.sort()
    if numbers and len(distinct) > _MOST_TICKS:
        low, high = float(distinct[0]), float(distinct[-1])
        place = {one: float(one) for one in distinct}
        return Axis(name, low, high, [(one, short(one)) for one in ticks(low, high)]), place
    place = {one: float(number) for number, one in enumerate(distinct)}
    marks = [(place[one], short(one)) for one in distinct]
    return Axis(name, -0.5, len(distinct) - 0.5, marks), place


def ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Round numbers within two bounds."""
    if high <= low:
        return [low]
    raw = (high - low) / count
    size = 10.0 ** math.floor(math.log10(raw))
    step = next(one * size for one in (1, 2, 2.5, 5, 10) if one * size >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [one * step for one in range(first, math.floor(high / step + 1e-9) + 1)]


def short(value: Any) -> str:
    """A value in few characters."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def colour(share: float) -> str:
    """A colour for a number in [0, 1]."""
    place = min(max(share, 0.0), 1.0) * (len(_STOPS) - 1)
    first = min(int(place), len(_STOPS) - 2)
    part = place - first
    mixed = (
        round(a + (b - a) * part) for a, b in zip(_STOPS[first], _STOPS[first + 1], strict=True)
    )
    return f"rgb({','.join(map(str, mixed))})"


def scatter(x: Axis, y: Axis, points: Sequence[Point], line: Sequence[Point] = ()) -> str:
    """Points over two axes, and a line through others; the best on top."""
    parts = [*_frame(x, y)]
    if len(line) > 1:
        path = " ".join(f"{_across(x, one.x):.1f},{_up(y, one.y):.1f}" for one in line)
        parts.append(f'<polyline class="mean" points="{path}"/>')
    for one in sorted(points, key=lambda point: point.best):
        parts.append(
            f'<circle cx="{_across(x, one.x):.1f}" cy="{_up(y, one.y):.1f}" '
            f'r="{7 if one.best else 4.5}" class="{"best" if one.best else "dot"}" '
            f'fill="{colour(one.colour)}">'
            f"<title>{html.escape(one.text)}</title></circle>"
        )
    return _svg(parts, f"{y.name} over {x.name}")


def heat_map(x: Axis, y: Axis, cells: Sequence[Point]) -> str:
    """A cell for each point, in equal steps; with its number if there is room."""
    wide = (WIDTH - LEFT - RIGHT) / (x.high - x.low)
    high = (HEIGHT - TOP - BOTTOM) / (y.high - y.low)
    parts = []
    for one in sorted(cells, key=lambda point: point.best):
        left, top = _across(x, one.x - 0.5), _up(y, one.y + 0.5)
        parts.append(
            f'<rect x="{left + 1:.1f}" y="{top + 1:.1f}" width="{wide - 2:.1f}" '
            f'height="{high - 2:.1f}" rx="2" fill="{colour(one.colour)}" '
            f'class="{"best" if one.best else "cell"}">'
            f"<title>{html.escape(one.text)}</title></rect>"
        )
        if wide > 34 and high > 16:
            ink = "#fff" if one.colour < 0.6 else "#111"
            parts.append(
                f'<text x="{left + wide / 2:.1f}" y="{top + high / 2 + 4:.1f}" '
                f'class="number" fill="{ink}">{one.label}</text>'
            )
    return _svg([*_frame(x, y, lines=False), *parts], f"score over {x.name} and {y.name}")


def _frame(x: Axis, y: Axis, *, lines: bool = True) -> list[str]:
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
    parts = []
    for place, text in x.ticks:
        at = _across(x, place)
        if lines:
            parts.append(f'<path class="grid" d="M{at:.1f} {TOP}V{bottom}"/>')
        parts.append(
            f'<text x="{at:.1f}" y="{bottom + 17}" class="tick mid">{html.escape(text)}</text>'
        )
    for place, text in y.ticks:
        at = _up(y, place)
        if lines:
            parts.append(f'<path class="grid" d="M{LEFT} {at:.1f}H{right}"/>')
        parts.append(
            f'<text x="{LEFT - 8}" y="{at + 4:.1f}" class="tick end">{html.escape(text)}</text>'
        )
    middle = (LEFT + right) / 2
    name, upright = html.escape(x.name), html.escape(y.name)
    half = (TOP + bottom) / 2
    return [
        *parts,
        f'<text x="{middle}" y="{HEIGHT - 8}" class="name mid">{name}</text>',
        f'<text x="14" y="{half}" class="name mid" transform="rotate(-90 14 {half})">'
        f"{upright}</text>",
    ]


def _across(x: Axis, value: float) -> float:
    return LEFT + (value - x.low) / ((x.high - x.low) or 1.0) * (WIDTH - LEFT - RIGHT)


def _up(y: Axis, value: float) -> float:
    share = (value - y.low) / ((y.high - y.low) or 1.0)
    return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)


def _svg(parts: Sequence[str], label: str) -> str:
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{html.escape(label)}">'
        f"{''.join(parts)}</svg>"
    )
