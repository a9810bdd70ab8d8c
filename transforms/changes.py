"""The states of a key group as parts of bytes, of which only what changed is written.

After a close most bytes of a large state are what they were: names, memories that no sample
touched, series without a sample. So each part is compared with what it was in blocks, and the
blocks that differ are appended as a *change*. Much of that is the same blocks at every close, so
where the changes are many, or together larger than two fifths of the parts, they are written as
one, each block once. Where that would cost more than to write all parts, those are written as a
whole, and packed (`packed.py`). Parts that are little when packed are written as a whole each time:
it takes less time than to find what changed. What is read back is the parts, to the byte.
"""

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from padit.domain.errors import FRESH_START, StateError
from padit.ops.compiled import kernel, warm_up
from padit.transforms.packed import packed, unpacked
from padit.transforms.store import Store

__all__ = ["DetectionCell"]

_VERSION = 1
_BLOCK = 64  # bytes: of smaller ones the numbers cost as much as they save
_WORDS = _BLOCK // 8
_SMALL = 2048  # bytes: smaller parts are written as a whole
_SHARE = 0.4  # of the bytes is the most that changes may have, because they add to the state
_LITTLE = 8192  # bytes, packed: of a few series
_MOST = 32  # changes, because each has to be read at every close


class _Part(msgspec.Struct, array_like=True):
    """What changed in one part.

    Attributes:
        number: of the part.
        blocks: uint32, numbers of the blocks that differ; None: `data` is the whole part.
        data: their bytes, one after another; the last block of a part may be short.
    """

    number: int
    blocks: bytes | None
    data: bytes


class _Change(msgspec.Struct, array_like=True):
    """What changed at one close; `number` counts the changes since all parts were written."""

    version: int
    number: int
    parts: list[_Part]


_Since = dict[int, list[bytes] | None]
"""By part the numbers of the blocks that changed since it was written as a whole; None: all."""
_encoder = msgspec.msgpack.Encoder()
_read_change = msgspec.msgpack.Decoder(_Change).decode
_read_parts = msgspec.msgpack.Decoder(list[bytes]).decode


