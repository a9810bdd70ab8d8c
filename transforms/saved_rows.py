"""Rows that wait in the state as bytes: packed, their times as what lies between two of them.

At a sample a second all that lies between is alike, and packs to nothing. Where a source's clock
gives milliseconds, 2 bytes are left of the 4 that a time takes else.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from padit.domain.batch import KeyedBatch, OffsetRange, Steps, decode_kept, encode_kept
from padit.domain.rows import Rows
from padit.ops.compiled import kernel, lean_kernel, warm_up
from padit.transforms.packed import packed, unpacked

__all__ = ["pack_rows", "read_rows", "steps_of"]

_FAR = 1 << 62
_WIDTHS = ((1 << 7, np.int8), (1 << 15, np.int16), (1 << 31, np.int32))


def pack_rows(rows: Rows, ranges: Sequence[OffsetRange], *, by_series: bool = False) -> bytes:
    """Rows, and where they came from; see `encode_kept`."""
    return packed(encode_kept(rows, list(ranges), by_series=by_series, steps=steps_of(rows.time)))


def read_rows(data: bytes) -> tuple[KeyedBatch, list[OffsetRange]]:
    """What `pack_rows` wrote, or `encode_kept`, or a keyed batch.

    Raises:
        StateError: damaged bytes, or another version's.
    """
    return decode_kept(unpacked(data))


def steps_of(time: NDArray[np.int64]) -> Steps | None:
    """What lies between the times; None where some lie too far apart."""
    between = np.empty(len(time), np.int32)
    unit, most = map(int, _between(time, between))
    for limit, width in _WIDTHS:
        if most < limit:
            return Steps(unit, between.astype(width, copy=False))
    return None


@kernel
def _between(time: NDArray[np.int64], between: NDArray[np.int32]) -> tuple[int, int]:
    """Write what lies between the times, in a unit of 1 s, 1 ms or 1 us.

    Returns:
        The unit, and a number below which all of it lies, either way; 2**31 where they have no
        room.
    """
    unit, most = 1_000_000, 0
    if len(time) == 0:
        return unit, 1 << 31
    before = time[0]
    for moment in time:
        if not -_FAR < moment < _FAR:
            return unit, 1 << 31
        step = moment - before
        before = moment
        most = max(most, abs(step))
        if step % unit != 0:
            unit = 1000 if step % 1000 == 0 else 1
    most //= unit
    if most >= 1 << 31:
        return unit, 1 << 31
    before = time[0]
    for i in range(len(time)):
        between[i] = _over(time[i] - before, unit)
        before = time[i]
    return unit, most


@lean_kernel
def _over(step: int, unit: int) -> int:
    """A quotient; dividing by a constant is a multiplication."""
    if unit == 1_000_000:
        return step // 1_000_000
    return step // 1000 if unit == 1000 else step


@warm_up
def rows_that_wait() -> None:
    """A row."""
    steps_of(np.zeros(1, np.int64))
