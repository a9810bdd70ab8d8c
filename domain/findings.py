"""What a source found before and while it read: what it guessed, and what it leaves unwatched.

The books of a run cover all that was there: present = read + unwatched + rejected, each counted
in the source's own unit. A source that decides not to watch something says so once, with the
reason and the option that changes the decision.
"""

from collections.abc import Sequence
from typing import NamedTuple

__all__ = ["Findings", "Guess", "Unwatched"]


class Guess(NamedTuple):
    """Something about an input that was detected, not stated.

    Attributes:
        place: file or topic.
        what: as a sentence's subject and verb, such as "the delimiter is ';'".
        option: states it outright, or states otherwise; such as "delimiter=comma".
    """

    place: str
    what: str
    option: str


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
