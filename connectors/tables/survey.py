"""One pass over a table before it is read: how many records it has, and a sample of all of them."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from padit.connectors.tables.records import Block, Cut, RecordReader, Text

__all__ = ["Survey", "Surveyor", "blocks_of"]

_FIRST = 1000  # records of the first block that are kept
_OTHERS = 250  # of each block that follows
_BYTES = 512 << 10  # of a block that are kept
_BLOCKS = 16  # that are kept of a file of any size
_TAKEN = 1 << 20


class Survey(NamedTuple):
    """What a pass over a file shows.

    Attributes:
        records: how many there are.
        empty: those of them that are empty lines.
        sample: some of them, spread evenly over the file.
    """

    records: int
    empty: int
    sample: Block


class Surveyor:
    """Takes blocks of records and keeps a sample, the same in every pass over a file."""

    def __init__(self) -> None:
        self._kept: list[tuple[int, list[bytes]]] = []
        self._every = 1
        self._number = 0
        self._records = 0
        self._empty = 0

    def add(self, block: Block) -> None:
        """Take in records."""
        self._records += len(block)
        self._empty += _empty(block)
        if self._number % self._every == 0:
            some = _some(block, _OTHERS if self._number else _FIRST)
            self._kept.append((self._number, some))
        self._number += 1
        if len(self._kept) > _BLOCKS:
            self._every *= 2
            self._kept = [one for one in self._kept if one[0] % self._every == 0]

    def end(self) -> Survey:
        """What was seen."""
        parts = [part for _, some in self._kept for part in some]
        ends = np.cumsum([len(part) for part in parts], dtype=np.int64)
        return Survey(self._records, self._empty, Block(0, b"".join(parts), ends))


def blocks_of(path: str, text: Text, cut: Cut, most: int = _TAKEN) -> Iterator[Block]:
    """All records of a file, block by block.

    Raises:
        SourceError: it cannot be read.
    """
    reader = RecordReader(path, text, cut)
    try:
        while len(block := reader.take(most)):
            yield block
    finally:
        reader.close()


def _some(block: Block, most: int) -> list[bytes]:
    usual = max(1, len(block.data) // len(block))
    most = max(20, min(most, _BYTES // usual))
    chosen = np.unique(np.linspace(0, len(block) - 1, min(most, len(block))).astype(int))
    starts = np.concatenate(([0], block.ends[:-1]))
    return [
        block.data[start:end]
        for start, end in zip(starts[chosen].tolist(), block.ends[chosen].tolist(), strict=True)
        if end - start <= _BYTES
    ]


def _empty(block: Block) -> int:
    sizes = np.diff(block.ends, prepend=0)
    octets = np.frombuffer(block.data, np.uint8)
    two = block.ends[sizes == 2]
    return int(np.count_nonzero(sizes == 1) + np.count_nonzero(octets[two - 2] == ord("\r")))
