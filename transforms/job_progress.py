"""How far a live job has come, for those who read its alerts: event time passes without an alert.

A record goes to the audit log's topic, never among the alerts, because it depends on pace. It
states a watermark that the group had reached a while ago, so what was written before it has been
delivered by then: of its key group no transition with an earlier event time follows.
"""

import time
from collections.abc import Callable
from typing import NamedTuple

import msgspec

from padit.domain.audit import JobProgress
from padit.domain.watermark import WATERMARK_END, WATERMARK_NONE

__all__ = ["ProgressRecords", "RunName"]

_EVERY_SECONDS = 10.0
_SETTLED_SECONDS = 2.0  # twice the longest bundle of a live job


class RunName(NamedTuple):
    """The run whose progress is recorded.

    Attributes:
        run: identity of its start, as in `RunStarted`; empty if it was restored.
        shape: digest of what decides its results.
        groups: number of key groups; time has passed once all of them have come to it.
    """

    run: str
    shape: str
    groups: int


class _Group(msgspec.Struct):
    """A key group: when it was last recorded, and watermarks that are settled and fresh."""

    recorded: float
    settled: int = WATERMARK_NONE
    fresh: int = WATERMARK_NONE
    since: float = 0.0


class ProgressRecords:
    """Makes a record of each key group from time to time.

    Args:
        name: of the run.
        every: seconds between two records of a group.
        settled: seconds after which a watermark may be recorded.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        name: RunName,
        every: float = _EVERY_SECONDS,
        settled: float = _SETTLED_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name = name
        self._every = every
        self._settled = settled
        self._clock = clock
        self._groups: dict[int, _Group] = {}

    def observe(self, group: int, watermark: int) -> JobProgress | None:
        """A record, if one is due.

        Args:
            group: number of the key group.
            watermark: to which it has come, microseconds.
        """
        now = self._clock()
        known = self._groups.get(group)
        if known is None:
            known = self._groups[group] = _Group(now, since=now)
        fresh = known.fresh == WATERMARK_NONE or now - known.since >= self._settled
        if fresh and watermark != WATERMARK_NONE:
            known.settled, known.fresh, known.since = known.fresh, watermark, now
        if known.settled in (WATERMARK_NONE, WATERMARK_END) or now - known.recorded < self._every:
            return None
        known.recorded = now
        return JobProgress(
            known.settled, self._name.run, self._name.shape, group, self._name.groups
        )
