"""A keyed batch of one partition."""

from padit.domain.batch import KeyedBatch
from padit.domain.rows import Rows
from padit.domain.watermark import Position

__all__ = ["keyed_batch"]


def keyed_batch(rows: Rows, first: int, following: int, watermark_sec: int) -> KeyedBatch:
    """Rows at some offsets of partition 0, which it covers up to a watermark in seconds."""
    at = Position(0, 0, first, following, watermark_sec * 1_000_000)
    return KeyedBatch(1, (at,), rows)
