"""Counts canaries that came through: alerts that are known to be due, see `domain.canary`.

Event time is cut into slots of 10 s. The evidence of a canary's alert holds the times of its
latest samples, so it shows in which slots a sample came through adapter, broker, job and topic. A
slot is available if such an alert arrived within `WITHIN` seconds of its end: windows end once a
minute, 10 s of disorder are waited for, and the rest is for the parts themselves. This is measured
by the clock; it decides nothing.
"""

from collections.abc import Iterable

import msgspec

from padit.domain.canary import CANARY, is_canary
from padit.domain.timestamps import MICROS, parse_timestamp
from padit.ops import metric_names as names
from padit.ops.stats import Stats

__all__ = ["SLOT", "WITHIN", "CanaryWatch"]

SLOT = 10
WITHIN = 120
_MINUTE = 60 // SLOT
_MOST_SLOTS = 24 * 3600 // SLOT  # a day of backlog is judged, not more
_NAME = CANARY.encode()


class _Latest(msgspec.Struct):
    time_us: list[int] = []


class _Evidence(msgspec.Struct):
    latest: _Latest = msgspec.field(default_factory=_Latest)


class _Data(msgspec.Struct):
    source_id: str
    evidence: _Evidence = msgspec.field(default_factory=_Evidence)


class _Event(msgspec.Struct):
    type: str
    time: str
    data: _Data


_decoder = msgspec.json.Decoder(_Event)


class CanaryWatch:
    """Slots of one process; begins with the newest minute of the first canary.

    Attributes:
        slots: judged so far.
        through: those that were available.
    """

    def __init__(self) -> None:
        self.slots = 0
        self.through = 0
        self._last = 0
        self._delay = 0.0
        self._next: int | None = None
        self._seen: set[int] = set()

    def note(self, alerts: Iterable[bytes], now: float) -> None:
        """Alerts have come.

        Args:
            alerts: CloudEvents; what is no canary's is passed over.
            now: the clock, epoch seconds.
        """
        for data in alerts:
            if _NAME in data:
                self._note(data, now)

    def _note(self, data: bytes, now: float) -> None:
        try:
            event = _decoder.decode(data)
            time = parse_timestamp(event.time)
        except (msgspec.DecodeError, UnicodeDecodeError, ValueError):
            return  # the log refuses it, with the reason
        if not (is_canary(event.data.source_id) and event.type.endswith(".opened")):
            return
        self._last = max(self._last, time)
        self._delay = now - time / MICROS
        shown = {one // MICROS // SLOT for one in event.data.evidence.latest.time_us}
        if self._next is None and shown:
            # Older samples were shown by alerts before, to the process that was here before.
            self._next = max(max(shown) - _MINUTE + 1, int(now) // SLOT - _MOST_SLOTS)
        self._seen |= {one for one in shown if now <= (one + 1) * SLOT + WITHIN}

    def judge(self, now: float) -> None:
        """Count the slots whose time is over at `now`, epoch seconds."""
        while self._next is not None and (self._next + 1) * SLOT + WITHIN < now:
            self.slots += 1
            self.through += self._next in self._seen
            self._seen.discard(self._next)
            self._next += 1

    def show(self, stats: Stats) -> None:
        """Add what is known to the figures; nothing where no canary ever came."""
        if self._next is None:
            return
        stats.set(names.CANARY_LAST, self._last / MICROS)
        stats.set(names.CANARY_DELAY, self._delay)
        stats.set(names.CANARY_SLOTS, self.slots)
        stats.set(names.CANARY_THROUGH, self.through)
