"""How far the readers of this process have come, for people who watch; results never read it."""

import threading
from dataclasses import dataclass

__all__ = ["RunProgress", "note", "seen"]


@dataclass(frozen=True, slots=True)
class RunProgress:
    """Totals of this process.

    Attributes:
        rows: records read, of all kinds.
        watermark: the slowest watermark of the latest block, microseconds; None before the first.
        lag: records that wait in the source, as far as known.
    """

    rows: int = 0
    watermark: int | None = None
    lag: int | None = None


_lock = threading.Lock()
_seen = RunProgress()


def note(rows: int, watermark: int, lag: int | None) -> None:
    """Add what one read gave."""
    global _seen
    with _lock:
        _seen = RunProgress(_seen.rows + rows, watermark, _seen.lag if lag is None else lag)


def seen() -> RunProgress:
    """Totals so far."""
    return _seen
