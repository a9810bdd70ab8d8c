"""Times that cannot be: a clock that is wrong dates its own record, and moves no other's time.

Time goes on by what is taken. So one alert of the year 2199 would end each silence and wait, and
make all that comes later old. What is refused, and what is dated back, is decided before the log,
which holds the result: so the same log gives the same messages.
"""

import logging
from typing import Any, NamedTuple

import msgspec

from padit.alerting.entries import AlertEvent, Command, Entry, Progress, RunBegan
from padit.domain.audit import RunStarted, decode_record, encode_record
from padit.domain.errors import WireFormatError
from padit.domain.timestamps import EARLIEST_US, LATEST_US, MICROS, format_utc, parse_timestamp

__all__ = ["Dating", "Moment"]

_LOG = logging.getLogger(__name__)
_APART = 60 * MICROS  # clocks of people and of a broker, and the resolution of its records


class Moment(NamedTuple):
    """Where time stands when a record is taken, microseconds.

    Attributes:
        written: when the record was written to its topic; 0: not known, as is one before 2000.
        seen: event time of the latest alert.
    """

    written: int
    seen: int


class Dating:
    """Checks the times of records before they are entries.

    Args:
        most: how far an alert may lie ahead of its record, microseconds.
        keep: how far it may lie behind the latest one, microseconds.

    Attributes:
        ahead: records so far that lay too far ahead.
    """

    def __init__(self, most: int, keep: int) -> None:
        self._most = most
        self._keep = keep
        self.ahead = 0

    def check(self, entry: Entry, at: Moment) -> None:
        """Refuse what no clock that was set says, and what is older than is kept.

        Of a file the latest alert may be one of a wrong clock, so nothing is older than that.

        Raises:
            WireFormatError: it is such a time.
        """
        if not EARLIEST_US <= entry.time < LATEST_US:
            message = f"its time is {_shown(entry.time)}, not between 2000 and 2200"
            raise WireFormatError(message)
        known = at.written and isinstance(entry, AlertEvent | Command)
        if known and entry.time < at.seen - self._keep:
            message = (
                f"its time is {format_utc(entry.time)}, longer than `keep` before the latest "
                f"alert, that of {format_utc(at.seen)}"
            )
            raise WireFormatError(message)

    def too_far(self, entry: Entry, at: Moment) -> bool:
        """Whether an alert, a run or the job's progress lies too far ahead of its record.

        A command may: it waits for its time.
        """
        far = (
            isinstance(entry, AlertEvent | RunBegan | Progress)
            and EARLIEST_US <= at.written < entry.time - self._most
        )
        if far:
            self.ahead += 1
            if self.ahead & (self.ahead - 1) == 0:  # the 1st, 2nd, 4th ... for it may be each
                _LOG.warning("%s", _sentence(entry, at, self._most, self.ahead))
        return far

    def behind(self, entry: Entry, at: Moment, now: int) -> bool:
        """Whether a command says the time at which it was written, and event time is far behind.

        It is about what people see, so it does not wait for days. One of a later time is planned,
        but not by less than a minute: clocks differ, and a record's time may have no microseconds.
        """
        return isinstance(entry, Command) and now + self._most < entry.time <= at.written + _APART

    def of_now(self, data: bytes, now: int) -> bytes:
        """The bytes of such a command, with the time that it is for the job.

        What it says to last an hour lasts an hour: its end moves with its time.
        """
        found = _decoded(data)
        if found.get("until"):
            lasts = parse_timestamp(found["until"]) - parse_timestamp(found["time"])
            found["until"] = format_utc(now + max(0, lasts))
        return msgspec.json.encode(found | {"time": format_utc(now)})

    def dated_back(self, data: bytes, entry: AlertEvent | RunBegan, at: Moment, now: int) -> bytes:
        """The bytes of an alert, or of the beginning of a run, with the time that it is.

        Raises:
            WireFormatError: what was not looked at before is no JSON.
        """
        time = min(now, at.written + self._most)
        if isinstance(entry, RunBegan):
            record = decode_record(data)
            if isinstance(record, RunStarted):
                return encode_record(msgspec.structs.replace(record, moment=format_utc(time)))
            return data
        found = _decoded(data)
        alert = found["data"]
        alert["summary"] = f"{alert['summary']} (dated {found['time']}: a clock is wrong)".strip()
        alert["opened"] = format_utc(min(entry.opened, time))
        found["time"] = format_utc(time)
        return msgspec.json.encode(found)


def _decoded(data: bytes) -> dict[str, Any]:
    try:
        found: dict[str, Any] = msgspec.json.decode(data)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        message = f"it is no JSON: {error}"
        raise WireFormatError(message) from error
    return found


def _shown(time: int) -> str:
    """A time as text, also one that no calendar has."""
    try:
        return format_utc(time)
    except OverflowError:
        return f"{time} microseconds after 1970"


def _sentence(entry: Entry, at: Moment, most: int, count: int) -> str:
    what = {AlertEvent: "an alert", RunBegan: "a run of the job"}.get(type(entry), "the job")
    if isinstance(entry, AlertEvent):
        what = f"an alert of {entry.source_id!r:.200}"
    hours = most / 3_600_000_000
    done = "it is left out" if isinstance(entry, Progress) else "it counts as of now"
    return (
        f"{what} says {_shown(entry.time)}, more than {hours:g} h (`max_ahead`) after it was "
        f"written ({format_utc(at.written)}): {done}. A clock is wrong; {count} so far"
    )
