"""Dead letters of the job, by reason and place: what to mend first, and at which producer."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from padit.connectors.losses import kind_of
from padit.domain.dead_letter import DeadLetter

__all__ = ["Group", "grouped", "lines"]

_SHOWN = 100


@dataclass(slots=True)
class Group:
    """Letters of one reason, from one partition: a producer mostly writes to one of them.

    Attributes:
        topic, partition: where they came from.
        kind: the reason without its values.
        letters, lost: how many, and their samples.
        first: the first of them, as an example.
    """

    topic: str
    partition: int
    kind: str
    letters: int
    lost: int
    first: DeadLetter


def grouped(letters: Iterable[DeadLetter]) -> list[Group]:
    """Group letters by their reason and partition; what lost most samples comes first.

    Args:
        letters: as the job writes them with `--dlq`; one that comes again counts once.
    """
    found: dict[tuple[str, int, str], Group] = {}
    seen: set[tuple[str, int, int, str]] = set()
    for one in letters:
        # A replay of the same range writes its letters again.
        identity = (one.topic, one.partition, one.offset, one.reason)
        if identity in seen:
            continue
        seen.add(identity)
        kind = kind_of(one.reason)
        group = found.setdefault(
            (one.topic, one.partition, kind), Group(one.topic, one.partition, kind, 0, 0, one)
        )
        group.letters += 1
        group.lost += one.lost
    return sorted(found.values(), key=lambda one: (-one.lost, one.topic, one.partition, one.kind))


def lines(groups: Iterable[Group]) -> Iterator[str]:
    """For people: three lines a group."""
    for one in groups:
        yield f"{one.letters} letters, {one.lost} samples, {one.topic}/{one.partition}: {one.kind}"
        yield f"  for example at offset {one.first.offset}: {one.first.reason}"
        yield f"  {one.first.original[:_SHOWN]!r}"
