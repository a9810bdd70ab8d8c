"""Times that a sample can have; what a device states may be none of them."""

from padit.domain.timestamps import EARLIEST_US, LATEST_US

__all__ = ["possible_time"]

_EARLIEST, _LATEST = EARLIEST_US / 1e6, LATEST_US / 1e6


def possible_time(seconds: float) -> bool:
    """Whether readers accept a sample of this time: epoch seconds in the years 2000 to 2199.

    An adapter that takes times from elsewhere asks this before it emits: what it emits is counted
    as a sample, and what readers refuse is lost later, without its name.

    >>> possible_time(1_767_323_045.0), possible_time(99_999_999_999.0), possible_time(float("nan"))
    (True, False, False)
    """
    return _EARLIEST <= seconds < _LATEST
