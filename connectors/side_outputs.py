"""Side outputs of the source: late rows, dead letters, idleness decisions."""

import logging
import re
from collections.abc import Iterator, Sequence

import msgspec

from padit.codecs.dead_letter import DeadRecord
from padit.connectors.cursor import Advance, Cursor, Numbered
from padit.domain.audit import IdlenessDecision, encode_record
from padit.domain.batch import Batch
from padit.domain.dead_letter import DeadLetter
from padit.domain.findings import Unwatched
from padit.domain.message import Kind, Message
from padit.domain.metric import Metric
from padit.domain.rows import Rows
from padit.domain.timestamps import MICROS
from padit.domain.watermark import FAR

__all__ = ["DEAD", "LATE", "DeadLog", "LeftLog", "decision_message", "side_messages"]

LATE = "late"
DEAD = "dead"

_LOG = logging.getLogger(__name__)
_MOST_KINDS = 20
_MOST_LEFT = 50
_MORE_OFTEN = 100  # a kind is logged again when so many times as many samples are lost
_FAR = (
    f"its time lies more than {FAR // MICROS // 3600} h ahead of other sources of the partition, "
    "which go on; set the clock of its producer"
)
_PARTICULARS = re.compile(r"'[^']*'|\"[^\"]*\"|[-+]?\d[\w.+-]*|\b(nan|inf)\b")


def side_messages(
    name: str, found: Advance, outputs: frozenset[str]
) -> Iterator[tuple[str, Message]]:
    """Late rows and dead letters with the output of each, one made after the other.

    Args:
        name: of the source.
        found: what the reader's cursor moved over.
        outputs: the outputs that are read; nothing is made for others.
    """
    if LATE in outputs:
        for one in found.late:
            for message in _late_messages(name, one.partition, one.first, one.rows):
                yield LATE, message
    if DEAD in outputs:
        for record in found.dead:
            yield DEAD, Message.dead_letter(record.letter())
        for one in found.far:
            for message in _far_messages(name, one):
                yield DEAD, message


def _late_messages(name: str, partition: int, first: int, rows: Rows) -> Iterator[Message]:
    """Late rows as metrics; numbered within their partition, so that each keeps its identity."""
    columns = (rows.code.tolist(), rows.time.tolist(), rows.value.tolist())
    for number, (code, moment, value) in enumerate(zip(*columns, strict=True), first):
        series = rows.series[code]
        metric = Metric(moment / MICROS, series.source_id, series.metric_name, value, series.unit)
        identity = (name, str(partition), str(number))
        value = msgspec.json.encode(metric)
        yield Message.of(Kind.LATE, series.key, moment, value, *identity)


class DeadLog:
    """Warns of unusable samples: each kind of reason at its 1st, 100th, 10,000th ... sample.

    So a broken producer is seen, with an example, and a storm of broken records stays short. A
    kind is a reason without its values; at most `_MOST_KINDS` kinds are logged.

    Args:
        kept: whether the dead letters are written somewhere.
    """

    def __init__(self, kept: bool) -> None:
        self._hint = "" if kept else "; --dlq keeps such records"
        self._lost: dict[str, int] = {}
        self._next: dict[str, int] = {}

    def note(self, dead: Sequence[DeadRecord]) -> None:
        """Count, and log the kinds that are due."""
        for one in dead:
            kind = _PARTICULARS.sub("", one.reject.reason)
            if kind not in self._lost and len(self._lost) == _MOST_KINDS:
                continue
            self._lost[kind] = lost = self._lost.get(kind, 0) + one.reject.lost
            if lost >= self._next.get(kind, 1):
                self._next[kind] = _MORE_OFTEN * self._next.get(kind, 1)
                while self._next[kind] <= lost:
                    self._next[kind] *= _MORE_OFTEN
                _LOG.warning(
                    "unusable samples of this kind so far: %d; %s, partition %d, offset %d: %s%s",
                    lost, one.topic, one.partition, one.offset, one.reject.reason, self._hint,
                )  # fmt: skip


class LeftLog:
    """Names what a mapping leaves unwatched: each kind at its 1st, 100th, 10,000th ... time."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], int] = {}
        self._next: dict[tuple[str, str], int] = {}

    def note(self, left: Sequence[Unwatched]) -> None:
        """Count, and log the kinds that are due."""
        for one in left:
            kind = (one.place, one.what)
            if kind not in self._found and len(self._found) == _MOST_LEFT:
                continue
            self._found[kind] = total = self._found.get(kind, 0) + one.amount
            if total >= self._next.get(kind, 1):
                while self._next.get(kind, 1) <= total:
                    self._next[kind] = _MORE_OFTEN * self._next.get(kind, 1)
                _LOG.warning(
                    "not watched so far: %s of %s, %d %s: %s%s", one.what, one.place, total,
                    one.unit, one.reason, f"; see {one.remedy}" if one.remedy else "",
                )  # fmt: skip


def decision_message(cursor: Cursor, batch: Batch) -> Message:
    """The decision that a partition is idle, for the audit log.

    Args:
        cursor: where the reader stands behind the decision.
        batch: carries the decision to the key groups.
    """
    following = {number: one.following for number, one in sorted(cursor.at.items())}
    watermarks = {position.partition: position.watermark for position in batch.positions}
    record = encode_record(IdlenessDecision(following, watermarks))
    moment = min(watermarks.values())
    return Message.of(
        Kind.AUDIT, ("idleness_decision",), moment, record, "idleness_decision", record.decode()
    )


def _far_messages(name: str, far: Numbered) -> Iterator[Message]:
    """Dead letters for rows whose clock runs far ahead of the others of their partition.

    A letter holds the sample as JSON and not the record, whose other samples may be in order;
    its offset is that of the last record that was read together with it.
    """
    for number, sample in enumerate(_late_messages(name, far.partition, 0, far.rows), far.first):
        letter = DeadLetter.of(sample.value, _FAR, name, far.partition, far.following - 1)
        yield Message.dead_letter(letter, number + 1)  # 0 is the letter of the record itself
