"""Why no series has been judged yet: how many windows the detectors still need."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from padit.transforms.detectors import Detector

__all__ = ["WarmUp", "warm_up_line"]

_SAMPLES = ("warm_up", "learn")
"""Parameters that hold how many samples of a series, or rows of a source, come first; a detector
without one of these may state them as `samples_first`."""


class WarmUp(NamedTuple):
    """What a run has seen, as in the summary.

    Attributes:
        scored, windows, series, warm: as in the summary.
        interval: between two windows, seconds.
        slots: windows that a sample is in.
    """

    scored: int
    windows: int
    series: int
    warm: int
    interval: float
    slots: int


def warm_up_line(seen: WarmUp, detectors: Sequence[Detector[Any]]) -> str | None:
    """The sentence for a run whose detectors have judged no series yet; None for any other."""
    if not detectors or not seen.scored or seen.warm or not seen.windows:
        return None
    needs = sorted((need, one.name) for one in detectors if (need := _samples_first(one)))
    had = seen.scored / max(1, seen.series)
    if not needs or had > needs[0][0]:
        names = ", ".join(one.name for one in detectors)
        return f"no series has been judged: {names} gave no score; see `source` and `metric` there"
    need, name = needs[0]
    fresh = max(1.0, seen.windows / max(1, seen.series) - seen.slots + 1)  # that got new samples
    missing = math.ceil((need + 1 - had) * fresh / had)
    return (
        f"all {seen.series:,} series are still warming up, so nothing can alert: {name} judges a "
        f"series from sample {need + 1:,} on, they have {had:.3g} each; about {missing:,} more "
        f"windows (one every {seen.interval:g} s) are missing. Read a longer history, or set "
        "fixed limits, which need no warm-up: `detectors: [{name: rule, ...}]` in --config"
    )


def _samples_first(detector: Detector[Any]) -> int:
    stated: int | None = getattr(detector, "samples_first", None)
    if stated is not None:
        return stated
    parameters = getattr(detector, "parameters", None)
    found = (getattr(parameters, name, None) for name in _SAMPLES)
    return next((one for one in found if isinstance(one, int)), 0)
