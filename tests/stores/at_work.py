"""A store at work in a thread of its own, behind a topic in memory, while its server changes."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from padit.codecs.validate import Validate
from padit.connectors.sinks.simple import NullSink
from padit.stores.base import Content, Store
from padit.stores.consume import Consume, Pace
from padit.stores.decode import Decoder
from tests.adapters.live import until
from tests.stores.faking import FakeTopics

__all__ = ["AtWork", "at_work"]


@dataclass
class AtWork:
    """The loop, its topic, and what ended it."""

    loop: Consume
    topics: FakeTopics
    errors: list[Exception] = field(default_factory=list)

    def more(self, values: Sequence[bytes]) -> None:
        """Append records, which nobody waits for."""
        self.topics.partitions[0].extend(values)

    @property
    def waiting(self) -> int:
        """Records that are not written."""
        return len(self.topics.partitions[0]) - self.loop.counts.records

    def caught_up(self) -> None:
        """Wait until all is written."""
        until(lambda: self.waiting == 0 or bool(self.errors), "everything is written", 60)
        assert not self.errors
        assert self.loop.counts.holds, self.loop.counts.line()

    def held(self) -> None:
        """Wait for three failed attempts more; nothing is lost meanwhile, and nothing ends."""
        before = self.loop.counts.failures
        until(lambda: self.loop.counts.failures > before + 2 or bool(self.errors), "failures", 60)
        assert not self.errors
        assert self.waiting > 0


@contextmanager
def at_work(store: Store, content: Content, values: Sequence[bytes] = ()) -> Iterator[AtWork]:
    """As `padit store` brings it, with short pauses."""
    topics = FakeTopics([list(values)], content.value)
    decoder = Decoder(content.value, content, Validate(1 << 20, 3_600_000_000), raw=False)
    pace = Pace(records=50, poll=0.01, longest=0.05, open=0.05)
    made = AtWork(Consume(topics, store, {content.value: decoder}, NullSink().open(), pace), topics)
    stopped = threading.Event()

    def work() -> None:
        try:
            made.loop.run(stopped)
        except Exception as error:  # whatever ends it: a test that waits for it shall say what
            made.errors.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield made
    finally:
        stopped.set()
        thread.join()
