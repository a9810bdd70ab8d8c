"""What tests of sources share: a decoder, and a whole source as plain values."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from padit.codecs.records import Decoded, decode
from padit.connectors.source import PartitionRange, ReadBatch, Source
from padit.domain.dead_letter import DeadLetter
from padit.domain.metric import Series
from padit.domain.rows import concatenate
from tests.parts import skip_for_data

SHARED = Path(__file__).parents[2] / "../shared/data"

Sample = tuple[Series, int, float]


class FixedReader:
    """What a reader of fixed partitions has beside `read`: nothing to do."""

    def pause(self, partitions: frozenset[int]) -> None:
        pass

    def lag(self, *, lately: bool = False) -> Mapping[int, int]:
        return {}

    def added(self, known: int) -> list[PartitionRange]:
        return []

    def extend(self, ranges: Sequence[PartitionRange]) -> None:
        pass

    def close(self) -> None:
        pass


def shared(path: str) -> str:
    """A file of the shared data; the test is skipped, with the reason, where it is absent."""
    found = SHARED / path
    if not found.exists():
        skip_for_data(f"../shared/data/{path} is not on this machine")
    return str(found)


def decoder(values: Sequence[bytes | None], record_time: NDArray[np.int64] | None) -> Decoded:
    """Decode as the job does."""
    return decode(values, 1 << 20)


def reads_of(source: Source, ranges: list[PartitionRange] | None = None) -> list[ReadBatch]:
    """Read to the end."""
    resolved = source.ranges()
    ranges = resolved if ranges is None else ranges
    reader = source.open(ranges, decoder)
    reads: list[ReadBatch] = []
    try:
        while len([read for read in reads if read.ended]) < len(ranges):
            reads += reader.read(0.1)
        assert reader.read(0.1) == []
    finally:
        reader.close()
    return reads


def samples(reads: list[ReadBatch]) -> list[Sample]:
    """All samples in the order they came."""
    rows = concatenate([read.rows for read in reads])
    return [
        (rows.series[code], time, value)
        for code, time, value in zip(
            rows.code.tolist(), rows.time.tolist(), rows.value.tolist(), strict=True
        )
    ]


def letters(reads: list[ReadBatch]) -> list[DeadLetter]:
    """All dead letters in the order they came."""
    return [one.letter() for read in reads for one in read.dead]
