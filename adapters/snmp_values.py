"""SNMP values to numbers, and counters to rates over wraps and discontinuities; no I/O.

A Counter32 that falls has wrapped at 2^32, unless its agent says that it began again: by a
sysUpTime that did not advance with our clock, or by another value of the table's discontinuity
column (`ifCounterDiscontinuityTime`). Then there is no rate for one poll. A Counter64 never
wraps in practice; one that falls has begun again.
"""

import re
import struct
from collections import OrderedDict
from typing import Any, NamedTuple

__all__ = ["Rates", "Unwatched", "Uptime", "number_of"]

_WRAP = 1 << 32
_NUMBER = re.compile(rb"\s*[-+]?[0-9]+(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?\s*")
_MISSING = ("NoSuchObject", "NoSuchInstance", "EndOfMibView")
_FLOAT, _DOUBLE = b"\x9f\x78\x04", b"\x9f\x79\x08"  # Opaque, as net-snmp writes them


class Unwatched(ValueError):
    """A value that is no number; `cause` counts it."""

    def __init__(self, message: str, cause: str) -> None:
        super().__init__(message)
        self.cause = cause


def number_of(value: Any) -> tuple[float | int, int]:
    """(number, bits): bits is 32 or 64 for a counter, else 0; TimeTicks are seconds.

    Raises:
        Unwatched: there is no such instance, or it is no number.
    """
    kind = type(value).__name__
    if kind in _MISSING:
        message = f"the device answers {kind}"
        raise Unwatched(message, "no_such_instance")
    if kind in ("Counter32", "Counter64"):
        return int(value), int(kind[-2:])
    if kind == "TimeTicks":
        return int(value) / 100, 0
    if kind in ("Integer", "Integer32", "Gauge32", "Unsigned32"):
        return int(value), 0
    found = _in_text(bytes(value)) if kind in ("OctetString", "Opaque") else None
    if found is None:
        message = f"{kind} {value.prettyPrint()[:60]!r} is no number"
        raise Unwatched(message, "no_number")
    return found, 0


def _in_text(data: bytes) -> float | None:
    """A number written out, or an Opaque float of net-snmp."""
    if data.startswith(_FLOAT) and len(data) == 7:
        return float(struct.unpack(">f", data[3:])[0])
    if data.startswith(_DOUBLE) and len(data) == 11:
        return float(struct.unpack(">d", data[3:])[0])
    return float(data) if len(data) <= 100 and _NUMBER.fullmatch(data) else None


class Uptime:
    """Notices that an agent was started again.

    Attributes:
        starts: how often it was, as far as is known.
    """

    def __init__(self) -> None:
        self.starts = 0
        self._last: tuple[float, int] | None = None

    def note(self, time: float, ticks: int) -> None:
        """Take sysUpTime.

        Args:
            time: seconds of a steady clock.
            ticks: hundredths of a second; they wrap after 497 days.
        """
        if self._last is not None:
            elapsed = time - self._last[0]
            advanced = (ticks - self._last[1]) % _WRAP / 100
            if abs(advanced - elapsed) > max(5.0, 0.1 * elapsed):
                self.starts += 1
        self._last = time, ticks


class _Last(NamedTuple):
    time: float
    value: int
    epoch: object


class Rates:
    """Counters to rates; bounded.

    Args:
        most: counters that are remembered; the one not seen for longest is forgotten.
    """

    def __init__(self, most: int = 100_000) -> None:
        self._seen: OrderedDict[object, _Last] = OrderedDict()
        self._most = most

    def rate(self, key: object, time: float, value: int, bits: int, epoch: object) -> float | None:
        """Increase per second since the poll before; None for the first.

        Args:
            key: the counter.
            time: seconds of a steady clock.
            value: the counter.
            bits: its width, 32 or 64.
            epoch: anything that changes when the counter begins again.

        Raises:
            Unwatched: it began again.

        >>> rates = Rates()
        >>> rates.rate("x", 0.0, 2**32 - 6, 32, epoch=1)
        >>> rates.rate("x", 10.0, 94, 32, epoch=1)
        10.0
        """
        before = self._seen.pop(key, None)
        self._seen[key] = _Last(time, value, epoch)
        if len(self._seen) > self._most:
            self._seen.popitem(last=False)
        if before is None or time <= before.time:
            return None
        change = value - before.value
        if before.epoch != epoch or (change < 0 and bits == 64):
            message = "the counter began again: no rate for this poll"
            raise Unwatched(message, "discontinuity")
        return (change % _WRAP if change < 0 else change) / (time - before.time)
