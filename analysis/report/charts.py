"""Series, features and bands as small columns, only as much as the page draws.

Whatever the size of the input, a chart gets the smallest and largest value in each of 2,400
equal pieces of time, as 16-bit numbers, and at most 600 windows.
"""

import base64
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from padit.analysis.report.truth import Episode, Features, Match, Truth
from padit.domain.rows import Rows

__all__ = ["chart", "downsample", "span_of", "window_length"]

Floats = NDArray[np.float64]
PIECES = 2400
MOST_WINDOWS = 600
_EMPTY = 65_535
_MILLI = 1000  # microseconds to the milliseconds that JavaScript counts in


def span_of(rows: Rows, episodes: Sequence[Episode], truths: Sequence[Truth]) -> tuple[int, int]:
    """First and last moment of the page, microseconds."""
    times = [one.opened for one in episodes] + [one.start for one in truths]
    ends = [one.resolved or one.opened for one in episodes] + [one.end for one in truths]
    if len(rows):
        # Nothing outside the rows is drawn.
        return int(rows.time.min()), int(rows.time.max()) + 1
    return min(times, default=0), max([*times, *ends], default=1)


def window_length(episodes: Sequence[Episode]) -> int:
    """Length of a window in microseconds, from the first alert's evidence; 0 if unknown."""
    from padit.domain.timestamps import parse_timestamp

    for episode in episodes:
        window = episode.evidence.get("window")
        if isinstance(window, dict) and "start" in window and "end" in window:
            return parse_timestamp(window["end"]) - parse_timestamp(window["start"])
    return 0


def downsample(
    time: NDArray[np.int64], value: Floats, span: tuple[int, int], pieces: int = PIECES
) -> tuple[Floats, Floats]:
    """Smallest and largest value in equal pieces of a span, float64 (pieces,); NaN where none.

    Args:
        time: int64 (n,), microseconds, in any order.
        value: float64 (n,).
        span: first moment, and the one behind the last, microseconds.
        pieces: number of pieces.
    """
    low, high = np.full(pieces, np.inf), np.full(pieces, -np.inf)
    inside = (time >= span[0]) & (time < span[1])
    place = ((time[inside] - span[0]) * (pieces / (span[1] - span[0]))).astype(np.int64)
    place = np.minimum(place, pieces - 1)
    np.minimum.at(low, place, value[inside])
    np.maximum.at(high, place, value[inside])
    empty = low > high
    low[empty] = high[empty] = np.nan
    return low, high


def chart(
    rows: Rows,
    key: tuple[str, str],
    span: tuple[int, int],
    features: Features | None,
    lines: Sequence[Match],
) -> dict[str, Any]:
    """Data to draw one series, as JSON values."""
    codes = [i for i, series in enumerate(rows.series) if series.key == key]
    chosen = np.isin(rows.code, codes)
    low, high = downsample(rows.time[chosen], rows.value[chosen], span)
    known = np.isfinite(low)
    bottom = float(low[known].min()) if known.any() else 0.0
    top = float(high[known].max()) if known.any() else 1.0
    mine = [line.episode for line in lines if line.episode and _key(line.episode) == key]
    return {
        "metric": key[1],
        "unit": rows.series[codes[0]].unit if codes else "",
        "samples": int(chosen.sum()),
        "range": [bottom, top],
        "low": _pack(low, bottom, top),
        "high": _pack(high, bottom, top),
        "features": _features(features, span) if features is not None else None,
        "alerts": [_band(one, span) for one in mine],
        "limits": _limits(mine),
    }


def _key(episode: Episode) -> tuple[str, str]:
    return (episode.source_id, episode.metric_name)


def _pack(values: Floats, bottom: float, top: float) -> str:
    """float64 (n,) as little-endian 16-bit steps between bottom and top, in base 64."""
    scale = (_EMPTY - 1) / (top - bottom) if top > bottom else 0.0
    steps = np.where(np.isfinite(values), np.rint((values - bottom) * scale), _EMPTY)
    return base64.b64encode(steps.astype("<u2").tobytes()).decode()


def _features(features: Features, span: tuple[int, int]) -> dict[str, Any]:
    chosen = _windows_to_show(features, span)
    return {
        "end": (features.end[chosen] // _MILLI).tolist(),
        "columns": {name: _short(column[chosen]) for name, column in features.columns.items()},
        "score": _short(features.score[chosen]) if np.isfinite(features.score).any() else None,
    }


def _windows_to_show(features: Features, span: tuple[int, int]) -> NDArray[np.int64]:
    """At most 600 windows; of neighbours the one with the highest score stays."""
    inside = np.flatnonzero((features.end > span[0]) & (features.end <= span[1] + 1))
    if len(inside) <= MOST_WINDOWS:
        return inside
    piece = np.arange(len(inside)) * MOST_WINDOWS // len(inside)
    score = np.nan_to_num(features.score[inside], nan=-1.0)
    order = np.lexsort((score, piece))
    last = np.append(np.diff(piece[order]) > 0, True)
    return np.sort(inside[order[last]])


def _short(values: Floats) -> list[float | None]:
    """Five significant digits: more would be invisible."""
    return [float(f"{value:.6g}") if np.isfinite(value) else None for value in values.tolist()]


def _band(episode: Episode, span: tuple[int, int]) -> dict[str, Any]:
    end = episode.resolved if episode.resolved is not None else span[1]
    return {
        "id": episode.id,
        "levels": [[time // _MILLI, severity] for time, severity in episode.levels],
        "end": end // _MILLI,
        "open": episode.resolved is None,
        "text": str(episode.evidence.get("text") or episode.summary),
    }


def _limits(episodes: Sequence[Episode]) -> list[dict[str, Any]]:
    """Limits that the alerts record as crossed, each once."""
    found: dict[tuple[str, str, float], dict[str, Any]] = {}
    for episode in episodes:
        for crossed in episode.evidence.get("crossed") or ():
            if isinstance(crossed, Mapping) and {"feature", "op", "limit"} <= set(crossed):
                one = {name: crossed[name] for name in ("feature", "op", "limit")}
                found[(one["feature"], one["op"], float(one["limit"]))] = one
    return list(found.values())
