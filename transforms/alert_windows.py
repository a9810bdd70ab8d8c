"""What the windows of a pass are to alerts: news, what keeps one open, what is critical."""

import msgspec
import numpy as np
from numpy.typing import NDArray

from padit.domain.alert import WARNING_FROM, Severity, Transition
from padit.transforms.budget import Lines
from padit.transforms.detect import DetectionResult
from padit.transforms.episodes import Episode
from padit.transforms.usual_range import level_outside

__all__ = ["Windows"]

_FEW = 3  # samples of a window, below which the next sample may come after the window


class Windows(msgspec.Struct, frozen=True):
    """What n windows are to alerts, and the transitions they cause.

    Attributes:
        detected: scores of them.
        lines: where they open an alert.
        news, keeps, critical: bool (n,), whether they open one, keep one open, make one critical.
        usual: float64 (n, 4), the usual range of the series, see `UsualRange`.
        transitions: so far.
    """

    detected: DetectionResult
    lines: Lines
    news: NDArray[np.bool_]
    keeps: NDArray[np.bool_]
    critical: NDArray[np.bool_]
    usual: NDArray[np.float64]
    transitions: list[Transition]

    def end(self, row: int) -> int:
        """End of a window, microseconds."""
        return int(self.detected.table.window_end[row])

    def severity(self, row: int) -> Severity:
        """Severity of a window's score."""
        if self.critical[row]:
            return "CRITICAL"
        return "WARNING" if self.detected.composite[row] >= WARNING_FROM else "INFO"

    def usual_of(self, row: int) -> tuple[float, float, float, float] | None:
        """The range that an alert of this window keeps; None where it needs or has none."""
        best = int(np.nanargmax(self.detected.matrix[:, row]))
        low, high, least, most = self.usual[row].tolist()
        if self.detected.needs_level[best] and low == low:
            return (low, high, least, most)
        return None

    def outside(self, episode: Episode, row: int) -> float:
        """Level of a window by the range of an alert; NaN where that is not known."""
        if episode.usual is None:
            return float("nan")
        return level_outside(episode.usual, self.detected.table, row)

    def calibrated(self, row: int) -> dict[str, float]:
        """The lines of the series, for the evidence."""
        return {
            "opened_at": float(self.lines.open_at[row]),
            "critical_at": float(self.lines.critical_at[row]),
        }

    def keep(self, episode: Episode, row: int) -> None:
        """A window keeps an episode going."""
        episode.last = self.end(row)
        episode.slow = 0 < float(self.detected.table.features["count"][row]) < _FEW
        episode.missing = bool(self.detected.states.missing[row])
        episode.over = None
