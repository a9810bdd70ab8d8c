"""A canary: sources with a known anomaly every minute, in turn, so that the whole path is tried.

Each of `sources` series has a sample at every poll, 0 by default and 100 in the minute in which it
is its turn. With the rule of docs/canary.md each minute one alert opens. An alert that is open for
a window and its resolution take six minutes; with seven sources each has resolved by its next turn.
"""

from typing import ClassVar

from pydantic import Field

from padit.adapters.base import AdapterOptions, Emitter, now
from padit.domain.canary import CANARY
from padit.domain.metric import Metric

__all__ = ["METRIC", "CanaryAdapter", "CanaryOptions", "samples"]

METRIC = "known_anomaly"
RAISED = 100.0


class CanaryOptions(AdapterOptions):
    """Options of the `canary` adapter."""

    every_sec: float = Field(default=60.0, gt=0, description="Seconds between two anomalies.")
    sources: int = Field(
        default=7, ge=1, le=100, description="Sources that take turns; they spread over partitions."
    )


def samples(moment: float, sources: int, every: float) -> list[Metric]:
    """One sample of each source.

    Args:
        moment: event time, epoch seconds.
        sources: how many.
        every: seconds between two anomalies.
    """
    turn = int(moment // every) % sources
    return [
        Metric(
            moment,
            f"{CANARY}-{number}",
            METRIC,
            RAISED if number == turn else 0.0,
            protocol="canary",
        )
        for number in range(sources)
    ]


class CanaryAdapter:
    """Samples whose alerts are known beforehand."""

    Options: ClassVar[type[AdapterOptions]] = CanaryOptions

    def __init__(self, options: CanaryOptions) -> None:
        self.options = options

    async def open(self, emitter: Emitter) -> None:
        """Nothing is needed."""

    async def poll(self, emitter: Emitter) -> None:
        """One sample of each source."""
        emitter.emit(samples(now(), self.options.sources, self.options.every_sec))

    async def close(self) -> None:
        """Nothing is held."""
