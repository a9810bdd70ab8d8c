"""The contract of a store: what it is given, what it writes, and which offsets are durable then.

A `Store` is an address with settings; `open` connects and gives a `Writer`. A writer gets batches
of one topic in the order of their offsets and writes them so that a batch that comes again changes
nothing. What makes offsets durable is the store's own affair:

- A store with transactions (`keeps_positions`) writes the positions behind a batch in the batch's
  own transaction and gives them back when it is opened. Then each record is written exactly once.
- Any other returns from `write` or `tick` the positions up to which everything is durable. The loop
  commits them to Kafka afterwards. A crash in between repeats records, which change nothing.

Errors: `SinkError` means that the store is away or full; the batch is kept and tried again, for as
long as it takes (`BusyError`: not before the store wants it). `RefusedError` means that the store
does not take these records, now or later; the loop halves the batch until the records are found
that cause it, which become dead letters. `ConfigurationError` from `open` ends the process: a wrong
password does not heal by waiting.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from padit.codecs.dead_letter import DeadRecord
from padit.domain.errors import PaditError, SinkError
from padit.domain.rows import Rows

__all__ = [
    "NOTHING",
    "Background",
    "Batch",
    "BusyError",
    "Content",
    "Place",
    "Positions",
    "Records",
    "RefusedError",
    "Store",
    "Unbuffered",
    "Writer",
    "Written",
]


class Content(StrEnum):
    """What the records of a topic are."""

    METRICS = "metrics"
    FEATURES = "features"
    ANOMALIES = "anomalies"
    ALERTS = "alerts"


class Place(NamedTuple):
    """A partition of a topic."""

    topic: str
    partition: int


Positions = Mapping[Place, int]
"""The offset at which reading goes on, by partition."""


class RefusedError(PaditError, ValueError):
    """A store does not take a batch because of what is in it; its text says why."""


class BusyError(SinkError):
    """A store that is there and takes nothing now.

    Args:
        message: for people.
        seconds: for which it asks to be left alone.
    """

    def __init__(self, message: str, seconds: float) -> None:
        super().__init__(message)
        self.seconds = seconds


@dataclass(frozen=True, slots=True)
class Records:
    """n records as they were read: of each partition in the order of offsets, without repeats.

    Attributes:
        partition: int32 (n,).
        offset: int64 (n,).
        time: int64 (n,), the record's own timestamp in microseconds; -1 where it has none.
        keys: (n,), None without one.
        values: (n,), None is a tombstone.
        headers: (n,), or None for a store that does not want them.
    """

    partition: NDArray[np.int32]
    offset: NDArray[np.int64]
    time: NDArray[np.int64]
    keys: Sequence[bytes | None]
    values: Sequence[bytes | None]
    headers: Sequence[Sequence[tuple[str, bytes | None]]] | None = None

    def __len__(self) -> int:
        return len(self.values)

    def select(self, chosen: NDArray[np.int64]) -> "Records":
        """The records at these positions."""
        numbers = chosen.tolist()
        headers = self.headers
        return Records(
            self.partition[chosen],
            self.offset[chosen],
            self.time[chosen],
            [self.keys[n] for n in numbers],
            [self.values[n] for n in numbers],
            None if headers is None else [headers[n] for n in numbers],
        )


@dataclass(frozen=True, slots=True)
class Batch:
    """What a writer gets: records of one topic, decoded unless the store is `raw`.

    Attributes:
        topic: its name.
        content: what its records are.
        records: as they were read, those that are dead letters among them.
        after: the position behind the batch in each of its partitions.
        rows: the samples of metrics; empty for every other content.
        record: int64, for each row, or each message, its position in `records`.
        messages: JSON objects of every other content, as dictionaries.
        dead: what cannot be read, wholly or in part.
    """

    topic: str
    content: Content
    records: Records
    after: Positions
    rows: Rows
    record: NDArray[np.int64]
    messages: Sequence[dict[str, Any]] = ()
    dead: tuple[DeadRecord, ...] = ()

    @property
    def count(self) -> int:
        """Rows or messages in it."""
        return len(self.record)

    def refused(self, dead: DeadRecord) -> "Batch":
        """Nothing but the dead letter; the positions stay, so reading goes on behind it."""
        return replace(
            self, rows=Rows.empty(), record=np.empty(0, np.int64), messages=(),
            dead=(*self.dead, dead),
        )  # fmt: skip


NOTHING: Positions = MappingProxyType({})
_NONE: Mapping[str, int] = MappingProxyType({})


class Written(NamedTuple):
    """What came of a batch; the counts add up to `batch.count`.

    Attributes:
        written: rows or messages that are new or changed something.
        repeated: those that were there already, and those that a later one of the batch replaces.
        refused: those that a store with dead letters of its own has put there.
        others: what else became of them, by what: left out by the settings, joined to a row.
        nulled: values without a form in the store (NaN, infinities) that became null; no part of
            the sum.
        durable: positions up to which everything is safe now; may lag behind the batch.
    """

    written: int
    repeated: int = 0
    refused: int = 0
    others: Mapping[str, int] = _NONE
    nulled: int = 0
    durable: Positions = NOTHING


class Writer(Protocol):
    """An open store; used by one thread."""

    def positions(self) -> Positions:
        """Where reading goes on; empty where Kafka keeps that."""

    def begin(self, positions: Positions) -> None:
        """Partitions that were made anew are read from there: what was known of them is void.

        Raises:
            SinkError: as `write`.
        """

    def write(self, batch: Batch) -> Written:
        """Take a batch; a store that keeps positions or dead letters writes those, too.

        Raises:
            SinkError: nothing of it is durable, or nobody knows; it comes again.
            RefusedError: it cannot be written because of what is in it.
        """

    def tick(self) -> Positions:
        """Called about once a second: time to write what is buffered; what is durable since.

        Raises:
            SinkError: as `write`.
        """

    def flush(self) -> Positions:
        """Make everything durable, at the end.

        Raises:
            SinkError: as `write`.
        """

    def close(self) -> None:
        """Let go of everything; raises nothing."""


class Unbuffered:
    """The part of a `Writer` whose `write` makes all durable, and whose positions Kafka has."""

    def positions(self) -> Positions:
        """Kafka keeps them."""
        return {}

    def begin(self, positions: Positions) -> None:
        """Kafka keeps them."""

    def tick(self) -> Positions:
        """Nothing is buffered."""
        return {}

    def flush(self) -> Positions:
        """Nothing is buffered."""
        return {}


class Background(Protocol):
    """Work beside the writer in a thread of its own (retention, a relay); `name` is for people."""

    name: str

    def run(self, stopped: "Stopped") -> None:
        """Work until stopped. SinkError and SourceError are logged, and it is called again."""


class Stopped(Protocol):
    """Whether, and how long to wait until, the process ends; a `threading.Event` is one."""

    def is_set(self) -> bool:
        """Whether it ends."""

    def wait(self, timeout: float) -> bool:
        """Wait so many seconds at most; whether it ends."""


class Store(Protocol):
    """Where and how to write; opens nothing before `open`.

    Attributes:
        name: for people; without secrets.
        contents: what it takes.
        raw: whether it wants records undecoded: no rows, no messages, no dead letters.
        wants_headers: whether it wants the headers of metrics, too.
        keeps_positions: whether `Writer.positions` says where to go on.
        keeps_dead_letters: whether `Writer.write` keeps `Batch.dead`.
    """

    name: str
    contents: frozenset[Content]
    raw: bool
    wants_headers: bool
    keeps_positions: bool
    keeps_dead_letters: bool

    def open(self) -> Writer:
        """Connect and check.

        Raises:
            ConfigurationError: waiting cannot help: wrong credentials, no right to write.
            SinkError: it is away.
        """

    def background(self) -> Sequence[Background]:
        """Work beside the writer."""
