"""How far the readers of this process have come, for people who watch; results never read it."""

import threading
from dataclasses import dataclass

__all__ = ["Seen", "note", "seen"]


@dataclass(frozen=True, slots=True)
class Seen:
    """Totals of this process.

    Attributes:
        rows: records read, of all kinds.
        mark: the slowest mark of the latest block, microseconds; None before the first.
        lag: records that wait in the source, as far as known.
    """

    rows: int = 0
    mark: int | None = None
    lag: int | None = None


_lock = threading.Lock()
_seen = Seen()


def note(rows: int, mark: int, lag: int | None) -> None:
    """Add what one read gave."""
    global _seen
    with _lock:
        _seen = Seen(_seen.rows + rows, mark, _seen.lag if lag is None else lag)


def seen() -> Seen:
    """Totals so far."""
    return _seen
