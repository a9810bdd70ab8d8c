"""The protocols of a source: partitions of rows with offsets, read without Beam."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from padit.codecs.dead_letter import DeadRecord, count_lost
from padit.codecs.records import Decoded
from padit.domain.findings import Findings, Unwatched
from padit.domain.rows import Rows
from padit.domain.watermark import WATERMARK_NONE

__all__ = ["Decoder", "PartitionRange", "ReadBatch", "Reader", "Source"]


@dataclass(frozen=True, slots=True)
class PartitionRange:
    """The part of one partition to read.

    Attributes:
        partition: number, from 0.
        start: first offset.
        stop: offset after the last one, or None for no end.
        records: behind these offsets, where they are fewer: a file that is sorted has offsets for
            its rows and for its samples in the order of time, and is read whole.
    """

    partition: int
    start: int
    stop: int | None
    records: int | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class ReadBatch:
    """Rows of one partition, in the order of its log.

    Attributes:
        partition: number, from 0.
        following: offset after the last record read.
        rows: the readable samples.
        dead: records that could not be read, or not all of them; at most one for each record.
        ended: whether the partition has no record left before its stop.
        decided: watermark that a recorded run gave the partition before these rows, by the clock.
        unwatched: what is there and becomes no sample by decision of a mapping.
    """

    partition: int
    following: int
    rows: Rows
    dead: list[DeadRecord] = field(default_factory=list)
    ended: bool = False
    decided: int = WATERMARK_NONE
    unwatched: tuple[Unwatched, ...] = ()

    @property
    def lost(self) -> int:
        """Samples that could not be read."""
        return count_lost(self.dead)


class Decoder(Protocol):
    """Record values to rows; see `codecs.validate`."""

    def __call__(
        self, values: Sequence[bytes | None], record_time: "np.typing.NDArray[np.int64] | None"
    ) -> Decoded:
        """Decode; `record_time` are the records' own timestamps in microseconds, if they have any.

        Of very many samples only the first records are decoded: `Decoded.taken` of them.
        """


class Reader(Protocol):
    """An open connection to some partitions; used by one thread."""

    def read(self, seconds: float) -> list[ReadBatch]:
        """Wait at most so long for rows; an empty list when there are none."""

    def pause(self, partitions: frozenset[int]) -> None:
        """Read only the other partitions until the next call."""

    def lag(self, *, lately: bool = False) -> Mapping[int, int]:
        """Records that wait behind the last one read, by partition.

        A partition that is left out is unknown (its broker does not answer), and so not idle.

        Args:
            lately: for people who watch: what was known when it was read last counts, too, however
                long the job has worked since.
        """

    def added(self, known: int) -> list[PartitionRange]:
        """Partitions that came into being, numbered from `known` on; called often, so cheap."""

    def extend(self, ranges: Sequence[PartitionRange]) -> None:
        """Read these partitions too."""

    def close(self) -> None:
        """Release everything."""


class Source(Protocol):
    """A place rows come from; pickled into the graph, so it holds addresses, not connections.

    Attributes:
        name: topic or file, for dead letters and messages.
    """

    @property
    def name(self) -> str:
        """Topic or file."""

    def ranges(self) -> list[PartitionRange]:
        """Resolve the ranges to read, once, before the job starts.

        Raises:
            SourceError: it does not exist or does not answer.
        """

    def findings(self) -> Findings:
        """What it guessed, and what it leaves unwatched; call `ranges` first."""

    def open(self, ranges: Sequence[PartitionRange], decode: Decoder) -> Reader:
        """Connect and position at the start of each range."""
