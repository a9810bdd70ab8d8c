"""Where two trees of plain values differ: shapes, identities of runs, settings of alerts."""

from collections.abc import Iterator
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

    Reported as a whole: a part that is missing on one side, lists of different lengths, and things
    with different names (detectors, say).

    >>> list(differences({"a": [1, 2], "b": 3}, {"a": [1, 4]}))
    [Difference(path='a[1]', left=2, right=4), Difference(path='b', left=3, right='(nothing)')]
    """
    if left == right:
        return
    if isinstance(left, dict) and isinstance(right, dict) and left.get("name") == right.get("name"):
        for key in sorted(left.keys() | right.keys()):
            inner = f"{path}.{key}" if path else str(key)
            yield from differences(left.get(key, ABSENT), right.get(key, ABSENT), inner)
    elif isinstance(left, list) and isinstance(right, list) and len(left) == len(right):
        for number, (one, other) in enumerate(zip(left, right, strict=True)):
            yield from differences(one, other, f"{path}[{number}]")
    else:
        yield Difference(path, left, right)
