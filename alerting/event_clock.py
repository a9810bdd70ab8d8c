"""Event time for what only waits: by the job's progress, and by the clock where there is none.

The job's event time may lag behind the clock, by seconds or, while it reads an old topic, by
months. So while the job reports progress, that alone lets time pass. When it has been silent for a
while, time goes on from there at the pace of the clock: a silence ends also while the job is down.
"""

import time
from collections.abc import Callable

from padit.domain.timestamps import MICROS

__all__ = ["EventClock"]

_SILENT_SECONDS = 30.0  # three records of the job's progress


class EventClock:
    """Tells the event time that the clock may let pass.

    Args:
        delay: by which event time lags behind the clock where no job reports, microseconds.
        waits: whether a job may report progress, so that the clock waits for it at first.
        progress: event time that the job had reported before this process started.
        monotonic, wall: clocks, seconds.
    """

    def __init__(
        self,
        delay: int,
        *,
        waits: bool,
        progress: int | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._delay = delay
        self._monotonic = monotonic
        self._wall = wall
        self._progress = progress
        self._heard = monotonic() if waits or progress is not None else None
        self._latest = (wall(), monotonic())

    def heard(self, progress: int | None) -> None:
        """The job has reported; `progress`: the event time to which all of it has come."""
        self._progress = progress
        self._heard = self._monotonic()

    @property
    def silent(self) -> float:
        """Seconds since the job, or the start of this process; 0 where no job reports."""
        return 0.0 if self._heard is None else self._monotonic() - self._heard

    def now(self) -> int | None:
        """Event time by the clock, microseconds; None: the job's progress decides."""
        if self._heard is not None and self.silent < _SILENT_SECONDS:
            return None
        if self._progress is None:
            return int(self._now() * MICROS) - self._delay
        return self._progress + int(self.silent * MICROS)

    def _now(self) -> float:
        """The clock; when it is set back, time goes on from where it was, at the same pace."""
        wall, passed = self._wall(), self._monotonic()
        latest, at = self._latest
        self._latest = (max(wall, latest + passed - at), passed)
        return self._latest[0]
