"""Which words of a part of state changed, and what they are now: compiled code.

A part is words of 8 bytes, little-endian, and up to 7 bytes behind the last one. Which of them are
meant is a *mask*: one byte for each block of 8 words, one bit a word. Saved, it is of each block of
which anything is meant

    how many blocks lie between it and the one before, as a varint | its byte of the mask

and the words stand behind one another. Of all that `usual` remembers a close changes a seventh, and
few words of it lie together, so whole blocks would be nearly twice as many bytes.
"""

import numpy as np
from numpy.typing import NDArray

from padit.ops.compiled import kernel, lean_kernel, warm_up

__all__ = ["Mask", "compared", "left_out", "mask_of", "nothing", "saved_size", "spread", "taken"]

Mask = NDArray[np.uint8]
Words = NDArray[np.uint64]
WORD = 8  # bytes
_BLOCK = 8  # words, as a byte has bits


def nothing(size: int) -> Mask:
    """The mask of no word of a part of so many bytes."""
    return np.zeros(-(-(size // WORD) // _BLOCK), np.uint8)


def compared(before: bytes, after: bytes, since: Mask) -> tuple[Mask, int]:
    """What changed in a part whose length did not.

    Args:
        before: the part as it was.
        after: as it is.
        since: what changed earlier; gets what changed now, too.

    Returns:
        The mask of it, and how many bytes it takes when saved.
    """
    masks = np.empty(len(since), np.uint8)
    where, words = _compared(_words(before), _words(after), masks, since)
    return masks, where + WORD * words + len(after) % WORD


def saved_size(mask: Mask, size: int) -> int:
    """Bytes of what `taken` makes of a part of so many bytes."""
    where, words = _counted(mask)
    return where + WORD * words + size % WORD


def taken(part: bytes, mask: Mask) -> tuple[bytes, bytes]:
    """The mask as it is saved, and what it means of a part; the bytes behind the words always."""
    bytes_of_mask, words = _counted(mask)
    where, data = np.empty(bytes_of_mask, np.uint8), np.empty(words, "<u8")
    _taken(_words(part), mask, where, data)
    return where.tobytes(), data.tobytes() + part[len(part) // WORD * WORD :]


def left_out(part: bytes, mask: Mask) -> bytes:
    """A part without the words of a mask: they are 0."""
    words = _words(part).copy()
    _left_out(words, mask)
    return words.tobytes() + part[len(part) // WORD * WORD :]


def mask_of(where: bytes, size: int) -> Mask:
    """The mask of a part of so many bytes, as it was saved.

    Raises:
        ValueError: it does not fit.
    """
    mask = nothing(size)
    if not _read(np.frombuffer(where, np.uint8), size // WORD, mask):
        message = f"{len(where)} bytes say which words are meant of {size // WORD}"
        raise ValueError(message)
    return mask


def spread(part: bytes, mask: Mask, data: bytes) -> bytes:
    """A part with the words of a mask as they were taken.

    Raises:
        ValueError: they are not as many.
    """
    words, rest = _counted(mask)[1], len(part) % WORD
    if len(data) != WORD * words + rest:
        message = f"{len(data)} bytes where {words} words and {rest} bytes were expected"
        raise ValueError(message)
    found = _words(part).copy()
    _spread(np.frombuffer(data, "<u8", words), mask, found)
    return found.tobytes() + data[WORD * words :]


def _words(part: bytes) -> Words:
    return np.frombuffer(part, "<u8", len(part) // WORD)


@lean_kernel
def _ones(mask: int) -> int:
    """How many bits of a byte are set."""
    mask = (mask & 0x55) + (mask >> 1 & 0x55)
    mask = (mask & 0x33) + (mask >> 2 & 0x33)
    return (mask & 0x0F) + (mask >> 4)


@lean_kernel
def _saved(between: int) -> int:
    """Bytes of a block of a mask: the varint, and its own."""
    size = 2
    while between >= 128:
        between >>= 7
        size += 1
    return size


@kernel
def _compared(before: Words, after: Words, masks: Mask, since: Mask) -> tuple[int, int]:
    """Write the mask of what differs, add it to `since`; its bytes when saved, and its words."""
    size = words = following = 0
    for block in range(len(masks)):
        first, last = block * _BLOCK, min(block * _BLOCK + _BLOCK, len(after))
        differs = np.uint64(0)
        for i in range(first, last):
            differs |= before[i] ^ after[i]
        mask = 0
        if differs:
            for i in range(first, last):
                if before[i] != after[i]:
                    mask |= 1 << (i - first)
                    words += 1
            size += _saved(block - following)
            following = block + 1
            since[block] |= np.uint8(mask)
        masks[block] = mask
    return size, words


@kernel
def _counted(mask: Mask) -> tuple[int, int]:
    """Bytes of a mask when saved, and the words that it means."""
    size = words = following = 0
    for block in range(len(mask)):
        if mask[block]:
            size += _saved(block - following)
            following = block + 1
            words += _ones(int(mask[block]))
    return size, words


@kernel
def _taken(now: Words, mask: Mask, where: Mask, data: Words) -> None:
    """Write a mask as it is saved, and its words."""
    place = word = following = 0
    for block in range(len(mask)):
        one = int(mask[block])
        if one:
            between = block - following
            following = block + 1
            while between >= 128:
                where[place] = between & 127 | 128
                between >>= 7
                place += 1
            where[place], where[place + 1] = between, one
            place += 2
            for i in range(_BLOCK):
                if one >> i & 1:
                    data[word] = now[block * _BLOCK + i]
                    word += 1


@kernel
def _left_out(words: Words, mask: Mask) -> None:
    """Set the words of a mask to 0."""
    for block in range(len(mask)):
        one = int(mask[block])
        if one:
            for i in range(_BLOCK):
                if one >> i & 1:
                    words[block * _BLOCK + i] = 0


@kernel
def _read(where: Mask, words: int, mask: Mask) -> bool:
    """Write a mask that was saved; whether it fits a part of so many words."""
    place = block = 0
    while place < len(where):
        shift = 0
        while place < len(where) and where[place] >= 128 and shift < 35:
            block += int(where[place] & 127) << shift
            shift += 7
            place += 1
        if place + 1 >= len(where) or where[place] >= 128:
            return False
        block += int(where[place]) << shift
        one = int(where[place + 1])
        if block >= len(mask) or one >> min(words - block * _BLOCK, _BLOCK):
            return False
        mask[block] = one
        block += 1
        place += 2
    return True


@kernel
def _spread(data: Words, mask: Mask, words: Words) -> None:
    """Set the words of a mask."""
    word = 0
    for block in range(len(mask)):
        one = int(mask[block])
        if one:
            for i in range(_BLOCK):
                if one >> i & 1:
                    words[block * _BLOCK + i] = data[word]
                    word += 1


@warm_up
def changed_words() -> None:
    """A part of a few words."""
    part = bytes(3 * WORD)
    mask, _ = compared(part, bytes(2 * WORD) + b"\1" * WORD, nothing(len(part)))
    where, data = taken(part, mask)
    spread(left_out(part, mask), mask_of(where, len(part)), data)
