"""The states of a key group as parts of bytes, of which only what changed is written.

After a close most bytes of a large state are what they were: names, memories that no sample
touched, series without a sample. So each part is compared with what it was, word by word
(`changed_words.py`), and the words that differ are appended as a *change*. Much of that is the same
words at every close, so where the changes find no room they are written as one, each word once.
Where there is no room for that either, all parts are written as a whole, and packed (`packed.py`),
but for the words that the last close changed: they are 0 there, and written as the first change.
What changes at each close is so saved once, not twice. Parts that are little when packed are
written as a whole each time: it takes less time than to find what changed. What is read back is
the parts, to the byte.
"""

from collections.abc import Sequence

import msgspec
import numpy as np

from padit.domain.errors import FRESH_START, StateError
from padit.transforms.changed_words import (
    Mask,
    compared,
    left_out,
    mask_of,
    nothing,
    saved_size,
    spread,
    taken,
)
from padit.transforms.packed import packed, unpacked
from padit.transforms.store import Store

__all__ = ["DetectionCell"]

_BLOCKS, _VERSION = 1, 2  # of changes: blocks of 64 bytes, as they were written before; words
_BLOCK = 64
_SMALL = 2048  # bytes: smaller parts are written as a whole
_SHARE = 0.4  # of the bytes is the most that changes may have, because they add to the state
_TOGETHER = 0.86  # of the bytes is the most that the packed parts and changes have, where they can
_AT_LEAST = 0.1  # of the bytes is what changes may always have
_AGAIN = 1.25  # times what the last close changed is what they may have, too
_LITTLE = 8192  # bytes, packed: of a few series
_MOST = 32  # changes, because each has to be read at every close


class _Part(msgspec.Struct, array_like=True):
    """What changed in one part.

    Attributes:
        number: of the part.
        where: a mask; of version 1 uint32, numbers of the blocks; None: `data` is the whole part.
        data: what is there, one after another.
    """

    number: int
    where: bytes | None
    data: bytes


class _Change(msgspec.Struct, array_like=True):
    """What changed at one close.

    Attributes:
        version: of it.
        number: of changes since all parts were written.
        parts: in which something changed.
        most: bytes that all changes may have until all parts are written again.
    """

    version: int
    number: int
    parts: list[_Part]
    most: int = 0


_LACKS = True
"""Stands behind the parts where words are left out, which the first change has."""
_Masks = dict[int, Mask | None]
"""By part what changed in it; None: all."""
_encoder = msgspec.msgpack.Encoder()
_read_change = msgspec.msgpack.Decoder(_Change).decode
_read_parts = msgspec.msgpack.Decoder(list[bytes | bool]).decode


