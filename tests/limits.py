"""How long tests wait: one factor for all limits.

A limit in a test is written down as what something takes at the most on a machine like those the
tests were written on, two cores with other work on them. `SLOWEST` is how much slower a machine
may be. Nothing is waited for any longer than it takes, so a high factor costs time only where
something is broken.
"""

from __future__ import annotations

__all__ = ["SLOWEST", "allowed"]

SLOWEST = 3.0


def allowed(seconds: float) -> float:
    """Seconds to wait for what takes at most `seconds` here."""
    return SLOWEST * seconds
