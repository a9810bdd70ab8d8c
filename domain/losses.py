"""What a run lost and why: kinds of reasons, each with a count and one example.

A reader keeps a tally in its saved position, so it survives a restart. It is bounded: at most
`MOST_KINDS` kinds, one example each. Which example is kept does not depend on how a log is cut
into reads: of late samples the one that is furthest behind, of dead letters the first.
"""

from collections.abc import Iterable

import msgspec

__all__ = ["LATE_KIND", "MOST_KINDS", "OTHER_KIND", "Loss", "add_losses"]

MOST_KINDS = 20
LATE_KIND = "late"
OTHER_KIND = "other reasons"
"""Holds what is lost for reasons beyond the first `MOST_KINDS`."""


class Loss(msgspec.Struct, frozen=True):
    """Samples that are lost for one kind of reason.

    Attributes:
        kind: the reason without its values; or `LATE_KIND`, `OTHER_KIND`.
        count: how many samples.
        reason: of the example, for people, with the offending value.
        place: topic or file of the example.
        partition: of the example; 0 for a single file.
        offset: of the example, a row or line of a file; -1 where it is not known.
        record: how the record of the example begins.
        behind: of a late sample, by how much it is older than the newest before it, microseconds.
    """

    kind: str
    count: int
    reason: str
    place: str
    partition: int = 0
    offset: int = -1
    record: str = ""
    behind: int = 0

    @property
    def where(self) -> str:
        """Place of the example, for people."""
        offset = f", offset {self.offset}" if self.offset >= 0 else ""
        return f"{self.place}, partition {self.partition}{offset}"


def add_losses(known: Iterable[Loss], more: Iterable[Loss]) -> tuple[Loss, ...]:
    """Both tallies as one, sorted by kind.

    >>> one, two = Loss("late", 2, "a", "t", behind=5), Loss("late", 1, "b", "t", behind=9)
    >>> [(loss.count, loss.reason) for loss in add_losses([one], [two])]
    [(3, 'b')]
    """
    tally = {one.kind: one for one in known}
    for one in more:
        named = one.kind in tally or one.kind == LATE_KIND or len(tally) < MOST_KINDS
        kind = one.kind if named else OTHER_KIND
        before = tally.get(kind)
        tally[kind] = _both(before, one) if before else msgspec.structs.replace(one, kind=kind)
    return tuple(tally[kind] for kind in sorted(tally))


def _both(one: Loss, other: Loss) -> Loss:
    example = min(one, other, key=_rank)
    return msgspec.structs.replace(example, kind=one.kind, count=one.count + other.count)


def _rank(one: Loss) -> tuple[int, int, int]:
    """The smallest is kept as the example."""
    return -one.behind, one.partition, one.offset
