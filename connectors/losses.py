"""What a read loses, by kind of reason."""

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from padit.codecs.dead_letter import DeadRecord
from padit.domain.losses import LATE_KIND, Loss
from padit.domain.rows import Rows
from padit.domain.timestamps import MICROS, format_utc
from padit.domain.watermark import FAR

__all__ = ["FAR_REASON", "dead_losses", "far_loss", "kind_of", "late_loss"]

FAR_REASON = (
    f"its time lies more than {FAR // MICROS // 3600} h ahead of other sources of the partition, "
    "which go on; set the clock of its producer"
)
_PARTICULARS = re.compile(r"'[^']*'|\"[^\"]*\"|[-+]?\d[\w.+-]*|\b(nan|inf)\b")
_LONGEST_RECORD = 160


def kind_of(reason: str) -> str:
    """A reason with a mark in place of each of its values.

    >>> kind_of("value nan of 'probe-7' is not a finite number")
    'value … of … is not a finite number'
    """
    return _PARTICULARS.sub("…", reason)


def dead_losses(dead: Sequence[DeadRecord]) -> list[Loss]:
    """Records that could not be read, one loss for each kind of reason, in the order they came.

    Samples of a record that are not named count as lost for the reason of the first.
    """
    counts: dict[str, int] = {}
    examples: dict[str, tuple[DeadRecord, str]] = {}
    for one in dead:
        first = ""
        named = one.reject.elements or ((0, one.reject.reason),)
        for _, reason in named:
            kind = kind_of(reason)
            first = first or kind
            if kind not in counts:
                counts[kind], examples[kind] = 0, (one, reason)
            counts[kind] += 1
        counts[first] += one.reject.lost - len(named)
    return [_dead(kind, count, *examples[kind]) for kind, count in counts.items()]


def _dead(kind: str, count: int, one: DeadRecord, reason: str) -> Loss:
    record = _beginning(one.value)
    return Loss(kind, count, reason, one.topic, one.partition, one.offset, record)


def late_loss(place: str, partition: int, late: Rows, behind: NDArray[np.int64]) -> Loss:
    """Late rows of one partition; the example is the one furthest behind.

    Args:
        place: name of the source.
        partition: number of the partition.
        late: rows, at least one.
        behind: int64 (n,), by how much each is older than the newest before it, microseconds.
    """
    worst = int(behind.argmax())
    series = late.series[int(late.code[worst])]
    amount = int(behind[worst])
    reason = (
        f"the sample of {series.source_id} {series.metric_name} at "
        f"{format_utc(int(late.time[worst]))} is {amount / MICROS:g} s older than the newest "
        "before it"
    )
    return Loss(LATE_KIND, len(late), reason, place, partition, behind=amount)


def far_loss(place: str, partition: int, far: Rows) -> Loss:
    """Rows of a clock that runs far ahead of the others of its partition."""
    series = far.series[int(far.code[0])]
    record = f"{series.source_id} {series.metric_name} at {format_utc(int(far.time[0]))}"
    return Loss(kind_of(FAR_REASON), len(far), FAR_REASON, place, partition, record=record)


def _beginning(record: bytes | None) -> str:
    text = (record or b"")[: _LONGEST_RECORD + 1].decode("utf-8", "replace")
    shown = "".join(one if one.isprintable() else "\ufffd" for one in text)
    return shown if len(shown) <= _LONGEST_RECORD else f"{shown[: _LONGEST_RECORD - 3]}..."
