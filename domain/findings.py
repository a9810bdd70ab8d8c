"""What a source found before and while it read: what it guessed, and what it leaves unwatched.

The books of a run cover all that was there: present = read + unwatched + rejected, each counted
in the source's own unit. A source that decides not to watch something says so once, with the
reason and the option that changes the decision.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

__all__ = ["Findings", "Guess", "Unwatched", "UnwatchedCounts", "add_unwatched"]

_MOST_KINDS = 1000
_MOST_SAVED = 50


class Guess(NamedTuple):
    """Something about an input that was detected, not stated.

    Attributes:
        place: file or topic.
        what: as a sentence's subject and verb, such as "the delimiter is ';'".
        option: states it outright, or states otherwise; such as "delimiter=comma"; "" where no
            option does.
        certain: whether it cannot be otherwise and changes nothing for the user; only
            `padit look` shows it then.
    """

    place: str
    what: str
    option: str
    certain: bool = False


class Unwatched(NamedTuple):
    """Something that is there and becomes no sample.

    Attributes:
        place: file, topic or adapter.
        what: such as "column 'p95'".
        reason: why it is not watched, with an example of what it holds.
        remedy: the option that changes it, with its value; "" where none does.
        amount: how many, in `unit`.
        unit: of the amount, the source's own: "cells", "fields", "messages", "lines".
        numeric: how many of them hold a number, or text that looks like one. Only these make a
            run fail; text that is text is named, not counted.
    """

    place: str
    what: str
    reason: str
    remedy: str
    amount: int
    unit: str
    numeric: int = 0


class Findings(NamedTuple):
    """What there is to say about an input.

    Attributes:
        guesses: in the order they were made.
        unwatched: in the order of the input.
    """

    guesses: Sequence[Guess] = ()
    unwatched: Sequence[Unwatched] = ()

    def adding(self, unwatched: Iterable[Unwatched]) -> "Findings":
        """The same with more that is not watched, which was met while reading."""
        return self._replace(unwatched=(*self.unwatched, *unwatched))


class UnwatchedCounts:
    """Counts what is left unwatched while reading, by place, kind and unit.

    Kinds beyond the first are counted together, so memory stays bounded and the sums stay true.

    Args:
        most: kinds that are told apart.
    """

    def __init__(self, most: int = _MOST_KINDS) -> None:
        self._most = most
        self._kinds: dict[tuple[str, str, str], Unwatched] = {}

    def add(self, left: Iterable[Unwatched]) -> None:
        """Count."""
        for one in left:
            key = (one.place, one.what, one.unit)
            if key not in self._kinds and len(self._kinds) >= self._most:
                one = one._replace(place="", what="things of other kinds")
                key = ("", one.what, one.unit)
            known = self._kinds.get(key)
            amount, numeric = (known.amount, known.numeric) if known else (0, 0)
            self._kinds[key] = (known or one)._replace(
                amount=amount + one.amount, numeric=numeric + one.numeric
            )

    def all(self) -> list[Unwatched]:
        """What was counted, in the order it was met."""
        return list(self._kinds.values())


def add_unwatched(known: Sequence[Unwatched], more: Sequence[Unwatched]) -> tuple[Unwatched, ...]:
    """Both tallies as one, in the order of place and name; at most 50 kinds and one for others.

    >>> one = Unwatched("t", "field 'a'", "no path leads to it", "", 2, "fields", 2)
    >>> [(left.what, left.amount) for left in add_unwatched([one], [one])]
    [("field 'a'", 4)]
    """
    if not more:
        return tuple(known)
    counts = UnwatchedCounts(_MOST_SAVED)
    counts.add((*known, *more))
    return tuple(sorted(counts.all(), key=lambda one: (one.place, one.what, one.unit)))
