"""Alerts and ground truth, and their matching."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

__all__ = ["Episode", "Features", "Match", "Truth", "Verdict", "match"]

Verdict = Literal["found", "false", "missed"]


@dataclass(slots=True)
class Episode:
    """The whole life of one alert; times in microseconds since 1970.

    Attributes:
        id: the alert's.
        source_id: as in the alert, like the next ones, as of its latest transition.
        levels: time of each severity, in order; the first is the opening.
        resolved: its end, or None if it was still open when the run ended.
        evidence: of the latest transition with a window.
    """

    id: str
    source_id: str
    metric_name: str
    score: float
    summary: str
    detector: str
    levels: list[tuple[int, str]]
    resolved: int | None = None
    evidence: dict[str, Any] = field(default_factory=dict)

    @property
    def opened(self) -> int:
        """End of the window that opened it."""
        return self.levels[0][0]

    @property
    def severity(self) -> str:
        """The highest severity."""
        return self.levels[-1][1]


@dataclass(frozen=True, slots=True)
class Truth:
    """One known fault; times in microseconds since 1970.

    Attributes:
        source_id: of the fault.
        fault: its kind.
        start: first moment that is not normal.
        end: first moment that is normal again.
        failure: time at which the fault became a failure, if known.
        metrics: the affected metrics; empty: any of the source.
    """

    source_id: str
    fault: str
    start: int
    end: int
    failure: int | None = None
    metrics: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Features:
    """Window features of one series, sorted by time.

    Attributes:
        end: int64 (n,), ends of the windows in microseconds.
        columns: float64 (n,) by feature; NaN where a window lacks it.
        score: float64 (n,), the composite score; all NaN where it was not recorded.
    """

    end: NDArray[np.int64]
    columns: Mapping[str, NDArray[np.float64]]
    score: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Match:
    """One line of the comparison.

    Attributes:
        verdict: found or false for an alert, missed for a fault without one; None where no
            truth is known.
        episode: the alert, or None for a missed fault.
        truth: the fault, or None for a false alert.
        delay: from the fault's start to the alert's opening, microseconds.
    """

    verdict: Verdict | None
    episode: Episode | None = None
    truth: Truth | None = None
    delay: int | None = None

    @property
    def time(self) -> int:
        """Opening of the alert, or start of the missed fault, microseconds."""
        if self.episode is not None:
            return self.episode.opened
        return self.truth.start if self.truth is not None else 0


def match(
    episodes: Sequence[Episode], truths: Sequence[Truth] | None, window: int = 0
) -> list[Match]:
    """Match alerts with the truth, in the order of time.

    An alert found a fault if it is of the same source, of an affected metric, and opened
    during the fault or at most one window later (a window ends after its samples).

    Args:
        episodes: alerts.
        truths: faults, or None if they are unknown.
        window: length of a window in microseconds.
    """
    lines = []
    found: set[Truth] = set()
    for episode in episodes:
        truth = next((one for one in truths or () if _belongs(episode, one, window)), None)
        if truth is None:
            lines.append(Match("false" if truths is not None else None, episode))
            continue
        found.add(truth)
        lines.append(Match("found", episode, truth, episode.opened - truth.start))
    lines += [Match("missed", None, truth) for truth in truths or () if truth not in found]
    return sorted(lines, key=lambda line: (line.time, line.episode.id if line.episode else ""))


def _belongs(episode: Episode, truth: Truth, window: int) -> bool:
    return (
        episode.source_id == truth.source_id
        and (not truth.metrics or episode.metric_name in truth.metrics)
        and truth.start <= episode.opened <= truth.end + window
    )