class DetectionCell:
    """The cells `detection` and `changes` of a store as one list of parts."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._parts: list[bytes] | None = None
        self._changes = 0
        self._room = 0  # bytes that changes may still have
        self._most = 0  # bytes that they may have
        self._packed = _LITTLE + 1  # bytes of all parts when they were written last
        self._since: _Since = {}

    def on(self, store: Store) -> "DetectionCell":
        """The same cell; what is written next goes to this store, which holds what it wrote."""
        self._store = store
        return self

    @property
    def parts(self) -> list[bytes] | None:
        """As they were read or written last."""
        return self._parts

    @property
    def size(self) -> int:
        """Bytes of the parts."""
        return sum(map(len, self._parts or ()))

    def read(self) -> list[bytes] | None:
        """The parts; None where there are none.

        Raises:
            StateError: they or their changes are damaged, of another version, or not complete.
        """
        value = self._store.read_detection()
        if value is None:
            return None
        saved = self._store.read_changes()
        self._packed = len(value)
        value = unpacked(value)
        try:
            parts = _read_parts(value)
            changes = sorted((_read_change(one) for one in saved), key=lambda one: one.number)
        except msgspec.DecodeError as error:
            message = f"the saved detector state ({len(value)} bytes) is damaged: {error}"
            raise StateError(message) from error
        self._since = {}
        for number, change in enumerate(changes):
            _check(change, number)
            for part in change.parts:
                _apply(parts, part)
                _note(self._since, part)
        self._changes = len(saved)
        self._most = int(_SHARE * len(value))
        self._room = self._most - sum(map(len, saved))
        self._parts = parts
        return parts

    def write(self, parts: list[bytes]) -> None:
        """Replace the parts."""
        old, self._parts = self._parts, parts
        if old is not None and len(old) == len(parts) and self._packed > _LITTLE:
            changed = _differences(old, parts)
            if not changed or self._append(changed) or self._merge(parts, _size(changed)):
                return
        data = _encoder.encode(parts)
        written = packed(data)
        self._store.write_detection(written)
        self._packed = len(written)
        self._changes, self._most, self._since = 0, int(_SHARE * len(data)), {}
        self._room = self._most

    def _append(self, changed: list[_Part]) -> bool:
        """Add a change, if there is room."""
        for part in changed:
            _note(self._since, part)
        if self._changes >= _MOST or _size(changed) >= self._room:
            return False
        data = _encoder.encode(_Change(_VERSION, self._changes, changed))
        self._store.add_change(data)
        self._changes += 1
        self._room -= len(data)
        return True

    def _merge(self, parts: list[bytes], usual: int) -> bool:
        """Write all changes as one, each block as it is now, if that is less than to write all.

        Both leave room for more changes, of which each is about as large as the last one, so what
        counts is the mean until the next time.
        """
        merged = [_since_then(number, self._since[number], parts[number])
                  for number in sorted(self._since)]  # fmt: skip
        size, whole = _size(merged), sum(map(len, parts))
        room = self._most - size
        if room <= 0 or _mean(size, usual, room) > _mean(whole, usual, int(_SHARE * whole)):
            return False
        data = _encoder.encode(_Change(_VERSION, 0, merged))
        self._store.replace_changes(data)
        self._since = {}
        for part in merged:
            _note(self._since, part)
        self._changes, self._room = 1, self._most - len(data)
        return True


def _mean(first: int, then: int, room: int) -> float:
    """Of the sizes of what is written first and of the changes that then find room."""
    more = min(room // max(then, 1), _MOST)
    return (first + more * then) / (1 + more)


def _size(changed: Sequence[_Part]) -> int:
    return sum(len(one.data) + len(one.blocks or b"") for one in changed)


def _note(since: _Since, part: _Part) -> None:
    """Remember what of a part has changed; None: all of it."""
    if part.blocks is None:
        since[part.number] = None
        return
    known = since.setdefault(part.number, [])
    if known is not None:
        known.append(part.blocks)


def _since_then(number: int, blocks: Sequence[bytes] | None, part: bytes) -> _Part:
    """These blocks of a part as they are now, each once."""
    if blocks is None:
        return _Part(number, None, part)
    full, rest = divmod(len(part), _BLOCK)
    now = np.frombuffer(part, "<u8", full * _WORDS)
    found, copied = np.empty(full + 1, "<u4"), np.empty(full * _WORDS, "<u8")
    several = np.frombuffer(b"".join(blocks), "<u4")
    count, whole = _gathered(several, now, found, copied)
    short = part[full * _BLOCK :] if count > whole and rest else b""
    return _Part(number, found[:count].tobytes(), copied[: whole * _WORDS].tobytes() + short)


def _differences(old: Sequence[bytes], new: Sequence[bytes]) -> list[_Part]:
    found = []
    for number, (before, after) in enumerate(zip(old, new, strict=True)):
        if before != after:
            part = _blocks(number, before, after)
            found.append(_Part(number, None, after) if part is None else part)
    return found


def _blocks(number: int, old: bytes, new: bytes) -> _Part | None:
    """The blocks of a part that differ; None where that saves nothing."""
    if len(old) != len(new) or len(new) < _SMALL:
        return None
    whole = len(new) - len(new) % _BLOCK
    before, after = np.frombuffer(old, "<u8", whole // 8), np.frombuffer(new, "<u8", whole // 8)
    blocks = np.empty(whole // _BLOCK + 1, "<u4")
    copied = np.empty(whole // 8, "<u8")
    found = _changed(before, after, blocks, copied)
    rest = new[whole:]
    if old[whole:] != rest:
        blocks[found] = whole // _BLOCK
        numbers = blocks[: found + 1].tobytes()
    else:
        numbers, rest = blocks[:found].tobytes(), b""
    size = len(numbers) + found * _BLOCK + len(rest)
    if size >= len(new):
        return None
    return _Part(number, numbers, copied[: found * _WORDS].tobytes() + rest)


@kernel
def _changed(
    before: NDArray[np.uint64],
    after: NDArray[np.uint64],
    blocks: NDArray[np.uint32],
    copied: NDArray[np.uint64],
) -> int:
    """Find and copy the blocks that differ; returns how many there are.

    Args:
        before: uint64 (n,), whole blocks.
        after: uint64 (n,), the same later.
        blocks: uint32 (n / 8 or more,), written: their numbers.
        copied: uint64 (n,), written: their words.
    """
    found = 0
    for block in range(len(after) // _WORDS):
        first = block * _WORDS
        for i in range(first, first + _WORDS):
            if before[i] != after[i]:
                blocks[found] = block
                for k in range(_WORDS):
                    copied[found * _WORDS + k] = after[first + k]
                found += 1
                break
    return found


@kernel
def _gathered(
    numbers: NDArray[np.uint32],
    now: NDArray[np.uint64],
    found: NDArray[np.uint32],
    copied: NDArray[np.uint64],
) -> tuple[int, int]:
    """Copy each of the blocks once; returns how many there are, and how many are whole.

    Args:
        numbers: uint32, in any order, some again and again; at most one more than `now` has.
        now: uint64 (n,), whole blocks.
        found: uint32 (n / 8 + 1,), written: their numbers in order.
        copied: uint64 (n,), written: the words of the whole ones.
    """
    full = len(now) // _WORDS
    wanted = np.zeros(full + 1, np.bool_)
    for one in numbers:
        wanted[min(one, full)] = True
    count = 0
    for block in range(full):
        if wanted[block]:
            found[count] = block
            for k in range(_WORDS):
                copied[count * _WORDS + k] = now[block * _WORDS + k]
            count += 1
    if wanted[full]:
        found[count] = full
        return count + 1, count
    return count, count


@warm_up
def changes() -> None:
    """Parts that are large enough to be compared in blocks."""
    _blocks(0, bytes(_SMALL), bytes(_SMALL))
    _since_then(0, [bytes(4)], bytes(_SMALL))


def _check(change: _Change, number: int) -> None:
    if change.version != _VERSION or change.number != number:
        message = (
            f"a saved change of the detector state has version {change.version} and number "
            f"{change.number}, this code reads version {_VERSION} and expects {number}: "
            f"{FRESH_START}"
        )
        raise StateError(message)


def _apply(parts: list[bytes], part: _Part) -> None:
    if not 0 <= part.number < len(parts):
        message = f"a saved change is damaged: there is no part {part.number} of {len(parts)}"
        raise StateError(message)
    if part.blocks is None:
        parts[part.number] = part.data
        return
    if len(part.blocks) % 4:
        message = f"a saved change is damaged: {len(part.blocks)} bytes of numbers"
        raise StateError(message)
    found = np.frombuffer(bytearray(parts[part.number]), np.uint8)
    numbers = np.frombuffer(part.blocks, "<u4").astype(np.int64)
    full, rest = divmod(len(found), _BLOCK)
    data = np.frombuffer(part.data, np.uint8)
    if len(numbers) and numbers[-1] == full and rest:
        kept = max(len(data) - rest, 0)
        found[full * _BLOCK :] = _fitting(data[kept:], (rest,))
        data, numbers = data[:kept], numbers[:-1]
    if len(numbers) and int(numbers.max()) >= full:
        message = f"a saved change is damaged: part {part.number} has {full} blocks"
        raise StateError(message)
    found[: full * _BLOCK].reshape(-1, _BLOCK)[numbers] = _fitting(data, (len(numbers), _BLOCK))
    parts[part.number] = found.tobytes()


def _fitting(data: NDArray[np.uint8], shape: tuple[int, ...]) -> NDArray[np.uint8]:
    if data.size != np.prod(shape):
        message = f"a saved change is damaged: {data.size} bytes where {shape} were expected"
        raise StateError(message)
    return data.reshape(shape)
