"""Side outputs of the source: late rows, dead letters, idleness decisions."""

import dataclasses
import logging
from collections.abc import Hashable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Generic, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from padit.codecs.contract import LeftOut
from padit.codecs.keys_twice import KeysTwice
from padit.codecs.other_fields import OtherFields
from padit.codecs.records import Decoded
from padit.codecs.validate import Read, Validate
from padit.connectors.cursor import Advance, Cursor, Numbered
from padit.connectors.losses import FAR_REASON
from padit.connectors.source import Decoder
from padit.domain.attributes import UNSTATED, Attributes
from padit.domain.audit import IdlenessDecision, ReaderLosses, encode_record
from padit.domain.batch import Batch
from padit.domain.dead_letter import DeadLetter
from padit.domain.findings import Unwatched
from padit.domain.losses import LATE_KIND, MOST_KINDS, Loss
from padit.domain.message import Kind, Message
from padit.domain.metric import Metric, Series
from padit.domain.rows import Rows
from padit.domain.timestamps import MICROS

__all__ = [
    "DEAD",
    "LATE",
    "DeadLog",
    "LabelLog",
    "LeftLog",
    "decision_message",
    "label_names",
    "late_messages",
    "losses_message",
    "note_left_out",
    "side_messages",
]

LATE = "late"
DEAD = "dead"

_Kind = TypeVar("_Kind", bound=Hashable)
_LOG = logging.getLogger(__name__)
_MOST_LEFT = 50
_MORE_OFTEN = 100  # a kind is logged again when so many times as many samples are lost


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
            for message in late_messages(name, one.partition, one.first, one.rows):
                yield LATE, message
    if DEAD in outputs:
        for record in found.dead:
            yield DEAD, Message.dead_letter(record.letter())
        for one in found.far:
            for message in _far_messages(name, one):
                yield DEAD, message


def late_messages(name: str, partition: int, first: int, rows: Rows) -> Iterator[Message]:
    """Late rows as metrics; numbered within their partition, so that each keeps its identity."""
    columns = (rows.code.tolist(), rows.time.tolist(), rows.value.tolist())
    known = _attributes(rows)
    for number, (code, moment, value) in enumerate(zip(*columns, strict=True), first):
        series = rows.series[code]
        metric = _metric(series, moment, value, known[number - first])
        identity = (name, str(partition), str(number))
        value = msgspec.json.encode(metric)
        yield Message.of(Kind.LATE, series.key, moment, value, *identity)


def _attributes(rows: Rows) -> list[Attributes]:
    """Attributes of each row."""
    column = rows.attributes
    if column is None:
        return [UNSTATED] * len(rows)
    return [column.table[i] for i in column.of_rows(rows.code).tolist()]


def _metric(series: Series, moment: int, value: float, known: Attributes) -> Metric:
    kind: Any = known.metric_type
    return Metric(
        moment / MICROS,
        series.source_id,
        series.metric_name,
        value,
        series.unit,
        metric_type=kind,
        metadata=dict(known.labels),
    )


class _Seldom(Generic[_Kind]):
    """Counts by kind, and when a kind is due to be logged: at its 1st, 100th, 10,000th ... time.

    Args:
        most: kinds that are counted; others are never due.
        first: count at which a kind is due for the first time, where that is not 1.
    """

    def __init__(self, most: int, first: Mapping[_Kind, int] = MappingProxyType({})) -> None:
        self._most = most
        self._count: dict[_Kind, int] = {}
        self._next = dict(first)

    def due(self, kind: _Kind, more: int) -> int | None:
        """Count; the total of the kind if it is to be logged now, else None."""
        if kind not in self._count and len(self._count) == self._most:
            return None
        self._count[kind] = total = self._count.get(kind, 0) + more
        at = self._next.get(kind, 1)
        if total < at:
            return None
        while at <= total:
            at *= _MORE_OFTEN
        self._next[kind] = at
        return total


