"""What reading says besides its batches: late rows, dead letters, decisions by the clock."""

import hashlib
from collections.abc import Iterator

import msgspec

from padit.codecs.dead_letter import DeadLetter
from padit.connectors.cursor import Cursor
from padit.domain.audit import IdlenessDecision, encode_record
from padit.domain.batch import Batch
from padit.domain.message import Message
from padit.domain.metric import Metric
from padit.domain.rows import Rows
from padit.domain.timestamps import MICROS

__all__ = ["dead_messages", "decision_message", "late_messages"]


def late_messages(name: str, partition: int, first: int, rows: Rows) -> Iterator[Message]:
    """Late rows as metrics; numbered within their partition, so that each keeps its identity."""
    columns = (rows.code.tolist(), rows.time.tolist(), rows.value.tolist())
    for number, (code, moment, value) in enumerate(zip(*columns, strict=True), first):
        series = rows.series[code]
        metric = Metric(moment / MICROS, series.source_id, series.metric_name, value, series.unit)
        key = f"{series.source_id}:{series.metric_name}"
        identity = f"{name}:{partition}:{number:020d}"
        yield Message(identity, key, moment, msgspec.json.encode(metric))


def dead_messages(letters: list[DeadLetter]) -> Iterator[Message]:
    """Dead letters; several of one record are numbered."""
    number = 0
    before: tuple[int, int] | None = None
    for letter in letters:
        place = (letter.partition, letter.offset)
        number = number + 1 if place == before else 0
        before = place
        key = f"{letter.topic}:{letter.partition}"
        yield Message(f"{key}:{letter.offset:020d}:{number:06d}", key, 0, letter.to_json())


def decision_message(cursor: Cursor, batch: Batch) -> Message:
    """An idle partition given up, for the audit log.

    Args:
        cursor: where the reader stands behind the decision.
        batch: what the decision says to the key groups.
    """
    following = {number: one.following for number, one in sorted(cursor.at.items())}
    watermarks = {position.partition: position.watermark for position in batch.positions}
    record = encode_record(IdlenessDecision(following, watermarks))
    identity = f"idle:{hashlib.sha256(record).hexdigest()[:32]}"
    return Message(identity, "idle", min(watermarks.values()), record)
