"""The unit that a number since 1970 is probably in, for the reason of its refusal."""

from padit.domain.timestamps import EARLIEST_US, LATEST_US

__all__ = ["NANOS", "probable_unit"]

NANOS = {"s": 1_000_000_000, "ms": 1_000_000, "us": 1_000, "ns": 1}
"""Nanoseconds of each unit."""


def probable_unit(time: int) -> str:
    """The unit in which a time lies in the years 2000 to 2199; "" if it does in none.

    >>> probable_unit(1_767_571_200), probable_unit(1_767_571_200_000), probable_unit(7)
    ('s', 'ms', '')
    """
    return next(
        (
            name
            for name, unit in NANOS.items()
            if EARLIEST_US * 1000 <= time * unit < LATEST_US * 1000
        ),
        "",
    )