class LabelLog:
    """A decoder that counts what becomes no part of a sample: labels, fields, names twice.

    It warns of labels that cannot be used: at the 1st, 100th, 10,000th ... sample.

    Args:
        decode: the decoder.
        name: of the source, for the message.
    """

    def __init__(self, decode: Decoder, name: str) -> None:
        self._decode = decode
        self._name = name
        self._others = OtherFields()
        self._twice = KeysTwice()
        self._seldom: _Seldom[str] = _Seldom(1)
        self._total = self._taken = 0

    def __call__(
        self, values: Sequence[bytes | None], record_time: NDArray[np.int64] | None
    ) -> Decoded:
        """Decode; count samples of which a label was left out, and numbers that no sample has."""
        decoded = self._decode(values, record_time)
        self.note(decoded.left_out)
        left = self._twice.count(values, decoded.taken)
        if isinstance(self._decode, Validate) and self._decode.read is None:
            left += self._others.count(values, decoded.taken)  # a mapping counts itself
        return _leaving(decoded, left) if left else decoded

    @property
    def labels(self) -> tuple[str, ...]:
        """Labels that the configuration names, for readers whose records are not decoded."""
        return label_names(self._decode)

    def note(self, left_out: LeftOut) -> None:
        """Count samples of which a label was left out."""
        if not left_out.samples:
            return
        self._total += left_out.samples
        if self._seldom.due("", left_out.samples) is not None:
            _LOG.warning(
                "samples of %s without one of their labels so far: %d; %s",
                self._name, self._total, left_out.reason,
            )  # fmt: skip

    def reading(self, read: Read) -> "LabelLog":
        """The same log over records that are read in another way."""
        if isinstance(self._decode, Validate):
            self._decode = self._decode.reading(read)
        return self

    def news(self) -> int:
        """Samples counted since the last call."""
        more, self._taken = self._total - self._taken, self._total
        return more


def _leaving(decoded: Decoded, left: tuple[Unwatched, ...]) -> Decoded:
    return dataclasses.replace(decoded, unwatched=(*decoded.unwatched, *left))


def label_names(decode: Decoder) -> tuple[str, ...]:
    """Labels that the configuration names, as a reader's decoder knows them."""
    return decode.labels if isinstance(decode, Validate | LabelLog) else ()


def note_left_out(decode: Decoder, left_out: LeftOut) -> None:
    """Count samples of which a label was left out, where the reader's decoder counts them."""
    if isinstance(decode, LabelLog):
        decode.note(left_out)


class DeadLog:
    """Warns of lost samples: each kind of reason at its 1st, 100th, 10,000th ... sample.

    So a broken producer is seen, with an example, and a storm of broken records stays short. A
    kind is a reason without its values; at most `MOST_KINDS` kinds are logged. A few late samples
    are usual, so those are logged from the 100th on.

    Args:
        kept: whether the dead letters are written somewhere.
    """

    def __init__(self, kept: bool) -> None:
        self._hint = "" if kept else "; --dlq keeps such records"
        self._seldom: _Seldom[str] = _Seldom(MOST_KINDS, {LATE_KIND: _MORE_OFTEN})

    def note(self, lost_now: Sequence[Loss]) -> None:
        """Count what a read lost, and log the kinds that are due."""
        for one in lost_now:
            lost = self._seldom.due(one.kind, one.count)
            if lost is not None:
                late = one.kind == LATE_KIND
                what = "late" if late else "unusable"
                hint = "; --out_of_orderness_sec allows for it" if late else self._hint
                _LOG.warning(
                    "%s samples of this kind so far: %d; %s: %s%s",
                    what, lost, one.where, one.reason, hint,
                )  # fmt: skip


class LeftLog:
    """Names what a mapping leaves unwatched: each kind at its 1st, 100th, 10,000th ... time."""

    def __init__(self) -> None:
        self._seldom: _Seldom[tuple[str, str]] = _Seldom(_MOST_LEFT)

    def note(self, left: Sequence[Unwatched]) -> None:
        """Count, and log the kinds that are due."""
        for one in left:
            total = self._seldom.due((one.place, one.what), one.amount)
            if total is not None:
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


def losses_message(cursor: Cursor) -> Message:
    """What a reader lost and why, for the audit log, once it has read all of its input."""
    left = tuple(one._asdict() for one in cursor.unwatched)
    record = encode_record(ReaderLosses(cursor.shard, cursor.losses, left))
    return Message.of(Kind.AUDIT, ("losses",), 0, record, "losses", record.decode())


def _far_messages(name: str, far: Numbered) -> Iterator[Message]:
    """Dead letters for rows whose clock runs far ahead of the others of their partition.

    A letter holds the sample as JSON and not the record, whose other samples may be in order;
    its offset is that of the last record that was read together with it.
    """
    for number, sample in enumerate(late_messages(name, far.partition, 0, far.rows), far.first):
        letter = DeadLetter.of(sample.value, FAR_REASON, name, far.partition, far.following - 1)
        yield Message.dead_letter(letter, number + 1)  # 0 is the letter of the record itself
