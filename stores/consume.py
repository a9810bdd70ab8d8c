"""The loop behind every store: read, decode, write until it is durable, note where it stands.

A store that is away stalls nothing but its own process: one batch is held, Kafka keeps the rest.
Attempts are repeated with growing, jittered pauses, and a breaker leaves a store alone that fails
often. Every record is accounted for: `Counts.line` shows how the numbers add up.
"""

import logging
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

import numpy as np

from padit.codecs.contract import Reject, bounded
from padit.codecs.dead_letter import DeadRecord
from padit.connectors.sink import Writer as SinkWriter
from padit.domain.errors import SinkError, SourceError
from padit.domain.message import Message
from padit.ops.reach import Reach
from padit.ops.retrying import OPEN_SECONDS, Breaker, backoff
from padit.stores.base import (
    Batch,
    BusyError,
    Place,
    Positions,
    Records,
    RefusedError,
    Stopped,
    Store,
    Writer,
    Written,
)
from padit.stores.decode import Decoder
from padit.stores.topics import Read

__all__ = ["Consume", "Counts", "Pace", "Source"]

_LOG = logging.getLogger(__name__)
_REASONS = 4  # a refused write and a refused connection have different remedies
T = TypeVar("T")


class Source(Protocol):
    """Where records come from; `stores.topics.Topics` is one."""

    def seek(self, positions: Positions | None) -> None:
        """Read from there on; None: from what was committed."""

    def poll(self, most: int, seconds: float) -> list[Read]:
        """What has come."""

    def anew(self) -> Positions:
        """Partitions that were found to be made anew since the last call; where they begin."""

    def commit(self, positions: Positions) -> None:
        """Note where the store stands."""


@dataclass(frozen=True)
class Pace:
    """How patient the loop is.

    Attributes:
        records: at most so many at a time.
        poll: seconds to wait for records.
        longest: seconds between two attempts at most.
        open: seconds for which the breaker stays open.
    """

    records: int = 20_000
    poll: float = 0.5
    longest: float = 30.0
    open: float = OPEN_SECONDS


@dataclass
class Counts:
    """What became of the records, since the start of the process.

    Attributes:
        records: read.
        items: rows or messages in them.
        written, repeated, nulled: see `Written`.
        others: by what.
        dead: dead letters.
        refused: rows in them that the store did not take.
        failures: attempts at the store that failed.
    """

    records: int = 0
    items: int = 0
    written: int = 0
    repeated: int = 0
    nulled: int = 0
    dead: int = 0
    refused: int = 0
    failures: int = 0
    others: dict[str, int] = field(default_factory=dict)

    def add(self, batch: Batch, written: Written, refused: int = 0) -> None:
        """Account for a batch that is written; `refused`: rows of it that became a dead letter."""
        self.records += len(batch.records)
        self.items += batch.count + refused
        self.refused += refused + written.refused
        self.written += written.written
        self.repeated += written.repeated
        self.nulled += written.nulled
        self.dead += len(batch.dead)
        for what, count in written.others.items():
            self.others[what] = self.others.get(what, 0) + count

    @property
    def holds(self) -> bool:
        """Whether every row and message is accounted for."""
        known = self.written + self.repeated + self.refused + sum(self.others.values())
        return known == self.items

    def line(self) -> str:
        """The account, for people."""
        left = "".join(f" + {count} {why}" for why, count in sorted(self.others.items()))
        nulled = f"; {self.nulled} values without a form there became null" if self.nulled else ""
        return (
            f"{self.records} records read, {self.dead} dead letters; {self.items} rows = "
            f"{self.written} written + {self.repeated} repeated + {self.refused} refused{left}"
            f"{'' if self.holds else ' (DOES NOT ADD UP)'}{nulled}; "
            f"{self.failures} failed attempts"
        )