class DetectionCell:
    """The cells `detection` and `changes` of a store as one list of parts."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._parts: list[bytes] | None = None
        self._changes = 0
        self._room = 0  # bytes that changes may still have
        self._most = 0  # bytes that they may have
        self._packed = _LITTLE + 1  # bytes of all parts when they were written last
        self._since: _Masks = {}

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
            parts = _parts_of(_read_parts(value), bool(saved))
            changes = sorted((_read_change(one) for one in saved), key=lambda one: one.number)
        except (msgspec.DecodeError, ValueError) as error:
            message = f"the saved detector state ({len(value)} bytes) is damaged: {error}"
            raise StateError(message) from error
        self._since = {}
        self._most = _room_of(len(value), self._packed)
        for number, change in enumerate(changes):
            _check(change, number)
            for part in change.parts:
                _note(self._since, part.number, _apply(parts, part, change.version))
            self._most = change.most
        self._changes = len(saved)
        self._room = self._most - sum(map(len, saved))
        self._parts = parts
        return parts

    def write(self, parts: list[bytes]) -> None:
        """Replace the parts."""
        old, self._parts = self._parts, parts
        changed: _Masks = {}
        if old is not None and len(old) == len(parts) and self._packed > _LITTLE:
            changed, size = _differences(old, parts, self._since)
            if not changed or self._append(parts, changed, size) or self._merge(parts, size):
                return
        self._whole(parts, {n: mask for n, mask in changed.items() if mask is not None})

    def _append(self, parts: Sequence[bytes], changed: _Masks, size: int) -> bool:
        """Add a change, if there is room."""
        if self._changes >= _MOST or size >= self._room:
            return False
        data = self._encoded(self._changes, parts, changed)
        self._store.add_change(data)
        self._changes += 1
        self._room -= len(data)
        return True

    def _merge(self, parts: Sequence[bytes], usual: int) -> bool:
        """Write all changes as one, each word as it is now, if that is less than to write all.

        Both leave room for more changes, of which each is about as large as the last one, so what
        counts is the mean until the next time.
        """
        size, whole = _size(parts, self._since), sum(map(len, parts))
        room = self._most - size
        if room <= 0 or _mean(size, usual, room) > _mean(whole, usual, int(_SHARE * whole)):
            return False
        data = self._encoded(0, parts, dict(sorted(self._since.items())))
        self._store.replace_changes(data)
        self._changes, self._room = 1, self._most - len(data)
        return True

    def _whole(self, parts: Sequence[bytes], often: _Masks) -> None:
        """Write all parts; what changes often once, as a change."""
        quiet = [
            part if (mask := often.get(number)) is None else left_out(part, mask)
            for number, part in enumerate(parts)
        ]
        data = _encoder.encode([*quiet, _LACKS] if often else quiet)
        written = packed(data)
        self._store.write_detection(written)
        self._packed = len(written)
        self._changes, self._since = 0, dict(often)
        self._room = self._most = _room_of(len(data), len(written))
        if often:
            enough = min(_AGAIN * _size(parts, often), _SHARE * len(data))
            self._most = max(self._most, int(enough))
            change = self._encoded(0, parts, often)
            self._store.add_change(change)
            self._changes, self._room = 1, self._most - len(change)

    def _encoded(self, number: int, parts: Sequence[bytes], changed: _Masks) -> bytes:
        found = [
            _Part(n, None, parts[n]) if mask is None else _Part(n, *taken(parts[n], mask))
            for n, mask in changed.items()
        ]
        return _encoder.encode(_Change(_VERSION, number, found, self._most))


def _parts_of(saved: Sequence[bytes | bool], changed: bool) -> list[bytes]:
    """The parts as they were written; `changed`: there are changes.

    Raises:
        ValueError: words are left out that no change has, or it is no list of parts.
    """
    lacks = len(saved) > 0 and saved[-1] is _LACKS
    parts = [one for one in saved if isinstance(one, bytes)]
    if len(parts) + lacks != len(saved):
        message = "it is not a list of parts"
        raise ValueError(message)
    if lacks and not changed:
        message = "its changes are missing"
        raise ValueError(message)
    return parts


def _room_of(size: int, packed: int) -> int:
    """Bytes that changes may have of parts of so many, which are so many when packed."""
    return int(min(_SHARE * size, max(_TOGETHER * size - packed, _AT_LEAST * size)))


def _mean(first: int, then: int, room: int) -> float:
    """Of the sizes of what is written first and of the changes that then find room."""
    more = min(room // max(then, 1), _MOST)
    return (first + more * then) / (1 + more)


def _size(parts: Sequence[bytes], changed: _Masks) -> int:
    """Bytes of a change."""
    return sum(
        len(parts[number]) if mask is None else saved_size(mask, len(parts[number]))
        for number, mask in changed.items()
    )


def _differences(old: Sequence[bytes], new: Sequence[bytes], since: _Masks) -> tuple[_Masks, int]:
    """What changed, and how many bytes it takes; `since` gets it, too."""
    found: _Masks = {}
    size = 0
    for number, (before, after) in enumerate(zip(old, new, strict=True)):
        if before == after:
            continue
        mask = None
        if len(before) == len(after) >= _SMALL:
            known = since.setdefault(number, nothing(len(after)))
            mask, taking = compared(before, after, nothing(len(after)) if known is None else known)
        if mask is None or taking >= len(after):
            mask, taking, since[number] = None, len(after), None
        found[number] = mask
        size += taking
    return found, size


def _note(since: _Masks, number: int, mask: Mask | None) -> None:
    """Remember what of a part has changed; None: all of it."""
    known = since.setdefault(number, mask)
    since[number] = None if known is None or mask is None else known | mask


def _check(change: _Change, number: int) -> None:
    if change.version not in (_BLOCKS, _VERSION) or change.number != number:
        message = (
            f"a saved change of the detector state has version {change.version} and number "
            f"{change.number}, this code reads version {_VERSION} and expects {number}: "
            f"{FRESH_START}"
        )
        raise StateError(message)


def _apply(parts: list[bytes], change: _Part, version: int) -> Mask | None:
    """Make a part what the change says; what changed in it."""
    if not 0 <= change.number < len(parts):
        message = f"a saved change is damaged: there is no part {change.number} of {len(parts)}"
        raise StateError(message)
    if change.where is None:
        parts[change.number] = change.data
        return None
    part = parts[change.number]
    try:
        if version == _BLOCKS:
            parts[change.number] = _with_blocks(part, change.where, change.data)
            return None
        mask = mask_of(change.where, len(part))
        parts[change.number] = spread(part, mask, change.data)
    except ValueError as error:
        message = f"a saved change is damaged: part {change.number}: {error}"
        raise StateError(message) from error
    return mask


def _with_blocks(part: bytes, where: bytes, data: bytes) -> bytes:
    """A part with blocks as they were before masks: numbers; the last block may be short.

    Raises:
        ValueError: they do not fit.
    """
    found, place = bytearray(part), 0
    for number in np.frombuffer(where, "<u4").tolist():
        first = number * _BLOCK
        block = data[place : place + len(part[first : first + _BLOCK])]
        if not block or len(block) != len(part[first : first + _BLOCK]):
            message = f"block {number} of {len(part)} bytes is none, or its bytes are missing"
            raise ValueError(message)
        found[first : first + _BLOCK] = block
        place += len(block)
    if place != len(data):
        message = f"{len(data)} bytes where {place} were expected"
        raise ValueError(message)
    return bytes(found)
