"""How far the job has come: the smallest event time that all its key groups have reached."""

from collections.abc import Iterable

from padit.alerting.store.base import Reported
from padit.domain.audit import JobProgress

__all__ = ["Reports"]


class Reports:
    """The latest record of each key group.

    Args:
        known: what the store holds.

    Attributes:
        latest: run and shape of the latest record that this process took; empty before one.
    """

    def __init__(self, known: Iterable[Reported]) -> None:
        self._groups = {one.part: one for one in known}
        self.latest = "", ""

    def begin(self) -> None:
        """Another run began without state: what the one before reported does not count."""
        self._groups.clear()

    def take(self, record: JobProgress) -> tuple[Reported, bool]:
        """The row to keep of a record, and whether it is of another job than those before.

        A group never goes back: a job that was restored reports again what it had reported.
        """
        before = self._groups.get(record.group)
        other = any(
            one.shape != record.shape or one.parts != record.groups for one in self._groups.values()
        )
        if other:
            self._groups.clear()
            before = None
        watermark = record.watermark if before is None else max(before.watermark, record.watermark)
        found = Reported(record.group, record.groups, record.run, record.shape, watermark)
        self._groups[record.group] = found
        self.latest = record.run, record.shape
        return found, other

    @property
    def reached(self) -> int | None:
        """Event time to which all groups have come, microseconds; None before all have reported."""
        parts = next((one.parts for one in self._groups.values()), 0)
        if not parts or len(self._groups) < parts:
            return None
        return min(one.watermark for one in self._groups.values())
