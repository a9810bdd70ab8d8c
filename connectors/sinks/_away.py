"""A broker that takes no results is said once when a delivery waits for it, and once when it does.

Writers are made anew after each failure, and a runner makes several; so what is known of a sink is
kept by the process.
"""

import logging
from typing import Final

from padit.ops.reach import Reach

__all__ = ["PATIENCE", "reach_of"]

PATIENCE: Final = 5.0
"""Seconds that a delivery may last before its broker counts as away."""

_LOG = logging.getLogger(__name__)
_known: dict[str, Reach] = {}


def reach_of(name: str) -> Reach:
    """Whether the broker of a sink answers, as far as this process knows."""
    return _known.setdefault(name, Reach(_LOG, f"results for {name}"))
