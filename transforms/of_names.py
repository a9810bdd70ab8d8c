"""What follows from the names of a table alone: worked out once for each table of names.

The tables of a key group mostly have the same series, and then the same tuple of them, because rows
are put behind those of before (`domain.rows.concatenate`). So to find it takes a hash of the names.
"""

from collections.abc import Callable
from typing import Generic, TypeVar

from padit.domain.metric import Series

__all__ = ["OfNames"]

Answer = TypeVar("Answer")
_MOST = 1 << 18  # names of all tables together


class OfNames(Generic[Answer]):
    """Answers of a function, by the series that it was asked about; not to be changed.

    Args:
        ask: the function.
    """

    def __init__(self, ask: Callable[[tuple[Series, ...]], Answer]) -> None:
        self.__doc__ = ask.__doc__
        self._ask = ask
        self._names = 0
        self._known: dict[tuple[Series, ...], Answer] = {}

    def __call__(self, series: tuple[Series, ...]) -> Answer:
        """What the function says of these series."""
        try:
            return self._known[series]
        except KeyError:
            pass
        answer = self._ask(series)
        self._names += len(series) + 1
        if self._names > _MOST:
            self._known.clear()
            self._names = len(series) + 1
        self._known[series] = answer
        return answer
