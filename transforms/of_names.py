"""What follows from the names of a table alone: worked out once for each table of names.

The tables of a key group mostly have the same series, and then the same tuple of them, because rows
are put behind those of before (`domain.rows.concatenate`). So it is asked for by that tuple, not by
what is in it.
"""

from collections.abc import Callable
from typing import Generic, TypeVar

from padit.domain.metric import Series

__all__ = ["OfNames"]

Answer = TypeVar("Answer")
_MOST = 1 << 18  # names of all tables together


class OfNames(Generic[Answer]):
    """Answers of a function, by the tuple of series that it was asked about; not to be changed.

    Args:
        ask: the function.
    """

    def __init__(self, ask: Callable[[tuple[Series, ...]], Answer]) -> None:
        self.__doc__ = ask.__doc__
        self._ask = ask
        self._names = 0
        # Each tuple is kept with its answer, so its number is that of no other.
        self._known: dict[int, tuple[tuple[Series, ...], Answer]] = {}

    def __call__(self, series: tuple[Series, ...]) -> Answer:
        """What the function says of these series."""
        found = self._known.get(id(series))
        if found is not None:
            return found[1]
        answer = self._ask(series)
        self._names += len(series) + 1
        if self._names > _MOST:
            self._known.clear()
            self._names = len(series) + 1
        self._known[id(series)] = series, answer
        return answer
