"""Why there is no alert of a series at a time, out of the readings and windows that are known."""

from typing import Any, NamedTuple

import numpy as np

from padit.analysis.series_extent import SeriesInfo
from padit.domain.timestamps import format_utc
from padit.portal.parts import SeriesSource

__all__ = ["Unalerted", "unalerted"]

_MOST = 500  # slices, each with its worst window
_HEAD = "the job wrote no alert of this series then: "


class Unalerted(NamedTuple):
    """A reason: its kind, the figures of it, and both in words.

    Attributes:
        kind: unknown, no_data, unscored (the detectors were warming up), readings (scores are not
            known), or scored.
        values: `readings`, `windows`; of scored ones `score`, the highest, and `time` of it.
        text: in English.
    """

    kind: str
    values: dict[str, Any]
    text: str


def unalerted(
    series: SeriesSource, info: SeriesInfo | None, at: int | None, near: int
) -> Unalerted:
    """What speaks for no alert.

    Args:
        series: what is known.
        info: of the series; None: nothing is.
        at: event time; None: any, of which nothing is said.
        near: how far from it counts.
    """
    if at is None or info is None:
        return Unalerted("unknown", {}, _HEAD + (
            "no data, a dead letter, late, still warming up, or a score below the threshold; "
            "`padit replay --features` shows which"
        ))  # fmt: skip
    readings = series.line(info, at - near, at + near, 10).total if info.readings else 0
    if not info.windows:
        kind = "readings" if readings else "no_data"
        return _said(kind, {"readings": readings, "windows": 0})
    found = series.windows(info, at - near, at + near, _MOST)
    score = np.ma.filled(found.columns["score"], np.nan)
    known = np.flatnonzero(np.isfinite(score))
    values: dict[str, Any] = {"readings": readings, "windows": found.total}
    if not found.total:
        return _said("readings" if readings else "no_data", values)
    if not known.size:
        return _said("unscored", values)
    best = int(known[np.argmax(score[known])])
    values |= {"score": float(score[best]), "time": format_utc(int(found.time[best]))}
    return _said("scored", values)


_WORDS = {
    "no_data": "no reading and no window of it is known of that time",
    "readings": "there are {readings} readings of that time, and no window of them is known; run "
                "the job with `--features`",
    "unscored": "none of {windows} windows of that time has a score: the detectors were warming up",
    "scored": "the highest score of {windows} windows is {score:.3g}, at {time}: below what opens "
              "one, or held back by the job (an alert that was open, the budget)",
}  # fmt: skip


def _said(kind: str, values: dict[str, Any]) -> Unalerted:
    return Unalerted(kind, values, _HEAD + _WORDS[kind].format(**values))
