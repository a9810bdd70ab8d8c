"""The canary: a source whose anomalies are known, so that their alerts show that all of it works.

Its names are reserved. A pattern means a canary only if it begins with the canary's name, so
nothing that watches `*` learns it, alerts about it, or sends it to people.
"""

from fnmatch import fnmatchcase

__all__ = ["CANARY", "covers", "is_canary"]

CANARY = "padit-canary"
"""Reserved: the beginning of the source_id of every canary."""


def is_canary(source_id: str) -> bool:
    """Whether a source is a canary."""
    return source_id.startswith(CANARY)


def covers(pattern: str, source_id: str) -> bool:
    """Whether a pattern of sources means this one; `*` means no canary.

    >>> covers("*", "press-1"), covers("*", "padit-canary-3"), covers("padit-*", "padit-canary-3")
    (True, False, False)
    >>> covers("padit-canary-*", "padit-canary-3")
    True
    """
    if is_canary(source_id) and not pattern.startswith(CANARY):
        return False
    return fnmatchcase(source_id, pattern)
