"""How the alerting configuration writes durations, times, zones, patterns, names and links."""

import re
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from padit.domain.timestamps import MICROS, parse_timestamp, zone_of

__all__ = ["Duration", "Link", "Moment", "Name", "Patterns", "Zone", "at_least", "duration_of"]

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_LONGEST = 36_525 * 86_400 * MICROS  # times and these together fit into saved state
_LATEST = 253_402_300_800 * MICROS  # the year 10,000
_DURATION = re.compile(r"(\d{1,9}(?:\.\d{1,3})?)\s*(s|m|h|d|w)")


def duration_of(value: Any) -> int:
    """Microseconds of `90s`, `5m`, `2h`, `1d`.

    Raises:
        ValueError: it is no duration, or longer than 100 years.
    """
    found = _DURATION.fullmatch(value.strip()) if isinstance(value, str) else None
    if found is None:
        message = f"a duration is a number and s, m, h, d or w, like 5m; not {value!r}"
        raise ValueError(message)
    micros = round(float(found[1]) * _UNITS[found[2]] * MICROS)
    if micros > _LONGEST:
        message = (
            f"a duration is at most {_LONGEST // (86_400 * MICROS)}d, 100 years; not {value!r}"
        )
        raise ValueError(message)
    return micros


def _moment(value: Any) -> int:
    """Microseconds of an RFC 3339 time."""
    if isinstance(value, int) and not isinstance(value, bool):
        if not 0 <= value < _LATEST:
            message = f"a time in microseconds lies between the years 1970 and 9999; not {value}"
            raise ValueError(message)
        return value
    text = value.isoformat() if hasattr(value, "isoformat") else value
    if not isinstance(text, str):
        message = f"a time is RFC 3339 text, like 2026-03-01T08:00:00Z; not {value!r}"
        raise ValueError(message)
    return parse_timestamp(text)


def _several(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _zone(value: str) -> str:
    if zone_of(value) is None:
        message = f"there is no time zone {value!r}; give a name like Europe/Berlin"
        raise ValueError(message)
    return value


def at_least(text: str) -> AfterValidator:
    """A bound of a duration that is said in the units of the file."""
    least = duration_of(text)

    def check(value: int) -> int:
        if value < least:
            message = f"it has to be at least {text}"
            raise ValueError(message)
        return value

    return AfterValidator(check)


def _link(value: str) -> str:
    rest = value.replace("{incident}", "").replace("{time}", "")
    if "{" in rest or "}" in rest:
        message = "only {incident} and {time} can stand in braces"
        raise ValueError(message)
    return value


Duration = Annotated[
    int, BeforeValidator(duration_of), WithJsonSchema({"type": "integer", "format": "duration"})
]
Moment = Annotated[int, BeforeValidator(_moment)]
Patterns = Annotated[tuple[str, ...], BeforeValidator(_several)]
Zone = Annotated[str, AfterValidator(_zone)]
Name = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[\w.\-/ ]+$")]
Link = Annotated[str, AfterValidator(_link)]
