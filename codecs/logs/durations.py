"""Durations in log records, in milliseconds, as their unit says.

The unit is that of the value (`1.5ms`, `1m2s`, `PT0.2S`, `00:00:01.5`), or of the field's name
(`duration_ms`, `elapsedSeconds`, ECS `event.duration`: ns). A bare number in a field without a
unit is seconds or milliseconds by the habit of its name, and nanoseconds where the logger is one
of Go's (an integer beside `msg`), or it is a whole number from 100,000 on.
"""

import math
import re
from typing import Any

__all__ = ["DURATION_RANK", "UNITS", "duration_ms", "text_duration"]

UNITS = {"ns": 1e-6, "us": 1e-3, "ms": 1.0, "s": 1e3}
_WORDS = {
    "ns": 1e-6, "nsec": 1e-6, "nanos": 1e-6, "nanoseconds": 1e-6,
    "us": 1e-3, "µs": 1e-3, "μs": 1e-3, "usec": 1e-3, "micros": 1e-3, "microseconds": 1e-3,
    "ms": 1.0, "msec": 1.0, "msecs": 1.0, "millis": 1.0, "milliseconds": 1.0, "millisecond": 1.0,
    "s": 1e3, "sec": 1e3, "secs": 1e3, "second": 1e3, "seconds": 1e3,
    "m": 6e4, "min": 6e4, "mins": 6e4, "minutes": 6e4, "h": 3.6e6,
}  # fmt: skip
_NANOS_FROM = 100_000
_NANOS_TO = 10**18
# Names of fields without a unit, and what a bare number in them is by habit.
_HABITS = {
    "latency": 1.0, "took": 1.0, "dur": 1.0, "response_time": 1.0, "responseTime": 1.0,
    "ResponseTime": 1.0, "time_taken": 1.0, "Elapsed": 1.0, "duration": 1e3, "elapsed": 1e3,
    "Duration": 1e3, "execution_time": 1e3, "processing_time": 1e3,
}  # fmt: skip
_FIXED = {"event.duration": 1e-6, "request_time": 1e3, "request_duration": 1e3}
_ENDS = {
    1.0: ("_ms", "_millis", "_milliseconds", "_msec", "Ms", "MS", "Millis", "Milliseconds"),
    1e3: ("_s", "_sec", "_secs", "_seconds", "S", "Sec", "Seconds"),
    1e-3: ("_us", "_micros", "_microseconds", "_usec", "Us", "Micros", "Microseconds"),
    1e-6: ("_ns", "_nanos", "_nanoseconds", "Ns", "Nanos", "Nanoseconds"),
}
_BASES = (*_HABITS, "request_time", "request_duration", "requestTime", "requestDuration")
_FIXED |= {base + end: factor for factor, ends in _ENDS.items() for base in _BASES for end in ends}
DURATION_RANK = {name: i for i, name in enumerate((*_FIXED, *_HABITS))}
"""Names of fields that hold a duration, those with a unit first."""

_NUMBER = re.compile(r"([+-]?\d{1,18}(?:\.\d{0,18})?(?:[eE][+-]?\d{1,3})?) ?([a-zA-Zµμ]*)")
_GO = re.compile(r"(?:\d{1,18}(?:\.\d{1,18})?(?:ns|us|µs|μs|ms|s|m|h))+")
_GO_PART = re.compile(r"(\d+(?:\.\d+)?)(ns|us|µs|μs|ms|s|m|h)")
_CLOCK = re.compile(r"(?:(\d{1,4})[:.])?(\d\d):(\d\d):(\d\d(?:\.\d{1,9})?)")
_ISO = re.compile(r"PT(?:(\d{1,6})H)?(?:(\d{1,9})M)?(?:(\d{1,12}(?:\.\d{1,9})?)S)?")
_IN_TEXT = re.compile(
    r"\b(?:latency|duration|took|elapsed|response[_ ]time)(_ms|_s|_us|_ns)?\s*[=:]?\s*"
    r"(\d{1,18}(?:\.\d{1,9})?)\s*(ms|us|µs|μs|ns|s|secs?|seconds|millis|m)?\b",
    re.IGNORECASE,
)


def duration_ms(
    name: str, value: Any, *, go: bool, bare: float | None, nanos: set[str]
) -> float | None:
    """Milliseconds of a field's value, None if it is no duration.

    Args:
        name: of the field, one of `DURATION_RANK`.
        value: as it came.
        go: whether the logger is one of Go's, whose whole numbers are nanoseconds.
        bare: factor of numbers whose unit nothing states; None guesses it.
        nanos: names whose numbers were nanoseconds before, and so are all later ones.

    >>> duration_ms("duration", "1.5ms", go=False, bare=None, nanos=set())
    1.5
    """
    if isinstance(value, bool):
        return None
    number: float | None
    if isinstance(value, str):
        number, factor = _text_value(value.strip())
    elif isinstance(value, int | float):
        number, factor = value, None
    else:
        return None
    if number is None:
        return None
    if factor is None:
        factor = _FIXED.get(name) or bare or _guess(name, value, go=go, nanos=nanos)
    try:
        found = float(number) * factor
    except OverflowError:
        return None
    return found if math.isfinite(found) and found >= 0 else None


def _guess(name: str, value: Any, *, go: bool, nanos: set[str]) -> float:
    whole = isinstance(value, int) or (isinstance(value, str) and value.strip().isdecimal())
    if whole and (name in nanos or go or _NANOS_FROM <= int(value) < _NANOS_TO):
        nanos.add(name)
        return 1e-6
    return _HABITS.get(name, 1.0)


def _text_value(text: str) -> tuple[float | None, float | None]:
    """(number, factor to milliseconds, None where the text names no unit)."""
    if len(text) > 64:
        return None, None
    plain = _NUMBER.fullmatch(text)
    if plain:
        factor = _WORDS.get(plain[2].lower()) if plain[2] else None
        return (None if plain[2] and factor is None else float(plain[1])), factor
    if _GO.fullmatch(text):
        return sum(float(n) * _WORDS[unit] for n, unit in _GO_PART.findall(text)), 1.0
    clock = _CLOCK.fullmatch(text)
    if clock:
        days, hours, minutes, seconds = (float(part or 0) for part in clock.groups())
        return ((days * 24 + hours) * 60 + minutes) * 60 + seconds, 1e3
    iso = _ISO.fullmatch(text)
    if iso and text != "PT":
        hours, minutes, seconds = (float(part or 0) for part in iso.groups())
        return (hours * 60 + minutes) * 60 + seconds, 1e3
    return None, None


def text_duration(text: str, bare: float | None, nanos: set[str]) -> float | None:
    """A duration that a plain message names, such as `took 35 ms`; milliseconds without a unit.

    >>> text_duration("query took 35 ms", None, set()), text_duration("ok", None, set())
    (35.0, None)
    """
    found = _IN_TEXT.search(text[:2000])
    if not found:
        return None
    unit = (found[3] or (found[1] or "").lstrip("_")).lower()
    if unit:
        return float(found[2]) * _WORDS[unit]
    return duration_ms("took", found[2], go=False, bare=bare, nanos=nanos)
