"""One pass over a table before it is read: how many records it has, and a sample of all of them."""

from typing import NamedTuple

import numpy as np

from padit.connectors.tables.records import Block, Cut, RecordReader, Text

__all__ = ["Survey", "survey"]

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


def survey(path: str, text: Text, cut: Cut) -> Survey:
    """Count the records of a file and keep a sample, the same in every pass.

    Raises:
        SourceError: it cannot be read.
    """
    reader = RecordReader(path, text, cut)
    kept: list[tuple[int, list[bytes]]] = []
    records = empty = number = 0
    every = 1
    try:
        while len(block := reader.take(_TAKEN)):
            records += len(block)
            empty += _empty(block)
            if number % every == 0:
                kept.append((number, _some(block, _OTHERS if number else _FIRST)))
            number += 1
            if len(kept) > _BLOCKS:
                every *= 2
                kept = [one for one in kept if one[0] % every == 0]
    finally:
        reader.close()
    parts = [part for _, some in kept for part in some]
    ends = np.cumsum([len(part) for part in parts], dtype=np.int64)
    return Survey(records, empty, Block(0, b"".join(parts), ends))


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
