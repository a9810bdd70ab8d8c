"""Where two trees of plain values differ: shapes, identities of runs, settings of alerts."""

from collections.abc import Iterator
from itertools import zip_longest
from typing import Any, Final, NamedTuple

__all__ = ["ABSENT", "Difference", "differences"]

ABSENT: Final = "(nothing)"


class Difference(NamedTuple):
    """One place where two trees differ; `ABSENT` if one has nothing there."""

    path: str
    left: Any
    right: Any


def differences(left: Any, right: Any, path: str = "") -> Iterator[Difference]:
    """Differences of two values, in the order of the keys.

    Reported as a whole: a part that is missing on one side, things with different names
    (detectors, say), and lists of such things with different lengths.

    >>> list(differences({"a": [1, 2], "b": 3}, {"a": [1, 4]}))
    [Difference(path='a[1]', left=2, right=4), Difference(path='b', left=3, right='(nothing)')]
    """
    if left == right:
        return
    if isinstance(left, dict) and isinstance(right, dict) and left.get("name") == right.get("name"):
        for key in sorted(left.keys() | right.keys()):
            inner = f"{path}.{key}" if path else str(key)
            yield from differences(left.get(key, ABSENT), right.get(key, ABSENT), inner)
    elif isinstance(left, list) and isinstance(right, list) and _by_place(left, right):
        for number, (one, other) in enumerate(zip_longest(left, right, fillvalue=ABSENT)):
            yield from differences(one, other, f"{path}[{number}]")
    else:
        yield Difference(path, left, right)


def _by_place(left: list[Any], right: list[Any]) -> bool:
    named = any(isinstance(one, dict) and "name" in one for one in (*left, *right))
    return len(left) == len(right) or not named