class Consume:
    """Brings topics to a store.

    Args:
        source: of records.
        store: to write to.
        decoders: by topic.
        dead_letters: an open sink for what cannot be used, if the store does not keep it.
        pace: how patient it is.
    """

    def __init__(
        self,
        source: Source,
        store: Store,
        decoders: Mapping[str, Decoder],
        dead_letters: SinkWriter | None,
        pace: Pace | None = None,
    ) -> None:
        self.counts = Counts()
        self.positions: dict[Place, int] = {}
        self._source = source
        self._store = store
        self._decoders = decoders
        self._dead = dead_letters
        self._pace = pace or Pace()
        self._reach = Reach(_LOG, store.name, _REASONS)
        self._breaker = Breaker(store.name, self._pace.open)
        self._writer: Writer | None = None
        self._stopped: Stopped | None = None
        self._sought = False  # whether reading has a beginning
        self._anew: dict[Place, int] = {}  # what the store has yet to be told
        self._rewound = False  # whether what was polled will come again
        self._failures = 0  # in a row

    @property
    def healthy(self) -> bool:
        """Whether the store was there at the last attempt."""
        return self._writer is not None and not self._breaker.open

    def run(self, stopped: Stopped, caught_up: Callable[[], bool] | None = None) -> None:
        """Work until stopped; with `caught_up` until that is true after an empty poll.

        Raises:
            ConfigurationError: the store or the topics can never be used like this.
        """
        try:
            self.bring(stopped, caught_up)
        finally:
            self.close()

    def bring(self, stopped: Stopped, caught_up: Callable[[], bool] | None = None) -> None:
        """As `run`, but the store stays open, for the next call."""
        self._stopped = stopped
        while not stopped.is_set():
            reads = self._attempt(self._poll)
            if reads is None:
                continue
            for one in reads:
                self._take(self._decoders[one.topic], one.records)
            if self._writer is not None and not self._rewound:
                self._note(self._attempt(self._writer.tick))
            if not reads and caught_up is not None and caught_up():
                break
        self._finish()

    def close(self) -> None:
        """Disconnect from the store."""
        self._drop()

    def _poll(self) -> list[Read]:
        writer = self._connected()  # decides where reading begins
        self._rewound = False
        try:
            reads = self._source.poll(self._pace.records, self._pace.poll)
            self._begin(writer)
        except (SinkError, SourceError):
            self._sought = False  # some may have been read, and nobody has them
            raise
        return reads

    def _begin(self, writer: Writer) -> None:
        """Offsets of a partition that was made anew are not those that the store knows."""
        self._anew.update(self._source.anew())
        if self._anew:
            if self._store.keeps_positions:
                writer.begin(self._anew)
            self.positions.update(self._anew)
            self._anew = {}

    def _finish(self) -> None:
        """What is buffered goes out once more; what does not is read again by the next process."""
        if self._writer is None:
            return
        try:
            self._note(self._writer.flush())
        except SinkError as error:
            _LOG.warning("%s: %s; it is read again", self._store.name, error)

    # ---- one batch

    def _take(self, decoder: Decoder, records: Records) -> None:
        """Write records, unless reading begins again before them."""
        batch = decoder(records)
        while not self._rewound and not self._ends:
            if not self._keep_dead(batch):
                continue
            done = self._attempt(lambda: self._connected_to_write(batch))
            if isinstance(done, RefusedError):
                self._halve(decoder, records, batch, str(done))
                return
            if done is not None:
                self._counted(batch, done)
                return

    def _connected_to_write(self, batch: Batch) -> Written | RefusedError:
        """Write, unless an attempt whose answer was lost has written it.

        To refuse a batch is no failure of the store, so the breaker does not see it as one.
        """
        writer = self._connected()
        if self._rewound:
            return Written(0)
        keeps = self._store.keeps_positions
        if keeps and all(self.positions.get(p, 0) >= n for p, n in batch.after.items()):
            return Written(batch.count)
        try:
            return writer.write(batch)
        except RefusedError as error:
            return error

    def _halve(self, decoder: Decoder, records: Records, batch: Batch, reason: str) -> None:
        """Find the records that the store refuses; each becomes a dead letter."""
        count = len(records)
        if count > 1:
            numbers = np.arange(count)
            self._take(decoder, records.select(numbers[: count // 2]))
            self._take(decoder, records.select(numbers[count // 2 :]))
            return
        dead = DeadRecord(
            records.values[0],
            Reject(0, bounded(f"{self._store.name} refuses it: {reason}"), max(batch.count, 1)),
            batch.topic,
            int(records.partition[0]),
            int(records.offset[0]),
        )
        left = batch.refused(dead)
        done = None
        while done is None and not self._rewound and not self._ends:
            if self._keep_dead(left):
                done = self._attempt(lambda: self._connected_to_write(left))
        if isinstance(done, RefusedError):
            message = f"{self._store.name} refuses a batch without rows: {done}"
            raise SinkError(message)
        if done is not None:
            self._counted(left, done, batch.count)

    def _counted(self, batch: Batch, done: Written, refused: int = 0) -> None:
        if self._rewound:
            return
        self.counts.add(batch, done, refused)
        self._note(batch.after if self._store.keeps_positions else done.durable)

    def _keep_dead(self, batch: Batch) -> bool:
        """Dead letters are durable before the positions move; whether they are."""
        if self._dead is None or self._store.keeps_dead_letters or not batch.dead:
            return True
        dead = self._dead
        letters = [Message.dead_letter(one.letter()) for one in batch.dead]

        def write() -> bool:
            dead.write(letters)
            dead.flush()
            return True

        return self._attempt(write, of_store=False) is not None

    def _note(self, positions: Positions | None) -> None:
        if positions:
            self.positions.update(positions)
            self._source.commit(positions)

    # ---- the store

    @property
    def _ends(self) -> bool:
        return self._stopped is not None and self._stopped.is_set()

    def _connected(self) -> Writer:
        """The open store. What it holds decides where reading goes on.

        A store without positions of its own may have lost what it had buffered, and one with them
        may have been restored from a backup: then reading begins again where the store stands.
        """
        if self._writer is None:
            writer = self._store.open()
            try:
                self._begin(writer)
                self._seek(writer.positions() if self._store.keeps_positions else None)
                self._begin(writer)
            except BaseException:
                writer.close()
                raise
            self._writer = writer
        return self._writer

    def _seek(self, known: Positions | None) -> None:
        lost = known is None or any(
            known.get(place, 0) < position for place, position in self.positions.items()
        )
        if lost or not self._sought:
            if self._sought and known is not None:
                _LOG.warning("%s is behind where it was; reading begins there", self._store.name)
            self._source.seek(known)
            self._rewound = self._sought = True
        if known is not None:
            self.positions = dict(known)

    def _drop(self) -> None:
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.close()

    def _attempt(self, action: Callable[[], T], of_store: bool = True) -> T | None:
        """Try something remote once; None: it failed, and the pause is over.

        After a failure nobody knows what the store holds, so it is opened again.
        """
        asked = 0.0
        try:
            done = self._breaker.call(action) if of_store else action()
            if done is not None:
                self._failures = 0
                self._reach.back()
                return done
        except (SinkError, SourceError) as error:
            self._failures += 1
            self.counts.failures += 1
            asked = error.seconds if isinstance(error, BusyError) else 0.0
            if of_store:
                self._drop()
            self._reach.away(str(error))
        pause = backoff(max(self._failures, 1), random.random(), self._pace.longest)  # noqa: S311
        if self._stopped is not None:
            self._stopped.wait(max(pause, asked))
        return None
