"""How many records wait in a source, and whether it answers at all; for people who watch."""

from collections.abc import Mapping, Set

__all__ = ["Waiting"]

_SILENT_SECONDS = 10.0
_STEP_SECONDS = 2.0  # between two calls; what is longer is a job at work


class Waiting:
    """Records that wait in a source, as its brokers said lately.

    A broker that does not answer is no empty log. A busy one may not be asked for a while, so what
    it said counts for some seconds; a partition that is paused is not asked at all. A job that is
    slow does not ask either: time in which nothing is read is nobody's silence.

    Args:
        now: when reading began, of the monotonic clock.
    """

    def __init__(self, now: float) -> None:
        self._begun = self._asked = now
        self._known: dict[int, tuple[int, float]] = {}

    def of(
        self,
        lag: Mapping[int, int],
        running: Set[int],
        paused: Set[int],
        now: float,
    ) -> tuple[int | None, bool]:
        """Records that wait behind those read, and whether a broker has been silent for long.

        Args:
            lag: what is known now, by partition.
            running: partitions that have not ended.
            paused: those of them that are not asked.
            now: of the monotonic clock.

        Returns:
            The records, None where they are not known; and whether no answer came.
        """
        away = max(0.0, now - self._asked - _STEP_SECONDS)
        if away:
            self._begun += away
            self._known = {n: (count, at + away) for n, (count, at) in self._known.items()}
        self._asked = now
        self._known.update((number, (count, now)) for number, count in lag.items())
        nothing = (0, self._begun)
        silent = any(
            now - self._known.get(number, nothing)[1] > _SILENT_SECONDS
            for number in running - paused
        )
        if silent or not running <= self._known.keys():
            return None, silent
        return sum(self._known[number][0] for number in running), False
