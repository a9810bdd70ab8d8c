"""Headers of Arrow messages, put together by hand: what no writer would make can be made, too."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field

__all__ = [
    "Part",
    "Structs",
    "Table",
    "Vector",
    "batch",
    "dictionary",
    "header",
    "message",
]


@dataclass(frozen=True)
class Table:
    """A table by its fields: a number with its format, another part, or None where it is absent."""

    fields: tuple["tuple[str, int] | Part | None", ...]


@dataclass(frozen=True)
class Vector:
    """A vector of tables; those that are the same object are written once and shared."""

    entries: tuple["Table", ...]


@dataclass(frozen=True)
class Structs:
    """A vector of pairs of 64-bit numbers."""

    entries: tuple[tuple[int, int], ...]


Part = Table | Vector | Structs | str


def pairs_of(*pairs: tuple[str | None, str | None]) -> Vector:
    """A vector of keys and values."""
    made = {pair: Table(pair) for pair in pairs}
    return Vector(tuple(made[pair] for pair in pairs))


@dataclass
class _Writer:
    data: bytearray = field(default_factory=lambda: bytearray(4))

    def write(self, part: Part) -> int:
        self.data += bytes(-len(self.data) % 8)
        if isinstance(part, Table):
            return self._table(part)
        at = len(self.data)
        if isinstance(part, str):
            text = part.encode()
            self.data += struct.pack("<I", len(text)) + text + b"\0"
        elif isinstance(part, Structs):
            self.data += struct.pack("<I", len(part.entries))
            for pair in part.entries:
                self.data += struct.pack("<qq", *pair)
        else:
            self.data += struct.pack("<I", len(part.entries)) + bytes(4 * len(part.entries))
            known: dict[int, int] = {}
            for number, one in enumerate(part.entries):
                if id(one) not in known:
                    known[id(one)] = self.write(one)
                self._point(at + 4 + 4 * number, known[id(one)])
        return at

    def _table(self, part: Table) -> int:
        size = 4 + 2 * len(part.fields)
        vtable = len(self.data)
        self.data += struct.pack("<HH", size, 0) + bytes(2 * len(part.fields))
        self.data += bytes(-len(self.data) % 8)
        table = len(self.data)
        self.data += struct.pack("<i", table - vtable)
        holes = []
        for number, one in enumerate(part.fields):
            if one is None:
                continue
            struct.pack_into("<H", self.data, vtable + 4 + 2 * number, len(self.data) - table)
            if isinstance(one, tuple):
                self.data += struct.pack("<" + one[0], one[1])
            else:
                holes.append((len(self.data), one))
                self.data += bytes(4)
        for hole, one in holes:
            self._point(hole, self.write(one))
        return table

    def _point(self, hole: int, target: int) -> None:
        struct.pack_into("<I", self.data, hole, target - hole)


def header(part: Table) -> bytes:
    """A header whose outermost table is this one."""
    writer = _Writer()
    writer._point(0, writer.write(part))
    return bytes(writer.data) + bytes(-len(writer.data) % 8)


def batch(
    rows: int | None, nodes: Sequence[int], buffers: Sequence[tuple[int, int]], *, packed: bool
) -> Table:
    """A batch of rows: its length, the lengths of its arrays, and the places of its buffers."""
    compression = Table((("b", 1),)) if packed else None
    length = None if rows is None else ("q", rows)
    return Table(
        (length, Structs(tuple((one, 0) for one in nodes)), Structs((*buffers,)), compression)
    )


def dictionary(number: int | None, data: Table | None, delta: bool | None) -> Table:
    """A batch of a dictionary's entries."""
    return Table((
        None if number is None else ("q", number), data, None if delta is None else ("B", delta),
    ))  # fmt: skip


def message(kind: int, part: Part, body: int | None, *more: Part, version: int | None = 4) -> Table:
    """A message of a kind around a part; `more` is its custom metadata."""
    return Table((
        None if version is None else ("h", version), ("B", kind), part,
        None if body is None else ("q", body), *more,
    ))  # fmt: skip
