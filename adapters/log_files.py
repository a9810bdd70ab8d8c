"""What a log file is known by: its place on the disk, and short prints of its content.

A file's place is its device and inode. Its *head* is the checksum of its first bytes, *before* that
of the bytes in front of the position up to which it was read. Both are compared before reading goes
on, so that a file that was cut and has grown again is noticed, and an inode that was used again.
They also show that another file is a copy, and up to where it holds what was read already.
"""

import os
import re
import zlib
from dataclasses import dataclass, field
from typing import Any, NamedTuple

__all__ = ["COMPRESSED", "NOTHING", "Followed", "Generation", "Index", "Mark", "is_compressed",
           "is_copy", "mark", "related", "unmoved"]  # fmt: skip

PRINT = 256
"""Bytes of a head, and of what stands before a position."""

_SURE_FROM = 1_024
COMPRESSED = (".gz", ".zst", ".xz", ".bz2", ".lz4", ".zip", ".z", ".br")
_MAGIC = (b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"\xfd7zXZ", b"BZh", b"\x04\x22\x4d\x18", b"PK\x03\x04")
_ROTATED = re.compile(
    r"[-_.](?:\d[\d\-_.T:]*|bak|old|orig|copy|backup|save|saved|prev|rotated)(?=$|[-_.])"
)

Place = tuple[int, int]


class Mark(NamedTuple):
    """The checksum of `size` bytes."""

    size: int
    crc: int


NOTHING = Mark(0, 0)


def mark(handle: int, end: int) -> Mark:
    """The print of the bytes in front of `end`; for a head, `end` is at most `PRINT`."""
    size = min(end, PRINT)
    data = os.pread(handle, size, end - size) if size else b""
    return Mark(len(data), zlib.crc32(data))


class Generation(NamedTuple):
    """Content that was read up to a position; the file may since hold something else.

    Attributes:
        paths: names under which it was seen, the first and the latest.
        position: bytes that were read.
        head: print of its first bytes.
        before: print of the bytes in front of `position`.
    """

    paths: tuple[str, str]
    position: int
    head: Mark
    before: Mark


@dataclass(eq=False)
class Followed:
    """One file that is followed.

    Attributes:
        place: device and inode.
        birth: path under which it was found.
        path: where it is now.
        position: start of the first line that was not given.
        head: print of the first bytes, at most up to `position`.
        before: print of the bytes in front of `position`.
        size: at the last look.
        changed: time of its last change at the last look, nanoseconds.
        written: time of its last change, epoch seconds.
        more: whether there was more to read than one look may take.
        skipping: whether `position` is inside a line whose head was given already.
        uneven: whether a line was longer than what was given of it.
        idle: looks without anything new since its name is gone.
        encoding: "utf-16-le" or "utf-16-be", "" for all others; None before it is known.
        reader: what the user of the lines keeps for this file.
    """

    place: Place
    birth: str
    path: str
    position: int = 0
    head: Mark = NOTHING
    before: Mark = NOTHING
    size: int = -1
    changed: int = -1
    written: float = 0.0
    more: bool = False
    skipping: bool = False
    uneven: bool = False
    idle: int = 0
    encoding: str | None = None
    reader: Any = field(default=None)

    @property
    def generation(self) -> Generation:
        """What was read of it."""
        return Generation((self.birth, self.path), self.position, self.head, self.before)

    def printed(self, handle: int) -> None:
        """Take the prints that belong to the position."""
        if self.head.size < PRINT and self.position > self.head.size:
            self.head = mark(handle, min(PRINT, self.position))
        self.before = mark(handle, self.position)


def unmoved(handle: int, size: int, position: int, before: Mark, head: Mark) -> bool:
    """Whether a file still holds, up to a position, what was read there."""
    if size < position:
        return False
    return mark(handle, position) == before and (not head.size or mark(handle, head.size) == head)


def is_copy(handle: int, path: str, size: int, other: Generation) -> int | None:
    """Up to where a file holds the content of another one that was read; None if it is no copy.

    A new file under the name of the other one is what a rotation leaves, never its copy. Short
    content counts only if the names differ by a date, a number or a word like `bak`.
    """
    if path in other.paths or not other.head.size or size < other.head.size:
        return None
    long = other.head.size == PRINT and min(size, other.position) >= _SURE_FROM
    if not long and not any(related(path, name) for name in other.paths):
        return None
    if mark(handle, other.head.size) != other.head:
        return None
    if size < other.position:
        return size if other.head.size == PRINT else None
    return other.position if mark(handle, other.position) == other.before else None


def related(path: str, other: str) -> bool:
    """Whether two names are those of one log at different times.

    >>> related("d/app.log", "d/app.log.1"), related("app-2026-01-05.log", "app.log")
    (True, True)
    >>> related("a.log", "b.log")
    False
    """
    return _stem(path) == _stem(other)


def _stem(path: str) -> str:
    return _ROTATED.sub("", os.path.basename(path).lower().rstrip("~"))


def is_compressed(path: str, handle: int | None = None) -> bool:
    """By its name, or by its first bytes."""
    if path.lower().endswith(COMPRESSED):
        return True
    return handle is not None and os.pread(handle, 6, 0).startswith(_MAGIC)


class Index:
    """Generations by their heads, so that ten thousand new files are compared with few."""

    def __init__(self, generations: list[Generation]) -> None:
        self._by_head: dict[Mark, list[Generation]] = {}
        self._sizes: dict[int, None] = {}
        for generation in generations:
            self.add(generation)

    def add(self, generation: Generation) -> None:
        """Take in content that was read."""
        if generation.head.size:
            self._by_head.setdefault(generation.head, []).append(generation)
            self._sizes[generation.head.size] = None

    def copied(self, handle: int, path: str, size: int) -> tuple[Generation, int] | None:
        """The generation of which a file is a copy, and up to where."""
        best: tuple[Generation, int] | None = None
        for length in self._sizes:
            for one in self._by_head.get(mark(handle, length), ()) if length <= size else ():
                end = is_copy(handle, path, size, one)
                if end is not None and (best is None or end > best[1]):
                    best = (one, end)
        return best
