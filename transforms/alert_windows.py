"""What the windows of a pass are to alerts: news, what keeps one open, what is critical."""

import msgspec
import numpy as np
from numpy.typing import NDArray

from padit.domain.alert import CRITICAL_FROM, WARNING_FROM, Severity, Transition
from padit.domain.config import Levels
from padit.ops.compiled import kernel
from padit.transforms.budget import Lines
from padit.transforms.detect import DetectionResult
from padit.transforms.episodes import Episode
from padit.transforms.usual_range import level_outside

__all__ = ["Windows", "flags_of"]

Values = NDArray[np.float64]

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


def flags_of(detected: DetectionResult, lines: Lines, levels: Levels) -> NDArray[np.bool_]:
    """Bool (3, n): whether windows are news, keep an alert open, and are critical."""
    flags = np.empty((3, len(detected.table)), bool)
    _judge(
        detected.calibrated, detected.stated, detected.states.level, lines.open_at,
        lines.critical_at, levels.open_at, levels.close_at, CRITICAL_FROM, flags,
    )  # fmt: skip
    return flags


@kernel
def _judge(
    calibrated: Values,
    stated: Values,
    level: Values,
    open_at: Values,
    critical_at: Values,
    least: float,
    close_at: float,
    critical_from: float,
    flags: NDArray[np.bool_],
) -> None:
    """See `flags_of`; a score that is not known is none.

    Args:
        calibrated: float64 (n,), see `DetectionResult`.
        stated: likewise.
        level: likewise.
        open_at: float64 (n,), see `Lines`.
        critical_at: likewise.
        least: the score that opens an alert by stated limits.
        close_at: level from which on a window keeps one open.
        critical_from: the score from which on stated limits are critical.
        flags: bool (3, n), written.
    """
    for i in range(len(calibrated)):
        flags[0, i] = calibrated[i] >= open_at[i] or stated[i] >= least
        flags[1, i] = flags[0, i] or level[i] >= close_at
        flags[2, i] = calibrated[i] >= critical_at[i] or stated[i] >= critical_from
