"""Times that options are given as."""

from padit.domain.errors import ConfigurationError
from padit.domain.timestamps import parse_timestamp

__all__ = ["time_of"]


def time_of(option: str, text: str) -> int:
    """Event time, microseconds.

    Raises:
        ConfigurationError: it is no time.
    """
    try:
        return parse_timestamp(text)
    except (ValueError, OverflowError) as error:
        message = f"{option} {text!r} is not a time: write it like 2026-01-05T06:00:00Z"
        raise ConfigurationError(message) from error
