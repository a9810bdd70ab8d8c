"""Which records of a read are looked at once more, for what a decoder does not tell; and the names.

All of a reader's first records are, then some of every read, spread evenly, each of which stands
for its neighbours. Memory is bounded by the number of names.
"""

__all__ = ["LookedAt"]

_FIRST = 1000  # records of a reader that are all looked at
_OF_A_READ = 8
_LONGEST = 80  # characters of a name


class LookedAt:
    """The records that one reader looks at, and the names that it met in them.

    Args:
        most: names that are counted one by one; all others are counted together.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._seen = 0
        self._names: set[str] = set()

    @property
    def at_first(self) -> bool:
        """Whether not all of the first records have been looked at."""
        return self._seen < _FIRST

    def of(self, taken: int) -> list[int]:
        """The positions of those to look at, of so many records that were decoded."""
        most = min(taken, max(_OF_A_READ, _FIRST - self._seen))
        self._seen = min(_FIRST, self._seen + taken)
        return [n * (taken - 1) // max(most - 1, 1) for n in range(most)]

    def shown(self, name: str) -> str:
        """A name in quotes, shortened; "" for one too many."""
        if name not in self._names and len(self._names) >= self._most:
            return ""
        self._names.add(name)
        return repr(name if len(name) <= _LONGEST else f"{name[: _LONGEST - 3]}...")
