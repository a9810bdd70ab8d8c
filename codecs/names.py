"""Names of series: how long they may be, which cannot be used, and many of them in a message."""

import hashlib
from collections.abc import Sequence

from padit.domain.metric import Series

__all__ = ["MAX_NAME_LENGTH", "find_unusable", "name_fault", "shortened", "some_of"]

MAX_NAME_LENGTH = 512


def name_fault(series: Series) -> str:
    """The fault of the names of a series; empty if there is none."""
    source, metric, unit = series
    longest = max(len(source), len(metric), len(unit))
    if source and metric and longest <= MAX_NAME_LENGTH:
        return ""
    for field, text in zip(Series._fields, series, strict=True):
        if field != "unit" and not text:
            return f"{field} is empty"
        if len(text) > MAX_NAME_LENGTH:
            return f"{field} has {len(text)} characters, at most {MAX_NAME_LENGTH} are allowed"
    return ""


def find_unusable(table: Sequence[Series]) -> dict[int, str]:
    """By position the series of a table that cannot be used, and why."""
    return {i: fault for i, series in enumerate(table) if (fault := name_fault(series))}


def shortened(name: str) -> str:
    """A name within the limit; one that is too long ends in a hash of the whole."""
    if len(name) <= MAX_NAME_LENGTH:
        return name
    digest = hashlib.sha256(name.encode("utf-8", "replace")).hexdigest()[:16]
    return f"{name[: MAX_NAME_LENGTH - 17]}#{digest}"


def some_of(names: Sequence[str], most: int = 5) -> str:
    """The first names, as a message has them, and how many more there are.

    >>> some_of(["a", "b"]), some_of(["a", "b", "c"], 1)
    ('a, b', 'a and 2 more')
    """
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
