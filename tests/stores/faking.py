"""A topic and a store in memory, for the laws of the loop between them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from padit.codecs.validate import Validate
from padit.stores.base import (
    Background,
    Batch,
    Content,
    Place,
    Positions,
    Records,
    Writer,
    Written,
)
from padit.stores.consume import Consume, Pace
from padit.stores.decode import Decoder
from padit.stores.topics import Read

QUICK = Pace(records=7, poll=0.0, longest=0.001, open=0.001)


def records_of(values: Sequence[bytes | None], partition: int = 0, first: int = 0) -> Records:
    """Records of one partition, with the header `id` that the job writes."""
    count = len(values)
    return Records(
        np.full(count, partition, np.int32),
        np.arange(first, first + count, dtype=np.int64),
        np.full(count, -1, np.int64),
        [None] * count,
        values,
        [[("id", b"%d-%d" % (partition, n + first))] for n in range(count)],
    )


class FakeTopics:
    """Partitions of one topic as lists of values."""

    def __init__(self, partitions: Sequence[Sequence[bytes | None]], topic: str = "alerts") -> None:
        self.topic = topic
        self.partitions = [list(one) for one in partitions]
        self.committed: dict[Place, int] = {}
        self.at = [0] * len(partitions)
        self.polls = 0

    def seek(self, positions: Positions | None) -> None:
        known = self.committed if positions is None else positions
        self.at = [known.get(Place(self.topic, n), 0) for n in range(len(self.partitions))]

    def poll(self, most: int, seconds: float) -> list[Read]:
        self.polls += 1
        for n, values in enumerate(self.partitions):
            some = values[self.at[n] : self.at[n] + most]
            if some:
                first, self.at[n] = self.at[n], self.at[n] + len(some)
                return [Read(self.topic, records_of(some, n, first))]
        return []

    def anew(self) -> Positions:
        return {}

    def commit(self, positions: Positions) -> None:
        self.committed.update(positions)

    def caught_up(self) -> bool:
        return self.at == [len(one) for one in self.partitions]


class FakeStore:
    """Keeps rows by their record; `trouble` is called at every step by name, and may raise."""

    raw = False
    wants_headers = False

    def __init__(self, trouble: Callable[[str], None], *, keeps: bool, lag: int = 0) -> None:
        self.name = "a store in memory"
        self.contents = frozenset(Content)
        self.keeps_positions = self.keeps_dead_letters = keeps
        self.trouble = trouble
        self.lag = lag
        self.rows: list[tuple[int, int]] = []
        self.dead: list[tuple[int, int]] = []
        self.at: dict[Place, int] = {}

    def open(self) -> Writer:
        self.trouble("open")
        return FakeWriter(self)

    def background(self) -> Sequence[Background]:
        return ()


class FakeWriter:
    def __init__(self, store: FakeStore) -> None:
        self.store = store
        self.held: list[Batch] = []

    def positions(self) -> Positions:
        return dict(self.store.at)

    def begin(self, positions: Positions) -> None:
        self.store.at.update(positions)

    def write(self, batch: Batch) -> Written:
        self.store.trouble("before")
        for message in batch.messages:
            if "bad" in message:
                from padit.stores.base import RefusedError

                raise RefusedError("bad")
        self.held.append(batch)
        durable = self.flush() if len(self.held) > self.store.lag else {}
        self.store.trouble("after")
        return Written(batch.count, durable=durable)

    def flush(self) -> Positions:
        durable: dict[Place, int] = {}
        for batch in self.held:
            where = [
                (int(batch.records.partition[n]), int(batch.records.offset[n]))
                for n in batch.record.tolist()
            ]
            seen = set() if self.store.keeps_positions else set(self.store.rows)
            self.store.rows += [one for one in where if one not in seen]
            self.store.dead += [(one.partition, one.offset) for one in batch.dead]
            self.store.at.update(batch.after)
            durable |= batch.after
        self.held.clear()
        return durable

    def tick(self) -> Positions:
        return {}

    def close(self) -> None:
        self.held.clear()


def loop_of(topics: FakeTopics, store: FakeStore) -> Consume:
    """The loop between them."""
    validate = Validate(1 << 20, 3_600_000_000)
    decoder = Decoder(topics.topic, Content.ALERTS, validate, raw=False)
    return Consume(topics, store, {topics.topic: decoder}, None, QUICK)
