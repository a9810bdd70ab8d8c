"""Progress of the readers of this process, for the progress line only; results never use it."""

import threading
from dataclasses import dataclass

__all__ = ["RunProgress", "note", "seen"]


@dataclass(frozen=True, slots=True)
class RunProgress:
    """Totals of this process.

    Attributes:
        rows: records read, of all kinds.
        watermark: the smallest watermark of the latest batch, microseconds; None before the first.
        lag: records in the source that are not read yet, as far as known.
    """

    rows: int = 0
    watermark: int | None = None
    lag: int | None = None


_lock = threading.Lock()
_seen = RunProgress()


def note(rows: int, watermark: int, lag: int | None) -> None:
    """Add the result of one read."""
    global _seen
    with _lock:
        _seen = RunProgress(_seen.rows + rows, watermark, _seen.lag if lag is None else lag)


def seen() -> RunProgress:
    """Totals so far."""
    return _seen
