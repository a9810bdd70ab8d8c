"""Options of a job that have to fit each other: windows, and where reading begins and ends."""

from collections.abc import Mapping
from typing import Any

from padit.domain.errors import ConfigurationError
from padit.domain.timestamps import parse_timestamp, seconds_to_micros

__all__ = ["times_of", "windows_of"]


def windows_of(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Length of a window and time between two, microseconds.

    Raises:
        ConfigurationError: they do not fit each other.
    """
    size = seconds_to_micros(raw["window_size_sec"])
    interval = seconds_to_micros(raw["extract_interval_sec"])
    if size < interval:
        message = (
            f"--window_size_sec={raw['window_size_sec']:g} is smaller than "
            f"--extract_interval_sec={raw['extract_interval_sec']:g}: samples between two windows "
            "would never be used; make the interval at most as long as the window"
        )
        raise ConfigurationError(message)
    if size % interval:
        nearest = max(1, round(size / interval)) * interval / 1e6
        message = (
            f"--window_size_sec={raw['window_size_sec']:g} must be a whole multiple of "
            f"--extract_interval_sec={raw['extract_interval_sec']:g}; the nearest is {nearest:g}"
        )
        raise ConfigurationError(message)
    return {"window_size": size, "extract_interval": interval}


def times_of(raw: Mapping[str, Any]) -> dict[str, Any]:
    """First and last event time, microseconds, or None.

    Raises:
        ConfigurationError: one is no time, or they contradict each other or the offsets.
    """
    start, end = _moment(raw, "start_time"), _moment(raw, "end_time")
    if start is not None and end is not None and start >= end:
        message = f"--start_time={raw['start_time']} is not before --end_time={raw['end_time']}"
        raise ConfigurationError(message)
    if start is not None and raw["start_offset"] is not None:
        message = "--start_time and --start_offset both set where to begin; give one of them"
        raise ConfigurationError(message)
    if end is not None and raw["end_offset"] is not None:
        message = "--end_time and --end_offset both set where to end; give one of them"
        raise ConfigurationError(message)
    offset = raw["start_offset"]
    if offset is not None and offset not in ("earliest", "latest") and not offset.isdecimal():
        message = f"--start_offset={offset} is neither earliest, latest nor a number"
        raise ConfigurationError(message)
    if offset is not None and offset.isdecimal():
        if int(offset) >= 2**63:
            message = f"--start_offset={offset} is beyond every offset; the largest is {2**63 - 1}"
            raise ConfigurationError(message)
        if raw["end_offset"] is not None and raw["end_offset"] <= int(offset):
            message = f"--start_offset={offset} is not before --end_offset={raw['end_offset']}"
            raise ConfigurationError(message)
    return {"start_time": start, "end_time": end}


def _moment(raw: Mapping[str, Any], name: str) -> int | None:
    text = raw[name]
    if text is None:
        return None
    try:
        return parse_timestamp(float(text) if _is_number(text) else text)
    except ValueError as error:
        message = f"--{name}={text} is neither RFC 3339 nor epoch seconds or milliseconds"
        raise ConfigurationError(message) from error


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
