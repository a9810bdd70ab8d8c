"""The state of detectors as one value of which only what changed is written.

After a close most bytes of a large state are what they were: names, memories that no sample
touched, series without a sample. So the new bytes are compared with the old ones in blocks, and
the blocks that differ are appended as a *change*. When the changes are many, or as large as the
value itself, the value is written as a whole. What is read back is the value, to the byte.
"""

from collections.abc import Sequence

import msgspec
import numpy as np

from padit.domain.errors import FRESH_START, StateError
from padit.transforms.store import Store

__all__ = ["DetectionCell"]

_VERSION = 1
_BLOCK = 64  # bytes; measured: smaller ones cost more in numbers than they save in bytes
_MOST = 32  # changes; each has to be read at every close


class _Change(msgspec.Struct, array_like=True):
    """Blocks that differ: `block` their numbers (uint32), `data` their bytes, one after another.

    `number` counts the changes since the value was written. The last block may be short.
    """

    version: int
    number: int
    block: bytes
    data: bytes


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Change)


class DetectionCell:
    """The cells `detection` and `changes` of a store as one value, read once and written once."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._value: bytes | None = None
        self._changes = 0
        self._spare = 0

    def read(self) -> bytes | None:
        """The value; None where there is none.

        Raises:
            StateError: the changes are damaged, of another version, or not all of them are there.
        """
        value = self._store.read_detection()
        if value is None:
            return None
        saved = self._store.read_changes()
        self._changes = len(saved)
        self._spare = len(value) - sum(map(len, saved))
        self._value = _applied(value, saved) if saved else value
        return self._value

    def write(self, value: bytes) -> None:
        """Replace the value."""
        change = None
        if self._value is not None and self._changes < _MOST:
            change = _difference(self._value, value, self._changes, self._spare)
        if change is None:
            self._store.write_detection(value)
        elif change:
            self._store.add_change(change)


def _difference(old: bytes, new: bytes, number: int, most: int) -> bytes | None:
    """The change from one value to another; empty if there is none, None if it is too large."""
    if len(old) != len(new):
        return None
    whole = len(new) - len(new) % _BLOCK
    before = np.frombuffer(old, "<u8", whole // 8).reshape(-1, _BLOCK // 8)
    after = np.frombuffer(new, "<u8", whole // 8).reshape(-1, _BLOCK // 8)
    block = np.flatnonzero((before != after).any(axis=1))
    data = after[block].tobytes()
    if old[whole:] != new[whole:]:
        block = np.append(block, whole // _BLOCK)
        data += new[whole:]
    if not len(block):
        return b""
    change = _encoder.encode(_Change(_VERSION, number, block.astype("<u4").tobytes(), data))
    return change if len(change) <= most else None


def _applied(value: bytes, saved: Sequence[bytes]) -> bytes:
    try:
        changes = sorted((_decoder.decode(one) for one in saved), key=lambda one: one.number)
    except msgspec.DecodeError as error:
        message = f"the saved changes of the detector state are damaged: {error}"
        raise StateError(message) from error
    found = bytearray(value)
    for number, change in enumerate(changes):
        if change.version != _VERSION or change.number != number:
            message = (
                f"a saved change of the detector state has version {change.version} and number "
                f"{change.number}, this code reads version {_VERSION} and expects {number}: "
                f"{FRESH_START}"
            )
            raise StateError(message)
        _apply(found, change)
    return bytes(found)


def _apply(found: bytearray, change: _Change) -> None:
    block = np.frombuffer(change.block, "<u4").astype(np.int64)
    whole = len(found) // _BLOCK
    short = len(block) > 0 and int(block[-1]) == whole
    tail = len(found) - whole * _BLOCK if short else 0
    block = block[:-1] if short else block
    if len(change.data) != len(block) * _BLOCK + tail or (len(block) and int(block.max()) >= whole):
        message = f"a saved change of the detector state does not fit its {len(found)} bytes"
        raise StateError(message)
    view = np.frombuffer(found, np.uint8)
    view[: whole * _BLOCK].reshape(-1, _BLOCK)[block] = np.frombuffer(
        change.data, np.uint8, len(block) * _BLOCK
    ).reshape(-1, _BLOCK)
    if short:
        view[whole * _BLOCK :] = np.frombuffer(change.data, np.uint8, tail, len(block) * _BLOCK)
